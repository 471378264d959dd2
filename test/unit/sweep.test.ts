/** Sweep files: axes, points, blocks, refusals with file and line. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { blocksOf, pointsOf } from "../../results/sweep/points.ts";
import { readSweep } from "../../results/sweep/spec.ts";
import { fillIn } from "../../results/sweep/values.ts";

const folder = mkdtempSync(join(tmpdir(), "osdyno-sweep-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function sweepFile(text: string): string {
  const file = join(folder, "s.yaml");
  writeFileSync(file, text);
  return file;
}

const head = "name: s\njob: |\n  [a]\n  ioengine=null\n  iodepth=${depth}\n";

describe("points", () => {
  test("lists set keys, mappings set several, mentioned names are variables", () => {
    const spec = readSweep(
      sweepFile(
        `${head}matrix:\n  work:\n    one: {rw: randread, bs: 4k}\n    two: {rw: write}\n  depth: [1, 8]\n`,
      ),
    );
    const points = pointsOf(spec, {});
    expect(points.map((point) => point.id)).toEqual(["one-1", "one-8", "two-1", "two-8"]);
    expect(points[1]?.parameters).toEqual({ work: "one", depth: "8" });
    expect(points[1]?.settings).toEqual({ rw: "randread", bs: "4k" });
  });

  test("a list that is not mentioned is a job key", () => {
    const spec = readSweep(sweepFile(`${head}matrix: {bs: [4k, 8k]}\n`));
    expect(pointsOf(spec, {}).map((point) => point.settings)).toEqual([{ bs: "4k" }, { bs: "8k" }]);
  });

  test("excluded combinations are left out; ids stay distinct", () => {
    const spec = readSweep(
      sweepFile(
        `${head}matrix: {bs: [4k, 8k], ioengine: ["a b", a-b]}\nexclude: [{bs: 8k, ioengine: a-b}]\n`,
      ),
    );
    const ids = pointsOf(spec, {}).map((point) => point.id);
    expect(ids).toHaveLength(3);
    expect(new Set(ids).size).toBe(3);
  });

  test("targets multiply the points and take variables", () => {
    const spec = readSweep(
      sweepFile(`${head}targets: ["null:", "raw:\${SCRATCH}/f"]\nmatrix: {bs: [4k]}\n`),
    );
    const points = pointsOf(spec, { SCRATCH: "/s" });
    expect(points.map((point) => point.target)).toEqual(["null:", "raw:/s/f"]);
  });

  test("unknown variables are left to the job file", () => {
    expect(fillIn("${a} ${b}", { a: "1" })).toBe("1 ${b}");
  });
});

describe("blocks", () => {
  test("each block holds every point once, and the seed decides the order", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 6 }),
        fc.nat(),
        (count, repeat, seed) => {
          const draw = () => {
            const random = new SeededRandom(seed);
            return blocksOf(count, repeat, () => random.unit());
          };
          const blocks = draw();
          expect(draw()).toEqual(blocks);
          expect(blocks).toHaveLength(repeat);
          for (const block of blocks) {
            expect([...block].sort((x, y) => x - y)).toEqual([...Array(count).keys()]);
          }
        },
      ),
    );
  });

  test("orders are spread evenly: each of 6 orders of 3 points within 5 deviations", () => {
    const random = new SeededRandom(1);
    const counts = new Map<string, number>();
    for (const block of blocksOf(3, 6000, () => random.unit())) {
      counts.set(block.join(), (counts.get(block.join()) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) {
      expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(1000 * (5 / 6)));
    }
  });
});

describe("refusals", () => {
  test.each([
    ["", /empty/],
    ["name: s\njob: [", /s\.yaml:2/],
    ["name: s\njob: x\nmatirx: {}\n", /s\.yaml:3: matirx: no such key; did you mean matrix\?/],
    ["name: s\njob: x\nrepeat: 0\n", /s\.yaml:3: repeat/],
    [`${head}host: {schedular: [none]}\n`, /s\.yaml:6: host: .*did you mean scheduler\?/],
    ["name: ../s\njob: x\n", /name/],
    ["name: s\njob: jobs/none-such.fio\n", /neither beside the sweep nor among the profiles/],
  ])("%j", (text, line) => {
    expect(() => readSweep(sweepFile(text))).toThrow(
      expect.objectContaining({ line: expect.stringMatching(line) }),
    );
  });
});
