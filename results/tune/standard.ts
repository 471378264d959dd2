/** What the default has where nothing is set: the values in force of the options that are searched. */
import type { OptionValue } from "../../engine/options/option.ts";
import { findOption } from "../../engine/options/registry.ts";
import { parseOptionValue } from "../../engine/options/value.ts";
import type { RunRecord } from "../run-record.ts";
import { runRequest, type SweepRequest } from "../sweep/plan-sweep.ts";
import type { Point } from "../sweep/points.ts";
import type { SweepSpec } from "../sweep/spec.ts";
import type { TuneSpec } from "./spec.ts";
import { defaultPoint, singlePoints } from "./trials.ts";

function read(name: string, text: string): OptionValue | null {
  const option = findOption(name);
  try {
    return option === undefined ? null : parseOptionValue(option, text);
  } catch {
    return null;
  }
}

/**
 * By parameter, as the space spells it where it has the value. Job keys, knobs of the host and named sets have
 * none. `rotating`: options whose default goes by the kind of device take that of disks with heads.
 */
export function standardOf(
  { axes }: SweepSpec,
  { options }: Pick<RunRecord, "options">,
  rotating: boolean,
): Readonly<Record<string, string>> {
  const found = axes.flatMap(({ names, values }) => {
    const [name = "", ...more] = names;
    const option = findOption(name);
    if (option === undefined || more.length > 0) {
      return [];
    }
    const own = options[name]?.value;
    const kind = options[`${name}_${rotating ? "hdd" : "ssd"}`]?.value;
    const text = own === "0" && option.byKind !== undefined ? (kind ?? own) : own;
    if (text === undefined) {
      return [];
    }
    const value = read(name, text);
    const spelled = values
      .map(({ parameters }) => parameters[name] ?? "")
      .find((each) => value !== null && read(name, each) === value);
    return [[name, spelled ?? text] as const];
  });
  return Object.fromEntries(found);
}

/** The job as it would run, without where it was written. */
const jobAs = (request: SweepRequest, point: Point): string =>
  JSON.stringify(
    runRequest(request, point, 1, []).parsed.jobs.map(
      ({ place: _place, given: _given, ...job }) => job,
    ),
  );

/**
 * The default as a choice of the space: of each parameter the value that the baseline names, that its option
 * stands at, or with which the job is the same job. Null where the default lies beside the space.
 */
export function defaultChoice(
  tune: TuneSpec,
  base: SweepRequest,
  standard: Readonly<Record<string, string>>,
): readonly number[] | null {
  const { sweep } = tune;
  const { variables } = base;
  const point = defaultPoint(tune, variables);
  const singles = new Map(singlePoints(tune, variables).map((each) => [each.id, each]));
  const own = jobAs(base, point);
  const beside = ({
    options,
    preset,
    deviceClass,
    shape,
    host,
    generatorCpus,
    targetCpus,
  }: Point) =>
    JSON.stringify([options, preset, deviceClass, shape, host, generatorCpus, targetCpus]);
  const choice = sweep.axes.map((axis) => {
    const known = { ...standard, ...point.parameters };
    const named = axis.values.findIndex(({ parameters }) =>
      axis.names.every((name) => parameters[name] === known[name]),
    );
    return named >= 0
      ? named
      : axis.values.findIndex((_, place) => {
          const single = singles.get(`${axis.names.join("+")}-${place}`);
          return (
            single !== undefined && beside(single) === beside(point) && jobAs(base, single) === own
          );
        });
  });
  return choice.length === 0 || choice.includes(-1) ? null : choice;
}

/** Parameters that are not as they stand without being set; those that do not act are left out. */
export function changedOf(
  parameters: Readonly<Record<string, string>>,
  standard: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(parameters).filter(([name, value]) => value !== "-" && standard[name] !== value),
  );
}
