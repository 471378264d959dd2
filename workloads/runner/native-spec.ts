/**
 * The JSON that the native side takes: mirrors `native/crates/core/src/spec.rs` and
 * `native/crates/device/src/spec.rs`. Times in ns, sizes in bytes, triples are read, write, trim.
 */
import type { SyntheticSpec } from "../../engine/device/synthetic-spec.ts";
import type {
  ArrivalRule,
  BlockSizeRule,
  DistributionRule,
  PerDirection,
  VerifyRule,
} from "../job/model.ts";
import type { FileServiceRule, StridedZoneRule, TrimRule } from "../job/rules.ts";
import type { IologSpec, TraceSpec } from "../trace/model.ts";
import type { ControlSpec } from "./control-spec.ts";
import type { LogSpec } from "./log-plan.ts";

export type SpecArrival = { readonly kind: "closed" } | ArrivalRule;

/** `interval`: bytes that carry a header of their own. */
export type VerifySpec = Omit<VerifyRule, "intervalBytes" | "saveState" | "loadState"> & {
  readonly interval: number;
};

export interface OrderSpec {
  readonly identical: boolean;
  readonly sizesByRandomness: boolean;
  readonly unalignedSizes: boolean;
  readonly lfsr: boolean;
  readonly fileService: FileServiceRule;
  /** Files in use at a time; 0 = all. */
  readonly openFiles: number;
}

/** `workingSet`: contents that are repeated; 0 = the last new one. */
export interface DedupeSpec {
  readonly percent: number;
  readonly workingSet: number;
  readonly setSeed: number;
}

export interface ContentSpec {
  readonly pattern: readonly number[];
  readonly patternOffsets: readonly number[];
  readonly compressChunkBytes: number;
  readonly scramble: boolean;
  readonly dedupe: DedupeSpec | null;
}

export interface StreamSpec {
  readonly seed: number;
  readonly pattern: "sequential" | "random";
  readonly mix: PerDirection<number>;
  readonly trimThenWrite: boolean;
  readonly sequentialStep: number;
  readonly opsPerDraw: number;
  readonly regions: readonly { readonly offset: number; readonly size: number }[];
  readonly blockSizes: PerDirection<BlockSizeRule>;
  readonly blockAlign: PerDirection<number>;
  readonly distribution: PerDirection<DistributionRule>;
  readonly percentageRandom: PerDirection<number>;
  readonly randomMap: boolean;
  readonly ioBytes: number;
  readonly numberIos: number | null;
  readonly loops: number;
  readonly timeBased: boolean;
  readonly arrival: PerDirection<SpecArrival>;
  readonly thinktimeNs: number;
  /** 0 = operations do not count, `thinktime.ioNs` does. */
  readonly thinktimeBlocks: number;
  readonly thinktime: {
    readonly spinNs: number;
    readonly ioNs: number;
    readonly onIssue: boolean;
    readonly delaysSchedule: boolean;
  };
  readonly serializeOverlap: boolean;
  /** Everything completes between two loops. */
  readonly loopBarrier: boolean;
  readonly fsyncEvery: number;
  readonly fdatasyncEvery: number;
  /** `sync_file_range(2)` after every so many writes, with its flags. */
  readonly rangeFlush: { readonly every: number; readonly flags: number } | null;
  readonly endFsync: boolean;
  readonly fua: boolean;
  readonly data: {
    readonly zero: boolean;
    readonly refill: boolean;
    readonly compressPercent: number;
    readonly content: ContentSpec;
    readonly verify: VerifySpec | null;
  };
  readonly order: OrderSpec;
  readonly zones: StridedZoneRule | null;
  readonly trims: TrimRule | null;
}

/** `null` or absent: what serves best; else it is demanded. */
export type UringOptions = {
  readonly sqthreadPoll?: boolean;
  readonly sqthreadPollCpu?: number | null;
  readonly hipri?: boolean;
  readonly fixedbufs?: boolean | null;
  readonly registerfiles?: boolean | null;
  readonly nonvectored?: boolean | null;
  readonly forceAsync?: number;
  readonly nowait?: boolean;
  readonly uncached?: boolean;
};

export type EngineSpec =
  | ({ readonly kind: "io_uring" } & UringOptions)
  | { readonly kind: "libaio"; readonly nowait?: boolean; readonly batched?: boolean }
  | { readonly kind: "psync" | "sync" | "pvsync" | "pmem" }
  | {
      readonly kind: "pvsync2";
      readonly hipri?: boolean;
      /** Percent of the operations. */
      readonly hipriPercentage?: number;
      readonly nowait?: boolean;
      readonly uncached?: boolean;
    }
  | { readonly kind: "mmap"; readonly thp?: boolean }
  | { readonly kind: "memory"; readonly size: number }
  | { readonly kind: "null" }
  | { readonly kind: "synthetic"; readonly model: SyntheticSpec };

export interface JobSpec {
  readonly name: string;
  readonly engine: EngineSpec;
  readonly files: readonly { readonly path: string; readonly readOnly?: boolean }[];
  readonly write: boolean;
  readonly direct: boolean;
  readonly sync: "none" | "sync" | "dsync";
  /** What becomes of the files' cached pages, without `direct`. */
  readonly cache: {
    readonly invalidate: boolean;
    readonly advise: "none" | "pattern" | "random" | "sequential" | "noreuse";
  };
  readonly iodepth: number;
  readonly maxBlock: number;
  readonly stream: StreamSpec;
  readonly startDelayNs: number;
  readonly runtimeNs: number | null;
  readonly rampNs: number;
  readonly cpus: readonly number[];
  readonly backlogCap: number | null;
  readonly percentiles: readonly number[];
  readonly control: ControlSpec;
  readonly trace: TraceSpec | null;
  readonly writeIolog: IologSpec | null;
  readonly log: LogSpec | null;
  readonly checkFiles: CheckFilesSpec;
  /** Operations are on objects: results say what was moved. */
  readonly objects: boolean;
}

/** `folder` of dumped blocks; `state`: the file that is kept or (`load`) looked for. */
export interface CheckFilesSpec {
  readonly folder: string;
  readonly state: string | null;
  readonly load: boolean;
}

export interface RunSpec {
  readonly jobs: readonly JobSpec[];
  readonly intervalNs: number;
  readonly hiccups: boolean;
  /** Bytes that the jobs may write together; null: no limit. */
  readonly writeBudgetBytes: number | null;
}
