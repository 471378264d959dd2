/** Puts the objects that a job gets, overwrites or deletes and that are not there, before the run. */
import { OsdynoError } from "../../engine/base/error.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import type { ObjectSet } from "../../engine/store/objects/object-set.ts";
import { Transaction } from "../../engine/store/transaction.ts";
import type { BlockSizeRule } from "../job/model.ts";
import { objectSizes } from "../object-plan.ts";
import type { PlannedJob } from "../plan-model.ts";
import type { LayoutProgress } from "./layout.ts";

/** Puts under way at once. */
const depth = 32;
/** Bytes that put objects differ in where they begin. */
const spareBytes = 65536;
const chunkBytes = 4096;

/** A size by the rule; ranges give multiples of the least, as in fio. */
function drawSize(rule: BlockSizeRule, random: SeededRandom): number {
  if (rule.kind === "fixed") {
    return rule.bytes;
  }
  if (rule.kind === "range") {
    return rule.min * (1 + random.below(Math.max(1, Math.floor(rule.max / rule.min))));
  }
  const sum = rule.entries.reduce((total, { percent }) => total + percent, 0);
  let drawn = random.unit() * sum;
  for (const { bytes, percent } of rule.entries) {
    drawn -= percent;
    if (drawn < 0) {
      return bytes;
    }
  }
  return rule.entries.at(-1)?.bytes ?? chunkBytes;
}

/** Contents for the puts, as compressible as the job's buffers. */
function contentsFor(job: PlannedJob, random: SeededRandom): Uint8Array {
  const { resolved, objects } = job;
  const bytes = new Uint8Array((objects?.strideBytes ?? 0) + spareBytes);
  const share = resolved.zeroBuffers ? 0 : 1 - resolved.bufferCompressPercent / 100;
  for (let at = 0; at < bytes.length; at += 4) {
    if (at % chunkBytes < share * chunkBytes) {
      const word = random.bits32();
      bytes[at] = word;
      bytes[at + 1] = word >>> 8;
      bytes[at + 2] = word >>> 16;
      bytes[at + 3] = word >>> 24;
    }
  }
  return bytes;
}

/** Throws `io` when the store does not take them, `interrupted` when aborted. */
export async function layOutObjects(
  set: ObjectSet,
  job: PlannedJob,
  progress: LayoutProgress,
  signal: AbortSignal,
): Promise<void> {
  const { objects, resolved } = job;
  if (objects === undefined) {
    return;
  }
  const random = new SeededRandom(job.seed);
  const contents = contentsFor(job, random);
  const rule = objectSizes(resolved);
  const end = objects.first + objects.count;
  let number = objects.first;
  let failed = 0;
  let doneBytes = 0;
  const what = job.files[0]?.path ?? resolved.name;
  const putOne = (): Promise<void> => {
    const size = drawSize(rule, random);
    const from = random.below(spareBytes / chunkBytes) * chunkBytes;
    const bytes = contents.subarray(from, from + size);
    const transaction = new Transaction();
    set.hints?.tell(transaction, set.collection(number), set.name(number), number);
    transaction.write(set.collection(number), set.name(number), 0, bytes);
    set.wasPut(number, bytes);
    return new Promise((resolve) => {
      set.store.submit(transaction, (result) => {
        failed = Math.min(failed, result);
        doneBytes += size;
        progress(what, Math.min(doneBytes, objects.totalBytes), objects.totalBytes);
        resolve();
      });
    });
  };
  const putSome = async (): Promise<void> => {
    for (; number < end && failed === 0 && !signal.aborted; ) {
      if (set.has(number)) {
        number += 1;
      } else {
        const put = putOne();
        number += 1;
        await put;
      }
    }
  };
  await Promise.all(Array.from({ length: depth }, putSome));
  if (signal.aborted) {
    throw new OsdynoError("interrupted", `stopped while putting the objects of ${what}`);
  }
  if (failed < 0) {
    throw new OsdynoError(
      "io",
      `job ${resolved.name}: putting its ${objects.count} objects failed with errno ${-failed}; make the store larger or lower size=`,
    );
  }
}
