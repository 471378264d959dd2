/**
 * Runs a sweep: every point in each of `repeat` blocks, the order within a block shuffled by the
 * sweep's seed, so that a drift of the machine hits all points alike. `sweep.json` is written before
 * the first run and after each, so that an interrupted sweep is readable and can be resumed.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import type { JobEnvironment } from "../../workloads/job/environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { layOut } from "../../workloads/runner/layout.ts";
import {
  performRun,
  type RunEvents,
  type RunRequest,
  type RunSettings,
  safePlan,
} from "../perform.ts";
import type { SweepRecord } from "../sweep-record.ts";
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
  writeFileSync(`${path}.new`, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(`${path}.new`, path);
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

/** The directory of a sweep is empty, or holds the same sweep when it is to be resumed. */
function checkDirectory(request: SweepRequest, record: SweepRecord): void {
  const path = join(request.directory, "sweep.json");
  if (!existsSync(path)) {
    if (request.resume) {
      throw new OsdynoError("bad-input", `--resume ${request.directory}: there is no sweep.json`);
    }
    return;
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
  const parsed = parseJobs(
    [
      {
        kind: "file",
        name: spec.job.name,
        text: fillIn(spec.job.text, { ...variables, ...point.parameters }),
      },
      { kind: "args", args: [...flags, ...request.overrides] },
    ],
    request.environment,
  );
  return {
    parsed,
    directory: join(request.directory, "points", point.id, String(repetition)),
    settings: {
      ...request.settings,
      label: `${point.id}-${repetition}`,
      target: request.settings.target ?? point.target,
      seed: request.settings.seed ?? request.seed + repetition,
    },
    events: request.events,
    ownFiles,
  };
}

/**
 * Plans every point, so that bad input and refusals show before anything is created, and lays out what
 * they all need: no point pays for it, and each finds the files in the same state.
 */
async function prepare(
  request: SweepRequest,
  points: readonly Point[],
): Promise<readonly string[]> {
  const plans = points.map((point) => safePlan(runRequest(request, point, 1, [])));
  return await layOut(plans, request.events.layout, request.settings.signal, true);
}

/** Runs what is missing; never throws for a failing run: the sweep is then partial and says why. */
export async function runSweep(request: SweepRequest): Promise<SweepResult> {
  const points = pointsOf(request.spec, request.variables);
  const empty = baseRecord(request, points);
  checkDirectory(request, empty);
  const ownFiles = await prepare(request, points);
  mkdirSync(request.directory, { recursive: true });
  writeRecord(request.directory, empty);
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
