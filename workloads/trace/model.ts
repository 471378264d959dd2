/**
 * Traces as the native side takes them and tells of them: mirrors
 * `native/crates/device/src/replay/mod.rs` and `scan.rs`. Times in ns, sizes in bytes.
 */

/** One file with a trace. */
export interface TraceInput {
  readonly path: string;
  /** Its times are stretched to so many percent. */
  readonly timePercent: number;
  /** How often it is played. */
  readonly iterations: number;
}

/** What decides which operations come out of the inputs: all that looking at them depends on. */
export interface TraceChoice {
  /** Several are merged by time. */
  readonly inputs: readonly TraceInput[];
  /** Of block traces: which event counts. */
  readonly event: "queue" | "issue";
  readonly shape: {
    readonly skip: {
      readonly read: boolean;
      readonly write: boolean;
      readonly trim: boolean;
      readonly sync: boolean;
    };
    readonly scaleDivisor: number;
    readonly alignBytes: number;
    readonly timeScalePercent: number;
  };
}

export interface TraceSpec extends TraceChoice {
  /** Which file of the job each name of the trace stands for. */
  readonly files: readonly { readonly name: string; readonly file: number }[];
  /** Operations are sent at their times. */
  readonly paced: boolean;
  /** How often it is played; 0 = until the runtime ends. */
  readonly passes: number;
  readonly mostOperations: number | null;
  readonly mostBytes: number | null;
  /** Of one pass, to tell the progress. */
  readonly operations: number;
}

/** Where a job is recorded, and what its files are called there. */
export interface IologSpec {
  readonly path: string;
  readonly names: readonly string[];
}

type Counts = readonly [reads: number, writes: number, trims: number, syncs: number];

/** What a trace does to one file or device, in the order in which they appear. */
export interface TraceFileFacts {
  /** As in the trace; `8,16` for a device of a block trace. */
  readonly name: string;
  readonly operations: Counts;
  /** Where the last byte ends that it reads, writes or trims. */
  readonly endBytes: number;
}

/** What a trace holds, after `shape`. */
export interface TraceFacts {
  /** Of each input. */
  readonly formats: readonly ("iolog2" | "iolog3" | "blktrace" | "blkparse")[];
  readonly operations: Counts;
  readonly bytes: readonly [read: number, written: number, trimmed: number];
  readonly largest: readonly [read: number, write: number, trim: number];
  readonly firstNs: number;
  readonly lastNs: number;
  /** Largest power of two that divides every offset and length. */
  readonly unitBytes: number;
  /** Left out on demand. */
  readonly skipped: number;
  /** Operations with a time before that of the one before them. */
  readonly wentBack: number;
  readonly passed: { readonly others: number; readonly empty: number };
  readonly files: readonly TraceFileFacts[];
  readonly cutShort: boolean;
}

/** The trace of a planned job. */
export interface PlannedTrace {
  readonly spec: TraceSpec;
  readonly facts: TraceFacts;
}

/** Operations of one pass. */
export function operationsOf({ operations }: Pick<TraceFacts, "operations">): number {
  return operations.reduce((sum, count) => sum + count, 0);
}
