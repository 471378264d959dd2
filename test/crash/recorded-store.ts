/**
 * BlueStore on files, every write and flush of every device recorded in order, those of RocksDB's own
 * threads too; and stores made anew of what a crash at some place of the recording would leave.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { assert } from "../../engine/base/assert.ts";
import { native } from "../../engine/base/native.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import { DeviceWrapper } from "../../engine/device/wrapper.ts";
import { type BlockDevice, type BlockOp, opKinds } from "../../engine/port/block-device.ts";
import type { Clock } from "../../engine/port/clock.ts";
import { DiskRecorder } from "../../engine/sim/history.ts";
import { DiskImage } from "../../engine/sim/image.ts";
import { type FsckReport, fsckStore } from "../../engine/store/bluestore/fsck/fsck.ts";
import type { BlueStoreOptions } from "../../engine/store/bluestore/options.ts";
import { ssdDefaults } from "../../engine/store/bluestore/options.ts";
import type { BlueStore } from "../../engine/store/bluestore/store.ts";
import { RandomStoreRun } from "../../engine/store/conformance-random.ts";
import { Driver } from "../../engine/store/scenario-driver.ts";
import type { Mark } from "../../engine/store/scenario-marks.ts";
import { type MarkedLife, overwriteUnits } from "../../engine/store/scenario-overwrite.ts";
import { sessionOf } from "../../engine/store/scenario-recovery.ts";
import { type NativeStorePlace, type Role, sizes } from "../conformance/native-store.ts";

interface DeviceSteps {
  readonly kinds: Uint8Array;
  readonly devices: Uint8Array;
  readonly ids: Float64Array;
  readonly offsets: Float64Array;
  readonly lengths: Float64Array;
  readonly data: Uint8Array;
}

/** The class of the addon. */
interface NativeTrace {
  write(device: number, offset: number, data: Uint8Array): number;
  written(device: number, id: number, failed: boolean): void;
  flush(device: number): number;
  flushed(device: number, id: number, failed: boolean): void;
  mark(id: number): void;
  take(): DeviceSteps;
  close(): void;
}

const noSteps = { write: 0, written: 1, flush: 2, flushed: 3, failed: 4, mark: 5 };

/** Tells a trace of what TypeScript does to a device. */
class TracedDevice extends DeviceWrapper {
  readonly #trace: NativeTrace;
  readonly #index: number;
  readonly #ids: Float64Array;

  constructor(inner: BlockDevice, clock: Clock, trace: NativeTrace, index: number) {
    super(inner, clock);
    this.#trace = trace;
    this.#index = index;
    this.#ids = new Float64Array(inner.facts.queueDepth);
  }

  submit(op: BlockOp): boolean {
    const index = this.table.put(op);
    if (index < 0) {
      return false;
    }
    this.table.load(index, this.op);
    if (!this.inner.submit(this.op)) {
      this.table.release(index);
      return false;
    }
    // Before `commit` nothing is done yet.
    this.#ids[index] = this.#begin(op);
    return true;
  }

  #begin({ kind, flags, offsetBytes, lengthBytes, slot }: BlockOp): number {
    assert(flags === 0, "a store on RocksDB writes with flushes only");
    if (kind === opKinds.flush || kind === opKinds.dataFlush) {
      return this.#trace.flush(this.#index);
    }
    if (kind === opKinds.read) {
      return 0;
    }
    assert(kind === opKinds.write, "trims are not recorded");
    const at = slot * this.arena.slotBytes;
    const data = this.arena.bytes.subarray(at, at + lengthBytes);
    return this.#trace.write(this.#index, offsetBytes, data);
  }

  commit(): number {
    return this.inner.commit();
  }

  protected override resultOf(index: number, result: number): number {
    const id = this.#ids[index] as number;
    const kind = this.table.kind[index];
    if (kind === opKinds.flush || kind === opKinds.dataFlush) {
      this.#trace.flushed(this.#index, id, result < 0);
    } else if (kind === opKinds.write) {
      this.#trace.written(this.#index, id, result < 0);
    }
    return result;
  }
}

/** Notes all that is done at a place, and what was asked and answered meanwhile. */
export class Recording {
  readonly #trace: NativeTrace;
  readonly #roles: readonly Role[];
  readonly #marks: Mark[] = [];

  /** From now on, for devices that are opened there. */
  constructor(place: NativeStorePlace) {
    const Trace = native().NativeDeviceTrace as new (paths: readonly string[]) => NativeTrace;
    this.#roles = place.roles();
    const trace = new Trace(this.#roles.map((role) => place.path(role)));
    this.#trace = trace;
    place.wrap = (device, role, clock) =>
      new TracedDevice(device, clock, trace, this.#roles.indexOf(role));
  }

  readonly mark = (mark: Mark): void => {
    this.#trace.mark(this.#marks.length);
    this.#marks.push(mark);
  };

  /** Ends it: the history, on disks that held `bases`. */
  history(bases: ReadonlyMap<string, DiskImage> | null): DiskRecorder {
    this.#trace.close();
    const steps = this.#trace.take();
    const recorder = new DiskRecorder();
    for (const role of this.#roles) {
      recorder.bases.set(role, new DiskImage(bases?.get(role) ?? null));
    }
    let at = 0;
    for (const [index, kind] of steps.kinds.entries()) {
      const disk = this.#roles[steps.devices[index] as number] as Role;
      const id = steps.ids[index] as number;
      const lengthBytes = steps.lengths[index] as number;
      if (kind === noSteps.mark) {
        recorder.mark(this.#marks[id]);
      } else if (kind === noSteps.write) {
        const data = steps.data.subarray(at, at + lengthBytes);
        const offsetBytes = steps.offsets[index] as number;
        recorder.add({
          kind: "write",
          disk,
          write: { id, offsetBytes, lengthBytes, data, fua: false, leastBytes: 512 },
        });
        at += lengthBytes;
      } else if (kind === noSteps.written) {
        recorder.add({ kind: "written", disk, id });
      } else if (kind === noSteps.flush) {
        recorder.add({ kind: "flush", disk, id });
      } else if (kind === noSteps.flushed) {
        recorder.add({ kind: "flushed", disk, id });
      }
    }
    return recorder;
  }
}

export interface FileLifeOptions {
  readonly seed: number;
  readonly objects: number;
  /** Space that is taken from the beginning. */
  readonly filledBytes: number;
  readonly mark: (mark: Mark) => void;
}

/** A store on the files of a place. */
export class FileLife implements MarkedLife {
  readonly #place: NativeStorePlace;
  readonly #options: FileLifeOptions;
  #mounted: { readonly store: BlueStore; readonly close: () => void } | null = null;
  #turns = 0;

  constructor(place: NativeStorePlace, options: FileLifeOptions) {
    this.#place = place;
    this.#options = options;
  }

  readonly looks = 50;

  get name(): string {
    return this.#place.shape.name;
  }

  get objects(): number {
    return this.#options.objects;
  }

  get options(): BlueStoreOptions {
    return { ...ssdDefaults, ...this.#place.shape.options };
  }

  get store(): BlueStore {
    assert(this.#mounted !== null, "a store is used that is not mounted");
    return this.#mounted.store;
  }

  async make(): Promise<void> {
    await this.#place.make();
    this.#options.mark({ kind: "made" });
  }

  async mount(): Promise<void> {
    this.#mounted = await this.#place.mount();
    this.#options.mark({ kind: "phase", phase: "running" });
  }

  async unmount(): Promise<boolean> {
    const { store } = this;
    this.#options.mark({ kind: "phase", phase: "unmounting" });
    const result = await new Promise<number>((resolve) => store.unmount(resolve));
    this.#mounted?.close();
    this.#mounted = null;
    assert(result === 0, `a store ends with ${result}`);
    this.#options.mark({ kind: "phase", phase: "unmounted" });
    return true;
  }

  async fsck(): Promise<FsckReport> {
    const { parts, close } = this.#place.open();
    try {
      return await fsckStore(parts, { deep: true, repair: false });
    } finally {
      close();
    }
  }

  mark(mark: Mark): void {
    this.#options.mark(mark);
  }

  /** Lets go as a crash would. */
  abandon(): void {
    this.#mounted?.store.abandon();
    this.#mounted?.close();
    this.#mounted = null;
  }

  async turn(): Promise<void> {
    this.#turns += 1;
    await (this.#turns % 100 === 0 ? delay(1) : nextTurn());
  }

  async drive(run: RandomStoreRun, firstId: number, count: number, seed: string): Promise<void> {
    const driver = new Driver({
      clock: this.store.state.clock,
      random: new SeededRandom(this.#options.seed),
      mark: this.#options.mark,
      failing: false,
      filledBytes: this.#options.filledBytes,
    });
    await driver.drive(this.store, run, { firstId, count, seed });
  }
}

/** Makes a store, uses it in two lives, and ends it; the history. `overwrites`: units of objects only. */
export async function recordStore(
  place: NativeStorePlace,
  options: Omit<FileLifeOptions, "mark"> & {
    readonly transactions: number;
    readonly overwrites: boolean;
  },
): Promise<DiskRecorder> {
  const { seed, objects, transactions } = options;
  const recording = new Recording(place);
  const life = new FileLife(place, { ...options, mark: recording.mark });
  if (options.overwrites) {
    const random = new SeededRandom(seed).fork("overwrites");
    await overwriteUnits(life, { transactions, random, lies: false });
    return recording.history(null);
  }
  await life.make();
  await life.mount();
  const run = new RandomStoreRun(sessionOf(life, seed), { steps: 0, remountEvery: 0, objects });
  const half = Math.floor(transactions / 2);
  await life.drive(run, 1, half, "first");
  await life.unmount();
  await life.mount();
  await life.drive(run, half + 1, transactions - half, "second");
  await life.unmount();
  return recording.history(null);
}

/** Writes images to the files of a place. */
export function layOut(place: NativeStorePlace, images: ReadonlyMap<string, DiskImage>): void {
  const bytes = new Uint8Array(4096);
  for (const [role, image] of images) {
    assert(role in sizes, "an image of a device that a store does not have");
    const file = openSync(place.path(role as Role), "r+");
    for (const page of image.pages()) {
      image.read(page * bytes.length, bytes);
      writeSync(file, bytes, 0, bytes.length, page * bytes.length);
    }
    closeSync(file);
  }
}
