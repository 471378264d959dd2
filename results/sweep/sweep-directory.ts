/** The directory of a sweep: its record, written whole at every step, and which of its runs are there. */
import { existsSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import type { Holds } from "../../engine/os/hold.ts";
import { readText } from "../files.ts";
import { makeFolders } from "../make-folders.ts";
import type { RunRecord } from "../run-record.ts";
import type { OwnFile, SweepRecord } from "../sweep-record.ts";
import { writeWhole } from "../whole-file.ts";
import { fileRecord } from "./file-record.ts";
import { checkGiven, type Given } from "./given.ts";
import { holdsRecord } from "./known.ts";
import type { Point } from "./points.ts";
import type { SweepSpec } from "./spec.ts";
import { looksOf } from "./stop.ts";

export const sweepSchemaName = "osdyno-sweep-1";

const recordName = "sweep.json";

export function writeRecord(directory: string, record: SweepRecord): void {
  const path = join(directory, recordName);
  try {
    writeWhole(path, `${JSON.stringify(record, null, 2)}\n`);
  } catch (error) {
    throw new OsdynoError("io", `cannot write ${path}: ${(error as Error).message}`, {}, error);
  }
}

/** Where a run is, relative to the sweep's directory; `block` from 0. */
export function runPath(point: Point, block: number): string {
  return join("points", point.id, String(block + 1));
}

/** The record of a run that is complete; null when it is missing, partial or unreadable. */
export function completeRun(directory: string, run: string): RunRecord | null {
  try {
    const record = JSON.parse(readText(join(directory, run, "run.json"))) as RunRecord;
    return record.state === "complete" ? record : null;
  } catch {
    return null;
  }
}

/** What a run that was killed left behind; it makes room for the same run anew. */
export function clearRun(directory: string, run: string): void {
  rmSync(join(directory, run), { recursive: true, force: true });
}

/** What is asked, before anything is measured. */
export interface AskedSweep {
  readonly spec: SweepSpec;
  readonly points: readonly Point[];
  readonly command: readonly string[];
  readonly given?: Given;
  readonly seed: number;
  readonly preview: boolean;
  /** Blocks that are planned or there. */
  readonly blocks: number;
}

export function openRecord(asked: AskedSweep): SweepRecord {
  const { spec, points, blocks } = asked;
  const parameters = new Map<string, string[]>();
  for (const point of points) {
    for (const [name, value] of Object.entries(point.parameters)) {
      const known = parameters.get(name) ?? [];
      parameters.set(name, known.includes(value) ? known : [...known, value]);
    }
  }
  const { baseline, pick, steps, asks } = spec;
  return {
    schema: sweepSchemaName,
    state: "partial",
    reason: "not finished",
    name: spec.name,
    question: spec.question,
    ...(spec.text === undefined ? {} : { file: fileRecord(spec.file, spec.text) }),
    ...(asked.given === undefined ? {} : { given: asked.given }),
    command: asked.command,
    seed: asked.seed,
    parameters: Object.fromEntries(parameters),
    repeat: spec.repeat,
    preview: asked.preview,
    metrics: spec.metrics,
    min_effect: spec.minEffect,
    ...(baseline === null ? {} : { baseline }),
    ...(asks === "effect" ? { asks } : {}),
    ...(steps === undefined ? {} : { steps: { along: steps, comparisons: [] } }),
    ...(pick === null ? {} : { pick }),
    ...untilOf(spec),
    ...(spec.notes.length === 0 ? {} : { notes: spec.notes }),
    points: points.map((point) => ({
      id: point.id,
      parameters: point.parameters,
      runs: Array.from({ length: blocks }, (_, block) => runPath(point, block)),
    })),
    comparisons: [],
  };
}

function untilOf(spec: SweepSpec): Pick<SweepRecord, "until" | "looks"> {
  if (spec.until === null) {
    return {};
  }
  const { within, decided, maxRepeat } = spec.until;
  return {
    until: {
      ...(within === null ? {} : { within }),
      ...(decided ? { decided } : {}),
      max_repeat: maxRepeat,
    },
    looks: looksOf(spec),
  };
}

/** What decides whether two sweeps are the same: the points, and how often each is measured. */
function shapeOf({ name, points, repeat }: SweepRecord): string {
  const shapes = points.map(({ id, parameters }) => ({ id, parameters }));
  return JSON.stringify([name, repeat, shapes]);
}

/**
 * Checks that the directory is empty, or holds the same sweep when it is to be resumed; answers what
 * stands there.
 */
export function knownSweep(
  directory: string,
  resume: boolean,
  record: SweepRecord,
): SweepRecord | null {
  if (!holdsRecord(directory, resume, recordName, "sweep")) {
    return null;
  }
  const known = JSON.parse(readText(join(directory, recordName))) as SweepRecord;
  if (shapeOf(known) !== shapeOf({ ...record, repeat: known.repeat })) {
    throw new OsdynoError(
      "bad-input",
      `--resume ${directory}: it holds another sweep (${known.name}, ${known.points.length} points); the file has changed since`,
    );
  }
  checkGiven(directory, known, record);
  if (known.repeat !== record.repeat) {
    throw new OsdynoError(
      "bad-input",
      `--resume ${directory}: it has ${known.repeat} runs of each point, and ${record.repeat} are asked for; leave --repeat as it was`,
    );
  }
  return known;
}

/** Makes the directory; answers the outermost one that had to be made. */
export function makeDirectory(directory: string): string | undefined {
  return makeFolders(directory);
}

/** What is resumed is this command's from here on. Throws `unsafe` when another one measures into it. */
export function holdResumed(directory: string, resume: boolean, holds: Holds): void {
  if (resume && existsSync(directory)) {
    holds.take(directory);
  }
}

/** The files with what tells them from others that may take their place. */
export function ownFiles(paths: readonly string[]): OwnFile[] {
  return paths.flatMap((path) => {
    try {
      const { dev, ino } = statSync(path);
      return [{ path, device: dev, inode: ino }];
    } catch {
      return [];
    }
  });
}

/** Of the files that an earlier part of the sweep made those that are still there. */
export function stillOwn(files: readonly OwnFile[]): string[] {
  const now = new Map(ownFiles(files.map((file) => file.path)).map((file) => [file.path, file]));
  return files
    .filter(({ path, device, inode }) => {
      const there = now.get(path);
      return there?.device === device && there.inode === inode;
    })
    .map((file) => file.path);
}
