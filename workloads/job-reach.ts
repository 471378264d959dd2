/** What a job reads and writes, and in which sizes. */
import { mixByDirection } from "../engine/store/objects/object-mix.ts";
import type { BlockSizeRule, PerDirection, ResolvedJob } from "./job/model.ts";
import type { PlannedJob } from "./plan-model.ts";

export interface Directions {
  readonly read: boolean;
  readonly write: boolean;
  readonly trim: boolean;
}

/** What a planned job reads and writes: a trace knows better than `rw`. */
export function plannedDirections({ resolved, trace }: PlannedJob): Directions {
  if (trace === undefined) {
    return directionsOf(resolved);
  }
  const [reads, writes, trims] = trace.facts.operations;
  return { read: reads > 0, write: writes > 0, trim: trims > 0 };
}

/** What `rw` of one job reads and writes. */
export function directionsOf(job: ResolvedJob): Directions {
  if (job.objects !== null) {
    const [gets, changes, deletes] = mixByDirection(job.objects);
    return { read: gets > 0, write: changes > 0, trim: deletes > 0 };
  }
  const { rw } = job;
  const mixed = rw === "rw" || rw === "randrw";
  return {
    read: rw === "read" || rw === "randread" || (mixed && job.rwmixread > 0),
    write:
      rw === "write" ||
      rw === "randwrite" ||
      rw === "trimwrite" ||
      rw === "randtrimwrite" ||
      (mixed && job.rwmixread < 100),
    trim: rw.includes("trim"),
  };
}

/** The sizes a rule can give, bytes. */
export function sizesOf(rule: BlockSizeRule): { min: number; max: number } {
  if (rule.kind === "fixed") {
    return { min: rule.bytes, max: rule.bytes };
  }
  if (rule.kind === "range") {
    return { min: rule.min, max: rule.max };
  }
  const sizes = rule.entries.map((entry) => entry.bytes);
  return { min: Math.min(...sizes), max: Math.max(...sizes) };
}

/** Smallest and largest block over the directions in use, bytes. */
export function blockLimits(job: ResolvedJob): { min: number; max: number } {
  const used = directionsOf(job);
  const flags: PerDirection<boolean> = [used.read, used.write, used.trim];
  const limits = job.blockSizes.filter((_, index) => flags[index] === true).map(sizesOf);
  return {
    min: Math.min(...limits.map((limit) => limit.min)),
    max: Math.max(...limits.map((limit) => limit.max)),
  };
}
