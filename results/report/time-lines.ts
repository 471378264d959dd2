/** Time lines from series.csv: clones joined, long runs thinned. */

import { joinClones, thin } from "./common-times.ts";
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
      const joined = joinClones(own, (job) => run.files.startMs(job, entry.direction));
      if (joined.length === 0) {
        continue;
      }
      const warmup = run.files.warmup(sources, entry.direction);
      lines.push({
        entry: entry.id,
        run: run.path,
        repeat: run.repeat,
        startMs: joined[0]?.startMs ?? 0,
        warmupStartMs: warmup?.startMs ?? 0,
        warmupEndMs: warmup?.endMs ?? 0,
        steady: steadySpan(run.files.record, sources, joined.at(-1)?.ms ?? 0),
        stalls: stallsOf(joined, warmup?.endMs ?? 0),
        rows: thin(joined, sweep ? mostRowsInSweep : mostRows).map(({ startMs: _, ...row }) => row),
      });
    }
  }
  return lines;
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
