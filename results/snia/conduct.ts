/**
 * Conducts a test of the SNIA PTS: purge, preconditioning, rounds to a steady state, measurement. Each
 * step is a run of its own under `points/`, and `sweep.json` is written after each, so that a test that
 * was interrupted or killed at any instant is readable and can be resumed.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { holdFile } from "../../engine/os/hold.ts";
import type { JobEnvironment } from "../../workloads/job/environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { performRun, type RunEvents, type RunRequest, type RunSettings } from "../perform.ts";
import type { RunRecord } from "../run-record.ts";
import {
  clearRun,
  completeRun,
  makeDirectory,
  ownFiles,
  stillOwn,
  writeRecord,
} from "../sweep/sweep-directory.ts";
import type { SweepRecord } from "../sweep-record.ts";
import { Allowance } from "./allowance.ts";
import { type Cell, jobText, trimText } from "./cells.ts";
import { chosenLoads } from "./composite-choice.ts";
import type { SniaDevice } from "./device.ts";
import { measuredOf, writtenBytes } from "./figures.ts";
import { runId, type Section, type SniaSizes, type Step } from "./procedures.ts";
import { type Standing, sweepRecordOf } from "./progress-record.ts";
import type { SniaRun, SniaVerdict } from "./record.ts";
import type { SniaSpec } from "./spec.ts";
import { firstSteady, windowRounds } from "./steady-rule.ts";
import {
  firstRoundOf,
  iopsOf,
  pieceOf,
  roundsVerdict,
  type SaturationPiece,
  saturationVerdict,
} from "./verdicts.ts";

export interface SniaRequest {
  readonly spec: SniaSpec;
  readonly device: SniaDevice;
  readonly sizes: SniaSizes;
  readonly sections: readonly Section[];
  readonly directory: string;
  /** What an earlier part of the same test left; null: there was none. */
  readonly known: SweepRecord | null;
  readonly seed: number;
  readonly overrides: readonly string[];
  /** Ends before the next run when this much time has passed, seconds. */
  readonly budgetSeconds: number | null;
  readonly settings: Omit<RunSettings, "label">;
  readonly environment: JobEnvironment;
  readonly events: SniaEvents;
  /** What performs a run; tests put a device with a law of its own there. */
  readonly perform?: (request: RunRequest) => ReturnType<typeof performRun>;
}

export interface SniaEvents extends RunEvents {
  /** A run is about to begin. */
  step(title: string): void;
  /** What is known of steadiness after a round, in a line. */
  round(line: string): void;
}

export interface SniaResult {
  readonly record: SweepRecord;
  readonly directory: string;
  /** What ended the test early. */
  readonly failure: OsdynoError | null;
  /** Runs that are there. */
  readonly completed: number;
}

/** Rounds of a saturation that are one run: what an interruption costs at most. */
const roundsAtOnce = 60;

interface RunChoice {
  readonly section: string;
  readonly step: string;
  readonly kind: SniaRun["kind"];
  readonly round: number;
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly sampleSeconds: number;
  /** Told the sums of each whole sample; `true` ends the run. */
  readonly look?: (samples: readonly number[]) => boolean;
}

/** A test as it goes on. */
class Conduct {
  readonly request: SniaRequest;
  readonly standing: Standing;
  readonly #startedMs = performance.now();
  readonly #part: number;
  readonly #allowance: Allowance;

  constructor(request: SniaRequest) {
    const { known, spec, directory } = request;
    this.request = request;
    const before = (known?.snia?.runs ?? []).filter(({ run }) => completeRun(directory, run));
    const last = Math.max(0, ...(known?.snia?.runs ?? []).map(({ part }) => part));
    this.#part = known === null ? 0 : last + 1;
    this.standing = {
      runs: [...before],
      verdicts: [],
      files: stillOwn(known?.files ?? []),
      trimmed: null,
      lostBytes: known?.snia?.endurance.lost_bytes ?? 0,
    };
    const kept = before.reduce((sum, run) => sum + run.written_bytes, 0);
    const written = kept + this.standing.lostBytes;
    this.#allowance = new Allowance(spec, written);
  }

  #keep(): void {
    const { request, standing } = this;
    writeRecord(request.directory, {
      ...sweepRecordOf(request, standing, { complete: false, failure: null }),
      ...this.#own(),
    });
  }

  #own(): Partial<SweepRecord> {
    const { files } = this.standing;
    return files.length === 0 ? {} : { files: ownFiles(files) };
  }

  #checkBudget(): void {
    const { budgetSeconds } = this.request;
    if (budgetSeconds !== null && (performance.now() - this.#startedMs) / 1000 > budgetSeconds) {
      throw new OsdynoError("interrupted", `the budget of ${budgetSeconds} s is used up`);
    }
  }

  /** One run, unless it is there. Throws what ends the test. */
  async #run(choice: RunChoice): Promise<SniaRun> {
    const { request, standing } = this;
    const there = standing.runs.find(({ id }) => id === choice.id);
    if (there !== undefined) {
      return there;
    }
    this.#checkBudget();
    const spent = this.#allowance.spent();
    if (spent !== null) {
      throw spent;
    }
    const run = join("points", choice.id, "1");
    clearRun(request.directory, run);
    request.events.step(choice.title);
    const performed = await (request.perform ?? performRun)(this.#requestOf(choice, run));
    standing.files.push(...performed.created.filter((file) => !standing.files.includes(file)));
    const cut = performed.failure ?? this.#allowance.ended();
    if (cut !== null) {
      standing.lostBytes += writtenBytes(performed.record);
      this.#keep();
      throw cut;
    }
    const done = doneRun(choice, run, this.#part, performed.record);
    standing.runs.push(done);
    this.#keep();
    return done;
  }

  #requestOf(choice: RunChoice, run: string): RunRequest {
    const { request, standing } = this;
    const { settings, seed, overrides, environment, device } = request;
    const parsed = parseJobs(
      [
        { kind: "file", name: `${choice.id}.fio`, text: choice.text },
        { kind: "args", args: [...overrides] },
      ],
      environment,
      { sections: [], target: device.target },
    );
    return {
      parsed,
      directory: join(request.directory, run),
      settings: {
        ...settings,
        label: choice.id,
        target: device.target,
        // Rounds differ in their streams, reproducibly.
        seed: seed + choice.round,
        intervalMs: Math.max(10, Math.round(choice.sampleSeconds * 1000)),
        report: false,
      },
      events: request.events,
      ownFiles: standing.files,
      follow: this.#allowance.follow(choice.sampleSeconds, choice.look),
      budget: this.#allowance,
    };
  }

  async section(section: Section): Promise<void> {
    await this.#purge(section);
    for (const step of section.steps) {
      await this.#step(section, step);
    }
  }

  async #purge(section: Section): Promise<void> {
    const { spec, sizes } = this.request;
    if (spec.purge !== "trim" || this.standing.trimmed === false) {
      return;
    }
    const id = runId(section, "purge");
    const head = { section: section.id, step: "purge", kind: "purge", round: 0, id } as const;
    const text = trimText(sizes.capacityBytes);
    const title = titleOf(section, "Purge");
    try {
      await this.#run({ ...head, title, text, sampleSeconds: 1 });
      this.standing.trimmed = true;
    } catch (error) {
      if (!(error instanceof OsdynoError) || !/EOPNOTSUPP|not supported/i.test(error.message)) {
        throw error;
      }
      this.standing.trimmed = false;
    }
  }

  async #step(section: Section, step: Step): Promise<void> {
    const { sizes, spec } = this.request;
    const minute = spec.scale.minuteSeconds;
    const head = { section: section.id, step: step.id, kind: step.kind } as const;
    const id = runId(section, step.id);
    const title = titleOf(section, step.title);
    const one = (cells: readonly Cell[], sampleSeconds: number, own: Partial<RunChoice> = {}) =>
      this.#run({
        ...{ ...head, round: 0, id, title, text: jobText(cells, sizes.activeBytes) },
        ...{ sampleSeconds, ...own },
      });
    switch (step.kind) {
      case "fill":
        await one([step.cell], minute);
        return;
      case "drive":
        await one(step.cells, step.sampleSeconds);
        return;
      case "rounds":
        await this.#rounds(section, step, one);
        return;
      case "saturate":
        await this.#saturate(section, step);
        return;
      case "histograms": {
        const matrix = this.standing.runs.find(
          ({ id: known }) => known === runId(section, step.of),
        );
        for (const { name, threads, depth } of chosenLoads(matrix?.cells ?? [])) {
          const cell = { ...step.before, readPercent: 40, threads, depth, seconds: step.seconds };
          const cells = [step.before, { ...cell, id: name }];
          const own = `${title}: ${name}, ${threads} x ${depth}`;
          await one(cells, minute, { id: `${id}-${name}`, title: own });
        }
      }
    }
  }

  async #rounds(
    section: Section,
    step: Extract<Step, { kind: "rounds" }>,
    one: (cells: readonly Cell[], sampleSeconds: number, own: object) => Promise<SniaRun>,
  ): Promise<void> {
    const rounds: SniaRun[] = [];
    let verdict = roundsVerdict(section, step, rounds, "open");
    while (!verdict.steady && rounds.length < step.most) {
      const round = rounds.length + 1;
      const number = String(round).padStart(2, "0");
      const title = `${titleOf(section, step.title)}: round ${round} of at most ${step.most}`;
      const id = `${runId(section, step.id)}-${number}`;
      rounds.push(
        await one(step.cells, this.request.spec.scale.minuteSeconds, { id, title, round }),
      );
      verdict = roundsVerdict(section, step, rounds, round === step.most ? "rounds" : "open");
      this.#setVerdict(verdict);
      this.request.events.round(roundLine(verdict));
    }
  }

  #setVerdict(verdict: SniaVerdict): void {
    const { verdicts } = this.standing;
    const place = verdicts.findIndex(
      ({ section, step }) => section === verdict.section && step === verdict.step,
    );
    verdicts.splice(place < 0 ? verdicts.length : place, place < 0 ? 0 : 1, verdict);
    this.#keep();
  }

  async #saturate(section: Section, step: Extract<Step, { kind: "saturate" }>): Promise<void> {
    const { request } = this;
    const { directory, sizes } = request;
    const pieces: SaturationPiece[] = [];
    let ended: SniaVerdict["ended"] = "open";
    for (let piece = 1; ended === "open"; piece += 1) {
      const before = pieces.flatMap(({ iops }) => iops);
      const from = firstRoundOf(pieces, this.#part);
      const rounds = Math.min(roundsAtOnce, step.mostRounds - before.length);
      const written = pieces.reduce((sum, { writtenBytes: bytes }) => sum + bytes, 0);
      const bytes = step.mostBytes - written;
      const cell = { ...step.cell, seconds: rounds * step.roundSeconds, bytes };
      const run = await this.#run({
        ...{ section: section.id, step: step.id, kind: "saturate", round: piece },
        id: `${runId(section, step.id)}-${String(piece).padStart(2, "0")}`,
        title: `${titleOf(section, step.title)}: from round ${before.length + 1}`,
        text: jobText([cell], sizes.activeBytes),
        sampleSeconds: step.roundSeconds,
        look: (samples) => firstSteady([iopsOf([...before, ...samples])], from) !== null,
      });
      pieces.push(pieceOf(directory, run, step));
      const verdict = saturationVerdict(section, step, pieces);
      this.#setVerdict(verdict);
      ended = verdict.ended;
    }
  }

  /** What was made, in the end: complete, or partial with the reason. */
  finish(failure: OsdynoError | null): SweepRecord {
    const { request, standing } = this;
    const rest = sweepRecordOf(request, standing, { complete: failure === null, failure });
    if (failure === null) {
      for (const file of standing.files) {
        rmSync(file, { force: true });
      }
    }
    const record = failure === null ? rest : { ...rest, ...this.#own() };
    writeRecord(request.directory, record);
    return record;
  }
}

function titleOf(section: Section, text: string): string {
  return section.id === "" ? text : `${section.title}: ${text}`;
}

function doneRun(choice: RunChoice, run: string, part: number, record: RunRecord): SniaRun {
  const { id, section, step, kind, round } = choice;
  return { ...{ id, section, step, kind, round, run, part }, ...measuredOf(record) };
}

const percent = (share: number) => `${(100 * share).toFixed(1)}%`;

/** One line on where the rounds stand. */
export function roundLine({ rounds, verdicts, followed, steady }: SniaVerdict): string {
  if (verdicts.length === 0) {
    return `round ${rounds}: a window takes ${windowRounds} rounds`;
  }
  const parts = verdicts.map(({ average, range, excursion }, place) => {
    return `${followed[place]?.label}: range ${percent(range / average)}, slope ${percent(excursion / average)}`;
  });
  return `round ${rounds}: ${steady ? "steady" : "not steady"} (${parts.join("; ")})`;
}

function asError(error: unknown): OsdynoError {
  return error instanceof OsdynoError ? error : new OsdynoError("io", String(error), {}, error);
}

/** Conducts what is missing; a step that fails leaves a partial test that says why. */
export async function conductSnia(request: SniaRequest): Promise<SniaResult> {
  const { directory } = request;
  makeDirectory(directory);
  const hold = holdFile(directory);
  try {
    return await conductHeld(request);
  } finally {
    hold.close();
  }
}

async function conductHeld(request: SniaRequest): Promise<SniaResult> {
  const { directory, sections } = request;
  const conduct = new Conduct(request);
  let failure: OsdynoError | null = null;
  try {
    for (const section of sections) {
      await conduct.section(section);
    }
  } catch (error) {
    failure = asError(error);
  }
  const completed = conduct.standing.runs.length;
  const nothing = completed === 0 && conduct.standing.lostBytes === 0;
  if (nothing && failure !== null && request.known === null) {
    rmSync(directory, { recursive: true, force: true });
    throw failure;
  }
  return { record: conduct.finish(failure), directory, failure, completed };
}
