/** Reads a sweep file: YAML, checked against its schema, errors with file and line. */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { OsdynoError } from "../../engine/base/error.ts";
import { nearestName } from "../../engine/base/nearest-name.ts";
import { findOption, optionNamed, presetNamed } from "../../engine/options/registry.ts";
import { parseOptionValue } from "../../engine/options/value.ts";
import { readCpuSet } from "../../workloads/cpu-set.ts";
import { readJobFile } from "../../workloads/job/host-environment.ts";
import { readShape } from "../../workloads/shape-profile.ts";
import { readDeviceClass } from "../../workloads/stack.ts";
import { metricFacts, nearestMetric } from "../metrics.ts";
import { loadPlugIns } from "../plug-ins.ts";
import { leastRuns } from "../stats/verdict.ts";
import { parseThreshold, type Threshold } from "../threshold.ts";
import { axesOf, hostDevice, hostPrefix, type SweepAxis } from "./axes.ts";
import { SweepDocument } from "./document.ts";
import { type CheckedSweep, checked, type RuleValues } from "./schema.ts";
import type { Rule } from "./values.ts";

/** How a store is brought into the state in which each run finds it. */
export interface PrepareSpec {
  /** Share of its space that holds data. */
  readonly fill: number;
  /** Bytes overwritten and deleted, as a multiple of the store's size. */
  readonly age: number;
  /** Parameters whose values get a store of their own although its form does not depend on them. */
  readonly per: readonly string[];
  readonly line: number;
}

/** Goes on beyond `repeat` blocks until the main metric is known well enough; looks are fixed beforehand. */
export interface StopRule {
  /** Half-width of the interval of each point's median, as a share of it; null: not asked for. */
  readonly within: number | null;
  /** Ends when no comparison of the main metric is unclear. */
  readonly decided: boolean;
  readonly maxRepeat: number;
  readonly timeSeconds: number | null;
  readonly line: number;
}

/** Of values that reach the baseline's figure but for a share, the smallest is the answer. */
export interface PickRule {
  readonly parameter: string;
  readonly within: number;
}

/** What points must reach, e.g. for a device to be fit for a use. */
export interface Requirement {
  readonly threshold: Threshold;
  /** The points it is asked of; all when empty. */
  readonly at: Rule;
  /** Why this figure, for the report; empty when the file does not say. */
  readonly because: string;
  /** Asked which points reach it; none has to. */
  readonly goal?: true;
}

export interface SweepSpec {
  readonly file: string;
  /** What stands in the sweep file; absent where there is none of its own. */
  readonly text?: string;
  readonly name: string;
  readonly question: string;
  /** Where the job's text stands, and the text. */
  readonly job: {
    readonly name: string;
    readonly text: string;
    /** Of a job within the sweep file: the line before its first one. */
    readonly inlineAfter: number | null;
  };
  readonly targets: readonly string[];
  readonly targetsLine: number;
  /** Options that every point has. */
  readonly set: Readonly<Record<string, string>>;
  readonly setLine: number;
  readonly preset: string | null;
  readonly deviceClass: string | null;
  /** What the device behaves like: a profile's name or file. */
  readonly shape: string | null;
  /** CPUs of threads for every point; see `workloads/cpu-set.ts`. */
  readonly generatorCpus?: string | null;
  readonly targetCpus?: string | null;
  /** Files of plug-ins, found. */
  readonly plugins: readonly string[];
  readonly prepare: PrepareSpec | null;
  readonly axes: readonly SweepAxis[];
  /** Disks whose knobs are turned; null: those under the target. */
  readonly hostDevices: readonly string[] | null;
  /** A parameter acts only at points of which its rule holds. */
  readonly when: Readonly<Record<string, Rule>>;
  readonly exclude: readonly Rule[];
  readonly repeat: number;
  readonly until: StopRule | null;
  /** Ratios this near to 1, as a share, are no difference that anybody would act on. */
  readonly minEffect: number;
  readonly metrics: readonly string[];
  readonly baseline: Readonly<Record<string, string>> | null;
  /** Each value of this parameter is compared with the one before it. */
  readonly steps?: string;
  /** Whether its baseline is one of the choices, or what a burden is compared with. */
  readonly asks: "choice" | "effect";
  readonly pick: PickRule | null;
  readonly require: readonly Requirement[];
  readonly preview: boolean;
  /** What the sweep does beside what its file says, one line each. */
  readonly notes: readonly string[];
}

const profiles = fileURLToPath(new URL("../../profiles", import.meta.url));

/** A file named in a sweep: relative to the sweep's file, else among the profiles. */
function findBeside(name: string, sweepFile: string): string | null {
  const places = [resolve(dirname(sweepFile), name), join(profiles, name)];
  return places.find(existsSync) ?? null;
}

/** Names of metrics that the sweep asks for. */
function checkMetrics(document: SweepDocument, spec: CheckedSweep): void {
  for (const [index, name] of spec.metrics.entries()) {
    if (metricFacts(name) === null) {
      const guess = nearestMetric(name);
      const hint = guess === null ? "" : `; did you mean ${guess}?`;
      throw document.refusal(["metrics", index], `metrics: no metric ${name}${hint}`);
    }
  }
}

interface NamedRule {
  readonly keys: readonly PropertyKey[];
  readonly names: readonly string[];
}

/** Parameters that rules refer to must be parameters of the sweep. */
function checkParameters(
  document: SweepDocument,
  spec: CheckedSweep,
  axes: readonly SweepAxis[],
): void {
  const known = new Set([...axes.flatMap((axis) => axis.names), "target"]);
  const rules: readonly NamedRule[] = [
    ...spec.exclude.map((rule, index) => ({ keys: ["exclude", index], names: Object.keys(rule) })),
    ...Object.entries(spec.when).flatMap(([name, rule]) => [
      { keys: ["when"], names: [name] },
      { keys: ["when", name], names: Object.keys(rule) },
    ]),
    { keys: ["baseline"], names: Object.keys(spec.baseline ?? {}) },
    { keys: ["prepare", "per"], names: spec.prepare?.per ?? [] },
    { keys: ["pick", "smallest"], names: spec.pick === undefined ? [] : [spec.pick.smallest] },
    { keys: ["steps"], names: spec.steps === undefined ? [] : [spec.steps] },
    ...spec.require.map(({ at }, index) => ({
      keys: ["require", index, "at"],
      names: Object.keys(at),
    })),
  ];
  for (const { keys, names } of rules) {
    const unknown = names.find((name) => !known.has(name));
    if (unknown !== undefined) {
      const guess = nearestName(unknown, known);
      const hint = guess === null || guess === "target" ? "" : `; did you mean ${guess}?`;
      const what = `${String(keys[0])}: ${unknown} is not an axis of the matrix${hint}`;
      throw document.refusal([...keys, unknown], what);
    }
  }
  for (const [name, value] of Object.entries(spec.baseline ?? {})) {
    const values = axes.flatMap((axis) => axis.values.map((each) => each.parameters[name]));
    if (name !== "target" && !values.includes(value)) {
      throw document.refusal(["baseline", name], `baseline: ${name} has no value ${value}`);
    }
  }
}

/** Options and presets that are named must be there, with values that they can have. */
function checkOptions(
  document: SweepDocument,
  spec: CheckedSweep,
  axes: readonly SweepAxis[],
): void {
  const at = (line: () => OsdynoError, step: () => unknown) => {
    try {
      step();
    } catch (error) {
      throw error instanceof OsdynoError
        ? new OsdynoError("bad-input", error.message, line().context, error)
        : error;
    }
  };
  for (const [name, value] of Object.entries(spec.set)) {
    const refusal = () => document.refusal(["set", name], "");
    at(refusal, () => {
      const option = optionNamed(name);
      return value.includes("${") ? value : parseOptionValue(option, value);
    });
  }
  const { preset, device_class: deviceClass } = spec;
  if (deviceClass !== undefined) {
    at(
      () => document.refusal(["device_class"], ""),
      () => readDeviceClass(deviceClass),
    );
  }
  const { shape } = spec;
  if (shape !== undefined && shape !== "none") {
    at(
      () => document.refusal(["shape"], ""),
      () => readShape(shape, dirname(document.path)),
    );
  }
  for (const name of ["generator_cpus", "target_cpus"] as const) {
    const text = spec[name];
    if (text !== undefined && text !== "all") {
      at(
        () => document.refusal([name], ""),
        () => readCpuSet(name, text),
      );
    }
  }
  if (preset !== undefined) {
    at(
      () => document.refusal(["preset"], ""),
      () => presetNamed(preset),
    );
  }
  for (const axis of axes) {
    const refusal = () =>
      new OsdynoError("bad-input", "", { file: document.path, line: axis.line });
    for (const { settings } of axis.values) {
      for (const [name, value] of Object.entries(settings)) {
        const option = findOption(name);
        // A value that mentions another parameter is known only at its point.
        if (option !== undefined && !value.includes("${")) {
          at(refusal, () => parseOptionValue(option, value));
        }
        if (name === "device_class") {
          at(refusal, () => readDeviceClass(value));
        }
        if (name === "shape" && value !== "none") {
          at(refusal, () => readShape(value, dirname(document.path)));
        }
        if (/^(generator|target)_cpus$/.test(name) && value !== "all") {
          at(refusal, () => readCpuSet(name, value));
        }
        if (name === "preset" && value !== "none") {
          at(refusal, () => presetNamed(value));
        }
      }
    }
  }
}

/** Single values as lists of one. */
export function rulesOf(rule: RuleValues): Rule {
  return Object.fromEntries(
    Object.entries(rule).map(([name, value]) => [name, Array.isArray(value) ? value : [value]]),
  );
}

/** What points must reach, and what is asked of them, in the order of the file. */
export function askedOf(document: SweepDocument, spec: CheckedSweep): readonly Requirement[] {
  return [...requirementsOf(document, spec), ...goalsOf(document, spec)];
}

function requirementsOf(document: SweepDocument, spec: CheckedSweep): readonly Requirement[] {
  return spec.require.map(({ threshold, at, because }, index) => {
    try {
      return { threshold: parseThreshold(threshold), at: rulesOf(at), because: because ?? "" };
    } catch (error) {
      throw error instanceof OsdynoError
        ? document.refusal(["require", index, "threshold"], `require: ${error.message}`)
        : error;
    }
  });
}

function goalsOf(document: SweepDocument, spec: CheckedSweep): readonly Requirement[] {
  return spec.goal.map((text, index) => {
    try {
      return { threshold: parseThreshold(text), at: {}, because: "", goal: true };
    } catch (error) {
      throw error instanceof OsdynoError
        ? document.refusal(["goal", index], `goal: ${error.message}`)
        : error;
    }
  });
}

function pluginsOf(document: SweepDocument, spec: CheckedSweep): readonly string[] {
  return spec.plugins.map((name, place) => {
    const file = resolve(dirname(document.path), name);
    if (!existsSync(file)) {
      throw document.refusal(["plugins", place], `plugins: there is no file ${file}`);
    }
    return file;
  });
}

function jobOf(document: SweepDocument, job: string): SweepSpec["job"] {
  if (job.includes("\n") || job.trimStart().startsWith("[")) {
    return { name: `${document.path} job`, text: job, inlineAfter: document.line("job") };
  }
  const file = findBeside(job, resolve(document.path));
  if (file === null) {
    throw document.refusal(
      ["job"],
      `job: ${job} is neither beside the sweep nor among the profiles`,
    );
  }
  return { name: file, text: readJobFile(file), inlineAfter: null };
}

/**
 * Loads the plug-ins that a sweep file names, which its options may then name. Throws `bad-input` with
 * file and line.
 */
export async function loadSweepPlugIns(path: string): Promise<void> {
  const document = new SweepDocument(path);
  await loadPlugInsOf(document, checked(document));
}

export async function loadPlugInsOf(document: SweepDocument, spec: CheckedSweep): Promise<void> {
  for (const [place, file] of pluginsOf(document, spec).entries()) {
    try {
      await loadPlugIns([file]);
    } catch (error) {
      throw error instanceof OsdynoError
        ? document.refusal(["plugins", place], error.line.replace(/^--plugin /, ""))
        : error;
    }
  }
}

/** Reads and checks a sweep file; throws `bad-input` with file and line. */
export function readSweep(path: string): SweepSpec {
  const document = new SweepDocument(path);
  return { ...specOf(document, checked(document)), text: document.text };
}

function hostDevicesOf(
  document: SweepDocument,
  { host }: CheckedSweep,
  axes: readonly SweepAxis[],
): readonly string[] | null {
  const given = host[hostDevice];
  if (given === undefined) {
    return null;
  }
  const turned = axes.some(({ values }) =>
    values.some(({ settings }) => Object.keys(settings).some((key) => key.startsWith(hostPrefix))),
  );
  if (!turned) {
    const why = "no knob of a disk is turned; add one, e.g. scheduler: [none, mq-deadline]";
    throw document.refusal(["host", hostDevice], `host: device: ${why}`);
  }
  const names = typeof given === "string" ? [given] : given;
  if (!Array.isArray(names)) {
    throw document.refusal(["host", hostDevice], "host: device: give the name of a disk, e.g. vda");
  }
  return (names as readonly string[]).map((name) => name.replace(/^\/dev\//, ""));
}

/** A most that is less than the least could never hold. */
function checkMost(document: SweepDocument, repeat: number): void {
  // Only what stands in the file: where it says nothing, the most follows the least.
  const { until } = document.raw as { readonly until?: { readonly max_repeat?: number } };
  const most = until?.max_repeat;
  if (most !== undefined && most < repeat) {
    const why = `${most} is less than repeat, the runs of each point in any case, which is ${repeat}`;
    throw document.refusal(["until", "max_repeat"], `until.max_repeat: ${why}; mend one of them`);
  }
}

/** What a file of the right shape means; throws `bad-input` with file and line. */
export function specOf(document: SweepDocument, spec: CheckedSweep): SweepSpec {
  checkMetrics(document, spec);
  const job = jobOf(document, spec.job);
  const mentions = JSON.stringify([job.text, spec.matrix, spec.zip, spec.targets, spec.set]);
  const axes = axesOf(document, spec, mentions);
  checkParameters(document, spec, axes);
  checkOptions(document, spec, axes);
  const { prepare, until, pick } = spec;
  // With fewer nothing can be told apart, and of a preview nothing is.
  const repeat = spec.repeat ?? (spec.preview ? 1 : leastRuns);
  if (until?.decided === true && spec.baseline === undefined) {
    throw document.refusal(
      ["until", "decided"],
      "until.decided: needs a baseline: to compare with",
    );
  }
  checkMost(document, repeat);
  return {
    file: document.path,
    name: spec.name,
    question: spec.question.trim(),
    job,
    targets: spec.targets ?? [],
    targetsLine: document.line("targets"),
    set: spec.set,
    setLine: document.line("set"),
    preset: spec.preset ?? null,
    deviceClass: spec.device_class ?? null,
    shape: spec.shape ?? null,
    generatorCpus: spec.generator_cpus ?? null,
    targetCpus: spec.target_cpus ?? null,
    plugins: pluginsOf(document, spec),
    prepare: prepare === undefined ? null : { ...prepare, line: document.line("prepare") },
    axes,
    hostDevices: hostDevicesOf(document, spec, axes),
    when: Object.fromEntries(
      Object.entries(spec.when).map(([name, rule]) => [name, rulesOf(rule)]),
    ),
    exclude: spec.exclude.map(rulesOf),
    repeat,
    until:
      until === undefined
        ? null
        : {
            within: until.within ?? null,
            decided: until.decided,
            maxRepeat: Math.max(until.max_repeat, repeat),
            timeSeconds: until.time ?? null,
            line: document.line("until"),
          },
    minEffect: spec.min_effect,
    metrics: spec.metrics,
    baseline: spec.baseline ?? null,
    ...(spec.steps === undefined ? {} : { steps: spec.steps }),
    asks: spec.asks,
    pick: pick === undefined ? null : { parameter: pick.smallest, within: pick.within },
    require: askedOf(document, spec),
    preview: spec.preview,
    notes: [],
  };
}
