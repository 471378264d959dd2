/** Stores with devices for their key-value store, as a user makes and opens them. */
import { closeSync, openSync, renameSync, truncateSync, writeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { holdFile } from "../../engine/os/hold.ts";
import { labelOf } from "../../engine/store/store-devices.ts";
import { hasRocksdb } from "../conformance/native-store.ts";
import { type Done, Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

function run(target: string, ...more: readonly string[]): Done {
  const job = ["--name=a", "--rw=randwrite", "--bs=4k", "--size=8m", "--io_size=256k"];
  const verify = ["--verify=crc32c", "--no-progress", "--iodepth=4"];
  return place.run(["run", ...job, ...verify, "--target", `store:${target}`, ...more]);
}

const twoDevices = "bluestore_block_db_path=a.db&bluestore_block_wal_path=a.wal";

function makeWithDevices(): void {
  const made = run(`a?size=96m&${twoDevices}&bluestore_block_wal_size=32m`);
  expect(made).toMatchObject({ code: 0 });
}

test("a store with a db and a wal device is found again by its label", () => {
  makeWithDevices();
  const label = labelOf(place.path("a"));
  expect(label).toMatchObject({ role: "main", kv: hasRocksdb ? "rocksdb" : "waltree" });
  expect([label.db, label.wal]).toEqual([place.path("a.db"), place.path("a.wal")]);
  expect(labelOf(place.path("a.db"))).toMatchObject({ role: "db", storeId: label.storeId });
  const wal = labelOf(place.path("a.wal"));
  expect(wal).toMatchObject({ role: "wal", storeId: label.storeId, sizeBytes: 32 << 20 });
  expect(run("a")).toMatchObject({ code: 0 });
}, 60_000);

test("a path that is set and acts is noted nowhere, also one with which the store was made or is by now", () => {
  const notes = (target: string, ...more: readonly string[]) => {
    const { code, err, out } = run(target, ...more);
    expect([code, err]).toEqual([0, err]);
    return `${out}${err}`.match(/note: [^\n]*(has no effect|was made with)[^\n]*/g);
  };
  expect(notes(`a?size=96m&${twoDevices}&bluestore_block_wal_size=32m`)).toBe(null);
  expect(notes("a", "--set=bluestore_block_db_path=a.db")).toBe(null);
  expect(notes("a", `--set=bluestore_block_db_path=${place.path("a.db")}`)).toBe(null);
  renameSync(place.path("a.db"), place.path("m.db"));
  expect(notes("a?bluestore_block_db_path=m.db")).toBe(null);
}, 60_000);

test("a device that the store does not have is refused as such, whether it is there or not", () => {
  expect(run("b?size=64m&bluestore_kvbackend=waltree").code).toBe(0);
  const none = run("b?bluestore_block_wal_path=y.wal");
  expect(none.code).toBe(2);
  expect(none.err).toMatch(/b: its store has no wal device, but one is given/);
  makeWithDevices();
  const absent = run("a?bluestore_block_db_path=typo.db");
  expect(absent.code).toBe(2);
  expect(absent.err).toMatch(
    /^osdyno: .*a: there is no file or device bluestore_block_db_path=\S*typo\.db; its db device was \S*a\.db\n$/,
  );
}, 60_000);

test("a db device that is missing, moved, another one or in the wrong place", () => {
  makeWithDevices();
  renameSync(place.path("a.db"), place.path("moved.db"));
  const missing = run("a");
  expect(missing.code).toBe(2);
  expect(missing.err).toMatch(
    /^osdyno: .*a: its db device .*a\.db is missing; name it with [^\n]*\n$/,
  );
  expect(run("a?bluestore_block_db_path=moved.db").code).toBe(0);
  const swapped = run("a?bluestore_block_db_path=a.wal&bluestore_block_wal_path=moved.db");
  expect(swapped.code).toBe(2);
  expect(swapped.err).toMatch(/a\.wal: is the wal device of the store on .*, not its db device\n$/);
  expect(run("b?size=96m&bluestore_kvbackend=waltree").code).toBe(0);
  const foreign = run("a?bluestore_block_db_path=b");
  expect(foreign.code).toBe(2);
  expect(foreign.err).toMatch(/b: belongs to store \w+, not to \w+ on .*a\n$/);
  const none = run("b?bluestore_block_db_path=moved.db");
  expect(none.code).toBe(2);
  expect(none.err).toContain("its store has no db device, but one is given");
  // To make another store with it would destroy it.
  const taken = run("c?size=96m&bluestore_block_db_path=moved.db");
  expect(taken.code).toBe(4);
  expect(taken.err).toContain("belongs to another object store");
  expect(place.exists("c")).toBe(false);
}, 120_000);

test("what is no store, has another version or size, or is in use", () => {
  expect(run("a?size=64m&bluestore_kvbackend=waltree").code).toBe(0);
  const other = run("a?bluestore_kvbackend=rocksdb");
  expect(other.code).toBe(2);
  expect(other.err).toMatch(/its metadata is in key-value store waltree, not rocksdb\n$/);
  const hold = holdFile(place.path("a"));
  const used = run("a");
  hold.close();
  expect(used.code).toBe(4);
  expect(used.err).toMatch(/^osdyno: [^\n]*a: it is in use by another osdyno[^\n]*\n$/);
  expect(run("a").code).toBe(0);
  truncateSync(place.path("a"), 60 << 20);
  const short = run("a");
  expect(short.code).toBe(2);
  expect(short.err).toMatch(/a: has 62914560 bytes, but its store was made for 67108864\n$/);
  truncateSync(place.path("a"), 64 << 20);
  const file = openSync(place.path("a"), "r+");
  writeSync(file, "x", 100);
  closeSync(file);
  const damaged = run("a");
  expect(damaged.code).toBe(1);
  expect(damaged.err).toMatch(/^osdyno: .*a: the label is damaged\n$/);
}, 60_000);

test("metadata in memory serves the run that made the store, and no other", () => {
  expect(run("a?size=64m&bluestore_kvbackend=memory").code).toBe(0);
  expect(labelOf(place.path("a")).kv).toBe("memory");
  const again = run("a");
  expect(again.code).toBe(2);
  expect(again.err).toMatch(
    /a: its metadata was in key-value store memory and ended with [^\n]*\n$/,
  );
}, 60_000);

const firstFit = fileURLToPath(new URL("../../engine/hot/allocator/first-fit.ts", import.meta.url));

test.runIf(hasRocksdb)(
  "an allocator in TypeScript gives rocksdb no space of its device",
  () => {
    const plugIn = ["--plugin", firstFit, "--set", "bluestore_allocator=first-fit"];
    const refused = run("a?size=96m&bluestore_kvbackend=rocksdb", ...plugIn);
    expect([refused.code, place.exists("a")]).toEqual([2, false]);
    expect(refused.err).toMatch(/^osdyno: key-value store rocksdb shares the device [^\n]*\n$/);
    const usual = run("a?size=600m", ...plugIn, "--out=usual");
    expect([usual.code, labelOf(place.path("a")).kv]).toEqual([0, "waltree"]);
    const own = "b?size=96m&bluestore_kvbackend=rocksdb&bluestore_block_db_path=b.db";
    expect(run(own, ...plugIn).code).toBe(0);
  },
  60_000,
);

test.runIf(hasRocksdb)(
  "what a small db device cannot hold goes to the main one, and is counted",
  () => {
    const options = [
      "--set=bluestore_rocksdb_options=write_buffer_size=262144,compression=kNoCompression",
      "--set=bluestore_block_db_size=9m",
    ];
    const job = ["--bs=4k", "--size=48m", "--io_size=32m", "--out=spilled"];
    expect(run("a?size=96m&bluestore_block_db_path=a.db", ...options, ...job).code).toBe(0);
    const [first] = place.record("spilled").jobs as unknown as [
      { readonly osdyno: { readonly counters: Readonly<Record<string, number>> } },
    ];
    expect(first.osdyno.counters["bluefs.spilled_bytes"]).toBeGreaterThan(0);
    expect(place.run(["fsck", "a", "--deep"])).toMatchObject({ code: 0 });
  },
  120_000,
);

test.runIf(hasRocksdb)(
  "options of RocksDB that do not speak of its logs leave the store its room",
  () => {
    const job = ["--bs=4k", "--size=16m", "--io_size=4m"];
    for (const [index, set] of [
      "max_background_jobs=2",
      "compression=kNoCompression,max_total_wal_size=1073741824",
    ].entries()) {
      const done = run(`h${index}?size=600m`, `--set=bluestore_rocksdb_options=${set}`, ...job);
      expect(done, done.err).toMatchObject({ code: 0 });
    }
    for (const [set, told] of [
      ["max_total_wal_size=500000000", /max_total_wal_size=500000000 leaves no room on \S*w: /],
      ["foo=bar", /bluestore_rocksdb_options: .*foo/],
    ] as const) {
      const refused = run("w?size=600m", `--set=bluestore_rocksdb_options=${set}`, ...job);
      expect([refused.code, place.exists("w")], refused.err).toEqual([2, false]);
      expect(refused.err).toMatch(told);
      expect(refused.err.trimEnd().split("\n")).toHaveLength(1);
    }
  },
  120_000,
);
