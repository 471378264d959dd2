import { expect, test } from "vitest";
import { exitCodeOf, OsdynoError } from "../../engine/base/error.ts";
import { assembleRun } from "../../results/assemble.ts";
import {
  formatMetric,
  jobMetric,
  metric,
  metricFacts,
  metricNames,
  metricSupported,
  nearestMetric,
  percentileSupported,
} from "../../results/metrics.ts";
import { checkPartNames } from "../../results/parts.ts";
import {
  checkThreshold,
  keepsAll,
  parseThreshold,
  thresholdLine,
} from "../../results/threshold.ts";
import { formatBandwidth, formatBytes, formatCount, formatNs } from "../../results/units.ts";
import { type FixtureJob, fixtureRun, platOf, resolvedJob } from "./results-fixture.ts";

const ramp = (count: number, stepNs: number) =>
  Array.from({ length: count }, (_, at) => stepNs * (at + 1));

const job: FixtureJob = {
  resolved: resolvedJob("mix", { percentiles: [95, 99] }),
  jobnum: 0,
  groupId: 0,
  intervals: {
    read: [{ lengthNs: 1e9, service: ramp(1000, 1000), wait: ramp(1000, 10) }],
    write: [{ lengthNs: 1e9, service: ramp(500, 4000) }],
  },
  outcome: { sync: platOf([1000, 2000, 3000]) },
};
const record = assembleRun(fixtureRun([[job]]).input);

test("metrics of a run, per direction and over all, by hand", () => {
  expect(metric(record, "iops")).toBe(1500);
  expect(metric(record, "read.iops")).toBe(1000);
  expect(metric(record, "write.bw")).toBe(500 * 4096);
  expect(metric(record, "trim.iops")).toBeNull();
  expect(metric(record, "read.service.max")).toBe(1_000_000);
  expect(metric(record, "write.service.mean")).toBe(4000 * 250.5);
  expect(metric(record, "read.wait.max")).toBe(10_000);
  expect(metric(record, "read.response.max")).toBe(1_010_000);
  // Reads up to 1 ms and writes up to 2 ms merged: half of 1500 lie at or below 600 us.
  expect(metric(record, "service.p50")).toBeGreaterThanOrEqual(600_000);
  expect(metric(record, "service.p50")).toBeLessThan(601_000);
  expect(metric(record, "read.service.p95")).toBeGreaterThanOrEqual(950_000);
  expect(metric(record, "read.service.p75")).toBeNull();
  expect(metric(record, "cpu_us_per_io")).toBeCloseTo(8000 / 1500, 9);
  expect(metric(record, "rss_bytes")).toBe(50 << 20);
  expect(metric(record, "flushes_per_io")).toBe(3 / 1500);
  expect(metric(record, "counter.flushes")).toBe(3);
  expect(metric(record, "counter.no_such")).toBeNull();
  expect(metric(record, "no_such")).toBeNull();
});

test("metrics of one job, clones together, and of one class", () => {
  const part = (name: string, opClass: "client" | "recovery", jobnum: number, stepNs: number) => ({
    resolved: resolvedJob(name, { opClass, percentiles: [99] }),
    ...{ jobnum, groupId: 0, outcome: {} },
    intervals: { read: [{ lengthNs: 1e9, service: ramp(1000, stepNs) }] },
  });
  const guests = [part("guest", "client", 0, 1000), part("guest", "client", 1, 3000)];
  const all = [...guests, part("other", "client", 0, 5000), part("back", "recovery", 0, 100_000)];
  const run = assembleRun(fixtureRun([all]).input);
  expect(metric(run, "iops@guest")).toBe(2000);
  expect(metric(run, "iops@client")).toBe(3000);
  expect(metric(run, "read.iops@recovery")).toBe(1000);
  expect(metric(run, "write.iops@recovery")).toBeNull();
  expect(metric(run, "service.max@client")).toBe(5_000_000);
  // Both clones' operations merged: 98 and a half percent of 2000 lie at or below 2.94 ms.
  expect(metric(run, "service.p99@guest")).toBeCloseTo(2_940_000, -4);
  expect(metric(run, "response.p99@back")).toBe(metric(run, "response.p99@recovery"));
  expect(metric(run, "iops@nobody")).toBeNull();
  expect(metric(record, "iops@mix")).toBe(1500);
  expect(metricFacts("response.p99@best_effort")).toMatchObject({
    better: "lower",
    label: "response time p99 of best effort",
  });
  expect(metricFacts("rss_bytes@client")).toBeNull();
  expect(nearestMetric("respnse.p99@client")).toBe("response.p99@client");
  const names = () => checkPartNames(["iops@clint"], [{ name: "a", opClass: "client" }], "s.yaml");
  expect(names).toThrow(/did you mean 'client'\?; there are a, client/);
});

test("metrics of object stores are made of their counters; without any there are none", () => {
  const counters = {
    "volume.reads": 10,
    "volume.writes": 30,
    "volume.write_bytes": 1000,
    "bdev.write_bytes": 1200,
    "bdev.flushes": 3,
    "waltree.written_bytes": 300,
    "waltree.flushes": 1,
    "bluestore.fragmentation_score": 0.25,
    "bluestore.allocator_lat.p99_ns": 900,
    "bluestore.buffer_hit_bytes": 3,
    "bluestore.buffer_miss_bytes": 1,
    flushes: 77,
  };
  const onStore = assembleRun({ ...fixtureRun([[job]]).input, counters });
  expect(metric(onStore, "write_amplification")).toBe(1.5);
  expect(metric(onStore, "flushes_per_io")).toBe(0.1);
  expect(metric(onStore, "fragmentation")).toBe(0.25);
  expect(metric(onStore, "alloc_ns.p99")).toBe(900);
  expect(metric(onStore, "alloc_ns.p50")).toBeNull();
  expect(metric(onStore, "cache_hit_ratio")).toBe(0.75);
  expect(metric(onStore, "counter.waltree.flushes")).toBe(1);
  expect(metric(onStore, "counter.flushes")).toBe(77);
  for (const name of ["write_amplification", "fragmentation", "alloc_ns.p50", "cache_hit_ratio"]) {
    expect(metric(record, name)).toBeNull();
    expect(metricFacts(name)).not.toBeNull();
  }
});

test("fio's latencies come from fio's bins, for any percentile", () => {
  // The 500th of 1000 reads is 500 us, in the bucket of 4096 ns from 499,712; its middle:
  expect(metric(record, "read.clat.p50")).toBe(501_760);
  expect(metric(record, "read.clat.p75")).not.toBeNull();
  expect(metric(record, "slat.max")).toBe(100);
  expect(metric(record, "write.lat.mean")).toBeCloseTo(4000 * 250.5 + 100, 6);
  expect(metric(record, "clat.max")).toBe(2_000_000);
});

test("a job record answers for itself", () => {
  const only = record.jobs[0];
  expect(only && jobMetric(only, "iops")).toBe(1500);
  expect(only && jobMetric(only, "read.response.max")).toBe(1_010_000);
  expect(only && jobMetric(only, "cpu_us_per_io")).toBeCloseTo(4000 / 1500, 9);
});

test("every listed metric has facts, and all but the absent percentiles a value", () => {
  const ofStores =
    /^(write_amplification|fragmentation|alloc_ns|cache_hit_ratio|store_memory|share\.|served\.)/;
  for (const name of metricNames) {
    expect([name, metricFacts(name)?.label]).not.toContain(undefined);
    expect([name, metric(record, name) === null]).toEqual([name, ofStores.test(name)]);
  }
  expect(metricFacts("read.response.p99.9")).toMatchObject({ unit: "ns", better: "lower" });
  expect(metricFacts("iops")).toMatchObject({ unit: "1/s", better: "higher" });
  for (const wrong of ["response.p101", "p99", "read.rss_bytes", "response.", "response.p", ""]) {
    expect([wrong, metricFacts(wrong)]).toEqual([wrong, null]);
  }
});

test("a percentile needs ten samples beyond it", () => {
  expect(percentileSupported(1000, 99)).toBe(true);
  expect(percentileSupported(999, 99)).toBe(false);
  expect(percentileSupported(10_000, 99.9)).toBe(true);
  expect(percentileSupported(9_999, 99.9)).toBe(false);
  expect(percentileSupported(19, 50)).toBe(false);
  expect(metricSupported(record, "read.service.p99")).toBe(true);
  expect(metricSupported(record, "read.service.p99.9")).toBe(false);
  expect(metricSupported(record, "iops")).toBe(true);
});

test("figures for people", () => {
  const times = [0, 850, 999, 12_345, 999_999, 1_200_000, 3e9, 12e9];
  expect(times.map(formatNs)).toEqual([
    "0 ns",
    "850 ns",
    "999 ns",
    "12.3 us",
    "1.00 ms",
    "1.20 ms",
    "3.00 s",
    "12.0 s",
  ]);
  expect([7, 999, 1000, 12_345, 1.2e6].map(formatCount)).toEqual([
    "7",
    "999",
    "1.00k",
    "12.3k",
    "1.20M",
  ]);
  expect(formatBandwidth(50_400_000)).toBe("50.4 MB/s (48.1 MiB/s)");
  expect(formatBytes(50 << 20)).toBe("50.0 MiB");
  expect(formatMetric("cpu_us_per_io", 5.3333)).toBe("5.33 us");
  expect(formatMetric("iops", 12_345)).toBe("12.3k");
  // A number per operation is no share, and a score is read in its digits.
  expect(formatMetric("flushes_per_io", 0.085)).toBe("0.085");
  expect(formatMetric("flushes_per_io", 2.001)).toBe("2.00");
  expect(formatMetric("write_amplification", 12.5)).toBe("12.5");
  const scores = [0, 1, 0.9999, 0.25, 0.01237, 0.0101, 0.000131, 0.0000131, 1e-8];
  expect(scores.map((score) => formatMetric("fragmentation", score))).toEqual([
    "0",
    "1",
    "1.00",
    "0.25",
    "0.0124",
    "0.0101",
    "0.000131",
    "0.000013",
    "<0.000001",
  ]);
  expect(thresholdLine(checkThreshold(record, "flushes_per_io < 0.2"))).toBe(
    "threshold kept: flushes_per_io < 0.2 (0.002)",
  );
});

test("thresholds: kept, missed, and not measured", () => {
  expect(checkThreshold(record, "iops > 1.4k")).toEqual({
    threshold: "iops > 1.4k",
    metric: "iops",
    value: 1500,
    passed: true,
  });
  expect(checkThreshold(record, "iops>=1500").passed).toBe(true);
  expect(checkThreshold(record, "iops > 1500").passed).toBe(false);
  expect(checkThreshold(record, "write.service.max < 2ms").passed).toBe(false);
  expect(checkThreshold(record, "write.service.max <= 2ms").passed).toBe(true);
  expect(checkThreshold(record, "bw > 6MB/s").passed).toBe(true);
  expect(checkThreshold(record, "bw > 6MiB/s").passed).toBe(false);
  expect(checkThreshold(record, "rss_bytes < 200MiB").passed).toBe(true);
  const absent = checkThreshold(record, "trim.iops > 1");
  expect(absent).toMatchObject({ value: null, passed: false });
  expect(thresholdLine(absent)).toContain("MISSED: trim.iops > 1 (not measured)");
  const score = { threshold: "fragmentation < 0.01", metric: "fragmentation", passed: true };
  expect(thresholdLine({ ...score, value: 0.004567 })).toContain("(0.00457)");
  expect(thresholdLine({ ...score, value: 0 })).toContain("(0)");
});

test("a percentile that fewer than 10 samples lie beyond keeps no threshold", () => {
  // A thousand reads: ten are beyond p99, one beyond p99.9; the hundredth is the maximum.
  for (const limit of ["< 10s", "> 1ns"]) {
    const thin = checkThreshold(record, `read.clat.p99.9 ${limit}`);
    expect(thin).toMatchObject({ value: null, passed: false });
    expect(thresholdLine(thin)).toBe(
      `threshold MISSED: read.clat.p99.9 ${limit} (not measured: fewer than 10 samples lie beyond it)`,
    );
  }
  expect(checkThreshold(record, "read.service.p99 < 10s").passed).toBe(true);
  expect(checkThreshold(record, "read.service.p100 < 10s").passed).toBe(true);
  const rules = (...texts: string[]) => keepsAll(record, texts.map(parseThreshold));
  expect(rules("iops > 1", "read.service.p99 < 10s")).toBe(true);
  expect(rules("iops > 1", "read.clat.p99.9 < 10s")).toBe(null);
  expect(rules("iops > 1M", "read.clat.p99.9 < 10s")).toBe(false);
  expect(rules("trim.iops > 1")).toBe(false);
});

test("a wrong threshold is refused in one line that helps", () => {
  const refusal = (text: string) => {
    try {
      parseThreshold(text);
    } catch (error) {
      expect(error).toBeInstanceOf(OsdynoError);
      expect(exitCodeOf(error)).toBe(2);
      return (error as OsdynoError).line;
    }
    return "";
  };
  expect(refusal("write.responce.p99 < 2ms")).toContain("did you mean 'write.response.p99'");
  expect(refusal("response.p99 < 2")).toContain("500ns, 20us, 2ms, 1s");
  expect(refusal("response.p99 < 2 parsecs")).toContain("'2 parsecs' is no value");
  expect(refusal("iops > 5ms")).toContain("50k");
  expect(refusal("iops == 5")).toContain("METRIC OP VALUE");
  expect(refusal("")).toContain("METRIC OP VALUE");
});

test("shares are parts of the capacity, or what runs had before there was one", () => {
  const having = (osdyno: object) => ({ ...record, osdyno: { ...record.osdyno, ...osdyno } });
  const run = having({ share: { client: 0.7 }, served: { client: 0.5 } });
  expect(metric(run, "share.client")).toBe(0.7);
  expect(metric(run, "served.client")).toBe(0.5);
  // Nobody knows the capacity: what was served stands for nothing else.
  expect(metric(having({ served: { client: 0.5 } }), "share.client")).toBeNull();
  const old = having({ shares: { client: 0.4 } });
  expect([metric(old, "share.client"), metric(old, "served.client")]).toEqual([0.4, 0.4]);
  expect(metric(run, "share.best_effort")).toBeNull();
});
