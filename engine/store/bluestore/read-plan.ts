/**
 * What a read needs: the regions of blobs, where on the device they lie and their checksums, all as of one
 * moment. What is on its way to the device, or kept in memory, is copied at once.
 */
import { maxObjectBytes } from "../object-store.ts";
import { type Blob, hole } from "./blob.ts";
import type { Extent } from "./extent-map.ts";
import type { Onode } from "./onode.ts";
import type { StoreState } from "./state.ts";

/** Chunks that are read and verified together, and the part of them that the reader wants. */
export class Region {
  /** Where the chunks go; null: to their place in what the reader asked for. */
  buffer: Uint8Array | null = null;
  bufferAt = 0;
  length = 0;
  sumType = 0;
  /** Bytes of a checksum; 0: there are none. */
  sumBytes = 0;
  chunkBytes = 0;
  /** Where among the read's checksums they begin. */
  sumsAt = 0;
  /** With a buffer: compressed bytes in it, or 0; bytes of the blob that they are of. */
  compressedBytes = 0;
  logicalBytes = 0;
  /** With a buffer: the wanted part, of it or of what it decompresses to, and where it goes. */
  wantedAt = 0;
  wantedBytes = 0;
  intoAt = 0;
}

/** An extent of the device that is read. */
export class Run {
  disk = 0;
  bytes = 0;
  /** As in `Region`. */
  buffer: Uint8Array | null = null;
  at = 0;
  /** It has checksums. */
  summed = false;
}

export class ReadPlan {
  readonly #state: StoreState;
  #offset = 0;
  #length = 0;
  /** Null: the start of `#slot`, of which nobody needed a view so far. */
  #into: Uint8Array | null = null;
  #slot = -1;
  /** The object's records make no sense: trying again is no use. */
  damaged = false;
  readonly regions: Region[] = [];
  regionCount = 0;
  readonly runs: Run[] = [];
  runCount = 0;
  /** Checksums of the regions, as they were when the read began. */
  sums = new Uint8Array(16);
  #sumsUsed = 0;
  /** Of the region whose disk extents are looked at. */
  #buffer: Uint8Array | null = null;
  #summed = false;

  constructor(state: StoreState) {
    this.#state = state;
  }

  /** Of `length` bytes that are there, to `into`, or to the start of `slot` when that is null. */
  make(onode: Onode, offset: number, length: number, into: Uint8Array | null, slot: number): void {
    this.#offset = offset;
    this.#length = length;
    this.#into = into;
    this.#slot = slot;
    this.regionCount = 0;
    this.runCount = 0;
    this.#sumsUsed = 0;
    this.damaged = false;
    this.#gather(onode);
  }

  /** Lets go of memory that is others'. */
  clear(): void {
    this.#into = null;
    for (let at = 0; at < this.regionCount; at += 1) {
      (this.regions[at] as Region).buffer = null;
    }
    for (let at = 0; at < this.runCount; at += 1) {
      (this.runs[at] as Run).buffer = null;
    }
    this.regionCount = 0;
    this.runCount = 0;
  }

  /** Where the data goes. */
  target(): Uint8Array {
    let into = this.#into;
    if (into === null) {
      const { slotBytes, io } = this.#state;
      const start = this.#slot * slotBytes;
      into = io.lane.arena.bytes.subarray(start, start + this.#length);
      this.#into = into;
    }
    return into;
  }

  /** Finds the regions; fills what is in no extent with zeroes. */
  #gather({ map }: Onode): void {
    const { extents } = map;
    const offset = this.#offset;
    const end = Math.min(offset + this.#length, maxObjectBytes);
    let position = offset;
    for (let at = map.seek(position); at < extents.length && position < end; at += 1) {
      const extent = extents[at] as Extent;
      if (extent.offset >= end) {
        break;
      }
      const from = Math.max(extent.offset, position);
      const to = Math.min(extent.offset + extent.length, end);
      if (from > position) {
        this.target().fill(0, position - offset, from - offset);
      }
      this.#add(extent.blob, extent.blobOffset + from - extent.offset, to - from, from - offset);
      position = to;
    }
    if (position < end) {
      this.target().fill(0, position - offset, end - offset);
    }
  }

  /** `length` bytes of the blob from `blobOffset` on are wanted at `intoAt`. */
  #add(blob: Blob, blobOffset: number, length: number, intoAt: number): void {
    const { blockBytes } = this.#state;
    const chunk = blob.chunkBytes(blockBytes);
    const { compressedBytes } = blob;
    let first = blobOffset - (blobOffset % chunk);
    let bytes = Math.ceil((blobOffset + length) / chunk) * chunk - first;
    if (compressedBytes > 0) {
      first = 0;
      bytes = Math.ceil(compressedBytes / blockBytes) * blockBytes;
    }
    const sumsAt = this.#copySums(blob, first, bytes);
    if (compressedBytes === 0 && bytes === length) {
      this.#addWhole(blob, bytes, intoAt, chunk, sumsAt);
      this.#findRuns(blob, first, bytes, intoAt);
      return;
    }
    const region = this.#nextRegion();
    this.#describe(region, blob, bytes, chunk, sumsAt);
    region.buffer = new Uint8Array(bytes);
    region.bufferAt = 0;
    region.compressedBytes = compressedBytes;
    region.logicalBytes = blob.logicalBytes;
    region.wantedAt = blobOffset - first;
    region.wantedBytes = length;
    region.intoAt = intoAt;
    this.#buffer = region.buffer;
    this.#findRuns(blob, first, bytes, 0);
    this.#buffer = null;
  }

  #nextRegion(): Region {
    let region = this.regions[this.regionCount];
    if (region === undefined) {
      region = new Region();
      this.regions.push(region);
    }
    this.regionCount += 1;
    return region;
  }

  #describe(region: Region, blob: Blob, bytes: number, chunk: number, sumsAt: number): void {
    region.length = bytes;
    region.sumType = blob.sumType;
    region.sumBytes = blob.sumBytes;
    region.chunkBytes = chunk;
    region.sumsAt = sumsAt;
    this.#summed = blob.sumBytes > 0;
  }

  /** Chunks that are wanted whole; what follows another such region with the same sums becomes one with it. */
  #addWhole(blob: Blob, bytes: number, at: number, chunk: number, sumsAt: number): void {
    const last = this.regions[this.regionCount - 1];
    this.#summed = blob.sumBytes > 0;
    if (
      this.regionCount > 0 &&
      last !== undefined &&
      last.buffer === null &&
      last.bufferAt + last.length === at &&
      last.sumType === blob.sumType &&
      last.sumBytes === blob.sumBytes &&
      last.chunkBytes === chunk
    ) {
      last.length += bytes;
      return;
    }
    const region = this.#nextRegion();
    this.#describe(region, blob, bytes, chunk, sumsAt);
    region.buffer = null;
    region.bufferAt = at;
  }

  /** Notes the checksums of a range of a blob: where among the read's. */
  #copySums(blob: Blob, offset: number, length: number): number {
    const start = this.#sumsUsed;
    const { sumBytes, sums } = blob;
    if (sumBytes === 0) {
      return start;
    }
    const chunk = 1 << blob.sumOrder;
    const from = (offset / chunk) * sumBytes;
    const count = (length / chunk) * sumBytes;
    if (from + count > sums.length) {
      this.damaged = true;
      return start;
    }
    if (start + count > this.sums.length) {
      const grown = new Uint8Array(Math.max(start + count, 2 * this.sums.length));
      grown.set(this.sums);
      this.sums = grown;
    }
    const own = this.sums;
    for (let at = 0; at < count; at += 1) {
      own[start + at] = sums[from + at] as number;
    }
    this.#sumsUsed = start + count;
    return start;
  }

  /** Finds where a range of a blob lies; what is in memory is copied at once. */
  #findRuns(blob: Blob, offset: number, length: number, bufferAt: number): void {
    const { inFlight } = this.#state;
    const end = offset + length;
    let covered = offset;
    let start = 0;
    for (let at = 0; at < blob.diskCount && start < end; at += 1) {
      const disk = blob.diskOffset(at);
      const stop = start + blob.diskLength(at);
      const from = Math.max(start, offset);
      const to = Math.min(stop, end);
      if (from < to && disk !== hole) {
        covered += to - from;
        const place = disk + from - start;
        if (inFlight.nothing) {
          this.#missing(place, to - from, bufferAt + from - offset);
        } else {
          const into = this.#buffer ?? this.target();
          inFlight.eachMissing(place, to - from, into, bufferAt + from - offset, this.#missing);
        }
      }
      start = stop;
    }
    // An extent that refers to what is not allocated: the map is damaged.
    this.damaged ||= covered < end;
  }

  /** An extent that is to be read from the device. */
  readonly #missing = (disk: number, bytes: number, at: number): void => {
    const buffer = this.#buffer;
    const last = this.runs[this.runCount - 1];
    if (
      this.runCount > 0 &&
      last !== undefined &&
      last.buffer === buffer &&
      last.at + last.bytes === at &&
      last.disk + last.bytes === disk &&
      last.summed === this.#summed
    ) {
      last.bytes += bytes;
      return;
    }
    let run = this.runs[this.runCount];
    if (run === undefined) {
      run = new Run();
      this.runs.push(run);
    }
    this.runCount += 1;
    run.disk = disk;
    run.bytes = bytes;
    run.buffer = buffer;
    run.at = at;
    run.summed = this.#summed;
  };
}
