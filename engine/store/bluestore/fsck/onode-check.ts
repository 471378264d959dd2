/** One object's records against each other: extents, blobs, what blobs count. */
import { type Blob, hole } from "../blob.ts";
import { encodeOnode } from "../codec.ts";
import { prefixes } from "../keys.ts";
import type { Onode } from "../onode.ts";
import { blobsOf } from "../recover.ts";
import { RefMap } from "../shared-blob.ts";
import type { UsageDelta } from "../txc.ts";
import { WireWriter } from "../wire.ts";
import type { Finding, FindingKind, Findings, Repair } from "./findings.ts";
import { owners, type SpaceMap } from "./space-map.ts";

/** What blobs of all objects say of one shared blob. */
export class SharedCount {
  readonly map = new RefMap();
  /** Of the first object that refers to it: usage of its space is counted there. */
  readonly pool: number;
  readonly compressed: boolean;

  constructor(pool: number, compressed: boolean) {
    this.pool = pool;
    this.compressed = compressed;
  }
}

/** What is known of all objects so far. */
export interface Tally {
  readonly findings: Findings;
  readonly space: SpaceMap;
  readonly shared: Map<number, SharedCount>;
  usageOf(pool: number): UsageDelta;
}

export function checkOnode(onode: Onode, tally: Tally): void {
  const name = onode.name.name;
  const found = (kind: FindingKind, text: string, more: Partial<Finding> = {}): void =>
    tally.findings.add({
      kind,
      message: `object ${name}: ${text}`,
      object: name,
      repair: null,
      ...more,
    });
  const { map } = onode;
  const usage = tally.usageOf(onode.name.pool);
  const counted = new Map<Blob, number[]>();
  let end = 0;
  for (const { offset, length, blobOffset, blob } of map.extents) {
    if (offset < end || offset + length > onode.sizeBytes) {
      const reason = offset < end ? "overlaps the one before" : "is beyond the end";
      found("extent", `the extent at ${offset} ${reason}`, { offsetBytes: offset });
    }
    end = offset + length;
    usage.stored += length;
    usage.compressedOriginal += blob.compressed ? length : 0;
    const used = counted.get(blob) ?? blob.used.map(() => 0);
    counted.set(blob, used);
    count(used, blob, blobOffset, length);
  }
  const wrong: Blob[] = [];
  for (const blob of blobsOf(onode)) {
    const used = counted.get(blob);
    if (used === undefined) {
      found("blob", `blob ${blob.spanningId} has space and no extent refers to it`, {
        repair: rewritten(onode, tally, () => map.spanning.delete(blob.spanningId)),
      });
      continue;
    }
    if (used.length !== blob.used.length || used.some((bytes, at) => bytes !== blob.used[at])) {
      wrong.push(blob);
      found("blob", `a blob counts ${blob.used} bytes, extents have ${used}`, {
        repair: rewritten(onode, tally, () => blob.used.splice(0, blob.used.length, ...used)),
      });
    }
    checkSums(blob, found);
    checkSpace(onode, blob, used, tally, found);
  }
}

function count(used: number[], blob: Blob, blobOffset: number, length: number): void {
  for (let at = blobOffset; at < blobOffset + length; ) {
    const unit = Math.floor(at / blob.unitBytes);
    const stop = Math.min(blobOffset + length, (unit + 1) * blob.unitBytes);
    used[unit] = (used[unit] ?? 0) + stop - at;
    at = stop;
  }
}

/** The onode's record after a change; its shards stay. */
function rewritten(onode: Onode, { space }: Tally, change: () => void): Repair {
  return (batch) => {
    change();
    const writer = new WireWriter();
    encodeOnode(writer, onode, space.unitBytes);
    batch.set(prefixes.onodes, onode.keyBytes, writer.seal(0));
  };
}

type Found = (kind: FindingKind, text: string) => void;

function checkSums(blob: Blob, found: Found): void {
  const sums = blob.sumBytes === 0 ? 0 : (blob.diskBytes / 2 ** blob.sumOrder) * blob.sumBytes;
  if (blob.sums.length < sums) {
    found("checksum", `a blob has ${blob.sums.length} bytes of sums, not ${sums}`);
  }
}

function checkSpace(
  onode: Onode,
  blob: Blob,
  counted: readonly number[],
  tally: Tally,
  found: Found,
): void {
  for (const [at, used] of counted.entries()) {
    const whole = blob.compressed ? blob.diskBytes : blob.unitBytes;
    if (used > 0 && !blob.isAllocated(at * blob.unitBytes, whole)) {
      found("blob", `a blob has no space at ${at * blob.unitBytes}`);
    }
  }
  const { pool, name } = onode.name;
  const usage = tally.usageOf(pool);
  let refs: RefMap | null = null;
  if (blob.shared !== null) {
    let shared = tally.shared.get(blob.shared.id);
    if (shared === undefined) {
      shared = new SharedCount(pool, blob.compressed);
      tally.shared.set(blob.shared.id, shared);
    }
    refs = shared.map;
  }
  blob.eachDisk(0, blob.diskBytes, (disk, length) => {
    if (disk === hole) {
      return;
    }
    if (refs === null) {
      tally.space.own(owners.object, `object ${name}`, disk, length);
      usage.allocated += length;
      usage.compressedAllocated += blob.compressed ? length : 0;
    } else {
      refs.get(disk, length);
    }
  });
}
