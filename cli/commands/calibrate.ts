/** `osdyno calibrate`: fio and osdyno on the same job, alternating; and runs with a known answer. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Table from "cli-table3";
import { Command } from "commander";
import { OsdynoError } from "../../engine/base/error.ts";
import {
  type CaseResult,
  fileCase,
  type LatencyJudgement,
  runCase,
  standardCases,
} from "../../results/calibrate/suite.ts";
import {
  poissonRates,
  poissonTruth,
  stallTruth,
  type TruthResult,
} from "../../results/calibrate/truth.ts";
import type { MedianInterval } from "../../results/statistics.ts";
import { writeScratchFile } from "../../workloads/runner/layout.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress, type Progress } from "../progress.ts";

interface CalibrateFlags {
  readonly noise?: true;
  readonly repeat: string;
  readonly out?: string;
  readonly json?: true;
  readonly only?: string;
}

const scratchBytes = 1 << 30;

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
      `${result.expected} ${result.unit}`,
      `${result.found.toFixed(2)} ${result.unit}`,
      `${((result.found / result.expected - 1) * 100).toFixed(2)}%`,
      `${(result.tolerance * 100).toFixed(1)}%`,
      result.holds ? "holds" : "WRONG",
    ]);
  }
  return table.toString();
}

async function truths(progress: Progress, signal: AbortSignal): Promise<TruthResult[]> {
  progress.begin("known truth: a 1-s stall");
  const results = await stallTruth(signal);
  for (const rate of poissonRates) {
    progress.begin(`known truth: Poisson arrivals at ${rate} a second`);
    results.push(await poissonTruth(rate, signal));
  }
  return results;
}

async function calibrate(jobFile: string | undefined, flags: CalibrateFlags): Promise<number> {
  if (spawnSync("fio", ["--version"], { stdio: "ignore" }).status !== 0 && flags.noise !== true) {
    throw new OsdynoError(
      "unavailable",
      "calibrate compares with fio, which is not here; apt install fio",
    );
  }
  const repeat = Number(flags.repeat);
  if (!Number.isInteger(repeat) || repeat < 1) {
    throw new OsdynoError(
      "bad-input",
      `--repeat ${flags.repeat}: give a whole number of pairs, 8 or more`,
    );
  }
  const interrupts = watchInterrupts();
  const progress = makeProgress(true);
  const scratch = process.env["OSDYNO_SCRATCH"] ?? tmpdir();
  const file = join(scratch, `osdyno-calibrate-${process.pid}.dat`);
  const results: CaseResult[] = [];
  let known: TruthResult[] = [];
  try {
    if (jobFile === undefined) {
      progress.begin(`writing ${file} (1 GiB)`);
      await writeScratchFile(file, scratchBytes, interrupts.signal);
    }
    const noise = flags.noise === true;
    const all = jobFile === undefined ? standardCases(file, noise) : [fileCase(jobFile, noise)];
    const cases = all.filter((item) => flags.only === undefined || item.name.includes(flags.only));
    for (const [place, item] of cases.entries()) {
      progress.begin(`${place + 1}/${cases.length} ${item.name}`);
      results.push(
        await runCase(item, repeat, interrupts.signal, (done) =>
          progress.update(done / repeat, `${done} of ${repeat} pairs`),
        ),
      );
    }
    if (jobFile === undefined && !noise && flags.only === undefined) {
      known = await truths(progress, interrupts.signal);
    }
  } finally {
    progress.end();
    interrupts.release();
    rmSync(file, { force: true });
  }
  const document = { schema: "osdyno-calibration-1", repeat, cases: results, truth: known };
  if (flags.out !== undefined) {
    mkdirSync(flags.out, { recursive: true });
    writeFileSync(join(flags.out, "calibration.json"), `${JSON.stringify(document, null, 2)}\n`);
  }
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  } else {
    process.stdout.write(
      `${caseTable(results)}\n${known.length > 0 ? `${truthTable(known)}\n` : ""}`,
    );
    process.stdout.write(
      `${repeat} pairs a case, order alternating; medians with 95% intervals of the pairs' ratios. ` +
        "CPU: whole process with helper threads, sampled from outside on both sides. " +
        "Latencies in us; '!' where osdyno's median lies above all of the base's repeats.\n",
    );
  }
  const reached = results.every((result) => result.reached) && known.every((truth) => truth.holds);
  return reached || flags.noise === true ? 0 : 3;
}

export function calibrateCommand(finish: (code: number) => void): Command {
  return new Command("calibrate")
    .description(
      "fio and osdyno on the same job, alternating; CPU of the whole process on both sides",
    )
    .argument("[jobfile]", "a job of your own; without it the built-in cases and the known truths")
    .option("--noise", "osdyno against itself: the noise floor of this machine")
    .option("--repeat <n>", "pairs of runs per case", "8")
    .option("--only <text>", "only the built-in cases whose name contains this")
    .option("--out <dir>", "keep calibration.json there")
    .option("--json", "print one JSON document")
    .action(async (jobFile: string | undefined, flags: CalibrateFlags) => {
      finish(await calibrate(jobFile, flags));
    });
}
