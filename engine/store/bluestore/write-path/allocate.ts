/** Gives space to what a write has gathered, compresses it if that is worth it, and takes the old away. */
import { assert } from "../../../base/assert.ts";
import { ExtentList } from "../../../hot/allocator/allocator.ts";
import type { Blob } from "../blob.ts";
import type { OldExtents } from "../extent-map.ts";
import type { Onode } from "../onode.ts";
import { timedOneIn } from "../perf.ts";
import type { SharedBlob } from "../shared-blob.ts";
import type { StoreState } from "../state.ts";
import type { Txc } from "../txc.ts";
import type { NewWrite, WriteContext } from "./context.ts";
import { DirectWrites, sumInto, writeDeferred } from "./place.ts";

/** Space of the running write; used again. */
const got = new ExtentList();
const direct = new DirectWrites();

interface Placed {
  readonly item: NewWrite;
  /** What goes to the disk: the item's bytes, or compressed ones. */
  readonly bytes: Uint8Array;
  readonly compressedBytes: number;
  /** Space it needs, from `spaceOffset` of the blob on. */
  readonly spaceOffset: number;
  readonly spaceBytes: number;
}

export function allocateWrite(ctx: WriteContext): void {
  const { state, txc, items } = ctx;
  if (items.length === 0) {
    return;
  }
  let need = 0;
  let dataBytes = 0;
  const placed = items.map((item) => {
    const each = compressed(ctx, item) ?? plain(state, item);
    need += each.spaceBytes;
    dataBytes += each.bytes.length;
    return each;
  });
  got.clear();
  const { perf } = state;
  const timed = perf.allocations.next();
  const beganNs = timed ? perf.now() : 0;
  const taken = state.allocator.allocate(need, state.unitBytes, 0, 0, got);
  if (timed) {
    perf.add(perf.allocator_lat, perf.now() - beganNs, timedOneIn);
  }
  assert(taken === need, "the allocator has less than it had");
  state.reclaim.freeBytes -= need;
  const usage = txc.usageOf(ctx.onode.name.pool);
  usage.allocated += need;
  for (let at = 0; at < got.count; at += 1) {
    txc.allocated.push(got.offsetBytes(at), got.lengthBytes(at));
  }
  const cursor = { index: 0, used: 0 };
  const deferred = dataBytes < state.options.preferDeferredBytes;
  for (const each of placed) {
    place(ctx, each, cursor);
    const { item, bytes } = each;
    usage.stored += item.length;
    if (each.compressedBytes > 0) {
      usage.compressedOriginal += item.length;
      usage.compressedAllocated += each.spaceBytes;
    }
    const own = bytes !== item.bytes;
    if (deferred) {
      writeDeferred(state, txc, item.blob, item.padOffset, bytes, own);
    } else {
      direct.add(state, txc, item.blob, item.padOffset, bytes, own ? -1 : item.slot);
    }
  }
  direct.end(state, txc);
  // The device is at the large ones while their checksums are taken.
  if (dataBytes >= state.options.durableWriteBytes) {
    state.io.push();
  }
  for (const { item, bytes } of placed) {
    sumInto(state, item.blob, item.padOffset, bytes, bytes === item.bytes ? item.slot : -1);
  }
}

function plain(state: StoreState, item: NewWrite): Placed {
  const unit = state.unitBytes;
  const { bytes, padOffset } = item;
  const spaceOffset = padOffset - (padOffset % unit);
  const end = Math.ceil((padOffset + bytes.length) / unit) * unit;
  return { item, bytes, compressedBytes: 0, spaceOffset, spaceBytes: end - spaceOffset };
}

/** `null`: it stays as it is. */
function compressed(ctx: WriteContext, item: NewWrite): Placed | null {
  const { state } = ctx;
  const { options, counters, unitBytes: unit } = state;
  if (!ctx.compress || !item.whole || item.bytes.length <= unit) {
    return null;
  }
  const raw = item.bytes.length;
  const wantedSpace = Math.ceil((raw * options.compressionRequiredRatio) / unit) * unit;
  const room = Math.min(wantedSpace, raw - 1);
  const { perf } = state;
  const beganNs = perf.now();
  const bytes = state.compression.compress(options.compressionAlgorithm, item.bytes, room);
  perf.add(perf.compress_lat, perf.now() - beganNs);
  const space = bytes === null ? raw : Math.ceil(bytes.length / unit) * unit;
  if (bytes === null || space > wantedSpace || space >= raw) {
    counters.compress_rejected_count += 1;
    return null;
  }
  counters.compress_success_count += 1;
  const padded = new Uint8Array(space);
  padded.set(bytes);
  const compressedBytes = bytes.length;
  return { item, bytes: padded, compressedBytes, spaceOffset: 0, spaceBytes: space };
}

/** Gives the blob its space, and the object its extent. */
function place(ctx: WriteContext, each: Placed, cursor: { index: number; used: number }): void {
  const { state, onode } = ctx;
  const { item, bytes, spaceOffset, spaceBytes } = each;
  const { blob } = item;
  const end = spaceOffset + spaceBytes;
  for (let offset = spaceOffset; offset < end; ) {
    const left = got.lengthBytes(cursor.index) - cursor.used;
    const length = Math.min(left, end - offset);
    blob.setDisk(offset, length, got.offsetBytes(cursor.index) + cursor.used);
    cursor.used += length;
    if (length === left) {
      cursor.index += 1;
      cursor.used = 0;
    }
    offset += length;
  }
  if (each.compressedBytes > 0) {
    blob.compressedBytes = each.compressedBytes;
    blob.sumOrder = Math.log2(state.blockBytes);
  } else if (item.fresh) {
    const padEnd = item.padOffset + bytes.length;
    blob.addUnused(0, item.padOffset);
    blob.addUnused(padEnd, blob.logicalBytes - padEnd);
  } else {
    blob.logicalBytes = Math.max(blob.logicalBytes, end);
  }
  blob.initUse(state.unitBytes);
  onode.map.set(item.offset, item.length, item.blobOffset, blob);
}

/** Tells the blobs what is no longer referred to; space that nobody uses is released with the commit. */
export function releaseOld(txc: Txc, onode: Onode, old: OldExtents): void {
  if (old.count === 0) {
    return;
  }
  const usage = txc.usageOf(onode.name.pool);
  const before = txc.released.count;
  for (let at = 0; at < old.count; at += 1) {
    const blob = old.blobs[at] as Blob;
    const length = old.lengths[at] as number;
    usage.stored -= length;
    const { shared } = blob;
    const first = txc.released.count;
    blob.putRef(old.blobOffsets[at] as number, length, txc.released);
    if (blob.compressed) {
      usage.compressedOriginal -= length;
      for (let index = first; index < txc.released.count; index += 1) {
        usage.compressedAllocated -= txc.released.lengthBytes(index);
      }
    }
    const gone = blob.referencedBytes === 0;
    if (gone && blob.spanningId >= 0) {
      onode.map.spanning.delete(blob.spanningId);
    }
    if (shared !== null) {
      touchShared(txc, shared);
      if (gone) {
        shared.users -= 1;
        blob.shared = null;
      }
    }
  }
  for (let at = before; at < txc.released.count; at += 1) {
    usage.allocated -= txc.released.lengthBytes(at);
  }
  old.clear();
}

/** The shared blob's record is written with the transaction. */
export function touchShared(txc: Txc, shared: SharedBlob): void {
  if (shared.dirtyIn !== txc.sequence) {
    shared.dirtyIn = txc.sequence;
    shared.pending += 1;
    txc.sharedBlobs.push(shared);
  }
}
