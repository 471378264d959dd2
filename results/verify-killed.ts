/**
 * What is left of a run that was killed: files that were still growing, and no numbers made of them.
 * They can be read, and are held against each other as far as they were written.
 */
import { join } from "node:path";
import { fileExists, listFolder, readText } from "./files.ts";
import { temporarySuffix } from "./growing-file.ts";
import { readHistogramLogFile } from "./histogram-log.ts";
import type { RunRecord } from "./run-record.ts";
import { sealName } from "./seal.ts";
import { parseSeries } from "./series.ts";

export interface KilledFindings {
  readonly disagreements: readonly string[];
  readonly notes: readonly string[];
}

/** A run was killed before its files had their names, and its record has no numbers. */
export function wasKilled(directory: string, record: RunRecord): boolean {
  return (
    record.state === "partial" &&
    record.jobs.length === 0 &&
    !fileExists(join(directory, sealName)) &&
    !fileExists(join(directory, "series.csv"))
  );
}

const logName = /^(.*)\.(service|wait|response)\.hlog(\.tmp)?$/;

/** Reads everything that was kept; what cannot be read is a disagreement. */
export function checkKilled(directory: string): KilledFindings {
  const disagreements: string[] = [];
  const rows = new Map<string, number>();
  const seriesName = `series.csv${temporarySuffix}`;
  try {
    for (const point of parseSeries(readText(join(directory, seriesName)))) {
      const key = `${point.job}.${point.direction}`;
      rows.set(key, (rows.get(key) ?? 0) + 1);
    }
  } catch (error) {
    disagreements.push(`${seriesName}: not readable (${reason(error)})`);
  }
  let intervals = 0;
  let operations = 0;
  const folder = join(directory, "hist");
  for (const name of fileExists(folder) ? listFolder(folder) : []) {
    const [, key = "", kind] = logName.exec(name) ?? [];
    if (kind === undefined) {
      continue;
    }
    let count = 0;
    try {
      for (const { histogram } of readHistogramLogFile(join(folder, name))) {
        count += 1;
        operations += kind === "service" ? histogram.totalCount : 0;
      }
    } catch (error) {
      disagreements.push(`${join("hist", name)}: not readable (${reason(error)})`);
    }
    // The series is written first: a kill between the two leaves intervals in it alone.
    if (count > (rows.get(key) ?? 0)) {
      disagreements.push(
        `${join("hist", name)}: ${count} intervals, but ${seriesName} has ${rows.get(key) ?? 0}`,
      );
    }
    intervals = Math.max(intervals, count);
  }
  return {
    disagreements,
    notes: [
      `kept in files that were still growing: ${operations} operations, at most ${intervals} intervals a job; run.json has no numbers of them`,
    ],
  };
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
