/**
 * Runs a tuning: the search, with runs of the default among it, then the winner against the default in
 * fresh pairs. Every step is in `tune.json` before it is run, and each is decided by those before it and
 * the seed, so that a tuning that was interrupted or killed at any instant goes on where it was.
 */
import { existsSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { Holds } from "../../engine/os/hold.ts";
import { holdJobFiles } from "../../workloads/runner/job-holds.ts";
import { layOut } from "../../workloads/runner/layout.ts";
import { safePlan } from "../perform.ts";
import { fileRecord } from "../sweep/file-record.ts";
import { givenOf } from "../sweep/given.ts";
import { SweepHost } from "../sweep/host.ts";
import { onOneKv } from "../sweep/one-kv.ts";
import {
  checkMetrics,
  checkPrepared,
  inSweepFile,
  isPreview,
  runRequest,
} from "../sweep/plan-sweep.ts";
import type { Point } from "../sweep/points.ts";
import { runSweep } from "../sweep/run-sweep.ts";
import type { SweepSpec } from "../sweep/spec.ts";
import {
  completeRun,
  holdResumed,
  makeDirectory,
  ownFiles,
  stillOwn,
} from "../sweep/sweep-directory.ts";
import type { SweepRecord } from "../sweep-record.ts";
import { answerOf } from "./answer.ts";
import { conclude, historyOf, namesOf, referencesOf } from "./conclude.ts";
import { confirmedOf, keptOf, namedComparisons } from "./confirmed.ts";
import { Measuring } from "./measuring.ts";
import { firstReferences, leastSearch, nextStep, searchRuns } from "./next-step.ts";
import type { TuneRequest } from "./request.ts";
import { sizeOf } from "./space.ts";
import type { TuneSpec } from "./spec.ts";
import { defaultChoice, standardOf } from "./standard.ts";
import { boardText } from "./standing.ts";
import {
  confirmingSweep,
  defaultId,
  defaultPoint,
  pointOf,
  problemOf,
  singlePoints,
  spaceOf,
} from "./trials.ts";
import { confirmName, knownTune, tuneSchemaName, writeTune } from "./tune-directory.ts";
import type { TuneRecord, TuneStep, TuneTrial } from "./tune-record.ts";
import { tunedOf, writeAnswer } from "./write-answer.ts";

export interface TuneResult {
  readonly record: TuneRecord;
  readonly directory: string;
  /** Runs that are there, those of the confirmation among them. */
  readonly completed: number;
  readonly failure: OsdynoError | null;
}

/** So many configurations in a row that cannot run end the tuning. */
const mostFailures = 5;
/** Seeds of the confirmation's streams are others than the search's. */
const freshSeed = 100_000;

export function confirmingRuns({ confirm }: TuneSpec): number {
  return confirm.pairs * (1 + confirm.candidates);
}

/** What of the file decides which choices there are; nothing where it says nothing. */
function rulesOf({ when, exclude }: SweepSpec): Pick<TuneRecord, "rules"> {
  const some = Object.keys(when).length + exclude.length > 0;
  return some ? { rules: { when, exclude } } : {};
}

function emptyRecord({ tune, base }: TuneRequest): TuneRecord {
  const { sweep, budget, confirm } = tune;
  const space = spaceOf(tune);
  const runs = budget.runs === null ? null : budget.runs - confirmingRuns(tune);
  return {
    schema: tuneSchemaName,
    state: "partial",
    reason: "not finished",
    name: sweep.name,
    question: sweep.question,
    ...(tune.text === undefined ? {} : { file: fileRecord(sweep.file, tune.text) }),
    given: givenOf(base, sweep.job),
    command: base.settings.command,
    seed: base.seed,
    method: tune.method,
    repeat: tune.repeat,
    goals: tune.goals,
    limits: tune.limits.map(({ text }) => text),
    metrics: sweep.metrics,
    space: Object.fromEntries(
      space.map(({ name, values, at }) => [name, { values, ordered: at !== null }]),
    ),
    choices: sizeOf(space),
    ...rulesOf(sweep),
    ...(sweep.notes.length === 0 ? {} : { notes: sweep.notes }),
    baseline: tune.baseline?.values[0]?.parameters ?? {},
    standard: {},
    planned: { runs, pairs: confirm.pairs },
    budget,
    spent_seconds: 0,
    trials: [],
    steps: [],
    beliefs: [],
    front: [],
    importance: [],
    noise: {},
    leading: [],
    chosen: [],
    comparisons: [],
    kept: [],
    confirmed: [],
    answer: [],
  };
}

function checkBudget(tune: TuneSpec): void {
  const { budget, sweep } = tune;
  if (budget.runs !== null && searchRuns(budget.runs - confirmingRuns(tune)) < leastSearch) {
    const needed = confirmingRuns(tune) + firstReferences + leastSearch;
    throw new OsdynoError(
      "bad-input",
      `budget: ${budget.runs} runs: the confirmation takes ${confirmingRuns(tune)} of them; give at least ${needed}`,
      { file: sweep.file },
    );
  }
}

/** Plans the default and every value: bad input and refusals show before anything is created. */
export function checkedPlans({ tune, base }: TuneRequest, own: readonly string[]) {
  const points = [defaultPoint(tune, base.variables), ...singlePoints(tune, base.variables)];
  const planned = points.map((point) => ({
    point,
    plan: inSweepFile(base, () => safePlan(runRequest(base, point, 1, own))),
  }));
  const plans = planned.map(({ plan }) => plan);
  checkMetrics(base, points, plans);
  return planned;
}

/** Runs as short as those of these plans get no verdict. */
export function previewOf(
  { base }: TuneRequest,
  plans: ReturnType<typeof checkedPlans>,
): Pick<TuneRecord, "preview"> {
  const short = isPreview(
    base.spec,
    plans.map(({ plan }) => plan),
  );
  return short ? { preview: true } : {};
}

/** The request as it is carried out: stores that nobody chose a key-value store for all have the same one. */
export function settledTune(asked: TuneRequest, own: readonly string[]): TuneRequest {
  const planned = checkedPlans(asked, own);
  checkPrepared(
    asked.tune.sweep,
    planned.map(({ plan }) => plan.stores),
  );
  const sweep = onOneKv(
    asked.tune.sweep,
    planned.map(({ point }) => point),
    planned.map(({ plan }) => plan.stores),
  );
  return { tune: { ...asked.tune, sweep }, base: { ...asked.base, spec: sweep } };
}

/** A tuning as it goes on. */
class Tuning {
  readonly request: TuneRequest;
  readonly measuring: Measuring;
  readonly #before: number;
  readonly #startedMs = performance.now();
  record: TuneRecord;

  constructor(request: TuneRequest, record: TuneRecord, measuring: Measuring) {
    this.request = request;
    this.record = record;
    this.measuring = measuring;
    this.#before = record.spent_seconds;
  }

  spent(): number {
    return this.#before + (performance.now() - this.#startedMs) / 1000;
  }

  save(change: Partial<TuneRecord> = {}): void {
    this.record = {
      ...this.record,
      ...change,
      spent_seconds: Math.round(this.spent() * 10) / 10,
      ...this.measuring.hostRecord,
      files: ownFiles(this.measuring.files),
      stores: ownFiles(this.measuring.stores),
    };
    writeTune(this.request.base.directory, this.record);
  }

  /** The next run; null when the search has ended. */
  next(): { point: Point; trial: TuneTrial; why: TuneStep["why"] } | null {
    const { tune, base } = this.request;
    const next = this.#late()
      ? null
      : nextStep(problemOf(tune), this.record, tune.method, tune.repeat);
    if (next === null) {
      return null;
    }
    const { trial: id, choice, why } = next;
    const { variables } = base;
    const point =
      choice === null ? defaultPoint(tune, variables) : pointOf(tune, choice, id, variables);
    const known = choice === null ? undefined : this.record.trials.find((each) => each.id === id);
    return { point, trial: known ?? { id, parameters: point.parameters, choice }, why };
  }

  /** Whether the confirmation would no longer fit into the time. */
  #late(): boolean {
    const { seconds } = this.record.budget;
    const { steps } = this.record;
    if (seconds === null || steps.length < firstReferences + leastSearch) {
      return false;
    }
    const each = this.spent() / steps.length;
    return this.spent() + each * confirmingRuns(this.request.tune) > seconds;
  }

  /** How many runs the time suffices for, once it is known how long one takes. */
  planTime(lastSeconds: number): void {
    const { budget, planned, steps } = this.record;
    if (budget.seconds === null || steps.length !== firstReferences) {
      return;
    }
    const all = Math.floor((budget.seconds - this.spent()) / lastSeconds) + firstReferences;
    const left = Math.max(firstReferences + leastSearch, all - confirmingRuns(this.request.tune));
    const runs = planned.runs === null ? left : Math.min(left, planned.runs);
    this.save({ planned: { ...planned, runs } });
  }

  async search(): Promise<void> {
    const { base, tune } = this.request;
    let failures = 0;
    for (;;) {
      const next = this.next();
      if (next === null) {
        return;
      }
      const { point, trial, why } = next;
      const { steps, trials, planned } = this.record;
      const repetition = steps.filter((step) => step.trial === trial.id).length + 1;
      const total = (planned.runs ?? 0) + confirmingRuns(tune);
      base.events.point(point, repetition, steps.length, Math.max(total, steps.length + 1));
      const began = performance.now();
      const { run, figures, failed } = await this.measuring.measure(point, repetition);
      if (failed !== null && (trial.id === defaultId || failures + 1 >= mostFailures)) {
        throw failed;
      }
      if (trial.id === defaultId) {
        this.#checkFigures(figures);
        this.#learnStandard(run);
      }
      failures = failed === null ? 0 : failures + 1;
      const shown = failed === null ? trial : { ...trial, failed: failed.message };
      const others = trials.filter(({ id }) => id !== trial.id);
      this.save({
        trials:
          trial.id === defaultId || !trials.some(({ id }) => id === trial.id)
            ? [...others, shown]
            : trials.map((each) => (each.id === trial.id ? shown : each)),
        steps: [...steps, { trial: trial.id, run, why, figures }],
      });
      this.planTime((performance.now() - began) / 1000);
      base.events.standing(boardText(this.record), this.record.steps.length % 10 === 0);
    }
  }

  /** What the default's options are where nothing sets them. */
  #learnStandard(run: string): void {
    const { directory } = this.request.base;
    const record = completeRun(directory, run);
    if (record !== null && Object.keys(this.record.standard).length === 0) {
      const standard = standardOf(this.request.tune.sweep, record, this.measuring.rotating);
      const choice = defaultChoice(this.request.tune, this.request.base, standard);
      const known = choice === null ? {} : { default_choice: choice };
      this.record = { ...this.record, standard, ...known };
    }
  }

  /** A goal or limit that the default has no figure of, no other configuration will have. */
  #checkFigures(figures: TuneStep["figures"]): void {
    const { goals, limits, sweep } = this.request.tune;
    const metrics = [...goals, ...limits].map(({ metric }) => metric);
    const missing = metrics.find((name) => (figures?.[name] ?? null) === null);
    if (missing !== undefined) {
      const why = missing.includes(".p")
        ? "fewer than 10 samples lie beyond it, so the runs must be longer"
        : "this target does not have it";
      const what = `a run of the default tells no ${missing}: ${why}`;
      throw new OsdynoError("bad-input", what, { file: sweep.file });
    }
  }

  /** `ended`: the search has, and what leads goes into the confirmation. */
  conclude(ended: boolean): void {
    const { tune } = this.request;
    const history = historyOf(this.record);
    if (history.some(({ figures }) => figures !== null)) {
      const found = conclude(
        problemOf(tune),
        history,
        this.record.metrics,
        namesOf(this.record),
        tune.confirm.candidates,
        referencesOf(this.record),
      );
      const { chosen } = this.record;
      this.save({ ...found, chosen: ended && chosen.length === 0 ? found.leading : chosen });
    }
  }

  /** Fresh pairs of the default and the winners; answers what ended them early. */
  async confirm(): Promise<OsdynoError | null> {
    const { base, tune } = this.request;
    const { variables, directory } = base;
    const winners = this.record.chosen.flatMap((id) => {
      const choice = this.record.trials.find((trial) => trial.id === id)?.choice;
      return choice === undefined || choice === null ? [] : [pointOf(tune, choice, id, variables)];
    });
    if (winners.length === 0) {
      return null;
    }
    const place = join(directory, confirmName);
    const { failure, record } = await runSweep({
      ...base,
      spec: confirmingSweep(tune, defaultPoint(tune, variables), winners),
      directory: place,
      resume: existsSync(join(place, "sweep.json")),
      seed: this.record.seed + freshSeed,
      settings: { ...base.settings, seed: null },
      ownFiles: [...this.measuring.files, ...this.measuring.stores],
    });
    this.#judge(record);
    return failure;
  }

  #judge(record: SweepRecord): void {
    const { tune, base } = this.request;
    const comparisons = namedComparisons(record);
    const kept = keptOf(tune, record, (run) => completeRun(join(base.directory, confirmName), run));
    const confirmed = confirmedOf(tune.goals, this.record.chosen, comparisons);
    this.save({ comparisons, kept, confirmed });
  }

  /** Says what came out, and writes it down for others to use. */
  finish(failure: OsdynoError | null): void {
    const { reason: _, ...rest } = this.record;
    const state = failure === null ? "complete" : "partial";
    const tuned = tunedOf(this.request, this.record);
    const partial = {
      ...rest,
      state,
      ...(tuned === null ? {} : { tuned }),
      ...(failure === null ? {} : { reason: failure.message }),
    } as const;
    this.record = { ...partial, answer: answerOf(partial) };
    this.save();
    writeAnswer(this.request.base.directory, this.record);
    if (failure === null) {
      const { files: _files, stores: _stores, ...last } = this.record;
      this.record = last;
      writeTune(this.request.base.directory, last);
    }
  }
}

function asError(error: unknown): OsdynoError {
  return error instanceof OsdynoError ? error : new OsdynoError("io", String(error), {}, error);
}

/** What is resumed goes on with its own seed. */
function seedOf({ base }: TuneRequest, known: TuneRecord | null): number {
  const seed = known?.seed ?? base.seed;
  const asked = base.settings.seed;
  if (known !== null && asked !== null && asked !== seed) {
    throw new OsdynoError(
      "bad-input",
      `--seed ${asked}: the tuning to resume has seed ${seed}; leave --seed out`,
    );
  }
  return seed;
}

/** Runs what is missing; never throws for a failing run: the tuning is then partial and says why. */
export async function runTune(given: TuneRequest): Promise<TuneResult> {
  const holds = new Holds();
  try {
    return await runHeld(given, holds);
  } finally {
    holds.close();
  }
}

/** `holds`: takes what the tuning must have until it ends. */
async function runHeld(given: TuneRequest, holds: Holds): Promise<TuneResult> {
  const { directory, resume, events, settings } = given.base;
  checkBudget(given.tune);
  holdResumed(directory, resume, holds);
  const known = knownTune(directory, resume, emptyRecord(given));
  const seed = seedOf(given, known);
  const stores = stillOwn(known?.stores ?? []);
  for (const path of stores) {
    holds.claim(path);
  }
  for (const path of stores) {
    truncateSync(path, 0);
  }
  const files = stillOwn(known?.files ?? []);
  const seeded = { ...given, base: { ...given.base, seed } };
  const request = settledTune(seeded, [...files, ...stores]);
  const plans = checkedPlans(request, [...files, ...stores]);
  const before = { ...(known ?? emptyRecord(request)), ...previewOf(request, plans) };
  new SweepHost(request.base.spec, holds).check(
    plans.map(({ point }) => point),
    plans.map(({ plan }) => plan),
  );
  const firstPlans = plans.slice(0, 1).map(({ plan }) => plan);
  holdJobFiles(firstPlans, holds);
  const made = makeDirectory(directory);
  holds.take(directory);
  let laidOut: readonly string[] = [];
  try {
    if (known === null) {
      writeTune(directory, before);
    }
    laidOut = await layOut(firstPlans, events.layout, settings.signal, true);
    holdJobFiles(firstPlans, holds);
  } catch (error) {
    if (made !== undefined) {
      rmSync(made, { recursive: true });
    }
    throw error;
  }
  const measuring = new Measuring(request.base, [...files, ...laidOut], stores, holds);
  const tuning = new Tuning(request, before, measuring);
  let failure: OsdynoError | null = null;
  try {
    tuning.save();
    if (tuning.record.chosen.length === 0) {
      await tuning.search();
    }
    tuning.conclude(true);
    measuring.release();
    failure = await tuning.confirm();
  } catch (error) {
    failure = asError(error);
    tuning.conclude(false);
  }
  failure = measuring.clear(failure === null, failure);
  tuning.finish(failure);
  const fresh = tuning.record.kept.length;
  const searched = tuning.record.steps.filter(({ figures }) => figures !== null).length;
  return { record: tuning.record, directory, completed: searched + fresh, failure };
}
