/**
 * Reads of object data: from the device or from what is on its way there, every chunk verified. A read
 * sees the object as it was when the read began, whole: where its data lies and the checksums of that are
 * noted at the beginning, space that is given up is not used again before the read has ended, and data is
 * not written over in place before that either (see `Reclaim.whenReadsEnd`).
 */
import { storeErrnos } from "../object-store.ts";
import type { IoOwner } from "./disk-io.ts";
import type { Onode } from "./onode.ts";
import { ReadPlan, type Region, type Run } from "./read-plan.ts";
import type { StoreState } from "./state.ts";

export class Reader {
  readonly #state: StoreState;
  readonly #spares: ReadOp[] = [];

  constructor(state: StoreState) {
    this.#state = state;
  }

  /**
   * Reads `length` bytes to `into`, or to the start of `slot` when that is null. `done`: bytes, fewer at
   * the object's end, or a negative errno. `trace`: of the operation that it is for, or 0.
   */
  read(
    onode: Onode,
    offset: number,
    length: number,
    into: Uint8Array | null,
    slot: number,
    trace: number,
    done: (result: number) => void,
  ): void {
    const op = this.#spares.pop() ?? new ReadOp(this.#state, (spare) => this.#spares.push(spare));
    op.begin(onode, offset, length, into, slot, trace, done);
  }
}

class ReadOp implements IoOwner {
  readonly #state: StoreState;
  readonly #finished: (op: ReadOp) => void;
  readonly #plan: ReadPlan;
  #onode: Onode | null = null;
  #offset = 0;
  #length = 0;
  #slot = -1;
  #trace = 0;
  #done: ((result: number) => void) | null = null;
  #generation = 0;
  #attempts = 0;
  #left = 0;
  #failed = false;
  #writesBefore = 0;
  /** When it began, and when the device was asked, ns. */
  #beganNs = 0;
  #askedNs = 0;

  constructor(state: StoreState, finished: (op: ReadOp) => void) {
    this.#state = state;
    this.#finished = finished;
    this.#plan = new ReadPlan(state);
  }

  begin(
    onode: Onode,
    offset: number,
    length: number,
    into: Uint8Array | null,
    slot: number,
    trace: number,
    done: (result: number) => void,
  ): void {
    const state = this.#state;
    this.#onode = onode;
    this.#trace = trace;
    this.#offset = offset;
    this.#length = Math.max(0, Math.min(length, onode.sizeBytes - offset));
    this.#slot = slot;
    this.#done = done;
    this.#attempts = 0;
    this.#beganNs = state.perf.now();
    this.#askedNs = this.#beganNs;
    state.perf.stages.clock.enter(trace, state.perf.stages.lookUp, this.#beganNs);
    this.#writesBefore = state.buffers.writes;
    state.onodes.use(onode);
    this.#generation = state.reclaim.beginRead();
    try {
      state.shards.fault(onode, offset, this.#length);
      this.#metaDone();
      this.#plan.make(onode, offset, this.#length, into, slot);
    } catch (error) {
      state.damaged(error, `object ${onode.name.name}`);
      this.#end(-storeErrnos.EIO);
      return;
    }
    this.#attempt();
  }

  /** Asks the device for all that is not in memory, again when it was wrong. */
  #attempt(): void {
    const { io, perf } = this.#state;
    this.#attempts += 1;
    this.#failed = this.#plan.damaged;
    if (this.#plan.runCount === 0) {
      this.#arrived();
      return;
    }
    perf.enter(this.#trace, perf.stages.read);
    this.#left = this.#plan.runCount;
    io.cork();
    for (let at = 0; at < this.#plan.runCount; at += 1) {
      const run = this.#plan.runs[at] as Run;
      if (run.buffer === null && this.#slot >= 0 && run.at === 0) {
        io.readSlot(run.disk, run.bytes, this.#slot, this, 0);
      } else {
        io.read(run.disk, run.bytes, run.buffer ?? this.#plan.target(), run.at, this, 0);
      }
    }
    io.uncork();
  }

  #metaDone(): void {
    const { perf } = this.#state;
    this.#askedNs = perf.now();
    perf.add(perf.read_onode_meta_lat, this.#askedNs - this.#beganNs);
  }

  ioDone(result: number): void {
    if (result < 0) {
      this.#failed = true;
    }
    this.#left -= 1;
    if (this.#left === 0) {
      this.#arrived();
    }
  }

  /** All that was asked for is there, or could not be read. */
  #arrived(): void {
    const state = this.#state;
    const { perf } = state;
    const arrivedNs = perf.now();
    if (this.#plan.runCount > 0) {
      perf.add(perf.read_wait_aio_lat, arrivedNs - this.#askedNs);
    }
    perf.stages.clock.enter(this.#trace, perf.stages.verify, arrivedNs);
    if (!this.#failed && this.#verify(arrivedNs)) {
      if (this.#attempts > 1) {
        state.counters.reads_with_retries += 1;
      }
      this.#keep();
      this.#end(this.#length);
    } else if (this.#attempts <= state.options.retryDiskReads && !this.#plan.damaged) {
      this.#attempt();
    } else {
      const range = `${this.#offset}+${this.#length}`;
      const name = this.#onode?.name.name;
      state.noteDamage(`object ${name}: data at ${range} cannot be read`);
      this.#end(-storeErrnos.EIO);
    }
  }

  #verify(arrivedNs: number): boolean {
    const { perf, counters } = this.#state;
    let beganNs = arrivedNs;
    for (let at = 0; at < this.#plan.regionCount; at += 1) {
      const region = this.#plan.regions[at] as Region;
      const right = this.#verifySums(region);
      if (region.sumBytes !== 0) {
        const endedNs = perf.now();
        perf.add(perf.csum_lat, endedNs - beganNs);
        beganNs = endedNs;
      }
      if (!right || (region.buffer !== null && !this.#deliver(region, region.buffer))) {
        counters.csum_errors += 1;
        return false;
      }
    }
    return true;
  }

  #verifySums({
    buffer,
    bufferAt,
    length,
    sumType,
    sumBytes,
    chunkBytes,
    sumsAt,
  }: Region): boolean {
    const state = this.#state;
    if (sumBytes === 0) {
      return true;
    }
    if (buffer === null && this.#slot >= 0 && sumType === state.checksumType) {
      const start = this.#slot * state.slotBytes + bufferAt;
      return state.arenaSums.verify(start, length, chunkBytes, this.#plan.sums, sumsAt) < 0;
    }
    const checksum = state.checksums[sumType];
    const from = buffer ?? this.#plan.target();
    const whole = bufferAt === 0 && length === from.length;
    const bytes = whole ? from : from.subarray(bufferAt, bufferAt + length);
    const end = sumsAt + (length / chunkBytes) * sumBytes;
    return (
      checksum != null &&
      checksum.verify(bytes, chunkBytes, this.#plan.sums.subarray(sumsAt, end)) < 0
    );
  }

  /** Brings the wanted part to its place. */
  #deliver(region: Region, buffer: Uint8Array): boolean {
    const { wantedAt, wantedBytes, intoAt, compressedBytes } = region;
    let from = buffer;
    if (compressedBytes > 0) {
      const plain = new Uint8Array(region.logicalBytes);
      const { perf, compression } = this.#state;
      const beganNs = perf.now();
      if (!compression.decompress(buffer.subarray(0, compressedBytes), plain)) {
        return false;
      }
      perf.add(perf.decompress_lat, perf.now() - beganNs);
      from = plain;
    }
    this.#plan.target().set(from.subarray(wantedAt, wantedAt + wantedBytes), intoAt);
    return true;
  }

  /** Verified blocks stay in memory. */
  #keep(): void {
    const { buffers, options, blockBytes, inFlight, memory } = this.#state;
    if (this.#plan.runCount === 0 || !options.bufferedRead || memory.dataBytes === 0) {
      return;
    }
    for (let index = 0; index < this.#plan.runCount; index += 1) {
      const { disk, bytes, buffer, at, summed } = this.#plan.runs[index] as Run;
      // Without checksums nothing tells whether a write came in between.
      if (!summed && buffers.writes !== this.#writesBefore) {
        continue;
      }
      const from = buffer ?? this.#plan.target();
      for (let done = 0; done < bytes; done += blockBytes) {
        if (!inFlight.has(disk + done)) {
          buffers.add(disk + done, from, at + done);
        }
      }
    }
  }

  #end(result: number): void {
    const state = this.#state;
    const done = this.#done;
    const { perf, reclaim, onodes } = state;
    perf.add(perf.read_lat, perf.now() - this.#beganNs);
    onodes.unuse(this.#onode as Onode);
    this.#onode = null;
    this.#done = null;
    this.#plan.clear();
    this.#trace = 0;
    const generation = this.#generation;
    this.#finished(this);
    reclaim.endRead(generation);
    done?.(result);
  }
}
