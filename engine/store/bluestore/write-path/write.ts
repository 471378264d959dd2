/** One write: whole units in the middle, the rest at the ends. */

import { writeBig } from "./big.ts";
import type { WriteContext } from "./context.ts";
import { writeSmall } from "./small.ts";

/** `slot`: the bytes are the first of this slot; -1: not so. */
export function writeData(
  ctx: WriteContext,
  offset: number,
  bytes: Uint8Array,
  slot: number,
): void {
  const { state, onode } = ctx;
  const unit = state.unitBytes;
  const { length } = bytes;
  const reach = state.options.maxBlobBytes;
  // Blobs around the range may take part of it.
  const from = Math.max(0, offset - reach);
  state.shards.fault(onode, from, offset - from + length + reach);
  const head = Math.min(length, (unit - (offset % unit)) % unit);
  const tail = head === length ? 0 : (offset + length) % unit;
  const middle = length - head - tail;
  if (head === 0 && tail === 0) {
    writeBig(ctx, offset, bytes, slot, true);
    return;
  }
  if (head > 0) {
    const part = bytes.subarray(0, head);
    writeSmall(ctx, offset, part);
    patchPreread(ctx, offset, part);
  }
  if (middle > 0) {
    const part = bytes.subarray(head, head + middle);
    writeBig(ctx, offset + head, part, head === 0 ? slot : -1, false);
    patchPreread(ctx, offset + head, part);
  }
  if (tail > 0) {
    writeSmall(ctx, offset + length - tail, bytes.subarray(length - tail));
  }
}

/** One chunk may be written to by several parts of a write: the later ones must see the earlier. */
function patchPreread(ctx: WriteContext, offset: number, bytes: Uint8Array): void {
  const end = offset + bytes.length;
  for (const { offsetBytes, bytes: read } of ctx.preread) {
    const from = Math.max(offset, offsetBytes);
    const to = Math.min(end, offsetBytes + read.length);
    if (from < to) {
      read.set(bytes.subarray(from - offset, to - offset), from - offsetBytes);
    }
  }
}
