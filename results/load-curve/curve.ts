/**
 * The response curve of a target: how long operations take, from when they were due, at rising rates of an
 * open loop. The knee is where IOPS divided by the mean response time is greatest (Kleinrock's power): below
 * it more load costs less waiting than it brings work, beyond it more. Of a queue with exponential service
 * and one server that is at half of its highest rate.
 */

/** One rate. */
export interface CurvePoint {
  readonly id: string;
  /** Relative to the sweep's directory. */
  readonly run: string;
  readonly offered_iops: number;
  readonly iops: number;
  readonly mean_ns: number;
  readonly p50_ns: number | null;
  readonly p99_ns: number | null;
  /** Null, as any percentile: fewer than ten samples lie beyond it. */
  readonly p999_ns: number | null;
  readonly max_ns: number;
  /** The target did not keep up with the rate. */
  readonly saturated: boolean;
  /** The generator sent too late or had no time left: the times are not the target's alone. */
  readonly generator_late: boolean;
  /** All thresholds hold; absent without any. */
  readonly holds?: boolean;
}

export interface LoadCurve {
  readonly schema: "osdyno-load-curve-1";
  readonly method: string;
  /** Law of the arrivals. */
  readonly arrivals: string;
  /** The same job as a closed loop: the rate that the steps are parts of. */
  readonly closed: { readonly run: string; readonly iops: number };
  /** By offered rate. */
  readonly points: readonly CurvePoint[];
  /** Id of the point at the knee; null: no rate was kept up with. */
  readonly knee: string | null;
  /** The highest rate that was kept up with, and the lowest above it; null: none was found. */
  readonly kept_iops: number | null;
  readonly saturated_iops: number | null;
  /** The highest rate at which all thresholds hold, among those below the lowest at which one does not. */
  readonly thresholds?: { readonly texts: readonly string[]; readonly highest_iops: number | null };
}

export const kneeMethod =
  "knee: the rate with the greatest IOPS divided by mean response time (Kleinrock's power), among the rates that the target keeps up with";

/** Below this share of the offered rate a target does not keep up. */
const keptShare = 0.97;

/**
 * Whether a rate was kept up with: completions lack no more than 3% and what chance explains of arrivals
 * (three standard deviations of a Poisson process over the time measured), and none was dropped.
 */
export function isSaturated(
  offeredIops: number,
  iops: number,
  seconds: number,
  dropped: number,
): boolean {
  const chance = 3 * Math.sqrt(offeredIops / Math.max(seconds, 1e-9));
  return dropped > 0 || iops < keptShare * offeredIops - chance;
}

export function powerOf({ iops, mean_ns: ns }: CurvePoint): number {
  return ns > 0 ? iops / ns : 0;
}

/** The point of greatest power that is not saturated; null when there is none. */
export function kneeOf(points: readonly CurvePoint[]): CurvePoint | null {
  return points
    .filter(({ saturated }) => !saturated)
    .reduce<CurvePoint | null>(
      (best, point) => (best === null || powerOf(point) > powerOf(best) ? point : best),
      null,
    );
}

const byRate = (a: CurvePoint, b: CurvePoint) => a.offered_iops - b.offered_iops;

/** The last rate before the first that fails, and that one. */
function border(points: readonly CurvePoint[], good: (point: CurvePoint) => boolean) {
  const sorted = [...points].sort(byRate);
  const place = sorted.findIndex((point) => !good(point));
  return {
    last: (place < 0 ? sorted.at(-1) : sorted[place - 1]) ?? null,
    first: place < 0 ? null : (sorted[place] ?? null),
  };
}

/** Shares of the closed loop's rate that are measured first. */
const ladder = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1] as const;
/** Beyond the closed loop's rate: so much more each, so often at most. */
const beyond = 1.05;
const mostBeyond = 6;
/** Looks between the knee and its neighbours, and between the last rate that holds and the first that does not. */
const kneeLooks = 4;
const thresholdLooks = 4;
/** Rates nearer than this share of the closed loop's tell nothing apart. */
const nearest = 0.015;

/** What was asked of a curve so far. */
export interface CurveState {
  readonly closedIops: number;
  readonly points: readonly CurvePoint[];
  readonly thresholds: boolean;
  /** Rates beside the ladder that were measured for the knee, and for thresholds. */
  readonly looked: { readonly knee: number; readonly thresholds: number };
  /** The highest rate asked for while rates rose; what was offered may be less. */
  readonly askedIops?: number;
}

export interface NextRate {
  readonly iops: number;
  readonly why: "ladder" | "knee" | "thresholds";
}

/** Midway to a neighbour, unless that is as good as there. */
function between(state: CurveState, a: CurvePoint, b: CurvePoint | null | undefined) {
  if (b === null || b === undefined) {
    return null;
  }
  const iops = Math.round((a.offered_iops + b.offered_iops) / 2);
  const far = Math.abs(a.offered_iops - b.offered_iops) / 2 >= nearest * state.closedIops;
  const known = state.points.some(({ offered_iops: each }) => each === iops);
  return far && !known ? iops : null;
}

/** The rate to measure next; null when the curve is done. Rates rise first, then close in. */
export function nextRate(state: CurveState): NextRate | null {
  const { closedIops, points, thresholds, looked, askedIops = 0 } = state;
  const sorted = [...points].sort(byRate);
  const highest = Math.max(askedIops, sorted.at(-1)?.offered_iops ?? 0);
  // One rate that is not kept up with may be a hiccup of the machine.
  const ended = sorted.length >= 2 && sorted.slice(-2).every(({ saturated }) => saturated);
  if (!ended) {
    const step = ladder.find((share) => Math.round(share * closedIops) > highest);
    if (step !== undefined) {
      return { iops: Math.max(1, Math.round(step * closedIops)), why: "ladder" };
    }
    if (highest < closedIops * beyond ** mostBeyond * 0.999) {
      return { iops: Math.max(highest + 1, Math.round(highest * beyond)), why: "ladder" };
    }
  }
  const knee = kneeOf(sorted);
  const at = knee === null ? -1 : sorted.indexOf(knee);
  if (knee !== null && looked.knee < kneeLooks) {
    const neighbours = [sorted[at + 1], sorted[at - 1]];
    for (const neighbour of neighbours) {
      const iops = between(state, knee, neighbour);
      if (iops !== null) {
        return { iops, why: "knee" };
      }
    }
  }
  const { last, first: fails } = border(points, ({ holds }) => holds === true);
  if (thresholds && last !== null && looked.thresholds < thresholdLooks) {
    const iops = between(state, last, fails);
    return iops === null ? null : { iops, why: "thresholds" };
  }
  return null;
}

/** The curve as it is recorded. */
export function curveOf(
  closed: LoadCurve["closed"],
  arrivals: string,
  points: readonly CurvePoint[],
  thresholds: readonly string[],
): LoadCurve {
  const sorted = [...points].sort(byRate);
  const kept = sorted.filter(({ saturated }) => !saturated).at(-1)?.offered_iops ?? null;
  const above = sorted.find(({ offered_iops: iops }) => iops > (kept ?? 0))?.offered_iops ?? null;
  const held = border(sorted, ({ holds }) => holds === true);
  return {
    schema: "osdyno-load-curve-1",
    method: kneeMethod,
    arrivals,
    closed,
    points: sorted,
    knee: kneeOf(sorted)?.id ?? null,
    kept_iops: kept,
    saturated_iops: above,
    ...(thresholds.length === 0
      ? {}
      : { thresholds: { texts: thresholds, highest_iops: held.last?.offered_iops ?? null } }),
  };
}
