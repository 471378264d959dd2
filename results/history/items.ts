/** What a history is made of: each run, set of repeats and point of a sweep with its figures and its time. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { median } from "simple-statistics";
import { OsdynoError } from "../../engine/base/error.ts";
import { fileExists, readText } from "../files.ts";
import { metric, metricSupported } from "../metrics.ts";
import { repeatsOf, resultsKind } from "../ownership.ts";
import type { RunRecord } from "../run-record.ts";
import { readRun } from "../run-schema.ts";
import type { SweepRecord } from "../sweep-record.ts";

/** A figure of an item: the median of its runs, with the smallest and the largest. */
export interface HistoryFigure {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface HistoryItem {
  /** Items of one line follow one another: the label, and of a sweep its name and point. */
  readonly line: string;
  /** The directory's own name. */
  readonly source: string;
  readonly started: string;
  readonly runs: number;
  readonly figures: Readonly<Record<string, HistoryFigure>>;
  readonly target: string;
  readonly job: string;
  readonly environment: Readonly<Record<string, unknown>>;
}

export interface FoundItems {
  readonly items: readonly HistoryItem[];
  /** Left out, with the reason. */
  readonly skipped: readonly { readonly path: string; readonly why: string }[];
}

/** A directory of results, or those directly below a directory that holds none itself. */
export function resultsBelow(directory: string): readonly string[] {
  if (resultsKind(directory) !== null) {
    return [directory];
  }
  if (!existsSync(directory) || !statSync(directory).isDirectory()) {
    throw new OsdynoError("bad-input", `${directory}: no such directory of results`);
  }
  return readdirSync(directory)
    .map((name) => join(directory, name))
    .filter((path) => resultsKind(path) !== null)
    .sort();
}

/** Reads all items of the directories; partial runs and what cannot be read are left out. */
export function readItems(directories: readonly string[], metrics: readonly string[]): FoundItems {
  const items: HistoryItem[] = [];
  const skipped: { path: string; why: string }[] = [];
  const read = (path: string): RunRecord | null => {
    try {
      const record = readRun(path);
      if (record.state === "complete") {
        return record;
      }
      skipped.push({ path, why: `it is partial: ${record.reason ?? "no reason is given"}` });
    } catch (error) {
      skipped.push({ path, why: error instanceof OsdynoError ? error.line : String(error) });
    }
    return null;
  };
  for (const directory of new Set(directories.flatMap(resultsBelow))) {
    for (const group of groupsOf(directory, skipped)) {
      const records = group.paths.flatMap((path) => read(path) ?? []);
      const item = itemOf(basename(directory), group.line, records, metrics);
      items.push(...(item === null ? [] : [item]));
    }
  }
  return { items, skipped };
}

interface Group {
  /** Null: the label of the runs. */
  readonly line: string | null;
  readonly paths: readonly string[];
}

function groupsOf(directory: string, skipped: { path: string; why: string }[]): readonly Group[] {
  switch (resultsKind(directory)) {
    case "run":
      return [{ line: null, paths: [directory] }];
    case "repeat":
      return [{ line: null, paths: repeatsOf(directory).map((name) => join(directory, name)) }];
    default:
  }
  try {
    const text = readText(join(directory, "sweep.json"));
    const { name, points, load_curve: curve } = JSON.parse(text) as SweepRecord;
    const there = (runs: readonly string[]) =>
      runs.map((run) => join(directory, run)).filter((path) => fileExists(join(path, "run.json")));
    if (curve !== undefined) {
      // Each rate is a configuration of its own, and each curve finds its rates anew: only what the target
      // does when nobody waits is the same question each time.
      return [{ line: `${name}, closed loop`, paths: there([curve.closed.run]) }];
    }
    return points.map(({ id, runs }) => ({ line: `${name}, ${id}`, paths: there(runs) }));
  } catch (error) {
    skipped.push({ path: directory, why: `sweep.json is not readable: ${error}` });
    return [];
  }
}

function itemOf(
  source: string,
  line: string | null,
  records: readonly RunRecord[],
  metrics: readonly string[],
): HistoryItem | null {
  const [first] = records;
  if (first === undefined) {
    return null;
  }
  const figures: Record<string, HistoryFigure> = {};
  for (const name of metrics) {
    const values = records.flatMap((record) => {
      const value = metricSupported(record, name) ? metric(record, name) : null;
      return value === null ? [] : [value];
    });
    if (values.length > 0) {
      const [low, high] = [Math.min(...values), Math.max(...values)];
      figures[name] = { value: median(values), low, high };
    }
  }
  return {
    line: line ?? (first.label || source),
    source,
    started: records.map((record) => record.started).sort()[0] ?? "",
    runs: records.length,
    figures,
    target: first.target,
    job: first.job.text,
    environment: first.environment,
  };
}
