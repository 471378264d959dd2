/** Clones: the target refers to the same space, which is counted in shared blobs from then on. */
import { Blob, hole } from "../blob.ts";
import type { Extent } from "../extent-map.ts";
import type { Onode } from "../onode.ts";
import { touchShared } from "./allocate.ts";
import type { WriteContext } from "./context.ts";
import { touchBlob } from "./small.ts";

/** The blob's space becomes shared, with one reference: its own. */
function share(ctx: WriteContext, blob: Blob, start: number): void {
  const { state, txc } = ctx;
  touchBlob(ctx, blob, start);
  const shared = state.newSharedBlob();
  blob.shared = shared;
  blob.unused = 0;
  shared.users = 1;
  countSpace(blob);
  touchShared(txc, shared);
}

function countSpace(blob: Blob): void {
  const { diskCount, shared } = blob;
  for (let at = 0; at < diskCount; at += 1) {
    const disk = blob.diskOffset(at);
    if (disk !== hole) {
      shared?.map.get(disk, blob.diskLength(at));
    }
  }
}

function copyOf(blob: Blob): Blob {
  const made = new Blob();
  made.logicalBytes = blob.logicalBytes;
  made.compressedBytes = blob.compressedBytes;
  for (let at = 0; at < blob.diskCount; at += 1) {
    made.addDisk(blob.diskOffset(at), blob.diskLength(at));
  }
  made.sums = blob.sums;
  made.sumType = blob.sumType;
  made.sumOrder = blob.sumOrder;
  made.sumBytes = blob.sumBytes;
  made.shared = blob.shared;
  made.initUse(blob.unitBytes);
  return made;
}

/** Units that no extent of the copy refers to are not its own: they become holes. */
function trim(blob: Blob): void {
  if (blob.compressed) {
    return;
  }
  const { unitBytes } = blob;
  const end = blob.diskBytes;
  for (let unit = 0; unit < blob.used.length; unit += 1) {
    const offset = unit * unitBytes;
    if (blob.used[unit] === 0 && offset < end) {
      blob.setDisk(offset, Math.min(unitBytes, end - offset), hole);
    }
  }
}

/** `ctx` is that of the object; the target's range is empty. All of the object's range is loaded. */
export function cloneExtents(
  ctx: WriteContext,
  target: Onode,
  offset: number,
  length: number,
  targetOffset: number,
): void {
  const { onode, txc } = ctx;
  const { map } = onode;
  const end = offset + length;
  const copies = new Map<Blob, Blob>();
  const pieces: { offset: number; length: number; blobOffset: number; blob: Blob }[] = [];
  for (let at = map.seek(offset); at < map.extents.length; at += 1) {
    const extent = map.extents[at] as Extent;
    if (extent.offset >= end) {
      break;
    }
    const { blob } = extent;
    if (blob.shared === null) {
      share(ctx, blob, extent.blobStart);
    }
    if (!copies.has(blob)) {
      copies.set(blob, copyOf(blob));
    }
    const from = Math.max(extent.offset, offset);
    const to = Math.min(extent.end, end);
    const blobOffset = extent.blobOffset + from - extent.offset;
    pieces.push({ offset: targetOffset + from - offset, length: to - from, blobOffset, blob });
  }
  const usage = txc.usageOf(target.name.pool);
  for (const piece of pieces) {
    const copy = copies.get(piece.blob) as Blob;
    target.map.set(piece.offset, piece.length, piece.blobOffset, copy);
    usage.stored += piece.length;
    if (copy.compressed) {
      usage.compressedOriginal += piece.length;
    }
  }
  for (const copy of copies.values()) {
    trim(copy);
    countSpace(copy);
    if (copy.shared !== null) {
      copy.shared.users += 1;
      touchShared(txc, copy.shared);
    }
  }
}
