/**
 * The intervals of several clones on common times. The collector reads one job after the other, so that
 * with many clones no two intervals need to end together: each is spread evenly over the time it covers.
 */
import type { SeriesPoint } from "../series.ts";
import type { TimeRow } from "./model.ts";

/** A row that knows where its interval begins: the first one need not begin at 0. */
export interface Slot extends TimeRow {
  readonly startMs: number;
}

const none = { p50: null, p99: null, max: null, service99: null } as const;

/**
 * Rates of the clones add up, weighted by the overlap of their intervals with the common ones, so that
 * the sum over all slots is the sum over all intervals. A percentile is the worst of the overlapping
 * ones, since percentiles cannot be merged.
 * @param startOf when the first interval of a job began, ms; null when that is not known
 */
export function joinClones(
  points: readonly SeriesPoint[],
  startOf: (job: string) => number | null,
): readonly Slot[] {
  const byJob = Map.groupBy(points, (point) => point.job);
  const clones = [...byJob].map(([job, own]) => intervalsOf(own, startOf(job)));
  const bounds = commonBounds(clones.flat());
  const slots = bounds.slice(1).map((ms, at) => {
    return { startMs: bounds[at] ?? 0, ms, iops: 0, bw: 0, ...none } as Slot;
  });
  for (const clone of clones) {
    let first = 0;
    for (const interval of clone) {
      while ((slots[first]?.ms ?? Number.POSITIVE_INFINITY) <= interval.startMs) {
        first += 1;
      }
      for (let at = first; at < slots.length; at += 1) {
        const slot = slots[at];
        if (slot === undefined || slot.startMs >= interval.ms) {
          break;
        }
        const overlap = Math.min(slot.ms, interval.ms) - Math.max(slot.startMs, interval.startMs);
        slots[at] = combine(slot, interval, overlap / (slot.ms - slot.startMs));
      }
    }
  }
  return slots;
}

/** The intervals of one job and direction in order, each from the end of the one before. */
function intervalsOf(points: readonly SeriesPoint[], startMs: number | null): readonly Slot[] {
  const sorted = [...points].sort((a, b) => a.timeMs - b.timeMs);
  const ends = sorted.map((point) => point.timeMs);
  const usual = median(ends.slice(1).map((end, at) => end - (ends[at] ?? 0)));
  // The log of histograms has no empty intervals: its first start fits the first row that has any.
  const busy = sorted.findIndex((point) => point.iops > 0);
  const first = ends[0] ?? 0;
  const guess = usual === 0 || first < 2 * usual ? 0 : first - usual;
  const known = startMs !== null && busy === 0 && startMs < first ? startMs : guess;
  return sorted
    .map((point, at) => {
      const { timeMs, iops, bwBytes, responseP50Ns, responseP99Ns, responseMaxNs } = point;
      const [p50, p99, max] = [responseP50Ns, responseP99Ns, responseMaxNs];
      const rates = { ms: timeMs, iops, bw: bwBytes };
      const before = at === 0 ? known : (ends[at - 1] ?? 0);
      return { startMs: before, ...rates, p50, p99, max, service99: point.serviceP99Ns };
    })
    .filter((slot) => slot.ms > slot.startMs);
}

/**
 * Where the common slots begin and end. A slot shorter than half the usual length is merged with its
 * neighbour: a rate over some microseconds, in which the last operations complete, means nothing.
 */
function commonBounds(intervals: readonly Slot[]): readonly number[] {
  const shortest = median(intervals.map((each) => each.ms - each.startMs)) / 2;
  const all = [...new Set(intervals.flatMap((each) => [each.startMs, each.ms]))];
  all.sort((a, b) => a - b);
  const bounds: number[] = [];
  for (const time of all) {
    const before = bounds.at(-1);
    if (before === undefined || time - before >= shortest) {
      bounds.push(time);
    }
  }
  const last = all.at(-1);
  if (last !== undefined && last !== bounds.at(-1)) {
    if (bounds.length > 1) {
      bounds.pop();
    }
    bounds.push(last);
  }
  return bounds;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** Adds `share` of the rates of `b` to `a`, which keeps its times. */
function combine(a: Slot, b: Slot, share: number): Slot {
  return {
    startMs: a.startMs,
    ms: a.ms,
    iops: a.iops + b.iops * share,
    bw: a.bw + b.bw * share,
    p50: larger(a.p50, b.p50),
    p99: larger(a.p99, b.p99),
    max: larger(a.max, b.max),
    service99: larger(a.service99, b.service99),
  };
}

function larger(a: number | null, b: number | null): number | null {
  if (a === null || b === null) {
    return a ?? b;
  }
  return Math.max(a, b);
}

/** Joins neighbouring slots until at most `most` are left; each counts by its length. */
export function thin(slots: readonly Slot[], most: number): readonly Slot[] {
  const width = Math.ceil(slots.length / most);
  if (width <= 1) {
    return slots;
  }
  const joined: Slot[] = [];
  for (let start = 0; start < slots.length; start += width) {
    const group = slots.slice(start, start + width);
    const [startMs, ms] = [group[0]?.startMs ?? 0, group.at(-1)?.ms ?? 0];
    const zero: Slot = { startMs, ms, iops: 0, bw: 0, ...none };
    const length = ms - startMs;
    joined.push(
      group.reduce((sum, slot) => combine(sum, slot, (slot.ms - slot.startMs) / length), zero),
    );
  }
  return joined;
}
