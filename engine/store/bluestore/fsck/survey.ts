/**
 * Reads all of a store's records and compares them: every unit of space is used once or free, blobs and
 * shared blobs count what refers to them, usage is the sum of the objects, nothing belongs to an object
 * that is not there. What cannot be read is a finding and the rest is checked all the same.
 */
import { OsdynoError } from "../../../base/error.ts";
import type { KeyValueStore } from "../../../hot/kv/kv.ts";
import { type CollectionRange, rangeOf } from "../../collection.ts";
import { objectOfKey } from "../../object-key.ts";
import { type CodecContext, decodeOnode, decodeSharedBlob, encodeSharedBlob } from "../codec.ts";
import { storeCounters } from "../counters.ts";
import type { BitmapFreelist, VisitExtent } from "../freelist.ts";
import { prefixes, u64Key, u64OfBytes } from "../keys.ts";
import { isDamage } from "../kv-space.ts";
import { Onode, onodeFlags } from "../onode.ts";
import type { BlueStoreOptions } from "../options.ts";
import { eachRecord, recordsOf } from "../recover.ts";
import type { DeferredWrite } from "../replay.ts";
import { ShardRecords } from "../shards.ts";
import { RefMap, SharedBlob } from "../shared-blob.ts";
import { UsageDelta } from "../txc.ts";
import { CorruptRecord, keyOfBytes, WireReader, WireWriter } from "../wire.ts";
import { Findings } from "./findings.ts";
import { checkOnode, type SharedCount, type Tally } from "./onode-check.ts";
import { checkDeferred, checkFreelist, checkLimits, checkOmap, checkUsage } from "./side-checks.ts";
import { owners, SpaceMap } from "./space-map.ts";

export interface SurveySubject {
  readonly kv: KeyValueStore;
  /** Where damage of the key-value store is told while it is read; absent: nowhere. */
  readonly findings?: Findings;
  readonly options: BlueStoreOptions;
  readonly sumBytes: readonly number[];
  readonly sizeBytes: number;
  readonly freelist: BitmapFreelist | null;
  /** Free space of the running allocator, if there is one. */
  readonly forEachFree: ((visit: VisitExtent) => void) | null;
}

export interface SurveyCounts {
  collections: number;
  objects: number;
  extents: number;
  blobs: number;
  sharedBlobs: number;
  omapKeys: number;
  deferredWrites: number;
}

export function emptyCounts(): SurveyCounts {
  return {
    collections: 0,
    objects: 0,
    extents: 0,
    blobs: 0,
    sharedBlobs: 0,
    omapKeys: 0,
    deferredWrites: 0,
  };
}

export class Survey implements Tally {
  readonly subject: SurveySubject;
  readonly findings: Findings;
  readonly space: SpaceMap;
  readonly shared = new Map<number, SharedCount>();
  readonly usage = new Map<number, UsageDelta>();
  readonly counts: SurveyCounts = emptyCounts();
  /** What the log still has to write, as far as it is right. */
  readonly deferred: DeferredWrite[] = [];
  /** What the keys of objects' omaps begin with. */
  readonly omaps = new Set<string>();
  readonly #nids = new Map<number, string>();
  readonly #collections: CollectionRange[] = [];
  largestNid = 0;
  largestBlobId = 0;
  readonly #context: CodecContext;

  constructor(subject: SurveySubject) {
    this.subject = subject;
    this.findings = subject.findings ?? new Findings();
    this.space = new SpaceMap(subject.sizeBytes, subject.options.minAllocBytes, this.findings);
    this.#context = {
      unitBytes: subject.options.minAllocBytes,
      sumBytes: subject.sumBytes,
      sharedBlob: (id) => new SharedBlob(id, new RefMap()),
    };
  }

  run(): this {
    this.#loadCollections();
    this.#objects();
    this.#sharedBlobs();
    // Of records that cannot be read nothing tells what they would say: nothing is compared with them.
    if (!this.findings.recordsUnread) {
      checkLimits(this);
      checkUsage(this);
    }
    checkOmap(this);
    if (!this.findings.recordsUnread) {
      checkFreelist(this);
    }
    const { kv, forEachFree } = this.subject;
    for (const { role, offsetBytes, lengthBytes } of kv.usedExtents()) {
      if (role === "main") {
        this.space.own(owners.kv, "the key-value store", offsetBytes, lengthBytes);
      }
    }
    checkDeferred(this);
    if (forEachFree !== null) {
      forEachFree((offset, length) => this.space.own(owners.free, "free space", offset, length));
      this.space.eachRun(
        (unit) => this.space.ownerOf(unit) === owners.nobody,
        (offset) =>
          this.findings.add({
            kind: "leak",
            message: `the unit at ${offset} is neither used nor free`,
            offsetBytes: offset,
            repair: null,
          }),
      );
    }
    this.#nameClashes();
    return this;
  }

  #loadCollections(): void {
    const reader = new WireReader();
    eachRecord(this.subject.kv, prefixes.collections, (key, value) => {
      const id = keyOfBytes(key);
      this.counts.collections += 1;
      const range = this.#read(`collection ${id}`, () =>
        rangeOf(id, reader.open(value, `collection ${id}`).u8()),
      );
      if (range === undefined) {
        return;
      }
      const other = this.#collections.find((each) => range?.overlaps(each) === true);
      if (range === null || other !== undefined) {
        const reason = range === null ? "is no collection" : "holds objects of another one";
        const message = `collection ${id}: ${reason}`;
        this.findings.add({ kind: "collection", message, repair: null });
      }
      if (range !== null) {
        this.#collections.push(range);
      }
    });
  }

  /** What `read` gives; `undefined` and a finding when a record is damaged. */
  #read<T>(what: string, read: () => T, object?: string): T | undefined {
    try {
      return read();
    } catch (error) {
      // What a damaged key or record makes of a decoder may be any error, but not one of the device.
      if (error instanceof OsdynoError && !isDamage(error)) {
        throw error;
      }
      const message =
        error instanceof CorruptRecord || isDamage(error)
          ? error.message
          : `${what}: ${error instanceof Error ? error.message : String(error)}`;
      const named = object === undefined ? {} : { object };
      this.findings.add({ kind: "record", message, repair: null, ...named });
      return undefined;
    }
  }

  /** Each object that can be read, with its whole map; what cannot be read is a finding. */
  *onodes(): Generator<Onode> {
    const { kv, options } = this.subject;
    const shards = new ShardRecords(kv, this.#context, options, storeCounters());
    const reader = new WireReader();
    let current = "";
    let known: ReadonlySet<number> | null = null;
    for (const { key: bytes, value } of recordsOf(kv, prefixes.onodes)) {
      const key = keyOfBytes(bytes);
      if (!key.endsWith("o")) {
        this.#shard(key, bytes, current, known);
        continue;
      }
      current = key;
      known = null;
      const onode = this.#read("a key of an object", () => new Onode(objectOfKey(key)));
      const name = onode?.name.name;
      const whole =
        onode !== undefined &&
        this.#read(
          `object ${name}`,
          () => {
            decodeOnode(reader.open(value, `object ${name}`), onode, this.#context);
            known = new Set(onode.map.shards.map(({ offset }) => offset));
            shards.faultAll(onode);
            return true;
          },
          name,
        );
      if (onode !== undefined && whole === true) {
        yield onode;
      } else {
        this.findings.objectsUnread = true;
      }
    }
  }

  /** A shard's record: `known` are the shards that its onode tells of, `null`: that cannot be read. */
  #shard(key: string, bytes: Uint8Array, current: string, known: ReadonlySet<number> | null): void {
    const owner = key.slice(0, -5);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const offset = bytes.length < 5 ? 0 : view.getUint32(bytes.length - 5);
    if (owner === current && (known === null || known.has(offset))) {
      return;
    }
    const copy = bytes.slice();
    this.findings.add({
      kind: "shard",
      message:
        owner === current
          ? `a shard from ${offset} is not its object's`
          : `a shard from ${offset} belongs to no object`,
      repair: (batch) => batch.remove(prefixes.onodes, copy),
    });
  }

  #objects(): void {
    const { findings, counts } = this;
    for (const onode of this.onodes()) {
      const { name } = onode.name;
      counts.objects += 1;
      counts.extents += onode.map.extents.length;
      counts.blobs += new Set(onode.map.extents.map(({ blob }) => blob)).size;
      const twin = this.#nids.get(onode.nid);
      if (twin !== undefined) {
        const message = `object ${name}: number ${onode.nid} is object ${twin}'s, too`;
        findings.add({ kind: "number", message, object: name, repair: null });
      }
      this.#nids.set(onode.nid, name);
      this.largestNid = Math.max(this.largestNid, onode.nid);
      if ((onode.flags & onodeFlags.omap) !== 0) {
        this.omaps.add(onode.omapPrefix);
      }
      if (!this.#collections.some((range) => range.contains(onode.name))) {
        const message = `object ${name}: is in no collection`;
        findings.add({ kind: "collection", message, object: name, repair: null });
      }
      checkOnode(onode, this);
    }
  }

  #sharedBlobs(): void {
    const { kv } = this.subject;
    const reader = new WireReader();
    const missing = new Set(this.shared.keys());
    eachRecord(kv, prefixes.sharedBlobs, (key, value) => {
      const id = u64OfBytes(key);
      const what = `shared blob ${id}`;
      this.counts.sharedBlobs += 1;
      missing.delete(id);
      const counted = this.shared.get(id)?.map ?? new RefMap();
      const blob = this.#read(what, () =>
        decodeSharedBlob(reader.open(value, what), id, this.#context.unitBytes),
      );
      const map = blob?.map ?? null;
      if (map === null || textOf(map) !== textOf(counted)) {
        const recorded = map === null ? "cannot be read" : `counts ${textOf(map)}`;
        this.#wrongShared(id, counted, `${what}: ${recorded}, blobs have ${textOf(counted)}`);
      }
    });
    for (const id of missing) {
      const { map } = this.shared.get(id) as SharedCount;
      this.#wrongShared(id, map, `shared blob ${id}: blobs refer to it, it has no record`);
    }
    for (const [id, { map, pool, compressed }] of this.shared) {
      this.largestBlobId = Math.max(this.largestBlobId, id);
      const usage = this.usageOf(pool);
      for (const [at, offset] of map.offsets.entries()) {
        const length = map.lengths[at] as number;
        this.space.own(owners.shared, `shared blob ${id}`, offset, length);
        usage.allocated += length;
        usage.compressedAllocated += compressed ? length : 0;
      }
    }
  }

  #wrongShared(id: number, counted: RefMap, message: string): void {
    const unitBytes = this.#context.unitBytes;
    this.findings.add({
      kind: "shared blob",
      message,
      repair: this.findings.objectsUnread
        ? null
        : (batch) => {
            if (counted.empty) {
              batch.remove(prefixes.sharedBlobs, u64Key(id));
              return;
            }
            const writer = new WireWriter();
            encodeSharedBlob(writer, new SharedBlob(id, counted), unitBytes);
            batch.set(prefixes.sharedBlobs, u64Key(id), writer.seal(0));
          },
    });
  }

  usageOf(pool: number): UsageDelta {
    let usage = this.usage.get(pool);
    if (usage === undefined) {
      usage = new UsageDelta();
      usage.reset(pool);
      this.usage.set(pool, usage);
    }
    return usage;
  }

  /** Space with several owners is told with the names of all objects that claim it. */
  #nameClashes(): void {
    const { clashes } = this.space;
    if (clashes.length === 0) {
      return;
    }
    const names = clashes.map(() => new Set<string>());
    for (const onode of new Survey({ ...this.subject, findings: new Findings() }).onodes()) {
      for (const { blob } of onode.map.extents) {
        blob.eachDisk(0, blob.diskBytes, (disk, length) => {
          for (const [index, { offsetBytes, endBytes }] of clashes.entries()) {
            if (disk < endBytes && disk + length > offsetBytes) {
              names[index]?.add(onode.name.name);
            }
          }
        });
      }
    }
    for (const [index, { offsetBytes }] of clashes.entries()) {
      const [object, ...others] = names[index] ?? [];
      if (object !== undefined && others.length > 0) {
        const message = `objects ${[object, ...others].join(", ")} use the unit at ${offsetBytes}`;
        this.findings.add({ kind: "space", message, object, offsetBytes, repair: null });
      }
    }
  }
}

function textOf(map: RefMap): string {
  return map.offsets.map((offset, at) => `${offset}+${map.lengths[at]}x${map.refs[at]}`).join(" ");
}
