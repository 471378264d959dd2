/** What a table of figures marks: only what was shown to be better than all others of its group. */
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { provenBest } from "../../results/report/best.ts";
import type { Entry, ReportModel } from "../../results/report/model.ts";
import { tableOf } from "../../results/report/table.ts";
import { tableText } from "../../results/sweep/table-text.ts";
import type { SweepComparison } from "../../results/sweep-record.ts";

function entry(point: string, values: readonly number[], direction: Entry["direction"] = "write") {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const iops = { value, low: sorted[0] ?? 0, high: sorted.at(-1) ?? 0, values, solid: true };
  return {
    ...{ id: `${point}/${direction}`, point, label: point, direction, facet: "4 KiB randwrite" },
    ...{ facetDetail: "", series: point, depth: 16, parameters: {}, samples: 1000 },
    ...{ replicates: values.length, metrics: { iops }, spectrum: { service: [], response: [] } },
    ...{ cdf: [], openLoop: false },
  } satisfies Entry;
}

function compared(
  base: string,
  candidate: string,
  verdict: SweepComparison["verdict"],
): SweepComparison {
  const numbers = { ratio: 1.1, low: 1.05, high: 1.15, p: 0.01 };
  return { metric: "iops", base, candidate, ...numbers, verdict, reason: "", runs_needed: null };
}

function model(entries: readonly Entry[], comparisons: readonly SweepComparison[] = []) {
  const plain = { kind: "sweep", metrics: ["iops"], minEffect: 0.02, preview: false };
  return { ...plain, entries, comparisons, runs: [], caveats: [] } as unknown as ReportModel;
}

const best = (of: ReportModel) => provenBest(of, of.entries, "iops")?.point ?? null;

/** Six runs around a figure, each a little off. */
const near = (middle: number) => [0.99, 1, 1.01, 0.995, 1.005, 1.002].map((each) => each * middle);
const wild = [500, 2000, 900, 1500, 700, 1300];

describe("a mark", () => {
  test("is given to what is better than every other, by verdicts or by the same test", () => {
    const entries = [entry("a", near(1000)), entry("b", near(1500)), entry("c", near(1200))];
    expect(best(model(entries))).toBe("b");
    const worse = [compared("b", "a", "worse"), compared("b", "c", "worse")];
    expect(best(model(entries, worse))).toBe("b");
    expect(best(model(entries, [compared("a", "b", "better"), compared("a", "c", "better")]))).toBe(
      "b",
    );
  });

  test("is not given where a verdict stands against it, whatever the figures", () => {
    const entries = [entry("a", near(1000)), entry("b", near(1500))];
    for (const verdict of ["unclear", "same", "worse"] as const) {
      expect(best(model(entries, [compared("a", "b", verdict)])), verdict).toBe(null);
    }
    expect(best(model(entries, [compared("b", "a", "unclear")]))).toBe(null);
  });

  test("is not given among equal or undecided medians, single runs and previews", () => {
    const equal = [1, 2, 3, 4, 5].map((name) => entry(String(name), near(1.02)));
    expect(best(model(equal))).toBe(null);
    // Better than the baseline, but not than the other candidate.
    const three = [entry("a", near(1000)), entry("b", near(1500)), entry("c", near(1490))];
    expect(best(model(three, [compared("a", "b", "better"), compared("a", "c", "better")]))).toBe(
      null,
    );
    expect(best(model([entry("a", near(1000)), entry("b", wild)]))).toBe(null);
    expect(best(model([entry("a", [1000]), entry("b", [2000])]))).toBe(null);
    expect(best(model([entry("a", near(1000))]))).toBe(null);
    const sure = model([entry("a", near(1000)), entry("b", near(1500))]);
    expect(best({ ...sure, preview: true })).toBe(null);
  });

  test("goes by an entry's own figures where a point has several directions", () => {
    const both = ["a", "b"].flatMap((name, place) => [
      entry(name, near(1000 + 500 * place), "read"),
      entry(name, near(1000), "write"),
    ]);
    const reads = both.filter(({ direction }) => direction === "read");
    const all = model(both, [compared("a", "b", "unclear")]);
    expect(provenBest(all, reads, "iops")?.point).toBe("b");
  });

  test("is rarely given where all are equal: seeded", () => {
    const random = new SeededRandom(20);
    let marked = 0;
    for (let trial = 0; trial < 400; trial += 1) {
      const draw = () => Array.from({ length: 8 }, () => 1000 * (1 + 0.2 * (random.unit() - 0.5)));
      marked += best(model([1, 2, 3].map((name) => entry(String(name), draw())))) === null ? 0 : 1;
    }
    expect(marked, "of 400, seed 20").toBeLessThan(16);
  });
});

test("tables mark it in the terminal, with what it means, and nothing where there is none", () => {
  const sure = model([entry("a", near(1000)), entry("b", near(1500))]);
  const text = tableText(sure);
  expect(text).toMatch(/b .*1\.50k[^\n]* \*/);
  expect(text).toContain("\n* shown to be better than all others of its group");
  expect(text.match(/\*/g)).toHaveLength(2);
  const marks = (of: ReportModel) =>
    tableOf(of).groups.flatMap(({ rows }) => rows.map(({ cells }) => cells[0]?.mark));
  expect(marks(sure)).toEqual(["", "highest"]);
  const none = model([entry("a", near(1000)), entry("b", near(1001))]);
  expect(marks(none)).toEqual(["", ""]);
  expect(tableText(none)).not.toContain("*");
});
