/** Response times of two sides as distributions, read from their runs' histograms. */
import { join } from "node:path";
import type { Direction } from "../../workloads/run-outcome.ts";
import { fileExists } from "../files.ts";
import { directions } from "../fio-record.ts";
import { emptyHistogram, type RecordedBucket, recordedBuckets } from "../histogram.ts";
import { readHistogramLogFile } from "../histogram-log.ts";
import { compareCounts } from "../stats/distributions.ts";
import type { Side, SideRun } from "./sides.ts";

/** Of one direction of all jobs together. */
export interface DistributionComparison {
  readonly direction: Direction;
  readonly time: "response";
  readonly base: string;
  readonly candidate: string;
  readonly base_runs: number;
  readonly candidate_runs: number;
  readonly paired: boolean;
  /** Of both being one distribution, by permuting runs; null: too few runs. */
  readonly p: number | null;
  /** Of all operations of a side together; intervals are over runs. */
  readonly quantiles: readonly {
    readonly percentile: number;
    readonly base_ns: number;
    readonly candidate_ns: number;
    readonly ratio: number;
    readonly low: number | null;
    readonly high: number | null;
  }[];
  /** Percentiles beyond which fewer than ten samples of a side lie. */
  readonly refused: readonly number[];
}

interface Counted {
  readonly buckets: readonly RecordedBucket[];
}

/** The response times of one direction of a run; null when it has none, or its logs are gone. */
function countsOf({ path, record }: SideRun, direction: Direction): Counted | null {
  const sum = emptyHistogram();
  for (const { osdyno } of record.jobs) {
    for (const source of osdyno.sources) {
      const file = join(path, "hist", `${source}.${direction}.response.hlog`);
      for (const { warmup, histogram } of fileExists(file) ? readHistogramLogFile(file) : []) {
        if (!warmup && histogram.totalCount > 0) {
          sum.add(histogram);
        }
      }
    }
  }
  return sum.totalCount === 0 ? null : { buckets: [...recordedBuckets(sum)] };
}

/** The response times of a side's runs by direction; a direction is absent where a run has none. */
export interface SideCounts {
  readonly side: Side;
  readonly runs: ReadonlyMap<Direction, readonly Counted[]>;
}

/** Reads the histograms of every run. */
export function countSide(side: Side): SideCounts {
  const runs = new Map<Direction, readonly Counted[]>();
  for (const direction of directions) {
    const found = side.runs.map((run) => countsOf(run, direction)).filter((each) => each !== null);
    if (found.length === side.runs.length) {
      runs.set(direction, found);
    }
  }
  return { side, runs };
}

/** Compares what both sides have. */
export function compareDistributions(
  { side: base, runs: ours }: SideCounts,
  { side: candidate, runs: theirs }: SideCounts,
  confidence: number,
): readonly DistributionComparison[] {
  const paired =
    base.sweep !== null &&
    base.sweep === candidate.sweep &&
    base.runs.length === candidate.runs.length;
  return directions.flatMap((direction) => {
    const [a, b] = [ours.get(direction), theirs.get(direction)];
    if (a === undefined || b === undefined) {
      return [];
    }
    const { quantiles, refused, p } = compareCounts(a, b, paired, confidence);
    return [
      {
        direction,
        time: "response" as const,
        base: base.name,
        candidate: candidate.name,
        base_runs: a.length,
        candidate_runs: b.length,
        paired,
        p,
        quantiles: quantiles.map(({ base: from, candidate: to, ...rest }) => ({
          ...rest,
          base_ns: from,
          candidate_ns: to,
        })),
        refused,
      },
    ];
  });
}
