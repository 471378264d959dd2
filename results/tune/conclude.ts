/** What follows from the runs of a search: what is believed of each configuration, what mattered, who won. */
import { SeededRandom } from "../../engine/base/random.ts";
import { importanceOf } from "./importance.ts";
import { Model, sitesOf } from "./model.ts";
import { frontOf, kneeOf, type Placed } from "./pareto.ts";
import { type Figures, feasible, figureOf, median, type Problem, type Tried } from "./problem.ts";
import { type Choice, keyOf } from "./space.ts";
import { defaultId } from "./trials.ts";
import type { TuneBelief, TuneImportance, TuneInterval, TuneRecord } from "./tune-record.ts";

export type Conclusions = Pick<
  TuneRecord,
  "beliefs" | "front" | "importance" | "noise" | "leading"
>;

/** Of a normal distribution, 95% to both sides. */
const wide = 1.96;

/** Medians by metric of runs that are there. */
export function mediansOf(
  metrics: readonly string[],
  runs: readonly (Figures | null)[],
): Record<string, number | null> {
  return Object.fromEntries(
    metrics.map((name) => {
      const known = runs.flatMap((run) => run?.[name] ?? []);
      return [name, known.length === 0 ? null : median(known)];
    }),
  );
}

/** The search's own runs, without those of the default. */
export function historyOf({ steps, trials }: TuneRecord): readonly Tried[] {
  const choices = new Map(trials.map(({ id, choice }) => [id, choice]));
  return steps.flatMap(({ trial, figures }) => {
    const choice = choices.get(trial) ?? null;
    return choice === null ? [] : [{ choice, figures }];
  });
}

/** Runs of the default, where it is one of the choices of the space. */
export function referencesOf({
  steps,
  trials,
  space,
  default_choice: recorded,
}: TuneRecord): readonly Tried[] {
  const known = trials.find(({ id }) => id === defaultId)?.parameters ?? {};
  const choice =
    recorded ??
    Object.entries(space).map(([name, { values }]) =>
      values.findIndex((value) => String(value) === known[name]),
    );
  return choice.length === 0 || choice.includes(-1)
    ? []
    : steps.flatMap(({ trial, figures }) => (trial === defaultId ? [{ choice, figures }] : []));
}

/** The trial of each choice that came up; empty for others. */
export function namesOf({ trials }: TuneRecord): (choice: Choice) => string {
  const ids = new Map(
    trials.flatMap(({ id, choice }) => (choice === null ? [] : [[keyOf(choice), id] as const])),
  );
  return (choice) => ids.get(keyOf(choice)) ?? "";
}

function ordered(interval: TuneInterval): TuneInterval {
  const { value, low, high } = interval;
  return { value, low: Math.min(low, high), high: Math.max(low, high) };
}

/**
 * Concludes. `idOf` names a choice's trial; `count` is how many winners are wanted. Deterministic: one
 * history, one conclusion. `references` are runs of the default: they tell what its values do, too.
 */
export function conclude(
  problem: Problem,
  history: readonly Tried[],
  metrics: readonly string[],
  idOf: (choice: Choice) => string,
  count: number,
  references: readonly Tried[] = [],
): Conclusions {
  const { goals, limits } = problem;
  const random = new SeededRandom(history.length).fork("conclusions");
  const model = new Model(problem, history, random);
  const beliefs = sitesOf(history).map(({ choice, runs }): TuneBelief => {
    const expected = goals.flatMap((goal, place) => {
      const believed = model.goals[place]?.predict(choice);
      if (believed === undefined) {
        return [];
      }
      const { mean, deviation } = believed;
      const at = (far: number) => figureOf(goal, mean + far * wide * deviation);
      return [[goal.metric, ordered({ value: at(0), low: at(-1), high: at(1) })] as const];
    });
    return {
      trial: idOf(choice),
      runs: runs.length,
      figures: mediansOf(metrics, runs),
      expected: Object.fromEntries(expected),
      keeps: feasible(limits, runs),
    };
  });
  const placed = model
    .candidates(history)
    .map(({ choice }): Placed<Choice> => ({ what: choice, costs: model.costs(choice) }));
  const front = goals.length > 1 ? frontOf(placed) : [];
  const all = [...history, ...references];
  const everything = references.length === 0 ? model : new Model(problem, all, random.fork("all"));
  const ran = all.flatMap(({ choice, figures }) => (figures === null ? [] : [choice]));
  const importance = goals.flatMap((goal, place): TuneImportance[] => {
    const process = everything.goals[place];
    return process === null || process === undefined
      ? []
      : importanceOf(problem, process, random.fork(goal.metric), ran).map((each) => ({
          metric: goal.metric,
          ...each,
        }));
  });
  const noise = goals.flatMap((goal, place) => {
    const process = model.goals[place];
    return process === null || process === undefined ? [] : [[goal.metric, process.noise] as const];
  });
  return {
    beliefs,
    front: front.map(({ what }) => idOf(what)),
    importance,
    noise: Object.fromEntries(noise),
    leading: winners(placed, front, count).map(idOf),
  };
}

/** One goal: the least costs; two: the knee of the front, then its ends. */
function winners(
  placed: readonly Placed<Choice>[],
  front: readonly Placed<Choice>[],
  count: number,
): readonly Choice[] {
  if (front.length === 0) {
    return [...placed]
      .sort((a, b) => (a.costs[0] ?? 0) - (b.costs[0] ?? 0))
      .slice(0, count)
      .map(({ what }) => what);
  }
  const wanted = [kneeOf(front), front[0], front.at(-1), ...front].flatMap((each) => each ?? []);
  const distinct = new Map(wanted.map(({ what }) => [keyOf(what), what]));
  return [...distinct.values()].slice(0, count);
}
