/**
 * Writes fio's log files. While the run goes on, operations are spilled as they come (a copy of
 * memory, no text), so that writing logs does not compete with what is measured; they become lines
 * when the run has ended. Windows and histograms are few and become lines at once.
 */
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import type { PlannedJob } from "../workloads/plan-model.ts";
import { eachColumns, type LogBuffer, type WindowRow } from "../workloads/runner/log-plan.ts";
import {
  eachLine,
  histogramLine,
  type LineStyle,
  type LogName,
  logFileName,
  logsOf,
  windowLine,
} from "./fio-log-lines.ts";

/** Below this share of its length a window at the job's end is no sample of a rate. */
const wholeShare = 0.99;
const rowBytes = eachColumns * 8;
/** Rows that become lines at once. */
const pieceRows = 65_536;

/** One log of one job. */
interface Log {
  readonly name: LogName;
  /** Where the lines end up. */
  readonly path: string;
  /** Lines so far. */
  readonly partPath: string;
  pending: string[];
}

interface JobLogs {
  readonly style: LineStyle;
  readonly logs: readonly Log[];
  readonly spillPath: string;
  spill: number | null;
}

export interface FioLogsOptions {
  readonly jobs: readonly PlannedJob[];
  /** Relative prefixes are taken from here. */
  readonly directory: string;
  /** Only the last part of a prefix counts: all logs end up in `directory` itself. */
  readonly flat: boolean;
  /** For what is not finished; made and removed here. */
  readonly scratch: string;
}

/** Final paths of the logs of a job. */
export function logPaths(job: PlannedJob, directory: string, flat: boolean): readonly string[] {
  return logsOf(job.resolved).map(([name, prefix]) => pathOf(prefix, name, job, directory, flat));
}

function pathOf(
  prefix: string,
  name: LogName,
  job: PlannedJob,
  directory: string,
  flat: boolean,
): string {
  // fio numbers jobs over the whole run, from 1.
  const file = logFileName(prefix, name, job.index + 1, job.resolved.logs.perJob);
  return flat ? join(directory, file.split("/").at(-1) ?? file) : resolve(directory, file);
}

/**
 * Refuses log files that cannot be created, or would overwrite a file in use. Creates nothing.
 * Throws `bad-input`, `unsafe`.
 * @param used files that jobs read or write, and job files
 */
export function checkLogPaths(
  jobs: readonly PlannedJob[],
  directory: string,
  used: readonly string[],
): void {
  const taken = new Set(used.map((path) => resolve(directory, path)));
  for (const path of jobs.flatMap((job) => logPaths(job, directory, false))) {
    const folder = dirname(path);
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new OsdynoError(
        "bad-input",
        `log ${path}: there is no folder ${folder}; create it first`,
      );
    }
    if (taken.has(path)) {
      throw new OsdynoError("unsafe", `log ${path}: a job uses this file; choose another prefix`);
    }
    const found = statSync(path, { throwIfNoEntry: false });
    if (found !== undefined && !found.isFile()) {
      throw new OsdynoError("bad-input", `log ${path}: it is no file; choose another prefix`);
    }
  }
}

export class FioLogs {
  private readonly options: FioLogsOptions;
  private readonly jobs = new Map<number, JobLogs>();
  private failure: string | null = null;

  constructor(options: FioLogsOptions) {
    this.options = options;
  }

  /** Why logs are missing, in one line; null while all were written. */
  get problem(): string | null {
    return this.failure;
  }

  /** A job begins to measure at this time, ms since 1970. Its files will exist, whatever happens. */
  begin(job: PlannedJob, measuringEpochMs: number): void {
    const { logs: rules, name } = job.resolved;
    const wanted = logsOf(job.resolved);
    if (wanted.length === 0) {
      return;
    }
    const { scratch, directory, flat } = this.options;
    this.guarded(name, () => {
      mkdirSync(scratch, { recursive: true });
      this.jobs.set(job.index, {
        style: {
          rules,
          epochMs: rules.unixEpoch ? Math.floor(measuringEpochMs) : 0,
          ioPriority: job.resolved.host.ioPriority,
        },
        logs: wanted.map(([log, prefix]) => ({
          name: log,
          path: pathOf(prefix, log, job, directory, flat),
          partPath: join(scratch, `${job.index}.${log}`),
          pending: [],
        })),
        spillPath: join(scratch, `${job.index}.each`),
        spill: null,
      });
    });
  }

  /** Takes a buffer; its memory may be reused afterwards. */
  add(jobIndex: number, buffer: LogBuffer): void {
    const job = this.jobs.get(jobIndex);
    if (job === undefined || this.failure !== null) {
      return;
    }
    this.guarded(job.spillPath, () => {
      if (buffer.kind === "each") {
        const { rows } = buffer;
        job.spill ??= openSync(job.spillPath, "w+");
        writeAll(job.spill, new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength));
      } else if (buffer.kind === "windows") {
        for (const row of buffer.rows) {
          addWindow(job, row);
        }
      } else {
        const log = job.logs.find((one) => one.name === "clat_hist");
        log?.pending.push(histogramLine(buffer.row, job.style));
      }
    });
  }

  /** Writes the lines that came since the last call; about once a second. */
  flush(): void {
    for (const log of [...this.jobs.values()].flatMap((job) => job.logs)) {
      this.guarded(log.path, () => flushLog(log));
    }
  }

  /** Gives every log its name; those that share one follow each other by job. Answers the paths. */
  close(): readonly string[] {
    const paths = new Map<string, string[]>();
    for (const job of this.jobs.values()) {
      this.guarded(job.spillPath, () => writeOperations(job));
      for (const log of job.logs) {
        this.guarded(log.path, () => flushLog(log));
        paths.set(log.path, [...(paths.get(log.path) ?? []), log.partPath]);
      }
    }
    for (const [path, parts] of paths) {
      this.guarded(path, () => writeLog(path, parts));
    }
    this.jobs.clear();
    rmSync(this.options.scratch, { recursive: true, force: true });
    return [...paths.keys()];
  }

  /** Takes back what is not finished. */
  discard(): void {
    for (const job of this.jobs.values()) {
      closeSpill(job);
    }
    this.jobs.clear();
    rmSync(this.options.scratch, { recursive: true, force: true });
  }

  private guarded(path: string, step: () => void): void {
    if (this.failure !== null) {
      return;
    }
    try {
      step();
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      this.failure = `log files are incomplete: cannot write ${path} (${code})`;
    }
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(file, bytes, done);
  }
}

function addWindow(job: JobLogs, row: WindowRow): void {
  for (const log of job.logs) {
    const rate = log.name === "bw" || log.name === "iops";
    const use = rate ? (log.name as "bw" | "iops") : "lat";
    const whole = row.lengthNs >= wholeShare * row.window.lengthNs;
    // A rate over the rest of a window is none; a latency of it counts.
    if (log.name !== "clat_hist" && row.window.uses.includes(use) && (whole || !rate)) {
      log.pending.push(windowLine(log.name, row, job.style));
    }
  }
}

function flushLog(log: Log): void {
  if (log.pending.length > 0) {
    appendFileSync(log.partPath, `${log.pending.join("\n")}\n`);
    log.pending = [];
  }
}

function closeSpill(job: JobLogs): void {
  if (job.spill !== null) {
    closeSync(job.spill);
    job.spill = null;
  }
}

/** Spilled operations become lines, a few megabytes at a time. */
function writeOperations(job: JobLogs): void {
  const { spill } = job;
  if (spill === null) {
    return;
  }
  const piece = new Float64Array(pieceRows * eachColumns);
  const bytes = new Uint8Array(piece.buffer);
  for (let position = 0; ; ) {
    const length = readSync(spill, bytes, 0, bytes.length, position);
    const count = Math.floor(length / rowBytes);
    if (count === 0) {
      break;
    }
    position += count * rowBytes;
    for (const log of job.logs.filter((one) => one.name !== "clat_hist")) {
      for (let at = 0; at < count; at += 1) {
        const row = piece.subarray(at * eachColumns, (at + 1) * eachColumns);
        log.pending.push(eachLine(log.name, row, job.style));
      }
      flushLog(log);
    }
  }
  closeSpill(job);
  rmSync(job.spillPath, { force: true });
}

function writeLog(path: string, parts: readonly string[]): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.tmp`;
  const file = openSync(temporary, "w");
  try {
    for (const part of parts) {
      // A job without a line has no part.
      if (existsSync(part)) {
        copyPart(file, part);
      }
    }
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

function copyPart(file: number, partPath: string): void {
  const piece = new Uint8Array(1 << 20);
  const part = openSync(partPath, "r");
  try {
    for (;;) {
      const length = readSync(part, piece, 0, piece.length, null);
      if (length === 0) {
        return;
      }
      writeAll(file, piece.subarray(0, length));
    }
  } finally {
    closeSync(part);
  }
}
