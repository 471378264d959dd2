/** The points of a sweep: every combination of the axes that its rules leave. */
import { OsdynoError } from "../../engine/base/error.ts";
import { findOption } from "../../engine/options/registry.ts";
import { hostPrefix, stackParameters } from "./axes.ts";
import { notActing } from "./judge.ts";
import type { SweepSpec } from "./spec.ts";
import { fillIn, ruleHolds } from "./values.ts";

/** One combination. */
export interface Point {
  readonly id: string;
  /** Axis by axis the name of the value, targets included when there are several. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Job keys to set, templates replaced. */
  readonly settings: Readonly<Record<string, string>>;
  /** Options of the target to set, those that every point has among them. */
  readonly options: Readonly<Record<string, string>>;
  readonly preset: string | null;
  readonly deviceClass: string | null;
  readonly shape: string | null;
  /** CPUs as written; absent or null: wherever the process may run. */
  readonly generatorCpus?: string | null;
  readonly targetCpus?: string | null;
  readonly target: string | null;
  /** Knobs of the host to turn, by their names. */
  readonly host?: Readonly<Record<string, string>>;
}

const maxPoints = 100_000;

function idOf(parameters: Readonly<Record<string, string>>, taken: Set<string>): string {
  const plain =
    Object.values(parameters)
      .map((value) => value.replace(/[^A-Za-z0-9.]+/g, "_").replace(/^_+|_+$/g, ""))
      .filter((part) => part !== "")
      .join("-")
      .slice(0, 100) || "point";
  let id = plain;
  for (let count = 2; taken.has(id); count += 1) {
    id = `${plain}-${count}`;
  }
  taken.add(id);
  return id;
}

interface Combination {
  readonly parameters: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, string>>;
}

/** All combinations of the axes' values. */
function combined({ axes }: SweepSpec): Combination[] {
  let all: Combination[] = [{ parameters: {}, settings: {} }];
  for (const axis of axes) {
    all = all.flatMap((so) =>
      axis.values.map((value) => ({
        parameters: { ...so.parameters, ...value.parameters },
        settings: { ...so.settings, ...value.settings },
      })),
    );
  }
  return all;
}

/** Whether an option acts at a target of several: those of a store only where there is one. */
function actsAt(name: string, spec: SweepSpec, target: string | null): boolean {
  const alone = spec.targets.length < 2 || target === null;
  return alone || findOption(name)?.layer !== "store" || target.startsWith("store:");
}

/** Parameters that are options of layers which this target, one of several, does not have. */
function elsewhere(spec: SweepSpec, target: string | null): readonly string[] {
  return spec.axes
    .filter(({ values }) =>
      values.some(({ settings }) =>
        Object.keys(settings).some((key) => !actsAt(key, spec, target)),
      ),
    )
    .flatMap((axis) => axis.names);
}

/** A parameter whose rule does not hold sets nothing there. */
function withoutIdle(spec: SweepSpec, target: string | null, all: Combination): Combination {
  const known = { ...all.parameters, ...(target === null ? {} : { target }) };
  const idle = [
    ...Object.entries(spec.when).flatMap(([name, rule]) => (ruleHolds(rule, known) ? [] : [name])),
    ...elsewhere(spec, target),
  ];
  let { parameters, settings } = all;
  for (const name of idle) {
    const axis = spec.axes.find((each) => each.names.includes(name));
    const value = axis?.values.find((each) => each.parameters[name] === parameters[name]);
    const own = new Set(axis?.names.length === 1 ? Object.keys(value?.settings ?? {}) : [name]);
    settings = Object.fromEntries(Object.entries(settings).filter(([key]) => !own.has(key)));
    parameters = { ...parameters, [name]: notActing };
  }
  return { parameters, settings };
}

/** `all`: wherever the process may run. */
function cpusAt(spec: SweepSpec, filled: Readonly<Record<string, string>>) {
  const of = (name: string, file: string | null | undefined) => {
    const text = filled[name] ?? file ?? "all";
    return text === "all" ? null : text;
  };
  return {
    generatorCpus: of("generator_cpus", spec.generatorCpus),
    targetCpus: of("target_cpus", spec.targetCpus),
  };
}

/** Settings by what they act on. */
function sortedOut(settings: Readonly<Record<string, string>>) {
  const job: Record<string, string> = {};
  const options: Record<string, string> = {};
  const host: Record<string, string> = {};
  for (const [name, value] of Object.entries(settings)) {
    if (name.startsWith(hostPrefix)) {
      host[name.slice(hostPrefix.length)] = value;
    } else if (!stackParameters.includes(name)) {
      (findOption(name) === undefined ? job : options)[name] = value;
    }
  }
  return { job, options, host };
}

/** Lists the points in the order of the file. `variables` are values for `${...}`, e.g. SCRATCH. */
export function pointsOf(spec: SweepSpec, variables: Readonly<Record<string, string>>): Point[] {
  const total = spec.axes.reduce((product, axis) => product * axis.values.length, 1);
  const wrong = (what: string) => new OsdynoError("bad-input", what, { file: spec.file });
  if (total * Math.max(1, spec.targets.length) > maxPoints) {
    throw wrong(`the matrix has ${total} points; at most ${maxPoints}`);
  }
  const targets = spec.targets.length === 0 ? [null] : spec.targets;
  const taken = new Set<string>();
  const seen = new Set<string>();
  const points: Point[] = [];
  for (const target of targets) {
    for (const each of combined(spec)) {
      const { parameters, settings } = withoutIdle(spec, target, each);
      const all = { ...(target !== null && targets.length > 1 ? { target } : {}), ...parameters };
      const key = JSON.stringify([target, parameters]);
      if (seen.has(key) || spec.exclude.some((rule) => ruleHolds(rule, { ...all }))) {
        continue;
      }
      seen.add(key);
      const values = { ...variables, ...parameters };
      const filled = Object.fromEntries(
        [
          ...Object.entries(spec.set).filter(([name]) => actsAt(name, spec, target)),
          ...Object.entries(settings),
        ].map(([name, value]) => [name, fillIn(value, values)]),
      );
      const { job, options, host } = sortedOut(filled);
      const preset = filled["preset"] ?? spec.preset;
      const shape = filled["shape"] ?? spec.shape;
      points.push({
        id: idOf(all, taken),
        parameters: all,
        settings: job,
        options,
        preset: preset === "none" ? null : preset,
        deviceClass: filled["device_class"] ?? spec.deviceClass,
        shape: shape === "none" ? null : shape,
        ...cpusAt(spec, filled),
        target: target === null ? null : fillIn(target, values),
        ...(Object.keys(host).length === 0 ? {} : { host }),
      });
    }
  }
  if (points.length === 0) {
    throw wrong("exclude: leaves no point of the matrix");
  }
  return points;
}

/**
 * `order[r]` lists the places of the points in block r: each block holds all, shuffled by the seed, and
 * every second one in the reverse order of the one before. So every point has the same mean place over two
 * blocks (of two points: ABBA or BAAB), and a steady drift of the machine changes no ratio.
 */
export function blocksOf(count: number, repeat: number, unit: () => number): number[][] {
  const blocks: number[][] = [];
  for (let block = 0; block < repeat; block += 1) {
    const before = blocks.at(-1);
    blocks.push(
      block % 2 === 1 && before !== undefined ? before.toReversed() : shuffled(count, unit),
    );
  }
  return blocks;
}

function shuffled(count: number, unit: () => number): number[] {
  const order = Array.from({ length: count }, (_, place) => place);
  for (let last = count - 1; last > 0; last -= 1) {
    const other = Math.floor(unit() * (last + 1));
    [order[last], order[other]] = [order[other] ?? 0, order[last] ?? 0];
  }
  return order;
}
