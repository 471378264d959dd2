import { OsdynoError } from "../../base/error.ts";
import { LayerDevice, snakeCase } from "../../device/layer.ts";
import type { DeviceMux } from "../../device/mux.ts";
import type { StageClock } from "../../device/stages.ts";
import { errnos, opKinds } from "../../port/block-device.ts";
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
export class WriteLog extends LayerDevice {
  readonly #state: LogState;
  readonly #clients: DeviceLane;
  readonly #appender: Appender;
  readonly #writeBack: WriteBack;
  readonly #retirement: Retirement;
  readonly #reader: Reader;
  /** Long trims and zeroes, each after everything that came before it, and writes behind the first. */
  readonly #detour: number[] = [];
  #detourBusy = false;
  /** The stage in which an operation is with the log's device. */
  #logStage = 0;
  readonly #drained: ((errno: number) => void)[] = [];

  /** For `openWriteLog`. `flushed`: the first entry that the image may lack. */
  constructor(state: LogState, devices: WriteLogDevices, root: Root, flushed: number) {
    const { image } = state;
    const { clients } = devices;
    const { bytes, slotBytes } = image.arena;
    super({
      facts: {
        ...image.facts,
        sizeBytes: root.imageBytes,
        blockBytes: state.unitBytes,
        queueDepth: clients.depth,
      },
      supports: { ...image.supports, fua: true },
      arena: { bytes, slotBytes, slotCount: clients.depth },
      clock: state.clock,
      muxes: [devices.log, devices.image],
    });
    this.#state = state;
    this.#clients = clients;
    const finish = (index: number, result: number) => this.finish(index, result);
    const sent = (index: number) => this.#withLog(index);
    this.#appender = new Appender(state, this.table, {
      finish,
      taken: (index) => this.worksNow(index),
      sent,
      advanced: () => this.#writeBack.pump(),
      full: () => this.#retirement.pump(),
    });
    this.#writeBack = new WriteBack(state, this.#appender, flushed, () => this.#retirement.pump());
    this.#retirement = new Retirement(state, this.#appender, this.#writeBack, root, () =>
      this.#appender.pump(),
    );
    this.#reader = new Reader(state, this.#appender, this.table, clients, finish, sent);
    clients.onCompletion((tag, result, _submittedNs, completedNs) => {
      this.worksNow(tag, completedNs);
      this.#lowerDone(tag, result);
    });
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

  override traceStages(clock: StageClock, layer: string): void {
    super.traceStages(clock, layer);
    this.#logStage = clock.stage(layer, "log device", "worked");
  }

  #withLog(index: number): void {
    const trace = this.table.trace[index] as number;
    if (trace !== 0) {
      this.stages.clock.enter(trace, this.#logStage, this.clock.nowNs());
    }
  }

  /** Writes everything back and empties the log, which works on. Throws `io` when it has stopped. */
  async drain(): Promise<void> {
    const errno = await this.until((done) => {
      if (this.#state.stopped !== null) {
        done(errnos.EIO);
        return;
      }
      this.#drained.push(done);
      this.#retirement.everything((result) => this.#tellDrained(result));
    });
    if (errno !== 0) {
      throw stoppedError(this.#state);
    }
  }

  /** `drain`, then a root that says so. Throws `io` when the log has stopped. */
  override async settle(): Promise<void> {
    await this.drain();
    const errno = await this.until((done) => this.#retirement.writeRoot(true, done));
    if (errno !== 0) {
      this.#state.stop(`writing the root of the log failed with errno ${errno}`);
      throw stoppedError(this.#state);
    }
  }

  override counters(): Readonly<Record<string, number>> {
    const { counters, fill, dirtyEntries } = this.stats;
    const own = { ...counters, dirtyEntries, fill };
    return Object.fromEntries(
      Object.entries(own).map(([name, value]) => [`writelog_${snakeCase(name)}`, value]),
    );
  }

  protected override release(): void {
    this.#state.arenaSums.close();
  }

  /** For the state. */
  override wake(): void {
    super.wake();
  }

  /** For the state: tells everybody who waits. */
  stopped(): void {
    this.#appender.fail(errnos.EIO);
    for (const index of this.#detour.splice(0)) {
      this.finish(index, -errnos.EIO);
    }
    this.#tellDrained(errnos.EIO);
  }

  #tellDrained(errno: number): void {
    for (const resolve of this.#drained.splice(0)) {
      resolve(errno);
    }
  }

  protected override start(index: number): void {
    const { kind, lengthBytes } = this.op;
    if (kind === opKinds.read) {
      this.worksNow(index);
      this.#reader.start(index);
    } else if (this.#state.stopped !== null) {
      this.finish(index, -errnos.EIO);
    } else if (kind === opKinds.flush || kind === opKinds.dataFlush) {
      this.#appender.flush(index);
    } else if (
      this.#detour.length > 0 ||
      (kind !== opKinds.write && lengthBytes > longestClearBytes)
    ) {
      this.#detour.push(index);
    } else {
      this.#appender.add(index);
    }
  }

  protected override pump(): void {
    this.#appender.pump();
    this.#writeBack.pump();
    this.#retirement.pump();
    if (this.#detour.length > 0 && !this.#detourBusy) {
      this.#nextDetour();
    }
    this.#clients.commit();
  }

  /** A long trim or zeroes: the log is emptied, then the image does it. */
  #nextDetour(): void {
    const index = this.#detour[0] as number;
    const long =
      this.table.kind[index] !== opKinds.write &&
      (this.table.lengthBytes[index] as number) > longestClearBytes;
    if (!long) {
      this.#detour.shift();
      this.#appender.add(index);
      this.pump();
      return;
    }
    this.#detourBusy = true;
    this.#retirement.everything((errno) => {
      if (errno === 0) {
        this.table.load(index, this.op);
        this.#clients.submit(this.op);
        this.#clients.commit();
      }
    });
  }

  /** The image has done what a client asked of it directly. */
  #lowerDone(index: number, result: number): void {
    if (this.table.kind[index] === opKinds.read) {
      this.#reader.completed(index, result);
      return;
    }
    this.#detourBusy = false;
    this.#detour.shift();
    this.finish(index, result);
    this.pump();
  }
}

function stoppedError(state: LogState): OsdynoError {
  return new OsdynoError(
    "io",
    `the write log on ${state.logIo.lane.facts.name} has stopped: ${state.stopped ?? "unknown"}; what it acknowledged is kept in it`,
  );
}
