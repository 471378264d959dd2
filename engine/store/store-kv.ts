/** Which key-value store holds a store's metadata, and how it is tuned. */
import { OsdynoError } from "../base/error.ts";
import { createAllocator } from "../hot/allocator/registry.ts";
import type { KeyValueStore, KvOpenContext } from "../hot/kv/kv.ts";
import { keyValueEngine, keyValueEngines } from "../hot/kv/registry.ts";
import type { OptionSet } from "../options/option-set.ts";
import { optionTable } from "../options/registry.ts";
import type { BlueStoreParts } from "./bluestore/parts.ts";

export interface KvChoice {
  readonly name: string;
  /** Why it is not the one that is usual; `null`: it is. */
  readonly note: string | null;
}

/** Below this what it keeps free for its logs and tables is more than a volume leaves. */
const usualNativeBytes = 512 * 2 ** 20;

/** Whether native code cannot find the allocator's space, because it is in TypeScript. */
export function withoutNativeSpace(allocator: string): boolean {
  const made = createAllocator(allocator, { capacityBytes: 2 ** 20, blockBytes: 4096 });
  const handle: unknown = Reflect.get(made, "handle");
  made.close();
  return typeof handle !== "number";
}

/** Of a store that is made: as set, else rocksdb, or waltree where that cannot be. */
export function kvOfNewStore(
  options: OptionSet,
  sizeBytes: number,
  hasDbDevice: boolean,
): KvChoice {
  const wanted = options.text("bluestore_kvbackend");
  if (options.isSet("bluestore_kvbackend")) {
    return { name: wanted, note: null };
  }
  const engine = keyValueEngines().find(({ name }) => name === wanted);
  const allocator = options.text("bluestore_allocator");
  let reason = engine?.unavailable ?? null;
  if (reason === null && !hasDbDevice && sizeBytes < usualNativeBytes) {
    reason = `takes a store of ${usualNativeBytes} bytes or more`;
  }
  if (reason === null && !hasDbDevice && withoutNativeSpace(allocator)) {
    reason = `takes no space from allocator ${allocator}, which is in TypeScript`;
  }
  return reason === null
    ? { name: wanted, note: null }
    : { name: "waltree", note: `metadata is in waltree: ${wanted} ${reason}` };
}

const kvOptionNames = /^(bluefs_|rocksdb_|bluestore_rocksdb_|bluestore_volume_selection_|waltree_)/;

/** Tuning of key-value stores, as far as it was set. */
export function kvOptionsOf(options: OptionSet): KvOpenContext["options"] {
  const set = optionTable.filter(
    ({ name, layer }) => layer === "store" && kvOptionNames.test(name) && options.isSet(name),
  );
  return Object.fromEntries(set.map(({ name }) => [name, options.get(name)]));
}

/** Stores of this process whose metadata is nowhere else, by the path of their main device. */
const inMemory = new Map<string, KeyValueStore>();

/**
 * Opens a store's key-value store. One without devices is kept as long as the process, so that a store that
 * was made can be used; opening throws `bad-input` when its process has ended.
 */
export function kvOpener(name: string, path: string): BlueStoreParts["openKv"] {
  return async (context) => {
    const engine = keyValueEngine(name);
    if (engine.uses !== "none") {
      return await engine.open(context);
    }
    const kept = context.create ? await engine.open(context) : inMemory.get(path);
    if (kept === undefined) {
      throw new OsdynoError(
        "bad-input",
        `${path}: its metadata was in key-value store ${name} and ended with the process that made it; make it anew`,
      );
    }
    inMemory.set(path, kept);
    return kept;
  };
}
