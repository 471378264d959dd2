/**
 * What mattered: the share of the differences between runs that each parameter explains by itself, and
 * how far its best value lies from its worst (a functional analysis of variance: Hutter, Hoos and
 * Leyton-Brown, 2014). Computed on draws of the process, so that each figure has an interval that is as
 * wide as the runs leave it; noise counts among the differences, so that of a flat goal nothing matters.
 */
import type { SeededRandom } from "../../engine/base/random.ts";
import { randomChoices } from "./designs.ts";
import type { GaussianProcess } from "./gaussian-process.ts";
import type { Problem } from "./problem.ts";
import type { Choice } from "./space.ts";

export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface Importance {
  readonly parameter: string;
  /** Of all differences between runs, 0 to 1. */
  readonly share: Interval;
  /** Ratio of the mean cost at the worst to that at the best of the values that ran; 1: it does not matter which. */
  readonly effect: Interval;
  /** The value with the best mean, and how likely it is the best one, 0 to 1. */
  readonly best: string;
  readonly chance: number;
}

/** Choices around which each parameter takes all its values, and draws of the process there. */
const grounds = 40;
const drawn = 200;
const confidence = 0.95;

/** Of one draw, value by value over the same grounds. */
interface Effect {
  /** Variance of the means, without what they differ by because the grounds are few. */
  readonly main: number;
  /** Variance of all. */
  readonly total: number;
  readonly means: readonly number[];
}

/** `draw`: for each value of the parameter each ground. */
function effectOf(draw: Float64Array, values: number): Effect {
  const count = draw.length / values;
  const at = (value: number, ground: number) => draw[value * count + ground] ?? 0;
  const numbers = (length: number) => Array.from({ length }, (_, place) => place);
  const means = numbers(values).map((value) =>
    average(numbers(count).map((ground) => at(value, ground))),
  );
  const rows = numbers(count).map((ground) =>
    average(numbers(values).map((value) => at(value, ground))),
  );
  const all = average(means);
  let rest = 0;
  let total = 0;
  for (const [value, mean] of means.entries()) {
    for (const [ground, row] of rows.entries()) {
      const own = at(value, ground);
      rest += (own - mean - row + all) ** 2;
      total += (own - all) ** 2;
    }
  }
  const between = count * means.reduce((sum, mean) => sum + (mean - all) ** 2, 0);
  // What the grounds' own differences add to the means of a sample: the interaction's mean square.
  const chance = rest / Math.max(1, count - 1);
  return {
    main: Math.max(0, between - chance) / draw.length,
    total: total / draw.length,
    means,
  };
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function intervalOf(values: readonly number[]): Interval {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN;
  return { value: at(0.5), low: at((1 - confidence) / 2), high: at((1 + confidence) / 2) };
}

/**
 * Of a goal, whose process is of costs in logarithms: the most important parameter first. `ran`: choices of
 * all runs; null: every value ran.
 */
export function importanceOf(
  problem: Problem,
  process: GaussianProcess,
  random: SeededRandom,
  ran: readonly Choice[] | null = null,
): readonly Importance[] {
  const { space } = problem;
  const around = randomChoices(problem, grounds, random.fork("grounds"));
  const noise = process.noise ** 2;
  const found = space.map((dimension, place) => {
    const choices = dimension.values.flatMap((_, value) =>
      around.map((ground) => ground.map((own, index) => (index === place ? value : own))),
    );
    const effects = process
      .draws(choices, drawn, random.fork(`draws of ${dimension.name}`))
      .map((draw) => effectOf(draw, dimension.values.length));
    const shares = effects.map(({ main, total }) => main / (total + noise || 1));
    const means = dimension.values.map((_, value) =>
      average(effects.map((effect) => effect.means[value] ?? 0)),
    );
    // Of a value that never ran there is only a belief, whose interval the process makes too narrow.
    const known = means.map(
      (_, value) => ran === null || ran.some((choice) => choice[place] === value),
    );
    const counted = means.filter((_, value) => known[value]);
    const best = means.indexOf(Math.min(...counted));
    const worst = means.indexOf(Math.max(...counted));
    const apart = effects.map((effect) =>
      Math.exp((effect.means[worst] ?? 0) - (effect.means[best] ?? 0)),
    );
    const wins = effects.filter(
      (effect) =>
        effect.means[best] === Math.min(...effect.means.filter((_, value) => known[value])),
    );
    return {
      parameter: dimension.name,
      share: intervalOf(shares),
      effect: intervalOf(apart),
      best: dimension.values[best] ?? "",
      chance: wins.length / drawn,
    };
  });
  return found.sort((a, b) => b.share.value - a.share.value);
}
