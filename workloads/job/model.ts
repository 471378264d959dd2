/**
 * A job as resolved from fio's grammar: every value in bytes, nanoseconds or numbers, defaults filled
 * in. Made by `parse.ts`, read by the planner, `--parse-only` and the results.
 */

import type { ObjectMix } from "../../engine/store/objects/object-mix.ts";
import type { FileKey } from "./idle-on-store.ts";
import type {
  CommandPriorityRule,
  ContentRules,
  EndRules,
  EngineOptions,
  FileRules,
  FlowRule,
  HostRules,
  LatencyTargetRule,
  LogRules,
  MeasureRules,
  OrderRules,
  PerDirection,
  QueueRules,
  RateFloorRules,
  ReplayRule,
  SteadyStateRule,
  StridedZoneRule,
  SyncRules,
  TrimRule,
  VerifyRule,
} from "./rules.ts";

/** Values for read, write, trim. */
export type { PerDirection, VerifyRule };

export type RwMode =
  | "read"
  | "write"
  | "trim"
  | "rw"
  | "randread"
  | "randwrite"
  | "randtrim"
  | "randrw"
  | "trimwrite"
  | "randtrimwrite";

/** A size: bytes, or percent of the file or device. */
export type SizeValue =
  | { readonly kind: "bytes"; readonly bytes: number }
  | { readonly kind: "percent"; readonly percent: number };

export type BlockSizeRule =
  | { readonly kind: "fixed"; readonly bytes: number }
  | { readonly kind: "range"; readonly min: number; readonly max: number }
  | {
      readonly kind: "split";
      readonly entries: readonly { readonly bytes: number; readonly percent: number }[];
    };

export type DistributionRule =
  | { readonly kind: "random" }
  | { readonly kind: "zipf"; readonly theta: number; readonly center: number | null }
  | { readonly kind: "pareto"; readonly h: number; readonly center: number | null }
  | { readonly kind: "normal"; readonly deviation: number; readonly center: number | null }
  | {
      readonly kind: "zoned" | "zonedAbs";
      readonly zones: readonly { readonly access: number; readonly size: number }[];
    };

/** When operations are meant to be sent. `null` per direction: closed loop. */
export type ArrivalRule =
  | { readonly kind: "constant" | "poisson"; readonly rate: number; readonly byBytes: boolean }
  | {
      readonly kind: "burst";
      readonly rate: number;
      readonly onNs: number;
      readonly offNs: number;
      readonly poisson: boolean;
    }
  | {
      readonly kind: "profile";
      readonly points: readonly (readonly [atNs: number, rate: number])[];
      readonly poisson: boolean;
      readonly repeat: boolean;
    };

export interface ResolvedJob {
  readonly name: string;
  /** Where the section starts, for messages. */
  readonly place: { readonly file: string; readonly line: number };
  readonly description: string | null;
  readonly rw: RwMode;
  /** `rw=read:N`: bytes skipped after each sequential operation; `rw=randread:N`: operations per drawn offset (default 1). */
  readonly sequentialStepBytes: number;
  readonly opsPerDraw: number;
  /** Percent of reads in mixed modes. */
  readonly rwmixread: number;
  readonly blockSizes: PerDirection<BlockSizeRule>;
  readonly blockAlignBytes: PerDirection<number>;
  readonly size: SizeValue | null;
  readonly ioSize: SizeValue | null;
  readonly filesizeBytes: { readonly min: number; readonly max: number } | null;
  readonly offset: SizeValue;
  readonly offsetIncrement: SizeValue;
  readonly filenames: readonly string[];
  readonly filenameFormat: string;
  readonly directories: readonly string[];
  readonly nrfiles: number;
  readonly numjobs: number;
  readonly thread: boolean;
  readonly ioengine: string;
  readonly iodepth: number;
  readonly direct: boolean;
  readonly sync: "none" | "sync" | "dsync";
  readonly fsync: number;
  readonly fdatasync: number;
  readonly endFsync: boolean;
  readonly runtimeNs: number | null;
  readonly timeBased: boolean;
  readonly rampNs: number;
  /** The delay, or the least of a range (`startdelay=5-10`) that each clone draws from. */
  readonly startDelayNs: number;
  readonly startDelayMaxNs: number;
  readonly stonewall: boolean;
  readonly newGroup: boolean;
  readonly groupReporting: boolean;
  readonly loops: number;
  readonly numberIos: number | null;
  readonly arrival: PerDirection<ArrivalRule | null>;
  readonly backlogCap: number | null;
  readonly thinktimeNs: number;
  readonly thinktimeBlocks: number;
  /** `thinktime_spin`: this much of `thinktimeNs` burns CPU, the rest sleeps. */
  readonly thinktimeSpinNs: number;
  /** `thinktime_blocks_type`: count operations completed or sent. */
  readonly thinktimeCounts: "complete" | "issue";
  /**
   * `thinktime_iotime`: pause after so much time of I/O; 0 = by blocks only. With it `thinktimeBlocks`
   * is 0 (not counted) unless it was given.
   */
  readonly thinktimeIoNs: number;
  /** `rate_ignore_thinktime`: the schedule moves back by each pause, so that nothing is caught up with. */
  readonly rateIgnoresThinktime: boolean;
  readonly rateFloor: RateFloorRules;
  readonly latencyTarget: LatencyTargetRule | null;
  readonly distribution: PerDirection<DistributionRule>;
  readonly percentageRandom: PerDirection<number>;
  readonly randomMap: boolean;
  /** The same operations in every run, decided by `randseed`; true as well when a seed was given. */
  readonly randrepeat: boolean;
  readonly randseed: number;
  readonly verify: VerifyRule | null;
  readonly zeroBuffers: boolean;
  readonly refillBuffers: boolean;
  readonly bufferCompressPercent: number;
  readonly percentiles: readonly number[];
  readonly clatPercentiles: boolean;
  readonly slatPercentiles: boolean;
  readonly latPercentiles: boolean;
  readonly cpusAllowed: readonly number[];
  readonly unlink: boolean;
  readonly createOnly: boolean;
  readonly kbBase: 1000 | 1024;
  readonly unifiedRwReporting: "none" | "mixed" | "both";
  readonly queue: QueueRules;
  readonly engineOptions: EngineOptions;
  readonly commandPriority: CommandPriorityRule | null;
  readonly order: OrderRules;
  readonly zones: StridedZoneRule | null;
  readonly flow: FlowRule | null;
  readonly syncs: SyncRules;
  readonly content: ContentRules;
  readonly trims: TrimRule | null;
  readonly fileRules: FileRules;
  readonly ends: EndRules;
  readonly steadyState: SteadyStateRule | null;
  readonly replay: ReplayRule | null;
  readonly logs: LogRules;
  readonly measures: MeasureRules;
  readonly host: HostRules;
  /** Our own key: where the job runs, e.g. `null:?service=50us`; `null` = the files it names. */
  readonly target: string | null;
  /** `io_unit=object`: what is done to objects; null: operations are on blocks. */
  readonly objects: ObjectMix | null;
  /** `nrfiles` with `io_unit=object`; null: as many as make up the size. */
  readonly objectCount: number | null;
  readonly opClass: "client" | "recovery" | "best_effort" | "immediate";
  readonly clientId: number;
  /** 1 to 255; 0: that of the class. */
  readonly opPriority: number;
  /** Keys of files that were set, also by `[global]`: not all of them act on every target. */
  readonly fileKeysSet: readonly FileKey[];
  /** Options as written, name and value as strings, for `job options` of the JSON and `--showcmd`. */
  readonly given: ReadonlyMap<string, string>;
}

/** A note of the linter about a value that fio reads differently than it looks. */
export interface LintNote {
  readonly place: { readonly file: string; readonly line: number };
  readonly key: string;
  readonly message: string;
}

/** One option as it was applied: the key's own name, the value after expansion, `null` for a bare word. */
export interface JobOption {
  readonly key: string;
  readonly value: string | null;
  readonly place: { readonly file: string; readonly line: number };
}

/** A section of a job file, or a `--name` of the command line, with its options in order. */
export interface JobSection {
  readonly kind: "global" | "job";
  readonly name: string;
  /** The file it came from (not that of an include), or `command line`. */
  readonly source: string;
  readonly options: readonly JobOption[];
}

export interface ParsedJobs {
  readonly jobs: readonly ResolvedJob[];
  /** `global options` of fio's JSON. */
  readonly globals: ReadonlyMap<string, string>;
  /** Every section in the order of application, for `--showcmd`. */
  readonly sections: readonly JobSection[];
  readonly notes: readonly LintNote[];
  /** The text as run: the job files in order, or the command-line jobs written as a job file. */
  readonly text: string;
}
