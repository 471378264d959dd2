/** Gives space to what a write has gathered, compresses it if that is worth it, and takes the old away. */
import { assert } from "../../../base/assert.ts";
import { ExtentList } from "../../../hot/allocator/allocator.ts";
import { type Blob, giveBlob } from "../blob.ts";
import type { OldExtents } from "../extent-map.ts";
import type { Onode } from "../onode.ts";
import { timedOneIn } from "../perf.ts";
import type { SharedBlob } from "../shared-blob.ts";
import type { StoreState } from "../state.ts";
import type { Txc } from "../txc.ts";
import type { NewWrite, WriteContext } from "./context.ts";
import { DirectWrites, sumInto, writeDeferred } from "./place.ts";

/** Space of the running write, and what it gives up; used again. */
const got = new ExtentList();
const given = new ExtentList();
const direct = new DirectWrites();
/** Where in `got` the next item begins. */
let gotIndex = 0;
let gotUsed = 0;

export function allocateWrite(ctx: WriteContext): void {
  const { state, txc, items } = ctx;
  if (items.length === 0) {
    return;
  }
  let need = 0;
  let dataBytes = 0;
  for (const item of items) {
    if (!compress(ctx, item)) {
      keepPlain(state, item);
    }
    need += item.spaceBytes;
    dataBytes += item.byteCount;
  }
  takeSpace(state, txc, need);
  const usage = txc.usageOf(ctx.onode.name.pool);
  usage.allocated += need;
  const deferred = dataBytes < state.options.preferDeferredBytes;
  for (const item of items) {
    place(ctx, item);
    usage.stored += item.length;
    if (item.compressedBytes > 0) {
      usage.compressedOriginal += item.length;
      usage.compressedAllocated += item.spaceBytes;
    }
    if (deferred) {
      const { blob, padOffset, bytes, bytesAt, byteCount, own } = item;
      // This copy outlives the transaction, what the caller lent does not.
      const kept = own ? bytes : bytes.slice(bytesAt, bytesAt + byteCount);
      writeDeferred(state, txc, blob, padOffset, kept);
    } else {
      direct.add(state, txc, item);
    }
  }
  direct.end(state, txc);
  // The device is at the large ones while their checksums are taken.
  if (dataBytes >= state.options.durableWriteBytes) {
    state.io.push();
  }
  for (const { blob, padOffset, bytes, bytesAt, byteCount, slot } of items) {
    sumInto(state, blob, padOffset, bytes, bytesAt, byteCount, slot);
  }
  ctx.clear();
}

/** Fills `got`. There is enough: that was asked before the transaction began. */
function takeSpace(state: StoreState, txc: Txc, need: number): void {
  got.clear();
  gotIndex = 0;
  gotUsed = 0;
  const { perf } = state;
  const timed = perf.allocations.next();
  const beganNs = timed ? perf.now() : 0;
  const taken = state.allocator.allocate(need, state.unitBytes, 0, 0, got);
  if (timed) {
    perf.add(perf.allocator_lat, perf.now() - beganNs, timedOneIn);
  }
  assert(taken === need, "the allocator has less than it had");
  state.reclaim.freeBytes -= need;
  for (let at = 0; at < got.count; at += 1) {
    txc.allocated.push(got.offsetBytes(at), got.lengthBytes(at));
  }
}

function keepPlain(state: StoreState, item: NewWrite): void {
  const unit = state.unitBytes;
  const { padOffset, byteCount } = item;
  item.compressedBytes = 0;
  item.spaceOffset = padOffset - (padOffset % unit);
  item.spaceBytes = Math.ceil((padOffset + byteCount) / unit) * unit - item.spaceOffset;
}

/** `false`: it stays as it is. */
function compress(ctx: WriteContext, item: NewWrite): boolean {
  const { state } = ctx;
  const { options, counters, unitBytes: unit } = state;
  const raw = item.byteCount;
  if (!ctx.compress || !item.whole || raw <= unit) {
    return false;
  }
  const wantedSpace = Math.ceil((raw * options.compressionRequiredRatio) / unit) * unit;
  const room = Math.min(wantedSpace, raw - 1);
  const { perf } = state;
  const beganNs = perf.now();
  const from = item.bytes.subarray(item.bytesAt, item.bytesAt + raw);
  const bytes = state.compression.compress(options.compressionAlgorithm, from, room);
  perf.add(perf.compress_lat, perf.now() - beganNs);
  const space = bytes === null ? raw : Math.ceil(bytes.length / unit) * unit;
  if (bytes === null || space > wantedSpace || space >= raw) {
    counters.compress_rejected_count += 1;
    return false;
  }
  counters.compress_success_count += 1;
  item.bytes = new Uint8Array(space);
  item.bytes.set(bytes);
  item.bytesAt = 0;
  item.byteCount = space;
  item.slot = -1;
  item.own = true;
  item.compressedBytes = bytes.length;
  item.spaceOffset = 0;
  item.spaceBytes = space;
  return true;
}

/** Gives the blob its space, and the object its extent. */
function place({ state, onode, old }: WriteContext, item: NewWrite): void {
  const { blob, spaceOffset, spaceBytes } = item;
  const { map } = onode;
  const end = spaceOffset + spaceBytes;
  for (let offset = spaceOffset; offset < end; ) {
    const left = got.lengthBytes(gotIndex) - gotUsed;
    const length = Math.min(left, end - offset);
    blob.setDisk(offset, length, got.offsetBytes(gotIndex) + gotUsed);
    gotUsed += length;
    if (length === left) {
      gotIndex += 1;
      gotUsed = 0;
    }
    offset += length;
  }
  if (item.compressedBytes > 0) {
    blob.compressedBytes = item.compressedBytes;
    blob.sumOrder = state.blockOrder;
  } else if (item.fresh) {
    const padEnd = item.padOffset + item.byteCount;
    blob.addUnused(0, item.padOffset);
    blob.addUnused(padEnd, blob.logicalBytes - padEnd);
  } else {
    blob.logicalBytes = Math.max(blob.logicalBytes, end);
  }
  blob.initUse(state.unitBytes);
  const { offset, length, blobOffset } = item;
  if (item.punch && map.replace(offset, length, blobOffset, blob, old)) {
    return;
  }
  if (item.punch) {
    map.punch(offset, length, old);
  }
  map.set(offset, length, blobOffset, blob);
}

/** Tells the blobs what is no longer referred to; space that nobody uses is released with the commit. */
export function releaseOld(txc: Txc, onode: Onode, old: OldExtents): void {
  if (old.count === 0) {
    return;
  }
  const usage = txc.usageOf(onode.name.pool);
  for (let at = 0; at < old.count; at += 1) {
    const blob = old.blobs[at] as Blob;
    const length = old.lengths[at] as number;
    usage.stored -= length;
    const { shared } = blob;
    given.clear();
    blob.putRef(old.blobOffsets[at] as number, length, given);
    usage.compressedOriginal -= blob.compressed ? length : 0;
    for (let index = 0; index < given.count; index += 1) {
      const bytes = given.lengthBytes(index);
      usage.allocated -= bytes;
      usage.compressedAllocated -= blob.compressed ? bytes : 0;
      txc.released.pushJoined(given.offsetBytes(index), bytes);
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
    } else if (gone) {
      giveBlob(blob);
    }
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
