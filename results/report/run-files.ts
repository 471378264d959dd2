/** Reads one run directory: run.json, the histogram logs and series.csv. */
import { join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import type { Direction, TimeKind } from "../../workloads/run-outcome.ts";
import { fileExists, listFolder, readText } from "../files.ts";
import { emptyHistogram, type Histogram } from "../histogram.ts";
import { readHistogramLogFile, warmupTag } from "../histogram-log.ts";
import { heatFolder, wholeSeriesName } from "../pack/names.ts";
import type { RunRecord } from "../run-record.ts";
import { parseSeries, type SeriesPoint } from "../series.ts";
import { HeatGrid } from "./heat-grid.ts";

/** When the warm-up of a job began and ended, ms since the run's start. */
export interface Warmup {
  readonly startMs: number;
  readonly endMs: number;
}

export interface LoggedDistribution {
  /** Of the measured part; null when no log has any sample. */
  readonly histogram: Histogram | null;
  readonly grid: HeatGrid;
}

export interface RunFiles {
  readonly record: RunRecord;
  readonly series: readonly SeriesPoint[];
  /** Names of files that the contract promises and that are absent or unreadable. */
  readonly missing: readonly string[];
  /** The merged histogram of jobs by their names in `hist/`; null when no log has any sample. */
  histogram(sources: ReadonlySet<string>, direction: Direction, kind: TimeKind): Histogram | null;
  /** The same, and its intervals in at most `most` columns, the warm-up among them. */
  distribution(
    sources: ReadonlySet<string>,
    direction: Direction,
    kind: TimeKind,
    most: number,
  ): LoggedDistribution;
  /** The warm-up as the logs of these jobs label it; null without one. */
  warmup(sources: ReadonlySet<string>, direction: Direction): Warmup | null;
  /** When the first interval with operations of a job began, ms; null when no log tells. */
  startMs(job: string, direction: Direction): number | null;
}

/** Reads a JSON file. @throws OsdynoError `bad-input` when it is absent or not JSON. */
export function readJson(file: string): unknown {
  let text: string;
  try {
    text = readText(file);
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
  // Of a packed run the intervals of its logs are elsewhere, and coarser.
  const heat = fileExists(join(dir, heatFolder)) ? listLogs(join(dir, heatFolder), []) : null;
  const whole = join(dir, wholeSeriesName);
  const pick = (
    from: readonly LogName[],
    sources: ReadonlySet<string>,
    direction: Direction,
    kind: TimeKind,
  ) =>
    from
      .filter((log) => log.direction === direction && log.kind === kind && sources.has(log.job))
      .map((log) => log.file);
  const chosen = (sources: ReadonlySet<string>, direction: Direction, kind: TimeKind) =>
    pick(logs, sources, direction, kind);
  return {
    record,
    series: seriesOf(fileExists(whole) ? whole : join(dir, "series.csv"), missing),
    missing,
    histogram: (sources, direction, kind) => mergeLogs(chosen(sources, direction, kind)),
    distribution: (sources, direction, kind, most) => {
      const grid = new HeatGrid(most);
      if (heat === null) {
        return { histogram: mergeLogs(chosen(sources, direction, kind), grid), grid };
      }
      mergeLogs(pick(heat, sources, direction, kind), grid);
      return { histogram: mergeLogs(chosen(sources, direction, kind)), grid };
    },
    warmup: (sources, direction) => warmupOf(chosen(sources, direction, "service")),
    startMs: (job, direction) => startOf(chosen(new Set([job]), direction, "service")),
  };
}

interface LogName {
  readonly file: string;
  readonly job: string;
  readonly direction: string;
  readonly kind: string;
}

function listLogs(dir: string, missing: string[]): readonly LogName[] {
  if (!fileExists(dir)) {
    missing.push("hist/");
    return [];
  }
  const logs: LogName[] = [];
  for (const name of listFolder(dir)) {
    const match = /^(.*)\.(read|write|trim)\.(service|wait|response)\.hlog$/.exec(name);
    if (match !== null) {
      const [, job = "", direction = "", kind = ""] = match;
      logs.push({ file: join(dir, name), job, direction, kind });
    }
  }
  return logs;
}

/** Adds up the measured intervals of histogram logs; the warm-up counts in no figure. */
function mergeLogs(files: readonly string[], grid?: HeatGrid): Histogram | null {
  const sum = emptyHistogram();
  for (const file of files) {
    for (const interval of readHistogramLogFile(file)) {
      grid?.add(interval.startSeconds * 1000, interval.lengthSeconds * 1000, interval.histogram);
      if (!interval.warmup && interval.histogram.totalCount > 0) {
        sum.add(interval.histogram);
      }
    }
  }
  return sum.totalCount === 0 ? null : sum;
}

/** Reads only the stamps: decoding every histogram for them would take seconds. */
function warmupOf(files: readonly string[]): Warmup | null {
  const pattern = new RegExp(`^Tag=${warmupTag},([0-9.]+),([0-9.]+),`, "gm");
  let startMs = Number.POSITIVE_INFINITY;
  let endMs = 0;
  for (const file of files) {
    for (const match of readText(file, "latin1").matchAll(pattern)) {
      const start = Number(match[1]) * 1000;
      startMs = Math.min(startMs, start);
      endMs = Math.max(endMs, start + Number(match[2]) * 1000);
    }
  }
  return endMs > startMs ? { startMs, endMs } : null;
}

function startOf(files: readonly string[]): number | null {
  const starts = files.flatMap((file) => {
    const stamp = /^(?:Tag=[^,]*,)?([0-9.]+),[0-9.]+,/m.exec(readText(file, "latin1"));
    return stamp === null ? [] : [Number(stamp[1]) * 1000];
  });
  return starts.length === 0 ? null : Math.min(...starts);
}

function seriesOf(file: string, missing: string[]): readonly SeriesPoint[] {
  if (!fileExists(file)) {
    missing.push("series.csv");
    return [];
  }
  return parseSeries(readText(file));
}
