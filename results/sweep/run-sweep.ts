/**
 * Runs a sweep: every point in each of `repeat` blocks, the order within a block shuffled by the
 * sweep's seed, so that a drift of the machine hits all points alike. `sweep.json` is written before
 * the first run, after each block and at the end, so that a sweep that was interrupted or killed at any
 * instant is readable and can be resumed.
 */
import { rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import { Holds } from "../../engine/os/hold.ts";
import type { RunPlan } from "../../workloads/plan-model.ts";
import { checkMemory } from "../../workloads/planner.ts";
import { holdJobFiles } from "../../workloads/runner/job-holds.ts";
import { checkSpace, layOut } from "../../workloads/runner/layout.ts";
import { performRun } from "../perform.ts";
import type { RunRecord } from "../run-record.ts";
import type { SweepRecord } from "../sweep-record.ts";
import { distributionsOf } from "./distributions.ts";
import { givenOf } from "./given.ts";
import { SweepHost } from "./host.ts";
import { isPreview, plansOf, runRequest, type SweepRequest, settled } from "./plan-sweep.ts";
import { blocksOf, type Point, pointsOf } from "./points.ts";
import type { Preparation } from "./prepare.ts";
import type { SweepSpec } from "./spec.ts";
import { Stage } from "./stage.ts";
import { Standing } from "./standing.ts";
import {
  clearRun,
  completeRun,
  holdResumed,
  knownSweep,
  makeDirectory,
  openRecord,
  ownFiles,
  runPath,
  stillOwn,
  writeRecord,
} from "./sweep-directory.ts";

export interface SweepResult {
  readonly record: SweepRecord;
  readonly directory: string;
  /** Runs that are there. */
  readonly completed: number;
  /** What ended the sweep early. */
  readonly failure: OsdynoError | null;
}

/** A sweep as it goes on. */
class Sweep {
  readonly request: SweepRequest;
  readonly points: readonly Point[];
  readonly standing: Standing;
  readonly files: readonly string[];
  readonly stage: Stage;
  readonly preview: boolean;
  /** Brings the host's knobs to where a point wants them. */
  readonly #turnKnobs: (point: Point) => void;
  readonly #startedMs = performance.now();
  readonly #blocks: readonly (readonly number[])[];
  completed = 0;

  constructor(
    request: SweepRequest,
    points: readonly Point[],
    preview: boolean,
    files: readonly string[],
    stage: Stage,
    turnKnobs: (point: Point) => void,
  ) {
    const { spec, seed } = request;
    this.#turnKnobs = turnKnobs;
    this.request = request;
    this.points = points;
    this.preview = preview;
    this.files = files;
    this.stage = stage;
    this.standing = new Standing(spec, points, preview, request.noise ?? null);
    const random = new SeededRandom(seed);
    const most = spec.until?.maxRepeat ?? spec.repeat;
    this.#blocks = blocksOf(points.length, most, () => random.unit());
  }

  #seconds(): number {
    return (performance.now() - this.#startedMs) / 1000;
  }

  /** Whether block `block` is still to be measured. */
  #wanted(block: number): boolean {
    const { repeat, until } = this.request.spec;
    if (block < repeat || until === null) {
      return block < repeat;
    }
    const late = until.timeSeconds !== null && this.#seconds() > until.timeSeconds;
    return block < until.maxRepeat && !late && !this.standing.enough(block);
  }

  #checkBudget(): void {
    const { budgetSeconds } = this.request;
    if (budgetSeconds !== null && this.#seconds() > budgetSeconds) {
      throw new OsdynoError("interrupted", `the budget of ${budgetSeconds} s is used up`);
    }
  }

  /** One run, unless it is there; throws what ends the sweep. */
  async #measure(point: Point, block: number, total: number): Promise<void> {
    const { directory, events } = this.request;
    const run = runPath(point, block);
    let record: RunRecord | null = completeRun(directory, run);
    if (record === null) {
      this.#checkBudget();
      clearRun(directory, run);
      await this.stage.ready(point);
      this.#turnKnobs(point);
      events.point(point, block + 1, this.completed, total);
      const { perform = performRun } = this.request;
      const performed = await perform(runRequest(this.request, point, block + 1, this.files));
      if (performed.failure !== null) {
        throw performed.failure;
      }
      record = performed.record;
      this.standing.add(point, block, record);
      events.standing(this.standing.text(), false);
    } else {
      this.standing.add(point, block, record);
    }
    this.completed += 1;
  }

  /** Measures what is missing; answers how many blocks there are. Throws what ends it early. */
  async run(keep: (blocks: number) => void): Promise<number> {
    let block = 0;
    for (; this.#wanted(block); block += 1) {
      const total = this.points.length * Math.max(this.request.spec.repeat, block + 1);
      for (const place of this.#blocks[block] ?? []) {
        const point = this.points[place];
        if (point !== undefined) {
          await this.#measure(point, block, total);
        }
      }
      keep(Math.max(this.request.spec.repeat, block + 1));
      this.request.events.standing(this.standing.text(), true);
    }
    return block;
  }
}

/** Makes the directory and lays out; leaves nothing behind when it cannot. */
async function begin(
  request: SweepRequest,
  plans: readonly RunPlan[],
  record: SweepRecord,
  holds: Holds,
): Promise<readonly string[]> {
  const { directory, events, settings } = request;
  holdJobFiles(plans, holds);
  const made = makeDirectory(directory);
  holds.take(directory);
  try {
    if (!request.resume) {
      writeRecord(directory, record);
    }
    const laidOut = await layOut(plans, events.layout, settings.signal, true);
    holdJobFiles(plans, holds);
    return laidOut;
  } catch (error) {
    if (made !== undefined) {
      rmSync(made, { recursive: true });
    } else if (!request.resume) {
      rmSync(join(directory, "sweep.json"), { force: true });
    }
    throw error;
  }
}

/** What is resumed goes on with its own seed. */
function withSeed(request: SweepRequest, known: SweepRecord | null): SweepRequest {
  const seed = known?.seed ?? request.seed;
  const asked = request.settings.seed;
  if (known !== null && asked !== null && asked !== seed) {
    throw new OsdynoError(
      "bad-input",
      `--seed ${asked}: the sweep to resume has seed ${seed}; leave --seed out`,
    );
  }
  return { ...request, seed };
}

/** What the file's reading said, and what nobody measured. */
function notesOf(spec: SweepSpec, sweep: Sweep | null): Pick<SweepRecord, "notes"> {
  const notes = [...spec.notes, ...(sweep?.standing.notes() ?? [])];
  return notes.length === 0 ? {} : { notes };
}

/** Of sweeps whose points have different layers. */
function taxesOf(sweep: Sweep | null): Pick<SweepRecord, "layer_tax"> {
  const taxes = sweep?.standing.layerTaxes() ?? [];
  return taxes.length === 0 ? {} : { layer_tax: taxes };
}

function asError(error: unknown): OsdynoError {
  return error instanceof OsdynoError ? error : new OsdynoError("io", String(error), {}, error);
}

/** What will be prepared; plans every point and creates nothing. */
export function preparationsOf(request: SweepRequest): readonly Preparation[] {
  const points = pointsOf(request.spec, request.variables);
  return new Stage(request, points, plansOf(request, []), [], new Holds()).preparations;
}

/** What an earlier part of the sweep made and is still there; its stores are emptied, to be made anew. */
function leftBehind(known: SweepRecord | null, given: readonly string[], holds: Holds) {
  const files = [...given, ...stillOwn(known?.files ?? [])];
  const stores = stillOwn(known?.stores ?? []);
  for (const path of stores) {
    holds.claim(path);
  }
  for (const path of stores) {
    truncateSync(path, 0);
  }
  return { files, stores };
}

/** Puts the host back whatever happened; answers the failure so far, or that it could not. */
export function hostRestored(host: SweepHost, failure: OsdynoError | null): OsdynoError | null {
  try {
    host.restore();
    return failure;
  } catch (error) {
    return failure ?? asError(error);
  }
}

/** The record of a sweep of which nothing is measured yet. */
function empty(of: SweepRequest, preview: boolean, blocks = of.spec.repeat): SweepRecord {
  const { spec, seed, variables, settings } = of;
  const points = pointsOf(spec, variables);
  const given = givenOf(of, spec.job);
  return openRecord({ spec, points, given, command: settings.command, seed, preview, blocks });
}

/** Runs what is missing; never throws for a failing run: the sweep is then partial and says why. */
export async function runSweep(asked: SweepRequest): Promise<SweepResult> {
  const holds = new Holds();
  try {
    return await runHeld(asked, holds);
  } finally {
    holds.close();
  }
}

/** `holds`: takes what the sweep must have until it ends. */
async function runHeld(asked: SweepRequest, holds: Holds): Promise<SweepResult> {
  const { directory } = asked;
  holdResumed(directory, asked.resume, holds);
  const known = knownSweep(directory, asked.resume, empty(asked, asked.spec.preview));
  const before = leftBehind(known, asked.ownFiles ?? [], holds);
  const request = settled(withSeed(asked, known), [...before.files, ...before.stores]);
  const { spec } = request;
  const points = pointsOf(spec, request.variables);
  const plans = plansOf(request, [...before.files, ...before.stores]);
  plans.forEach(checkMemory);
  checkSpace(plans, true);
  const preview = isPreview(spec, plans);
  const host = new SweepHost(spec, holds);
  host.check(points, plans);
  const planOf = new Map(points.map((point, place) => [point.id, plans[place]]));
  const turnKnobs = (point: Point) => host.apply(point, planOf.get(point.id));
  const stage = new Stage(request, points, plans, before.stores, holds);
  // Laid out at once, no point pays for it, and each finds the files in the same state.
  const made = await begin(request, plans, empty(request, preview), holds);
  const files = [...new Set([...before.files, ...made])];
  let stores: readonly string[] = [];
  const own = () => ({
    ...(files.length > 0 ? { files: ownFiles(files) } : {}),
    ...(stores.length > 0 ? { stores: ownFiles(stores) } : {}),
  });
  let sweep: Sweep | null = null;
  let blocks = spec.repeat;
  const recordOf = (): SweepRecord => ({
    ...empty(request, preview, blocks),
    // To be repeated is what was begun, not that it was gone on with.
    ...(known?.command === undefined ? {} : { command: known.command }),
    comparisons: sweep?.standing.comparisons() ?? [],
    ...(spec.steps === undefined
      ? {}
      : { steps: { along: spec.steps, comparisons: sweep?.standing.steps() ?? [] } }),
    ...notesOf(spec, sweep),
    ...host.record,
    ...(spec.require.length > 0 ? { requirements: sweep?.standing.requirements() ?? [] } : {}),
    ...taxesOf(sweep),
  });
  let failure: OsdynoError | null = null;
  try {
    stores = stage.claim();
    sweep = new Sweep(request, points, preview, [...files, ...stores], stage, turnKnobs);
    writeRecord(directory, { ...recordOf(), ...own() });
    blocks = await sweep.run((count) => {
      blocks = count;
      writeRecord(directory, { ...recordOf(), ...own() });
    });
  } catch (error) {
    failure = asError(error);
  }
  failure = hostRestored(host, failure);
  stage.clear(failure === null);
  const { reason: _reason, ...rest } = recordOf();
  const completed = sweep?.completed ?? 0;
  const reason = `${completed} of ${points.length * blocks} runs: ${failure?.line}`;
  const record: SweepRecord =
    failure === null
      ? { ...rest, state: "complete", distributions: distributionsOf(directory, rest) }
      : { ...rest, reason, ...own() };
  writeRecord(directory, record);
  return { record, directory, completed, failure };
}
