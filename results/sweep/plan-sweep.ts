/** From a sweep's points to runs: each point's job as it will be performed, and what is wrong with it. */
import { dirname, join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { type CpuChoice, readCpuSet } from "../../workloads/cpu-set.ts";
import type { JobEnvironment } from "../../workloads/job/environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { commandLine } from "../../workloads/job/place.ts";
import type { RunPlan } from "../../workloads/plan-model.ts";
import { readShape } from "../../workloads/shape-profile.ts";
import { plainStack, readDeviceClass, type StackChoice } from "../../workloads/stack.ts";
import { checkReach, checkThresholds } from "../metric-reach.ts";
import { metricFacts } from "../metrics.ts";
import type { NoiseRecord } from "../noise-record.ts";
import { checkPartNames } from "../parts.ts";
import {
  type PerformedRun,
  type RunEvents,
  type RunRequest,
  type RunSettings,
  safePlan,
} from "../perform.ts";
import { basesOf, loneText } from "./judge.ts";
import { onOneKv } from "./one-kv.ts";
import { type Point, pointsOf } from "./points.ts";
import type { Preparation } from "./prepare.ts";
import type { SweepSpec } from "./spec.ts";
import { runPath } from "./sweep-directory.ts";
import { fillIn, ruleHolds } from "./values.ts";

export interface SweepRequest {
  readonly spec: SweepSpec;
  readonly directory: string;
  /** Finish what is missing in `directory` instead of starting there anew. */
  readonly resume: boolean;
  readonly seed: number;
  /** fio's keys from the command line; they override the file's and the matrix's. */
  readonly overrides: readonly string[];
  /** Only these sections of the job; empty: all. */
  readonly sections: readonly string[];
  /** End before the next run when this much time has passed, seconds. */
  readonly budgetSeconds: number | null;
  /** Files that something before this sweep made: its runs may write to them. */
  readonly ownFiles?: readonly string[];
  readonly settings: Omit<RunSettings, "label">;
  /** Values for `${...}` in the sweep, e.g. SCRATCH. */
  readonly variables: Readonly<Record<string, string>>;
  /** For reading the jobs: variables, includes. */
  readonly environment: JobEnvironment;
  readonly events: SweepEvents;
  /** How equal runs of this machine differ, if it was measured: smaller differences are warned of. */
  readonly noise?: NoiseRecord | null;
  /** Performs one run (default: `performRun`): where a model of a machine stands in for the machine. */
  readonly perform?: (run: RunRequest) => Promise<PerformedRun>;
}

export interface SweepEvents extends RunEvents {
  /** A run is about to begin: `done` of `total` runs are there; more may follow a stop rule's look. */
  point(point: Point, repetition: number, done: number, total: number): void;
  /** A store is about to be filled and aged. */
  preparing(preparation: Preparation): void;
  /** What is known so far, as text of several lines; `block` when all points have as many runs. */
  standing(text: string, block: boolean): void;
}

/** Does something with the job of a sweep; what is wrong stands in the sweep file, with its line there. */
export function inSweepFile<T>({ spec, overrides }: SweepRequest, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof OsdynoError) || error.code !== "bad-input") {
      throw error;
    }
    const { file, line } = error.context;
    const at = (place: number) => {
      const context = { file: spec.file, line: place };
      return new OsdynoError("bad-input", error.message, context, error);
    };
    if (file === spec.job.name && spec.job.inlineAfter !== null && line !== undefined) {
      throw at(spec.job.inlineAfter + line);
    }
    const names = (key: string) => new RegExp(`^(unknown key )?${key}\\b`).test(error.message);
    const axis = spec.axes.find(({ values }) =>
      values.some(({ settings }) => Object.keys(settings).some(names)),
    );
    const own = file === commandLine || file === undefined;
    if (own && axis !== undefined && overrides.length === 0) {
      throw at(axis.line);
    }
    if (file === undefined && Object.keys(spec.set).some(names)) {
      throw at(spec.setLine);
    }
    const inUris = spec.targets.flatMap((text) => [...text.matchAll(/[?&](\w+)=/g)]);
    const ofTarget =
      error.message.startsWith("target ") ||
      inUris.some(([, name]) => new RegExp(`\\b${name}\\b`).test(error.message));
    if (file === undefined && ofTarget && spec.targets.length > 0) {
      throw at(spec.targetsLine);
    }
    throw error;
  }
}

/** What of a point, or of a store's preparation, acts on the target. */
export interface StackParts {
  readonly options: Readonly<Record<string, string>>;
  readonly preset: string | null;
  readonly deviceClass: string | null;
  readonly shape: string | null;
  readonly generatorCpus?: string | null;
  readonly targetCpus?: string | null;
}

/** The options of a run; the command line holds over the file. */
export function stackOf({ settings, spec }: SweepRequest, parts: StackParts): StackChoice {
  const given = settings.stack ?? plainStack;
  const own = Object.entries(parts.options).map(([name, value]) => {
    return { name, value, origin: "sweep" };
  });
  const deviceClass = parts.deviceClass === null ? null : readDeviceClass(parts.deviceClass);
  const shape =
    given.shape ?? (parts.shape === null ? null : readShape(parts.shape, dirname(spec.file)));
  const cpusOf = (name: string, text: string | null | undefined) =>
    text === null || text === undefined ? null : readCpuSet(name, text);
  const cpus: CpuChoice = {
    generator: given.cpus?.generator ?? cpusOf("generator_cpus", parts.generatorCpus),
    target: given.cpus?.target ?? cpusOf("target_cpus", parts.targetCpus),
  };
  return {
    ...(cpus.generator === null && cpus.target === null ? {} : { cpus }),
    ...(shape === null ? {} : { shape }),
    preset: given.preset ?? parts.preset,
    settings: [...own, ...given.settings],
    deviceClass: given.deviceClass ?? deviceClass,
  };
}

/** The request of one run: the job with the point's settings. */
export function runRequest(
  request: SweepRequest,
  point: Point,
  repetition: number,
  ownFiles: readonly string[],
): RunRequest {
  const { spec, variables } = request;
  const flags = Object.entries(point.settings).map(([key, value]) => `--${key}=${value}`);
  const text = fillIn(spec.job.text, { ...variables, ...point.parameters });
  const target = request.settings.target ?? point.target;
  const parsed = inSweepFile(request, () =>
    parseJobs(
      [
        { kind: "file", name: spec.job.name, text },
        { kind: "args", args: [...flags, ...request.overrides] },
      ],
      request.environment,
      { sections: request.sections, target },
    ),
  );
  return {
    parsed,
    directory: join(request.directory, runPath(point, repetition - 1)),
    settings: {
      ...request.settings,
      label: `${point.id}-${repetition}`,
      target,
      stack: stackOf(request, point),
      // Replicates differ in their streams, reproducibly; within a block all points have the same.
      seed: request.seed + repetition - 1,
    },
    events: request.events,
    ownFiles,
  };
}

/** One run of each point, parsed: for looking at, and for checking before anything is created. */
export function sweepPoints(
  request: SweepRequest,
): readonly { readonly point: Point; readonly run: RunRequest }[] {
  const { spec, variables } = request;
  const named = [...spec.metrics, ...spec.require.map(({ threshold }) => threshold.metric)];
  return pointsOf(spec, variables).map((point) => {
    const run = runRequest(request, point, 1, []);
    checkPartNames(named, run.parsed.jobs, spec.file);
    return { point, run };
  });
}

/** The plan of every point: bad input and refusals show before anything is created. */
export function plansOf(request: SweepRequest, ownFiles: readonly string[]): readonly RunPlan[] {
  const points = sweepPoints(request);
  const plans = points.map(({ run }) => inSweepFile(request, () => safePlan({ ...run, ownFiles })));
  checkMetrics(
    request,
    points.map(({ point }) => point),
    plans,
  );
  return plans;
}

/** Throws `bad-input` for a metric or a requirement that no run at its points can have. */
export function checkMetrics(
  request: SweepRequest,
  points: readonly Point[],
  plans: readonly RunPlan[],
): void {
  const { spec, settings } = request;
  const stages = (settings.stagesOneIn ?? 0) !== 0;
  const inFile = { file: spec.file };
  for (const { threshold, at, goal } of spec.require) {
    const what = `${goal === true ? "goal" : "require"}: ${threshold.text}`;
    const asked = plans.filter((_, place) => ruleHolds(at, points[place]?.parameters ?? {}));
    checkReach(threshold.metric, what, asked, stages, inFile);
  }
  for (const name of spec.metrics) {
    checkReach(name, `metric '${name}'`, plans, stages, inFile);
  }
  checkThresholds(settings, plans);
}

/** What is to go on until all is decided must compare something. Throws `bad-input`. */
function checkDecidable(spec: SweepSpec, points: readonly Point[]): void {
  const { file, until, baseline, metrics } = spec;
  if (until?.decided !== true || baseline === null) {
    return;
  }
  const [first = ""] = metrics;
  if (metricFacts(first)?.better === "none") {
    const message = `until.decided: of ${first}, the first metric, neither more nor less is better: put another first`;
    throw new OsdynoError("bad-input", message, { file, line: until.line });
  }
  const baseOf = basesOf(points, baseline);
  if (!points.some((point) => baseOf(point) !== null)) {
    const why = loneText(points, baseline) ?? "all points are the baseline";
    const message = `until.decided: nothing is compared, so that there is nothing to decide: ${why}`;
    throw new OsdynoError("bad-input", message, { file, line: until.line });
  }
}

/** What is prepared is a store: without one nothing would be. Throws `bad-input`. */
export function checkPrepared(
  { prepare, file }: SweepSpec,
  stores: readonly RunPlan["stores"][],
): void {
  if (prepare !== null && stores.every((each) => each.length === 0)) {
    const why = "stores are filled and aged, and no target is one";
    const what = `prepare: ${why}; leave it out, or name a target store:PATH`;
    throw new OsdynoError("bad-input", what, { file, line: prepare.line });
  }
}

/**
 * The request as it is carried out: stores that nobody chose a key-value store for all have the same one.
 * Plans every point and creates nothing.
 */
export function settled(request: SweepRequest, ownFiles: readonly string[]): SweepRequest {
  const all = sweepPoints(request);
  const stores = all.map(
    ({ run }) => inSweepFile(request, () => safePlan({ ...run, ownFiles })).stores,
  );
  const points = all.map(({ point }) => point);
  checkDecidable(request.spec, points);
  checkPrepared(request.spec, stores);
  return { ...request, spec: onOneKv(request.spec, points, stores) };
}

/** Measuring shorter than this says where to look, not which is better. */
export const leastSeconds = 2;

/** Whether the runs are too short for verdicts. */
export function isPreview(spec: SweepSpec, plans: readonly RunPlan[]): boolean {
  const jobs = plans.flatMap((plan) => plan.phases.flatMap((phase) => phase.jobs));
  const short = jobs.some(({ resolved: { timeBased, runtimeNs } }) => {
    return timeBased && runtimeNs !== null && runtimeNs < leastSeconds * 1e9;
  });
  return spec.preview || short;
}
