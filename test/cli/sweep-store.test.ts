/** Sweeps over the options of an object store, as a user types them. */
import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SweepRecord } from "../../results/sweep-record.ts";
import { until, Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const sweepOf = (directory: string) =>
  JSON.parse(place.read(directory, "sweep.json")) as SweepRecord;

const job = (...keys: readonly string[]) => ["job: |", "  [j]", ...keys.map((key) => `  ${key}`)];
const write = (...lines: readonly string[]) => {
  const once = lines.some((line) => line.startsWith("repeat:")) ? [] : ["repeat: 1"];
  place.write("s.yaml", `${["name: s", ...lines, ...once].join("\n")}\n`);
};
const target = "targets: ['store:${SCRATCH}/s.img?size=128m']";
const small = job("rw=randwrite", "bs=4k", "size=8m", "io_size=1m", "iodepth=8");

const optionsOf = (directory: string, run: string) => place.record(directory, run).options;

/** Names of stores and of what was put aside. */
const stores = () => place.files().filter((name) => name.startsWith("s.img"));

test("an option axis acts as --set does, is recorded, and each run makes its store anew", () => {
  write(
    ...small,
    target,
    "set: {bluestore_cache_size: 64m}",
    "matrix: {bluestore_min_alloc_size: [4k, 16k], bluestore_csum_type: [none, crc32c]}",
    "exclude: [{bluestore_min_alloc_size: 16k, bluestore_csum_type: none}]",
  );
  const { code, err } = place.run(["sweep", "s.yaml", "--out=a", "--set=bluestore_cache_type=lru"]);
  expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
  const { points } = sweepOf("a");
  expect(points.map((point) => point.id)).toEqual(["4k-none", "4k-crc32c", "16k-crc32c"]);
  expect(points.map(({ runs: [run = ""] }) => optionsOf("a", run))).toMatchObject(
    [
      ["4096", "none"],
      ["4096", "crc32c"],
      ["16384", "crc32c"],
    ].map(([unit, sum]) => ({
      bluestore_min_alloc_size: { value: unit, origin: "sweep" },
      bluestore_csum_type: { value: sum, origin: "sweep" },
      bluestore_cache_size: { value: String(64 * 2 ** 20), origin: "sweep" },
      bluestore_cache_type: { value: "lru", origin: "--set" },
    })),
  );
  expect(stores()).toEqual([]);
  expect(place.read("a", "report.html")).toContain("min_alloc_size=16k");
});

test("options of a layer that one of several targets lacks do not act there", () => {
  write(
    ...small,
    "targets: ['null:?size=1g', 'store:${SCRATCH}/s.img?size=128m']",
    "matrix: {bluestore_csum_type: [none, crc32c]}",
  );
  expect(place.run(["sweep", "s.yaml", "--out=a", "--no-report"]).code).toBe(0);
  expect(sweepOf("a").points.map(({ parameters }) => parameters["bluestore_csum_type"])).toEqual([
    "-",
    "none",
    "crc32c",
  ]);
});

test.each([
  ["targets: ['store:${SCRATCH}/s.img?size=1k']", 9, /size=1k: must be/],
  ["targets: ['store:${SCRATCH}/s.img?bluestore_csum_typ=none']", 9, /did you mean/],
  [`${target}\nmatrix: {bluestore_allocator: [nope]}`, 10, /bluestore_allocator=nope: /],
  [`${target}\ndevice_class: tape`, 10, /choose hdd, ssd, nvme, pmem/],
  [`${target}\nset: {mon_lease: 5}`, 10, /acts on monitors, which this target/],
])("%s is refused with its line, and nothing is made", (text, line, message) => {
  write(...small, ...text.split("\n"));
  const { code, err } = place.run(["sweep", "s.yaml", "--out=a"]);
  expect(err).toMatch(new RegExp(`^osdyno: s\\.yaml:${line}: [^\\n]*${message.source}[^\\n]*\\n$`));
  expect(code).toBe(2);
  expect(place.files()).toEqual(["s.yaml"]);
});

describe("plugins", () => {
  const firstFit = fileURLToPath(
    new URL("../../engine/hot/allocator/first-fit.ts", import.meta.url),
  );

  test("an allocator of the user's own takes part, named relative to the sweep's file", () => {
    const own = readFileSync(firstFit, "utf8")
      .replaceAll('"./', `"${dirname(firstFit)}/`)
      .replaceAll("first-fit", "my-fit");
    place.write("my-fit.ts", own);
    write(
      ...small,
      target,
      "plugins: [./my-fit.ts]",
      "matrix: {bluestore_allocator: [hybrid, my-fit]}",
      "metrics: [iops, alloc_ns.p50, fragmentation]",
    );
    const { code, err } = place.run(["sweep", place.path("s.yaml"), "--out=a"]);
    expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
    const [, mine] = sweepOf("a").points;
    const record = place.record("a", mine?.runs[0] ?? "");
    expect(record.options["bluestore_allocator"]).toEqual({ value: "my-fit", origin: "sweep" });
    expect(record.environment["plugins"]).toMatchObject([
      { hot_path: "allocator", name: "my-fit" },
    ]);
    expect(place.read("a", "report.html")).toMatch(/allocator=my-fit/);
  });

  test("one that does not conform is refused with its line before anything is made", () => {
    const broken = readFileSync(firstFit, "utf8")
      .replaceAll('"./', `"${dirname(firstFit)}/`)
      .replaceAll("first-fit", "my-fit")
      .replace("taken += piece;", "taken += 2 * piece;");
    place.write("my-fit.ts", broken);
    write(...small, target, "plugins: [./my-fit.ts]", "matrix: {bluestore_allocator: [my-fit]}");
    const { code, err } = place.run(["sweep", "s.yaml", "--out=a"]);
    expect(code).toBe(2);
    expect(err).toMatch(/^osdyno: s\.yaml:10: .*my-fit\.ts: allocator my-fit does not conform: /);
    expect(place.files()).toEqual(["my-fit.ts", "s.yaml"]);
  });
});

describe("prepare", () => {
  const lines = [
    ...job("rw=randread", "bs=4k", "size=32m", "io_size=1m", "iodepth=8"),
    target,
    "prepare: {fill: 40%, age: 0.5}",
    "matrix: {bluestore_min_alloc_size: [4k, 16k], bluestore_allocator: [avl, bitmap]}",
    "repeat: 2",
  ];

  test("a store is prepared once for points of one form, also when killed in between", async () => {
    write(...lines);
    const going = place.start(["sweep", "s.yaml", "--out=a", "--no-report"]);
    const runs = () => place.files().filter((name) => /points.*\/verify\.json$/.test(name));
    await until("a run is complete", () => runs().length > 0);
    going.child.kill("SIGKILL");
    await going.done;
    const aside = stores().filter((name) => name.includes(".prepared-"));
    expect(aside.length).toBeGreaterThan(0);
    const before = place
      .files()
      .filter((name) => /^a\/prepare\/[^/]+\/verify\.json$/.test(name))
      .map((name) => [name, statSync(place.path(name)).ino]);
    const { code, err } = place.run(["sweep", "s.yaml", "--resume=a", "--no-report"]);
    expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
    expect(stores()).toEqual([]);
    const prepared = place.files().filter((name) => /^a\/prepare\/[^/]+$/.test(name));
    expect(prepared).toHaveLength(2);
    for (const [name, inode] of before) {
      expect(statSync(place.path(String(name))).ino).toBe(inode);
    }
    const options = prepared.map((name) => place.record(name).options);
    expect(options.map((each) => each["bluestore_min_alloc_size"]?.value).sort()).toEqual([
      "16384",
      "4096",
    ]);
    // What does not shape the disk is neutral while it is filled.
    expect(options.map((each) => each["bluestore_allocator"]?.origin)).toEqual([
      "default",
      "default",
    ]);
    expect(sweepOf("a").points.flatMap((point) => point.runs)).toHaveLength(8);
  }, 120_000);

  test("per: gives each value a history of its own", () => {
    write(...lines.map((line) => line.replace("age: 0.5", "age: 0.5, per: [bluestore_allocator]")));
    expect(place.run(["sweep", "s.yaml", "--out=a", "--no-report", "--repeat=1"]).code).toBe(0);
    const prepared = place.files().filter((name) => /^a\/prepare\/[^/]+$/.test(name));
    const allocators = prepared.map((name) => optionsOf(".", name)["bluestore_allocator"]?.value);
    expect(allocators.sort()).toEqual(["avl", "avl", "bitmap", "bitmap"]);
  });

  test("refuses what it cannot do, and leaves a store that is there alone", () => {
    const run = ["run", "--name=a", "--rw=write", "--size=1m", "--no-report", "--out=r"];
    const store = `--target=store:${place.path("s.img")}?size=128m`;
    expect(place.run([...run, store]).code).toBe(0);
    write(...lines);
    const inode = statSync(place.path("s.img")).ino;
    const refused = place.run(["sweep", "s.yaml", "--out=a"]);
    expect(refused.code).toBe(2);
    expect(refused.err).toMatch(
      /^osdyno: s\.yaml:10: prepare: .*s\.img holds a store already; remove/,
    );
    expect(statSync(place.path("s.img")).ino).toBe(inode);
    expect(place.exists("a")).toBe(false);
    write(...lines.map((line) => line.replace("s.img", "t.img").replace("40%", "90%")));
    const full = place.run(["sweep", "s.yaml", "--out=a"]);
    expect(full.code).toBe(2);
    expect(full.err).toMatch(
      /^osdyno: s\.yaml:10: prepare: fill: the volume of a store of .* is 7\d%/,
    );
    expect(place.exists("t.img")).toBe(false);
    write(...small, target, "matrix: {bluestore_min_alloc_size: [4k, 16k]}");
    const made = place.run(["sweep", "s.yaml", "--out=a"]);
    expect(made.code).toBe(2);
    expect(made.err).toMatch(
      /^osdyno: s\.yaml:10: bluestore_min_alloc_size acts where a store is made, and .*s\.img holds/,
    );
  });
});
