/**
 * What the intervals of a run add up to, without keeping them: fio's bandwidth and IOPS samples per
 * job and direction, and the operations of the whole run with its warm-up.
 */

import type { Direction, IntervalRow } from "../workloads/run-outcome.ts";
import { RunCourse } from "./run-course.ts";
import type { OsdynoCourse } from "./run-record.ts";

/** fio's five numbers of a sampled rate. */
export interface SampleSummary {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly deviation: number;
  readonly samples: number;
}

export const noSamples: SampleSummary = { min: 0, max: 0, mean: 0, deviation: 0, samples: 0 };

/** Mean and variance of a stream of samples (Welford). */
class Samples {
  private count = 0;
  private min = 0;
  private max = 0;
  private mean = 0;
  private squares = 0;

  add(value: number): void {
    this.count += 1;
    this.min = this.count === 1 ? value : Math.min(this.min, value);
    this.max = this.count === 1 ? value : Math.max(this.max, value);
    const delta = value - this.mean;
    this.mean += delta / this.count;
    this.squares += delta * (value - this.mean);
  }

  summary(): SampleSummary {
    const { count, min, max, mean, squares } = this;
    const deviation = count > 1 ? Math.sqrt(squares / (count - 1)) : 0;
    return { min, max, mean, deviation, samples: count };
  }
}

/** Rates that ran side by side: all add, as fio adds those of a group's jobs; variances add too. */
export function addSummaries(parts: readonly SampleSummary[]): SampleSummary {
  const filled = parts.filter((part) => part.samples > 0);
  const sum = (pick: (part: SampleSummary) => number) =>
    filled.reduce((total, part) => total + pick(part), 0);
  return {
    min: sum((part) => part.min),
    max: sum((part) => part.max),
    mean: sum((part) => part.mean),
    deviation: Math.sqrt(sum((part) => part.deviation ** 2)),
    samples: sum((part) => part.samples),
  };
}

/** fio's default of `bwavgtime` and `iopsavgtime`. */
const fioWindowNs = 5e8;

/** What completed since the last sample. */
interface Gathered {
  lengthNs: number;
  ios: number;
  bytes: number;
}

interface Rate {
  readonly iops: Samples;
  readonly kibPerSecond: Samples;
  readonly gathered: Gathered;
}

export class IntervalStatistics {
  private readonly windowNs: number;
  private readonly rates = new Map<string, Rate>();
  private readonly own = new Set<string>();
  private issued = 0;
  private readonly course: RunCourse;

  /**
   * Samples are taken over fio's half second where whole intervals make one, else over an interval.
   *
   * @param intervalNs the nominal length; what is left at the ends and before the cut of the warm-up is
   * no sample
   */
  constructor(intervalNs: number) {
    this.windowNs = fioWindowNs % intervalNs === 0 ? fioWindowNs : intervalNs;
    this.course = new RunCourse(intervalNs);
  }

  /** @param jobIndex the job's position over the whole run (`PlannedJob.index`) */
  add(jobIndex: number, row: IntervalRow): void {
    this.issued += row.ios;
    if (row.warmup) {
      return;
    }
    this.course.add(row.endNs, row.lengthNs, row.ios);
    const { iops, kibPerSecond, gathered } = this.rateOf(jobIndex, row.direction);
    gathered.lengthNs += row.lengthNs;
    gathered.ios += row.ios;
    gathered.bytes += row.bytes;
    // Intervals end microseconds early or late.
    if (gathered.lengthNs < 0.98 * this.windowNs) {
      return;
    }
    const seconds = gathered.lengthNs / 1e9;
    if (!this.own.has(`${jobIndex}.iops`)) {
      iops.add(gathered.ios / seconds);
    }
    if (!this.own.has(`${jobIndex}.bw`)) {
      kibPerSecond.add(gathered.bytes / 1024 / seconds);
    }
    gathered.lengthNs = 0;
    gathered.ios = 0;
    gathered.bytes = 0;
  }

  /** The job has windows of its own for these samples (`bwavgtime`, `iopsavgtime`): see `sample`. */
  ownWindows(jobIndex: number, kinds: readonly ("bw" | "iops")[]): void {
    for (const kind of kinds) {
      this.own.add(`${jobIndex}.${kind}`);
    }
  }

  /** Takes a whole window of such a job. */
  sample(jobIndex: number, direction: Direction, kind: "bw" | "iops", perSecond: number): void {
    const rate = this.rateOf(jobIndex, direction);
    (kind === "bw" ? rate.kibPerSecond : rate.iops).add(perSecond);
  }

  private rateOf(jobIndex: number, direction: Direction): Rate {
    const key = `${jobIndex}.${direction}`;
    let rate = this.rates.get(key);
    if (rate === undefined) {
      const gathered = { lengthNs: 0, ios: 0, bytes: 0 };
      rate = { iops: new Samples(), kibPerSecond: new Samples(), gathered };
      this.rates.set(key, rate);
    }
    return rate;
  }

  iops(jobIndex: number, direction: Direction): SampleSummary {
    return this.rates.get(`${jobIndex}.${direction}`)?.iops.summary() ?? noSamples;
  }

  /** Bandwidth in KiB/s. */
  bandwidth(jobIndex: number, direction: Direction): SampleSummary {
    return this.rates.get(`${jobIndex}.${direction}`)?.kibPerSecond.summary() ?? noSamples;
  }

  /** How the rate of all jobs went; null: too short to say. */
  judgeCourse(): OsdynoCourse | null {
    return this.course.judge();
  }

  /** Operations of all intervals, the warm-up included. */
  get issuedIos(): number {
    return this.issued;
  }
}
