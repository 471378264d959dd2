/** The shape of `sweep.json`: which points a sweep has, where their runs are, and what was decided. */
import type { DistributionComparison } from "./compare/distributions.ts";
import type { LoadCurve } from "./load-curve/curve.ts";
import type { RecordedDifference } from "./recorded-difference.ts";
import type { SniaRecord } from "./snia/record.ts";
import type { Given } from "./sweep/given.ts";
import type { LayerTax } from "./sweep/layer-tax.ts";

/** Verdict of one metric of two points over the pairs of their runs; absent in previews. */
export interface SweepComparison extends RecordedDifference {
  /** Ids of points. */
  readonly base: string;
  readonly candidate: string;
  /** Medians of the figures that were compared; absent in records of older versions. */
  readonly base_median?: number;
  readonly candidate_median?: number;
  /** Of this comparison alone, by the test that the interval is of. */
  readonly p_alone?: number;
  /** Adjusted for all comparisons of the metric. */
  readonly p: number;
  readonly verdict: "better" | "worse" | "same" | "unclear";
  readonly reason: string;
  /** Runs per side that would decide it; null when it is decided or cannot be known. */
  readonly runs_needed: number | null;
  /** The difference is smaller than those between equal runs of this machine; the reason says by how much. */
  readonly below_noise?: true;
}

/** Whether a point reached what was required of it, judged by the interval over its runs. */
export interface SweepRequirement {
  /** As written, e.g. `write.response.p99 < 2ms`. */
  readonly threshold: string;
  readonly metric: string;
  readonly point: string;
  /** Over the runs, in the metric's unit; null when no run has the metric. */
  readonly median: number | null;
  /** Bounds of the median's 95% interval; null with fewer than 6 runs. */
  readonly low: number | null;
  readonly high: number | null;
  /** `unclear`: the interval holds figures on either side, or there is none. */
  readonly verdict: "met" | "missed" | "unclear";
  readonly because: string;
  /** It was asked which points reach it; none had to. */
  readonly goal?: true;
}

export interface SweepPoint {
  readonly id: string;
  /** Value of every parameter of the matrix, as written. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Run directories relative to the sweep's, in order of repetition: `points/<id>/1`, ... */
  readonly runs: readonly string[];
}

/** A file that a sweep made: at its path there must still be that very one. */
export interface OwnFile {
  readonly path: string;
  readonly device: number;
  readonly inode: number;
}

export interface SweepRecord {
  readonly schema: string;
  readonly state: "complete" | "partial";
  /** Why it is partial. */
  readonly reason?: string;
  readonly name: string;
  readonly question: string;
  /** The sweep file as it was read: what was asked is held to it. Absent in records of older versions. */
  readonly file?: { readonly name: string; readonly sha256: string; readonly text: string };
  /** What that file's runs were made with beside it; a resumed sweep has the same. Absent in older records. */
  readonly given?: Given;
  /** The command that made it, for repeating it. */
  readonly command?: readonly string[];
  /** Seed of the order within each block and of the runs. */
  readonly seed?: number;
  /** The parameters varied, with their values in the order of the sweep file. */
  readonly parameters: Readonly<Record<string, readonly string[]>>;
  /** Runs of each point, at least. */
  readonly repeat: number;
  /** Too short for verdicts: the report says so and gives none. */
  readonly preview: boolean;
  /** The first one orders the answer. */
  readonly metrics: readonly string[];
  /** Ratios this near to 1, as a share, count as no difference. */
  readonly min_effect?: number;
  /** What the points were compared with. */
  readonly baseline?: Readonly<Record<string, string>>;
  /** What the differences are: effects of a burden, not gains of a choice. Absent: of a choice. */
  readonly asks?: "effect";
  /** Each value of a parameter against the one before it, in the order of the sweep file. */
  readonly steps?: { readonly along: string; readonly comparisons: readonly SweepComparison[] };
  /** The smallest value of a parameter that comes within a share of the baseline is the answer. */
  readonly pick?: { readonly parameter: string; readonly within: number };
  /**
   * Goes on beyond `repeat` until each median of the first metric is known to the share `within`, or until
   * none of its comparisons is unclear (`decided`).
   */
  readonly until?: {
    readonly within?: number;
    readonly decided?: boolean;
    readonly max_repeat: number;
  };
  /** With `until`: after how many runs of each point it was looked, and the level of p values there. */
  readonly looks?: readonly { readonly runs: number; readonly level: number }[];
  /** Of every file of the host that was changed what it held before, which it was put back to. */
  readonly host_before?: Readonly<Record<string, string>>;
  /** Files that the sweep made and its runs may write to, while it is partial. */
  readonly files?: readonly OwnFile[];
  /** Files of stores, which it makes anew for each run; also while it is partial. */
  readonly stores?: readonly OwnFile[];
  /** What it did beside what its file says, one line each. */
  readonly notes?: readonly string[];
  readonly points: readonly SweepPoint[];
  readonly comparisons: readonly SweepComparison[];
  /** With several targets: what each layer costs over the one below. */
  readonly layer_tax?: readonly LayerTax[];
  /** Response times of the pairs compared, as distributions; once the sweep is complete. */
  readonly distributions?: readonly DistributionComparison[];
  /** What points had to reach, when the sweep file requires something. */
  readonly requirements?: readonly SweepRequirement[];
  /** Of a test of the SNIA PTS, whose steps are the points. */
  readonly snia?: SniaRecord;
  /** Of `run --load-curve`, whose rates are the points. */
  readonly load_curve?: LoadCurve;
}
