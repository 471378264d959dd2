/**
 * The model-based search: a Latin hypercube to begin with, then at each step the choice with the largest
 * expected improvement under the limits (Jones, Schonlau and Welch, 1998; Gardner et al., 2014), and in
 * the end repeats of those that may be the best, so that luck in a single run does not win. Of two goals
 * each step weighs one against the other anew (ParEGO: Knowles, 2006).
 */
import { SeededRandom } from "../../engine/base/random.ts";
import { normalBelow } from "../stats/rank-sum.ts";
import { allChoices, latinChoices, randomChoices } from "./designs.ts";
import { GaussianProcess, type Prediction } from "./gaussian-process.ts";
import { Model, sitesOf } from "./model.ts";
import { costOf, type Problem, type Proposal, type SearchState, type Tried } from "./problem.ts";
import { type Choice, keyOf, neighbours, sizeOf } from "./space.ts";

/** Shares of the runs: at most for the design, and for the repeats at the end. */
const designShare = 0.4;
const repeatShare = 0.15;
/** Spaces up to this size are looked at whole. */
const wholeUpTo = 2000;
const randomLooks = 600;
/** Around so many of the best choices the neighbours are looked at, too. */
const climbers = 5;

/** How many choices the design has. */
function designSize({ space }: Problem, runs: number): number {
  const wanted = 2 * (space.length + 1);
  return Math.max(Math.min(3, runs), Math.min(wanted, Math.floor(runs * designShare)));
}

export function modelSearch(state: SearchState): Proposal | null {
  const { problem, history, seed, runs, repeat } = state;
  const at = history.length;
  if (at >= runs) {
    return null;
  }
  const seeded = new SeededRandom(seed);
  const design = latinChoices(problem, designSize(problem, runs), seeded.fork("design"));
  // Each choice of the design as often as asked, in rounds.
  const designRuns = Math.min(design.length * repeat, Math.floor(runs * (1 - repeatShare)));
  const first = design[at % Math.max(1, design.length)];
  if (at < designRuns && first !== undefined) {
    return { choice: first, why: at < design.length ? "design" : "repeat" };
  }
  const random = seeded.fork(`step ${at}`);
  const belief = beliefOf(problem, history, random);
  const settled = belief.model.candidates(history).map(({ choice }) => choice);
  const low = (choice: Choice) => {
    const { mean, deviation } = belief.predict(choice);
    return mean - deviation;
  };
  if (at >= runs - Math.floor(runs * repeatShare) && settled.length > 0) {
    return { choice: least(settled, low), why: "repeat" };
  }
  const failed = new Set(
    history.filter(({ figures }) => figures === null).map(({ choice }) => keyOf(choice)),
  );
  const pool = poolOf(problem, history, belief, random).filter(
    (choice) => !failed.has(keyOf(choice)),
  );
  if (pool.length === 0) {
    return null;
  }
  const best = settled.length === 0 ? null : belief.predict(least(settled, low)).mean;
  const choice = least(pool, (each) => -worthOf(belief, each, best));
  const known = history.some((tried) => keyOf(tried.choice) === keyOf(choice));
  return { choice, why: known ? "repeat" : "search" };
}

interface Belief {
  readonly model: Model;
  readonly predict: (choice: Choice) => Prediction;
}

/** The goals as one cost: the only one, or two weighed against each other. */
function beliefOf(problem: Problem, history: readonly Tried[], random: SeededRandom): Belief {
  const model = new Model(problem, history, random);
  const [first, second] = problem.goals;
  if (first === undefined || second === undefined) {
    const nothing = { mean: 0, deviation: 1 };
    return { model, predict: (choice) => model.goals[0]?.predict(choice) ?? nothing };
  }
  const both = history.flatMap(({ choice, figures }) => {
    const [a, b] = [first, second].map((goal) => costOf(goal, figures?.[goal.metric]));
    return a === null || b === null || a === undefined || b === undefined ? [] : [{ choice, a, b }];
  });
  const scaled = (values: readonly number[]) => {
    const low = Math.min(...values);
    const width = Math.max(...values) - low || 1;
    return values.map((value) => (value - low) / width);
  };
  const [xs, ys] = [scaled(both.map(({ a }) => a)), scaled(both.map(({ b }) => b))];
  const weight = random.fork("weight").unit();
  const samples = both.map(({ choice }, place) => {
    const [x, y] = [weight * (xs[place] ?? 0), (1 - weight) * (ys[place] ?? 0)];
    return { choice, value: Math.max(x, y) + 0.05 * (x + y) };
  });
  const process =
    samples.length === 0
      ? null
      : new GaussianProcess(problem.space, samples, random.fork("weighed"));
  return { model, predict: (choice) => process?.predict(choice) ?? { mean: 0, deviation: 1 } };
}

/** Choices whose worth is compared. */
function poolOf(
  problem: Problem,
  history: readonly Tried[],
  { predict }: Belief,
  random: SeededRandom,
): Choice[] {
  if (sizeOf(problem.space) <= wholeUpTo) {
    return allChoices(problem);
  }
  const best = [...sitesOf(history)]
    .map(({ choice }) => ({ choice, mean: predict(choice).mean }))
    .sort((a, b) => a.mean - b.mean)
    .slice(0, climbers)
    .map(({ choice }) => choice);
  const near = best.flatMap((choice) => [choice, ...neighbours(problem.space, choice)]);
  const all = [...near.filter(problem.allowed), ...randomChoices(problem, randomLooks, random)];
  return [...new Map(all.map((choice) => [keyOf(choice), choice])).values()];
}

/** Expected improvement on the best cost times the chance that the limits hold; without a best the chance. */
function worthOf({ model, predict }: Belief, choice: Choice, best: number | null): number {
  const chance = model.chance(choice);
  const { mean, deviation } = predict(choice);
  if (best === null) {
    // Nothing keeps the limits yet; among equal chances the better goal.
    return chance - 1e-6 * mean;
  }
  if (deviation < 1e-12) {
    return 0;
  }
  const z = (best - mean) / deviation;
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  return chance * ((best - mean) * normalBelow(z) + deviation * density);
}

/** The first of those with the least value. */
function least(choices: readonly Choice[], measureOf: (choice: Choice) => number): Choice {
  let found = choices[0] ?? [];
  let value = Number.POSITIVE_INFINITY;
  for (const choice of choices) {
    const own = measureOf(choice);
    if (own < value) {
      found = choice;
      value = own;
    }
  }
  return found;
}
