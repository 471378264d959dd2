/**
 * Lays out the volume of a store before a run, as files are: what a job is going to read and nobody wrote
 * is written with incompressible data, since reads of a hole never reach the device. Only whole ends of
 * objects are seen: holes within an object stay.
 */
import { randomFillSync } from "node:crypto";
import { OsdynoError } from "../../engine/base/error.ts";
import type { HintTeller } from "../../engine/store/client-hints.ts";
import { type ObjectStore, storeErrnos } from "../../engine/store/object-store.ts";
import { Transaction } from "../../engine/store/transaction.ts";
import type { VolumeLayout } from "../../engine/store/volume-layout.ts";
import { plannedDirections } from "../job-reach.ts";
import type { RunPlan } from "../plan-model.ts";
import type { LayoutProgress } from "./layout.ts";

interface Range {
  readonly from: number;
  readonly to: number;
}

/** What jobs read of the store with this target (`overwrite=1`: and write), in order, joined. */
export function readRanges(plan: RunPlan, text: string): readonly Range[] {
  const jobs = plan.phases
    .flatMap(({ jobs: each }) => each)
    .filter(({ objects }) => objects === undefined);
  const ranges = jobs.flatMap((job) =>
    job.files
      .filter(({ path, access }) => {
        const reads = access?.reads ?? plannedDirections(job).read;
        return path === text && (reads || job.resolved.fileRules.overwrite);
      })
      .map(({ offsetBytes, sizeBytes }) => ({ from: offsetBytes, to: offsetBytes + sizeBytes })),
  );
  const joined: { from: number; to: number }[] = [];
  for (const { from, to } of ranges.sort((a, b) => a.from - b.from)) {
    const last = joined.at(-1);
    if (last !== undefined && from <= last.to) {
      last.to = Math.max(last.to, to);
    } else {
      joined.push({ from, to });
    }
  }
  return joined;
}

/** A part of an object that is to be written. */
interface Piece {
  readonly object: number;
  readonly at: number;
  readonly length: number;
}

function sizeOf(store: ObjectStore, layout: VolumeLayout, object: number): Promise<number> {
  return new Promise((resolve, reject) => {
    store.stat(layout.collection(object), layout.object(object), (errno, stat) => {
      if (stat !== null) {
        resolve(stat.sizeBytes);
      } else if (errno === -storeErrnos.ENOENT) {
        resolve(0);
      } else {
        reject(new OsdynoError("io", `an object of the volume cannot be read, errno ${-errno}`));
      }
    });
  });
}

async function missingPieces(
  store: ObjectStore,
  layout: VolumeLayout,
  ranges: readonly Range[],
): Promise<readonly Piece[]> {
  const { objectBytes } = layout;
  const pieces: Piece[] = [];
  for (const { from, to } of ranges) {
    for (let object = Math.floor(from / objectBytes); object * objectBytes < to; object += 1) {
      const start = object * objectBytes;
      const first = Math.max(0, from - start);
      const end = Math.min(objectBytes, to - start);
      const at = Math.max(first, await sizeOf(store, layout, object));
      if (at < end) {
        pieces.push({ object, at, length: end - at });
      }
    }
  }
  return pieces;
}

/** Random bytes that writes are cut from at ever other places: compression finds nothing. */
const poolBytes = 8 << 20;
/** Objects written at once. */
const atOnce = 4;

export interface StoreLayoutRequest {
  readonly store: ObjectStore;
  readonly layout: VolumeLayout;
  readonly ranges: readonly Range[];
  readonly hints: HintTeller | null;
  readonly path: string;
  readonly progress: LayoutProgress;
  readonly signal: AbortSignal;
}

/** Throws `io` when the store refuses a write, `interrupted` when the signal aborts. */
export async function layOutVolume(request: StoreLayoutRequest): Promise<void> {
  const { store, layout, path, progress, signal } = request;
  const pieces = await missingPieces(store, layout, request.ranges);
  const total = pieces.reduce((sum, { length }) => sum + length, 0);
  if (total === 0) {
    return;
  }
  const pool = Buffer.allocUnsafe(poolBytes + Math.max(...pieces.map(({ length }) => length)));
  randomFillSync(pool);
  let next = 0;
  let done = 0;
  const write = async (): Promise<void> => {
    for (let piece = pieces[next]; piece !== undefined; piece = pieces[next]) {
      next += 1;
      if (signal.aborted) {
        throw new OsdynoError("interrupted", `stopped while laying out ${path}`);
      }
      const { object, at, length } = piece;
      const cut = (object * 4099 * 13) % poolBytes;
      const transaction = new Transaction();
      const bytes = pool.subarray(cut, cut + length);
      const [collection, name] = [layout.collection(object), layout.object(object)];
      request.hints?.tell(transaction, collection, name, object);
      transaction.write(collection, name, at, bytes);
      const result = await new Promise<number>((told) => store.submit(transaction, told));
      if (result < 0) {
        const full = result === -storeErrnos.ENOSPC;
        const why = full ? "no space left in the store" : `errno ${-result}`;
        throw new OsdynoError("io", `cannot lay out ${path}: ${why}`);
      }
      done += length;
      progress(path, done, total);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, write));
}
