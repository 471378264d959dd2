/**
 * A plan: what a run is going to do, before it does it. Made by `planner.ts`, printed by `--dry-run`,
 * judged by the safety check, executed by the runner, recorded in the results.
 */
import type { PlannedChain } from "./chain-plan.ts";
import type { ResolvedJob } from "./job/model.ts";
import type { PlannedObjects } from "./object-plan.ts";
import type { NativeOutcome } from "./run-outcome.ts";
import type { PlannedStore } from "./store-plan.ts";
import type { IologSpec, PlannedTrace } from "./trace/model.ts";

/** A file, device or synthetic target of one planned job. */
export interface PlannedFile {
  /** Absolute path; for targets without a path the target's text, e.g. `null:?service=50us`. */
  readonly path: string;
  readonly kind: "file" | "block" | "char" | "synthetic" | "memory" | "null" | "store";
  /** The region that the job addresses. */
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** The whole length the file must have; laid out before the run if it is shorter. */
  readonly fileBytes: number;
  /** The job creates this file: it is absent now. */
  readonly created: boolean;
  /** What a trace does to it; absent: what the job does. */
  readonly access?: { readonly reads: boolean; readonly writes: boolean };
}

/** Whether a file of this kind stands at a path of the machine. */
export function hasPath(kind: PlannedFile["kind"]): boolean {
  return kind === "file" || kind === "block" || kind === "char";
}

/** One thread of the runner: one clone (`numjobs`) of one job. */
export interface PlannedJob {
  readonly resolved: ResolvedJob;
  /** 0 ... numjobs-1 */
  readonly jobnum: number;
  /** Position over the whole run, names logs. */
  readonly index: number;
  readonly groupId: number;
  readonly files: readonly PlannedFile[];
  readonly writes: boolean;
  readonly iodepth: number;
  /** Bytes it will transfer if nothing ends it earlier; null = bounded by time only. */
  readonly ioBytes: number | null;
  readonly seed: number;
  /** With `io_unit=object`: what the operations are on. */
  readonly objects?: PlannedObjects;
  /** Operations come from it. */
  readonly trace?: PlannedTrace;
  /** `write_iolog` */
  readonly iolog?: IologSpec;
  /** `merge_blktrace_file`: written before the job begins. */
  /** The device of the write log before the job's target, of `pwl:LOG+TARGET`. */
  readonly logDevice?: string;
  readonly mergedPath?: string;
}

/** Jobs that run at once; a stonewall begins a new phase. */
export interface PlannedPhase {
  readonly jobs: readonly PlannedJob[];
}

export interface RunPlan {
  readonly phases: readonly PlannedPhase[];
  readonly path: "native" | "engine";
  /** Layers above the targets of its jobs. */
  readonly chains: readonly PlannedChain[];
  /** Object stores that its jobs run on. */
  readonly stores: readonly PlannedStore[];
  /** What is to be known of it before it runs, one line each. */
  readonly notes: readonly string[];
  /** Seconds it is expected to take; null = unknown. */
  readonly expectedSeconds: number | null;
  readonly expectedWriteBytes: number | null;
}

/** A phase as it was measured. */
export interface MeasuredPhase {
  readonly jobs: readonly PlannedJob[];
  readonly outcome: NativeOutcome;
  /** Start of the phase since the start of the run, ns; interval rows are already shifted by it. */
  readonly offsetNs: number;
}
