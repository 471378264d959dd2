/**
 * fio's own job records: the names, order, nesting and units of fio 3.33's JSON, made of what we
 * measured. Bins are always kept here (slat and lat live nowhere else); `fio-output.ts` drops them.
 */
import type { ResolvedJob } from "../workloads/job/model.ts";
import type { PlannedJob } from "../workloads/plan-model.ts";
import type {
  Direction,
  DirectionOutcome,
  JobOutcome,
  PlatRecord,
  PriorityOutcome,
  TimeTotals,
} from "../workloads/run-outcome.ts";
import {
  meanAndDeviation,
  mergeTotals,
  percentileKey,
  recordedBuckets,
  withMerged,
} from "./histogram.ts";
import {
  addSummaries,
  type IntervalStatistics,
  type SampleSummary,
} from "./interval-statistics.ts";
import {
  mergePlat,
  type PlatBuckets,
  platFromHistogram,
  platMiddle,
  platPercentiles,
} from "./plat.ts";
import type { FioLatency } from "./run-record.ts";

export const directions: readonly Direction[] = ["read", "write", "trim"];

/** One clone as planned and as measured. */
export interface MeasuredJob {
  readonly planned: PlannedJob;
  readonly outcome: JobOutcome;
  readonly phase: number;
}

/** fio's record of one direction. */
export interface FioDirection {
  readonly io_bytes: number;
  readonly io_kbytes: number;
  readonly bw_bytes: number;
  readonly bw: number;
  readonly iops: number;
  readonly runtime: number;
  readonly total_ios: number;
  readonly short_ios: number;
  readonly drop_ios: number;
  readonly slat_ns: FioLatency;
  readonly clat_ns: FioLatency;
  readonly lat_ns: FioLatency;
  readonly bw_min: number;
  readonly bw_max: number;
  readonly bw_agg: number;
  readonly bw_mean: number;
  readonly bw_dev: number;
  readonly bw_samples: number;
  readonly iops_min: number;
  readonly iops_max: number;
  readonly iops_mean: number;
  readonly iops_stddev: number;
  readonly iops_samples: number;
}

/**
 * A latency in fio's form; percentiles only when the job asks for them and something was counted.
 */
export function fioLatency(
  totals: TimeTotals,
  buckets: PlatBuckets,
  percentiles: readonly number[] | null,
): FioLatency {
  const head = {
    min: totals.minNs,
    max: totals.maxNs,
    ...meanAndDeviation(totals),
    N: totals.count,
  };
  if (totals.count === 0) {
    return head;
  }
  const bins = Object.fromEntries(
    buckets.map(([index, count]) => [String(platMiddle(index)), count]),
  );
  if (percentiles === null) {
    return { ...head, bins };
  }
  const percentile: Record<string, number> = {};
  for (const [p, value] of platPercentiles(buckets, percentiles)) {
    percentile[percentileKey(p)] = value;
  }
  return { ...head, percentile, bins };
}

/** What fio prints of a latency that `disable_clat` and the like leave out. */
const notMeasured: FioLatency = { min: 0, max: 0, mean: 0, stddev: 0, N: 0 };

function mergedPlat(records: readonly PlatRecord[], percentiles: readonly number[] | null) {
  const buckets = mergePlat(records.map((record) => record.buckets));
  return fioLatency(mergeTotals(records), buckets, percentiles);
}

/** The outcomes of some directions of some clones, nothing where a clone has none. */
export function outcomesOf(
  members: readonly MeasuredJob[],
  which: readonly Direction[],
): readonly DirectionOutcome[] {
  return members.flatMap((member) =>
    which.map((direction) => member.outcome[direction]).filter((outcome) => outcome !== null),
  );
}

/**
 * Bytes per second of a group in one direction: all bytes over the longest runtime, as fio has it.
 */
function groupBandwidth(group: readonly MeasuredJob[], which: readonly Direction[]): number {
  const outcomes = outcomesOf(group, which);
  const runtimeNs = Math.max(0, ...outcomes.map((outcome) => outcome.runtimeNs));
  const bytes = outcomes.reduce((sum, outcome) => sum + outcome.bytes, 0);
  return runtimeNs === 0 ? 0 : (bytes * 1e9) / runtimeNs;
}

function samplesOf(
  members: readonly MeasuredJob[],
  which: readonly Direction[],
  pick: (jobIndex: number, direction: Direction) => SampleSummary,
): SampleSummary {
  return addSummaries(
    members.flatMap((member) => which.map((direction) => pick(member.planned.index, direction))),
  );
}

/** Latencies by I/O priority, of directions in which operations of several completed. */
function fioPrios(
  members: readonly MeasuredJob[],
  which: readonly Direction[],
): { readonly prios?: readonly Record<string, unknown>[] } {
  const job = firstJob(members);
  const found = new Map<string, PriorityOutcome[]>();
  for (const prio of members.flatMap(({ outcome }) => outcome.prios ?? [])) {
    if (which.includes(prio.direction)) {
      const key = `${prio.class}.${prio.level}`;
      found.set(key, [...(found.get(key) ?? []), prio]);
    }
  }
  if (found.size < 2) {
    return {};
  }
  const name = job.latPercentiles ? "lat_ns" : "clat_ns";
  const percentiles = job.latPercentiles || job.clatPercentiles ? job.percentiles : null;
  return {
    prios: [...found.values()].map((parts) => ({
      prioclass: parts[0]?.class,
      prio: parts[0]?.level,
      [name]: mergedPlat(
        parts.map((part) => (job.latPercentiles ? part.lat : part.service)),
        percentiles,
      ),
    })),
  };
}

/**
 * The record of one direction, or of several as one (`unified_rw_reporting`).
 * @param group all jobs of the same group, which `bw_agg` is the share of
 */
export function fioDirection(
  members: readonly MeasuredJob[],
  which: readonly Direction[],
  group: readonly MeasuredJob[],
  intervals: IntervalStatistics,
): FioDirection {
  const job = firstJob(members);
  const outcomes = outcomesOf(members, which);
  const total = (pick: (outcome: DirectionOutcome) => number) =>
    outcomes.reduce((sum, outcome) => sum + pick(outcome), 0);
  const ios = total((outcome) => outcome.ios);
  const bytes = total((outcome) => outcome.bytes);
  const runtimeNs = Math.max(0, ...outcomes.map((outcome) => outcome.runtimeNs));
  const perSecond = (amount: number) => (runtimeNs === 0 ? 0 : (amount * 1e9) / runtimeNs);
  const service = withMerged(
    outcomes.map((outcome) => outcome.service),
    ({ totals, histogram }) => ({ totals, buckets: platFromHistogram(histogram) }),
  );
  const wanted = (asked: boolean) => (asked ? job.percentiles : null);
  const { measures } = job;
  const bandwidth = samplesOf(members, which, (index, d) => intervals.bandwidth(index, d));
  const rate = samplesOf(members, which, (index, d) => intervals.iops(index, d));
  const groupKib = groupBandwidth(group, which) / 1024;
  return {
    io_bytes: bytes,
    io_kbytes: Math.floor(bytes / 1024),
    bw_bytes: Math.floor(perSecond(bytes)),
    bw: Math.floor(perSecond(bytes) / 1024),
    iops: perSecond(ios),
    runtime: ios === 0 ? 0 : Math.max(1, Math.round(runtimeNs / 1e6)),
    total_ios: ios,
    short_ios: total((outcome) => outcome.shortIos),
    // fio counts here what it gives back to the operating system unsent; we have no such case.
    drop_ios: 0,
    slat_ns: measures.slat
      ? mergedPlat(
          outcomes.map((outcome) => outcome.slat),
          wanted(job.slatPercentiles),
        )
      : notMeasured,
    clat_ns: measures.clat
      ? fioLatency(service.totals, service.buckets, wanted(job.clatPercentiles))
      : notMeasured,
    lat_ns: measures.lat
      ? mergedPlat(
          outcomes.map((outcome) => outcome.lat),
          wanted(job.latPercentiles),
        )
      : notMeasured,
    ...fioPrios(members, which),
    bw_min: Math.floor(bandwidth.min),
    bw_max: Math.floor(bandwidth.max),
    bw_agg: groupKib === 0 ? 0 : Math.min(100, (100 * bandwidth.mean) / groupKib),
    bw_mean: bandwidth.mean,
    bw_dev: bandwidth.deviation,
    bw_samples: bandwidth.samples,
    iops_min: Math.floor(rate.min),
    iops_max: Math.floor(rate.max),
    iops_mean: rate.mean,
    iops_stddev: rate.deviation,
    iops_samples: rate.samples,
  };
}

function firstJob(members: readonly MeasuredJob[]): ResolvedJob {
  const first = members[0];
  if (first === undefined) {
    throw new Error("internal error: a job record without a job");
  }
  return first.planned.resolved;
}

/** Flushes: fio's `sync`. */
export function fioSync(members: readonly MeasuredJob[]): {
  readonly total_ios: number;
  readonly lat_ns: FioLatency;
} {
  const lat = mergedPlat(
    members.map((member) => member.outcome.sync),
    firstJob(members).percentiles,
  );
  return { total_ios: lat.N, lat_ns: lat };
}

/** Percent as fio prints shares: what happened at all is never below `least`. */
function percentOf(share: number, least: number): number {
  return share > 0 ? Math.max(100 * share, least) : 0;
}

/** Shares of the clones joined, each weighted by its operations. */
function levels(
  members: readonly MeasuredJob[],
  keys: readonly string[],
  pick: (outcome: JobOutcome) => readonly number[],
): Record<string, number> {
  const weights = members.map((member) =>
    outcomesOf([member], directions).reduce((sum, outcome) => sum + outcome.ios, 0),
  );
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  return Object.fromEntries(
    keys.map((key, at) => {
      const share = members.reduce(
        (sum, member, i) => sum + (pick(member.outcome)[at] ?? 0) * (weights[i] ?? 0),
        0,
      );
      return [key, all === 0 ? 0 : percentOf(share / all, 0.1)];
    }),
  );
}

const bucketEdges: readonly number[] = [2, 4, 10, 20, 50, 100, 250, 500, 750, 1000];

/**
 * Percent of the operations whose service time lies from the previous key up to, not at, its own.
 */
function latencyShares(members: readonly MeasuredJob[]) {
  const counts = new Map<string, number>();
  const services = outcomesOf(members, directions).map((outcome) => outcome.service);
  const all = withMerged(services, ({ histogram }) => {
    for (const { low, high, count } of recordedBuckets(histogram)) {
      // A bucket that straddles an edge (there are few: 0.1% wide) goes where its middle lies.
      const key = latencyKey((low + high) / 2);
      counts.set(key, (counts.get(key) ?? 0) + count);
    }
    // fio counts these with clat.
    return firstJob(members).measures.clat ? histogram.totalCount : 0;
  });
  const shares = (unit: string, keys: readonly string[]) =>
    Object.fromEntries(
      keys.map((key) => {
        const count = counts.get(`${unit}.${key}`) ?? 0;
        return [key, all === 0 ? 0 : percentOf(count / all, 0.01)];
      }),
    );
  const names = bucketEdges.map(String);
  return {
    latency_ns: shares("ns", names),
    latency_us: shares("us", names),
    latency_ms: shares("ms", [...names, "2000", ">=2000"]),
  };
}

function latencyKey(ns: number): string {
  for (const [unit, scale] of [
    ["ns", 1],
    ["us", 1e3],
    ["ms", 1e6],
  ] as const) {
    const edge = bucketEdges.find((candidate) => ns < candidate * scale);
    if (edge !== undefined) {
      return `${unit}.${edge}`;
    }
  }
  return ns < 2e9 ? "ms.2000" : "ms.>=2000";
}

/** Errors that jobs outlive: printed only of jobs that may. */
function fioErrors(members: readonly MeasuredJob[]): Record<string, number> {
  const counted = members.flatMap(({ outcome }) => outcome.errors ?? []);
  if (counted.length === 0) {
    return {};
  }
  return {
    total_err: counted.reduce((sum, errors) => sum + errors.total, 0),
    first_error: counted.find((errors) => errors.first !== 0)?.first ?? 0,
  };
}

/** What fio prints of a job between its directions and the end of its record. */
function fioTail(members: readonly MeasuredJob[]): Record<string, unknown> {
  const job = firstJob(members);
  const sum = (pick: (outcome: JobOutcome) => number) =>
    members.reduce((total, member) => total + pick(member.outcome), 0);
  const runtimeNs = sum((outcome) => outcome.measuredNs);
  const cpuPercent = (ns: number) => (runtimeNs === 0 ? 0 : (100 * ns) / runtimeNs);
  const batchKeys = ["0", "4", "8", "16", "32", "64", ">=64"];
  return {
    job_runtime: Math.round(runtimeNs / 1e6),
    usr_cpu: cpuPercent(sum((outcome) => outcome.cpu.userNs)),
    sys_cpu: cpuPercent(sum((outcome) => outcome.cpu.systemNs)),
    ctx: sum((outcome) => outcome.cpu.voluntarySwitches + outcome.cpu.involuntarySwitches),
    majf: sum((outcome) => outcome.cpu.majorFaults),
    minf: sum((outcome) => outcome.cpu.minorFaults),
    iodepth_level: levels(
      members,
      ["1", "2", "4", "8", "16", "32", ">=64"],
      (outcome) => outcome.iodepthLevels,
    ),
    iodepth_submit: levels(members, batchKeys, (outcome) => outcome.submitLevels),
    iodepth_complete: levels(members, batchKeys, (outcome) => outcome.completeLevels),
    ...latencyShares(members),
    ...fioErrors(members),
    latency_depth:
      members[0]?.outcome.latencyTarget?.depth ?? members[0]?.planned.iodepth ?? job.iodepth,
    // fio 3.33 gives the target in ns, the window in us; of a job without one its neutral values.
    latency_target: job.latencyTarget?.targetNs ?? 0,
    latency_percentile: job.latencyTarget?.percentile ?? 100,
    latency_window: Math.round((job.latencyTarget?.windowNs ?? 0) / 1e3),
    ...(job.description === null ? {} : { desc: job.description }),
  };
}

/** EILSEQ: what fio reports of blocks that do not hold what was written. */
const illegalSequence = 84;

/** What ended a job of the record, or what verification found; 0 = nothing. */
function errnoOf(members: readonly MeasuredJob[]): number {
  for (const { planned, outcome } of members) {
    if (outcome.error !== null) {
      return Math.abs(outcome.error.errno);
    }
    // `continue_on_error=verify` says that mismatches are to be counted only.
    if ((outcome.verify?.mismatchCount ?? 0) > 0 && !planned.resolved.ends.continueOn.verify) {
      return illegalSequence;
    }
  }
  return 0;
}

/** fio's part of a job record, in fio's order; `osdyno` is added by the caller. */
export function fioJobRecord(
  members: readonly MeasuredJob[],
  group: readonly MeasuredJob[],
  intervals: IntervalStatistics,
  elapsedSeconds: number,
): { jobname: string; groupid: number; error: number } & Record<string, unknown> {
  const job = firstJob(members);
  const one = (which: readonly Direction[]) => fioDirection(members, which, group, intervals);
  const separate = {
    read: one(["read"]),
    write: one(["write"]),
    trim: one(["trim"]),
    sync: fioSync(members),
  };
  const unified = job.unifiedRwReporting;
  return {
    jobname: job.name,
    groupid: members[0]?.planned.groupId ?? 0,
    error: errnoOf(members),
    // What fio prints of a job that has ended: no estimate of the time left.
    eta: 2147483647,
    elapsed: elapsedSeconds,
    "job options": givenOptions(job.given),
    ...(unified === "mixed" ? {} : separate),
    ...(unified === "none" ? {} : { mixed: one(directions) }),
    ...fioTail(members),
  };
}

/** Options as fio prints them: strings, without bare words, which fio 3.33 leaves out. */
export function givenOptions(given: ReadonlyMap<string, string>): Record<string, string> {
  return Object.fromEntries([...given].filter(([, value]) => value !== ""));
}
