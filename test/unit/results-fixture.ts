/**
 * A run as a job loop would have measured it, made of known values: every number that results
 * publish can be computed from `values` by hand.
 */
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import type { RunInput } from "../../results/assemble.ts";
import { emptyHistogram } from "../../results/histogram.ts";
import { IntervalStatistics } from "../../results/interval-statistics.ts";
import { platIndex } from "../../results/plat.ts";
import type { ParsedJobs, ResolvedJob } from "../../workloads/job/model.ts";
import type { MeasuredPhase, PlannedJob, RunPlan } from "../../workloads/plan-model.ts";
import type {
  Direction,
  DirectionOutcome,
  IntervalRow,
  JobOutcome,
  LatencyRecord,
  NativeOutcome,
  PlatRecord,
  TimeTotals,
} from "../../workloads/run-outcome.ts";
import { jobOf } from "./job-support.ts";

export function totalsOfValues(values: readonly number[]): TimeTotals {
  return {
    count: values.length,
    minNs: values.length === 0 ? 0 : Math.min(...values),
    maxNs: values.length === 0 ? 0 : Math.max(...values),
    sumNs: values.reduce((sum, value) => sum + value, 0),
    sumSquares: values.reduce((sum, value) => sum + value * value, 0),
  };
}

export function hdrOf(values: readonly number[]): string {
  if (values.length === 0) {
    return "";
  }
  const histogram = emptyHistogram();
  for (const value of values) {
    histogram.recordValue(value);
  }
  return encodeIntoCompressedBase64(histogram);
}

export function latencyOf(values: readonly number[]): LatencyRecord {
  return { ...totalsOfValues(values), hdr: hdrOf(values) };
}

export function platOf(values: readonly number[]): PlatRecord {
  const counts = new Map<number, number>();
  for (const value of values) {
    counts.set(platIndex(value), (counts.get(platIndex(value)) ?? 0) + 1);
  }
  return { ...totalsOfValues(values), buckets: [...counts].sort((a, b) => a[0] - b[0]) };
}

/** The operations of one job and direction in one interval. */
export interface FixtureInterval {
  readonly warmup?: boolean;
  readonly lengthNs: number;
  /** Service times, ns. */
  readonly service: readonly number[];
  /** Waits, ns; default none waited. */
  readonly wait?: readonly number[];
}

export interface FixtureJob {
  readonly resolved: ResolvedJob;
  readonly jobnum: number;
  readonly groupId: number;
  readonly intervals: Partial<Record<Direction, readonly FixtureInterval[]>>;
  readonly outcome?: Partial<JobOutcome>;
}

export const blockBytes = 4096;
const slatNs = 100;

export function resolvedJob(name: string, changes: Partial<ResolvedJob> = {}): ResolvedJob {
  return {
    ...jobOf("rw=randread", "size=1m", "runtime=2", "time_based"),
    name,
    place: { file: "fixture.fio", line: 1 },
    given: new Map([["rw", "randread"]]),
    ...changes,
  };
}

function directionOutcome(intervals: readonly FixtureInterval[]): DirectionOutcome {
  const measured = intervals.filter((interval) => interval.warmup !== true);
  const service = measured.flatMap((interval) => interval.service);
  const wait = measured.flatMap((interval) => interval.wait ?? interval.service.map(() => 0));
  return {
    ios: service.length,
    bytes: service.length * blockBytes,
    shortIos: 0,
    errors: 0,
    runtimeNs: measured.reduce((sum, interval) => sum + interval.lengthNs, 0),
    service: latencyOf(service),
    wait: latencyOf(wait),
    response: latencyOf(service.map((value, at) => value + (wait[at] ?? 0))),
    slat: platOf(service.map(() => slatNs)),
    lat: platOf(service.map((value) => value + slatNs)),
  };
}

function jobOutcome(job: FixtureJob): JobOutcome {
  const of = (direction: Direction) => {
    const intervals = job.intervals[direction];
    return intervals === undefined ? null : directionOutcome(intervals);
  };
  const lengths = (warmup: boolean) =>
    Math.max(
      0,
      ...Object.values(job.intervals).map((intervals) =>
        intervals
          .filter((interval) => (interval.warmup === true) === warmup)
          .reduce((sum, interval) => sum + interval.lengthNs, 0),
      ),
    );
  return {
    name: job.resolved.name,
    startNs: 0,
    endNs: lengths(true) + lengths(false),
    measuredNs: lengths(false),
    cpu: {
      userNs: 1e6,
      systemNs: 3e6,
      voluntarySwitches: 7,
      involuntarySwitches: 2,
      majorFaults: 0,
      minorFaults: 5,
    },
    read: of("read"),
    write: of("write"),
    trim: of("trim"),
    sync: platOf([]),
    iodepthLevels: [1, 0, 0, 0, 0, 0, 0],
    submitLevels: [0, 1, 0, 0, 0, 0, 0],
    completeLevels: [0, 1, 0, 0, 0, 0, 0],
    generator: {
      lateCount: 0,
      lateMaxNs: 0,
      lateThresholdNs: 50_000,
      droppedArrivals: 0,
      backlogMax: 0,
      backlogEnd: 0,
      busyShare: 0.25,
    },
    verify: null,
    error: null,
    stopped: false,
    notes: [],
    ...job.outcome,
  };
}

/** The rows that the loop would have handed out, `job` being the position within the phase. */
export function rowsOf(job: FixtureJob, position: number): readonly IntervalRow[] {
  return Object.entries(job.intervals).flatMap(([direction, intervals]) => {
    let endNs = 0;
    return intervals.map((interval): IntervalRow => {
      endNs += interval.lengthNs;
      const wait = interval.wait ?? interval.service.map(() => 0);
      const response = interval.service.map((value, at) => value + (wait[at] ?? 0));
      const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b);
      const at = (values: readonly number[], share: number) =>
        sorted(values)[Math.max(0, Math.ceil(values.length * share) - 1)] ?? 0;
      return {
        endNs,
        lengthNs: interval.lengthNs,
        job: position,
        direction: direction as Direction,
        warmup: interval.warmup === true,
        ios: interval.service.length,
        bytes: interval.service.length * blockBytes,
        serviceP50Ns: at(interval.service, 0.5),
        serviceP99Ns: at(interval.service, 0.99),
        responseP50Ns: at(response, 0.5),
        responseP99Ns: at(response, 0.99),
        responseMaxNs: Math.max(0, ...response),
        inflight: 1,
        serviceHdr: hdrOf(interval.service),
        waitHdr: hdrOf(wait),
        responseHdr: hdrOf(response),
      };
    });
  });
}

export interface Fixture {
  readonly input: RunInput;
  readonly plan: RunPlan;
  /** Every row with the job it is of, in order of time. */
  readonly rows: readonly { readonly job: PlannedJob; readonly row: IntervalRow }[];
}

export const startedEpochMs = Date.UTC(2026, 10, 21, 0, 26, 30);

/** @param phases the jobs of each phase */
export function fixtureRun(
  phases: readonly (readonly FixtureJob[])[],
  changes: Partial<RunInput> = {},
): Fixture {
  let index = 0;
  const planned = phases.map((jobs) =>
    jobs.map(
      (job): PlannedJob => ({
        resolved: job.resolved,
        jobnum: job.jobnum,
        index: index++,
        groupId: job.groupId,
        files: [],
        writes: false,
        iodepth: job.resolved.iodepth,
        ioBytes: null,
        seed: 1,
      }),
    ),
  );
  const plan: RunPlan = {
    phases: planned.map((jobs) => ({ jobs })),
    path: "native",
    chains: [],
    stores: [],
    notes: [],
    expectedSeconds: 2,
    expectedWriteBytes: 0,
  };
  const rows = phases.flatMap((jobs, phase) =>
    jobs.flatMap((job, position) => {
      const owner = planned[phase]?.[position];
      return owner === undefined ? [] : rowsOf(job, position).map((row) => ({ job: owner, row }));
    }),
  );
  rows.sort((a, b) => a.row.endNs - b.row.endNs);
  const intervals = new IntervalStatistics(1e9);
  for (const { job, row } of rows) {
    intervals.add(job.index, row);
  }
  const measured = phases.map((jobs, at): MeasuredPhase => {
    const outcome: NativeOutcome = {
      startedEpochMs,
      runtimeNs: 2e9,
      jobs: jobs.map(jobOutcome),
      hiccups: [{ cpu: 0, lateness: latencyOf([100, 200, 5000]) }],
      processCpu: { userNs: 2e6, systemNs: 6e6 },
    };
    return { jobs: planned[at] ?? [], outcome, offsetNs: 0 };
  });
  const parsed: ParsedJobs = {
    jobs: [...new Set(phases.flat().map((job) => job.resolved))],
    globals: new Map(),
    sections: [],
    notes: [],
    text: "[fixture]\nrw=randread\n",
  };
  return {
    plan,
    rows,
    input: {
      parsed,
      plan,
      phases: measured,
      intervals,
      environment: { cpu: { model: "fixture" } },
      disks: [],
      command: ["osdyno", "run", "fixture.fio"],
      label: "fixture",
      seed: 42,
      state: "complete",
      target: "null:",
      chain: [],
      options: {},
      startedEpochMs,
      endedEpochMs: (changes.startedEpochMs ?? startedEpochMs) + 2000,
      rssBytes: 50 << 20,
      ...changes,
    },
  };
}
