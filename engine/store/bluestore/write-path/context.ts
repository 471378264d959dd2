/** What one write gathers: data that needs space, and ranges of blobs that it replaces. */
import { allocHints } from "../../transaction.ts";
import type { Blob } from "../blob.ts";
import { wantsCompression } from "../compression.ts";
import type { OldExtents } from "../extent-map.ts";
import type { Onode } from "../onode.ts";
import type { BlueStoreOptions } from "../options.ts";
import type { StoreState } from "../state.ts";
import type { Preread, Txc } from "../txc.ts";

/** Data that goes to newly allocated space, of a new blob or of one with room. */
export interface NewWrite {
  readonly blob: Blob;
  readonly fresh: boolean;
  /** The extent of the object that will refer to it. */
  readonly offset: number;
  readonly length: number;
  readonly blobOffset: number;
  /** Where in the blob the bytes go; whole blocks. */
  readonly padOffset: number;
  readonly bytes: Uint8Array;
  /** The bytes are the first of this slot; -1: not so. */
  readonly slot: number;
  /** Whole units of data for a new blob: worth compressing. */
  readonly whole: boolean;
}

export class WriteContext {
  readonly state: StoreState;
  readonly txc: Txc;
  readonly onode: Onode;
  readonly items: NewWrite[] = [];
  readonly old: OldExtents;
  /** What was read of the object for this operation. */
  readonly preread: readonly Preread[];
  readonly compress: boolean;
  readonly targetBlobBytes: number;
  readonly sumOrder: number;

  constructor(state: StoreState, txc: Txc, onode: Onode, op: number, old: OldExtents) {
    this.state = state;
    this.txc = txc;
    this.onode = onode;
    this.old = old;
    this.preread =
      txc.preread.length === 0
        ? txc.preread
        : txc.preread.filter((each) => each.onode === onode && each.op === op);
    const { options } = state;
    const blockOrder = Math.log2(state.blockBytes);
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
