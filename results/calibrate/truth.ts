/** Runs with a known right answer: what the harness says must be what is. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { OsdynoError } from "../../engine/base/error.ts";
import type { RunRecord } from "../run-record.ts";

export interface TruthResult {
  readonly name: string;
  readonly expected: number;
  readonly found: number;
  readonly unit: string;
  /** Largest deviation allowed, as a share. */
  readonly tolerance: number;
  readonly holds: boolean;
}

const command = fileURLToPath(new URL("../../cli/osdyno.mjs", import.meta.url));
const stallJob = fileURLToPath(new URL("../../profiles/jobs/stall.fio", import.meta.url));

async function record(args: readonly string[], signal: AbortSignal): Promise<RunRecord> {
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
export async function stallTruth(signal: AbortSignal): Promise<TruthResult[]> {
  const run = await record([stallJob], signal);
  const response = run.jobs[0]?.osdyno.read?.response_ns;
  const at = (key: string) => response?.percentile[key] ?? Number.NaN;
  return [
    compare("1-s stall: response p99", 922, at("99.000000") / 1e6, "ms", 0.02),
    compare("1-s stall: response p99.9", 993, at("99.900000") / 1e6, "ms", 0.02),
    compare("1-s stall: response mean", 63, (response?.mean ?? Number.NaN) / 1e6, "ms", 0.02),
  ];
}

/** Rates asked for in the Poisson check, per second. */
export const poissonRates: readonly number[] = Object.freeze([1e3, 1e4, 1e5, 3e5, 1e6]);

/**
 * Poisson arrivals on the null target come at the rate asked for. A count of n arrivals scatters by
 * 1/sqrt(n) by nature; for three deviations to stay within 0.5%, n must be 360,000: low rates run as
 * eight independent jobs (each with the rate asked for) and the mean of their rates is compared.
 */
export async function poissonTruth(rate: number, signal: AbortSignal): Promise<TruthResult> {
  const jobs = rate <= 1e3 ? 8 : 1;
  const seconds = Math.min(60, Math.max(5, Math.ceil(400_000 / (rate * jobs))));
  const run = await record(
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
  return compare(`Poisson arrivals, ${rate} a second`, rate, found, "IOPS", 0.005);
}
