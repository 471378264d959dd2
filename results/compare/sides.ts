/** The two sides of a comparison: which runs each is made of. */
import { join, resolve } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { fileExists, readText } from "../files.ts";
import type { RunRecord } from "../run-record.ts";
import { readRun } from "../run-schema.ts";
import { findResults, runPaths } from "../store.ts";
import type { SweepRecord } from "../sweep-record.ts";

/** One run of a side. */
export interface SideRun {
  readonly path: string;
  readonly record: RunRecord;
}

export interface Side {
  /** As the user wrote it. */
  readonly name: string;
  readonly runs: readonly SideRun[];
  /** Runs of two sides at one place are of one block: of one sweep, or none. */
  readonly sweep: string | null;
  /** How often a run was named that is there already: each counts once. */
  readonly repeated?: number;
}

/** What one argument names: a run, a directory of repeats, or `SWEEPDIR#POINT`. Throws `bad-input`. */
function pathsOf(text: string, root: string): { paths: readonly string[]; sweep: string | null } {
  const hash = text.lastIndexOf("#");
  if (hash < 0 || fileExists(text)) {
    const directory = findResults(text, root);
    if (fileExists(join(directory, "sweep.json"))) {
      throw new OsdynoError(
        "bad-input",
        `${text} is a sweep; name one of its points: ${text}#POINT (${pointsOf(directory).slice(0, 4).join(", ")})`,
      );
    }
    return { paths: runPaths(directory), sweep: null };
  }
  const directory = findResults(text.slice(0, hash), root);
  const wanted = text.slice(hash + 1);
  const file = join(directory, "sweep.json");
  if (!fileExists(file)) {
    throw new OsdynoError("bad-input", `${text}: ${directory} is no sweep`);
  }
  const sweep = JSON.parse(readText(file)) as SweepRecord;
  const point = sweep.points.find(({ id }) => id === wanted);
  if (point === undefined) {
    throw new OsdynoError(
      "bad-input",
      `${text}: no point ${wanted}; there are: ${pointsOf(directory).join(", ")}`,
    );
  }
  return { paths: point.runs.map((run) => join(directory, run)), sweep: directory };
}

function pointsOf(directory: string): string[] {
  const sweep = JSON.parse(readText(join(directory, "sweep.json"))) as SweepRecord;
  return sweep.points.map(({ id }) => id);
}

/** Reads a side. Runs that are not there yet are left out; one that cannot be read throws. */
export function readSide(texts: readonly string[], root: string): Side {
  const found = texts.map((text) => pathsOf(text, root));
  const named = found
    .flatMap(({ paths }) => paths)
    .filter((path) => fileExists(join(path, "run.json")));
  // A run is one replicate, however often it is named.
  const once = [...new Map(named.map((path) => [resolve(path), path])).values()];
  const runs = once.map((path) => ({ path, record: readRun(path) }));
  if (runs.length === 0) {
    throw new OsdynoError("bad-input", `${texts.join(" ")}: no run is there to be compared`);
  }
  const [first] = found;
  const sweep = found.length === 1 ? (first?.sweep ?? null) : null;
  return { name: texts.join(" "), runs, sweep, repeated: named.length - once.length };
}
