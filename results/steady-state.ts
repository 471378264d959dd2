/**
 * fio's `steadystate`: has a figure settled over the last window of samples? The rule, the object in
 * the JSON and its numbers are fio 3.33's; jobs with group reporting are judged together.
 */
import type { SteadyStateRule } from "../workloads/job/rules.ts";
import type { PlannedJob } from "../workloads/plan-model.ts";
import type { WindowRow } from "../workloads/runner/log-plan.ts";
import type { OsdynoSteady } from "./run-record.ts";

/** What one sample (a second, usually) saw. */
export interface SteadySample {
  readonly iops: number;
  readonly bwBytes: number;
  /** Mean of fio's lat, ns. */
  readonly latNs: number;
}

export interface SteadyVerdict {
  readonly attained: boolean;
  /** Largest deviation from the mean, or the slope per sample; in percent of the mean if asked. */
  readonly criterion: number;
  readonly maxDeviation: number;
  readonly slope: number;
}

const notYet: SteadyVerdict = { attained: false, criterion: 0, maxDeviation: 0, slope: 0 };

/** Samples that the window holds. */
export function steadyWindow(rule: SteadyStateRule): number {
  return Math.max(1, Math.floor(rule.durationNs / rule.intervalNs));
}

function figure(rule: SteadyStateRule, sample: SteadySample): number {
  return rule.metric === "iops"
    ? sample.iops
    : rule.metric === "bw"
      ? sample.bwBytes
      : sample.latNs;
}

/** Slope of the line fitted to values one apart. */
function slopeOf(values: readonly number[]): number {
  const count = values.length;
  const sumX = (count * (count - 1)) / 2;
  const sumXx = ((count - 1) * count * (2 * count - 1)) / 6;
  const sumY = values.reduce((sum, value) => sum + value, 0);
  const sumXy = values.reduce((sum, value, at) => sum + at * value, 0);
  const spread = sumXx - (sumX * sumX) / count;
  return spread === 0 ? 0 : (sumXy - (sumX * sumY) / count) / spread;
}

/** Judges the last window of the samples; they are those after the ramp, oldest first. */
export function judgeSteadyState(
  rule: SteadyStateRule,
  samples: readonly SteadySample[],
): SteadyVerdict {
  const length = steadyWindow(rule);
  if (samples.length < length) {
    return notYet;
  }
  const values = samples.slice(-length).map((sample) => figure(rule, sample));
  const mean = values.reduce((sum, value) => sum + value, 0) / length;
  // fio takes a slope as a share of the whole part of the mean.
  const base = rule.slope ? Math.floor(mean) : mean;
  const inPercent = (value: number) => (base === 0 ? 0 : (100 * value) / base);
  const slope = rule.slope ? slopeOf(values) : 0;
  const maxDeviation = rule.slope ? 0 : Math.max(...values.map((value) => Math.abs(value - mean)));
  const size = rule.slope ? Math.abs(slope) : maxDeviation;
  const criterion = rule.percent ? inPercent(size) : size;
  return { attained: criterion < rule.limit, criterion, maxDeviation, slope };
}

/** fio's object in a job record. */
export interface SteadyStateRecord {
  readonly ss: string;
  /** Seconds. */
  readonly duration: number;
  readonly attained: number;
  readonly criterion: string;
  readonly max_deviation: number;
  readonly slope: number;
  readonly data: {
    readonly bw_mean: number;
    readonly iops_mean: number;
    readonly lat_mean?: number;
    readonly iops: readonly number[];
    readonly bw: readonly number[];
    readonly lat_ns?: readonly number[];
  };
}

/** fio keeps limit and criterion in single precision, and prints six decimals of them. */
function singleText(value: number, percent: boolean): string {
  return `${Math.fround(value).toFixed(6)}${percent ? "%" : ""}`;
}

export function steadyStateRecord(
  rule: SteadyStateRule,
  samples: readonly SteadySample[],
): SteadyStateRecord {
  const verdict = judgeSteadyState(rule, samples);
  const length = steadyWindow(rule);
  const last = samples.slice(-length);
  const filled = last.concat(
    Array<SteadySample>(length - last.length).fill({ iops: 0, bwBytes: 0, latNs: 0 }),
  );
  const list = (pick: (sample: SteadySample) => number) =>
    filled.map((sample) => Math.floor(pick(sample)));
  const mean = (values: readonly number[]) =>
    Math.floor(values.reduce((sum, value) => sum + value, 0) / length);
  const iops = list((sample) => sample.iops);
  const bw = list((sample) => sample.bwBytes);
  const lat = list((sample) => sample.latNs);
  const ofLatency = rule.metric === "lat";
  return {
    ss: `${rule.metric}${rule.slope ? "_slope" : ""}:${singleText(rule.limit, rule.percent)}`,
    duration: Math.floor(rule.durationNs / 1e9),
    attained: verdict.attained ? 1 : 0,
    criterion: singleText(verdict.criterion, rule.percent),
    max_deviation: verdict.maxDeviation,
    slope: verdict.slope,
    data: {
      bw_mean: mean(bw),
      iops_mean: mean(iops),
      ...(ofLatency ? { lat_mean: mean(lat) } : {}),
      iops,
      bw,
      ...(ofLatency ? { lat_ns: lat } : {}),
    },
  };
}

/** The rule back from what the record says of it; null when it says nothing readable. */
export function steadyRuleOf(record: SteadyStateRecord): SteadyStateRule | null {
  const read = /^(iops|bw|lat)(_slope)?:([0-9.]+)(%?)$/.exec(record.ss);
  const length = record.data.iops.length;
  if (read === null || length === 0) {
    return null;
  }
  return {
    metric: read[1] as SteadyStateRule["metric"],
    slope: read[2] !== undefined,
    limit: Number(read[3]),
    percent: read[4] === "%",
    durationNs: length * 1e9,
    rampNs: 0,
    intervalNs: 1e9,
  };
}

/** Sums of one sample over the directions and clones that are judged together. */
interface Sums {
  ios: number;
  bytes: number;
  latNs: number;
}

/** Clones judged as one. */
class Judged {
  readonly rule: SteadyStateRule;
  readonly members = new Set<number>();
  attained = false;
  private readonly sums = new Map<number, Sums>();
  /** The sample that each member has got to; those before the least of them are whole. */
  private readonly reached = new Map<number, number>();

  constructor(rule: SteadyStateRule) {
    this.rule = rule;
  }

  add(member: number, row: WindowRow): void {
    // A shorter window at the job's end is no sample.
    const at = Math.round(row.endNs / this.rule.intervalNs) - 1;
    if (this.attained || row.lengthNs < 0.99 * this.rule.intervalNs) {
      return;
    }
    const sums = this.sums.get(at) ?? { ios: 0, bytes: 0, latNs: 0 };
    this.sums.set(at, sums);
    sums.ios += row.ios;
    sums.bytes += row.bytes;
    sums.latNs += row.sumNs[2];
    this.reached.set(member, at + 1);
  }

  /** Samples that every member has finished. */
  private whole(): number {
    return Math.min(...[...this.members].map((member) => this.reached.get(member) ?? 0));
  }

  /** When the last window that was judged ended, ns since measuring began. */
  endNs(): number {
    return this.whole() * this.rule.intervalNs;
  }

  /** Whole samples after the ramp, oldest first; a sample in which nothing completed is zero. */
  samples(): readonly SteadySample[] {
    const end = this.whole();
    const seconds = this.rule.intervalNs / 1e9;
    const samples: SteadySample[] = [];
    for (let at = Math.ceil(this.rule.rampNs / this.rule.intervalNs); at < end; at += 1) {
      const { ios, bytes, latNs } = this.sums.get(at) ?? { ios: 0, bytes: 0, latNs: 0 };
      samples.push({
        iops: ios / seconds,
        bwBytes: bytes / seconds,
        latNs: ios === 0 ? 0 : latNs / ios,
      });
    }
    return samples;
  }
}

/** Follows every job that has a steady state to attain. */
export class SteadyStates {
  private readonly judged = new Map<number, Judged>();

  constructor(jobs: readonly PlannedJob[]) {
    const groups = new Map<number, Judged>();
    for (const job of jobs) {
      const rule = job.resolved.steadyState;
      if (rule !== null) {
        const together = job.resolved.groupReporting ? groups.get(job.groupId) : undefined;
        const judged = together ?? new Judged(rule);
        if (job.resolved.groupReporting) {
          groups.set(job.groupId, judged);
        }
        judged.members.add(job.index);
        this.judged.set(job.index, judged);
      }
    }
  }

  add(jobIndex: number, row: WindowRow): void {
    this.judged.get(jobIndex)?.add(jobIndex, row);
  }

  /** Whether the job's state is attained; from then on it stays so. */
  attained(jobIndex: number): boolean {
    const judged = this.judged.get(jobIndex);
    if (judged === undefined) {
      return false;
    }
    judged.attained ||= judgeSteadyState(judged.rule, judged.samples()).attained;
    return judged.attained;
  }

  /** fio's object for a job; null when it has none to attain. */
  record(jobIndex: number): SteadyStateRecord | null {
    const judged = this.judged.get(jobIndex);
    return judged === undefined ? null : steadyStateRecord(judged.rule, judged.samples());
  }

  /**
   * What `osdyno.steady` says of a job: the verdict, and the window that was judged last.
   * @param measuringNs when its measuring began, ns since the run's start
   * @returns null when it has none to attain, or no window was whole
   */
  span(jobIndex: number, measuringNs: number): OsdynoSteady | null {
    const judged = this.judged.get(jobIndex);
    const samples = judged?.samples() ?? [];
    const length = judged === undefined ? 0 : steadyWindow(judged.rule);
    if (judged === undefined || samples.length < length) {
      return null;
    }
    const last = samples.slice(-length);
    const mean = (pick: (sample: SteadySample) => number) =>
      last.reduce((sum, sample) => sum + pick(sample), 0) / length;
    const ios = mean((sample) => sample.iops);
    const endNs = measuringNs + judged.endNs();
    return {
      attained: judgeSteadyState(judged.rule, samples).attained,
      start_ms: (endNs - length * judged.rule.intervalNs) / 1e6,
      end_ms: endNs / 1e6,
      iops: ios,
      bw_bytes: mean((sample) => sample.bwBytes),
      // Each operation counts alike, so a slow second weighs no more than its operations.
      lat_mean_ns: ios === 0 ? 0 : mean((sample) => sample.latNs * sample.iops) / ios,
    };
  }
}
