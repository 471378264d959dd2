/** The whole way with the real job loop: what it measures is written, read back and verified. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { native } from "../../engine/base/native.ts";
import { assembleRun } from "../../results/assemble.ts";
import { IntervalStatistics } from "../../results/interval-statistics.ts";
import { jobMetric, metric } from "../../results/metrics.ts";
import { RunWriter } from "../../results/run-directory.ts";
import { readRun } from "../../results/run-schema.ts";
import { verifyRun } from "../../results/verify.ts";
import type { ResolvedJob } from "../../workloads/job/model.ts";
import type { PlannedJob, RunPlan } from "../../workloads/plan-model.ts";
import type { NativeOutcome, RunPoll } from "../../workloads/run-outcome.ts";
import { fixtureRun, resolvedJob } from "./results-fixture.ts";

const root = mkdtempSync(join(tmpdir(), "osdyno-native-results-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const each = <T>(value: T) => [value, value, value];
const closed = each({ kind: "closed" });
const sizeBytes = 1 << 24;

/** A job on a synthetic device of 100 us, exponential, as the native side is told. */
function nativeJob(name: string, seed: number, arrival: unknown, mix: readonly number[]) {
  return {
    name,
    engine: {
      kind: "synthetic",
      model: { serviceNs: 100_000, jitter: "exp", size: sizeBytes, seed },
    },
    files: [],
    write: true,
    direct: false,
    sync: "none",
    iodepth: 8,
    maxBlock: 4096,
    runtimeNs: 900_000_000,
    rampNs: 250_000_000,
    stream: {
      seed,
      pattern: "random",
      mix,
      opsPerDraw: 1,
      regions: [{ offset: 0, size: sizeBytes }],
      blockSizes: each({ kind: "fixed", bytes: 4096 }),
      blockAlign: each(4096),
      distribution: each({ kind: "random" }),
      percentageRandom: each(100),
      randomMap: false,
      ioBytes: sizeBytes,
      numberIos: null,
      loops: 1,
      timeBased: true,
      arrival,
      thinktimeBlocks: 1,
      data: { zero: false, refill: false, compressPercent: 0, verify: null },
    },
  };
}

const jobs: readonly { resolved: ResolvedJob; jobnum: number; groupId: number; spec: unknown }[] = [
  ...[0, 1].map((jobnum) => ({
    resolved: resolvedJob("clones", { groupReporting: true, iodepth: 8 }),
    jobnum,
    groupId: 0,
    spec: nativeJob("clones", 3 + jobnum, closed, [70, 30, 0]),
  })),
  {
    resolved: resolvedJob("open", {
      arrival: [{ kind: "poisson", rate: 2000, byBytes: false }, null, null],
    }),
    jobnum: 0,
    groupId: 1,
    spec: nativeJob("open", 9, each({ kind: "poisson", rate: 2000 }), [100, 0, 0]),
  },
];

test("a run of the job loop is recorded without a contradiction", async () => {
  const planned = jobs.map(
    (job, index): PlannedJob => ({
      resolved: job.resolved,
      jobnum: job.jobnum,
      index,
      groupId: job.groupId,
      files: [],
      writes: true,
      iodepth: 8,
      ioBytes: null,
      seed: 1,
    }),
  );
  const plan: RunPlan = {
    phases: [{ jobs: planned }],
    path: "native",
    chains: [],
    stores: [],
    notes: [],
    expectedSeconds: 1,
    expectedWriteBytes: null,
  };
  const startedEpochMs = Date.now();
  const writer = RunWriter.create({ label: "native", root, startedEpochMs, plan });
  const intervals = new IntervalStatistics(100e6);
  const specs = jobs.map((job) => job.spec);
  const run = native().startRun(
    JSON.stringify({ jobs: specs, intervalNs: 100_000_000, hiccups: true }),
  );
  for (let finished = false; !finished; ) {
    await sleep(50);
    const poll = JSON.parse(run.poll()) as RunPoll;
    finished = poll.finished;
    for (const row of poll.intervals) {
      const job = planned[row.job];
      if (job !== undefined) {
        intervals.add(job.index, row);
        writer.interval(job, row, null);
      }
    }
    writer.flush();
  }
  const outcome = JSON.parse(run.result()) as NativeOutcome;
  const { input } = fixtureRun([]);
  const record = writer.finish(
    assembleRun({
      ...input,
      plan,
      intervals,
      phases: [{ jobs: planned, outcome, offsetNs: 0 }],
      startedEpochMs,
      endedEpochMs: Date.now(),
    }),
  );
  expect(writer.problem).toBeNull();
  expect(readRun(writer.directory)).toEqual(JSON.parse(JSON.stringify(record)));
  const found = verifyRun(writer.directory);
  expect(found.disagreements).toEqual([]);
  expect(found.numbersChecked).toBeGreaterThan(300);
  const [clones, open] = record.jobs;
  expect(clones?.osdyno.sources).toEqual(["clones.0", "clones.1"]);
  expect(clones?.osdyno.generator.loop).toBe("closed");
  expect(open?.osdyno.generator.loop).toBe("poisson 2000/s");
  expect(open?.osdyno.write).toBeUndefined();
  // No operation of the device is served in no time, and a response is never shorter than its
  // service.
  expect(metric(record, "service.mean")).toBeGreaterThan(90_000);
  for (const job of record.jobs) {
    const mean = (name: string) => jobMetric(job, `${name}.mean`) ?? Number.NaN;
    expect(mean("response")).toBeGreaterThanOrEqual(mean("service"));
    expect(job.osdyno.generator.hiccups.cpus).toBeGreaterThan(0);
  }
  expect(record.osdyno.issued_ios).toBeGreaterThan(metric(record, "counter.ios") ?? Infinity);
});
