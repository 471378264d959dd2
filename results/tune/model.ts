/** What is believed of a problem after the runs so far: a process for each goal and each limit. */
import type { SeededRandom } from "../../engine/base/random.ts";
import { normalBelow } from "../stats/rank-sum.ts";
import { GaussianProcess, type Sample } from "./gaussian-process.ts";
import { costOf, excessOf, type Figures, feasible, type Problem, type Tried } from "./problem.ts";
import { type Choice, keyOf } from "./space.ts";

/** A choice with its runs. */
export interface Site {
  readonly choice: Choice;
  readonly runs: readonly (Figures | null)[];
}

/** Runs by choice, in the order in which the choices came up. */
export function sitesOf(history: readonly Tried[]): readonly Site[] {
  const sites = new Map<string, { choice: Choice; runs: (Figures | null)[] }>();
  for (const { choice, figures } of history) {
    const site = sites.get(keyOf(choice)) ?? { choice, runs: [] };
    site.runs.push(figures);
    sites.set(keyOf(choice), site);
  }
  return [...sites.values()];
}

function samplesOf(
  history: readonly Tried[],
  measureOf: (figures: Figures) => number | null,
): Sample[] {
  return history.flatMap(({ choice, figures }) => {
    const value = figures === null ? null : measureOf(figures);
    return value === null ? [] : [{ choice, value }];
  });
}

export class Model {
  readonly #problem: Problem;
  /** In the order of the problem; null without a single figure. */
  readonly goals: readonly (GaussianProcess | null)[];
  readonly #limits: readonly (GaussianProcess | null)[];

  constructor(problem: Problem, history: readonly Tried[], random: SeededRandom) {
    const { space, goals, limits } = problem;
    const make = (name: string, samples: readonly Sample[]) =>
      samples.length === 0 ? null : new GaussianProcess(space, samples, random.fork(name));
    this.#problem = problem;
    this.goals = goals.map((goal) =>
      make(
        `goal ${goal.metric}`,
        samplesOf(history, (figures) => costOf(goal, figures[goal.metric])),
      ),
    );
    this.#limits = limits.map((limit) =>
      make(
        `limit ${limit.metric}`,
        samplesOf(history, (figures) => excessOf(limit, figures[limit.metric])),
      ),
    );
  }

  /** Probability that a choice keeps all limits. */
  chance(choice: Choice): number {
    return this.#limits.reduce((product, process) => {
      if (process === null) {
        return product;
      }
      const { mean, deviation } = process.predict(choice);
      return product * normalBelow(-mean / Math.max(deviation, 1e-9));
    }, 1);
  }

  /** Expected costs, one of each goal. */
  costs(choice: Choice): readonly number[] {
    return this.goals.map((process) => process?.predict(choice).mean ?? 0);
  }

  /** Choices that ran, keep the limits by their own runs, and are believed to. */
  candidates(history: readonly Tried[]): readonly Site[] {
    const { limits } = this.#problem;
    const kept = sitesOf(history).filter(({ runs }) => feasible(limits, runs));
    const believed = kept.filter(({ choice }) => this.chance(choice) >= 0.5);
    return believed.length > 0 ? believed : kept;
  }
}
