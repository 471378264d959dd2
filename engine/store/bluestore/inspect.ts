/** Looks into a store that is not mounted; nothing is written. */
import { OsdynoError } from "../../base/error.ts";
import type { AllocatorStatistics } from "../../hot/allocator/allocator.ts";
import type { KeyValueStore, KvCounters } from "../../hot/kv/kv.ts";
import { noGeneration, type ObjectName, snapDirectory, snapHead } from "../object-name.ts";
import { type Blob, hole } from "./blob.ts";
import { Survey } from "./fsck/survey.ts";
import { omapMarks, prefixes, textOf } from "./keys.ts";
import { openKv, SharedSpace, withAdvice } from "./kv-space.ts";
import type { DeviceLabel } from "./label.ts";
import { checkLabels, labelLanes, readLabel } from "./label-io.ts";
import { findAll } from "./mount.ts";
import { type Onode, onodeFlags } from "./onode.ts";
import { type BlueStoreParts, checksumNames, checksumTable } from "./parts.ts";
import { eachRecord, recordsOf } from "./recover.ts";
import { loadGeometry, type StoreGeometry } from "./superblock.ts";
import type { UsageDelta } from "./txc.ts";
import { loadUsage } from "./usage.ts";
import { bytesOfKey, CorruptRecord, keyOfBytes } from "./wire.ts";

/** An object in a list. */
export interface ObjectLine {
  readonly name: string;
  readonly pool: number;
  readonly hash: number;
  readonly sizeBytes: number;
  /** Space on the device; that of shared blobs counts for each who refers to it. */
  readonly allocatedBytes: number;
  readonly extents: number;
  readonly shards: number;
  readonly attrs: number;
  readonly omap: boolean;
  /** Not there where they are the usual ones. */
  readonly nspace?: string;
  readonly key?: string;
  readonly snap?: number | "directory";
  readonly generation?: number;
  readonly shard?: number;
}

export interface BlobView {
  readonly logicalBytes: number;
  /** 0: not compressed. */
  readonly compressedBytes: number;
  /** Offset and length on the device; offset -1: a hole. */
  readonly disk: readonly (readonly [number, number])[];
  readonly checksum: string;
  readonly chunkBytes: number;
  readonly shared: number | null;
  readonly spanning: number | null;
  readonly usedBytes: readonly number[];
}

export interface OnodeView extends ObjectLine {
  readonly nid: number;
  readonly expectedObjectBytes: number;
  readonly expectedWriteBytes: number;
  readonly hints: number;
  readonly shardOffsets: readonly number[];
  readonly attributes: Readonly<Record<string, number>>;
  readonly omapKeys: readonly { readonly key: string; readonly bytes: number }[];
  readonly map: readonly {
    readonly offset: number;
    readonly length: number;
    readonly blobOffset: number;
    /** Index into `blobs`. */
    readonly blob: number;
  }[];
  readonly blobs: readonly BlobView[];
}

export interface FreeView extends Omit<AllocatorStatistics, "memoryBytes"> {
  readonly freeBytes: number;
  readonly unitBytes: number;
  /** Space of the key-value store on the main device. */
  readonly kvBytes: number;
  readonly extents: readonly (readonly [number, number])[];
}

export interface UsageView {
  readonly pool: number;
  readonly allocatedBytes: number;
  readonly storedBytes: number;
  readonly compressedOriginalBytes: number;
  readonly compressedAllocatedBytes: number;
}

export interface KvLine {
  readonly prefix: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export class Inspection {
  readonly label: DeviceLabel;
  readonly geometry: StoreGeometry;
  readonly #parts: BlueStoreParts;
  readonly #kv: KeyValueStore;

  /** Throws `bad-input` or `io` with one line. */
  static async open(parts: BlueStoreParts): Promise<Inspection> {
    const label = await checkLabels(parts);
    const space = new SharedSpace(parts.options.minAllocBytes);
    let kv: KeyValueStore;
    try {
      kv = await openKv(parts, { create: false, readOnly: true }, space);
    } catch (error) {
      throw withAdvice(error, parts.lane.facts.name);
    }
    try {
      return new Inspection(parts, label, kv);
    } catch (error) {
      kv.abandon();
      throw withAdvice(error, parts.lane.facts.name);
    }
  }

  private constructor(parts: BlueStoreParts, label: DeviceLabel, kv: KeyValueStore) {
    this.#parts = parts;
    this.label = label;
    this.#kv = kv;
    this.geometry = loadGeometry(kv, parts.lane.facts.name);
  }

  close(): Promise<void> {
    return this.#kv.close();
  }

  #survey(): Survey {
    return new Survey({
      kv: this.#kv,
      options: { ...this.#parts.options, minAllocBytes: this.geometry.unitBytes },
      sumBytes: checksumTable(this.#parts).map((each) => each?.valueBytes ?? -1),
      sizeBytes: this.geometry.sizeBytes,
      freelist: null,
      forEachFree: null,
    });
  }

  /** Objects that can be read, in order; `matches`: by name. */
  *objects(matches: (name: string) => boolean): Generator<ObjectLine> {
    for (const onode of this.#survey().onodes()) {
      if (matches(onode.name.name)) {
        yield lineOf(onode);
      }
    }
  }

  /** All objects of a name: there may be several of different snapshots, namespaces and pools. */
  onodes(name: string): readonly OnodeView[] {
    const found: OnodeView[] = [];
    for (const onode of this.#survey().onodes()) {
      if (onode.name.name === name) {
        found.push(this.#view(onode));
      }
    }
    return found;
  }

  #view(onode: Onode): OnodeView {
    const blobs = [...new Set(onode.map.extents.map(({ blob }) => blob))];
    const prefix = onode.omapPrefix;
    const from = bytesOfKey(prefix + omapMarks.pair);
    const pairs =
      (onode.flags & onodeFlags.omap) === 0
        ? []
        : this.#kv.scan(prefixes.omap, from, bytesOfKey(prefix + omapMarks.end), 10_000);
    return {
      ...lineOf(onode),
      nid: onode.nid,
      expectedObjectBytes: onode.expectedObjectBytes,
      expectedWriteBytes: onode.expectedWriteBytes,
      hints: onode.hints,
      shardOffsets: onode.map.shards.map(({ offset }) => offset),
      attributes: Object.fromEntries([...onode.attrs].map(([name, { length }]) => [name, length])),
      omapKeys: pairs.map(({ key, value }) => ({
        key: textOf(keyOfBytes(key).slice(prefix.length + 1)),
        bytes: value.length,
      })),
      map: onode.map.extents.map(({ offset, length, blobOffset, blob }) => ({
        offset,
        length,
        blobOffset,
        blob: blobs.indexOf(blob),
      })),
      blobs: blobs.map(viewOf),
    };
  }

  /** Records of a prefix, or of all, in order; `from`: a key that they begin at. */
  *records(prefix: string | null): Generator<KvLine> {
    for (const each of Object.values(prefixes).sort()) {
      if (prefix === null || prefix === each) {
        for (const { key, value } of recordsOf(this.#kv, each)) {
          yield { prefix: each, key, value };
        }
      }
    }
  }

  /** Prefixes that a store has. */
  get prefixes(): readonly string[] {
    return Object.values(prefixes).sort();
  }

  /** Throws `io` with one line when the records are damaged. */
  free(): FreeView {
    try {
      const { allocator, kvBytes } = findAll(this.#parts, this.#kv);
      try {
        const { memoryBytes: _, ...statistics } = allocator.statistics();
        const extents: [number, number][] = [];
        allocator.forEachFree((offset, length) => extents.push([offset, length]));
        const freeBytes = allocator.freeBytes();
        const { unitBytes } = this.geometry;
        return { ...statistics, freeBytes, unitBytes, kvBytes, extents };
      } finally {
        allocator.close();
      }
    } catch (error) {
      if (error instanceof CorruptRecord) {
        const { name } = this.#parts.lane.facts;
        throw new OsdynoError("io", `${name}: ${error.message}; run osdyno fsck on it`, {}, error);
      }
      throw withAdvice(error, this.#parts.lane.facts.name);
    }
  }

  collections(): readonly string[] {
    const found: string[] = [];
    eachRecord(this.#kv, prefixes.collections, (key) => found.push(keyOfBytes(key)));
    return found;
  }

  usage(): readonly UsageView[] {
    const usage = new Map<number, UsageDelta>();
    loadUsage(this.#kv, usage);
    return [...usage.values()].map((each) => ({
      pool: each.pool,
      allocatedBytes: each.allocated,
      storedBytes: each.stored,
      compressedOriginalBytes: each.compressedOriginal,
      compressedAllocatedBytes: each.compressedAllocated,
    }));
  }

  /** Of the key-value store: what it holds now. */
  kvCounters(): KvCounters {
    const now = Object.entries(this.#kv.counters()).filter(([name]) => name.endsWith("_now"));
    return Object.fromEntries(now);
  }
}

/** The labels of all devices of a store, the main one last. */
export async function allLabels(parts: BlueStoreParts): Promise<readonly DeviceLabel[]> {
  const labels: DeviceLabel[] = [];
  for (const [, lane] of labelLanes(parts)) {
    labels.push(await readLabel(lane));
  }
  return labels;
}

function lineOf(onode: Onode): ObjectLine {
  const { name, map } = onode;
  const blobs = new Set<Blob>(map.extents.map(({ blob }) => blob));
  let allocatedBytes = 0;
  for (const blob of blobs) {
    blob.eachDisk(0, blob.diskBytes, (disk, length) => {
      allocatedBytes += disk === hole ? 0 : length;
    });
  }
  return {
    name: name.name,
    pool: name.pool,
    hash: name.hash,
    sizeBytes: onode.sizeBytes,
    allocatedBytes,
    extents: map.extents.length,
    shards: map.shards.length,
    attrs: onode.attrs.size,
    omap: (onode.flags & onodeFlags.omap) !== 0,
    ...unusual(name),
  };
}

function unusual(name: ObjectName): Partial<ObjectLine> {
  return {
    ...(name.nspace === "" ? {} : { nspace: name.nspace }),
    ...(name.key === "" ? {} : { key: name.key }),
    ...(name.snap === snapHead
      ? {}
      : { snap: name.snap === snapDirectory ? ("directory" as const) : name.snap }),
    ...(name.generation === noGeneration ? {} : { generation: name.generation }),
    ...(name.shard < 0 ? {} : { shard: name.shard }),
  };
}

function viewOf(blob: Blob): BlobView {
  const disk: [number, number][] = [];
  blob.eachDisk(0, blob.diskBytes, (offset, length) => disk.push([offset, length]));
  return {
    logicalBytes: blob.logicalBytes,
    compressedBytes: blob.compressedBytes,
    disk,
    checksum: blob.sumBytes === 0 ? "none" : (checksumNames[blob.sumType] ?? "unknown"),
    chunkBytes: blob.sumBytes === 0 ? 0 : 2 ** blob.sumOrder,
    shared: blob.shared?.id ?? null,
    spanning: blob.spanningId < 0 ? null : blob.spanningId,
    usedBytes: blob.used,
  };
}
