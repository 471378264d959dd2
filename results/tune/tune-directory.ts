/**
 * The directory of a tuning: `tune.json`, written whole after every run, and `sweep.json` beside it, in which
 * every configuration is a point, so that whatever reads sweeps reads tunings, too.
 */
import { join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { fileExists, readText } from "../files.ts";
import { checkGiven } from "../sweep/given.ts";
import { holdsRecord } from "../sweep/known.ts";
import { sweepSchemaName } from "../sweep/sweep-directory.ts";
import type { SweepPoint, SweepRecord } from "../sweep-record.ts";
import { writeWhole } from "../whole-file.ts";
import { sideName } from "./trials.ts";
import type { TuneRecord } from "./tune-record.ts";

export const tuneSchemaName = "osdyno-tune-1";
export const recordName = "tune.json";
/** The sweep of fresh pairs is a directory of its own. */
export const confirmName = "confirm";

/** The sweep of the confirmation; null before there is one. */
export function readConfirm(directory: string): SweepRecord | null {
  const file = join(directory, confirmName, "sweep.json");
  return fileExists(file) ? (JSON.parse(readText(file)) as SweepRecord) : null;
}

/** The sweep that a tuning is to those who know sweeps only. */
export function asSweep(record: TuneRecord, confirm: SweepRecord | null): SweepRecord {
  const points: SweepPoint[] = record.trials.flatMap(({ id, parameters }) => {
    const runs = record.steps.filter(({ trial, figures }) => trial === id && figures !== null);
    return runs.length === 0 ? [] : [{ id, parameters, runs: runs.map(({ run }) => run) }];
  });
  const sides = (confirm?.points ?? []).map((point) => ({
    ...point,
    id: `${confirmName}-${point.parameters[sideName]}`,
    runs: point.runs.map((run) => join(confirmName, run)),
  }));
  const { name, question, command, seed, metrics, state, reason, host_before: host } = record;
  return {
    schema: sweepSchemaName,
    state,
    ...(reason === undefined ? {} : { reason }),
    ...(host === undefined ? {} : { host_before: host }),
    ...(record.notes === undefined ? {} : { notes: record.notes }),
    ...{ name, question, command, seed, metrics },
    parameters: Object.fromEntries(
      Object.entries(record.space).map(([parameter, { values }]) => [parameter, values]),
    ),
    repeat: 1,
    preview: false,
    points: [...points, ...sides],
    comparisons: record.comparisons.map((each) => ({
      ...each,
      base: `${confirmName}-${each.base}`,
      candidate: `${confirmName}-${each.candidate}`,
    })),
  };
}

export function writeTune(directory: string, record: TuneRecord): void {
  const sweep = asSweep(record, readConfirm(directory));
  for (const [name, content] of [
    [recordName, record],
    ["sweep.json", sweep],
  ] as const) {
    const path = join(directory, name);
    try {
      writeWhole(path, `${JSON.stringify(content, null, 2)}\n`);
    } catch (error) {
      throw new OsdynoError("io", `cannot write ${path}: ${(error as Error).message}`, {}, error);
    }
  }
}

export function readTuneRecord(directory: string): TuneRecord {
  const file = join(directory, recordName);
  let record: TuneRecord;
  try {
    record = JSON.parse(readText(file)) as TuneRecord;
  } catch (error) {
    throw new OsdynoError("bad-input", "is not readable as JSON", { file }, error);
  }
  if (record?.schema !== tuneSchemaName) {
    throw new OsdynoError("bad-input", `is no ${tuneSchemaName}`, { file });
  }
  return record;
}

/** What decides whether two tunings are the same one. */
function shapeOf({ name, method, goals, limits, space, baseline, planned }: TuneRecord): string {
  return JSON.stringify([name, method, goals, limits, space, baseline, planned.pairs]);
}

/** Checks that the directory is empty, or holds the same tuning when it is to be resumed. */
export function knownTune(
  directory: string,
  resume: boolean,
  record: TuneRecord,
): TuneRecord | null {
  if (!holdsRecord(directory, resume, recordName, "tuning")) {
    return null;
  }
  const known = readTuneRecord(directory);
  if (shapeOf(known) !== shapeOf(record)) {
    throw new OsdynoError(
      "bad-input",
      `--resume ${directory}: it holds another tuning (${known.name}); the file has changed since`,
    );
  }
  checkGiven(directory, known, record);
  return known;
}
