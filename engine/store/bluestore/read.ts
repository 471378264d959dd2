/** Reads of object data: from the device or from what is on its way there, every chunk verified. */
import { maxObjectBytes, storeErrnos } from "../object-store.ts";
import { type Blob, hole } from "./blob.ts";
import type { IoOwner } from "./disk-io.ts";
import type { Extent } from "./extent-map.ts";
import type { Onode } from "./onode.ts";
import type { StoreState } from "./state.ts";

/** Blocks of a blob that are read, and the part of them that the reader wants. */
class Region {
  blob: Blob | null = null;
  /** In the blob; whole chunks. */
  offset = 0;
  length = 0;
  /** Where the blocks go. */
  buffer: Uint8Array = noBytes;
  bufferAt = 0;
  /** The wanted part, in the region, or in the decompressed blob. */
  wantedAt = 0;
  wantedBytes = 0;
  /** Where it goes; -1: it is there already. */
  intoAt = 0;
}

const noBytes = new Uint8Array(0);

export class Reader {
  readonly #state: StoreState;
  readonly #spares: ReadOp[] = [];

  constructor(state: StoreState) {
    this.#state = state;
  }

  /**
   * Reads to `into`, which is the start of `slot` unless that is -1. `done`: bytes, fewer at the
   * object's end, or a negative errno. `trace`: of the operation that it is for, or 0.
   */
  read(
    onode: Onode,
    offset: number,
    into: Uint8Array,
    slot: number,
    trace: number,
    done: (result: number) => void,
  ): void {
    const op = this.#spares.pop() ?? new ReadOp(this.#state, (spare) => this.#spares.push(spare));
    op.begin(onode, offset, into, slot, trace, done);
  }
}

class ReadOp implements IoOwner {
  readonly #state: StoreState;
  readonly #finished: (op: ReadOp) => void;
  #onode: Onode | null = null;
  #offset = 0;
  #length = 0;
  #into: Uint8Array = noBytes;
  #slot = -1;
  #trace = 0;
  #done: ((result: number) => void) | null = null;
  #generation = 0;
  #attempts = 0;
  #left = 0;
  #failed = false;
  readonly #regions: Region[] = [];
  #count = 0;
  /** Bytes that came from the device: worth keeping. */
  #fromDevice = 0;
  #writesBefore = 0;
  /** When it began, and when the device was asked, ns. */
  #beganNs = 0;
  #askedNs = 0;

  constructor(state: StoreState, finished: (op: ReadOp) => void) {
    this.#state = state;
    this.#finished = finished;
  }

  begin(
    onode: Onode,
    offset: number,
    into: Uint8Array,
    slot: number,
    trace: number,
    done: (result: number) => void,
  ): void {
    this.#onode = onode;
    this.#trace = trace;
    this.#offset = offset;
    this.#length = Math.max(0, Math.min(into.length, onode.sizeBytes - offset));
    this.#into = into;
    this.#slot = slot;
    this.#done = done;
    this.#attempts = 0;
    this.#beganNs = this.#state.perf.now();
    this.#askedNs = this.#beganNs;
    this.#state.perf.stages.clock.enter(trace, this.#state.perf.stages.lookUp, this.#beganNs);
    this.#state.onodes.use(onode);
    this.#generation = this.#state.reclaim.beginRead();
    this.#attempt(onode);
  }

  #attempt(onode: Onode): void {
    const { io } = this.#state;
    this.#attempts += 1;
    this.#failed = false;
    this.#count = 0;
    this.#fromDevice = 0;
    this.#writesBefore = this.#state.buffers.writes;
    // One more, so that nothing ends before all has been started.
    this.#left = 1;
    io.cork();
    try {
      this.#state.shards.fault(onode, this.#offset, this.#length);
      this.#metaDone();
      this.#gather(onode);
    } catch (error) {
      this.#state.damaged(error, `object ${onode.name.name}`);
      this.#failed = true;
      this.#attempts = Number.POSITIVE_INFINITY;
    }
    for (let at = 0; at < this.#count; at += 1) {
      this.#start(this.#regions[at] as Region);
    }
    if (this.#left > 1) {
      this.#state.perf.enter(this.#trace, this.#state.perf.stages.read);
    }
    io.uncork();
    this.ioDone(0);
  }

  #metaDone(): void {
    const { perf } = this.#state;
    const before = this.#askedNs;
    this.#askedNs = perf.now();
    if (this.#attempts === 1) {
      perf.add(perf.read_onode_meta_lat, this.#askedNs - before);
    }
  }

  /** Finds the regions; fills what is in no extent with zeroes. */
  #gather(onode: Onode): void {
    const { map } = onode;
    const end = Math.min(this.#offset + this.#length, maxObjectBytes);
    let position = this.#offset;
    for (let at = map.seek(position); at < map.extents.length && position < end; at += 1) {
      const extent = map.extents[at] as Extent;
      if (extent.offset >= end) {
        break;
      }
      const from = Math.max(extent.offset, position);
      const to = Math.min(extent.end, end);
      if (from > position) {
        this.#into.fill(0, position - this.#offset, from - this.#offset);
      }
      this.#add(extent.blob, extent.blobOffset + from - extent.offset, to - from, from);
      position = to;
    }
    if (position < end) {
      this.#into.fill(0, position - this.#offset, end - this.#offset);
    }
  }

  #add(blob: Blob, blobOffset: number, length: number, position: number): void {
    let region = this.#regions[this.#count];
    if (region === undefined) {
      region = new Region();
      this.#regions.push(region);
    }
    this.#count += 1;
    const { blockBytes } = this.#state;
    region.blob = blob;
    region.wantedBytes = length;
    region.intoAt = position - this.#offset;
    if (blob.compressed) {
      region.offset = 0;
      region.length = Math.ceil(blob.compressedBytes / blockBytes) * blockBytes;
      region.wantedAt = blobOffset;
    } else {
      const chunk = blob.chunkBytes(blockBytes);
      region.offset = blobOffset - (blobOffset % chunk);
      region.length = Math.ceil((blobOffset + length) / chunk) * chunk - region.offset;
      region.wantedAt = blobOffset - region.offset;
    }
    if (!blob.compressed && region.length === length) {
      region.buffer = this.#into;
      region.bufferAt = region.intoAt;
      region.intoAt = -1;
    } else {
      region.buffer = new Uint8Array(region.length);
      region.bufferAt = 0;
    }
  }

  #start(region: Region): void {
    const { io, inFlight } = this.#state;
    const { blob, buffer, offset } = region;
    blob?.eachDisk(offset, region.length, (disk, length, blobOffset) => {
      if (disk === hole) {
        // An extent refers to what is not allocated: the map is damaged.
        this.#failed = true;
        return;
      }
      const base = region.bufferAt + blobOffset - offset;
      inFlight.eachMissing(disk, length, buffer, base, (missing, bytes, at) => {
        this.#left += 1;
        this.#fromDevice += bytes;
        if (this.#slot >= 0 && buffer === this.#into && at === 0) {
          io.readSlot(missing, bytes, this.#slot, this, 0);
        } else {
          io.read(missing, bytes, buffer, at, this, 0);
        }
      });
    });
  }

  ioDone(result: number): void {
    if (result < 0) {
      this.#failed = true;
    }
    this.#left -= 1;
    if (this.#left > 0) {
      return;
    }
    const onode = this.#onode as Onode;
    const { perf } = this.#state;
    const arrivedNs = perf.now();
    if (this.#fromDevice > 0) {
      perf.add(perf.read_wait_aio_lat, arrivedNs - this.#askedNs);
    }
    perf.stages.clock.enter(this.#trace, perf.stages.verify, arrivedNs);
    if (!this.#failed && this.#verify(arrivedNs)) {
      if (this.#attempts > 1) {
        this.#state.counters.reads_with_retries += 1;
      }
      this.#keep();
      this.#end(onode, this.#length);
    } else if (this.#attempts <= this.#state.options.retryDiskReads) {
      this.#attempt(onode);
    } else {
      if (Number.isFinite(this.#attempts)) {
        const range = `${this.#offset}+${this.#length}`;
        this.#state.noteDamage(`object ${onode.name.name}: data at ${range} cannot be read`);
      }
      this.#end(onode, -storeErrnos.EIO);
    }
  }

  #verify(arrivedNs: number): boolean {
    const { perf } = this.#state;
    let beganNs = arrivedNs;
    for (let at = 0; at < this.#count; at += 1) {
      const region = this.#regions[at] as Region;
      const right = this.#verifySums(region);
      if (region.blob?.sumBytes !== 0) {
        const endedNs = perf.now();
        perf.add(perf.csum_lat, endedNs - beganNs);
        beganNs = endedNs;
      }
      if (!right || !this.#deliver(region)) {
        this.#state.counters.csum_errors += 1;
        return false;
      }
    }
    return true;
  }

  /** Verified blocks stay in memory. */
  #keep(): void {
    const { buffers, options, blockBytes, inFlight } = this.#state;
    if (this.#fromDevice === 0 || !options.bufferedRead || this.#state.memory.dataBytes === 0) {
      return;
    }
    for (let index = 0; index < this.#count; index += 1) {
      const { blob, buffer, bufferAt, offset, length } = this.#regions[index] as Region;
      // Without checksums nothing tells whether a write came in between.
      if (blob === null || (blob.sumBytes === 0 && buffers.writes !== this.#writesBefore)) {
        continue;
      }
      blob.eachDisk(offset, length, (disk, bytes, blobOffset) => {
        for (let done = 0; disk !== hole && done < bytes; done += blockBytes) {
          const at = bufferAt + blobOffset - offset + done;
          if (!inFlight.has(disk + done)) {
            buffers.add(disk + done, buffer, at);
          }
        }
      });
    }
  }

  #verifySums(region: Region): boolean {
    const state = this.#state;
    const blob = region.blob as Blob;
    if (blob.sumBytes === 0) {
      return true;
    }
    const chunk = 2 ** blob.sumOrder;
    const at = (region.offset / chunk) * blob.sumBytes;
    const end = at + (region.length / chunk) * blob.sumBytes;
    const { buffer, bufferAt, length } = region;
    const inSlot = this.#slot >= 0 && buffer === this.#into;
    if (end > blob.sums.length) {
      return false;
    }
    if (inSlot && blob.sumType === state.checksumType) {
      const start = this.#slot * state.slotBytes + bufferAt;
      return state.arenaSums.verify(start, length, chunk, blob.sums, at) < 0;
    }
    const checksum = state.checksums[blob.sumType];
    const whole = bufferAt === 0 && length === buffer.length;
    const bytes = whole ? buffer : buffer.subarray(bufferAt, bufferAt + length);
    const sums = at === 0 && end === blob.sums.length ? blob.sums : blob.sums.subarray(at, end);
    return checksum != null && checksum.verify(bytes, chunk, sums) < 0;
  }

  /** Brings the wanted part to its place. */
  #deliver(region: Region): boolean {
    const { blob, wantedAt, wantedBytes, intoAt } = region;
    let { buffer } = region;
    if (intoAt < 0) {
      return true;
    }
    if (blob?.compressed === true) {
      const plain = new Uint8Array(blob.logicalBytes);
      const { perf, compression } = this.#state;
      const beganNs = perf.now();
      if (!compression.decompress(buffer.subarray(0, blob.compressedBytes), plain)) {
        return false;
      }
      perf.add(perf.decompress_lat, perf.now() - beganNs);
      buffer = plain;
    }
    this.#into.set(buffer.subarray(wantedAt, wantedAt + wantedBytes), intoAt);
    return true;
  }

  #end(onode: Onode, result: number): void {
    const done = this.#done;
    const { perf } = this.#state;
    perf.add(perf.read_lat, perf.now() - this.#beganNs);
    this.#state.onodes.unuse(onode);
    this.#onode = null;
    this.#trace = 0;
    this.#done = null;
    this.#into = noBytes;
    for (let at = 0; at < this.#count; at += 1) {
      const region = this.#regions[at] as Region;
      region.blob = null;
      region.buffer = noBytes;
    }
    this.#state.reclaim.endRead(this.#generation);
    this.#finished(this);
    done?.(result);
  }
}
