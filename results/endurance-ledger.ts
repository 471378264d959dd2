/**
 * What a sweep or a tuning may write and has written, kept in its directory: a budget that began anew with each
 * `--resume` would let a device be written as often as somebody resumes.
 */
import { join } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import { EnduranceBudget, type EnduranceChoice } from "./endurance.ts";
import { fileExists, listFolder, readText } from "./files.ts";
import { temporarySuffix } from "./growing-file.ts";
import type { RunRecord } from "./run-record.ts";
import { parseSeries } from "./series.ts";
import { writeWhole } from "./whole-file.ts";

const ledgerName = "endurance.json";
const schemaName = "osdyno-endurance-1";

interface Ledger {
  readonly schema: typeof schemaName;
  readonly rated_bytes: number | null;
  readonly rated_from: string;
  readonly most_bytes: number | null;
  /** By all commands that worked on the directory. */
  readonly written_bytes: number;
}

function readLedger(directory: string): Ledger | null {
  const file = join(directory, ledgerName);
  if (!fileExists(file)) {
    return null;
  }
  try {
    const ledger = JSON.parse(readText(file)) as Ledger;
    if (ledger.schema === schemaName && Number.isFinite(ledger.written_bytes)) {
      return ledger;
    }
  } catch {
    // Said below.
  }
  const why = "is no record of what was written; put back the one that was there";
  throw new OsdynoError("bad-input", why, { file });
}

/** Below a directory of results, those of runs. */
function runsBelow(directory: string, depth = 5): readonly string[] {
  if (fileExists(join(directory, "run.json"))) {
    return [directory];
  }
  const names = depth === 0 || !fileExists(directory) ? [] : listFolder(directory);
  return names
    .filter((name) => !name.includes("."))
    .flatMap((name) => runsBelow(join(directory, name), depth - 1));
}

/** A run that was killed tells in its series what it had written, up to its last interval. */
function killedBytes(run: string): number {
  const file = [`series.csv${temporarySuffix}`, "series.csv"]
    .map((name) => join(run, name))
    .find(fileExists);
  const last = new Map<string, number>();
  let sum = 0;
  for (const point of file === undefined ? [] : parseSeries(readText(file))) {
    const { timeMs, job, direction, bwBytes } = point;
    if (direction === "write") {
      sum += (bwBytes * (timeMs - (last.get(job) ?? 0))) / 1000;
      last.set(job, timeMs);
    }
  }
  return Math.round(sum);
}

/** What all runs there wrote; with a ledger those that it does not know of yet are added. */
function writtenBytes(directory: string, ledger: Ledger | null): number {
  let counted = ledger?.written_bytes ?? 0;
  let others = 0;
  for (const run of runsBelow(directory)) {
    const record = JSON.parse(readText(join(run, "run.json"))) as RunRecord;
    const { endurance, totals } = record.osdyno;
    if (record.state === "partial" && record.jobs.length === 0) {
      others += killedBytes(run);
    } else if (ledger === null) {
      others += totals.write?.bytes ?? 0;
    } else {
      counted = Math.max(counted, endurance?.command_written_bytes ?? 0);
    }
  }
  return counted + others;
}

/**
 * The budget of a command that measures into `directory`, which keeps it there; null when neither this command
 * nor an earlier one has any. What is not given anew is as the earlier command had it. Creates nothing itself.
 */
export function enduranceIn(
  directory: string,
  resume: boolean,
  given: EnduranceChoice | null,
): EnduranceBudget | null {
  const ledger = resume ? readLedger(directory) : null;
  if (given === null && ledger === null) {
    return null;
  }
  const rated = given?.ratedBytes ?? null;
  const choice: EnduranceChoice = {
    ratedBytes: rated ?? ledger?.rated_bytes ?? null,
    ratedFrom: rated === null ? (ledger?.rated_from ?? "") : (given?.ratedFrom ?? ""),
    mostBytes: given?.mostBytes ?? ledger?.most_bytes ?? null,
  };
  return new EnduranceBudget(choice, {
    writtenBytes: resume ? writtenBytes(directory, ledger) : 0,
    keep: (written) => {
      const kept: Ledger = {
        schema: schemaName,
        rated_bytes: choice.ratedBytes,
        rated_from: choice.ratedFrom,
        most_bytes: choice.mostBytes,
        written_bytes: written,
      };
      writeWhole(join(directory, ledgerName), `${JSON.stringify(kept, null, 2)}\n`);
    },
  });
}
