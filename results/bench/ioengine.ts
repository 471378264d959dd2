/**
 * The bench of the block I/O engines: the same 4 KiB random jobs through each of them, in rounds of
 * alternating order, so that what changes on the machine meanwhile hits all alike.
 */
import { closeSync, constants, openSync } from "node:fs";
import { cpus, release } from "node:os";
import { assert } from "../../engine/base/assert.ts";
import { OsdynoError } from "../../engine/base/error.ts";
import { blockEngines } from "../../engine/hot/ioengine/registry.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { planRun } from "../../workloads/planner.ts";
import type { JobOutcome } from "../../workloads/run-outcome.ts";
import { execute } from "../../workloads/runner/execute.ts";
import { decodeHistogram } from "../histogram.ts";
import type { MedianInterval } from "../stats/order-statistics.ts";
import { overRounds } from "./rounds.ts";

export interface IoEngineBenchOptions {
  /** One engine by name; `null`: all that are built in. */
  readonly only: string | null;
  readonly rounds: number;
  /** Of each measurement, ms. */
  readonly runtimeMs: number;
  readonly sizeBytes: number;
  /** A file of incompressible data, `sizeBytes` long, that may be written. */
  readonly file: string;
  /** The same on tmpfs, for `pmem`; `null`: there is none. */
  readonly memoryFile: string | null;
  readonly depths: readonly number[];
  readonly signal: AbortSignal;
  readonly onCell: (done: number, total: number, cell: string) => void;
}

/** One line of the table. */
export interface IoEngineCell {
  readonly engine: string;
  /** fio's keys that select the mode, if it is not the plain one. */
  readonly mode: string;
  readonly target: "file" | "tmpfs" | "none";
  readonly direct: boolean;
  readonly operation: "randread" | "randwrite";
  readonly depth: number;
}

export interface IoEngineFigures {
  readonly iops: MedianInterval;
  /** Of the job's thread, microseconds for each operation. */
  readonly cpuUsPerIo: MedianInterval;
  readonly serviceP50Ns: MedianInterval;
  readonly serviceP99Ns: MedianInterval;
}

export interface IoEngineRow {
  readonly cell: IoEngineCell;
  /** Null when the engine does not open here, see `reason`. */
  readonly figures: IoEngineFigures | null;
  readonly reason: string | null;
  readonly notes: readonly string[];
}

export interface IoEngineBench {
  readonly schema: "osdyno-bench-1";
  readonly hotPath: "ioengine";
  readonly rounds: number;
  readonly runtimeMs: number;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly kernel: string;
  readonly cpu: string;
  readonly rows: readonly IoEngineRow[];
}

const blockBytes = 4096;

/** Modes of an engine beside the plain one, as keys of fio. */
const modesOf: Readonly<Record<string, readonly string[]>> = {
  io_uring: ["", "fixedbufs=0 registerfiles=0", "sqthread_poll=1"],
};

/** Whether the file's file system takes direct I/O. */
function takesDirect(file: string): boolean {
  try {
    closeSync(openSync(file, constants.O_RDONLY | constants.O_DIRECT));
    return true;
  } catch {
    return false;
  }
}

function cellsOf(options: IoEngineBenchOptions): IoEngineCell[] {
  const direct = takesDirect(options.file);
  const cells: IoEngineCell[] = [];
  for (const { name, needsPath, synchronous } of blockEngines()) {
    if (options.only !== null && options.only !== name) {
      continue;
    }
    const mapped = name === "mmap" || name === "pmem";
    const onMemory = name === "pmem" && options.memoryFile !== null;
    for (const mode of modesOf[name] ?? [""]) {
      for (const operation of ["randread", "randwrite"] as const) {
        for (const depth of synchronous ? [1] : options.depths) {
          cells.push({
            engine: name,
            mode,
            target: needsPath ? (onMemory ? "tmpfs" : "file") : "none",
            direct: needsPath && !mapped && direct,
            operation,
            depth,
          });
        }
      }
    }
  }
  return cells;
}

function argumentsOf(cell: IoEngineCell, options: IoEngineBenchOptions): string[] {
  const file = cell.target === "tmpfs" ? options.memoryFile : options.file;
  return [
    "--name=bench",
    `--ioengine=${cell.engine}`,
    ...cell.mode
      .split(" ")
      .filter((key) => key !== "")
      .map((key) => `--${key}`),
    ...(cell.target === "none" || file === null
      ? []
      : [`--filename=${file.replaceAll(":", "\\:")}`]),
    `--size=${options.sizeBytes}`,
    `--rw=${cell.operation}`,
    `--bs=${blockBytes}`,
    `--iodepth=${cell.depth}`,
    `--direct=${cell.direct ? 1 : 0}`,
    "--time_based",
    `--runtime=${options.runtimeMs}ms`,
  ];
}

/** Runs one cell once. */
async function measure(cell: IoEngineCell, options: IoEngineBenchOptions): Promise<JobOutcome> {
  const parsed = parseJobs([{ kind: "args", args: argumentsOf(cell, options) }], hostEnvironment());
  const plan = planRun(parsed.jobs, { target: null, path: "native", seed: null, directory: "/" });
  const { phases } = await execute(
    plan,
    { intervalNs: 1e9, hiccups: false, signal: options.signal, watch: { check: () => null } },
    {
      phase: () => {},
      intervals: () => {},
      progress: () => {},
      log: () => {},
      shouldStop: () => [],
      standing: () => {},
    },
  );
  if (options.signal.aborted) {
    throw new OsdynoError("interrupted", "the bench was stopped");
  }
  const outcome = phases[0]?.outcome.jobs[0];
  if (outcome === undefined || outcome.error !== null) {
    throw new OsdynoError("io", outcome?.error?.message ?? "the run reported no job");
  }
  if ((outcome.read ?? outcome.write)?.ios === 0) {
    throw new OsdynoError("io", "no operation completed in the time given; raise --runtime");
  }
  return outcome;
}

function figuresOf(outcomes: readonly JobOutcome[]): IoEngineFigures {
  const each = outcomes.map(({ read, write, cpu }) => {
    const used = read ?? write;
    assert(used !== null, "a job of the bench neither reads nor writes");
    const service = decodeHistogram(used.service.hdr);
    return {
      iops: (used.ios * 1e9) / used.runtimeNs,
      cpuUs: (cpu.userNs + cpu.systemNs) / 1000 / used.ios,
      p50: service.getValueAtPercentile(50),
      p99: service.getValueAtPercentile(99),
    };
  });
  return {
    iops: overRounds(each.map(({ iops }) => iops)),
    cpuUsPerIo: overRounds(each.map(({ cpuUs }) => cpuUs)),
    serviceP50Ns: overRounds(each.map(({ p50 }) => p50)),
    serviceP99Ns: overRounds(each.map(({ p99 }) => p99)),
  };
}

/** Measures every cell in every round; an engine that does not open here is a row that says why. */
export async function benchIoEngines(options: IoEngineBenchOptions): Promise<IoEngineBench> {
  const cells = cellsOf(options);
  const outcomes = new Map<IoEngineCell, JobOutcome[]>(cells.map((cell) => [cell, []]));
  const reasons = new Map<IoEngineCell, string>();
  const total = cells.length * options.rounds;
  let done = 0;
  for (let round = 0; round < options.rounds; round += 1) {
    for (const cell of round % 2 === 0 ? cells : cells.toReversed()) {
      options.onCell(done, total, `${cell.engine} ${cell.operation} depth ${cell.depth}`);
      done += 1;
      if (reasons.has(cell)) {
        continue;
      }
      try {
        outcomes.get(cell)?.push(await measure(cell, options));
      } catch (error) {
        if (error instanceof OsdynoError && error.code === "interrupted") {
          throw error;
        }
        reasons.set(cell, error instanceof Error ? error.message : String(error));
      }
    }
  }
  const rows = cells.map((cell): IoEngineRow => {
    const measured = outcomes.get(cell) ?? [];
    const reason = reasons.get(cell) ?? null;
    return {
      cell,
      figures: reason === null ? figuresOf(measured) : null,
      reason,
      notes: [...new Set(measured.flatMap(({ notes }) => notes))],
    };
  });
  return {
    schema: "osdyno-bench-1",
    hotPath: "ioengine",
    rounds: options.rounds,
    runtimeMs: options.runtimeMs,
    sizeBytes: options.sizeBytes,
    blockBytes,
    kernel: release(),
    cpu: cpus()[0]?.model ?? "unknown",
    rows,
  };
}
