/** One life of a BlueStore on simulated disks, from mounting to the crash: what scenarios are made of. */
import { assert } from "../base/assert.ts";
import type { Fault } from "../device/fault.ts";
import { DeviceMux } from "../device/mux.ts";
import { FirstFitAllocator } from "../hot/allocator/first-fit.ts";
import { createAllocator } from "../hot/allocator/registry.ts";
import { openCache } from "../hot/cache/registry.ts";
import { openChecksum } from "../hot/checksum/registry.ts";
import { openCompressor } from "../hot/compressor/registry.ts";
import type { KvDevice } from "../hot/kv/kv.ts";
import { openKeyValueStore } from "../hot/kv/registry.ts";
import type { DeviceLane } from "../port/device-lane.ts";
import type { World } from "../sim/world.ts";
import { type FsckReport, fsckStore } from "./bluestore/fsck/fsck.ts";
import { makeStore } from "./bluestore/make.ts";
import { type BlueStoreOptions, ssdDefaults } from "./bluestore/options.ts";
import type { BlueStoreParts } from "./bluestore/parts.ts";
import { BlueStore } from "./bluestore/store.ts";
import type { RandomStoreRun } from "./conformance-random.ts";
import { type PlantedBug, plant } from "./planted-bugs.ts";
import { Driver } from "./scenario-driver.ts";
import type { Mark, Phase } from "./scenario-marks.ts";
import type { StoreLife } from "./scenario-recovery.ts";

export interface BlueStoreScenarioOptions {
  readonly name: string;
  readonly describe: string;
  readonly canary: boolean;
  readonly bug: PlantedBug | null;
  readonly transactions: number;
  readonly sizeBytes: number;
  /** The key-value store's log, and the rest of it, on disks of their own. */
  readonly separate: boolean;
  readonly fua: boolean;
  readonly faults: readonly Fault[];
  /** `first-fit`: space is used again as soon as it is free. */
  readonly allocator: string;
  readonly objects: number;
  /** Space that is taken from the beginning. */
  readonly filledBytes: number;
  readonly logBytes: number;
  readonly options: Partial<BlueStoreOptions>;
}

/** What a disk that is nearly full has left. */
const scarceBytes = 2500 << 10;

export class Life implements StoreLife {
  readonly #world: World;
  readonly #options: BlueStoreScenarioOptions;
  readonly #parts: BlueStoreParts;
  #store: BlueStore | null = null;
  readonly #driver: Driver;

  /** `first`: the one whose crashes are played, with planted faults and bugs. */
  constructor(world: World, options: BlueStoreScenarioOptions, first: boolean) {
    this.#world = world;
    this.#options = options;
    const main = this.#lanes("main", first);
    const db = options.separate ? this.#lanes("db", first) : null;
    const wal = options.separate ? this.#lanes("wal", first) : null;
    const parts: BlueStoreParts = {
      clock: world.clock,
      random: world.random.fork("store"),
      lane: main.own,
      labelLanes: { db: db?.own ?? null, wal: wal?.own ?? null },
      kvName: "waltree",
      kvDevices: { main: main.kv, db: db?.kv ?? null, wal: wal?.kv ?? null },
      kvOptions: { waltree_log_bytes: options.logBytes, waltree_grow_bytes: 128 << 10 },
      openKv: (context) => openKeyValueStore("waltree", context),
      allocator: (how) =>
        options.allocator === "first-fit"
          ? new FirstFitAllocator(how)
          : createAllocator(options.allocator, how),
      checksum: openChecksum,
      compressor: openCompressor,
      cache: openCache,
      options: { ...ssdDefaults, ...options.options },
    };
    this.#driver = new Driver({
      clock: world.clock,
      random: world.random,
      mark: (mark) => world.mark(mark),
      failing: world.profile !== null,
      filledBytes: this.#filledBytes,
    });
    const planted = first || options.bug === "blind-checksum" ? options.bug : null;
    this.#parts = planted === null ? parts : plant(planted, parts);
  }

  #lanes(name: string, first: boolean): { readonly own: DeviceLane; readonly kv: KvDevice } {
    const { sizeBytes, fua, faults } = this.#options;
    const { device } = this.#world.disk({
      name,
      sizeBytes,
      fua,
      slotBytes: 16_384,
      depth: 32,
      faults: first ? faults : [],
    });
    const mux = new DeviceMux(device, { capacity: 32, selfDriven: true });
    const own = mux.lane({ depth: 16, slots: 16 });
    const lane = mux.lane({ depth: 12, slots: 12 });
    return { own, kv: { path: null, lane, sizeBytes, blockBytes: 4096 } };
  }

  readonly looks = 1;

  get name(): string {
    return this.#options.name;
  }

  get objects(): number {
    return this.#options.objects;
  }

  get options(): BlueStoreOptions {
    return this.#parts.options;
  }

  get store(): BlueStore {
    assert(this.#store !== null, "a scenario uses a store that is not mounted");
    return this.#store;
  }

  async make(): Promise<void> {
    this.#phase("making");
    await makeStore(this.#parts);
    this.mark({ kind: "made" });
  }

  async mount(): Promise<void> {
    this.#phase("mounting");
    this.#store = await BlueStore.mount(this.#parts);
    this.#phase("running");
  }

  /** A clean end; `false`: the disk had failed before. */
  async unmount(): Promise<boolean> {
    this.#phase("unmounting");
    const result = await new Promise<number>((resolve) => this.store.unmount(resolve));
    assert(result === 0 || this.#world.profile !== null, `a store ends with ${result}`);
    this.#store = null;
    if (result === 0) {
      this.#phase("unmounted");
    }
    return result === 0;
  }

  async fsck(): Promise<FsckReport> {
    return await fsckStore(this.#parts, { deep: true, repair: false });
  }

  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#world.clock.at(this.#world.clock.nowNs() + 10_000, resolve);
    });
  }

  async drive(run: RandomStoreRun, firstId: number, count: number, seed: string): Promise<void> {
    await this.#driver.drive(this.store, run, { firstId, count, seed });
  }

  get #filledBytes(): number {
    const { filledBytes, sizeBytes } = this.#options;
    const scarce = this.#world.profile?.scarce === true;
    return scarce ? Math.max(filledBytes, sizeBytes - scarceBytes) : filledBytes;
  }

  mark(mark: Mark): void {
    this.#world.mark(mark);
  }

  #phase(phase: Phase): void {
    this.mark({ kind: "phase", phase });
  }
}
