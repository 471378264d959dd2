import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import fc from "fast-check";
import { expect, test } from "vitest";
import { assembleRun, recordGroups } from "../../results/assemble.ts";
import { diskUtilRecord } from "../../results/disk-util.ts";
import {
  decodeHistogram,
  emptyHistogram,
  lastBucketNs,
  summarise,
} from "../../results/histogram.ts";
import type { JobRecord } from "../../results/run-record.ts";
import { runJsonSchemaPath, runJsonSchemaText, runSchema } from "../../results/run-schema.ts";
import {
  type FixtureJob,
  fixtureRun,
  hdrOf,
  resolvedJob,
  totalsOfValues,
} from "./results-fixture.ts";

/** 1 us, 2 us, ... 1000 us in the first measured second, half of it in the second. */
const ramp = (count: number) => Array.from({ length: count }, (_, at) => 1000 * (at + 1));

const simple: FixtureJob = {
  resolved: resolvedJob("simple"),
  jobnum: 0,
  groupId: 0,
  intervals: {
    read: [
      { warmup: true, lengthNs: 1e9, service: [9_000_000_000] },
      { lengthNs: 1e9, service: ramp(1000) },
      { lengthNs: 1e9, service: ramp(500) },
    ],
  },
};

function fioRead(job: JobRecord | undefined) {
  return job?.["read"] as Record<string, number> & { clat_ns: Record<string, number> };
}

test("fio's figures of one job, by hand", () => {
  const record = assembleRun(fixtureRun([[simple]]).input);
  const read = fioRead(record.jobs[0]);
  expect(read).toMatchObject({
    io_bytes: 1500 * 4096,
    io_kbytes: 6000,
    bw_bytes: 750 * 4096,
    bw: 3000,
    iops: 750,
    runtime: 2000,
    total_ios: 1500,
    bw_min: 2000,
    bw_max: 4000,
    bw_agg: 100,
    bw_mean: 3000,
    bw_samples: 2,
    iops_min: 500,
    iops_max: 1000,
    iops_mean: 750,
    iops_samples: 2,
  });
  expect(read["iops_stddev"]).toBeCloseTo(Math.sqrt(125_000), 6);
  expect(read.clat_ns).toMatchObject({ N: 1500, min: 1000, max: 1_000_000 });
  // (1000 * 1001 / 2 + 500 * 501 / 2) us over 1500
  expect(read.clat_ns["mean"]).toBeCloseTo(((500_500 + 125_250) / 1500) * 1000, 6);
  const values = [...ramp(1000), ...ramp(500)];
  const mean = values.reduce((sum, value) => sum + value, 0) / 1500;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  expect(read.clat_ns["stddev"]).toBeCloseTo(Math.sqrt(squares / 1499), 3);
});

test("percent of CPU, time buckets and levels are fio's", () => {
  const job = assembleRun(fixtureRun([[simple]]).input).jobs[0];
  expect(job).toMatchObject({
    job_runtime: 2000,
    usr_cpu: 0.05,
    sys_cpu: 0.15,
    ctx: 9,
    minf: 5,
    elapsed: 2,
    latency_depth: 1,
  });
  // Values of 1 us up to, not including, 2 us: one of each ramp; 1 ms itself is the first ms
  // bucket.
  const times = (unit: string) => (job?.[`latency_${unit}`] ?? {}) as Record<string, number>;
  expect(times("us")["2"]).toBeCloseTo((100 * 2) / 1500, 9);
  expect(times("ms")["2"]).toBeCloseTo(100 / 1500, 9);
  const shares = ["ns", "us", "ms"].flatMap((unit) => Object.values(times(unit)));
  expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(100, 9);
  expect(job?.["iodepth_level"]).toMatchObject({ "1": 100, ">=64": 0 });
});

test("our percentiles are the highest equivalent value, never above the exact maximum", () => {
  const read = assembleRun(fixtureRun([[simple]]).input).jobs[0]?.osdyno.read;
  // The 750th of 1500 values is 375 us, whose bucket of 256 ns ends at 375,039.
  expect(read?.service_ns.percentile["50.000000"]).toBe(375_039);
  expect(read?.service_ns.percentile["99.990000"]).toBe(1_000_000);
  for (const key of ["50.000000", "90.000000", "99.000000", "99.900000", "99.990000"]) {
    expect(read?.response_ns.percentile).toHaveProperty([key]);
  }
  expect(read?.wait_ns).toMatchObject({ N: 1500, min: 0, max: 0, mean: 0 });
});

test("property: summaries of any values hold count, extremes, mean and ordered percentiles", () => {
  const values = fc.array(fc.integer({ min: 0, max: 3_600_000_000_000 }), {
    minLength: 1,
    maxLength: 300,
  });
  fc.assert(
    fc.property(values, (list) => {
      const totals = totalsOfValues(list);
      const summary = summarise({ totals, histogram: decodeHistogram(hdrOf(list)) }, [95]);
      expect([summary.N, summary.min, summary.max]).toEqual([
        list.length,
        Math.min(...list),
        Math.max(...list),
      ]);
      const sorted = [...list].sort((a, b) => a - b);
      let before = 0;
      for (const [key, value] of Object.entries(summary.percentile)) {
        const exact = sorted[Math.max(0, Math.ceil((Number(key) / 100) * list.length) - 1)] ?? 0;
        expect(value).toBeGreaterThanOrEqual(before);
        expect(Math.abs(value - exact)).toBeLessThanOrEqual(Math.max(1, exact / 1000));
        before = value;
      }
    }),
  );
});

test("what is longer than the last bucket is told as the longest, what is an hour long as that", () => {
  const values = [1, 3_599_262_940_099, 3_600_000_000_001, 7_200_000_000_000];
  const histogram = emptyHistogram();
  for (const value of values) {
    histogram.recordValue(Math.min(value, lastBucketNs));
  }
  const summary = summarise({ totals: totalsOfValues(values), histogram }, [75]);
  expect(summary.percentile["50.000000"]).toBeLessThan(3_599_262_940_099 * 1.001);
  expect(summary.percentile["75.000000"]).toBeLessThan(3_600_000_000_001 * 1.001);
  expect(summary.percentile["99.000000"]).toBe(7_200_000_000_000);
});

const clone = (jobnum: number, groupId = 0, groupReporting = true): FixtureJob => ({
  resolved: resolvedJob("cloned", { groupReporting }),
  jobnum,
  groupId,
  intervals: { read: [{ lengthNs: 1e9, service: ramp(100 * (jobnum + 1)) }] },
});

test("clones of a group report as one: sums, the longest runtime, merged distribution", () => {
  const record = assembleRun(fixtureRun([[clone(0), clone(1)]]).input);
  expect(record.jobs).toHaveLength(1);
  const job = record.jobs[0];
  expect(job?.osdyno.sources).toEqual(["cloned.0", "cloned.1"]);
  expect(fioRead(job)).toMatchObject({
    total_ios: 300,
    runtime: 1000,
    iops: 300,
    iops_min: 300,
    iops_samples: 2,
    bw_agg: 100,
  });
  expect(job?.["job_runtime"]).toBe(2000);
  expect(job?.osdyno.read?.service_ns).toMatchObject({ N: 300, min: 1000, max: 200_000 });
});

test("without group reporting each clone has its record and its share of the group", () => {
  const record = assembleRun(fixtureRun([[clone(0, 0, false), clone(1, 0, false)]]).input);
  expect(record.jobs.map((job) => job.osdyno.sources)).toEqual([["cloned.0"], ["cloned.1"]]);
  expect(fioRead(record.jobs[0])["bw_agg"]).toBeCloseTo(100 / 3, 9);
  expect(record.osdyno.totals.all).toMatchObject({ ios: 300, iops: 300 });
});

test("a new group begins a new record although both report by group", () => {
  const jobs = fixtureRun([[clone(0, 0), clone(1, 1), clone(2, 1)]]).input.phases.flatMap((phase) =>
    phase.jobs.flatMap((planned, at) => {
      const outcome = phase.outcome.jobs[at];
      return outcome === undefined ? [] : [{ planned, outcome, phase: 0 }];
    }),
  );
  expect(recordGroups(jobs).map((group) => group.length)).toEqual([1, 2]);
});

test("phases one after the other: the run's rate is over the sum of their times", () => {
  const record = assembleRun(fixtureRun([[clone(0)], [clone(1, 1)]]).input);
  expect(record.osdyno.totals.read).toMatchObject({ ios: 300, iops: 150 });
  expect(record.jobs.map((job) => job.osdyno.phase)).toEqual([0, 1]);
});

test("late, saturated and overloaded are judged, and said in notes", () => {
  const health = (changes: object) => {
    const base = { lateCount: 0, lateMaxNs: 0, lateThresholdNs: 5e4, droppedArrivals: 0 };
    const generator = { ...base, backlogMax: 0, backlogEnd: 0, busyShare: 0.2, ...changes };
    const job = { ...simple, outcome: { generator } };
    return assembleRun(fixtureRun([[job]]).input).jobs[0]?.osdyno;
  };
  expect(health({})?.generator).toMatchObject({ late: false, saturated: false, overloaded: false });
  // 15 of 1500 is 1%, not above it.
  expect(health({ lateCount: 15 })?.generator.late).toBe(false);
  expect(health({ lateCount: 16 })?.generator.late).toBe(true);
  expect(health({ busyShare: 0.8 })?.generator.saturated).toBe(false);
  expect(health({ busyShare: 0.81 })?.generator.saturated).toBe(true);
  expect(health({ droppedArrivals: 1 })?.generator.overloaded).toBe(true);
  expect(health({ droppedArrivals: 1 })?.notes.join()).toContain("overloaded");
  expect(health({})?.notes).toContain("closed loop: response time is undefined under stalls");
  expect(health({})?.generator.hiccups).toMatchObject({ cpus: 1, max_ns: 5000 });
});

test("an open loop names its law and is not called closed", () => {
  const resolved = resolvedJob("open", {
    arrival: [{ kind: "poisson", rate: 1000, byBytes: false }, null, null],
  });
  const job = assembleRun(fixtureRun([[{ ...simple, resolved }]]).input).jobs[0];
  expect(job?.osdyno.generator.loop).toBe("poisson 1000/s");
  expect(job?.osdyno.notes).toEqual([]);
});

test("a failed job keeps what it measured and says why it ended", () => {
  const error = { errno: 5, message: "read of 4096 bytes at 8192 of /x: EIO", atNs: 1 };
  const job = assembleRun(fixtureRun([[{ ...simple, outcome: { error } }]]).input).jobs[0];
  expect(job?.error).toBe(5);
  const verify = { checkedBytes: 4096, checkedBlocks: 1, mismatchCount: 1, mismatches: [] };
  const corrupt = assembleRun(fixtureRun([[{ ...simple, outcome: { verify } }]]).input).jobs[0];
  expect(corrupt?.error).toBe(84);
  expect(job?.osdyno.notes.join()).toContain("8192 of /x: EIO");
  expect(fioRead(job)["total_ios"]).toBe(1500);
});

test("a disk's use is the growth of its counters; members give aggregates", () => {
  const before = {
    readIos: 10,
    readMerges: 1,
    readSectors: 80,
    readTicksMs: 5,
    writeIos: 0,
    writeMerges: 0,
    writeSectors: 0,
    writeTicksMs: 0,
    ioTicksMs: 100,
    inQueueMs: 7,
  };
  const after = { ...before, readIos: 30, readSectors: 240, ioTicksMs: 600, inQueueMs: 9 };
  const use = { name: "dm-0", before, after, elapsedMs: 1000 };
  const member = { ...use, name: "vda" };
  expect(diskUtilRecord(use)).toEqual({
    name: "dm-0",
    read_ios: 20,
    write_ios: 0,
    read_sectors: 160,
    write_sectors: 0,
    read_merges: 0,
    write_merges: 0,
    read_ticks: 0,
    write_ticks: 0,
    in_queue: 2,
    util: 50,
  });
  expect(diskUtilRecord({ ...use, members: [member, member] })).toMatchObject({
    aggr_read_ios: 20,
    aggr_write_merge: 0,
    aggr_util: 50,
  });
});

test("the published JSON Schema is that of the code, and takes our runs", () => {
  expect(readFileSync(runJsonSchemaPath, "utf8")).toBe(runJsonSchemaText());
  const validate = new Ajv({ strict: false, validateFormats: false }).compile(
    JSON.parse(runJsonSchemaText()) as object,
  );
  const unified = { ...simple, resolved: resolvedJob("m", { unifiedRwReporting: "mixed" }) };
  for (const jobs of [[simple], [clone(0), clone(1)], [unified], []]) {
    const record = JSON.parse(JSON.stringify(assembleRun(fixtureRun([jobs]).input))) as object;
    expect(runSchema.safeParse(record).error).toBeUndefined();
    expect([validate(record), validate.errors]).toEqual([true, null]);
    expect(validate({ ...record, state: "finished" })).toBe(false);
    expect(validate({ ...record, surprise: 1 })).toBe(false);
  }
});
