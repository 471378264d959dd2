/**
 * Compressed blobs can only be given up whole. When a write has left little of one, what is left is
 * written anew in the same transaction, if that needs less space than the blob gives back.
 */
import type { Blob } from "../blob.ts";
import type { Extent } from "../extent-map.ts";
import type { Onode } from "../onode.ts";
import type { StoreState } from "../state.ts";
import { allocateWrite, releaseOld } from "./allocate.ts";
import { WriteContext } from "./context.ts";
import { writeData } from "./write.ts";

/** What is left of a compressed blob outside of a range: from the first to the last byte. */
export interface Remainder {
  readonly blob: Blob;
  readonly offset: number;
  readonly length: number;
}

/**
 * The blobs whose remainders are worth writing anew when `offset` ... `offset + length` is overwritten.
 * The extents there are loaded; asked before the write (`overwritten`) or after it.
 */
export function garbageAround(
  state: StoreState,
  onode: Onode,
  offset: number,
  length: number,
): Remainder[] {
  const { map } = onode;
  const { unitBytes, options } = state;
  const end = offset + length;
  const found: Remainder[] = [];
  const seen = new Set<Blob>();
  let gained = 0;
  for (let at = map.seek(Math.max(0, offset - 1)); at < map.extents.length; at += 1) {
    const extent = map.extents[at] as Extent;
    if (extent.offset > end) {
      break;
    }
    const { blob, blobStart } = extent;
    if (!blob.compressed || blob.shared !== null || seen.has(blob)) {
      continue;
    }
    seen.add(blob);
    const left = remainder(onode, blob, blobStart, offset, end);
    if (left === null) {
      continue;
    }
    const needed = Math.ceil(left.live / unitBytes) + 1;
    const gain = blob.diskBytes / unitBytes - needed;
    if (gain > options.gcBlobThreshold) {
      gained += gain;
      found.push({ blob, offset: left.first, length: left.last - left.first });
    }
  }
  return gained > options.gcTotalThreshold ? found : [];
}

/** Live bytes of the blob outside of the range; `null`: none, or they are not at one side of it. */
function remainder(
  onode: Onode,
  blob: Blob,
  blobStart: number,
  offset: number,
  end: number,
): { readonly first: number; readonly last: number; readonly live: number } | null {
  const { map } = onode;
  let first = -1;
  let last = -1;
  let live = 0;
  const from = Math.max(0, blobStart);
  for (let at = map.seek(from); at < map.extents.length; at += 1) {
    const extent = map.extents[at] as Extent;
    if (extent.offset >= blobStart + blob.logicalBytes) {
      break;
    }
    if (extent.blob !== blob) {
      continue;
    }
    for (const [start, stop] of [
      [extent.offset, Math.min(extent.end, offset)],
      [Math.max(extent.offset, end), extent.end],
    ] as const) {
      if (start < stop) {
        first = first < 0 ? start : first;
        last = stop;
        live += stop - start;
      }
    }
  }
  return first < 0 ? null : { first, last, live };
}

/** Writes the remainders anew that were read for this operation. */
export function collectGarbage(ctx: WriteContext, offset: number, length: number): void {
  const { state, txc, onode } = ctx;
  for (const { blob, offset: from, length: bytes } of garbageAround(state, onode, offset, length)) {
    for (const extent of piecesOf(onode, blob, from, from + bytes)) {
      const source = ctx.preread.find(
        (each) =>
          each.offsetBytes <= extent.offset &&
          extent.offset + extent.length <= each.offsetBytes + each.bytes.length,
      );
      if (source === undefined) {
        continue;
      }
      const at = extent.offset - source.offsetBytes;
      const next = new WriteContext(state, txc, onode, -1, ctx.old);
      writeData(next, extent.offset, source.bytes.slice(at, at + extent.length), -1);
      allocateWrite(next);
      releaseOld(txc, onode, ctx.old);
    }
    state.counters.gc_merged += bytes;
  }
}

function piecesOf(
  onode: Onode,
  blob: Blob,
  from: number,
  to: number,
): { readonly offset: number; readonly length: number }[] {
  const found: { offset: number; length: number }[] = [];
  for (let at = onode.map.seek(from); at < onode.map.extents.length; at += 1) {
    const extent = onode.map.extents[at] as Extent;
    if (extent.offset >= to) {
      break;
    }
    if (extent.blob === blob) {
      found.push({ offset: extent.offset, length: extent.length });
    }
  }
  return found;
}
