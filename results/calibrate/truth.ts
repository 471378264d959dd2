/** Runs with a known right answer: what the harness says must be what is. */
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { OsdynoError } from "../../engine/base/error.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import type { RunRecord } from "../run-record.ts";

export interface TruthResult {
  readonly name: string;
  /** What must be found, or with `tolerance` null the most that may be. */
  readonly expected: number;
  readonly found: number;
  readonly unit: string;
  /** Largest deviation allowed, as a share. */
  readonly tolerance: number | null;
  readonly holds: boolean;
}

const command = fileURLToPath(new URL("../../cli/osdyno.mjs", import.meta.url));
const stallJob = fileURLToPath(new URL("../../profiles/jobs/stall.fio", import.meta.url));

/** One run as a process of its own. Throws `io` with its words when it fails, `interrupted`. */
export async function recordOf(args: readonly string[], signal: AbortSignal): Promise<RunRecord> {
  const folder = mkdtempSync(join(tmpdir(), "osdyno-truth-"));
  try {
    const out = join(folder, "run");
    const child = spawn(
      process.execPath,
      [command, "run", ...args, `--out=${out}`, "--no-progress", "--no-report"],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    let words = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      words += text;
    });
    const stop = () => child.kill("SIGINT");
    signal.addEventListener("abort", stop);
    const code = await new Promise<number | null>((done, fail) => {
      child.on("error", fail);
      child.on("close", done);
    });
    signal.removeEventListener("abort", stop);
    if (signal.aborted) {
      throw new OsdynoError("interrupted", "calibration stopped");
    }
    if (code !== 0) {
      throw new OsdynoError(
        "io",
        `osdyno run ended with ${code}: ${words.trim().split("\n").at(-1)}`,
      );
    }
    return JSON.parse(readFileSync(join(out, "run.json"), "utf8")) as RunRecord;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function compare(
  name: string,
  expected: number,
  found: number,
  unit: string,
  tolerance: number,
): TruthResult {
  const holds = Math.abs(found / expected - 1) <= tolerance;
  return { name, expected, found, unit, tolerance, holds };
}

/**
 * The stall of one second in eight at 1,000 a second: operations due in the stall wait for its end, so
 * response times are spread evenly over 0 ... 1 s for 1,000 of 8,000: p99 922 ms, p99.9 993 ms, mean 63 ms.
 */
async function stallTruth(signal: AbortSignal): Promise<TruthResult[]> {
  const run = await recordOf([stallJob], signal);
  const response = run.jobs[0]?.osdyno.read?.response_ns;
  const at = (key: string) => response?.percentile[key] ?? Number.NaN;
  return [
    compare("1-s stall: response p99", 922, at("99.000000") / 1e6, "ms", 0.02),
    compare("1-s stall: response p99.9", 993, at("99.900000") / 1e6, "ms", 0.02),
    compare("1-s stall: response mean", 63, (response?.mean ?? Number.NaN) / 1e6, "ms", 0.02),
  ];
}

/** Rates asked for in the Poisson check, per second. */
const poissonRates: readonly number[] = Object.freeze([1e3, 1e4, 1e5, 3e5, 1e6]);

/**
 * Poisson arrivals on the null target come at the rate asked for. A count of n arrivals scatters by
 * 1/sqrt(n) by nature; for three deviations to stay within 0.5%, n must be 360,000: low rates run as
 * eight independent jobs (each with the rate asked for) and the mean of their rates is compared.
 */
async function poissonTruth(rate: number, signal: AbortSignal): Promise<TruthResult[]> {
  const jobs = rate <= 1e3 ? 8 : 1;
  const seconds = Math.min(60, Math.max(5, Math.ceil(400_000 / (rate * jobs))));
  const run = await recordOf(
    [
      `--name=poisson-${rate}`,
      "--target=null:",
      "--rw=randread",
      "--bs=4k",
      "--size=1g",
      "--norandommap",
      "--iodepth=64",
      `--numjobs=${jobs}`,
      "--group_reporting",
      `--rate_iops=${rate}`,
      "--rate_process=poisson",
      "--time_based",
      `--runtime=${seconds}`,
    ],
    signal,
  );
  const read = run.jobs[0]?.["read"] as { iops: number } | undefined;
  const found = (read?.iops ?? Number.NaN) / jobs;
  return [compare(`Poisson arrivals, ${rate} a second`, rate, found, "IOPS", 0.005)];
}

/** The trace of the replay check: operations, and how many a second were recorded. */
const traceOps = 1_000_000;
const traceRate = 10_000;
/** Lateness allowed at p99, us. */
const traceLateUs = 1000;

/** Poisson arrivals of reads and writes as fio records them (iolog version 3, times in us). */
function writeTrace(path: string): void {
  const random = new SeededRandom(1);
  const file = openSync(path, "w");
  try {
    writeSync(file, "fio version 3 iolog\n0 f add\n0 f open\n");
    let atUs = 0;
    for (let done = 0; done < traceOps; ) {
      const lines: string[] = [];
      for (; lines.length < 10_000 && done < traceOps; done += 1) {
        atUs += (-Math.log(1 - random.unit()) * 1e6) / traceRate;
        const kind = random.unit() < 0.3 ? "write" : "read";
        lines.push(`${Math.round(atUs)} f ${kind} ${random.below(1 << 18) * 4096} 4096\n`);
      }
      writeSync(file, lines.join(""));
    }
  } finally {
    closeSync(file);
  }
}

/** A million operations at ten times the rate at which they were recorded: all are sent, and in time. */
async function traceTruth(signal: AbortSignal): Promise<TruthResult[]> {
  const folder = mkdtempSync(join(tmpdir(), "osdyno-truth-trace-"));
  try {
    const trace = join(folder, "trace");
    writeTrace(trace);
    const run = await recordOf(
      [
        "--name=trace",
        `--read_iolog=${trace}`,
        "--target=null:",
        "--replay_time_scale=1000",
        "--ioengine=io_uring",
        "--iodepth=32",
      ],
      signal,
    );
    const sides = [run.jobs[0]?.osdyno.read, run.jobs[0]?.osdyno.write];
    const sent = sides.reduce((sum, side) => sum + (side?.wait_ns.N ?? 0), 0);
    const late = sides.map((side) => side?.wait_ns.percentile["99.000000"] ?? Number.NaN);
    const lateUs = Math.max(...late) / 1000;
    const most = { expected: traceLateUs, found: lateUs, unit: "us", tolerance: null };
    const name = "trace of 1,000,000 operations at 10x";
    return [
      compare(`${name}: sent`, traceOps, sent, "operations", 0),
      { name: `${name}: lateness p99`, ...most, holds: lateUs < traceLateUs },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A run with a known answer; belongs to the group `truth`. */
export interface TruthCase {
  readonly name: string;
  readonly run: (signal: AbortSignal) => Promise<TruthResult[]>;
}

export const truthCases: readonly TruthCase[] = Object.freeze([
  { name: "known truth: a 1-s stall", run: stallTruth },
  ...poissonRates.map((rate) => ({
    name: `known truth: Poisson arrivals at ${rate} a second`,
    run: (signal: AbortSignal) => poissonTruth(rate, signal),
  })),
  { name: "known truth: a trace of 1,000,000 operations at 10x", run: traceTruth },
]);
