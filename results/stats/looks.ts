/**
 * Looking at a comparison before it is complete: the level that a p value must fall below at each look, so
 * that all looks together are wrong no more often than one would be. The looks are fixed beforehand, and the
 * level is spent in proportion to the runs (Lan and DeMets 1983): bounds are those of a process whose
 * increments are independent, which sums of ranks and means of runs are from a handful of runs on.
 */
import { normalQuantile } from "./order-statistics.ts";
import { normalBelow } from "./rank-sum.ts";

export interface Look {
  /** Runs a side, or pairs. */
  readonly runs: number;
  /** The p value to be reached there, not to be adjusted for the other looks. */
  readonly level: number;
}

/** Points of the grid on which the density of what has not been decided yet is kept. */
const gridPoints = 301;

/** The density of the process at a look, over values that have not decided, by the trapezoidal rule. */
interface Undecided {
  readonly values: readonly number[];
  /** Density times the width that each value stands for. */
  readonly weights: readonly number[];
}

const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

/** Values evenly from `-bound` to `bound`, weighed by `of`. */
function weighed(bound: number, of: (value: number) => number): Undecided {
  const step = (2 * bound) / (gridPoints - 1);
  const values = Array.from({ length: gridPoints }, (_, place) => -bound + place * step);
  const weights = values.map((value, place) => {
    const width = place === 0 || place === gridPoints - 1 ? step / 2 : step;
    return width * of(value);
  });
  return { values, weights };
}

/** Probability of coming to lie beyond `bound` on either side after a step of this variance. */
function beyond({ values, weights }: Undecided, bound: number, variance: number): number {
  const deviation = Math.sqrt(variance);
  return values.reduce((sum, value, place) => {
    const low = normalBelow((-bound - value) / deviation);
    const high = normalBelow((value - bound) / deviation);
    return sum + (weights[place] as number) * (low + high);
  }, 0);
}

/** The bound beyond which just `chance` lies. */
function boundFor(before: Undecided, chance: number, variance: number): number {
  let low = 0;
  let high = 12;
  for (let round = 0; round < 50; round += 1) {
    const middle = (low + high) / 2;
    if (beyond(before, middle, variance) > chance) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return high;
}

/** Two-sided levels at shares of the runs (ascending, the last one 1) that together make `level`. */
function levelsAt(shares: readonly number[], level: number): readonly number[] {
  // Nothing has happened yet: all of the process is at 0.
  let before: Undecided = { values: [0], weights: [1] };
  let spent = 0;
  return shares.map((share) => {
    const variance = share - spent;
    const bound =
      spent === 0
        ? -normalQuantile((level * share) / 2) * Math.sqrt(share)
        : boundFor(before, level * variance, variance);
    const deviation = Math.sqrt(variance);
    const last = before;
    before = weighed(bound, (value) =>
      last.values.reduce(
        (sum, from, place) =>
          sum + ((last.weights[place] as number) * density((value - from) / deviation)) / deviation,
        0,
      ),
    );
    spent = share;
    return 2 * normalBelow(-bound / Math.sqrt(share));
  });
}

/** Plans that were made; each takes 50 ms. */
const plans = new Map<string, readonly Look[]>();

/** Looks from the fewest runs that can decide up to `most`, each at half as many runs again. */
export function planLooks(most: number, level = 0.05, fewest = 6): readonly Look[] {
  const key = `${most} ${level} ${fewest}`;
  const looks = plans.get(key) ?? planned(most, level, fewest);
  plans.set(key, looks);
  return looks;
}

function planned(most: number, level: number, fewest: number): readonly Look[] {
  const runs: number[] = [];
  for (let next = Math.min(fewest, most); next < most; next = Math.ceil(next * 1.5)) {
    runs.push(next);
  }
  runs.push(most);
  const levels = levelsAt(
    runs.map((count) => count / most),
    level,
  );
  return runs.map((count, place) => ({ runs: count, level: levels[place] ?? 0 }));
}

/** The look that is due after so many runs; `null`: none is. */
export function lookAt(looks: readonly Look[], runs: number): Look | null {
  return looks.find((look) => look.runs === runs) ?? null;
}
