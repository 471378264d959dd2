/** Options of stores with rocksdb that meet each other, as a user types them. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { keyValueEngines } from "../../engine/hot/kv/registry.ts";
import { optionNamed } from "../../engine/options/registry.ts";
import { type Done, Workplace } from "./command.ts";

const hasRocksdb = keyValueEngines().some(
  ({ name, unavailable }) => name === "rocksdb" && unavailable === null,
);

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const job = ["--name=a", "--rw=randwrite", "--bs=4k", "--size=8m", "--number_ios=100"];
const run = (...settings: readonly string[]): Done =>
  place.run([
    ...["run", ...job, "--no-progress", "--no-report", "--out=r"],
    ...["--target=store:u.img?size=600m&fresh=1", "--destroy"],
    ...settings.map((setting) => `--set=${setting}`),
  ]);

test.runIf(hasRocksdb)(
  "units of the store may be larger than BlueFS's pieces, which are whole units then",
  () => {
    for (const [unit, piece] of [
      ["128k", "64k"],
      ["1m", "8k"],
    ]) {
      const made = run(`bluestore_min_alloc_size=${unit}`, `bluefs_shared_alloc_size=${piece}`);
      expect([made.code, made.err]).toEqual([0, expect.stringContaining("results:")]);
      expect(`${made.out}${made.err}`).toMatch(
        /bluefs_shared_alloc_size=\d+ acts as (131072|1048576)/,
      );
      expect(place.run(["fsck", "u.img", "--deep"]).out).toContain("no errors");
    }
  },
  120_000,
);

test("pieces of BlueFS that no device and no allocator has are refused before anything is made", () => {
  for (const [setting, what] of [
    ["bluefs_shared_alloc_size=6k", "a power of two"],
    ["bluefs_shared_alloc_size=12k", "a power of two"],
    ["bluefs_alloc_size=5000", "a multiple of 4096"],
  ] as const) {
    const { code, err } = run(setting);
    expect([code, err]).toEqual([2, `osdyno: ${setting}: must be ${what}\n`]);
  }
  expect(place.exists("u.img")).toBe(false);
}, 60_000);

test.runIf(hasRocksdb)(
  "Ceph's own column families are taken as they stand, with a note on the cache that all share",
  () => {
    const { default: usual } = optionNamed("bluestore_rocksdb_cfs");
    const made = run(`bluestore_rocksdb_cfs=${usual}`);
    expect([made.code, made.err]).toEqual([0, expect.stringContaining("results:")]);
    expect(`${made.out}${made.err}`).toContain(
      "block_cache in bluestore_rocksdb_cfs has no effect",
    );
    const plain = run("bluestore_rocksdb_cfs=O(2)=block_cache={type=lru};ttl=100 P");
    expect([plain.code, plain.err]).toEqual([0, expect.stringContaining("results:")]);
    const unmatched = run("bluestore_rocksdb_cfs=O=block_cache={type=lru");
    expect(unmatched.code).toBe(2);
    expect(unmatched.err).toMatch(/^osdyno: [^\n]*O=block_cache=[^\n]*\n$/);
  },
  120_000,
);
