/** `osdyno calibrate`: fio and osdyno on the same job, alternating; and runs with a known answer. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import Table from "cli-table3";
import { Command } from "commander";
import { OsdynoError } from "../../engine/base/error.ts";
import {
  type CalibrationCase,
  type CaseResult,
  fileCase,
  type LatencyJudgement,
  runCase,
  standardCases,
} from "../../results/calibrate/suite.ts";
import { type TruthCase, type TruthResult, truthCases } from "../../results/calibrate/truth.ts";
import { safePlan } from "../../results/perform.ts";
import type { MedianInterval } from "../../results/stats/order-statistics.ts";
import { writeWhole } from "../../results/whole-file.ts";
import { jobInputs } from "../../workloads/job/arguments.ts";
import { hostEnvironment, readJobFile } from "../../workloads/job/host-environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { writeScratchFile } from "../../workloads/runner/layout.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";
import { calibrateNoise, usualNoiseRepeats } from "./calibrate-noise.ts";

interface CalibrateFlags {
  readonly noise?: true;
  readonly repeat?: string;
  readonly out?: string;
  readonly json?: true;
  readonly only?: string;
  readonly cpus?: string;
}

const scratchBytes = 1 << 30;
const usualPairs = 8;
/** Of the built-in cases those by which the noise of a machine is known when nobody says which. */
const usualNoiseCases = /^rand(read|write) 4k io_uring depth (1|16)$/;

function interval(value: MedianInterval, digits: number): string {
  const range =
    value.low === null || value.high === null
      ? ""
      : ` [${value.low.toFixed(digits)}, ${value.high.toFixed(digits)}]`;
  return `${value.median.toFixed(digits)}${range}`;
}

function latency(value: LatencyJudgement | null): string {
  if (value === null) {
    return "";
  }
  const us = (ns: number) => (ns / 1000).toFixed(1);
  return `${us(value.ours)} (${us(value.baseLow)}-${us(value.baseHigh)})${value.within ? "" : " !"}`;
}

function caseTable(results: readonly CaseResult[]): string {
  const table = new Table({
    head: [
      "case",
      "base kIOPS",
      "osdyno kIOPS",
      "IOPS ratio",
      "CPU us/IO base",
      "osdyno",
      "CPU ratio",
      "lat p50 us (base range)",
      "lat p99",
      "clat p50",
      "clat p99",
      "goal",
    ],
    style: { head: [], border: [], compact: true },
  });
  for (const result of results) {
    const { goal } = result.case;
    table.push([
      result.case.name,
      (result.baseIops.median / 1000).toFixed(1),
      (result.oursIops.median / 1000).toFixed(1),
      interval(result.iopsRatio, 3),
      result.baseCpuUs?.toFixed(2) ?? "",
      result.oursCpuUs?.toFixed(2) ?? "",
      result.cpuRatio === null ? "" : interval(result.cpuRatio, 3),
      latency(result.latP50),
      latency(result.latP99),
      latency(result.clatP50),
      latency(result.clatP99),
      `${result.reached ? "reached" : "MISSED"} (IOPS >= ${goal.iopsRatio}${goal.cpuRatio === null ? "" : `, CPU <= ${goal.cpuRatio}`})`,
    ]);
  }
  return table.toString();
}

function truthTable(results: readonly TruthResult[]): string {
  const table = new Table({
    head: ["known truth", "expected", "found", "deviation", "allowed", ""],
    style: { head: [], border: [], compact: true },
  });
  for (const result of results) {
    table.push([
      result.name,
      `${result.tolerance === null ? "under " : ""}${result.expected} ${result.unit}`,
      `${Number(result.found.toFixed(2))} ${result.unit}`,
      result.tolerance === null
        ? ""
        : `${((result.found / result.expected - 1) * 100).toFixed(2)}%`,
      result.tolerance === null ? "" : `${(result.tolerance * 100).toFixed(1)}%`,
      result.holds ? "holds" : "WRONG",
    ]);
  }
  return table.toString();
}

function tablesOf(
  results: readonly CaseResult[],
  known: readonly TruthResult[],
  repeat: number,
): string {
  const pairs =
    `${repeat} pairs a case, order alternating; medians with 95% intervals of the pairs' ratios. ` +
    "CPU: whole process with helper threads, sampled from outside on both sides. " +
    "Latencies in us; '!' where osdyno's median lies above all of the base's repeats.";
  return [
    ...(known.length > 0 ? [truthTable(known)] : []),
    ...(results.length > 0 ? [caseTable(results), pairs] : []),
    "",
  ].join("\n");
}

/** Refuses what fio, which asks nobody, must not be given either. */
function checkJob(jobFile: string): void {
  const parsed = parseJobs(jobInputs([jobFile], readJobFile), hostEnvironment());
  const workingDirectory = process.cwd();
  safePlan({
    parsed,
    directory: null,
    settings: { target: null, path: "native", seed: null, destroy: false, workingDirectory },
  });
}

/** What was asked for. */
interface Chosen {
  readonly cases: readonly CalibrationCase[];
  readonly truths: readonly TruthCase[];
}

/** The cases that were asked for, by group or name; throws `bad-input` when there are none. */
function chosenOf(jobFile: string | undefined, file: string, flags: CalibrateFlags): Chosen {
  const noise = flags.noise === true;
  const { only, cpus } = flags;
  const all = jobFile === undefined ? standardCases(file, noise) : [fileCase(jobFile, noise)];
  const bound = cpus === undefined ? [] : [`--cpus_allowed=${cpus}`];
  const cases = all.map((item) => ({ ...item, args: [...item.args, ...bound] }));
  const truths = jobFile === undefined && !noise ? truthCases : [];
  if (only === undefined) {
    const usual = noise && jobFile === undefined;
    return {
      cases: usual ? cases.filter(({ name }) => usualNoiseCases.test(name)) : cases,
      truths,
    };
  }
  const groups = [
    ...new Set(cases.map((item) => item.group)),
    ...(truths.length > 0 ? ["truth"] : []),
  ];
  const chosen = groups.includes(only)
    ? { cases: cases.filter((item) => item.group === only), truths: only === "truth" ? truths : [] }
    : {
        cases: cases.filter((item) => item.name.includes(only)),
        truths: truths.filter((item) => item.name.includes(only)),
      };
  if (chosen.cases.length + chosen.truths.length === 0) {
    const names = [...cases, ...truths].map((item) => item.name).join("; ");
    throw new OsdynoError(
      "bad-input",
      `--only ${only}: no group is called so (${groups.join(", ")}) and no case has this in its name (${names})`,
    );
  }
  return chosen;
}

interface Calibration {
  readonly results: readonly CaseResult[];
  readonly known: readonly TruthResult[];
  /** What ended it early; the cases before it are there. */
  readonly failure: OsdynoError | null;
}

async function measure(
  { cases, truths }: Chosen,
  file: string,
  repeat: number,
): Promise<Calibration> {
  const interrupts = watchInterrupts();
  const progress = makeProgress(true);
  const results: CaseResult[] = [];
  const known: TruthResult[] = [];
  let failure: OsdynoError | null = null;
  try {
    if (cases.some((item) => item.args.includes(`--filename=${file}`))) {
      progress.begin(`writing ${file} (1 GiB)`);
      await writeScratchFile(file, scratchBytes, interrupts.signal);
    }
    for (const [place, item] of cases.entries()) {
      progress.begin(`${place + 1}/${cases.length} ${item.name}`);
      results.push(
        await runCase(item, repeat, interrupts.signal, (done) =>
          progress.update(done / repeat, `${done} of ${repeat} pairs`),
        ),
      );
    }
    for (const truth of truths) {
      progress.begin(truth.name);
      known.push(...(await truth.run(interrupts.signal)));
    }
  } catch (error) {
    if (!(error instanceof OsdynoError) || results.length + known.length === 0) {
      throw error;
    }
    failure = error;
  } finally {
    progress.end();
    interrupts.release();
    rmSync(file, { force: true });
  }
  return { results, known, failure };
}

async function calibrate(jobFile: string | undefined, flags: CalibrateFlags): Promise<number> {
  const noise = flags.noise === true;
  const repeat = Number(flags.repeat ?? (noise ? usualNoiseRepeats : usualPairs));
  if (!Number.isInteger(repeat) || repeat < 1) {
    throw new OsdynoError(
      "bad-input",
      `--repeat ${flags.repeat}: give a whole number of ${noise ? "runs" : "pairs, 8 or more"}`,
    );
  }
  if (jobFile !== undefined) {
    checkJob(jobFile);
  }
  const file = join(scratchDirectory(), `osdyno-calibrate-${process.pid}.dat`);
  const chosen = chosenOf(jobFile, file, flags);
  if (noise) {
    const { cases } = chosen;
    const { out = null, json = false } = flags;
    return await calibrateNoise({ cases, repeat, file, fileBytes: scratchBytes, out, json });
  }
  if (
    chosen.cases.length > 0 &&
    spawnSync("fio", ["--version"], { stdio: "ignore" }).status !== 0
  ) {
    throw new OsdynoError(
      "unavailable",
      "calibrate compares with fio, which is not here; apt install fio",
    );
  }
  const { results, known, failure } = await measure(chosen, file, repeat);
  const state = failure === null ? "complete" : "partial";
  const document = { schema: "osdyno-calibration-1", state, repeat, cases: results, truth: known };
  if (flags.out !== undefined) {
    mkdirSync(flags.out, { recursive: true });
    writeWhole(join(flags.out, "calibration.json"), `${JSON.stringify(document, null, 2)}\n`);
  }
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  } else {
    process.stdout.write(tablesOf(results, known, repeat));
  }
  if (failure !== null) {
    throw failure;
  }
  const reached = results.every((result) => result.reached) && known.every((truth) => truth.holds);
  return reached ? 0 : 3;
}

export function calibrateCommand(finish: (code: number) => void): Command {
  return new Command("calibrate")
    .description(
      "fio and osdyno on the same job, alternating; CPU of the whole process on both sides",
    )
    .argument("[jobfile]", "a job of your own; without it the built-in cases and the known truths")
    .option(
      "--noise",
      "only osdyno, equal runs: the noise floor of this machine, for sweep and compare (results/noise.json)",
    )
    .option(
      "--repeat <n>",
      `pairs of runs per case (default ${usualPairs}); with --noise runs (default ${usualNoiseRepeats})`,
    )
    .option(
      "--only <text>",
      "only these cases: a group (io_uring, path, null, engines, truth) or a part of their names",
    )
    .option(
      "--cpus <list>",
      "bind the jobs of both sides to these CPUs, as cpus_allowed: takes the scheduler's luck out",
    )
    .option("--out <dir>", "keep calibration.json there")
    .option("--json", "print one JSON document")
    .action(async (jobFile: string | undefined, flags: CalibrateFlags) => {
      finish(await calibrate(jobFile, flags));
    });
}
