/** From choices to what runs: the points of a tuning, and the sweep that confirms its winner. */
import { hostPrefix, type SweepAxis } from "../sweep/axes.ts";
import { type Point, pointsOf } from "../sweep/points.ts";
import type { SweepSpec } from "../sweep/spec.ts";
import { ruleHolds } from "../sweep/values.ts";
import { parseThreshold } from "../threshold.ts";
import type { Limit, Problem } from "./problem.ts";
import { type Choice, type Dimension, dimensionOf } from "./space.ts";
import type { TuneSpec } from "./spec.ts";
import type { TuneRecord, TuneRules } from "./tune-record.ts";

/** What the default is called, and what the winner is, where they are compared. */
export const defaultId = "default";
export const tunedName = "tuned";
export const sideName = "configuration";

type Variables = Readonly<Record<string, string>>;

/** A parameter of the space may set several things at once: it is called by its axis. */
const nameOf = ({ names }: SweepAxis) => names.join("+");

const labelOf = (axis: SweepAxis, place: number) =>
  axis.names.map((name) => axis.values[place]?.parameters[name] ?? "").join("+");

export function spaceOf({ sweep }: TuneSpec): readonly Dimension[] {
  return sweep.axes.map((axis) =>
    dimensionOf(
      nameOf(axis),
      axis.values.map((_, place) => labelOf(axis, place)),
    ),
  );
}

function chosenAxes({ axes }: SweepSpec, choice: Choice): SweepAxis[] {
  return axes.map((axis, place) => ({
    ...axis,
    values: axis.values.filter((_, index) => index === choice[place]),
  }));
}

/** A parameter as the rules see it: what each of its values is called. */
interface Ruled {
  readonly names: readonly string[];
  readonly parameters: readonly Readonly<Record<string, string>>[];
}

/** Which choices may be measured, by the file's `when:` and `exclude:`. */
function allowedBy(axes: readonly Ruled[], { when, exclude }: TuneRules) {
  return (choice: Choice) => {
    const chosen = axes.map(({ parameters }, place) => parameters[choice[place] ?? -1] ?? {});
    const parameters = Object.assign({}, ...chosen) as Readonly<Record<string, string>>;
    // A parameter that does not act has one value only, so that no two choices are the same run.
    const idle = axes.some(
      ({ names }, place) =>
        (choice[place] ?? 0) > 0 &&
        names.every((name) => {
          const rule = when[name];
          return rule !== undefined && !ruleHolds(rule, parameters);
        }),
    );
    return !idle && !exclude.some((rule) => ruleHolds(rule, parameters));
  };
}

export function problemOf(tune: TuneSpec): Problem {
  const { sweep, goals, limits } = tune;
  const axes = sweep.axes.map(({ names, values }) => ({
    names,
    parameters: values.map((each) => each.parameters),
  }));
  return { space: spaceOf(tune), goals, limits, allowed: allowedBy(axes, sweep) };
}

/** The same from what is recorded of it. */
export function recordedProblem({ space, goals, limits, rules }: TuneRecord): Problem {
  const axes = Object.entries(space).map(([name, { values }]) => {
    const names = name.split("+");
    const parameters = values.map((value) => {
      const parts = names.length === 1 ? [value] : value.split("+");
      return Object.fromEntries(names.map((own, place) => [own, parts[place] ?? ""]));
    });
    return { names, parameters };
  });
  return {
    space: Object.entries(space).map(([name, { values }]) => dimensionOf(name, values)),
    goals,
    limits: limits.map(limitOf),
    allowed: allowedBy(axes, rules ?? { when: {}, exclude: [] }),
  };
}

/** A limit as written. */
export function limitOf(text: string): Limit & { readonly text: string } {
  const { metric, operator, limit } = parseThreshold(text);
  return { text, metric, operator, bound: limit };
}

/** The point of a choice, under a name of its own. */
export function pointOf(
  { sweep }: TuneSpec,
  choice: Choice,
  id: string,
  variables: Variables,
): Point {
  const [point] = pointsOf({ ...sweep, axes: chosenAxes(sweep, choice) }, variables);
  return { ...(point as Point), id };
}

/** The point in which nothing of the space is set but what the file's baseline says. */
export function defaultPoint({ sweep, baseline }: TuneSpec, variables: Variables): Point {
  const axes = baseline === null ? [] : [baseline];
  const [point] = pointsOf({ ...sweep, axes, when: {}, exclude: [] }, variables);
  return { ...(point as Point), id: defaultId };
}

/** The default with one value of one parameter each: what is wrong with a value shows before any run. */
export function singlePoints(tune: TuneSpec, variables: Variables): readonly Point[] {
  const { sweep, baseline } = tune;
  return sweep.axes.flatMap((axis) =>
    axis.values.flatMap((value, place) => {
      const others = {
        parameters: { ...baseline?.values[0]?.parameters, ...value.parameters },
        settings: { ...baseline?.values[0]?.settings, ...value.settings },
      };
      const one = { ...axis, values: [others] };
      const excluded = sweep.exclude.some((rule) => ruleHolds(rule, others.parameters));
      return excluded
        ? []
        : pointsOf({ ...sweep, axes: [one], when: {}, exclude: [] }, variables).map((point) => ({
            ...point,
            id: `${nameOf(axis)}-${place}`,
          }));
    }),
  );
}

/** Everything that a point sets, as a sweep's file would write it. */
export function settingsOf({ sweep }: TuneSpec, point: Point): Readonly<Record<string, string>> {
  const own = Object.entries(point.options).filter(([name, value]) => sweep.set[name] !== value);
  const knobs = Object.entries(point.host ?? {});
  return {
    ...point.settings,
    ...Object.fromEntries(own),
    ...Object.fromEntries(knobs.map(([name, value]) => [`${hostPrefix}${name}`, value])),
    ...(point.shape === sweep.shape ? {} : { shape: point.shape ?? "none" }),
    ...cpusOf("generator_cpus", point.generatorCpus, sweep.generatorCpus),
    ...cpusOf("target_cpus", point.targetCpus, sweep.targetCpus),
    ...(point.preset === sweep.preset ? {} : { preset: point.preset ?? "none" }),
    ...(point.deviceClass === sweep.deviceClass || point.deviceClass === null
      ? {}
      : { device_class: point.deviceClass }),
  };
}

/** What a point chose otherwise than the file; `all`: any CPU. */
function cpusOf(name: string, own: string | null | undefined, file: string | null | undefined) {
  return (own ?? null) === (file ?? null) ? {} : { [name]: own ?? "all" };
}

/** The sweep of fresh pairs: the default and each winner in randomised blocks. */
export function confirmingSweep(tune: TuneSpec, base: Point, winners: readonly Point[]): SweepSpec {
  const { sweep, confirm } = tune;
  const value = (name: string, point: Point) => ({
    // The job may mention a parameter.
    parameters: { [sideName]: name, ...point.parameters },
    settings: settingsOf(tune, point),
  });
  const values = [
    value(defaultId, base),
    ...winners.map((winner, place) => value(winnerName(place), winner)),
  ];
  const names = [...new Set(values.flatMap(({ parameters }) => Object.keys(parameters)))];
  return {
    ...sweep,
    name: `${sweep.name}-confirm`,
    question: "Is what the search found better than the default, in runs that it has not seen?",
    axes: [{ names, line: sweep.axes[0]?.line ?? 1, values }],
    when: {},
    exclude: [],
    repeat: confirm.pairs,
    until: null,
    baseline: { [sideName]: defaultId },
  };
}

export function winnerName(place: number): string {
  return place === 0 ? tunedName : `${tunedName}-${place + 1}`;
}
