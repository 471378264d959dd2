/** The results on disk: `osdyno results ls|show|rm`. */
import { existsSync, lstatSync, readdirSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join, resolve, sep } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import { fileExists, readText } from "./files.ts";
import { metric } from "./metrics.ts";
import { type ResultsKind, repeatsOf, resultsKind } from "./ownership.ts";
import { runsRoot } from "./run-directory.ts";
import type { RunRecord } from "./run-record.ts";
import { readRun } from "./run-schema.ts";
import type { SweepRecord } from "./sweep-record.ts";

/** A line of `results ls`. Figures are null where a directory holds several runs. */
export interface ResultsEntry {
  readonly name: string;
  readonly path: string;
  readonly kind: ResultsKind;
  /** `unreadable`: ours by its schema, but damaged or of another version. */
  readonly state: "complete" | "partial" | "unreadable";
  readonly started: string;
  readonly label: string;
  /** Complete runs; 1 for a single run, whatever its state. */
  readonly runs: number;
  /** Runs that there are to be. */
  readonly planned: number;
  readonly iops: number | null;
  readonly responseP99Ns: number | null;
}

/**
 * Everything of ours directly under `root`, oldest first; empty when there is no such directory.
 */
export function listRuns(root: string = runsRoot): readonly ResultsEntry[] {
  const directory = resolve(root);
  if (!existsSync(directory)) {
    return [];
  }
  return readdirSync(directory)
    .map((name) => join(directory, name))
    .flatMap((path) => {
      const kind = resultsKind(path);
      return kind === null ? [] : [entryOf(path, kind)];
    })
    .sort((a, b) => a.started.localeCompare(b.started) || a.name.localeCompare(b.name));
}

function entryOf(path: string, kind: ResultsKind): ResultsEntry {
  const common = { name: basename(path), path, kind, iops: null, responseP99Ns: null };
  try {
    switch (kind) {
      case "run": {
        const record = readRun(path);
        return {
          ...common,
          state: record.state,
          started: record.started,
          label: record.label,
          runs: 1,
          planned: 1,
          iops: metric(record, "iops"),
          responseP99Ns: metric(record, "response.p99"),
        };
      }
      case "repeat":
        return { ...common, ...repeatFacts(path) };
      case "sweep":
        return { ...common, ...sweepFacts(path) };
    }
  } catch {
    return { ...common, state: "unreadable", started: "", label: "", runs: 0, planned: 0 };
  }
}

type Facts = Pick<ResultsEntry, "state" | "started" | "label" | "runs" | "planned">;

function repeatFacts(path: string): Facts {
  const records = repeatsOf(path).map((name) => readRun(join(path, name)));
  const complete = records.filter((record) => record.state === "complete").length;
  return {
    state: complete === records.length ? "complete" : "partial",
    started: records[0]?.started ?? "",
    label: records[0]?.label ?? "",
    runs: complete,
    planned: records.length,
  };
}

function sweepFacts(path: string): Facts {
  const sweep = JSON.parse(readText(join(path, "sweep.json"))) as SweepRecord;
  const runs = sweep.points.flatMap((point) => point.runs).map((run) => join(path, run));
  const first = runs.find((run) => fileExists(join(run, "run.json")));
  return {
    state: sweep.state,
    started: first === undefined ? "" : readRun(first).started,
    label: sweep.name,
    runs: runs.filter(isComplete).length,
    planned: runs.length,
  };
}

/** The run is there and complete; one that cannot be read is not. */
function isComplete(run: string): boolean {
  try {
    const text = readText(join(run, "run.json"));
    return (JSON.parse(text) as RunRecord).state === "complete";
  } catch {
    return false;
  }
}

/**
 * The directory that a person means: a path, a name under `root`, `latest`, or the beginning of
 * exactly one name or label. Throws `bad-input` when it is none or several.
 */
export function findResults(text: string, root: string = runsRoot): string {
  const direct = [resolve(text), resolve(root, text)].find((path) => resultsKind(path) !== null);
  if (direct !== undefined) {
    return direct;
  }
  const entries = listRuns(root);
  const last = entries.at(-1);
  if (text === "latest" && last !== undefined) {
    return last.path;
  }
  const matching = entries.filter((entry) => entry.name.startsWith(text) || entry.label === text);
  const [only, second] = matching;
  if (only !== undefined && second === undefined) {
    return only.path;
  }
  if (only !== undefined) {
    const names = matching.slice(0, 5).map((entry) => entry.name);
    throw new OsdynoError("bad-input", `'${text}' fits several results: ${names.join(", ")}`);
  }
  if (existsSync(text)) {
    throw new OsdynoError(
      "bad-input",
      `${text}: no osdyno results there (no run.json or sweep.json)`,
    );
  }
  throw new OsdynoError("bad-input", `no results '${text}' in ${root}; see osdyno results ls`);
}

/** The runs that a directory of results holds, in order. */
export function showRun(
  directory: string,
): readonly { readonly path: string; readonly record: RunRecord }[] {
  return runPaths(directory).map((path) => ({ path, record: readRun(path) }));
}

/**
 * Paths of the runs in a directory of results; those of a sweep that were not made yet are left
 * out.
 */
export function runPaths(directory: string): readonly string[] {
  switch (resultsKind(directory)) {
    case "run":
      return [directory];
    case "repeat":
      return repeatsOf(directory).map((name) => join(directory, name));
    case "sweep": {
      const sweep = JSON.parse(readText(join(directory, "sweep.json"))) as SweepRecord;
      return sweep.points
        .flatMap((point) => point.runs)
        .map((run) => join(directory, run))
        .filter((path) => fileExists(join(path, "run.json")));
    }
    default:
      throw new OsdynoError("bad-input", `${directory}: no osdyno results there`);
  }
}

/**
 * Removes a directory of results with all it holds; throws `unsafe` for anything that is not ours.
 */
export function removeRun(directory: string): void {
  const path = resolve(directory);
  const around = [process.cwd(), homedir()].some(
    (place) => place === path || place.startsWith(path.endsWith(sep) ? path : path + sep),
  );
  if (around) {
    throw new OsdynoError("unsafe", `${path}: not removed, it holds the working or home directory`);
  }
  if (!existsSync(path) || lstatSync(path).isSymbolicLink() || resultsKind(path) === null) {
    throw new OsdynoError(
      "unsafe",
      `${path}: not removed, it is no directory of osdyno results (no run.json or sweep.json of ours)`,
    );
  }
  rmSync(path, { recursive: true });
}
