/** Reads one run directory: run.json, the histogram logs and series.csv. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Histogram } from "hdr-histogram-js";
import { build, decodeFromCompressedBase64 } from "hdr-histogram-js";
import { OsdynoError } from "../../engine/base/error.ts";
import type { Direction, TimeKind } from "../../workloads/run-outcome.ts";
import type { RunRecord } from "../run-record.ts";

export const directions: readonly Direction[] = ["read", "write", "trim"];

/** A line of series.csv; null where the file leaves a field empty. */
export interface SeriesRow {
  readonly ms: number;
  readonly job: string;
  readonly direction: string;
  readonly iops: number;
  readonly bw: number;
  readonly p50: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

export interface RunFiles {
  readonly record: RunRecord;
  readonly series: readonly SeriesRow[];
  /** Names of files that the contract promises and that are absent or unreadable. */
  readonly missing: readonly string[];
  /** The merged histogram of the jobs whose name `wanted` accepts; null when no log has any sample. */
  histogram(
    wanted: (job: string) => boolean,
    direction: Direction,
    kind: TimeKind,
  ): Histogram | null;
}

/** Reads a JSON file. @throws OsdynoError `bad-input` when it is absent or not JSON. */
export function readJson(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new OsdynoError("bad-input", "cannot be read; give a results directory", { file }, error);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new OsdynoError("bad-input", "is not JSON; the run may be damaged", { file }, error);
  }
}

/** Reads a run directory. @throws OsdynoError `bad-input` when run.json is unusable. */
export function readRun(dir: string): RunFiles {
  const file = join(dir, "run.json");
  const record = readJson(file) as RunRecord;
  if (typeof record !== "object" || record === null || !Array.isArray(record.jobs)) {
    throw new OsdynoError("bad-input", "has no `jobs`; it is not a run.json of osdyno", { file });
  }
  const missing: string[] = [];
  const logs = listLogs(join(dir, "hist"), missing);
  return {
    record,
    series: readSeries(join(dir, "series.csv"), missing),
    missing,
    histogram: (wanted, direction, kind) => {
      const chosen = logs.filter(
        (log) => log.direction === direction && log.kind === kind && wanted(log.job),
      );
      return mergeLogs(chosen.map((log) => log.file));
    },
  };
}

interface LogName {
  readonly file: string;
  readonly job: string;
  readonly direction: string;
  readonly kind: string;
}

function listLogs(dir: string, missing: string[]): readonly LogName[] {
  if (!existsSync(dir)) {
    missing.push("hist/");
    return [];
  }
  const logs: LogName[] = [];
  for (const name of readdirSync(dir).sort()) {
    const match = /^(.*)\.(read|write|trim)\.(service|wait|response)\.hlog$/.exec(name);
    if (match !== null) {
      const [, job = "", direction = "", kind = ""] = match;
      logs.push({ file: join(dir, name), job, direction, kind });
    }
  }
  return logs;
}

/** Adds up the intervals of histogram logs; intervals tagged as warm-up are left out. */
function mergeLogs(files: readonly string[]): Histogram | null {
  let sum: Histogram | null = null;
  for (const file of files) {
    for (const line of readFileSync(file, "utf8").split("\n")) {
      const encoded = intervalOf(line);
      if (encoded === null) {
        continue;
      }
      const one = decodeFromCompressedBase64(encoded, 64) as unknown as Histogram;
      if (sum === null) {
        sum = emptyHistogram();
      }
      sum.add(one);
    }
  }
  return sum === null || sum.totalCount === 0 ? null : sum;
}

/** The encoded histogram of a log's line; null for comments, the legend and warm-up. */
function intervalOf(line: string): string | null {
  if (line === "" || line.startsWith("#") || line.startsWith('"')) {
    return null;
  }
  const fields = line.split(",");
  if (/^Tag=warm-?up$/i.test(fields[0] ?? "")) {
    return null;
  }
  const encoded = (fields.at(-1) ?? "").trim();
  return encoded === "" ? null : encoded;
}

/** An empty histogram of the project's range: 1 ns to 1 h, 3 digits. */
export function emptyHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 3_600_000_000_000,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 64,
  }) as unknown as Histogram;
}

function readSeries(file: string, missing: string[]): readonly SeriesRow[] {
  if (!existsSync(file)) {
    missing.push("series.csv");
    return [];
  }
  const [head, ...lines] = readFileSync(file, "utf8").split("\n");
  const columns = (head ?? "").split(",");
  const at = (name: string) => columns.indexOf(name);
  const [ms, job, direction, iops, bw] = ["time_ms", "job", "direction", "iops", "bw_bytes"].map(
    at,
  );
  const [p50, p99, max] = ["response_p50_ns", "response_p99_ns", "response_max_ns"].map(at);
  const rows: SeriesRow[] = [];
  for (const line of lines) {
    const cells = splitCsv(line);
    const number = (index: number | undefined): number | null => {
      const text = cells[index ?? -1];
      return text === undefined || text === "" || !Number.isFinite(Number(text))
        ? null
        : Number(text);
    };
    const time = number(ms);
    if (time === null) {
      continue; // The last line of an interrupted run may be cut.
    }
    const busy = (number(iops) ?? 0) > 0;
    rows.push({
      ms: time,
      job: cells[job ?? -1] ?? "",
      direction: cells[direction ?? -1] ?? "",
      iops: number(iops) ?? 0,
      bw: number(bw) ?? 0,
      p50: busy ? number(p50) : null,
      p99: busy ? number(p99) : null,
      max: busy ? number(max) : null,
    });
  }
  return rows;
}

/** One CSV line; job names with commas or quotes are quoted as in RFC 4180. */
function splitCsv(line: string): readonly string[] {
  if (!line.includes('"')) {
    return line.split(",");
  }
  const cells: string[] = [];
  for (const match of line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
    cells.push(match[1] === undefined ? (match[2] ?? "") : match[1].replaceAll('""', '"'));
  }
  return cells;
}
