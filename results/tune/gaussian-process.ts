/**
 * A Gaussian process over the space of a tuner: what a metric is believed to be at every choice, with its
 * uncertainty, from runs that repeat with noise. Matern 5/2 kernel with a length for each parameter, by
 * maximum a posteriori; replicates of a choice count as such. (Rasmussen and Williams, "Gaussian
 * Processes for Machine Learning", 2006; replicates: Binois, Gramacy and Ludkovski, 2018.)
 */
import type { SeededRandom } from "../../engine/base/random.ts";
import { normalQuantile } from "../stats/order-statistics.ts";
import {
  cholesky,
  dot,
  logDeterminant,
  type Square,
  solveLower,
  solveUpper,
  square,
} from "./matrix.ts";
import { type Choice, type Dimension, keyOf } from "./space.ts";

/** One run: where, and what it said. */
export interface Sample {
  readonly choice: Choice;
  readonly value: number;
}

export interface Prediction {
  readonly mean: number;
  /** Of the mean that many runs would have, not of one run. */
  readonly deviation: number;
}

/** All samples of a choice together. */
interface Site {
  readonly choice: Choice;
  readonly count: number;
  readonly mean: number;
}

interface Data {
  readonly space: readonly Dimension[];
  readonly sites: readonly Site[];
  readonly samples: number;
  /** Squares of the samples around the mean of their site. */
  readonly within: number;
  /** Before scaling. */
  readonly centre: number;
  readonly scale: number;
}

/** Logarithms: a length of each dimension, and the noise as a share of the signal. */
type Hyper = readonly number[];

interface Fit {
  readonly hyper: Hyper;
  readonly lower: Square;
  /** Inverse of the covariance times the data. */
  readonly weights: Float64Array;
  readonly mean: number;
  readonly signal: number;
  readonly noise: number;
  /** What the search for it makes small. */
  readonly loss: number;
}

/** Mixed distance: on a line how far apart, among names whether they differ. */
function distance({ at }: Dimension, one: number, other: number): number {
  return at === null ? (one === other ? 0 : 1) : Math.abs((at[one] ?? 0) - (at[other] ?? 0));
}

function correlation(space: readonly Dimension[], hyper: Hyper, a: Choice, b: Choice): number {
  let squares = 0;
  for (const [place, dimension] of space.entries()) {
    const apart = distance(dimension, a[place] ?? 0, b[place] ?? 0);
    if (apart > 0) {
      squares += (apart / Math.exp(hyper[place] ?? 0)) ** 2;
    }
  }
  const r = Math.sqrt(5 * squares);
  return (1 + r + (r * r) / 3) * Math.exp(-r);
}

function dataOf(space: readonly Dimension[], samples: readonly Sample[]): Data {
  const values = samples.map(({ value }) => value);
  const centre = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const spread = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  const scale = Math.sqrt(spread / Math.max(1, values.length - 1)) || 1;
  const groups = new Map<string, { choice: Choice; values: number[] }>();
  for (const { choice, value } of samples) {
    const group = groups.get(keyOf(choice)) ?? { choice, values: [] };
    group.values.push((value - centre) / scale);
    groups.set(keyOf(choice), group);
  }
  let within = 0;
  const sites = [...groups.values()].map(({ choice, values: own }) => {
    const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
    within += own.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    return { choice, count: own.length, mean };
  });
  return { space, sites, samples: samples.length, within, centre, scale };
}

/** Beliefs before any run: a value reaches about half the range; noise is a tenth of the signal. */
const lengthBelief = { middle: Math.log(0.7), deviation: 1 };
const noiseBelief = { middle: Math.log(0.1), deviation: 2 };
const least = { length: Math.log(0.05), noise: Math.log(1e-4) };
const most = { length: Math.log(20), noise: Math.log(1e3) };

function clamped(hyper: Hyper): Hyper {
  return hyper.map((value, place) => {
    const kind = place === hyper.length - 1 ? "noise" : "length";
    return Math.min(most[kind], Math.max(least[kind], value));
  });
}

function fitAt(data: Data, hyper: Hyper): Fit | null {
  const { space, sites, samples, within } = data;
  const noise = Math.exp(hyper.at(-1) ?? 0);
  const covariance = square(sites.length, (row, column) => {
    const [a, b] = [sites[row] as Site, sites[column] as Site];
    const shared = correlation(space, hyper, a.choice, b.choice);
    return row === column ? shared + noise / a.count + 1e-9 : shared;
  });
  const lower = cholesky(covariance);
  if (lower === null) {
    return null;
  }
  const ones = solveUpper(
    lower,
    solveLower(
      lower,
      sites.map(() => 1),
    ),
  );
  const all = ones.reduce((sum, value) => sum + value, 0);
  const mean =
    dot(
      ones,
      sites.map((site) => site.mean),
    ) / all;
  const rest = sites.map((site) => site.mean - mean);
  const half = solveLower(lower, rest);
  const signal = Math.max(1e-12, (dot(half, half) + within / noise) / samples);
  const likelihood =
    samples * Math.log(signal) + logDeterminant(lower) + (samples - sites.length) * Math.log(noise);
  let belief = 0;
  for (const [place, value] of hyper.entries()) {
    const { middle, deviation } = place === hyper.length - 1 ? noiseBelief : lengthBelief;
    belief += ((value - middle) / deviation) ** 2;
  }
  const weights = solveUpper(lower, half);
  return { hyper, lower, weights, mean, signal, noise, loss: likelihood + belief };
}

/** Starts of the search for lengths and noise, and the steps from the best of them. */
const starts = 24;
const sweeps = 6;

function fitOf(data: Data, random: SeededRandom): Fit {
  const count = data.space.length + 1;
  const middle = Array.from({ length: count }, (_, place) =>
    place === count - 1 ? noiseBelief.middle : lengthBelief.middle,
  );
  let best: Fit | null = null;
  const look = (hyper: Hyper) => {
    const found = fitAt(data, clamped(hyper));
    if (found !== null && (best === null || found.loss < best.loss)) {
      best = found;
      return true;
    }
    return false;
  };
  look(middle);
  for (let start = 1; start < starts; start += 1) {
    look(middle.map((value) => value + 1.2 * normalQuantile(Math.max(1e-6, random.unit()))));
  }
  let step = 0.8;
  for (let sweep = 0; sweep < sweeps; sweep += 1) {
    for (let place = 0; place < count; place += 1) {
      const from = (best as Fit | null)?.hyper ?? middle;
      const moved = (by: number) => from.map((value, at) => (at === place ? value + by : value));
      look(moved(step)) || look(moved(-step));
    }
    step *= 0.7;
  }
  if (best === null) {
    throw new Error("internal error: no covariance of the runs is positive definite");
  }
  return best;
}

export class GaussianProcess {
  readonly #data: Data;
  readonly #fit: Fit;

  /** At least one sample; the same samples and generator give the same process. */
  constructor(space: readonly Dimension[], samples: readonly Sample[], random: SeededRandom) {
    this.#data = dataOf(space, samples);
    this.#fit = fitOf(this.#data, random);
  }

  /** Standard deviation of one run around the mean of its choice. */
  get noise(): number {
    return Math.sqrt(this.#fit.signal * this.#fit.noise) * this.#data.scale;
  }

  #shared(choice: Choice): Float64Array {
    const { space, sites } = this.#data;
    return Float64Array.from(sites, (site) =>
      correlation(space, this.#fit.hyper, choice, site.choice),
    );
  }

  predict(choice: Choice): Prediction {
    const { centre, scale } = this.#data;
    const { lower, weights, mean, signal } = this.#fit;
    const shared = this.#shared(choice);
    const half = solveLower(lower, shared);
    const left = Math.max(0, 1 - dot(half, half));
    return {
      mean: centre + scale * (mean + dot(shared, weights)),
      deviation: scale * Math.sqrt(signal * left),
    };
  }

  /** What the means at these choices may be together: `count` draws, each a value for every choice. */
  draws(choices: readonly Choice[], count: number, random: SeededRandom): Float64Array[] {
    const { space, centre, scale } = this.#data;
    const { hyper, lower, weights, mean, signal } = this.#fit;
    const shared = choices.map((choice) => this.#shared(choice));
    const halves = shared.map((own) => solveLower(lower, own));
    const covariance = square(choices.length, (row, column) => {
      const [a, b] = [choices[row] as Choice, choices[column] as Choice];
      const known = dot(halves[row] as Float64Array, halves[column] as Float64Array);
      return correlation(space, hyper, a, b) - known + (row === column ? 1e-8 : 0);
    });
    const root = cholesky(covariance) ?? diagonal(covariance);
    const means = shared.map((own) => mean + dot(own, weights));
    return Array.from({ length: count }, () => {
      const free = Float64Array.from(choices, () =>
        normalQuantile(Math.min(1 - 1e-12, Math.max(1e-12, random.unit()))),
      );
      return Float64Array.from(choices, (_, row) => {
        const own = root.values.subarray(row * root.n, row * root.n + row + 1);
        const moved = dot(own, free);
        return centre + scale * ((means[row] ?? 0) + Math.sqrt(signal) * moved);
      });
    });
  }
}

/** Without what ties the choices together: for a covariance that rounding has spoilt. */
function diagonal({ n, values }: Square): Square {
  return square(n, (row, column) =>
    row === column ? Math.sqrt(Math.max(0, values[row * n + row] as number)) : 0,
  );
}
