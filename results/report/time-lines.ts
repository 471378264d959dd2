/** Time lines from series.csv: clones joined, long runs thinned. */

import type { SeriesPoint } from "../series.ts";
import type { PlacedEntry } from "./entries.ts";
import type { Span, TimeLine, TimeRow } from "./model.ts";
import type { RunFiles } from "./run-files.ts";
import { steadySpan } from "./steady.ts";

interface PointRuns {
  readonly id: string;
  readonly runs: readonly {
    readonly path: string;
    readonly repeat: number;
    readonly files: RunFiles;
  }[];
}

/** Rows of one line at most, so that a report stays small: of a run, and of each run of a sweep. */
const mostRows = 240;
const mostRowsInSweep = 60;

/** The lines of every entry; of a sweep only the first repeat of each point. */
export function timeLinesOf(
  placed: readonly PlacedEntry[],
  points: readonly PointRuns[],
  sweep: boolean,
): readonly TimeLine[] {
  const lines: TimeLine[] = [];
  for (const { entry, sources } of placed) {
    const runs = points.find((point) => point.id === entry.point)?.runs ?? [];
    for (const run of sweep ? runs.slice(0, 1) : runs) {
      const own = run.files.series.filter(
        (row) => row.direction === entry.direction && sources.has(row.job),
      );
      const joined = joinClones(own);
      if (joined.length === 0) {
        continue;
      }
      const warmup = run.files.warmup(sources, entry.direction);
      lines.push({
        entry: entry.id,
        run: run.path,
        repeat: run.repeat,
        warmupStartMs: warmup?.startMs ?? 0,
        warmupEndMs: warmup?.endMs ?? 0,
        steady: steadySpan(run.files.record, sources, joined.at(-1)?.ms ?? 0),
        stalls: stallsOf(joined, warmup?.endMs ?? 0),
        rows: thin(joined, sweep ? mostRowsInSweep : mostRows),
      });
    }
  }
  return lines;
}

/** Rates add up; a percentile is that of the worst clone, since percentiles cannot be merged. */
function joinClones(rows: readonly SeriesPoint[]): readonly TimeRow[] {
  const byTime = new Map<number, TimeRow>();
  for (const point of withoutStumps(rows)) {
    const row = rowOf(point);
    const before = byTime.get(row.ms);
    byTime.set(row.ms, before === undefined ? row : combine(before, row, 1));
  }
  return [...byTime.values()].sort((a, b) => a.ms - b.ms);
}

/**
 * Without a job's last interval when it is less than half as long as the others: the operations still
 * in flight complete in it, and their rate over some microseconds means nothing.
 */
function withoutStumps(rows: readonly SeriesPoint[]): readonly SeriesPoint[] {
  const bySource = new Map<string, SeriesPoint[]>();
  for (const row of rows) {
    const own = bySource.get(row.job) ?? [];
    own.push(row);
    bySource.set(row.job, own);
  }
  return [...bySource.values()].flatMap((own) => {
    const gaps = own.map((row, index) => row.timeMs - (own[index - 1]?.timeMs ?? 0)).slice(1);
    const usual = [...gaps].sort((a, b) => a - b)[Math.floor(gaps.length / 2)] ?? 0;
    return (gaps.at(-1) ?? usual) < usual / 2 ? own.slice(0, -1) : own;
  });
}

function rowOf(point: SeriesPoint): TimeRow {
  const { timeMs, iops, bwBytes, responseP50Ns, responseP99Ns, responseMaxNs } = point;
  const [p50, p99, max] = [responseP50Ns, responseP99Ns, responseMaxNs];
  return { ms: timeMs, iops, bw: bwBytes, p50, p99, max, service99: point.serviceP99Ns };
}

function combine(a: TimeRow, b: TimeRow, share: number): TimeRow {
  return {
    ms: b.ms,
    iops: a.iops + b.iops * share,
    bw: a.bw + b.bw * share,
    p50: larger(a.p50, b.p50),
    p99: larger(a.p99, b.p99),
    max: larger(a.max, b.max),
    service99: larger(a.service99, b.service99),
  };
}

function larger(a: number | null, b: number | null): number | null {
  if (a === null || b === null) {
    return a ?? b;
  }
  return Math.max(a, b);
}

/** Silence shorter than this can be chance or the machine's scheduler. */
const leastStallMs = 100;
/** Operations that an interval usually completes, so that one without any is no chance. */
const leastUsual = 20;

/** Measured intervals in a row in which nothing completed, with work before and after. */
function stallsOf(rows: readonly TimeRow[], warmupEndMs: number): readonly Span[] {
  const rates = rows.map((row) => row.iops).sort((a, b) => a - b);
  const usual = rates[Math.floor(rates.length / 2)] ?? 0;
  const stalls: Span[] = [];
  let startMs: number | null = null;
  rows.forEach((row, index) => {
    const before = rows[index - 1]?.ms ?? 0;
    const expected = (usual * (row.ms - before)) / 1000;
    if (row.iops === 0 && index > 0 && before >= warmupEndMs && expected >= leastUsual) {
      startMs ??= before;
      return;
    }
    if (startMs !== null && row.iops > 0 && before - startMs >= leastStallMs) {
      stalls.push({ startMs, endMs: before });
    }
    startMs = null;
  });
  return stalls;
}

/** Joins neighbouring intervals until at most `most` are left. */
function thin(rows: readonly TimeRow[], most: number): readonly TimeRow[] {
  const width = Math.ceil(rows.length / most);
  if (width <= 1) {
    return rows;
  }
  const joined: TimeRow[] = [];
  for (let start = 0; start < rows.length; start += width) {
    const group = rows.slice(start, start + width);
    const share = 1 / group.length;
    const none = { p50: null, p99: null, max: null, service99: null };
    const zero: TimeRow = { ms: 0, iops: 0, bw: 0, ...none };
    joined.push(group.reduce((sum, row) => combine(sum, row, share), zero));
  }
  return joined;
}
