/** From choices to what runs: the points of a tuning, and the sweep that confirms its winner. */
import { hostPrefix, type SweepAxis } from "../sweep/axes.ts";
import { type Point, pointsOf } from "../sweep/points.ts";
import type { SweepSpec } from "../sweep/spec.ts";
import { ruleHolds } from "../sweep/values.ts";
import type { Problem } from "./problem.ts";
import { type Choice, type Dimension, dimensionOf } from "./space.ts";
import type { TuneSpec } from "./spec.ts";

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

/** Of each parameter the name of its value. */
export function parametersOf(spec: SweepSpec, choice: Choice): Readonly<Record<string, string>> {
  return Object.assign(
    {},
    ...chosenAxes(spec, choice).flatMap(({ values }) => values.map((each) => each.parameters)),
  ) as Readonly<Record<string, string>>;
}

export function problemOf(tune: TuneSpec): Problem {
  const { sweep, goals, limits } = tune;
  const allowed = (choice: Choice) => {
    const parameters = parametersOf(sweep, choice);
    // A parameter that does not act has one value only, so that no two choices are the same run.
    const idle = sweep.axes.some(
      ({ names }, place) =>
        (choice[place] ?? 0) > 0 &&
        names.every((name) => {
          const rule = sweep.when[name];
          return rule !== undefined && !ruleHolds(rule, parameters);
        }),
    );
    return !idle && !sweep.exclude.some((rule) => ruleHolds(rule, parameters));
  };
  return { space: spaceOf(tune), goals, limits, allowed };
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
    ...(point.preset === sweep.preset ? {} : { preset: point.preset ?? "none" }),
    ...(point.deviceClass === sweep.deviceClass || point.deviceClass === null
      ? {}
      : { device_class: point.deviceClass }),
  };
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
