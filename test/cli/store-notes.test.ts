/** Options of a store that do not act as they were set: the run says so, a line each. */
import { readFileSync, statSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

/** Notes about options, without those about the machine. */
function notes(target: string, ...settings: readonly string[]): string[] {
  const { code, out, err } = place.run([
    ...["run", "--no-progress", "--no-report", "--out=r", `--target=store:${target}`],
    ...["--name=a", "--rw=randwrite", "--bs=4k", "--size=4m", "--io_size=64k"],
    ...settings.map((setting) => `--set=${setting}`),
  ]);
  expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
  return [...out.matchAll(/^note: (.*(?:bluestore_|osd_memory|pmem).*)$/gm)].map(
    ([, line = ""]) => line,
  );
}

const waltree = "bluestore_kvbackend=waltree";

test("sizes, caches, blobs and engines that are not as they were set", () => {
  expect(notes(`c?size=96m&${waltree}`)).toEqual([]);
  expect(notes("c", "bluestore_block_size=2g")).toEqual([
    "bluestore_block_size=2147483648 has no effect: the store was made with 100663296",
  ]);
  expect(notes("c", "bluestore_block_size=96m", "bluestore_max_blob_size=16k")).toEqual([]);
  expect(notes("c", "bluestore_cache_size=64m")).toEqual([
    "bluestore_cache_size=67108864 has no effect: bluestore_cache_autotune=true sizes the caches by osd_memory_target",
  ]);
  const fixed = ["bluestore_cache_autotune=false", "bluestore_cache_size=64m"];
  expect(notes("c", ...fixed)).toEqual([]);
  expect(notes("c", ...fixed, "osd_memory_target=2g")).toEqual([
    "osd_memory_target=2147483648 has no effect: bluestore_cache_autotune=false keeps the caches at shares of bluestore_cache_size",
  ]);
  expect(notes("c", "bluestore_max_blob_size=10000")).toEqual([
    "bluestore_max_blob_size=10000 acts as 8192: blobs are whole units of 4096 bytes",
  ]);
  expect(notes("c", "bluestore_max_blob_size=3000")).toEqual([
    "bluestore_max_blob_size=3000 acts as 4096: blobs are whole units of 4096 bytes",
  ]);
  expect(notes("c", "bdev_ioengine=pmem")).toEqual([
    expect.stringMatching(/^pmem: \S*\/c: writes become durable by /),
  ]);
}, 60_000);

test("a store that cannot be made leaves nothing; a device in use is refused before it is opened", () => {
  const { code, err } = place.run([
    ...["run", "--no-progress", "--no-report", "--target=store:x?size=100t", "--out=r"],
    ...["--name=a", "--rw=write", "--bs=4k", "--size=4m"],
  ]);
  expect(err).toMatch(/^osdyno: cannot make a store at [^\n]*\n$/);
  expect([code, place.files()]).toEqual([2, []]);
  const [mount = ""] = readFileSync("/proc/mounts", "utf8").match(/^\/dev\/\S+/m) ?? [];
  const device = mount === "" ? undefined : statSync(mount, { throwIfNoEntry: false });
  for (const target of device?.isBlockDevice() === true
    ? [`store:${mount}`, `pwl:${mount}+null:?size=1g`]
    : []) {
    const refused = place.run([
      ...["run", "--no-progress", "--no-report", "--out=r", `--target=${target}`],
      ...["--name=a", "--rw=write", "--bs=4k", "--size=4m", "--destroy"],
    ]);
    expect(refused.err).toMatch(/^osdyno: will not write to [^\n]* is mounted at [^\n]*\n$/);
    expect([refused.code, place.files()]).toEqual([4, []]);
  }
}, 60_000);

test("counters of a store that is only opened are few, and say where a run's are", () => {
  expect(notes(`c?size=96m&${waltree}`)).toEqual([]);
  const { out } = place.run(["store", "dump", "c", "--counters"]);
  expect(out).toMatch(/^ {2}free +\d+ bytes$/m);
  expect(out).not.toMatch(/^ .* 0 /m);
  expect(out).toMatch(/^\d+ more are 0: .* osdyno\.counters of its run\.json\.$/m);
}, 60_000);
