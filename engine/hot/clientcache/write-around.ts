import { OsdynoError } from "../../base/error.ts";
import { LayerDevice } from "../../device/layer.ts";
import { flagFua, opKinds } from "../../port/block-device.ts";
import type { DeviceLane } from "../../port/device-lane.ts";
import type { LaneIo } from "../kv/lane-io.ts";
import type { CacheParts } from "./buffer-cache.ts";
import { BusyRanges } from "./busy-ranges.ts";
import {
  type ClientCacheStats,
  type ClientCacheTuning,
  countersOf,
  zeroCounters,
} from "./tuning.ts";

interface Waiting {
  readonly index: number;
  /** Writes begun until then are to be with the image first. */
  readonly begun: number;
}

/**
 * Writes around: a write is copied and acknowledged at once, and goes to the image at once; nothing is kept
 * for reading. Overlapping operations follow each other, a flush waits for the writes before it and is what
 * makes them durable. A write that the image refused after it was acknowledged fails the next flush.
 */
export class WriteAround extends LayerDevice {
  readonly #tuning: ClientCacheTuning;
  readonly #clients: DeviceLane;
  readonly #io: LaneIo;
  readonly #busy = new BusyRanges();
  /** Busy ranges of clients' own operations. */
  readonly #direct = new Map<number, number>();
  readonly #parked: number[] = [];
  readonly #flushes: Waiting[] = [];
  readonly #counters = zeroCounters();
  /** Numbers of writes under way that were acknowledged, oldest first. */
  readonly #early = new Set<number>();
  #begun = 0;
  #dirtyBytes = 0;
  #flushSeen = false;
  #refused = 0;
  #throttling = false;
  #draining: ((errno: number) => void) | null = null;

  constructor(parts: CacheParts, tuning: ClientCacheTuning) {
    const { image, clients, io, clock, imageBytes } = parts;
    const { facts, supports, arena } = image.device;
    const { bytes, slotBytes } = arena;
    super({
      facts: { ...facts, sizeBytes: imageBytes, queueDepth: clients.depth },
      supports: { ...supports, fua: true },
      arena: { bytes, slotBytes, slotCount: clients.depth },
      clock,
      muxes: [image],
    });
    this.#tuning = tuning;
    this.#clients = clients;
    this.#io = io;
    clients.onCompletion((index, result, _submittedNs, completedNs) => {
      this.worksNow(index, completedNs);
      this.#lowerDone(index, result);
    });
  }

  get stats(): ClientCacheStats {
    return {
      counters: this.#counters,
      heldBytes: this.#dirtyBytes,
      dirtyBytes: this.#dirtyBytes,
      flushSeen: this.#flushSeen,
    };
  }

  /** Waits for every write and flushes the image. Throws `io` when the image has refused one. */
  async drain(): Promise<void> {
    const errno = await this.until((done) => {
      this.#draining = done;
    });
    this.#draining = null;
    if (errno !== 0) {
      throw new OsdynoError(
        "io",
        `${this.facts.name} has refused a write that was acknowledged: errno ${errno}`,
      );
    }
  }

  override async settle(): Promise<void> {
    await this.drain();
  }

  override counters(): Readonly<Record<string, number>> {
    return countersOf(this.stats);
  }

  protected override start(index: number): void {
    const { kind, lengthBytes } = this.op;
    if (kind === opKinds.flush || kind === opKinds.dataFlush) {
      this.#flushSeen = true;
      this.#flushes.push({ index, begun: this.#begun + this.#parked.length });
      return;
    }
    this.#counters.reads += kind === opKinds.read ? 1 : 0;
    this.#counters.readMissBytes += kind === opKinds.read ? lengthBytes : 0;
    this.#counters.writes += kind === opKinds.write ? 1 : 0;
    this.#counters.writeBytes += kind === opKinds.write ? lengthBytes : 0;
    this.#parked.push(index);
  }

  protected override pump(): void {
    // In order: an operation behind one that waits may overlap it.
    while (this.#parked.length > 0) {
      const index = this.#parked[0] as number;
      this.worksNow(index);
      if (!this.#begin(index)) {
        this.waitsNow(index);
        break;
      }
      this.#parked.shift();
    }
    this.#answerFlushes();
    this.#io.commit();
    this.#clients.commit();
  }

  #begin(index: number): boolean {
    const from = this.table.offsetBytes[index] as number;
    const to = from + (this.table.lengthBytes[index] as number);
    if (this.#busy.overlaps(from, to)) {
      return false;
    }
    const fua = ((this.table.flags[index] as number) & flagFua) !== 0;
    const early =
      this.table.kind[index] === opKinds.write &&
      !fua &&
      this.#tuning.maxDirtyBytes > 0 &&
      (this.#flushSeen || !this.#tuning.writethroughUntilFlush) &&
      to - from <= this.#io.slotBytes;
    if (early) {
      return this.#writeEarly(index, from, to);
    }
    this.#begun += 1;
    this.#counters.imageReads += this.table.kind[index] === opKinds.read ? 1 : 0;
    if (this.table.kind[index] === opKinds.write) {
      this.#counters.imageWrites += 1;
      this.#counters.imageWriteBytes += to - from;
    }
    this.#direct.set(index, this.#busy.add(from, to));
    this.table.load(index, this.op);
    if (!this.#clients.supports.fua) {
      this.op.flags = 0;
    }
    this.#clients.submit(this.op);
    return true;
  }

  #writeEarly(index: number, from: number, to: number): boolean {
    const { lane } = this.#io;
    const over =
      this.#dirtyBytes > 0 && this.#dirtyBytes + (to - from) > this.#tuning.maxDirtyBytes;
    // One place is left for a flush.
    const slot = over || lane.pending >= lane.depth - 1 ? -1 : lane.takeSlot();
    if (slot < 0) {
      this.#counters.throttled += this.#throttling ? 0 : 1;
      this.#throttling = true;
      return false;
    }
    this.#throttling = false;
    this.#begun += 1;
    const number = this.#begun;
    const at = (this.table.slot[index] as number) * this.arena.slotBytes;
    this.#io.bytesOf(slot).set(this.arena.bytes.subarray(at, at + to - from));
    this.#early.add(number);
    this.#dirtyBytes += to - from;
    const busy = this.#busy.add(from, to);
    this.#counters.imageWrites += 1;
    this.#counters.imageWriteBytes += to - from;
    this.#io.write(slot, from, to - from, false, (errno) => {
      this.#io.release(slot);
      this.#busy.remove(busy);
      this.#early.delete(number);
      this.#dirtyBytes -= to - from;
      this.#refused = this.#refused === 0 ? errno : this.#refused;
    });
    this.finish(index, to - from);
    return true;
  }

  /** Each flush by itself: it goes to the image when the writes before it are there. */
  #answerFlushes(): void {
    const [oldest = Number.POSITIVE_INFINITY] = this.#early;
    while (this.#flushes.length > 0) {
      const [{ index, begun }] = this.#flushes as [Waiting];
      if (oldest <= begun || this.#begun < begun || this.#io.lane.pending >= this.#io.lane.depth) {
        break;
      }
      this.#flushes.shift();
      this.#flushImage((errno) => this.finish(index, -errno));
    }
    const done = this.#draining;
    if (
      done !== null &&
      this.#early.size === 0 &&
      this.#parked.length === 0 &&
      this.#flushes.length === 0 &&
      this.#io.lane.pending === 0
    ) {
      this.#flushImage(done);
    }
  }

  #flushImage(done: (errno: number) => void): void {
    const refused = this.#refused;
    this.#refused = 0;
    this.#counters.imageFlushes += 1;
    this.#io.flush((errno) => done(refused === 0 ? errno : refused));
  }

  #lowerDone(index: number, result: number): void {
    const busy = this.#direct.get(index) as number;
    this.#busy.remove(busy);
    this.#direct.delete(index);
    const fua = ((this.table.flags[index] as number) & flagFua) !== 0;
    if (result < 0 || !fua || this.#clients.supports.fua) {
      this.finish(index, result);
      return;
    }
    this.#io.flush((errno) => this.finish(index, errno === 0 ? result : -errno));
  }
}
