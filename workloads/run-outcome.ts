/**
 * What a run measured: the JSON that the native job loop answers, and the same from the path through
 * TypeScript. Everything in the results is made of this. Times are nanoseconds since the run's start
 * unless a field says otherwise.
 */

/** Totals of one kind of time; sums are exact while below 2^53. */
export interface TimeTotals {
  readonly count: number;
  readonly minNs: number;
  readonly maxNs: number;
  readonly sumNs: number;
  /** Sum of squares, ns^2 (floating point). */
  readonly sumSquares: number;
}

/** A latency distribution: exact totals, and an HdrHistogram (3 digits, 1 ns to 1 h) as base64 of its compressed V2 form. */
export interface LatencyRecord extends TimeTotals {
  readonly hdr: string;
}

/** A latency distribution in fio's buckets (1856, 6 bits): exact totals and sparse counts `[bucket, count]`, ascending. */
export interface PlatRecord extends TimeTotals {
  readonly buckets: readonly (readonly [bucket: number, count: number])[];
}

export type Direction = "read" | "write" | "trim";
export type TimeKind = "service" | "wait" | "response";

export interface DirectionOutcome {
  readonly ios: number;
  readonly bytes: number;
  readonly shortIos: number;
  readonly errors: number;
  /** From the first measured I/O's start to the last one's end, ns. */
  readonly runtimeNs: number;
  /** completed - submitted: what fio calls clat. */
  readonly service: LatencyRecord;
  /** sent - intended; all zero in a closed loop. */
  readonly wait: LatencyRecord;
  /** completed - intended. */
  readonly response: LatencyRecord;
  /** fio's slat: submitted - sent. */
  readonly slat: PlatRecord;
  /** fio's lat: completed - sent. */
  readonly lat: PlatRecord;
}

/** One interval of one job and direction. */
export interface IntervalRow {
  /** End of the interval, ns since the run's start. */
  readonly endNs: number;
  readonly lengthNs: number;
  /** Index into `RunOutcome.jobs`. */
  readonly job: number;
  readonly direction: Direction;
  /** The interval lies within the warm-up. */
  readonly warmup: boolean;
  readonly ios: number;
  readonly bytes: number;
  readonly serviceP50Ns: number;
  readonly serviceP99Ns: number;
  readonly responseP50Ns: number;
  readonly responseP99Ns: number;
  readonly responseMaxNs: number;
  /** Operations in flight at the interval's end. */
  readonly inflight: number;
  /** The interval's histograms, base64 V2 compressed; empty string when no operation completed. */
  readonly serviceHdr: string;
  readonly waitHdr: string;
  readonly responseHdr: string;
}

/** How well the generator itself kept up. */
export interface GeneratorOutcome {
  /** Operations sent late although a slot was free and the schedule had made them due (> `lateThresholdNs`). */
  readonly lateCount: number;
  readonly lateMaxNs: number;
  readonly lateThresholdNs: number;
  /** Arrivals dropped because the backlog was at its cap. */
  readonly droppedArrivals: number;
  /** Most arrivals that waited at once. */
  readonly backlogMax: number;
  /** Arrivals that were due at the runtime's end and never sent. */
  readonly backlogEnd: number;
  /** Share of the job's wall time that its thread used a CPU for, 0 to 1, without the spinning that waits for the next arrival. */
  readonly busyShare: number;
}

/** A mismatch found by verification. */
export interface VerifyMismatch {
  readonly file: string;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** `magic`, `offset`, `generation` (stale or lost write), `crc`, `pattern`, with expected and found values. */
  readonly what: string;
  readonly expected: string;
  readonly found: string;
}

export interface VerifyOutcome {
  readonly checkedBytes: number;
  readonly checkedBlocks: number;
  readonly mismatchCount: number;
  /** The first 100. */
  readonly mismatches: readonly VerifyMismatch[];
}

/** Why a job ended early. */
export interface JobError {
  readonly errno: number;
  /** e.g. `read of 4096 bytes at 8192 of /path: EIO`. */
  readonly message: string;
  readonly atNs: number;
}

/** The search of `latency_target`: the depth it stands at, and what it was asked for. */
export interface LatencyTargetOutcome {
  readonly depth: number;
  readonly targetNs: number;
  readonly windowNs: number;
  readonly percentile: number;
}

/** Errors of the kinds that the job outlives: `total_err` and `first_error` of fio's JSON. */
export interface ErrorsOutcome {
  readonly total: number;
  /** Errno, 0 = none. */
  readonly first: number;
}

/** Operations of one direction and I/O priority; class 0 and level 0: without one of their own. */
export interface PriorityOutcome {
  readonly direction: "read" | "write";
  readonly class: number;
  readonly level: number;
  /** fio's clat. */
  readonly service: PlatRecord;
  readonly lat: PlatRecord;
}

/** Counts of an HdrHistogram from 1 ns to 1 h with 3 digits, `[bucket, count]`, ascending. */
export type StageBuckets = readonly (readonly [bucket: number, count: number])[];

/** The times that operations spent in one stage of one layer, of those that passed it. */
export interface StageOutcome extends TimeTotals {
  readonly layer: string;
  readonly stage: string;
  readonly kind: "queued" | "worked";
  readonly buckets: StageBuckets;
}

/**
 * Operations of one direction: `traced` of them stand for `ops`, which the other figures are of. The times
 * of the stages add up to those of the service.
 */
export interface DirectionStages {
  readonly traced: number;
  readonly ops: number;
  readonly serviceNs: number;
  readonly stages: readonly StageOutcome[];
}

/** Where the time of operations went; one in `oneIn` was traced, at random, or more. */
export interface StagesOutcome {
  readonly oneIn: number;
  readonly read?: DirectionStages;
  readonly write?: DirectionStages;
  readonly trim?: DirectionStages;
}

export interface JobOutcome {
  readonly name: string;
  /** Start of the job (after its start delay), and its end, ns since the run's start. */
  readonly startNs: number;
  readonly endNs: number;
  /** Length of the measured part (without warm-up). */
  readonly measuredNs: number;
  /** Of the job's thread, over the measured part. */
  readonly cpu: {
    readonly userNs: number;
    readonly systemNs: number;
    readonly voluntarySwitches: number;
    readonly involuntarySwitches: number;
    readonly majorFaults: number;
    readonly minorFaults: number;
  };
  readonly read: DirectionOutcome | null;
  readonly write: DirectionOutcome | null;
  readonly trim: DirectionOutcome | null;
  /** Flushes: count and latency. */
  readonly sync: PlatRecord;
  /** Share (0..1) of operations sent while 1, 2, 4, 8, 16, 32, >=64 were in flight, by fio's ranges; and sizes of submission and completion batches by fio's ranges 0,4,8,16,32,64,>=64. */
  readonly iodepthLevels: readonly number[];
  readonly submitLevels: readonly number[];
  readonly completeLevels: readonly number[];
  readonly generator: GeneratorOutcome;
  readonly verify: VerifyOutcome | null;
  readonly error: JobError | null;
  /** Absent when the job searches no depth. */
  readonly latencyTarget?: LatencyTargetOutcome;
  /** Absent when the job outlives no kind of error. */
  readonly errors?: ErrorsOutcome;
  /** Absent when no operation has a priority of its own. */
  readonly prios?: readonly PriorityOutcome[];
  /** On the engine path, when stages are taken and an operation was traced. */
  readonly stages?: StagesOutcome;
  /** Ended by `stop()` before its own end. */
  readonly stopped: boolean;
  /** Facts the engine found out: e.g. registered buffers refused. One line each. */
  readonly notes: readonly string[];
}

/** Lateness of the hiccup meter on one CPU. */
export interface HiccupOutcome {
  readonly cpu: number;
  readonly lateness: LatencyRecord;
}

/** `NativeRun.result()`. */
export interface NativeOutcome {
  /** Wall clock at the run's start, ms since the epoch. */
  readonly startedEpochMs: number;
  readonly runtimeNs: number;
  readonly jobs: readonly JobOutcome[];
  readonly hiccups: readonly HiccupOutcome[];
  /** CPU of the whole process over the run, helper threads included. */
  readonly processCpu: { readonly userNs: number; readonly systemNs: number };
  /** A write was not sent because the jobs may write no more (`RunSpec.writeBudgetBytes`): they ended. */
  readonly writeBudgetSpent?: boolean;
}

/** `NativeRun.poll()`. */
export interface RunPoll {
  readonly finished: boolean;
  readonly nowNs: number;
  readonly intervals: readonly IntervalRow[];
  readonly jobs: readonly {
    readonly state: "delayed" | "warmup" | "running" | "verifying" | "done" | "failed";
    readonly ios: number;
    readonly bytes: number;
    readonly inflight: number;
    /** 0 to 1 of runtime or bytes; null when it cannot be known. */
    readonly progress: number | null;
  }[];
}
