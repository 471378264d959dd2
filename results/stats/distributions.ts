/**
 * Two sides' latencies as distributions: quantiles of all samples of a side together, and how sure their
 * ratios are. The unit of replication is the run: what is resampled are runs, never samples.
 */
import { assert } from "../../engine/base/assert.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import { samplesFor } from "./order-statistics.ts";
import { studentQuantile } from "./student.ts";
import { leastRuns } from "./verdict.ts";

/** One run's histogram: bounds and counts of its buckets, ascending. */
export interface RunCounts {
  readonly buckets: readonly {
    readonly low: number;
    readonly high: number;
    readonly count: number;
  }[];
}

export interface QuantileRatio {
  readonly percentile: number;
  readonly base: number;
  readonly candidate: number;
  readonly ratio: number;
  /** Null: too few runs for an interval. */
  readonly low: number | null;
  readonly high: number | null;
}

export interface DistributionDifference {
  readonly quantiles: readonly QuantileRatio[];
  /** Percentiles with fewer than ten samples beyond them on either side. */
  readonly refused: readonly number[];
  /** Of both sides being of one distribution, by permuting runs; null: too few runs. */
  readonly p: number | null;
}

export const usualPercentiles: readonly number[] = [5, 25, 50, 75, 90, 95, 99, 99.9, 99.99];
/** Where the distance of two distributions is taken, percent. */
const grid: readonly number[] = [5, 15, 25, 35, 45, 55, 65, 75, 85, 95, 99];
const permutations = 499;

/** Runs over the same buckets, so that sides are sums. */
interface Aligned {
  readonly lows: Float64Array;
  readonly highs: Float64Array;
  readonly runs: readonly Float64Array[];
}

function align(all: readonly RunCounts[]): Aligned {
  const bounds = new Map<number, number>();
  for (const { buckets } of all) {
    for (const { low, high } of buckets) {
      bounds.set(low, high);
    }
  }
  const lows = Float64Array.from(bounds.keys()).sort();
  const places = new Map([...lows].map((low, place) => [low, place]));
  const runs = all.map(({ buckets }) => {
    const counts = new Float64Array(lows.length);
    for (const { low, count } of buckets) {
      counts[places.get(low) ?? 0] = count;
    }
    return counts;
  });
  return { lows, highs: lows.map((low) => bounds.get(low) ?? low), runs };
}

function sumOf(runs: readonly Float64Array[]): Float64Array {
  const sum = new Float64Array(runs[0]?.length ?? 0);
  for (const counts of runs) {
    for (let place = 0; place < sum.length; place += 1) {
      sum[place] = (sum[place] as number) + (counts[place] as number);
    }
  }
  return sum;
}

const totalOf = (counts: Float64Array): number => counts.reduce((sum, count) => sum + count, 0);

/** Values of ascending percentiles; within a bucket samples are taken to lie evenly. */
function quantilesOf(
  { lows, highs }: Aligned,
  counts: Float64Array,
  percentiles: readonly number[],
): readonly number[] {
  const total = totalOf(counts);
  let [below, place] = [0, 0];
  return percentiles.map((percentile) => {
    const wanted = (percentile / 100) * total;
    while (place < counts.length - 1 && below + (counts[place] as number) < wanted) {
      below += counts[place] as number;
      place += 1;
    }
    const [low, high] = [lows[place] as number, highs[place] as number];
    const share = (wanted - below) / Math.max(1, counts[place] as number);
    return low + Math.min(1, share) * (high - low);
  });
}

/** Logarithms of the ratios of the sides' quantiles, above 0 as latencies are. */
function logRatios(
  aligned: Aligned,
  base: readonly Float64Array[],
  candidate: readonly Float64Array[],
  percentiles: readonly number[],
): readonly number[] {
  const ours = quantilesOf(aligned, sumOf(base), percentiles);
  const theirs = quantilesOf(aligned, sumOf(candidate), percentiles);
  return ours.map((value, at) => Math.log(Math.max(1, theirs[at] as number) / Math.max(1, value)));
}

const without = <T>(items: readonly T[], at: number): readonly T[] =>
  items.filter((_, place) => place !== at);

/** Squared errors by leaving out one of `count` at a time (Quenouille and Tukey's jackknife). */
function jackknife(
  count: number,
  leavingOut: (at: number) => readonly number[],
): readonly number[] {
  const found = Array.from({ length: count }, (_, at) => leavingOut(at));
  return (found[0] ?? []).map((_, of) => {
    const values = found.map((each) => each[of] as number);
    const mean = values.reduce((sum, value) => sum + value, 0) / count;
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    return ((count - 1) / count) * squares;
  });
}

/** Half-widths of the intervals of log ratios; null: too few runs. */
function widths(
  aligned: Aligned,
  sides: Sides,
  percentiles: readonly number[],
  confidence: number,
): readonly number[] | null {
  const { base, candidate, paired } = sides;
  const [m, n] = [base.length, candidate.length];
  if (Math.min(m, n) < leastRuns) {
    return null;
  }
  const tail = (1 - confidence) / 2;
  const ratios = (a: Sides["base"], b: Sides["base"]) => logRatios(aligned, a, b, percentiles);
  if (paired) {
    const t = studentQuantile(tail, m - 1);
    const errors = jackknife(m, (at) => ratios(without(base, at), without(candidate, at)));
    return errors.map((error) => t * Math.sqrt(error));
  }
  const ours = jackknife(m, (at) => ratios(without(base, at), candidate));
  const theirs = jackknife(n, (at) => ratios(base, without(candidate, at)));
  return ours.map((error, of) => {
    const other = theirs[of] as number;
    // Welch and Satterthwaite: the sides may vary differently.
    const df = (error + other) ** 2 / (error ** 2 / (m - 1) + other ** 2 / (n - 1)) || m + n - 2;
    return studentQuantile(tail, Math.max(1, df)) * Math.sqrt(error + other);
  });
}

interface Sides {
  readonly base: readonly Float64Array[];
  readonly candidate: readonly Float64Array[];
  readonly paired: boolean;
}

/** Mean distance of the sides' quantiles. */
function distance(aligned: Aligned, base: Sides["base"], candidate: Sides["base"]): number {
  const logs = logRatios(aligned, base, candidate, grid);
  return logs.reduce((sum, log) => sum + Math.abs(log), 0) / grid.length;
}

/** Pairs whose turns are all tried. */
const mostTurned = 9;

function turned({ base, candidate }: Sides, turns: (pair: number) => boolean): Sides {
  const side = (own: Sides["base"], other: Sides["base"]) =>
    own.map((counts, pair) => (turns(pair) ? (other[pair] ?? counts) : counts));
  return { base: side(base, candidate), candidate: side(candidate, base), paired: true };
}

/**
 * The sides as they are, and as they could as well have been without a difference: each pair turned round, or
 * each run on either side. All of them where they are few, else some.
 */
function* arrangements(sides: Sides, random: SeededRandom): Generator<Sides> {
  const { base, candidate, paired } = sides;
  if (paired && base.length <= mostTurned) {
    for (let pattern = 0; pattern < 2 ** base.length; pattern += 1) {
      yield turned(sides, (pair) => ((pattern >> pair) & 1) === 1);
    }
    return;
  }
  yield sides;
  const all = [...base, ...candidate];
  for (let round = 0; round < permutations; round += 1) {
    if (paired) {
      yield turned(sides, () => random.unit() < 0.5);
    } else {
      for (let last = all.length - 1; last > 0; last -= 1) {
        const other = random.below(last + 1);
        [all[last], all[other]] = [all[other] as Float64Array, all[last] as Float64Array];
      }
      yield { base: all.slice(0, base.length), candidate: all.slice(base.length), paired };
    }
  }
}

/** Buckets within half a percent of each other as one: permuting asks for thousands of sums. */
function coarse({ buckets }: RunCounts): RunCounts {
  const wide = new Map<number, number>();
  for (const { low, count } of buckets) {
    const key = Math.round(200 * Math.log(Math.max(1, low)));
    wide.set(key, (wide.get(key) ?? 0) + count);
  }
  const edge = (key: number) => Math.exp(key / 200);
  return {
    buckets: [...wide].map(([key, count]) => ({ low: edge(key), high: edge(key + 1), count })),
  };
}

function permutationP(
  base: readonly RunCounts[],
  candidate: readonly RunCounts[],
  paired: boolean,
): number {
  const aligned = align([...base, ...candidate].map(coarse));
  const sides = {
    base: aligned.runs.slice(0, base.length),
    candidate: aligned.runs.slice(base.length),
    paired,
  };
  const random = new SeededRandom(1).fork("distributions");
  const found = distance(aligned, sides.base, sides.candidate) * (1 - 1e-12);
  let [asFar, all] = [0, 0];
  for (const other of arrangements(sides, random)) {
    asFar += distance(aligned, other.base, other.candidate) >= found ? 1 : 0;
    all += 1;
  }
  return asFar / all;
}

/** Compares runs with samples; with `paired`, those at one place are of one block. */
export function compareCounts(
  base: readonly RunCounts[],
  candidate: readonly RunCounts[],
  paired: boolean,
  confidence = 0.95,
  percentiles: readonly number[] = usualPercentiles,
): DistributionDifference {
  assert(base.length > 0 && candidate.length > 0, "both sides need a run");
  const aligned = align([...base, ...candidate]);
  const sides = {
    base: aligned.runs.slice(0, base.length),
    candidate: aligned.runs.slice(base.length),
    paired: paired && base.length === candidate.length,
  };
  const [ours, theirs] = [sumOf(sides.base), sumOf(sides.candidate)];
  const fewest = Math.min(totalOf(ours), totalOf(theirs));
  const told = percentiles.filter((percentile) => fewest >= samplesFor(percentile));
  const reach = widths(aligned, sides, told, confidence);
  const [left, right] = [quantilesOf(aligned, ours, told), quantilesOf(aligned, theirs, told)];
  const quantiles = told.map((percentile, at) => {
    const [from, to] = [left[at] as number, right[at] as number];
    const ratio = Math.max(1, to) / Math.max(1, from);
    const width = reach?.[at] ?? null;
    return {
      percentile,
      base: from,
      candidate: to,
      ratio,
      low: width === null ? null : ratio * Math.exp(-width),
      high: width === null ? null : ratio * Math.exp(width),
    };
  });
  return {
    quantiles,
    refused: percentiles.filter((percentile) => !told.includes(percentile)),
    p: reach === null ? null : permutationP(base, candidate, sides.paired),
  };
}
