/** Lengths of intervals, and fio's samples of half a second made of them. */
import { describe, expect, test } from "vitest";
import { usualIntervalMs } from "../../results/interval-length.ts";
import { IntervalStatistics } from "../../results/interval-statistics.ts";
import type { IntervalRow } from "../../workloads/run-outcome.ts";
import { resolvedJob, rowsOf } from "./results-fixture.ts";

describe("the usual interval", () => {
  test.each([
    [0.5, 50],
    [1, 50],
    [2, 100],
    [4.9, 100],
    [5, 250],
    [10, 500],
    [600, 500],
    [3601, 1000],
    [86_400, 1000],
    [null, 500],
  ])("of a run of %j s is %i ms", (seconds, ms) => {
    expect(usualIntervalMs(seconds, false, 1)).toBe(ms);
    expect(usualIntervalMs(seconds, true, 1)).toBe(1000);
  });

  test.each([
    [2, 100],
    [4, 250],
    [8, 250],
    [9, 500],
    [64, 500],
  ])("of %i clones is %i ms or more", (clones, ms) => {
    expect(usualIntervalMs(1, false, clones)).toBe(ms);
    expect(usualIntervalMs(60, false, clones)).toBe(500);
  });
});

describe("samples of rates", () => {
  const rows = (lengthMs: number, ios: readonly number[]): readonly IntervalRow[] => {
    const service = (count: number) => new Array<number>(count).fill(1000);
    const read = ios.map((count) => ({ lengthNs: lengthMs * 1e6, service: service(count) }));
    return rowsOf({ resolved: resolvedJob("a"), jobnum: 0, groupId: 0, intervals: { read } }, 0);
  };

  function samplesOf(intervalMs: number, list: readonly IntervalRow[]) {
    const statistics = new IntervalStatistics(intervalMs * 1e6);
    for (const row of list) {
      statistics.add(0, row);
    }
    return statistics.iops(0, "read");
  }

  test("are taken over half a second where intervals make one, the rest is none", () => {
    const counts = [10, 20, 30, 40, 50, 60, 70];
    expect(samplesOf(250, rows(250, counts))).toMatchObject({
      samples: 3,
      min: 60,
      max: 220,
      mean: 140,
    });
    expect(samplesOf(100, rows(100, counts))).toMatchObject({ samples: 1, mean: 300 });
  });

  test("else over an interval", () => {
    expect(samplesOf(1000, rows(1000, [10, 30]))).toMatchObject({ samples: 2, min: 10, max: 30 });
    expect(samplesOf(200, rows(200, [10, 30]))).toMatchObject({ samples: 2, min: 50, max: 150 });
  });

  test("do not mind microseconds, nor take the warm-up", () => {
    const wandering = rows(250, [10, 20, 30, 40]).map((row, at) => ({
      ...row,
      lengthNs: row.lengthNs + (at % 2 === 0 ? -40_000 : 30_000),
    }));
    expect(samplesOf(250, wandering).samples).toBe(2);
    const warm = wandering.map((row) => ({ ...row, warmup: true }));
    expect(samplesOf(250, warm).samples).toBe(0);
  });
});
