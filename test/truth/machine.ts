/**
 * A machine whose truth is known: the synthetic device in virtual time, driven by the real runner, with a
 * speed that differs from run to run, and drifts, as real ones do. What it measures is judged by the real
 * statistics.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "../../engine/base/random.ts";
import { compareSides, type MetricComparison } from "../../results/compare/compare.ts";
import type { Side } from "../../results/compare/sides.ts";
import { metric } from "../../results/metrics.ts";
import {
  type PerformedRun,
  performRun,
  type RunRequest,
  type RunSettings,
} from "../../results/perform.ts";
import type { RunRecord } from "../../results/run-record.ts";
import type { SweepEvents } from "../../results/sweep/plan-sweep.ts";
import { runSweep } from "../../results/sweep/run-sweep.ts";
import { readSweep } from "../../results/sweep/spec.ts";
import type { SweepRecord } from "../../results/sweep-record.ts";
import { writeWhole } from "../../results/whole-file.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";

export const campaign = process.env["OSDYNO_CAMPAIGN"] === "1";
/** Fresh in campaigns unless given; every test that uses it prints it. */
export const seed = Number(
  process.env["OSDYNO_SEED"] ?? (campaign ? Math.floor(Math.random() * 2 ** 31) : 20_783),
);
/** Of a campaign: so many instead of all, to make it in pieces. */
export const trialsOf = (all: number, few: number): number =>
  campaign ? Number(process.env["OSDYNO_TRIALS"] ?? all) : few;

export interface MachineFacts {
  /** Standard deviation of the logarithm of a run's speed around the machine's. */
  readonly variation: number;
  /** Its speed falls in a straight line by this share from the first run to the last. */
  readonly drift: number;
}

/** Service time of a machine that neither varies nor drifts. */
const serviceNs = 4_000_000;
export const runSeconds = 10;
/** What a run adds by itself: the mean of 2,500 operations, uniform over half to one and a half of it. */
const ownVariation = Math.sqrt(serviceNs / (runSeconds * 1e9) / 12);

/** Values of the standard normal distribution. */
export function normal(random: SeededRandom): number {
  const angle = 2 * Math.PI * random.unit();
  return Math.sqrt(-2 * Math.log(1 - random.unit())) * Math.cos(angle);
}

export class Machine {
  readonly #random: SeededRandom;
  readonly #spread: number;
  readonly #drift: number;

  /** @param facts the variation must be 0.6% at least, which runs have by themselves */
  constructor(random: SeededRandom, facts: MachineFacts) {
    this.#random = random;
    this.#spread = Math.sqrt(facts.variation ** 2 - ownVariation ** 2);
    this.#drift = facts.drift;
  }

  /**
   * The device of one run as a target.
   *
   * @param slowdown how many times as slow the configuration is
   * @param progress of the whole measuring, 0 to 1
   */
  device(slowdown: number, progress: number): string {
    const speed = (1 - this.#drift * progress) * Math.exp(this.#spread * normal(this.#random));
    const service = Math.round((serviceNs * slowdown) / speed);
    return `null:?service=${service}ns&jitter=uniform&seed=${this.#random.below(2 ** 31)}`;
  }
}

const quiet: SweepEvents = {
  layout() {},
  progress() {},
  note() {},
  point() {},
  preparing() {},
  standing() {},
};

/** Virtual time needs no disk, and its files are many. */
function place(): string {
  return mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "osdyno-truth-"));
}

function settings(workingDirectory: string): Omit<RunSettings, "label"> {
  return {
    command: ["truth"],
    target: null,
    path: "engine",
    clock: "virtual",
    seed: 1,
    destroy: false,
    live: null,
    report: false,
    thresholds: [],
    intervalMs: 1000,
    workingDirectory,
    signal: new AbortController().signal,
  };
}

const jobLines = [
  "[a]",
  "rw=randread",
  "size=64m",
  "iodepth=1",
  "time_based=1",
  `runtime=${runSeconds}`,
];

async function sound(run: Promise<PerformedRun>): Promise<PerformedRun> {
  const performed = await run;
  if (performed.failure !== null) {
    throw performed.failure;
  }
  return performed;
}

export interface KnownSweep {
  /** Slowdown of each point; the first one is the baseline. */
  readonly slowdowns: readonly number[];
  readonly repeat: number;
  readonly facts: MachineFacts;
  readonly seed: number;
  /** Ends at a look when all is decided, after at most so many repeats. */
  readonly untilDecided?: number;
  /** A share (default 2%). */
  readonly minEffect?: number;
}

export interface SweptRun {
  readonly record: RunRecord;
  /** Lines of its `series.csv` are samples of every second. */
  readonly directory: string;
}

export interface Swept {
  readonly record: SweepRecord;
  readonly directory: string;
  /** By point, in order of the blocks. */
  readonly runs: readonly (readonly SweptRun[])[];
}

/** Runs a sweep of configurations whose truth is known, and answers what `use` makes of it. */
export async function sweepOf<T>(known: KnownSweep, use: (swept: Swept) => T): Promise<T> {
  const { slowdowns, repeat, untilDecided, minEffect = 0.02 } = known;
  const root = place();
  try {
    const file = join(root, "s.yaml");
    const until =
      untilDecided === undefined ? [] : [`until: {decided: true, max_repeat: ${untilDecided}}`];
    writeWhole(
      file,
      [
        "name: truth",
        "job: |",
        ...jobLines.map((line) => `  ${line}`),
        `matrix: {side: {${slowdowns.map((_, at) => `p${at}: {bs: 4k}`).join(", ")}}}`,
        "baseline: {side: p0}",
        `repeat: ${repeat}`,
        `min_effect: ${100 * minEffect}%`,
        ...until,
        "metrics: [iops]",
      ].join("\n"),
    );
    const random = new SeededRandom(known.seed);
    const machine = new Machine(random.fork("machine"), known.facts);
    const total = slowdowns.length * repeat;
    let done = 0;
    const runs: SweptRun[][] = slowdowns.map(() => []);
    const perform = async (run: RunRequest): Promise<PerformedRun> => {
      const at = Number(/^p(\d+)-/.exec(run.settings.label)?.[1]);
      const target = machine.device(slowdowns[at] ?? 1, done / (total - 1));
      done += 1;
      const performed = await sound(performRun({ ...run, settings: { ...run.settings, target } }));
      (runs[at] ?? []).push(performed);
      return performed;
    };
    const result = await runSweep({
      spec: readSweep(file),
      directory: join(root, "out"),
      resume: false,
      seed: random.fork("order").below(2 ** 31),
      overrides: [],
      sections: [],
      budgetSeconds: null,
      settings: { ...settings(root), target: "null:?service=4ms" },
      variables: {},
      environment: hostEnvironment(),
      events: quiet,
      perform,
    });
    if (result.failure !== null) {
      throw result.failure;
    }
    return use({ record: result.record, directory: result.directory, runs });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Runs of one configuration after each other on a machine that varies: what each measured. */
export async function runsOf<T>(
  count: number,
  facts: MachineFacts,
  from: number,
  use: (runs: readonly SweptRun[]) => T,
): Promise<T> {
  const root = place();
  try {
    const machine = new Machine(new SeededRandom(from), facts);
    const one = (at: number): Promise<PerformedRun> => {
      const target = machine.device(1, at / Math.max(1, count - 1));
      const text = jobLines.join("\n");
      return sound(
        performRun({
          parsed: parseJobs([{ kind: "file", name: "truth", text }], hostEnvironment(), {
            sections: [],
            target,
          }),
          directory: join(root, String(at)),
          settings: { ...settings(root), label: String(at), target },
          events: quiet,
        }),
      );
    };
    const runs: SweptRun[] = [];
    for (let at = 0; at < count; at += 1) {
      runs.push(await one(at));
    }
    return use(runs);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** How many of `trials` at a chance of 5% are few and many enough to be believed at 99%. */
export function bounds(trials: number, chance = 0.05): readonly [number, number] {
  if (chance > 0.5) {
    // Counted from the side where the terms are not too small for a double.
    const [low, high] = bounds(trials, 1 - chance);
    return [trials - high, trials - low];
  }
  let term = Math.exp(trials * Math.log1p(-chance));
  let below = 0;
  let low = -1;
  for (let count = 0; count <= trials; count += 1) {
    below += term;
    if (low < 0 && below > 0.005) {
      low = count;
    }
    if (below >= 0.995) {
      return [low, count];
    }
    term *= ((trials - count) / (count + 1)) * (chance / (1 - chance));
  }
  return [Math.max(0, low), trials];
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

/** Says what was found where everybody who runs the tests sees it. */
export function say(...lines: readonly string[]): void {
  process.stderr.write(`${lines.map((line) => `truth: ${line}\n`).join("")}`);
}

export const iopsOf = ({ record }: SweptRun): number => metric(record, "iops") ?? 0;

/** Standard deviation of the logarithms of figures around their mean. */
export function variationOf(figures: readonly number[]): number {
  const logs = figures.map(Math.log);
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  const squares = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0);
  return Math.sqrt(squares / (logs.length - 1));
}

/** What the runs of one point are, as a side of a comparison; of one sweep they are pairs. */
export function sideOf(name: string, runs: readonly SweptRun[], sweep: string | null): Side {
  return { name, runs: runs.map(({ directory: path, record }) => ({ path, record })), sweep };
}

/** What `osdyno compare --metric iops` says of two sides. */
export function verdictOf(base: Side, candidate: Side, minEffect: number): MetricComparison {
  const rules = { confidence: 0.95, minEffect };
  const [found] = compareSides(base, candidate, ["iops"], rules).comparisons;
  if (found === undefined) {
    throw new Error("nothing was compared");
  }
  return found;
}

export const called = ({ verdict }: { readonly verdict: string }): boolean =>
  verdict === "better" || verdict === "worse";
