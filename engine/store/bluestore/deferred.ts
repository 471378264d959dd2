/**
 * Deferred writes: small overwrites that are committed in the log and written in place later, many at
 * once and in the order of the disk. A record of the log goes when what it says is on the device for good.
 */
import type { LatencyHistogram } from "../../base/perf-counters.ts";
import type { ExtentList } from "../../hot/allocator/allocator.ts";
import type { CancelTimer, Clock } from "../../port/clock.ts";
import type { DiskIo, IoOwner } from "./disk-io.ts";
import type { InFlight, InFlightWrite } from "./in-flight.ts";
import type { BlueStoreOptions } from "./options.ts";
import type { StorePerf } from "./perf.ts";
import type { DeferredWrite } from "./txc.ts";
import type { WireReader, WireWriter } from "./wire.ts";

export interface DeferredRecord {
  readonly sequence: number;
  readonly writes: readonly InFlightWrite[];
  readonly bytes: number;
  /** Space that becomes free only once this record has gone: it may still be written to. */
  readonly held: ExtentList;
  /** When it came as far as it is, ns. */
  sinceNs: number;
}

export function encodeDeferred(writer: WireWriter, writes: readonly DeferredWrite[]): void {
  writer.varint(writes.length);
  for (const { offsetBytes, bytes } of writes) {
    writer.varint(offsetBytes);
    writer.blob(bytes);
  }
}

export function decodeDeferred(reader: WireReader): DeferredWrite[] {
  const writes: DeferredWrite[] = [];
  for (let left = reader.varint(); left > 0; left -= 1) {
    const offsetBytes = reader.varint();
    writes.push({ offsetBytes, bytes: reader.blob() });
  }
  reader.done();
  return writes;
}

/** Writes of several records in the order of the disk, the newest of each block, neighbours joined. */
export function mergeWrites(
  writes: Iterable<DeferredWrite>,
  blockBytes: number,
  longestBytes: number,
): DeferredWrite[] {
  const blocks = new Map<number, { readonly bytes: Uint8Array; readonly at: number }>();
  for (const { offsetBytes, bytes } of writes) {
    for (let at = 0; at < bytes.length; at += blockBytes) {
      blocks.set((offsetBytes + at) / blockBytes, { bytes, at });
    }
  }
  const order = Float64Array.from(blocks.keys()).sort();
  const merged: DeferredWrite[] = [];
  const most = Math.max(1, Math.floor(longestBytes / blockBytes));
  for (let first = 0; first < order.length; ) {
    const start = order[first] as number;
    let count = 1;
    while (count < most && order[first + count] === start + count) {
      count += 1;
    }
    const joined = new Uint8Array(count * blockBytes);
    for (let index = 0; index < count; index += 1) {
      const block = blocks.get(start + index);
      if (block !== undefined) {
        const { bytes, at } = block;
        joined.set(bytes.subarray(at, at + blockBytes), index * blockBytes);
      }
    }
    merged.push({ offsetBytes: start * blockBytes, bytes: joined });
    first += count;
  }
  return merged;
}

export interface DeferredHost {
  /** A record has been written, but not yet for good. */
  written(): void;
  failed(errno: number): void;
  /** Calls back when the reads that are under way have ended. */
  whenReadsEnd(then: () => void): void;
}

export class DeferredQueue implements IoOwner {
  readonly #io: DiskIo;
  readonly #inFlight: InFlight;
  readonly #clock: Clock;
  readonly #options: BlueStoreOptions;
  readonly #perf: StorePerf;
  readonly #host: DeferredHost;
  /** Committed, not yet on their way. */
  #queued: DeferredRecord[] = [];
  #running: DeferredRecord[] = [];
  #left = 0;
  /** On the device, but not yet for good. */
  #written: DeferredRecord[] = [];
  /** On the device for good; the records can go. */
  #stable: DeferredRecord[] = [];
  #removing: DeferredRecord[] = [];
  #timer: CancelTimer | null = null;
  #eager = false;
  /** The next batch waits for reads. */
  #behindReads = false;
  #stopped = false;
  /** Records that have not gone, by disk block: until then a crash would write it again. */
  readonly #blocks = new Map<number, number>();
  /** Bytes of records that have not gone. */
  bytes = 0;
  /** Records ever added, and their bytes. */
  records = 0;
  recordBytes = 0;
  /** Writes ever sent, after joining neighbours, their bytes, and the batches. */
  ops = 0;
  opBytes = 0;
  batches = 0;

  constructor(
    io: DiskIo,
    inFlight: InFlight,
    clock: Clock,
    options: BlueStoreOptions,
    perf: StorePerf,
    host: DeferredHost,
  ) {
    this.#perf = perf;
    this.#io = io;
    this.#inFlight = inFlight;
    this.#clock = clock;
    this.#options = options;
    this.#host = host;
  }

  /** Nothing is left that must be written or removed. */
  get idle(): boolean {
    return (
      this.#queued.length === 0 &&
      this.#running.length === 0 &&
      this.#written.length === 0 &&
      this.#stable.length === 0 &&
      this.#removing.length === 0
    );
  }

  get hasWritten(): boolean {
    return this.#written.length > 0;
  }

  get hasStable(): boolean {
    return this.#stable.length > 0;
  }

  /** The newest record that has not gone: space that it may write to is held with it. */
  get newest(): DeferredRecord | null {
    for (const list of [this.#queued, this.#running, this.#written, this.#stable]) {
      const last = list.at(-1);
      if (last !== undefined) {
        return last;
      }
    }
    return this.#removing.at(-1) ?? null;
  }

  /** A committed transaction's writes. */
  add(record: DeferredRecord): void {
    this.#queued.push(record);
    record.sinceNs = this.#perf.now();
    this.bytes += record.bytes;
    this.records += 1;
    this.recordBytes += record.bytes;
    this.#countBlocks(record, 1);
    const ops = this.#queued.reduce((sum, { writes }) => sum + writes.length, 0);
    const { deferredBatchOps, maxDeferredTransactions, maxDeferIntervalNs } = this.#options;
    if (this.#eager || ops >= deferredBatchOps || this.#queued.length >= maxDeferredTransactions) {
      this.submit();
    } else if (this.#timer === null) {
      this.#timer = this.#clock.at(this.#clock.nowNs() + maxDeferIntervalNs, () => {
        this.#timer = null;
        this.submit();
      });
    }
  }

  /** Holds nothing back from now on (a flush, short space), or waits for batches again. */
  setEager(eager: boolean): void {
    this.#eager = eager;
    if (eager) {
      this.submit();
    }
  }

  get eager(): boolean {
    return this.#eager;
  }

  /**
   * Sends what is queued, unless a batch is on its way: two could overtake each other. Reads under way
   * have a right to what is written over, those that begin meanwhile take the new from memory.
   */
  submit(): void {
    if (this.#running.length > 0 || this.#queued.length === 0 || this.#behindReads) {
      return;
    }
    this.cancel();
    this.#behindReads = true;
    this.#host.whenReadsEnd(this.#send);
  }

  readonly #send = (): void => {
    this.#behindReads = false;
    if (this.#stopped) {
      return;
    }
    this.#running = this.#queued;
    this.#queued = [];
    this.#entered(this.#running, this.#perf.state_deferred_queued_lat);
    const longest = this.#io.lane.arena.slotBytes;
    const writes = mergeWrites(
      this.#running.flatMap((record) => record.writes),
      this.#inFlight.blockBytes,
      longest,
    );
    this.#left = writes.length;
    this.ops += writes.length;
    this.batches += 1;
    this.#io.cork();
    for (const { offsetBytes, bytes } of writes) {
      this.opBytes += bytes.length;
      this.#io.write(offsetBytes, bytes, -1, false, this, 0);
    }
    this.#io.uncork();
  };

  ioDone(result: number): void {
    if (result < 0) {
      this.#host.failed(result);
      return;
    }
    this.#left -= 1;
    if (this.#left > 0) {
      return;
    }
    this.#entered(this.#running, this.#perf.state_deferred_aio_wait_lat);
    for (const record of this.#running) {
      for (const write of record.writes) {
        this.#inFlight.remove(write);
      }
      this.#written.push(record);
    }
    this.#running = [];
    this.#host.written();
    if (this.#eager || this.#queued.length >= this.#options.maxDeferredTransactions) {
      this.submit();
    }
  }

  /** What a flush or commit that begins now makes stable. */
  takeWritten(): DeferredRecord[] {
    const taken = this.#written;
    this.#written = [];
    return taken;
  }

  madeStable(records: readonly DeferredRecord[]): void {
    this.#stable.push(...records);
  }

  /** Records to be removed by the commit that begins now. */
  takeStable(): readonly DeferredRecord[] {
    const taken = this.#stable;
    this.#stable = [];
    this.#removing.push(...taken);
    return taken;
  }

  /** The oldest commit that removes records is done, so many: gives what they held. */
  removed(count: number, release: (extents: ExtentList) => void): void {
    const gone = this.#removing.splice(0, count);
    this.#entered(gone, this.#perf.state_deferred_cleanup_lat);
    for (const record of gone) {
      this.bytes -= record.bytes;
      this.#countBlocks(record, -1);
      if (record.held.count > 0) {
        release(record.held);
      }
    }
  }

  /** The records have left the state that the counter is of. */
  #entered(records: readonly DeferredRecord[], left: LatencyHistogram): void {
    if (records.length > 0) {
      const nowNs = this.#perf.now();
      for (const record of records) {
        this.#perf.add(left, nowNs - record.sinceNs);
        record.sinceNs = nowNs;
      }
    }
  }

  #countBlocks({ writes }: DeferredRecord, by: number): void {
    const { blockBytes } = this.#inFlight;
    for (const { offsetBytes, bytes } of writes) {
      const end = (offsetBytes + bytes.length) / blockBytes;
      for (let block = offsetBytes / blockBytes; block < end; block += 1) {
        const count = (this.#blocks.get(block) ?? 0) + by;
        if (count === 0) {
          this.#blocks.delete(block);
        } else {
          this.#blocks.set(block, count);
        }
      }
    }
  }

  /** Some record that has not gone writes to a block of the extent. */
  mayWrite(offsetBytes: number, lengthBytes: number): boolean {
    if (this.#blocks.size === 0) {
      return false;
    }
    const { blockBytes } = this.#inFlight;
    const end = (offsetBytes + lengthBytes) / blockBytes;
    for (let block = offsetBytes / blockBytes; block < end; block += 1) {
      if (this.#blocks.has(block)) {
        return true;
      }
    }
    return false;
  }

  cancel(): void {
    this.#timer?.();
    this.#timer = null;
  }

  /** Nothing is sent any more. */
  stop(): void {
    this.#stopped = true;
    this.cancel();
  }
}
