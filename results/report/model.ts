/**
 * What a report is made of. `load.ts` fills it from a results directory and from nothing else; charts,
 * HTML and Markdown are drawn from it, and `--format json` prints it. Times are nanoseconds, bandwidth
 * is bytes per second.
 */
import type { Direction } from "../../workloads/run-outcome.ts";
import type { DistributionComparison } from "../compare/distributions.ts";
import type { LoadCurve } from "../load-curve/curve.ts";
import type { OsdynoCourse, OsdynoGenerator } from "../run-record.ts";
import type { LayerTax } from "../sweep/layer-tax.ts";
import type { SweepComparison, SweepRequirement } from "../sweep-record.ts";
import type { StageEntry } from "./stage-entries.ts";

/** A metric over the replicates of one entry. */
export interface MetricValue {
  /** Median of the replicates. */
  readonly value: number;
  /** Smallest and largest replicate. */
  readonly low: number;
  readonly high: number;
  readonly values: readonly number[];
  /** False: a percentile with fewer than 10 samples beyond it; it is not shown as a figure. */
  readonly solid: boolean;
}

/** One point of a percentile plot: 1 / (1 - quantile), and the latency at it. */
export type SpectrumPoint = readonly [oneOverRest: number, ns: number];

export interface Spectrum {
  readonly service: readonly SpectrumPoint[];
  readonly response: readonly SpectrumPoint[];
}

/** One configuration and direction: a row of the table, a mark of the charts. */
export interface Entry {
  readonly id: string;
  /** Id of the sweep's point; the job's name in a run. */
  readonly point: string;
  readonly label: string;
  /** What it wrote is in memory only, where other entries persist; its label says so. */
  readonly inMemory?: true;
  readonly direction: Direction;
  /** Entries of one facet answer the same question and share a panel, e.g. `randread`. */
  readonly facet: string;
  /** What the facet is, where its name is the sweep's own: `4 KiB randwrite, O_DSYNC`; else empty. */
  readonly facetDetail: string;
  /** Entries of one series share a colour and are connected by `depth`, e.g. `io_uring`. */
  readonly series: string;
  /** Operations outstanding at most (iodepth x numjobs), or the offered rate in an open loop. */
  readonly depth: number;
  /** What an open loop was asked to do: `500 offered/s, Poisson`; absent in a closed one. */
  readonly load?: string;
  /** Operations a second of it; null where there is no one rate, absent in a closed loop. */
  readonly offered?: number | null;
  readonly parameters: Readonly<Record<string, string>>;
  /** Runs this is the median of. */
  readonly replicates: number;
  /** Samples of all replicates. */
  readonly samples: number;
  readonly metrics: Readonly<Record<string, MetricValue>>;
  /** From the merged histograms of all replicates. */
  readonly spectrum: Spectrum;
  /** Shares of the operations and the response time within which they completed, up to the last solid one. */
  readonly cdf: readonly (readonly [share: number, ns: number])[];
  readonly openLoop: boolean;
}

/** One time line: a job group and direction of one run. */
export interface TimeLine {
  readonly entry: string;
  readonly run: string;
  /** Which repetition, from 1. */
  readonly repeat: number;
  /** When its first interval began. */
  readonly startMs: number;
  /** The part that counts in no figure; both 0 without one. */
  readonly warmupStartMs: number;
  readonly warmupEndMs: number;
  /** Where the run's own rule found it steady; null without a rule, or when it never was. */
  readonly steady: SteadySpan | null;
  /** Where nothing completed although operations completed before and after. */
  readonly stalls: readonly Span[];
  readonly rows: readonly TimeRow[];
}

/** Part of a run's time, ms since its start. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

export interface SteadySpan extends Span {
  /** Of all directions together, where the record tells it. */
  readonly iops?: number;
}

/** Latency over time of an entry. Bucket b holds the latencies from 2^(b/8) to 2^((b+1)/8) ns. */
export interface HeatMap {
  readonly entry: string;
  readonly kind: "response" | "service";
  /** Column i begins at `startMs + i * columnMs`. */
  readonly startMs: number;
  readonly columnMs: number;
  /** Per column the buckets with counts: bucket, count, bucket, count, ... */
  readonly columns: readonly (readonly number[])[];
}

/** Means over the interval that ends at `ms`; percentiles are the worst of the intervals joined. */
export interface TimeRow {
  readonly ms: number;
  readonly iops: number;
  readonly bw: number;
  readonly p50: number | null;
  readonly p99: number | null;
  readonly max: number | null;
  /** Of service time. */
  readonly service99: number | null;
}

/** One class of operations: its part of all of them, 0 to 1; null where mClock ruled none. */
export interface ClassShare {
  readonly name: string;
  /** Over the whole run. */
  readonly share: number;
  /** Parts of the capacity; null: none, or shares are of what was served. */
  readonly reservation: number | null;
  readonly limit: number | null;
  readonly rows: readonly { readonly ms: number; readonly share: number }[];
}

/** The classes of one point, of its first run. */
export interface ShareOverTime {
  readonly point: string;
  /** Shares are parts of the capacity, of which reservations and limits are too; else of what was served. */
  readonly ofCapacity: boolean;
  readonly classes: readonly ClassShare[];
}

/** What all runs wrote, warm-ups among it, of what the device may bear. */
export interface ReportEndurance {
  readonly writtenBytes: number;
  /** Null: not known. */
  readonly ratedBytes: number | null;
  readonly ratedFrom: string;
  readonly mostBytes: number | null;
}

/** Health of one run. */
export interface RunSummary {
  readonly path: string;
  readonly point: string;
  readonly repeat: number;
  readonly state: "complete" | "partial";
  readonly reason: string | null;
  readonly started: string;
  readonly seconds: number;
  /** What its jobs wrote while they were measured. */
  readonly writtenBytes: number;
  readonly errors: readonly string[];
  readonly generators: readonly (OsdynoGenerator & { readonly job: string })[];
  readonly course: OsdynoCourse | null;
  /** What others had of the machine so much of that it is told; one sentence each. */
  readonly others: readonly string[];
  /** What they had of all CPUs, 0 to 1; absent where it was not recorded. */
  readonly othersCpuShare?: number;
  /** Between which its p99 of response times lies by the ranks of its samples, 95%; null: too few of them. */
  readonly p99IntervalNs: readonly [number, number] | null;
}

export interface Caveat {
  readonly kind:
    | "partial"
    | "errors"
    | "late"
    | "saturated"
    | "overloaded"
    | "hiccups"
    | "others"
    | "course"
    | "closed-loop"
    | "few-samples"
    | "few-runs"
    | "unsteady"
    | "changed-host"
    | "missing-files"
    | "modelled"
    | "not-persistent"
    | "note";
  /** `serious`: figures may be wrong; `mind`: know it before you use them. */
  readonly weight: "serious" | "mind";
  readonly text: string;
}

/** How equal runs differed in a metric; shares of the figure. */
export interface Noise {
  readonly metric: string;
  /** With at least three runs each. */
  readonly configurations: number;
  /** Of each, in the middle. */
  readonly runs: number;
  /** Standard deviation from run to run: in the middle, and of the worst configuration. */
  readonly spread: number;
  readonly worstSpread: number;
  /** Its entry. */
  readonly worst: string;
  /** Change from the first run to the last, of all together; p of none. */
  readonly drift: { readonly share: number; readonly p: number };
}

/** A fact about the machine; nested records are joined with dots. */
export interface Fact {
  readonly name: string;
  readonly value: string;
}

export interface FactGroup {
  readonly title: string;
  readonly facts: readonly Fact[];
}

export interface ReportModel {
  readonly schema: "osdyno-report-1";
  readonly kind: "run" | "repeat" | "sweep";
  readonly name: string;
  /** What was asked: the sweep's question, or what the job's keys ask; null when neither says. */
  readonly question: string | null;
  readonly preview: boolean;
  readonly state: "complete" | "partial";
  readonly reason: string | null;
  readonly metrics: readonly string[];
  readonly parameters: Readonly<Record<string, readonly string[]>>;
  readonly started: string;
  /** Measured time over all runs. */
  readonly seconds: number;
  /** Where the runs had a budget or a rating (`--endurance`). */
  readonly endurance?: ReportEndurance;
  /** The directory's own name. */
  readonly source: string;
  readonly target: string;
  readonly chain: readonly string[];
  readonly seed: number;
  readonly entries: readonly Entry[];
  readonly comparisons: readonly SweepComparison[];
  /** Each value of a parameter against the one before it, where the sweep asks for that. */
  readonly steps?: { readonly along: string; readonly comparisons: readonly SweepComparison[] };
  /** Ratios this near to 1, as a share, counted as no difference. */
  readonly minEffect: number;
  /** What points had to reach. */
  readonly requirements: readonly SweepRequirement[];
  /** Response times of the points compared, quantile by quantile. */
  readonly distributions: readonly DistributionComparison[];
  readonly runs: readonly RunSummary[];
  readonly timeLines: readonly TimeLine[];
  readonly heatMaps: readonly HeatMap[];
  /** Of points with several classes of operations. */
  readonly shares: readonly ShareOverTime[];
  /** Of entries whose operations passed several stages. */
  readonly stages: readonly StageEntry[];
  /** Of a sweep over several targets: what each layer costs over the one below. */
  readonly layerTax: readonly LayerTax[];
  /** What was measured: facts and settings of each device. */
  readonly devices: readonly FactGroup[];
  /** How it was driven: the keys of each job. */
  readonly settings: readonly FactGroup[];
  readonly environment: readonly FactGroup[];
  readonly command: string;
  /** The same without its place for results and with its seed: what a reader types. */
  readonly repeatCommand: string;
  readonly jobText: string;
  readonly caveats: readonly Caveat[];
  /** Of `run --load-curve`. */
  readonly loadCurve?: LoadCurve;
  readonly noise: readonly Noise[];
  /** How the figures came about, a sentence each. */
  readonly method: readonly string[];
  /** The answer: the first sentence stands alone; the rest explains it. */
  readonly answer: readonly string[];
}
