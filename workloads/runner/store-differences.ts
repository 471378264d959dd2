/** What of a store is not as the options of a run say: how it was made, and what has no effect on it. */
import { resolve } from "node:path";
import type { OptionSet } from "../../engine/options/option-set.ts";
import { readsWhole } from "../../engine/store/bluestore/write-path/context.ts";
import { clientHints } from "../../engine/store/client-hints.ts";
import type { RealStore } from "../../engine/store/real-store.ts";
import { otherPaths } from "../../engine/store/store-devices.ts";
import { allocHints } from "../../engine/store/transaction.ts";

/** What a store was made with, whatever the options of the run say now. */
function madeWith({ store }: RealStore): Readonly<Record<string, string | number | boolean>> {
  const { label, geometry } = store.opened;
  return {
    bluestore_kvbackend: label.kv,
    bluestore_min_alloc_size: geometry.unitBytes,
    bdev_block_size: geometry.blockBytes,
    bluestore_allocation_from_file: geometry.freelist === "file",
    bluestore_freelist_blocks_per_key: geometry.freelistUnitsPerKey,
    bluestore_block_size: label.sizeBytes,
  };
}

/** Where its other devices are, also those that have moved since it was made. */
function openedAt({ store }: RealStore, options: OptionSet): Readonly<Record<string, string>> {
  const { db, wal } = otherPaths(options, store.opened.label);
  const paths = { bluestore_block_db_path: db ?? "", bluestore_block_wal_path: wal ?? "" };
  const same = (name: string, path: string) => {
    const text = options.text(name);
    return path === (text === "" ? "" : resolve(text));
  };
  return Object.fromEntries(Object.entries(paths).filter(([name, path]) => !same(name, path)));
}

/** Compression that waits for hints which no client gives. */
function hintNotes(options: OptionSet): string[] {
  const hints = clientHints(options);
  const largest = ["", "_hdd", "_ssd"].map((kind) => `bluestore_compression_max_blob_size${kind}`);
  const idle = readsWhole(hints) ? [] : largest.filter((name) => options.isSet(name));
  const passive = options.text("bluestore_compression_mode") === "passive";
  return [
    ...(passive && (hints & allocHints.compressible) === 0
      ? [
          "bluestore_compression_mode=passive compresses nothing that is written now: no client says that it is compressible, as rbd_compression_hint=compressible does",
        ]
      : []),
    ...idle.map(
      (name) =>
        `${name}=${options.get(name)} has no effect: it is of objects that are read in order and not changed, as alloc_hints=sequential_read,immutable says; of others bluestore_compression_min_blob_size is`,
    ),
  ];
}

/** What was set and does not act as it was set, for another reason than how the store was made. */
function inVain(real: RealStore, options: OptionSet): string[] {
  const tuned = options.flag("bluestore_cache_autotune");
  const target = "osd_memory_target";
  const sizes = ["", "_hdd", "_ssd"].map((kind) => `bluestore_cache_size${kind}`);
  const idle = (tuned ? sizes : [target]).filter((name) => options.isSet(name));
  const why = tuned
    ? `bluestore_cache_autotune=true sizes the caches by ${target}`
    : "bluestore_cache_autotune=false keeps the caches at shares of bluestore_cache_size";
  const unit = real.store.opened.geometry.unitBytes;
  const blob = options.number("bluestore_max_blob_size");
  const whole = Math.max(unit, blob - (blob % unit));
  const families = "bluestore_rocksdb_cfs";
  const shared = "bluefs_shared_alloc_size";
  return [
    ...idle.map((name) => `${name}=${options.get(name)} has no effect: ${why}`),
    ...(whole === blob
      ? []
      : [
          `bluestore_max_blob_size=${blob} acts as ${whole}: blobs are whole units of ${unit} bytes`,
        ]),
    ...hintNotes(options),
    ...(options.isSet(families) && options.text(families).includes("block_cache=")
      ? [`block_cache in ${families} has no effect: all column families share one cache`]
      : []),
    ...(options.isSet(shared) && options.number(shared) < unit
      ? [`${shared}=${options.number(shared)} acts as ${unit}: space is given in such units`]
      : []),
  ];
}

/** Values that hold and the options do not have, by name, and what was asked for in vain. */
export function differences(real: RealStore, options: OptionSet) {
  const held = Object.entries(madeWith(real)).filter(
    ([name, value]) => String(options.get(name)) !== String(value),
  );
  // What a preset says of the size is nobody's mistake: a device has its own, and size= says another.
  const origin = options.record()["bluestore_block_size"]?.origin ?? "";
  const asked = held.filter(
    ([name]) =>
      options.isSet(name) && !(name === "bluestore_block_size" && origin.startsWith("preset ")),
  );
  return {
    held: Object.fromEntries(
      [...held, ...Object.entries(openedAt(real, options))].map(([name, value]) => [
        name,
        { value: String(value), origin: "the store" },
      ]),
    ),
    notes: [
      ...asked.map(
        ([name, value]) =>
          `${name}=${options.get(name)} has no effect: the store was made with ${value === "" ? "none" : value}`,
      ),
      ...inVain(real, options),
    ],
  };
}
