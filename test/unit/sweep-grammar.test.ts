/** The grammar of sweep files beyond plain lists: ranges, zips, conditions, options as axes. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { type Point, pointsOf } from "../../results/sweep/points.ts";
import { readSweep, type SweepSpec } from "../../results/sweep/spec.ts";
import { numberOf, rangeValues, ruleHolds, withSuffix } from "../../results/sweep/values.ts";

const folder = mkdtempSync(join(tmpdir(), "osdyno-grammar-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const head = "name: s\njob: |\n  [a]\n  rw=randwrite\n";

function read(text: string): SweepSpec {
  const file = join(folder, "s.yaml");
  writeFileSync(file, `${head}${text}`);
  return readSweep(file);
}

const points = (text: string): Point[] => pointsOf(read(text), { SCRATCH: "/s" });
const parametersOf = (text: string) => points(text).map((point) => point.parameters);

describe("values", () => {
  test("a range is walked by step or by factor, in the form of its ends", () => {
    expect(rangeValues({ from: "32k", to: "1m", factor: 2 })).toEqual(
      "32k 64k 128k 256k 512k 1m".split(" "),
    );
    expect(rangeValues({ from: "0.1", to: "0.5", step: "0.2" })).toEqual(["0.1", "0.3", "0.5"]);
    expect(rangeValues({ from: "1", to: "64", factor: 4 })).toEqual(["1", "4", "16", "64"]);
  });

  test("what a suffix shortens means the same number", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (value) => {
        expect(numberOf(withSuffix(value))).toBe(value);
      }),
    );
  });

  test.each([
    ["64k", "< 128k", true],
    ["64k", "< ${other}", false],
    ["16k", "<= ${other}", true],
    ["16k", "!= ${other}", false],
    ["16k", "16k", true],
    ["16k", "16384", false],
    ["none", "> 1", false],
  ])("%s against %s: %s", (value, wanted, holds) => {
    expect(ruleHolds({ a: [wanted] }, { a: value, other: "16k" })).toBe(holds);
  });
});

describe("axes", () => {
  test("names of options act on the target, other names on the job", () => {
    const [first, second] = points(
      "set: {bluestore_cache_size: 64m}\nmatrix: {bluestore_allocator: [avl, btree], bs: [4k]}\n",
    );
    expect(first).toMatchObject({
      id: "avl-4k",
      options: { bluestore_cache_size: "64m", bluestore_allocator: "avl" },
      settings: { bs: "4k" },
    });
    expect(second?.options).toMatchObject({ bluestore_allocator: "btree" });
  });

  test("named sets mix job keys and options; presets and device classes are axes too", () => {
    const [one, two] = points(
      "matrix:\n  way:\n    raw: {bs: 4k}\n    packed: {bs: 64k, bluestore_compression_mode: force, preset: documents-osd, device_class: hdd}\n",
    );
    expect(one).toMatchObject({ settings: { bs: "4k" }, options: {}, preset: null });
    expect(two).toMatchObject({
      settings: { bs: "64k" },
      options: { bluestore_compression_mode: "force" },
      preset: "documents-osd",
      deviceClass: "hdd",
    });
  });

  test("zipped lists move in step", () => {
    expect(
      parametersOf("zip: [{iodepth: [1, 4], numjobs: [4, 1]}]\nmatrix: {bs: [4k, 8k]}\n"),
    ).toEqual([
      { bs: "4k", iodepth: "1", numjobs: "4" },
      { bs: "4k", iodepth: "4", numjobs: "1" },
      { bs: "8k", iodepth: "1", numjobs: "4" },
      { bs: "8k", iodepth: "4", numjobs: "1" },
    ]);
  });

  test("a parameter acts only where its rule holds, and such points are there once", () => {
    const found = points(
      "matrix:\n  bluestore_compression_mode: [none, force]\n  bluestore_compression_algorithm: [lz4, zstd]\nwhen:\n  bluestore_compression_algorithm: {bluestore_compression_mode: force}\n",
    );
    expect(found.map((point) => Object.values(point.parameters))).toEqual([
      ["none", "-"],
      ["force", "lz4"],
      ["force", "zstd"],
    ]);
    expect(found[0]?.options).toEqual({ bluestore_compression_mode: "none" });
  });

  test("exclude compares parameters with each other", () => {
    const sizes = "[4k, 16k, 64k]";
    expect(
      parametersOf(
        `matrix: {bs: ${sizes}, bluestore_min_alloc_size: ${sizes}}\nexclude: [{bs: "< \${bluestore_min_alloc_size}"}, {bs: [64k]}]\n`,
      ),
    ).toEqual([
      { bs: "4k", bluestore_min_alloc_size: "4k" },
      { bs: "16k", bluestore_min_alloc_size: "4k" },
      { bs: "16k", bluestore_min_alloc_size: "16k" },
    ]);
  });

  test("stop rule, preparation and pick are read in their units", () => {
    const spec = read(
      "repeat: 6\nuntil: {within: 2.5%, max_repeat: 12, time: 10m}\nprepare: {fill: 60%, age: 2}\nmatrix: {bluestore_throttle_bytes: {from: 32k, to: 64k, factor: 2}}\npick: {smallest: bluestore_throttle_bytes, within: 5%}\n",
    );
    expect(spec).toMatchObject({
      until: { within: 0.025, maxRepeat: 12, timeSeconds: 600 },
      prepare: { fill: 0.6, age: 2, per: [] },
      pick: { parameter: "bluestore_throttle_bytes", within: 0.05 },
    });
  });
});

describe("refusals name the line", () => {
  test.each([
    ["matrix: {bluestore_alocator: [avl]}", 5, /no option or job key .*mean bluestore_allocator\?/],
    ["matrix: {bluestore_csum_type: [crc]}", 5, /bluestore_csum_type=crc: one of none, crc32c/],
    ["set: {bluestore_cache_size: lots}", 5, /bluestore_cache_size=lots: needs a size/],
    ["set: {bluestore_cash_size: 1}", 5, /no option bluestore_cash_size; did you mean/],
    ["preset: documents", 5, /there is no preset documents; one of documents-osd/],
    ["matrix: {preset: [none, documentz]}", 5, /there is no preset documentz/],
    ["plugins: [./none.ts]", 5, /plugins: there is no file .*none\.ts/],
    ["zip: [{iodepth: [1, 2], bs: [4k]}]", 5, /lists of one length .*iodepth has 2, bs has 1/],
    ["zip: {iodepth: [1, 2], bs: [4k, 8k]}", 5, /zip: give a list .*e\.g\. \[\{iodepth: \[1, 8\]/],
    ["matrix: {bs: [4k]}\nzip: [{bs: [4k]}]", 6, /bs is an axis already/],
    ["matrix: {bs: {from: 4k, to: 64k}}", 5, /give either step: or factor:/],
    ["matrix: {bs: {from: 64k, to: 4k, factor: 2}}", 5, /the smaller one first/],
    ["matrix: {bs: 4k}", 5, /matrix\.bs: give a list of values/],
    ["matrix: {target: [a]}", 5, /list targets under targets:/],
    ["matrix: {bs: [4k]}\nwhen: {bss: {bs: 4k}}", 6, /bss is not an axis of the matrix; .*mean bs/],
    ["matrix: {bs: [4k]}\nbaseline: {bs: 8k}", 6, /baseline: bs has no value 8k/],
    ["matrix: {bs: [4k]}\npick: {smallest: bz, within: 5%}", 6, /pick: bz is not an axis/],
    ["matrix: {iodepth: [1]}\nsteps: iodept", 6, /steps: iodept is not an axis.*mean iodepth/],
    ["prepare: {fill: 60}", 5, /prepare\.fill: give a percentage/],
    ["prepare: {fill: 99%}", 5, /at most 95%/],
    ["prepare: {fill: 60%, aged: 2}", 5, /no such key: aged/],
    [
      "matrix: {bs: [4k, 8k, 4096]}",
      5,
      /matrix\.bs: 4k and 4096 are the same value; leave one out/,
    ],
    ["matrix: {bs: [4k, 4K]}", 5, /4k and 4K are the same value/],
    ["matrix: {rw: [read, write, read]}", 5, /matrix\.rw: read is listed twice/],
    ["host: {device: vda}", 5, /host: device: no knob of a disk is turned/],
    [
      "repeat: 10\nuntil: {within: 5%, max_repeat: 3}",
      6,
      /max_repeat: 3 is less than repeat.* 10;/,
    ],
    ["until: {within: 5%, max_repeat: 3}", 5, /max_repeat: 3 is less than repeat.* is 6;/],
    ["until: {within: 5}", 5, /until\.within: give a percentage/],
    ["until: {within: 5%, time: 10}", 5, /give a time such as 90s/],
  ])("%s", (text, line, message) => {
    const lines = expect.stringMatching(new RegExp(`s\\.yaml:${line}: .*${message.source}`));
    expect(() => points(`${text}\n`)).toThrow(expect.objectContaining({ line: lines }));
  });
});
