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
  /** Arrivals that were due while the rate was measured, and those of them that were never sent. */
  readonly due_ios: number;
  readonly unsent_ios: number;
  /** Median response time of the first and of the last third of the run; null: too few intervals. */
  readonly early_ns: number | null;
  readonly late_ns: number | null;
  /** The target did not keep up with the rate. */
  readonly saturated: boolean;
  /** The generator sent too late or had no time left: the times are not the target's alone. */
  readonly generator_late: boolean;
  /** All thresholds hold; absent without any, and where too few samples tell. */
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
  /** Id of the point at the knee; null: no rate was kept up with, or the curve ended before a knee was seen. */
  readonly knee: string | null;
  /** Rates that were still to be measured were not. */
  readonly cut_short?: true;
  /** The highest rate that was kept up with, and the lowest above it; null: none was found. */
  readonly kept_iops: number | null;
  readonly saturated_iops: number | null;
  /** The highest rate at which all thresholds hold, among those below the lowest at which one does not. */
  readonly thresholds?: { readonly texts: readonly string[]; readonly highest_iops: number | null };
}

export const kneeMethod =
  "knee: the rate with the greatest IOPS divided by mean response time (Kleinrock's power), among the rates that the target keeps up with; " +
  "kept up with: of the arrivals that were due no more than 3% were left, and response times did not rise from the first third of the run to the last; " +
  "from 97% of the closed loop's rate on (less what chance explains of it) only where they end as low as at the lowest rate, or twice that";

/** More of the arrivals that were due than this share were never sent: the target did not keep up. */
const mostUnsent = 0.03;
/** Response times that rise by this share of the time passed: so much more comes than is served. */
const mostGrowth = 0.01;
/** Nearer to the closed loop's rate than this the target is as good as never idle. */
const nearFull = 0.97;
/** Response times up to so many times those at the lowest rate are those of a target with time to spare. */
const calm = 2;

/** What a rate is held against. */
export interface Capacity {
  /** Of the closed loop, and how many operations its rate rests on. */
  readonly iops: number;
  readonly ios: number;
  /** Median response time at the lowest rate; null: not known. */
  readonly idleNs: number | null;
}

/** What was seen of a rate. */
export interface Load {
  readonly offeredIops: number;
  /** Counts of arrivals. */
  readonly due: number;
  readonly unsent: number;
  readonly dropped: number;
  readonly earlyNs: number | null;
  readonly lateNs: number | null;
  /** From the middle of the first third to the middle of the last. */
  readonly apartNs: number;
}

/**
 * Whether a rate was too much. The arrivals that were due are counted, so chance excuses nothing there. Of a
 * rate that exceeds what the target can do by a share, response times grow by that share of the time that
 * passes; chance adds the root of the count. As a closed loop is never idle, its rate is the most that the
 * target does at this depth (two standard deviations of as many exponential services are taken off): from
 * there on a queue hardly shows in a short run whether it is one that grows, so that only response times
 * as those of a target with time to spare tell that it is faster than it was in the closed loop.
 */
export function isSaturated(load: Load, capacity: Capacity): boolean {
  const { due, unsent, dropped, earlyNs, lateNs, apartNs } = load;
  if (dropped > 0 || unsent > mostUnsent * due) {
    return true;
  }
  if (earlyNs !== null && lateNs !== null && apartNs > 0) {
    const chance = 1 / Math.sqrt(Math.max(1, due));
    if ((lateNs - earlyNs) / apartNs > mostGrowth + chance) {
      return true;
    }
  }
  const full = capacity.iops * (nearFull - 2 / Math.sqrt(Math.max(1, capacity.ios)));
  const spare = lateNs !== null && capacity.idleNs !== null && lateNs <= calm * capacity.idleNs;
  return load.offeredIops > full && !spare;
}

const byRate = (a: CurvePoint, b: CurvePoint) => a.offered_iops - b.offered_iops;

export function powerOf({ iops, mean_ns: ns }: CurvePoint): number {
  return ns > 0 ? iops / ns : 0;
}

/** The point of greatest power among those kept up with; null when there is none. */
export function kneeOf(points: readonly CurvePoint[]): CurvePoint | null {
  const most = keptOf([...points].sort(byRate)).kept?.offered_iops ?? 0;
  return points
    .filter(({ saturated, offered_iops: iops }) => !saturated && iops <= most)
    .reduce<CurvePoint | null>(
      (best, point) => (best === null || powerOf(point) > powerOf(best) ? point : best),
      null,
    );
}

/** The point of the lowest rate. */
export function lowestOf(points: readonly CurvePoint[]): CurvePoint | undefined {
  return [...points].sort(byRate)[0];
}

/** Of the rates of which it is known: the last before the first at which the thresholds do not hold, and that one. */
function border(points: readonly CurvePoint[]) {
  const sorted = points.filter(({ holds }) => holds !== undefined).sort(byRate);
  const place = sorted.findIndex(({ holds }) => holds === false);
  return {
    last: (place < 0 ? sorted.at(-1) : sorted[place - 1]) ?? null,
    first: place < 0 ? null : (sorted[place] ?? null),
  };
}

/**
 * The highest rate that is kept up with, and the one above it, the lowest that is not: a rate that is not,
 * below two that are, was a hiccup of the machine.
 */
function keptOf(sorted: readonly CurvePoint[]) {
  const place = sorted.findIndex(
    ({ saturated }, at) =>
      saturated && !(sorted[at + 1]?.saturated === false && sorted[at + 2]?.saturated === false),
  );
  const below = place < 0 ? sorted : sorted.slice(0, place);
  return {
    kept: below.filter(({ saturated }) => !saturated).at(-1) ?? null,
    above: place < 0 ? null : (sorted[place] ?? null),
  };
}

/** Shares of the closed loop's rate that are measured first. */
const ladder = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1] as const;
/** Beyond the closed loop's rate: so much more each, so often at most. */
const beyond = 1.05;
const mostBeyond = 6;
/** Looks between the highest rate that is kept up with and the lowest that is not. */
const capacityLooks = 2;
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
  /** Rates beside the ladder that were measured for the capacity, the knee, and for thresholds. */
  readonly looked: {
    readonly capacity: number;
    readonly knee: number;
    readonly thresholds: number;
  };
  /** The highest rate asked for while rates rose; what was offered may be less. */
  readonly askedIops?: number;
}

export interface NextRate {
  readonly iops: number;
  readonly why: "ladder" | "capacity" | "knee" | "thresholds";
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
  const { kept, above } = keptOf(sorted);
  if (kept !== null && looked.capacity < capacityLooks) {
    const iops = between(state, kept, above);
    if (iops !== null) {
      return { iops, why: "capacity" };
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
  const { last, first: fails } = border(points);
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
  /** It ended before all rates that it takes were measured. */
  cutShort = false,
): LoadCurve {
  const sorted = [...points].sort(byRate);
  const knee = kneeOf(sorted)?.id ?? null;
  // The greatest power at the last rate says that the knee is there or beyond.
  const unseen = cutShort && knee === sorted.at(-1)?.id;
  const { kept, above } = keptOf(sorted);
  const held = border(sorted);
  return {
    schema: "osdyno-load-curve-1",
    method: kneeMethod,
    arrivals,
    closed,
    points: sorted,
    knee: unseen ? null : knee,
    ...(cutShort ? { cut_short: true } : {}),
    kept_iops: kept?.offered_iops ?? null,
    saturated_iops: above?.offered_iops ?? null,
    ...(thresholds.length === 0
      ? {}
      : { thresholds: { texts: thresholds, highest_iops: held.last?.offered_iops ?? null } }),
  };
}
