/** What governs a job beside its operations: mirrors `native/crates/device/src/control.rs`. */
import type { PerDirection } from "../job/model.ts";

/** Share of operations of one direction with a priority of their own; `bytes` 0 = of any size. */
export interface PriorityShareSpec {
  readonly percent: number;
  readonly class: number;
  readonly level: number;
  readonly bytes: number;
}

export interface ControlSpec {
  /** fio's batches; `null` = hand over and reap whatever is there. */
  readonly queue: {
    readonly submit: number;
    readonly completeMin: number;
    readonly completeMax: number;
    readonly low: number;
  } | null;
  /** Operations are sent by a pool of `iodepth` threads. */
  readonly offload: boolean;
  readonly rateFloor: {
    readonly bytes: PerDirection<number>;
    readonly iops: PerDirection<number>;
    readonly cycleNs: number;
  } | null;
  readonly latencyTarget: {
    readonly targetNs: number;
    readonly windowNs: number;
    readonly percentile: number;
    readonly keepRunning: boolean;
  } | null;
  /** 0 = no limit. */
  readonly maxLatencyNs: PerDirection<number>;
  /** For reads, writes, verification. */
  readonly errors: {
    readonly continueOn: readonly [boolean, boolean, boolean];
    readonly ignore: readonly [readonly number[], readonly number[], readonly number[]];
    readonly dump: boolean;
  };
  readonly fillDevice: boolean;
  readonly exit: {
    readonly onEnd: boolean;
    readonly onError: boolean;
    readonly what: "group" | "running" | "all";
    readonly group: number;
  };
  /** Places in the run of the jobs that are waited for. */
  readonly waitFor: readonly number[];
  readonly flow: { readonly id: number; readonly weight: number; readonly sleepNs: number } | null;
  readonly unlinkEachLoop: boolean;
  /** Files open at a time; 0 = all. */
  readonly openFiles: number;
  readonly lockFile: "none" | "exclusive" | "readwrite";
  readonly createOnOpen: boolean;
  readonly fsyncOnClose: boolean;
  readonly commandPriority: {
    readonly read: readonly PriorityShareSpec[];
    readonly write: readonly PriorityShareSpec[];
    readonly seed: number;
  } | null;
  readonly host: {
    readonly nice: number;
    readonly ioPriority: readonly [classNumber: number, level: number] | null;
    readonly memoryPolicy: {
      readonly mode: "default" | "prefer" | "bind" | "interleave" | "local";
      readonly nodes: readonly number[];
    } | null;
    readonly hugePageBytes: number | null;
    readonly lockedBytes: number;
  };
}
