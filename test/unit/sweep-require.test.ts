/** `require:` of a sweep: what points must reach, judged by intervals. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { requirementSentences } from "../../results/report/answer-requirements.ts";
import type { Point } from "../../results/sweep/points.ts";
import { judgeRequirements } from "../../results/sweep/require.ts";
import { readSweep } from "../../results/sweep/spec.ts";
import { parseThreshold } from "../../results/threshold.ts";

const root = mkdtempSync(join(tmpdir(), "osdyno-require-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const point = (id: string): Point => ({
  id,
  parameters: { test: id },
  settings: {},
  options: {},
  preset: null,
  deviceClass: null,
  shape: null,
  target: null,
});
const points = [point("a"), point("b")];

function judged(
  values: readonly (number | null)[],
  at: Record<string, string[]> = { test: ["a"] },
) {
  const threshold = parseThreshold("iops >= 100");
  return judgeRequirements([{ threshold, at, because: "why" }], points, () => values);
}

describe("verdicts", () => {
  test("the whole interval must keep the threshold, or none of it", () => {
    expect(judged([100, 101, 102, 103, 104, 105])[0]?.verdict).toBe("met");
    expect(judged([94, 95, 96, 97, 98, 99])[0]?.verdict).toBe("missed");
    expect(judged([94, 95, 96, 103, 104, 105])[0]?.verdict).toBe("unclear");
  });

  test("with too few runs for an interval, or without the metric, nothing is claimed", () => {
    expect(judged([200, 200, 200, 200, 200])[0]).toMatchObject({ verdict: "unclear", low: null });
    expect(judged([null, null])[0]).toMatchObject({ verdict: "unclear", median: null });
  });

  test("asked of the points that the rule names, or of all", () => {
    const six = [1, 2, 3, 4, 5, 6];
    expect(judged(six).map((each) => each.point)).toEqual(["a"]);
    expect(judged(six, {}).map((each) => each.point)).toEqual(["a", "b"]);
  });
});

test("the answer says yes, no or undecided first, then each figure", () => {
  const met = judged([100, 101, 102, 103, 104, 105]);
  const missed = judged([94, 95, 96, 97, 98, 99]);
  const unclear = judged([94, 95, 96, 103, 104, 105]);
  expect(requirementSentences([], [])).toEqual([]);
  expect(requirementSentences(met, [])).toEqual([
    "Yes: the required figure is reached.",
    "a: iops >= 100 is reached, median 103, interval 100 to 105 (why).",
  ]);
  expect(requirementSentences([...met, ...missed, ...unclear], [])[0]).toBe(
    "No: 1 of 3 required figures is missed.",
  );
  expect(requirementSentences([...met, ...unclear], [])[0]).toMatch(/^Undecided: 1 of 2 /);
});

describe("the file", () => {
  const read = (lines: string) => {
    const file = join(root, "s.yaml");
    writeFileSync(
      file,
      `name: s\njob: |\n  [j]\n  filename=/tmp/x\n  size=1m\nmatrix: {bs: [4k]}\n${lines}\n`,
    );
    return readSweep(file);
  };

  test("is read, and refused where it is wrong", () => {
    const [first] = read('require: [{at: {bs: 4k}, threshold: "iops > 1000"}]').require;
    expect(first?.threshold).toMatchObject({ metric: "iops", operator: ">", limit: 1000 });
    expect(() => read('require: [{threshold: "iopz > 1"}]')).toThrow(/iopz/);
    expect(() => read('require: [{threshold: "bw > 1 furlong"}]')).toThrow(/furlong/);
    expect(() => read('require: [{at: {bz: 4k}, threshold: "iops > 1"}]')).toThrow(/bz/);
  });

  test("the profiles that come with osdyno are read", () => {
    expect(readSweep("profiles/sweeps/device-fit.yaml").require).toHaveLength(4);
  });
});
