/** Time lines from series.csv: clones joined, long runs thinned. */
import type { PlacedEntry } from "./entries.ts";
import type { TimeLine, TimeRow } from "./model.ts";
import type { RunFiles, SeriesRow } from "./run-files.ts";

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
  for (const { entry, jobs, warmupMs } of placed) {
    const runs = points.find((point) => point.id === entry.point)?.runs ?? [];
    for (const run of sweep ? runs.slice(0, 1) : runs) {
      const own = run.files.series.filter(
        (row) => row.direction === entry.direction && belongs(row.job, jobs),
      );
      const joined = joinClones(own);
      const [first, second] = joined;
      if (first === undefined) {
        continue;
      }
      const intervalMs = second === undefined ? first.ms : second.ms - first.ms;
      const startMs = Math.max(0, first.ms - intervalMs);
      lines.push({
        entry: entry.id,
        run: run.path,
        repeat: run.repeat,
        warmupStartMs: warmupMs === 0 ? 0 : startMs,
        warmupEndMs: warmupMs === 0 ? 0 : startMs + warmupMs,
        rows: thin(joined, sweep ? mostRowsInSweep : mostRows),
      });
    }
  }
  return lines;
}

function belongs(job: string, jobs: ReadonlySet<string>): boolean {
  return jobs.has(job) || jobs.has(job.replace(/[.\-_]\d+$/, ""));
}

/** Rates add up; a percentile is that of the worst clone, since percentiles cannot be merged. */
function joinClones(rows: readonly SeriesRow[]): readonly TimeRow[] {
  const byTime = new Map<number, TimeRow>();
  for (const row of rows) {
    const before = byTime.get(row.ms);
    byTime.set(row.ms, before === undefined ? rowOf(row) : combine(before, row, 1));
  }
  return [...byTime.values()].sort((a, b) => a.ms - b.ms);
}

function rowOf(row: SeriesRow): TimeRow {
  const { ms, iops, bw, p50, p99, max } = row;
  return { ms, iops, bw, p50, p99, max };
}

function combine(a: TimeRow, b: TimeRow, share: number): TimeRow {
  return {
    ms: b.ms,
    iops: a.iops + b.iops * share,
    bw: a.bw + b.bw * share,
    p50: larger(a.p50, b.p50),
    p99: larger(a.p99, b.p99),
    max: larger(a.max, b.max),
  };
}

function larger(a: number | null, b: number | null): number | null {
  if (a === null || b === null) {
    return a ?? b;
  }
  return Math.max(a, b);
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
    const zero: TimeRow = { ms: 0, iops: 0, bw: 0, p50: null, p99: null, max: null };
    joined.push(group.reduce((sum, row) => combine(sum, row, share), zero));
  }
  return joined;
}
