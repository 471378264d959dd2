/**
 * Writes that are not whole units. In this order: into a part of a blob that was never written, over
 * what is there through the log, into room that a blob has, into a new blob.
 */
import { type Blob, takeBlob } from "../blob.ts";
import type { Extent } from "../extent-map.ts";
import type { Onode } from "../onode.ts";
import type { StoreState } from "../state.ts";
import type { WriteContext } from "./context.ts";
import { sumInto, writeDeferred, writeDirect } from "./place.ts";

function down(value: number, unit: number): number {
  return value - (value % unit);
}

function up(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** The blocks of a blob that a small write covers, if it may be written in place. */
export interface InPlace {
  readonly blob: Blob;
  /** Where in the object the blob begins. */
  readonly start: number;
  readonly padOffset: number;
  readonly padEnd: number;
  readonly unused: boolean;
}

/** The first blob around the range that has it allocated and may be changed; `null`: none. */
export function findInPlace(
  state: StoreState,
  onode: Onode,
  offset: number,
  length: number,
): InPlace | null {
  const { extents } = onode.map;
  const reach = state.options.maxBlobBytes;
  const end = offset + length;
  let tried: Blob | null = null;
  for (let at = onode.map.seek(Math.max(0, offset - reach)); at < extents.length; at += 1) {
    const extent = extents[at] as Extent;
    if (extent.offset >= end + reach) {
      break;
    }
    const { blob, blobStart: start } = extent;
    if (blob === tried || !blob.mutable || start > offset || start + blob.logicalBytes < end) {
      continue;
    }
    tried = blob;
    const chunk = blob.chunkBytes(state.blockBytes);
    const padOffset = down(offset - start, chunk);
    const padEnd = up(end - start, chunk);
    if (padEnd <= blob.logicalBytes && blob.isAllocated(padOffset, padEnd - padOffset)) {
      const unused = blob.isUnused(padOffset, padEnd - padOffset);
      return { blob, start, padOffset, padEnd, unused };
    }
  }
  return null;
}

/** A blob around the range with room for these whole units; `null`: none. */
export function findRoom(
  ctx: WriteContext,
  offset: number,
  length: number,
): { readonly blob: Blob; readonly start: number } | null {
  const { state, onode } = ctx;
  const { extents } = onode.map;
  const reach = state.options.maxBlobBytes;
  const end = offset + length;
  let tried: Blob | null = null;
  for (let at = onode.map.seek(Math.max(0, offset - reach)); at < extents.length; at += 1) {
    const extent = extents[at] as Extent;
    if (extent.offset >= end + reach) {
      break;
    }
    const { blob } = extent;
    // First what the extent alone tells: the blobs around are not in the processor's cache.
    const start = extent.offset - extent.blobOffset;
    if (blob === tried || start < 0 || start > offset || end - start > reach) {
      continue;
    }
    tried = blob;
    if (!blob.mutable || blob.unused !== 0 || start % state.unitBytes !== 0) {
      continue;
    }
    const chunk = blob.chunkBytes(state.blockBytes);
    const aligned = (offset - start) % chunk === 0 && length % chunk === 0;
    // A blob that grew into the next shard would have to be cut again.
    const { map } = onode;
    if (
      aligned &&
      blob.isUnallocated(offset - start, length) &&
      (map.shards.length === 0 || map.shardAt(start) === map.shardAt(end - 1))
    ) {
      return { blob, start };
    }
  }
  return null;
}

/** An existing blob changes: its record, wherever it is, must be written again. */
export function touchBlob(ctx: WriteContext, blob: Blob, start: number): void {
  const { state, onode } = ctx;
  const from = Math.max(0, start);
  const length = blob.logicalBytes + Math.min(0, start);
  state.shards.fault(onode, from, length);
  onode.map.markDirty(from, length);
}

/** Puts bytes of the object that were read for this operation into `into`; `false`: not all were. */
function fillFromPreread(
  ctx: WriteContext,
  offset: number,
  length: number,
  into: Uint8Array,
  at: number,
): boolean {
  if (length === 0 || !ctx.onode.map.hasAny(offset, length)) {
    return true;
  }
  for (const { offsetBytes, bytes } of ctx.preread) {
    const from = offset - offsetBytes;
    if (from >= 0 && from + length <= bytes.length) {
      into.set(bytes.subarray(from, from + length), at);
      return true;
    }
  }
  return false;
}

export function writeSmall(ctx: WriteContext, offset: number, bytes: Uint8Array): void {
  const { state, onode } = ctx;
  const { counters } = state;
  counters.write_small += 1;
  counters.write_small_bytes += bytes.length;
  const place = findInPlace(state, onode, offset, bytes.length);
  if (place !== null && overwrite(ctx, place, offset, bytes)) {
    return;
  }
  const unit = state.unitBytes;
  const first = down(offset, unit);
  const room = findRoom(ctx, first, up(offset + bytes.length, unit) - first);
  counters.write_small_new += 1;
  onode.map.punch(offset, bytes.length, ctx.old);
  const blob = room?.blob ?? newBlob(state, unit, state.blockOrder);
  const start = room?.start ?? first;
  if (room !== null) {
    touchBlob(ctx, blob, start);
  }
  const chunk = blob.chunkBytes(state.blockBytes);
  const blobOffset = offset - start;
  // In a blob with room a unit is written whole: what it was before is not known to be unused.
  const block = room === null ? chunk : Math.max(chunk, unit);
  const padOffset = down(blobOffset, block);
  const padded = new Uint8Array(up(blobOffset + bytes.length, block) - padOffset);
  padded.set(bytes, blobOffset - padOffset);
  const item = ctx.add(blob);
  item.fresh = room === null;
  item.offset = offset;
  item.length = bytes.length;
  item.blobOffset = blobOffset;
  item.padOffset = padOffset;
  item.bytes = padded;
  item.bytesAt = 0;
  item.byteCount = padded.length;
  item.slot = -1;
  item.own = true;
  item.whole = false;
  item.punch = false;
}

function overwrite(ctx: WriteContext, place: InPlace, offset: number, bytes: Uint8Array): boolean {
  const { state, onode, txc } = ctx;
  const { blob, start, padOffset, padEnd, unused } = place;
  const blobOffset = offset - start;
  const blobEnd = blobOffset + bytes.length;
  const padded = new Uint8Array(padEnd - padOffset);
  if (!unused) {
    const head = blobOffset - padOffset;
    const ready =
      fillFromPreread(ctx, start + padOffset, head, padded, 0) &&
      fillFromPreread(ctx, start + blobEnd, padEnd - blobEnd, padded, blobEnd - padOffset);
    if (!ready) {
      return false;
    }
  }
  padded.set(bytes, blobOffset - padOffset);
  onode.map.punch(offset, bytes.length, ctx.old);
  touchBlob(ctx, blob, start);
  sumInto(state, blob, padOffset, padded, 0, padded.length, -1);
  onode.map.set(offset, bytes.length, blobOffset, blob);
  txc.usageOf(onode.name.pool).stored += bytes.length;
  if (!unused || padded.length < state.options.preferDeferredBytes) {
    state.counters.write_small_deferred += 1;
    writeDeferred(state, txc, blob, padOffset, padded);
  } else {
    state.counters.write_small_unused += 1;
    writeDirect(state, txc, blob, padOffset, padded);
  }
  blob.markUsed(padOffset, padded.length);
  return true;
}

/** A blob for `length` bytes of data, without space yet. */
export function newBlob(state: StoreState, length: number, sumOrder: number): Blob {
  const blob = takeBlob();
  blob.logicalBytes = length;
  blob.sumType = state.checksumType;
  blob.sumBytes = state.checksum.valueBytes;
  blob.sumOrder = sumOrder;
  return blob;
}
