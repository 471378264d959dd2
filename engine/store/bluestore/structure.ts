/**
 * Checks that a store's records agree with each other: every unit of space is used once or free, blobs
 * and shared blobs count what refers to them, usage is the sum of the objects. Reads metadata only.
 */
import type { KeyValueStore } from "../../hot/kv/kv.ts";
import { type Blob, hole } from "./blob.ts";
import { decodeSharedBlob } from "./codec.ts";
import type { BitmapFreelist, VisitExtent } from "./freelist.ts";
import { prefixes, u64OfBytes } from "./keys.ts";
import { firstDataByte } from "./label.ts";
import type { Onode } from "./onode.ts";
import type { BlueStoreOptions } from "./options.ts";
import { blobsOf, eachOnode, eachRecord } from "./recover.ts";
import { RefMap } from "./shared-blob.ts";
import { UsageDelta } from "./txc.ts";
import { loadUsage } from "./usage.ts";
import { WireReader } from "./wire.ts";

export interface StructureProblem {
  /** What kind of record it is about; a short name for counting. */
  readonly kind:
    | "extent"
    | "blob"
    | "checksum"
    | "shared blob"
    | "space"
    | "leak"
    | "usage"
    | "number";
  readonly message: string;
}

export interface StructureSubject {
  readonly kv: KeyValueStore;
  readonly options: BlueStoreOptions;
  readonly sumBytes: readonly number[];
  readonly sizeBytes: number;
  readonly freelist: BitmapFreelist | null;
  /** Free space of the running allocator, if there is one. */
  readonly forEachFree: ((visit: VisitExtent) => void) | null;
}

/** Owners of units of space: 0 nobody, 1 an object, 2 a shared blob, 3 key-value store, 4 free. */
const owners = ["nobody", "an object", "a shared blob", "the key-value store", "free space"];

class Checker {
  readonly #subject: StructureSubject;
  readonly #unit: number;
  readonly #owner: Uint8Array;
  readonly #usage = new Map<number, UsageDelta>();
  readonly #shared = new Map<number, RefMap>();
  readonly #nids = new Set<number>();
  readonly problems: StructureProblem[] = [];

  constructor(subject: StructureSubject) {
    this.#subject = subject;
    this.#unit = subject.options.minAllocBytes;
    this.#owner = new Uint8Array(subject.sizeBytes / this.#unit);
  }

  #found(kind: StructureProblem["kind"], message: string): void {
    this.problems.push({ kind, message });
  }

  #own(owner: number, what: string): VisitExtent {
    return (offsetBytes, lengthBytes) => {
      const end = (offsetBytes + lengthBytes) / this.#unit;
      for (let at = offsetBytes / this.#unit; at < end; at += 1) {
        const before = this.#owner[at];
        if (before !== 0) {
          const other = before === undefined ? "outside of the store" : `of ${owners[before]} too`;
          this.#found("space", `${what}: the unit at ${at * this.#unit} is ${other}`);
          return;
        }
        this.#owner[at] = owner;
      }
    };
  }

  run(): void {
    const { kv, options, sumBytes, freelist, forEachFree } = this.#subject;
    eachOnode(kv, options, sumBytes, (onode) => this.#onode(onode));
    this.#sharedBlobs();
    this.#compareUsage();
    this.#compareFreelist(freelist);
    for (const { role, offsetBytes, lengthBytes } of kv.usedExtents()) {
      if (role === "main") {
        this.#own(3, "the key-value store")(offsetBytes, lengthBytes);
      }
    }
    if (forEachFree !== null) {
      forEachFree(this.#own(4, "free space"));
      const first = firstDataByte(this.#unit) / this.#unit;
      const lost = this.#owner.indexOf(0, first);
      if (lost >= 0) {
        this.#found("leak", `the unit at ${lost * this.#unit} is neither used nor free`);
      }
    }
  }

  #onode(onode: Onode): void {
    const name = `object ${onode.name.name}`;
    const { map } = onode;
    if (this.#nids.has(onode.nid)) {
      this.#found("number", `${name}: number ${onode.nid} is another object's, too`);
    }
    this.#nids.add(onode.nid);
    const counted = new Map<Blob, number[]>();
    let end = 0;
    const usage = this.#usageOf(onode.name.pool);
    for (const { offset, length, blobOffset, blob } of map.extents) {
      if (offset < end || offset + length > onode.sizeBytes) {
        this.#found("extent", `${name}: the extent at ${offset} overlaps or is beyond the end`);
      }
      end = offset + length;
      usage.stored += length;
      usage.compressedOriginal += blob.compressed ? length : 0;
      const used = counted.get(blob) ?? blob.used.map(() => 0);
      counted.set(blob, used);
      for (let at = blobOffset; at < blobOffset + length; ) {
        const unit = Math.floor(at / blob.unitBytes);
        const stop = Math.min(blobOffset + length, (unit + 1) * blob.unitBytes);
        used[unit] = (used[unit] ?? 0) + stop - at;
        at = stop;
      }
    }
    for (const blob of blobsOf(onode)) {
      this.#blob(name, blob, counted.get(blob) ?? []);
    }
  }

  #blob(name: string, blob: Blob, counted: readonly number[]): void {
    if (counted.length !== blob.used.length || counted.some((used, at) => used !== blob.used[at])) {
      this.#found("blob", `${name}: a blob counts ${blob.used} bytes, extents have ${counted}`);
    }
    const chunk = 2 ** blob.sumOrder;
    const sums = blob.sumBytes === 0 ? 0 : (blob.diskBytes / chunk) * blob.sumBytes;
    if (blob.sums.length < sums) {
      this.#found("checksum", `${name}: a blob has ${blob.sums.length} bytes of sums, not ${sums}`);
    }
    const usage = this.#usageOf(0);
    let refs: RefMap | null = null;
    if (blob.shared !== null) {
      refs = this.#shared.get(blob.shared.id) ?? new RefMap();
      this.#shared.set(blob.shared.id, refs);
    }
    for (const [at, used] of blob.used.entries()) {
      const whole = blob.compressed ? blob.diskBytes : blob.unitBytes;
      if (used > 0 && !blob.isAllocated(at * blob.unitBytes, whole)) {
        this.#found("blob", `${name}: a blob has no space at ${at * blob.unitBytes}`);
      }
    }
    for (const [at, disk] of blob.diskOffsets.entries()) {
      const length = blob.diskLengths[at] as number;
      if (disk === hole) {
        continue;
      }
      if (refs === null) {
        this.#own(1, name)(disk, length);
        usage.allocated += length;
      } else {
        refs.get(disk, length);
      }
    }
  }

  #sharedBlobs(): void {
    const { kv } = this.#subject;
    const reader = new WireReader();
    eachRecord(kv, prefixes.sharedBlobs, (key, value) => {
      const id = u64OfBytes(key);
      const what = `shared blob ${id}`;
      const { map } = decodeSharedBlob(reader.open(value, what), id, this.#unit);
      const counted = this.#shared.get(id) ?? new RefMap();
      this.#shared.delete(id);
      if (textOf(map) !== textOf(counted)) {
        this.#found("shared blob", `${what}: counts ${textOf(map)}, blobs have ${textOf(counted)}`);
      }
      for (const [at, offset] of map.offsets.entries()) {
        this.#own(2, what)(offset, map.lengths[at] as number);
        this.#usageOf(0).allocated += map.lengths[at] as number;
      }
    });
    for (const id of this.#shared.keys()) {
      this.#found("shared blob", `shared blob ${id}: blobs refer to it, it has no record`);
    }
  }

  #usageOf(pool: number): UsageDelta {
    let usage = this.#usage.get(pool);
    if (usage === undefined) {
      usage = new UsageDelta();
      usage.reset(pool);
      this.#usage.set(pool, usage);
    }
    return usage;
  }

  /** Space is not told by pools here: clones may share it across pools. */
  #compareUsage(): void {
    const recorded = new Map<number, UsageDelta>();
    loadUsage(this.#subject.kv, recorded);
    const sum = (of: Map<number, UsageDelta>, field: "allocated" | "stored"): number =>
      of.values().reduce((total, usage) => total + usage[field], 0);
    for (const field of ["allocated", "stored"] as const) {
      const [wanted, got] = [sum(this.#usage, field), sum(recorded, field)];
      if (wanted !== got) {
        this.#found("usage", `${field} bytes are recorded as ${got}, objects have ${wanted}`);
      }
    }
    for (const [pool, { compressedOriginal }] of this.#usage) {
      const got = recorded.get(pool)?.compressedOriginal ?? 0;
      if (got !== compressedOriginal) {
        this.#found("usage", `pool ${pool}: compressed ${got}, objects have ${compressedOriginal}`);
      }
    }
  }

  #compareFreelist(freelist: BitmapFreelist | null): void {
    if (freelist === null) {
      return;
    }
    const bits = new Uint8Array(this.#owner.length);
    freelist.forEachUsed(this.#subject.kv, (offset, length) => {
      bits.fill(1, offset / this.#unit, (offset + length) / this.#unit);
    });
    const first = firstDataByte(this.#unit) / this.#unit;
    for (let at = first; at < bits.length; at += 1) {
      if ((bits[at] !== 0) !== (this.#owner[at] !== 0)) {
        const kind = bits[at] === 0 ? "space" : "leak";
        this.#found(kind, `the freelist is wrong about the unit at ${at * this.#unit}`);
        return;
      }
    }
  }
}

function textOf(map: RefMap): string {
  return map.offsets.map((offset, at) => `${offset}+${map.lengths[at]}x${map.refs[at]}`).join(" ");
}

/** Everything that is wrong. Nothing may be under way. Throws `CorruptRecord` at a damaged record. */
export function checkStructure(subject: StructureSubject): readonly StructureProblem[] {
  const checker = new Checker(subject);
  checker.run();
  return checker.problems;
}
