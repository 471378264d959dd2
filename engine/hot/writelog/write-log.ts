import { OsdynoError } from "../../base/error.ts";
import { checkOp } from "../../device/check-op.ts";
import type { DeviceMux } from "../../device/mux.ts";
import { blankOp, completionArrays, OpTable } from "../../device/op-table.ts";
import { ReadyQueue } from "../../device/ready-queue.ts";
import {
  type Arena,
  type BlockDevice,
  type BlockOp,
  type Completions,
  type DeviceFacts,
  type DeviceSupports,
  errnos,
  opKinds,
} from "../../port/block-device.ts";
import type { DeviceLane } from "../../port/device-lane.ts";
import { Appender } from "./appender.ts";
import type { Root } from "./log-format.ts";
import type { LogState, WriteLogCounters } from "./log-state.ts";
import { Reader } from "./reader.ts";
import { Retirement } from "./retirement.ts";
import { WriteBack } from "./write-back.ts";

/** Gauges and sums of an open log. */
export interface WriteLogStats {
  readonly counters: Readonly<WriteLogCounters>;
  /** Entries that the log holds, and those that the image does not have for sure. */
  readonly entries: number;
  readonly dirtyEntries: number;
  /** Share of the log in use, 0 to 1. */
  readonly fill: number;
  readonly generation: number;
  readonly flushedGeneration: number;
  readonly persistsOnFlush: boolean;
  /** Why the log has stopped; `null`: it works. */
  readonly stopped: string | null;
}

/** The devices below an open log. */
export interface WriteLogDevices {
  readonly image: DeviceMux;
  readonly log: DeviceMux;
  /** What clients' reads and long trims go through. */
  readonly clients: DeviceLane;
}

/** Trims and zeroes longer than this do not go through the log. */
const longestClearBytes = 16 << 20;

/**
 * A log on a device of its own in front of an image: writes are acknowledged when the log has them, and
 * reach the image in the background, in order. See FORMAT.md for what survives what.
 *
 * When the log device fails, or the image does for good, the log stops: every further write and flush
 * fails with EIO, reads go on, and what was acknowledged stays in the log for the next opening.
 */
export class WriteLog implements BlockDevice {
  readonly facts: DeviceFacts;
  readonly supports: DeviceSupports;
  readonly arena: Arena;
  readonly completions: Completions;
  readonly #state: LogState;
  readonly #devices: WriteLogDevices;
  readonly #table: OpTable;
  readonly #ready: ReadyQueue;
  readonly #appender: Appender;
  readonly #writeBack: WriteBack;
  readonly #retirement: Retirement;
  readonly #reader: Reader;
  readonly #queued: number[] = [];
  readonly #op: BlockOp = blankOp();
  /** Long trims and zeroes, each after everything that came before it, and writes behind the first. */
  readonly #detour: number[] = [];
  #detourBusy = false;
  /** Somebody waits to be told by `onReady`. */
  #awaited = false;
  /** The last root is on its way. */
  #finishing = false;
  readonly #drained: ((errno: number) => void)[] = [];
  #closed = false;

  /** For `openWriteLog`. `flushed`: the first entry that the image may lack. */
  constructor(state: LogState, devices: WriteLogDevices, root: Root, flushed: number) {
    const { image } = state;
    const { clients } = devices;
    this.#state = state;
    this.#devices = devices;
    this.facts = { ...image.facts, queueDepth: clients.depth };
    this.supports = { ...image.supports, fua: true };
    const { bytes, slotBytes } = image.arena;
    this.arena = { bytes, slotBytes, slotCount: clients.depth };
    this.#table = new OpTable(clients.depth);
    this.#ready = new ReadyQueue(state.clock, clients.depth);
    this.completions = completionArrays(clients.depth);
    const finish = (index: number, result: number) => this.#finish(index, result);
    this.#appender = new Appender(state, this.#table, {
      finish,
      advanced: () => this.#writeBack.pump(),
      full: () => this.#retirement.pump(),
    });
    this.#writeBack = new WriteBack(state, this.#appender, flushed, () => this.#retirement.pump());
    this.#retirement = new Retirement(state, this.#appender, this.#writeBack, root, () =>
      this.#appender.pump(),
    );
    this.#reader = new Reader(state, this.#appender, this.#table, clients, finish);
    clients.onCompletion((tag, result) => this.#lowerDone(tag, result));
  }

  get stats(): WriteLogStats {
    const { entries, counters, generation, stopped } = this.#state;
    return {
      counters,
      entries: entries.size,
      dirtyEntries: this.#writeBack.dirty,
      fill: this.#retirement.fill,
      generation,
      flushedGeneration: this.#writeBack.flushedGeneration,
      persistsOnFlush: this.#appender.persistsOnFlush,
      stopped,
    };
  }

  submit(op: BlockOp): boolean {
    const index = this.#closed ? -1 : this.#table.put(op);
    if (index < 0) {
      return false;
    }
    this.#queued.push(index);
    return true;
  }

  commit(): number {
    const count = this.#queued.length;
    const nowNs = this.#state.clock.nowNs();
    for (const index of this.#queued) {
      this.#table.submittedNs[index] = nowNs;
      this.#start(index);
    }
    this.#queued.length = 0;
    this.#pump();
    this.#devices.clients.commit();
    return count;
  }

  poll(max: number): number {
    if (this.#closed) {
      return 0;
    }
    this.#devices.log.poll();
    this.#devices.image.poll();
    this.#pump();
    const limit = Math.min(max, this.completions.tag.length);
    const nowNs = this.#state.clock.nowNs();
    const { tag, result, submittedNs, completedNs } = this.completions;
    let count = 0;
    for (; count < limit; count += 1) {
      const index = this.#ready.take(nowNs);
      if (index < 0) {
        break;
      }
      tag[count] = this.#table.tag[index] as number;
      result[count] = this.#table.result[index] as number;
      submittedNs[count] = this.#table.submittedNs[index] as number;
      completedNs[count] = this.#ready.timeOf(index);
      this.#table.release(index);
    }
    return count;
  }

  onReady(callback: () => void): void {
    if (!this.#closed) {
      this.#awaited = true;
      this.#ready.onReady(() => {
        this.#awaited = false;
        callback();
      });
      this.#arm();
    }
  }

  /** Writes everything back and empties the log, which works on. Throws `io` when it has stopped. */
  async drain(): Promise<void> {
    const errno = await new Promise<number>((resolve) => {
      if (this.#state.stopped !== null) {
        resolve(errnos.EIO);
        return;
      }
      this.#drained.push(resolve);
      this.#retirement.everything((result) => this.#tellDrained(result));
      this.#pump();
      this.#arm();
    });
    if (errno !== 0) {
      throw stoppedError(this.#state);
    }
  }

  /** `drain`, then a root that says so, then `close`. Throws `io` when the log has stopped; it is closed then too. */
  async shutDown(): Promise<void> {
    try {
      await this.drain();
      this.#finishing = true;
      const errno = await new Promise<number>((resolve) => {
        this.#retirement.writeRoot(true, resolve);
        this.#arm();
      });
      if (errno !== 0) {
        this.#state.stop(`writing the root of the log failed with errno ${errno}`);
        throw stoppedError(this.#state);
      }
    } finally {
      this.close();
    }
  }

  /** Leaves everything as it is: the log has what the image lacks, for the next opening. */
  close(): void {
    if (!this.#closed) {
      this.#closed = true;
      this.#ready.clear();
      this.#state.arenaSums.close();
      this.#devices.image.close();
      this.#devices.log.close();
      this.#devices.image.device.close();
      this.#devices.log.device.close();
    }
  }

  /** For the state: something is under way below that nobody has asked to be told of. */
  wake(): void {
    if (this.#isAwaited) {
      this.#arm();
    }
  }

  /** For the state: tells everybody who waits. */
  stopped(): void {
    this.#appender.fail(errnos.EIO);
    for (const index of this.#detour.splice(0)) {
      this.#finish(index, -errnos.EIO);
    }
    this.#tellDrained(errnos.EIO);
  }

  #tellDrained(errno: number): void {
    for (const resolve of this.#drained.splice(0)) {
      resolve(errno);
    }
  }

  /** Asks both devices below to be told when they have something. */
  #arm(): void {
    // Each time anew: a device whose completions were polled since does not call back for them.
    for (const mux of [this.#devices.log, this.#devices.image]) {
      if (mux.pending > 0 && !this.#closed) {
        mux.device.onReady(this.#below);
      }
    }
  }

  /** What completes below may be of no client: whoever waits goes on waiting. */
  readonly #below = (): void => {
    if (this.#closed) {
      return;
    }
    this.#devices.log.poll();
    this.#devices.image.poll();
    this.#pump();
    this.wake();
  };

  get #isAwaited(): boolean {
    return this.#awaited || this.#drained.length > 0 || this.#finishing;
  }

  #start(index: number): void {
    const op = this.#op;
    this.#table.load(index, op);
    const refused = checkOp(op, this.facts, this.supports, this.arena);
    if (refused !== 0) {
      this.#finish(index, refused);
      return;
    }
    if (op.kind === opKinds.read) {
      this.#reader.start(index);
    } else if (this.#state.stopped !== null) {
      this.#finish(index, -errnos.EIO);
    } else if (op.kind === opKinds.flush || op.kind === opKinds.dataFlush) {
      this.#appender.flush(index);
    } else if (
      this.#detour.length > 0 ||
      (op.kind !== opKinds.write && op.lengthBytes > longestClearBytes)
    ) {
      this.#detour.push(index);
    } else {
      this.#appender.add(index);
    }
  }

  #pump(): void {
    this.#appender.pump();
    this.#writeBack.pump();
    this.#retirement.pump();
    if (this.#detour.length > 0 && !this.#detourBusy) {
      this.#nextDetour();
    }
  }

  /** A long trim or zeroes: the log is emptied, then the image does it. */
  #nextDetour(): void {
    const index = this.#detour[0] as number;
    const long =
      this.#table.kind[index] !== opKinds.write &&
      (this.#table.lengthBytes[index] as number) > longestClearBytes;
    if (!long) {
      this.#detour.shift();
      this.#appender.add(index);
      this.#pump();
      return;
    }
    this.#detourBusy = true;
    this.#retirement.everything((errno) => {
      if (errno !== 0) {
        return;
      }
      this.#table.load(index, this.#op);
      this.#devices.clients.submit(this.#op);
      this.#devices.clients.commit();
    });
  }

  /** The image has done what a client asked of it directly. */
  #lowerDone(index: number, result: number): void {
    if (this.#table.kind[index] === opKinds.read) {
      this.#reader.completed(index, result);
      return;
    }
    this.#detourBusy = false;
    this.#detour.shift();
    this.#finish(index, result);
    this.#pump();
  }

  #finish(index: number, result: number): void {
    this.#table.result[index] = result;
    if (!this.#closed) {
      this.#ready.add(index, this.#state.clock.nowNs());
    }
  }
}

function stoppedError(state: LogState): OsdynoError {
  return new OsdynoError(
    "io",
    `the write log on ${state.logIo.lane.facts.name} has stopped: ${state.stopped ?? "unknown"}; what it acknowledged is kept in it`,
  );
}
