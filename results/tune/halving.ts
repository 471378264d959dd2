/**
 * Successive halving over repeats (Jamieson and Talwalkar, 2016): many choices with few runs; the best
 * third gets three times as many, until one is left. Runs go where the decision is.
 */
import { SeededRandom } from "../../engine/base/random.ts";
import { latinChoices, shuffled } from "./designs.ts";
import { sitesOf } from "./model.ts";
import {
  costOf,
  excessOf,
  type Figures,
  feasible,
  median,
  type Problem,
  type Proposal,
  type SearchState,
} from "./problem.ts";
import { type Choice, keyOf } from "./space.ts";

/** Of how many the best one goes on, with as many times as many runs. */
const part = 3;

/** Runs that a halving from so many choices takes. */
export function halvingRuns(choices: number, repeat: number): number {
  let total = choices * repeat;
  let each = repeat;
  for (let left = choices; left > 1; ) {
    left = Math.ceil(left / part);
    total += left > 1 ? left * each * (part - 1) : 0;
    each *= part;
  }
  return total;
}

function choicesFor(runs: number, repeat: number): number {
  let count = 2;
  while (halvingRuns(count + 1, repeat) <= runs) {
    count += 1;
  }
  return count;
}

type Rank = readonly [broken: number, cost: number];

/** Kept limits before broken ones, then the sum of the goals' costs. */
function rankOf({ goals, limits }: Problem, runs: readonly (Figures | null)[]): Rank {
  if (runs.includes(null)) {
    return [Number.POSITIVE_INFINITY, 0];
  }
  const middle = (measureOf: (figures: Figures) => number | null) => {
    const known = runs.flatMap((run) => (run === null ? [] : (measureOf(run) ?? [])));
    return known.length === 0 ? null : median(known);
  };
  const over = limits.map((limit) => middle((figures) => excessOf(limit, figures[limit.metric])));
  const broken = feasible(limits, runs)
    ? 0
    : over.reduce<number>((sum, each) => sum + Math.max(0, each ?? 1e3), 1e-9);
  const costs = goals.map((goal) => middle((figures) => costOf(goal, figures[goal.metric])));
  return [broken, costs.reduce<number>((sum, cost) => sum + (cost ?? 1e6), 0)];
}

export function halving({ problem, history, seed, runs, repeat }: SearchState): Proposal | null {
  const random = new SeededRandom(seed).fork("halving");
  const done = new Map(sitesOf(history).map((site) => [keyOf(site.choice), site.runs]));
  const runsOf = (choice: Choice) => done.get(keyOf(choice)) ?? [];
  let left: readonly Choice[] = latinChoices(problem, choicesFor(runs, repeat), random);
  for (let each = repeat; left.length > 1; each *= part) {
    const fewest = Math.min(...left.map((choice) => runsOf(choice).length));
    if (fewest < each) {
      if (history.length >= runs) {
        return null;
      }
      const order = shuffled(left, random.fork(`${left.length} of ${fewest}`));
      const choice = order.find((one) => runsOf(one).length === fewest);
      return choice === undefined ? null : { choice, why: fewest === 0 ? "design" : "repeat" };
    }
    // By the runs that all had when it was decided: later ones change nothing any more.
    const ranked = left.map((choice) => ({
      choice,
      rank: rankOf(problem, runsOf(choice).slice(0, each)),
    }));
    ranked.sort((a, b) =>
      a.rank[0] === b.rank[0] ? a.rank[1] - b.rank[1] : a.rank[0] - b.rank[0],
    );
    left = ranked.slice(0, Math.ceil(left.length / part)).map(({ choice }) => choice);
  }
  return null;
}
