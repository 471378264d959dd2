/**
 * Writes a run directory while the run goes on (`cli.md`, Directories). Whatever happens to the
 * process or the disk, what was measured so far stays readable and says that it is partial.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import type { PlannedJob, RunPlan } from "../workloads/plan-model.ts";
import type { IntervalRow } from "../workloads/run-outcome.ts";
import type { MachineSample } from "../workloads/runner/device-stats.ts";
import { type Append, GrowingFile, temporarySuffix } from "./growing-file.ts";
import { histogramLogHead, histogramLogLine } from "./histogram-log.ts";
import { seriesNames } from "./job-names.ts";
import { makeFolders } from "./make-folders.ts";
import { type ResultsKind, repeatsOf, resultsKind } from "./ownership.ts";
import type { RunRecord } from "./run-record.ts";
import { sealRun } from "./seal.ts";
import { seriesColumns, seriesLine } from "./series.ts";
import { writeWhole } from "./whole-file.ts";

/** Where runs go without `--out`. */
export const runsRoot = "results/runs";

/** Space kept back so that `run.json` can be written when the run itself has filled the disk. */
const reserveBytes = 1 << 20;
const reserveName = `.reserve${temporarySuffix}`;

/** fio's log files, when they are kept with the run; and what they are made of until it ends. */
export const logsName = "logs";
export const logPartsName = `${logsName}${temporarySuffix}`;

/** What this module writes; an own directory is cleared of these and of nothing else. */
const ownFiles = [
  "run.json",
  "series.csv",
  "verify.json",
  "report.html",
  "hist",
  "charts",
  logsName,
];

export interface RunWriterOptions {
  /** `--out`: this very directory. Otherwise one is made under `root`. */
  readonly out?: string;
  /** Default `results/runs` under the working directory. */
  readonly root?: string;
  readonly label: string;
  readonly startedEpochMs: number;
  readonly plan: RunPlan;
  /** For tests of a full disk. */
  readonly append?: Append;
}

/** `20261121T002630Z-randread`: sorts by time, and the label's odd characters become `_`. */
export function runDirectoryName(startedEpochMs: number, label: string): string {
  const stamp = new Date(startedEpochMs).toISOString().replace(/[-:]|\.\d+/g, "");
  const name = label.replace(/[^A-Za-z0-9_.+@%=-]/g, "_").slice(0, 80);
  return `${stamp}-${name === "" ? "run" : name}`;
}

function ioError(text: string, path: string, error: unknown): OsdynoError {
  return new OsdynoError("io", `${text} ${path}: ${reasonOf(error)}`, {}, error);
}

/** An operating system error in words, with its code. */
function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  const words: Readonly<Record<string, string>> = {
    ENOSPC: "no space left on the device",
    EDQUOT: "the disk quota is used up",
    EACCES: "permission denied",
    EROFS: "the file system is read-only",
    ENOENT: "it is gone",
    EIO: "input/output error",
  };
  if (code !== undefined) {
    return `${words[code] ?? "it failed"} (${code})`;
  }
  return error instanceof Error ? error.message : String(error);
}

/** Throws `bad-input` for a `--out` that is somebody else's or of another kind; changes nothing. */
export function checkOut(out: string, kind: ResultsKind): void {
  const directory = resolve(out);
  if (!existsSync(directory)) {
    return;
  }
  if (!statSync(directory).isDirectory()) {
    throw new OsdynoError("bad-input", `--out ${out}: it is a file, not a directory`);
  }
  if (readdirSync(directory).length > 0 && resultsKind(directory) !== kind) {
    throw new OsdynoError(
      "bad-input",
      `--out ${out}: the directory is not empty and holds no osdyno ${kind}; name another one`,
    );
  }
}

/** Clears a directory of repeats of earlier runs. */
export function clearRepeats(directory: string): void {
  for (const name of repeatsOf(directory)) {
    clearOwn(join(directory, name));
    removeEmpty(join(directory, name));
  }
  if (existsSync(directory)) {
    clearOwn(directory);
  }
}

function removeEmpty(directory: string): void {
  if (readdirSync(directory).length === 0) {
    rmdirSync(directory);
  }
}

/** A directory of results, and the outermost one that had to be made for it. */
interface Made {
  readonly directory: string;
  readonly outermost: string | null;
}

/**
 * Makes the directory, or clears an own one; throws `bad-input` for one that is somebody else's.
 */
function prepareDirectory(options: RunWriterOptions): Made {
  if (options.out === undefined) {
    return freshDirectory(
      resolve(options.root ?? runsRoot),
      runDirectoryName(options.startedEpochMs, options.label),
    );
  }
  const directory = resolve(options.out);
  checkOut(options.out, "run");
  if (existsSync(directory)) {
    clearOwn(directory);
  }
  return { directory, outermost: makeFolders(directory) ?? null };
}

/** Removes what this module and the report write, and no file of anybody else. */
function clearOwn(directory: string): void {
  for (const name of readdirSync(directory)) {
    const partOfWrite = name.endsWith(temporarySuffix) && ownFiles.includes(finalName(name));
    if (ownFiles.includes(name) || partOfWrite || name === reserveName) {
      rmSync(join(directory, name), { recursive: true });
    }
  }
}

const finalName = (name: string) => name.slice(0, -temporarySuffix.length);

/** A directory that no other run uses, even if two start within the same second. */
function freshDirectory(root: string, name: string): Made {
  const outermost = makeFolders(root) ?? null;
  for (let attempt = 1; ; attempt += 1) {
    const directory = join(root, attempt === 1 ? name : `${name}-${attempt}`);
    try {
      mkdirSync(directory);
      return { directory, outermost: outermost ?? directory };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
        throw error;
      }
    }
  }
}

export class RunWriter {
  /** Absolute path. */
  readonly directory: string;
  private readonly names: ReadonlyMap<number, string>;
  private readonly startedEpochMs: number;
  private readonly append: Append | undefined;
  private readonly files = new Map<string, GrowingFile>();
  private failure: string | null = null;

  /** The outermost directory that was made for this one; null when it was there. */
  private readonly outermost: string | null;

  private constructor(made: Made, options: RunWriterOptions) {
    this.directory = made.directory;
    this.outermost = made.outermost;
    this.names = seriesNames(options.plan);
    this.startedEpochMs = options.startedEpochMs;
    this.append = options.append;
  }

  /** Makes the directory; throws `bad-input` (it is not ours) or `io` (it cannot be written). */
  static create(options: RunWriterOptions): RunWriter {
    const shown = options.out ?? options.root ?? runsRoot;
    let writer: RunWriter | undefined;
    try {
      writer = new RunWriter(prepareDirectory(options), options);
      writeFileSync(join(writer.directory, reserveName), Buffer.alloc(reserveBytes, 0x6f));
      mkdirSync(join(writer.directory, "hist"));
      writer.open("series.csv", () => `${seriesColumns.join(",")}\n`);
      return writer;
    } catch (error) {
      writer?.discard();
      throw error instanceof OsdynoError ? error : ioError("cannot write results to", shown, error);
    }
  }

  /** Why results are missing, in one line; null while all were written. */
  get problem(): string | null {
    return this.failure;
  }

  /**
   * Writes a first `run.json` that says the run has not ended, so that a crash leaves a directory
   * that is ours and readable. `record` is of a run without results.
   */
  begin(record: RunRecord): void {
    this.guarded("run.json", () => {
      const reason = "the run was killed before it ended";
      this.writeRecord({ ...record, state: "partial", reason });
    });
  }

  /** Takes one interval. Cheap; written with the next `flush`. */
  interval(job: PlannedJob, row: IntervalRow, machine: MachineSample | null): void {
    if (this.failure !== null) {
      return;
    }
    const name = this.names.get(job.index) ?? job.resolved.name;
    this.guarded("hist", () => {
      this.open("series.csv", () => "").line(seriesLine(name, row, machine));
      for (const [kind, hdr] of [
        ["service", row.serviceHdr],
        ["wait", row.waitHdr],
        ["response", row.responseHdr],
      ] as const) {
        const path = join("hist", `${name}.${row.direction}.${kind}.hlog`);
        this.open(path, () => histogramLogHead(this.startedEpochMs)).line(
          histogramLogLine({ ...row, hdr }),
        );
      }
    });
  }

  /** Writes what was taken since the last time; call it about once a second. */
  flush(): void {
    for (const [path, file] of this.files) {
      if (this.failure === null) {
        this.guarded(path, () => file.flush());
      }
    }
  }

  /**
   * Gives every file its name, writes `run.json` and `verify.json`. Answers the record as written:
   * a run whose results could not all be written is partial and says why.
   */
  finish(record: RunRecord): RunRecord {
    this.flush();
    this.releaseReserve();
    for (const [path, file] of this.files) {
      this.guarded(path, () => file.close());
    }
    this.files.clear();
    const final = this.withFailure(record);
    this.guarded("run.json", () => this.writeRecord(final));
    this.guarded("verify.json", () => sealRun(this.directory));
    return this.withFailure(record);
  }

  private withFailure(record: RunRecord): RunRecord {
    const { failure } = this;
    if (failure === null || record.reason?.includes(failure) === true) {
      return record;
    }
    const reason = record.reason === undefined ? failure : `${record.reason}; ${failure}`;
    return { ...record, state: "partial", reason };
  }

  private writeRecord(record: RunRecord): void {
    writeWhole(join(this.directory, "run.json"), `${JSON.stringify(record, null, 2)}\n`);
  }

  private open(path: string, head: () => string): GrowingFile {
    let file = this.files.get(path);
    if (file === undefined) {
      file = new GrowingFile(join(this.directory, path), head(), this.append);
      this.files.set(path, file);
    }
    return file;
  }

  /** Runs a step; the first failure is kept as the one line, and space is made for `run.json`. */
  private guarded(path: string, step: () => void): void {
    try {
      step();
    } catch (error) {
      const problem = `results are incomplete: cannot write ${join(this.directory, path)}: ${reasonOf(error)}`;
      this.failure ??= problem;
      this.releaseReserve();
    }
  }

  private releaseReserve(): void {
    rmSync(join(this.directory, reserveName), { force: true });
  }

  /**
   * Takes back what was written, for a run that ended before anything was measured; the directories
   * that were made for it too, unless somebody else keeps something in them.
   */
  discard(): void {
    this.files.clear();
    clearOwn(this.directory);
    let directory = this.outermost === null ? null : this.directory;
    while (directory !== null && readdirSync(directory).length === 0) {
      rmdirSync(directory);
      directory = directory === this.outermost ? null : dirname(directory);
    }
  }
}
