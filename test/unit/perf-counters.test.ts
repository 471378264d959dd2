import { expect, test } from "vitest";
import {
  flatPerf,
  LatencyHistogram,
  type PerfCounters,
  type PerfTime,
  percentileNs,
  perfDump,
  perfSince,
} from "../../engine/base/perf-counters.ts";
import { SeededRandom } from "../../engine/base/random.ts";

function timeOf(values: Iterable<number>): PerfTime {
  const histogram = new LatencyHistogram();
  for (const value of values) {
    histogram.add(value);
  }
  return histogram.picture("of a test");
}

test("a percentile is right to 1/64 over the whole range, and exact below 64 ns", () => {
  for (let ns = 0; ns < 64; ns += 1) {
    expect(percentileNs(timeOf([ns]), 50)).toBe(ns);
  }
  for (let ns = 64; ns < 4e12; ns = Math.ceil(ns * 1.013)) {
    const found = percentileNs(timeOf([ns]), 50);
    expect(Math.abs(found - ns) / ns, `${ns} ns`).toBeLessThanOrEqual(1 / 64);
  }
  expect(percentileNs(timeOf([]), 99)).toBe(0);
  expect(timeOf([1e15, -5, Number.NaN]).count).toBe(3);
});

test("percentiles are those of the sorted values", () => {
  const random = new SeededRandom(5);
  const values = Array.from({ length: 5000 }, () => Math.floor(10 ** (2 + 7 * random.unit())));
  const time = timeOf(values);
  const sorted = values.toSorted((a, b) => a - b);
  expect(time.sum).toBe(values.reduce((sum, each) => sum + each, 0));
  for (const percent of [1, 50, 90, 99, 99.9, 100]) {
    const exact = sorted[Math.ceil((percent / 100) * sorted.length) - 1] as number;
    const found = percentileNs(time, percent);
    expect(Math.abs(found - exact) / exact, `p${percent}, seed 5`).toBeLessThanOrEqual(1 / 64);
  }
});

test("what came in between two pictures: counters and times are subtracted, gauges are the later", () => {
  const histogram = new LatencyHistogram();
  const picture = (count: number, held: number): PerfCounters => ({
    store: {
      ops: { kind: "counter", unit: "operations", description: "", value: count },
      held: { kind: "gauge", unit: "bytes", description: "", value: held },
      lat: histogram.picture(""),
    },
  });
  histogram.add(1000);
  histogram.add(1_000_000);
  const before = picture(7, 100);
  histogram.add(20);
  histogram.add(1000);
  const since = perfSince(before, picture(10, 60));
  const flat = flatPerf(since);
  expect(flat["store.ops"]).toBe(3);
  expect(flat["store.held"]).toBe(60);
  expect(flat["store.lat.count"]).toBe(2);
  expect(flat["store.lat.sum_ns"]).toBe(1020);
  expect(flat["store.lat.mean_ns"]).toBe(510);
  expect(flat["store.lat.p50_ns"]).toBe(20);
  expect(Math.abs((flat["store.lat.p99_ns"] as number) - 1000)).toBeLessThan(16);
  const none = flatPerf(perfSince(picture(1, 1), picture(1, 1)));
  expect(none["store.lat.count"]).toBe(0);
  expect(Object.hasOwn(none, "store.lat.p50_ns")).toBe(false);
  expect(perfDump(since)).toEqual({
    store: { ops: 3, held: 60, lat: { avgcount: 2, sum: 1.02e-6, avgtime: 5.1e-7 } },
  });
});
