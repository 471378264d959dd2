/** One run of one side of a calibration, as a child process: figures from its own JSON, CPU from outside. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { OsdynoError } from "../../engine/base/error.ts";
import { treeCpuNs } from "./process-cpu.ts";

export type SideName = "fio" | "osdyno" | "osdyno engine path";

export interface SideFigures {
  readonly iops: number;
  /** CPU of the whole process per I/O, microseconds; null when the run is too short to sample. */
  readonly cpuUs: number | null;
  /** Percentiles of completion and total latency, ns; null where nothing was measured. */
  readonly clatP50: number | null;
  readonly clatP99: number | null;
  readonly latP50: number | null;
  readonly latP99: number | null;
  readonly latMean: number | null;
}

const command = fileURLToPath(new URL("../../cli/osdyno.mjs", import.meta.url));
/** CPU is sampled from here to there, ms after the start: both sides have started, none has ended. */
const windowMs = { from: 1300, to: 3600 } as const;
/** Run time to ask for so that the window lies within the measured part of either side. */
export const sideSeconds = 4;

interface FioDirection {
  readonly total_ios: number;
  readonly iops: number;
  readonly clat_ns: { readonly percentile?: Record<string, number> };
  readonly lat_ns: { readonly mean: number; readonly percentile?: Record<string, number> };
}

interface FioDocument {
  readonly jobs: readonly { readonly read: FioDirection; readonly write: FioDirection }[];
}

function figuresOf(document: FioDocument, cpuShare: number | null): SideFigures {
  const job = document.jobs[0];
  if (job === undefined) {
    throw new OsdynoError("io", "calibration: a run reported no job");
  }
  const main = job.read.total_ios >= job.write.total_ios ? job.read : job.write;
  const iops = document.jobs.reduce((sum, each) => sum + each.read.iops + each.write.iops, 0);
  const pick = (from: Record<string, number> | undefined, key: string) => from?.[key] ?? null;
  return {
    iops,
    cpuUs: cpuShare === null ? null : (cpuShare * 1e6) / iops,
    clatP50: pick(main.clat_ns.percentile, "50.000000"),
    clatP99: pick(main.clat_ns.percentile, "99.000000"),
    latP50: pick(main.lat_ns.percentile, "50.000000"),
    latP99: pick(main.lat_ns.percentile, "99.000000"),
    latMean: main.lat_ns.mean,
  };
}

function commandOf(side: SideName, args: readonly string[], folder: string): string[] {
  const output = `--output=${join(folder, "out.json")}`;
  if (side === "fio") {
    return ["fio", "--output-format=json", output, ...args];
  }
  return [
    process.execPath,
    command,
    "run",
    ...args,
    "--output-format=json",
    output,
    `--out=${join(folder, "run")}`,
    `--path=${side === "osdyno" ? "native" : "engine"}`,
    "--no-progress",
    "--no-report",
  ];
}

/** Runs one side once with fio-style arguments. Throws `io` with the child's own words if it fails. */
export async function runSide(
  side: SideName,
  args: readonly string[],
  signal: AbortSignal,
): Promise<SideFigures> {
  const folder = mkdtempSync(join(tmpdir(), "osdyno-calibrate-"));
  try {
    const [program, ...rest] = commandOf(side, args, folder);
    const child = spawn(program ?? "", rest, { stdio: ["ignore", "ignore", "pipe"] });
    const stop = () => child.kill("SIGINT");
    signal.addEventListener("abort", stop);
    let words = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      words += text;
    });
    const samples: { atNs: bigint; cpuNs: number }[] = [];
    const sample = () => {
      if (child.pid !== undefined && child.exitCode === null) {
        samples.push({ atNs: process.hrtime.bigint(), cpuNs: treeCpuNs(child.pid) });
      }
    };
    const timers = [setTimeout(sample, windowMs.from), setTimeout(sample, windowMs.to)];
    const code = await new Promise<number | null>((done, fail) => {
      child.on("error", fail);
      child.on("close", done);
    });
    timers.forEach(clearTimeout);
    signal.removeEventListener("abort", stop);
    if (signal.aborted) {
      throw new OsdynoError("interrupted", "calibration stopped");
    }
    if (code !== 0) {
      throw new OsdynoError("io", `${side} ended with ${code}: ${words.trim().split("\n").at(-1)}`);
    }
    const [first, last] = samples;
    const share =
      first === undefined || last === undefined || last.cpuNs <= first.cpuNs
        ? null
        : (last.cpuNs - first.cpuNs) / Number(last.atNs - first.atNs);
    return figuresOf(JSON.parse(readFileSync(join(folder, "out.json"), "utf8")), share);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
