/** What a command line and a tune file ask for together. */
import type { SweepRequest } from "../sweep/plan-sweep.ts";
import type { TuneSpec } from "./spec.ts";

export interface TuneRequest {
  readonly tune: TuneSpec;
  /** Everything else that a run of a sweep needs; its `spec` is that of the tuning. */
  readonly base: SweepRequest;
}
