/** The axes of a sweep: parameters with their values, and what each value sets. */
import { OsdynoError } from "../../engine/base/error.ts";
import { nearestName } from "../../engine/base/nearest-name.ts";
import { findOption, optionTable } from "../../engine/options/registry.ts";
import { hostKnobs, isHostKnob } from "../../engine/os/host-knobs.ts";
import { isKnownName } from "../../workloads/job/key-lookup.ts";
import type { SweepDocument } from "./document.ts";
import type { AxisValues, CheckedSweep, HostValues } from "./schema.ts";
import { numberOf, rangeValues } from "./values.ts";

/** Parameters that are neither job keys nor options. */
export const ownParameters = [
  "target",
  "preset",
  "device_class",
  "shape",
  "generator_cpus",
  "target_cpus",
] as const;

/** Of these, what `sortedOut` leaves to the point itself. */
export const stackParameters: readonly string[] = ownParameters.filter((name) => name !== "target");

/** One value of an axis: what it is called, and what it sets. */
export interface AxisValue {
  /** Of each of the axis's parameters the name of its value. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Job keys, options, `preset`, `device_class`, `shape`, `generator_cpus` and `target_cpus`. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Parameters that take their values together: one, or those of a zip. */
export interface SweepAxis {
  readonly names: readonly string[];
  /** Where it stands in the sweep file. */
  readonly line: number;
  readonly values: readonly AxisValue[];
}

/** Text in which `${name}` may mention a parameter. */
type Mentions = string;

/** A parameter that is mentioned as `${name}` is a variable and sets nothing by itself. */
function settingsOf(name: string, value: string, mentions: Mentions): Record<string, string> {
  return mentions.includes(`\${${name}}`) ? {} : { [name]: value };
}

/** What a name sets, refused with the nearest name of either kind when it sets nothing. */
function checkName(document: SweepDocument, keys: readonly PropertyKey[], name: string): void {
  const own: readonly string[] = ownParameters;
  const knob = name.startsWith(hostPrefix) && isHostKnob(name.slice(hostPrefix.length));
  if (findOption(name) !== undefined || isKnownName(name) || own.includes(name) || knob) {
    return;
  }
  // The job's reader knows the keys; only what looks like an option needs a word of ours.
  const option = nearestName(
    name,
    optionTable.map((each) => each.name),
  );
  if (option !== null && name.includes("_")) {
    throw document.refusal(keys, `there is no option or job key ${name}; did you mean ${option}?`);
  }
}

function isRange(values: AxisValues): values is Extract<AxisValues, { from: string }> {
  return !Array.isArray(values) && typeof (values as { from?: unknown }).from === "string";
}

function matrixAxis(
  document: SweepDocument,
  name: string,
  values: AxisValues,
  mentions: Mentions,
): SweepAxis {
  const keys = ["matrix", name];
  const line = document.line(...keys);
  if (Array.isArray(values) || isRange(values)) {
    if (!mentions.includes(`\${${name}}`)) {
      checkName(document, keys, name);
    }
    return {
      names: [name],
      line,
      values: listOf(document, keys, values).map((value) => ({
        parameters: { [name]: value },
        settings: settingsOf(name, value, mentions),
      })),
    };
  }
  return {
    names: [name],
    line,
    values: Object.entries(values).map(([value, settings]) => {
      for (const key of Object.keys(settings)) {
        checkName(document, [...keys, value, key], key);
      }
      return { parameters: { [name]: value }, settings };
    }),
  };
}

/** One value in two spellings would be two points, and compared with itself. */
function checkDistinct(
  document: SweepDocument,
  keys: readonly PropertyKey[],
  values: readonly string[],
): void {
  const known = new Map<string, string>();
  for (const [place, value] of values.entries()) {
    const number = numberOf(value);
    const same = number === null ? value : `${number}${value.trim().endsWith("%") ? "%" : ""}`;
    const other = known.get(same);
    if (other !== undefined) {
      const what =
        other === value ? `${value} is listed twice` : `${other} and ${value} are the same value`;
      throw document.refusal([...keys, place], `${keys.join(".")}: ${what}; leave one out`);
    }
    known.set(same, value);
  }
}

function listOf(
  document: SweepDocument,
  keys: readonly PropertyKey[],
  values: readonly string[] | Extract<AxisValues, { from: string }>,
): readonly string[] {
  try {
    if (isRange(values as AxisValues)) {
      return rangeValues(values as Extract<AxisValues, { from: string }>);
    }
  } catch (error) {
    const message = error instanceof OsdynoError ? error.message : String(error);
    throw document.refusal(keys, `${keys.join(".")}: ${message}`);
  }
  const list = values as readonly string[];
  checkDistinct(document, keys, list);
  return list;
}

/** What a knob of the host sets is told from job keys and options by this. */
export const hostPrefix = "host.";
/** Under `host:` this names the disks whose knobs are turned; it is no knob. */
export const hostDevice = "device";

function hostAxis(document: SweepDocument, name: string, values: HostValues): SweepAxis {
  const keys = ["host", name];
  if (!isHostKnob(name)) {
    const guess = nearestName(
      name,
      hostKnobs.map((knob) => knob.name),
    );
    const hint = guess === null ? "" : `; did you mean ${guess}?`;
    throw document.refusal(keys, `host: there is no knob ${name}${hint}`);
  }
  const list = typeof values === "string" ? [values] : listOf(document, keys, values);
  return {
    names: [name],
    line: document.line(...keys),
    values: list.map((value) => ({
      parameters: { [name]: value },
      settings: { [`${hostPrefix}${name}`]: value },
    })),
  };
}

function zipAxis(
  document: SweepDocument,
  place: number,
  lists: Readonly<Record<string, readonly string[]>>,
  mentions: Mentions,
): SweepAxis {
  const names = Object.keys(lists);
  const lengths = new Set(Object.values(lists).map((list) => list.length));
  if (lengths.size !== 1) {
    const counts = names.map((name) => `${name} has ${lists[name]?.length}`).join(", ");
    throw document.refusal(["zip", place], `zip: lists of one length are needed; ${counts}`);
  }
  for (const name of names.filter((each) => !mentions.includes(`\${${each}}`))) {
    checkName(document, ["zip", place, name], name);
  }
  const [count = 0] = lengths;
  const at = (name: string, index: number) => lists[name]?.[index] ?? "";
  return {
    names,
    line: document.line("zip", place),
    values: Array.from({ length: count }, (_, index) => ({
      parameters: Object.fromEntries(names.map((name) => [name, at(name, index)])),
      settings: Object.assign(
        {},
        ...names.map((name) => settingsOf(name, at(name, index), mentions)),
      ) as Record<string, string>,
    })),
  };
}

/** All axes in the order of the file; a parameter that stands in two of them is refused. */
export function axesOf(
  document: SweepDocument,
  spec: CheckedSweep,
  mentions: Mentions,
): readonly SweepAxis[] {
  const axes = [
    ...Object.entries(spec.matrix).map(([name, values]) =>
      matrixAxis(document, name, values, mentions),
    ),
    ...spec.zip.map((lists, place) => zipAxis(document, place, lists, mentions)),
    ...Object.entries(spec.host)
      .filter(([name]) => name !== hostDevice)
      .map(([name, values]) => hostAxis(document, name, values)),
  ];
  const names = axes.flatMap((axis) => axis.names);
  const twice = names.find((name, place) => names.indexOf(name) < place);
  if (twice !== undefined) {
    throw document.refusal(["zip"], `zip: ${twice} is an axis already`);
  }
  if (names.includes("target")) {
    throw document.refusal(["matrix", "target"], "matrix: list targets under targets:");
  }
  return axes;
}
