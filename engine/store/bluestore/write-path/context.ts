/** What one write gathers: data that needs space, and ranges of blobs that it replaces. */
import { allocHints } from "../../transaction.ts";
import type { Blob } from "../blob.ts";
import { wantsCompression } from "../compression.ts";
import type { OldExtents } from "../extent-map.ts";
import type { Onode } from "../onode.ts";
import type { BlueStoreOptions } from "../options.ts";
import type { StoreState } from "../state.ts";
import type { Preread, Txc } from "../txc.ts";

const noBytes = new Uint8Array(0);

/** Data that goes to newly allocated space, of a new blob or of one with room. Used again and again. */
export class NewWrite {
  blob: Blob;
  fresh = false;
  /** The extent of the object that will refer to it. */
  offset = 0;
  length = 0;
  blobOffset = 0;
  /** Where in the blob the data goes. */
  padOffset = 0;
  /** What goes to the disk, whole blocks: `byteCount` of `bytes` from `bytesAt` on. */
  bytes: Uint8Array = noBytes;
  bytesAt = 0;
  byteCount = 0;
  /** `bytes` are the first of this slot; -1: not so. */
  slot = -1;
  /** `bytes` are nobody else's. */
  own = false;
  /** Whole units of data for a new blob: worth compressing. */
  whole = false;
  /** The extent replaces what the object has there, which nobody has taken away yet. */
  punch = false;
  /** What it was compressed to; 0: it was not. */
  compressedBytes = 0;
  /** Space that it needs, from `spaceOffset` of the blob on. */
  spaceOffset = 0;
  spaceBytes = 0;

  constructor(blob: Blob) {
    this.blob = blob;
  }
}

/** For the next writes; a write of 4 MiB takes 64 at once. */
const spareItems: NewWrite[] = [];
const spareLimit = 256;
/** Of the write that is carried out: there is one at a time, whatever store it is in. */
const gathered: NewWrite[] = [];

export class WriteContext {
  readonly state: StoreState;
  readonly txc: Txc;
  readonly onode: Onode;
  readonly items: readonly NewWrite[] = gathered;
  readonly old: OldExtents;
  /** What was read of the object for this operation. */
  readonly preread: readonly Preread[];
  readonly compress: boolean;
  readonly targetBlobBytes: number;
  readonly sumOrder: number;

  /** One more item; the caller fills it, `byteCount` and `compressedBytes` come after. */
  add(blob: Blob): NewWrite {
    const item = spareItems.pop() ?? new NewWrite(blob);
    item.blob = blob;
    gathered.push(item);
    return item;
  }

  /** The items are done with. */
  clear(): void {
    for (let item = gathered.pop(); item !== undefined; item = gathered.pop()) {
      item.bytes = noBytes;
      if (spareItems.length < spareLimit) {
        spareItems.push(item);
      }
    }
  }

  constructor(state: StoreState, txc: Txc, onode: Onode, op: number, old: OldExtents) {
    this.state = state;
    this.txc = txc;
    this.onode = onode;
    this.old = old;
    // What a damaged record may have cut off half-way.
    this.clear();
    this.preread =
      txc.preread.length === 0
        ? txc.preread
        : txc.preread.filter((each) => each.onode === onode && each.op === op);
    const { options } = state;
    const { blockOrder } = state;
    this.compress =
      options.compressionMode !== "none" && wantsCompression(options.compressionMode, onode.hints);
    const large = onode.hints !== 0 && readsWhole(onode.hints);
    this.targetBlobBytes = targetBlobBytes(options, this.compress, large);
    this.sumOrder = large
      ? Math.max(
          blockOrder,
          Math.log2(options.minAllocBytes),
          trailingZeroes(onode.expectedWriteBytes),
        )
      : blockOrder;
  }
}

/** The hints promise that the object is read in order and never changed: large chunks cost nothing. */
export function readsWhole(hints: number): boolean {
  const { sequentialRead, randomRead, immutable, appendOnly, randomWrite } = allocHints;
  return (
    (hints & sequentialRead) !== 0 &&
    (hints & randomRead) === 0 &&
    (hints & (immutable | appendOnly)) !== 0 &&
    (hints & randomWrite) === 0
  );
}

function targetBlobBytes(options: BlueStoreOptions, compress: boolean, large: boolean): number {
  const { maxBlobBytes, minAllocBytes } = options;
  let target = maxBlobBytes;
  if (compress) {
    const { compressionMaxBlobBytes, compressionMinBlobBytes } = options;
    target = Math.min(target, large ? compressionMaxBlobBytes : compressionMinBlobBytes);
  }
  target = Math.max(target, compress ? 2 * minAllocBytes : minAllocBytes);
  return target - (target % minAllocBytes);
}

/** log2 of the largest power of two that divides the number; 0 for 0. */
export function trailingZeroes(value: number): number {
  let order = 0;
  for (let rest = value; rest !== 0 && rest % 2 === 0; rest /= 2) {
    order += 1;
  }
  return order;
}
