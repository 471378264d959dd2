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
  expect(err).toMatch(
    /^osdyno: cannot make store:[^\n]*the whole file system has \d+; give it a size= that fits\n$/,
  );
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

const write = ["--name=a", "--rw=randwrite", "--bs=4k", "--size=4m", "--io_size=64k"];
const plain = ["run", "--no-progress", "--no-report", "--out=r"];

test("keys of files that do nothing on a store are told, by name and value", () => {
  const target = `--target=store:c?size=96m&${waltree}`;
  const told = (...keys: readonly string[]): string[] => {
    const { code, out, err } = place.run([...plain, target, ...keys]);
    expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
    return [...out.matchAll(/^note: (.*) has no effect: /gm)].map(([, key = ""]) => key);
  };
  expect(
    told("--fadvise_hint=0", ...write, "--unlink=1", "--file_append=1", "--nrfiles=2"),
  ).toEqual(["unlink=1", "file_append=1", "fadvise_hint", "nrfiles=2"]);
  expect(place.files()).toContain("c");
  expect(told(...write, "--direct=0", "--invalidate=1", "--pre_read=1")).toEqual([
    ...["direct=0", "invalidate=1", "pre_read=1"],
  ]);
  expect(told(...write, "--buffered=1")).toEqual(["buffered=1"]);
  expect(told(...write, "--direct=1", "--unlink=0", "--buffered=0", "--nrfiles=1")).toEqual([]);
}, 60_000);

test("overwrite=1 fills what a job on a store only writes", () => {
  const written = (...keys: readonly string[]): number => {
    const target = `--target=store:c?size=96m&fresh=1&${waltree}`;
    const { code } = place.run([...plain, "--destroy", target, ...write, ...keys]);
    expect(code).toBe(0);
    const { out } = place.run(["store", "free", "c", "--json"]);
    return (JSON.parse(out) as { freeBytes: number }).freeBytes;
  };
  expect(written() - written("--overwrite=1")).toBeGreaterThan(3 << 20);
}, 60_000);

test("allow_file_create=0 and filetype hold for the file of a store", () => {
  const refused = (target: string, key: string): string => {
    const { code, err } = place.run([...plain, `--target=store:${target}`, ...write, key]);
    expect(code).toBe(2);
    return err;
  };
  expect(refused("absent", "--allow_file_create=0")).toMatch(
    /^osdyno: [^\n]*absent does not exist, and allow_file_create=0 forbids to make it\n$/,
  );
  expect(place.files()).toEqual([]);
  const objects = ["--io_unit=object", "--nrfiles=8", "--allow_file_create=0"];
  expect(place.run([...plain, "--target=store:absent", ...write, ...objects]).code).toBe(2);
  expect(notes(`c?size=96m&${waltree}`)).toEqual([]);
  expect(refused("c", "--filetype=block")).toMatch(/c is not what filetype=block asks for\n$/);
  expect(place.run([...plain, "--target=store:c", ...write, "--allow_file_create=0"]).code).toBe(0);
}, 60_000);
