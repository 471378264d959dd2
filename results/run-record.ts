/**
 * The shape of `run.json`: fio's records under fio's names, ours under `osdyno`. The published JSON
 * Schema is made from the zod schema in `run-schema.ts`, which must accept exactly this.
 */
import type { LintNote } from "../workloads/job/model.ts";
import type { JobError, VerifyOutcome } from "../workloads/run-outcome.ts";
import type { OthersRecord } from "./others.ts";
import type { OsdynoStages } from "./stages.ts";

export const runSchemaName = "osdyno-run-1";

/**
 * `N, min, max, mean, stddev` in ns, percentiles keyed with six decimals; stddev is the sample
 * form.
 */
export interface FioLatency {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly stddev: number;
  readonly N: number;
  readonly percentile?: Readonly<Record<string, number>>;
  readonly bins?: Readonly<Record<string, number>>;
}

/** Our latency: always with percentiles. */
export interface OsdynoLatency {
  readonly N: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly stddev: number;
  readonly percentile: Readonly<Record<string, number>>;
}

export interface OsdynoDirection {
  readonly service_ns: OsdynoLatency;
  readonly wait_ns: OsdynoLatency;
  readonly response_ns: OsdynoLatency;
}

/** Verdicts about the generator, with the figures they rest on. */
export interface OsdynoGenerator {
  /** More than 1% of the operations were sent late by the generator. */
  readonly late: boolean;
  /** The job's thread was busy for more than 80% of the time. */
  readonly saturated: boolean;
  /** The backlog reached its cap and arrivals were dropped. */
  readonly overloaded: boolean;
  /** `closed` or the law of arrivals. */
  readonly loop: string;
  readonly late_count: number;
  readonly late_share: number;
  readonly late_max_ns: number;
  readonly late_threshold_ns: number;
  readonly dropped_arrivals: number;
  readonly backlog_max: number;
  /** Arrivals that were due at the runtime's end and never sent; records of earlier versions lack it. */
  readonly backlog_end?: number;
  readonly busy_share: number;
  /** Lateness of the hiccup meters while the job ran; `cpus` is their number, 0 = not measured. */
  readonly hiccups: {
    readonly cpus: number;
    readonly p99_ns: number;
    readonly p99_9_ns: number;
    readonly max_ns: number;
  };
}

/**
 * What became of `steadystate`: the window that was judged last, and its means over all directions and
 * over the clones that were judged together. Times are since the run's start.
 */
export interface OsdynoSteady {
  readonly attained: boolean;
  readonly start_ms: number;
  readonly end_ms: number;
  readonly iops: number;
  readonly bw_bytes: number;
  /** Of fio's lat: from when an operation was sent. */
  readonly lat_mean_ns: number;
}

/** CPU time of the job's threads over the measured part. */
export interface OsdynoCpu {
  readonly user_ns: number;
  readonly system_ns: number;
  /** Microseconds of the threads' CPU time per measured operation. */
  readonly us_per_io: number;
}

export interface OsdynoJob {
  /** Names of its clones in `series.csv` and `hist/`: several when group reporting joined them. */
  readonly sources: readonly string[];
  /** Position of the phase it ran in; a stonewall begins a new one. */
  readonly phase: number;
  readonly read?: OsdynoDirection;
  readonly write?: OsdynoDirection;
  readonly trim?: OsdynoDirection;
  /** All directions together; absent when nothing completed. */
  readonly all?: OsdynoDirection;
  /** Absent without `steadystate`, and when the job ended before a window was whole. */
  readonly steady?: OsdynoSteady;
  /** Where the time of the operations went; on the engine path, unless switched off. */
  readonly stages?: OsdynoStages;
  readonly generator: OsdynoGenerator;
  readonly cpu: OsdynoCpu;
  readonly counters: Readonly<Record<string, number>>;
  readonly verify?: VerifyOutcome;
  readonly error?: JobError;
  readonly notes: readonly string[];
}

/** One of fio's job records, with ours inside. Field order is fio's. */
export interface JobRecord {
  readonly jobname: string;
  readonly groupid: number;
  /** errno of the first clone that failed, else 0. */
  readonly error: number;
  readonly [fioField: string]: unknown;
  readonly osdyno: OsdynoJob;
}

/**
 * How the rate of all jobs together went after the warm-up that the job asks for. Times are since the run's
 * start. Samples of one run are no replicates: this says whether the run was steady, not how sure its figures are.
 */
export interface OsdynoCourse {
  readonly sample_ms: number;
  readonly samples: number;
  /** Of so many independent samples the mean would be as uncertain. */
  readonly effective_samples: number;
  /** A beginning that differs from the rest; 0: none. What follows is about the rest. */
  readonly warm_up_ms: number;
  /** Change from its first to its last sample as a share of the median; p of there being none. */
  readonly drift: { readonly share: number; readonly p: number };
  /** Samples further from the median than five robust standard deviations; the first ten by time. */
  readonly outlier_count: number;
  readonly outliers_ms: readonly number[];
  /** From where on the rate was another one. */
  readonly change_points_ms: readonly number[];
}

/** All jobs of a run together: rates over the measured time, distributions merged without loss. */
export interface OsdynoTotal extends OsdynoDirection {
  readonly ios: number;
  readonly bytes: number;
  readonly iops: number;
  readonly bw_bytes: number;
  /**
   * Between which values percentiles of the response time lie with 95%, by the ranks of the samples, keyed as
   * they are; those with fewer than ten samples beyond them have none. As if samples were independent: what
   * another run would give only repeats tell.
   */
  readonly response_interval_ns?: Readonly<Record<string, readonly [number, number]>>;
}

export interface OsdynoTotals {
  readonly read?: OsdynoTotal;
  readonly write?: OsdynoTotal;
  readonly trim?: OsdynoTotal;
  readonly all?: OsdynoTotal;
}

export interface OsdynoCpuSet {
  /** As it was written: `0,2-3`, `node:0`. */
  readonly asked: string;
  readonly cpus: readonly number[];
  /** NUMA nodes that memory was to come from, and from no other; of CPUs that were given by node. */
  readonly memory_nodes?: readonly number[];
}

/** `--generator-cpus` and `--target-cpus`, and what was seen of it when the jobs began. */
export interface OsdynoCpus {
  readonly generator?: OsdynoCpuSet;
  readonly target?: OsdynoCpuSet;
  readonly threads: readonly {
    readonly name: string;
    readonly count: number;
    readonly cpus: string;
    readonly of: "generator" | "target";
  }[];
  /** The most that the process was seen to have of its own on each NUMA node, files aside. */
  readonly memory_bytes?: Readonly<Record<string, number>>;
}

/** One job by its name, clones together, or one class of operations (`op_class`) of a run with several. */
export interface OsdynoPart {
  readonly kind: "job" | "class";
  readonly name: string;
  /** Names of its jobs in `series.csv` and `hist/`. */
  readonly sources: readonly string[];
  readonly totals: OsdynoTotals;
}

/** `--endurance`: what the jobs wrote, warm-ups among it. */
export interface EnduranceRecord {
  readonly written_bytes: number;
  /** By all runs of the command so far, and by those of the commands that it resumes. */
  readonly command_written_bytes: number;
  readonly rated_bytes: number | null;
  /** `given`, or the device profile that states it. */
  readonly rated_from?: string;
  readonly most_bytes: number | null;
}

/**
 * A `--threshold` and whether the run kept it; `value` is null when the run has no such metric, or, as `reason`
 * says then, too few samples for it.
 */
export interface ThresholdResult {
  readonly threshold: string;
  readonly metric: string;
  readonly value: number | null;
  readonly passed: boolean;
  readonly reason?: string;
}

/** The capacity that a scheduler shares out, of one target. */
export interface RunCapacity {
  readonly target: string;
  /** The option that states it. */
  readonly option: string;
  /** Writes of 4 KiB at random a second. */
  readonly iops: number;
  /** In sequence, a second. */
  readonly bandwidth_bytes: number;
  /** Who said so: `--set`, `measured before the run`, `the target's parameters`, `default`, ... */
  readonly origin: string;
  /** It was stated or measured; otherwise it is a default, which says nothing of the target. */
  readonly known: boolean;
  /** Of a capacity that was measured: operations a second of each round. */
  readonly rounds?: readonly number[];
}

export interface RunRecord {
  readonly schema: string;
  readonly state: "complete" | "partial";
  /** Why it is partial. */
  readonly reason?: string;
  readonly command: readonly string[];
  readonly label: string;
  readonly seed: number;
  readonly path: "native" | "engine";
  readonly job: {
    readonly text: string;
    readonly resolved: readonly unknown[];
    readonly notes: readonly LintNote[];
  };
  readonly target: string;
  readonly chain: readonly string[];
  readonly options: Readonly<Record<string, { readonly value: string; readonly origin: string }>>;
  readonly environment: Readonly<Record<string, unknown>>;
  readonly started: string;
  readonly runtime_ms: number;
  readonly "fio version": string;
  readonly timestamp: number;
  readonly timestamp_ms: number;
  readonly time: string;
  readonly "global options": Readonly<Record<string, string>>;
  readonly jobs: readonly JobRecord[];
  readonly disk_util: readonly unknown[];
  readonly osdyno: {
    readonly process_cpu_user_ns: number;
    readonly process_cpu_system_ns: number;
    /** Largest resident set of the process. */
    readonly rss_bytes: number;
    /** Operations of the run and its warm-up, which the CPU time of the process belongs to. */
    readonly issued_ios: number;
    readonly others?: OthersRecord;
    readonly totals: OsdynoTotals;
    /** Where several jobs, or classes, ran; a job comes before a class of the same name. */
    readonly parts?: readonly OsdynoPart[];
    /** Absent of runs that are too short, and of several phases. */
    readonly course?: OsdynoCourse;
    /** What the stores below the jobs counted, for all jobs together, warm-ups included. */
    readonly counters?: Readonly<Record<string, number>>;
    /** Absent when nobody asked. */
    readonly endurance?: EnduranceRecord;
    /** Where threads were kept; absent when nobody chose. */
    readonly cpus?: OsdynoCpus;
    /** What a scheduler over each target shares out. */
    readonly capacity?: readonly RunCapacity[];
    /**
     * What each class (`op_class`) had a second as a part of the capacity, in the cost that mClock counts; above
     * 1 together where the target does more than its capacity says. Absent where no capacity is known.
     */
    readonly share?: Readonly<Record<string, number>>;
    /** Of all operations that were served, the part of each class: 0 to 1. */
    readonly served?: Readonly<Record<string, number>>;
    /** `served`, as runs had it before there was `share`. */
    readonly shares?: Readonly<Record<string, number>>;
    readonly threshold_results?: readonly ThresholdResult[];
  };
}
