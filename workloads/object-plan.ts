/** The objects of a job with `io_unit=object`: how many, how large, which. */
import { mostObjects } from "../engine/store/objects/object-set.ts";
import type { BlockSizeRule, ResolvedJob, SizeValue } from "./job/model.ts";
import type { PlannedFile } from "./plan-model.ts";
import { refuse } from "./planned-path.ts";
import { resolveExisting } from "./scratch.ts";
import { storeBytes } from "./store-plan.ts";
import { type StoreTarget, storeBytesFor, storePlace, volumeBytesOf } from "./store-target.ts";

/** The objects that one job works on. */
export interface PlannedObjects {
  readonly first: number;
  readonly count: number;
  /** They stand at multiples of this in the addresses of the job's stream: the largest object's size. */
  readonly strideBytes: number;
  /** What they take in all, about. */
  readonly totalBytes: number;
}

/** Space of a store comes in units of this and more. */
const unitBytes = 4096;

/** Sizes of objects are those of writes: what is read or deleted was put. */
export function objectSizes(job: ResolvedJob): BlockSizeRule {
  return job.blockSizes[1];
}

/** Largest and mean size of a rule, and mean of the space, bytes. */
function sizesOfRule(rule: BlockSizeRule): { most: number; mean: number; space: number } {
  const space = (bytes: number): number => Math.ceil(bytes / unitBytes) * unitBytes;
  if (rule.kind === "fixed") {
    return { most: rule.bytes, mean: rule.bytes, space: space(rule.bytes) };
  }
  if (rule.kind === "range") {
    const mean = (rule.min + rule.max) / 2;
    return { most: rule.max, mean, space: mean + unitBytes / 2 };
  }
  const sum = rule.entries.reduce((total, { percent }) => total + percent, 0) || 1;
  const mean = (of: (bytes: number) => number): number =>
    rule.entries.reduce((total, { bytes, percent }) => total + of(bytes) * percent, 0) / sum;
  return {
    most: Math.max(...rule.entries.map(({ bytes }) => bytes)),
    mean: mean((bytes) => bytes),
    space: mean(space),
  };
}

/**
 * `nrfiles` objects, else as many as make up `size`: data of that size in all, on the average. Clones of
 * a job share them, unless `offset` or `offset_increment` moves each to its own.
 */
export function planObjects(
  job: ResolvedJob,
  jobnum: number,
  target: StoreTarget,
): { readonly file: PlannedFile; readonly objects: PlannedObjects } {
  const place = storePlace(resolveExisting(target.path));
  const bytes = storeBytes(target, place);
  const capacity = bytes === null ? null : volumeBytesOf(bytes);
  const { most, mean, space } = sizesOfRule(objectSizes(job));
  const bytesOf = (value: SizeValue): number =>
    value.kind === "bytes" ? value.bytes : ((capacity ?? 0) * value.percent) / 100;
  const asked =
    job.objectCount ?? Math.floor((job.size === null ? (capacity ?? 0) : bytesOf(job.size)) / mean);
  const before = bytesOf(job.offset) + bytesOf(job.offsetIncrement) * jobnum;
  const first = Math.ceil(before / mean);
  if (asked <= 0) {
    refuse(
      job,
      `io_unit=object: there is not one object of ${mean} bytes; give nrfiles= or a larger size=`,
    );
  }
  if (first + asked > mostObjects) {
    refuse(job, `io_unit=object: ${first + asked} objects; there can be ${mostObjects}`);
  }
  const totalBytes = Math.ceil((first + asked) * space);
  if (capacity !== null && totalBytes > capacity) {
    refuse(
      job,
      `${first + asked} objects take ${totalBytes} bytes, ${target.text} has room for ${capacity}; lower nrfiles= or size=, or make a store of size=${storeBytesFor(totalBytes)} or more`,
    );
  }
  const file: PlannedFile = {
    path: target.text,
    kind: "store",
    offsetBytes: first * most,
    sizeBytes: asked * most,
    fileBytes: totalBytes,
    created: place.kind === "absent",
  };
  return { file, objects: { first, count: asked, strideBytes: most, totalBytes } };
}
