/**
 * Runs a sweep: every point in each of `repeat` blocks, the order within a block shuffled by the
 * sweep's seed, so that a drift of the machine hits all points alike. `sweep.json` is written before
 * the first run and at the end, so that an interrupted sweep is readable and can be resumed.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import type { JobEnvironment } from "../../workloads/job/environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { commandLine } from "../../workloads/job/place.ts";
import type { RunPlan } from "../../workloads/plan-model.ts";
import { checkMemory } from "../../workloads/planner.ts";
import { checkSpace, layOut } from "../../workloads/runner/layout.ts";
import {
  performRun,
  type RunEvents,
  type RunRequest,
  type RunSettings,
  safePlan,
} from "../perform.ts";
import { checkOut } from "../run-directory.ts";
import type { SweepRecord } from "../sweep-record.ts";
import { writeWhole } from "../whole-file.ts";
import { blocksOf, fillIn, type Point, pointsOf } from "./points.ts";
import type { SweepSpec } from "./spec.ts";

export const sweepSchemaName = "osdyno-sweep-1";

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
  readonly settings: Omit<RunSettings, "label">;
  /** Values for `${...}` in the sweep, e.g. SCRATCH. */
  readonly variables: Readonly<Record<string, string>>;
  /** For reading the jobs: variables, includes. */
  readonly environment: JobEnvironment;
  readonly events: SweepEvents;
}

export interface SweepEvents extends RunEvents {
  /** A run is about to begin: `done` of `total` runs are there. */
  point(point: Point, repetition: number, done: number, total: number): void;
}

export interface SweepResult {
  readonly record: SweepRecord;
  readonly directory: string;
  /** Runs that are there. */
  readonly completed: number;
  /** What ended the sweep early. */
  readonly failure: OsdynoError | null;
}

function writeRecord(directory: string, record: SweepRecord): void {
  const path = join(directory, "sweep.json");
  try {
    writeWhole(path, `${JSON.stringify(record, null, 2)}\n`);
  } catch (error) {
    throw new OsdynoError("io", `cannot write ${path}: ${(error as Error).message}`, {}, error);
  }
}

/** The run is there and complete. */
function done(directory: string, run: string): boolean {
  try {
    const record = JSON.parse(readFileSync(join(directory, run, "run.json"), "utf8")) as {
      state: string;
    };
    return record.state === "complete";
  } catch {
    return false;
  }
}

function runsOf(point: Point, repeat: number): string[] {
  return Array.from({ length: repeat }, (_, number) =>
    join("points", point.id, String(number + 1)),
  );
}

function baseRecord(request: SweepRequest, points: readonly Point[]): SweepRecord {
  const { spec } = request;
  const parameters = new Map<string, string[]>();
  for (const point of points) {
    for (const [name, value] of Object.entries(point.parameters)) {
      const known = parameters.get(name) ?? [];
      parameters.set(name, known.includes(value) ? known : [...known, value]);
    }
  }
  return {
    schema: sweepSchemaName,
    state: "partial",
    reason: "not finished",
    name: spec.name,
    question: spec.question,
    command: request.settings.command,
    seed: request.seed,
    parameters: Object.fromEntries(parameters),
    repeat: spec.repeat,
    preview: spec.preview,
    metrics: spec.metrics,
    points: points.map((point) => ({
      id: point.id,
      parameters: point.parameters,
      runs: runsOf(point, spec.repeat),
    })),
    comparisons: [],
  };
}

/**
 * The directory of a sweep is empty, or holds the same sweep when it is to be resumed; what is resumed
 * goes on with its own seed.
 */
function checkDirectory(request: SweepRequest, record: SweepRecord): SweepRequest {
  const path = join(request.directory, "sweep.json");
  if (!existsSync(path)) {
    if (request.resume) {
      throw new OsdynoError("bad-input", `--resume ${request.directory}: there is no sweep.json`);
    }
    checkOut(request.directory, "sweep");
    return request;
  }
  if (!request.resume) {
    throw new OsdynoError(
      "bad-input",
      `${request.directory} holds a sweep already; use --resume ${request.directory} or another --out`,
    );
  }
  const known = JSON.parse(readFileSync(path, "utf8")) as SweepRecord;
  const shape = (each: SweepRecord) => JSON.stringify([each.name, each.points, each.repeat]);
  if (shape(known) !== shape(record)) {
    throw new OsdynoError(
      "bad-input",
      `--resume ${request.directory}: it holds another sweep (${known.name}, ${known.points.length} points); the file has changed since`,
    );
  }
  const seed = known.seed ?? request.seed;
  if (request.settings.seed !== null && request.settings.seed !== seed) {
    throw new OsdynoError(
      "bad-input",
      `--seed ${request.settings.seed}: the sweep to resume has seed ${seed}; leave --seed out`,
    );
  }
  return { ...request, seed };
}

/** Does something with the job of a sweep; what is wrong stands in the sweep file, with its line there. */
function inSweepFile<T>({ spec, overrides }: SweepRequest, step: () => T): T {
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
    const axis = spec.axes.find(({ values }) =>
      values.some(({ settings }) =>
        Object.keys(settings).some((key) =>
          new RegExp(`^(unknown key )?${key}\\b`).test(error.message),
        ),
      ),
    );
    if (file === commandLine && axis !== undefined && overrides.length === 0) {
      throw at(axis.line);
    }
    if (file === undefined && error.message.startsWith("target ") && spec.targets.length > 0) {
      throw at(spec.targetsLine);
    }
    throw error;
  }
}

/** The request of one run: the job with the point's settings. */
function runRequest(
  request: SweepRequest,
  point: Point,
  repetition: number,
  ownFiles: readonly string[],
): RunRequest {
  const { spec, variables } = request;
  const flags = Object.entries(point.settings).map(([key, value]) => `--${key}=${value}`);
  const text = fillIn(spec.job.text, { ...variables, ...point.parameters });
  const parsed = inSweepFile(request, () =>
    parseJobs(
      [
        { kind: "file", name: spec.job.name, text },
        { kind: "args", args: [...flags, ...request.overrides] },
      ],
      request.environment,
      { sections: request.sections, target: request.settings.target ?? point.target },
    ),
  );
  return {
    parsed,
    directory: join(request.directory, "points", point.id, String(repetition)),
    settings: {
      ...request.settings,
      label: `${point.id}-${repetition}`,
      target: request.settings.target ?? point.target,
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
  return pointsOf(request.spec, request.variables).map((point) => ({
    point,
    run: runRequest(request, point, 1, []),
  }));
}

/**
 * Plans every point, so that bad input and refusals show before anything is created; then lays out what
 * they all need: no point pays for it, and each finds the files in the same state.
 */
function plansOf(request: SweepRequest): readonly RunPlan[] {
  const plans = sweepPoints(request).map(({ run }) => inSweepFile(request, () => safePlan(run)));
  plans.forEach(checkMemory);
  checkSpace(plans, true);
  return plans;
}

/** Makes the directory and lays out; leaves nothing behind when it cannot. */
async function begin(
  request: SweepRequest,
  plans: readonly RunPlan[],
  record: SweepRecord,
): Promise<readonly string[]> {
  const { directory, events, settings } = request;
  const made = mkdirSync(directory, { recursive: true });
  try {
    if (!request.resume) {
      writeRecord(directory, record);
    }
    return await layOut(plans, events.layout, settings.signal, true);
  } catch (error) {
    if (made !== undefined) {
      rmSync(made, { recursive: true });
    } else if (!request.resume) {
      rmSync(join(directory, "sweep.json"), { force: true });
    }
    throw error;
  }
}

/** Runs what is missing; never throws for a failing run: the sweep is then partial and says why. */
export async function runSweep(asked: SweepRequest): Promise<SweepResult> {
  const points = pointsOf(asked.spec, asked.variables);
  const request = checkDirectory(asked, baseRecord(asked, points));
  const empty = baseRecord(request, points);
  const ownFiles = await begin(request, plansOf(request), empty);
  const random = new SeededRandom(request.seed);
  const blocks = blocksOf(points.length, request.spec.repeat, () => random.unit());
  const total = points.length * request.spec.repeat;
  const startedMs = performance.now();
  let finished = 0;
  let failure: OsdynoError | null = null;
  outer: for (const [block, order] of blocks.entries()) {
    for (const place of order) {
      const point = points[place];
      const run = point === undefined ? "" : join("points", point.id, String(block + 1));
      if (point === undefined || done(request.directory, run)) {
        finished += 1;
        continue;
      }
      if (
        request.budgetSeconds !== null &&
        (performance.now() - startedMs) / 1000 > request.budgetSeconds
      ) {
        failure = new OsdynoError(
          "interrupted",
          `the budget of ${request.budgetSeconds} s is used up`,
        );
        break outer;
      }
      request.events.point(point, block + 1, finished, total);
      try {
        failure = (await performRun(runRequest(request, point, block + 1, ownFiles))).failure;
      } catch (error) {
        failure =
          error instanceof OsdynoError ? error : new OsdynoError("io", String(error), {}, error);
      }
      if (failure !== null) {
        break outer;
      }
      finished += 1;
    }
  }
  const { reason: _reason, ...rest } = empty;
  const record: SweepRecord =
    failure === null
      ? { ...rest, state: "complete" }
      : { ...empty, reason: `${finished} of ${total} runs: ${failure.line}` };
  writeRecord(request.directory, record);
  return { record, directory: request.directory, completed: finished, failure };
}
