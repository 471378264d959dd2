/** Writes of whole units: into room that a blob has, or into new blobs up to the target size. */
import type { Blob } from "../blob.ts";
import type { Extent } from "../extent-map.ts";
import { trailingZeroes, type WriteContext } from "./context.ts";
import { sumInto, writeDeferred } from "./place.ts";
import { findRoom, newBlob, touchBlob } from "./small.ts";

/**
 * `slot`: the bytes are the first of this slot; -1: not so. `alone`: the operation writes nothing else.
 */
export function writeBig(
  ctx: WriteContext,
  offset: number,
  bytes: Uint8Array,
  slot: number,
  alone: boolean,
): void {
  const { state, onode, targetBlobBytes } = ctx;
  const { counters, unitBytes } = state;
  counters.write_big += 1;
  counters.write_big_bytes += bytes.length;
  if (bytes.length < state.options.preferDeferredBytes && overwriteDeferred(ctx, offset, bytes)) {
    counters.write_big_deferred += 1;
    return;
  }
  // What is replaced by one piece as it stands is given up when the new one is in its place.
  const later = alone && bytes.length <= targetBlobBytes && !ctx.compress;
  if (!later) {
    onode.map.punch(offset, bytes.length, ctx.old);
  }
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(targetBlobBytes, bytes.length - done);
    const at = offset + done;
    // Compressed data needs a blob of its own. So does a unit in the middle of others: with one it can be
    // written over again by a patch of its shard's record.
    const apart = ctx.compress || (later && length === unitBytes && onode.map.covers(at, length));
    const room = apart ? null : findRoom(ctx, at, length);
    const order = Math.min(ctx.sumOrder, trailingZeroes(length));
    const blob = room?.blob ?? newBlob(state, length, order);
    const blobOffset = room === null ? 0 : at - room.start;
    if (room !== null) {
      touchBlob(ctx, blob, room.start);
    }
    counters.write_big_blobs += 1;
    const item = ctx.add(blob);
    item.fresh = room === null;
    item.offset = at;
    item.length = length;
    item.blobOffset = blobOffset;
    item.padOffset = blobOffset;
    item.bytes = bytes;
    item.bytesAt = done;
    item.byteCount = length;
    item.slot = slot;
    item.own = false;
    item.whole = room === null;
    item.punch = later;
    done += length;
  }
}

interface Piece {
  readonly blob: Blob;
  readonly start: number;
  readonly offset: number;
  readonly length: number;
}

/** Writes over what is there through the log, if all of it is in blobs that may be changed. */
function overwriteDeferred(ctx: WriteContext, offset: number, bytes: Uint8Array): boolean {
  const { state, onode, txc } = ctx;
  const { map } = onode;
  const end = offset + bytes.length;
  const pieces: Piece[] = [];
  let position = offset;
  for (let at = map.seek(offset); position < end; at += 1) {
    const extent = map.extents[at] as Extent | undefined;
    if (extent === undefined || extent.offset > position) {
      return false;
    }
    const { blob, blobStart: start } = extent;
    const length = Math.min(extent.end, end) - position;
    const chunk = blob.chunkBytes(state.blockBytes);
    const aligned = (position - start) % chunk === 0 && length % chunk === 0;
    if (!blob.mutable || !aligned || !blob.isAllocated(position - start, length)) {
      return false;
    }
    pieces.push({ blob, start, offset: position, length });
    position += length;
  }
  for (const { blob, start, offset: at, length } of pieces) {
    const part = bytes.slice(at - offset, at - offset + length);
    map.punch(at, length, ctx.old);
    touchBlob(ctx, blob, start);
    sumInto(state, blob, at - start, part, 0, length, -1);
    map.set(at, length, at - start, blob);
    txc.usageOf(onode.name.pool).stored += length;
    writeDeferred(state, txc, blob, at - start, part);
    blob.markUsed(at - start, length);
  }
  return true;
}
