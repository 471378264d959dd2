/** One life of a BlueStore on simulated disks, from mounting to the crash: what scenarios are made of. */
import { assert } from "../base/assert.ts";
import { OsdynoError } from "../base/error.ts";
import type { Fault } from "../device/fault.ts";
import { DeviceMux } from "../device/mux.ts";
import { createAllocator } from "../hot/allocator/registry.ts";
import { openCache } from "../hot/cache/registry.ts";
import { openChecksum } from "../hot/checksum/registry.ts";
import { openCompressor } from "../hot/compressor/registry.ts";
import type { KvDevice } from "../hot/kv/kv.ts";
import { openKeyValueStore } from "../hot/kv/registry.ts";
import type { DeviceLane } from "../port/device-lane.ts";
import type { World } from "../sim/world.ts";
import { makeStore } from "./bluestore/make.ts";
import { type BlueStoreOptions, ssdDefaults } from "./bluestore/options.ts";
import type { BlueStoreParts } from "./bluestore/parts.ts";
import { BlueStore } from "./bluestore/store.ts";
import type { RandomStoreRun } from "./conformance-random.ts";
import { type StoreHarness, StoreSession } from "./conformance-session.ts";
import { objectName } from "./object-name.ts";
import { storeErrnos } from "./object-store.ts";
import { type PlantedBug, plant } from "./planted-bugs.ts";
import { opCodes, Transaction } from "./transaction.ts";

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
  readonly allocator: string;
  readonly objects: number;
  /** Space that is taken from the beginning. */
  readonly filledBytes: number;
  readonly logBytes: number;
  readonly options: Partial<BlueStoreOptions>;
}

export const phases = ["making", "mounting", "running", "unmounting", "unmounted"] as const;
export type Phase = (typeof phases)[number];

/** What a scenario marks. A transaction leaves its number behind, as an attribute of one object. */
export type Mark =
  | { readonly kind: "phase"; readonly phase: Phase }
  | { readonly kind: "made" }
  | { readonly kind: "asked"; readonly id: number; readonly transaction: Transaction }
  | { readonly kind: "acked"; readonly id: number; readonly result: number }
  | { readonly kind: "did"; readonly what: string };

/** Transactions under way at once are fewer. */
const remembered = 64;
export const meta = "meta";
export const counterObject = objectName({ pool: -1, name: "counter" });
/** Of so many transactions one splits or merges collections. */
const divisionEvery = 9;
/** What a disk that is nearly full has left. */
const scarceBytes = 2500 << 10;

/** Counters of the store whose growth is worth telling in the coverage. */
const told: Readonly<Record<string, string>> = {
  write_small_deferred: "a deferred small write",
  write_big_deferred: "a deferred big write",
  write_small_unused: "a write to unused space",
  compress_success_count: "a compressed blob",
  gc_merged: "garbage collected",
};

/** Operations worth telling. */
export const toldOps: Readonly<Partial<Record<number, string>>> = {
  [opCodes.write]: "a write",
  [opCodes.clone]: "a clone",
  [opCodes.cloneRange]: "a clone of a range",
  [opCodes.rename]: "a rename",
  [opCodes.omapSet]: "omap",
  [opCodes.omapRemoveRange]: "a range removed from an omap",
  [opCodes.splitCollection]: "a split",
  [opCodes.mergeCollection]: "a merge",
  [opCodes.remove]: "a removal",
};

export class Life {
  readonly #world: World;
  readonly #options: BlueStoreScenarioOptions;
  readonly #parts: BlueStoreParts;
  #store: BlueStore | null = null;
  readonly #seen = new Set<string>();

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
      allocator: (how) => createAllocator(options.allocator, how),
      checksum: openChecksum,
      compressor: openCompressor,
      cache: openCache,
      options: { ...ssdDefaults, ...options.options },
    };
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

  /** What the checks of conformance work with; time passes by itself here. */
  session(seed: number): StoreSession {
    const life = this;
    const harness: StoreHarness = {
      get store() {
        return life.store;
      },
      remount: async () => false,
      turn: () =>
        new Promise((resolve) => {
          this.#world.clock.at(this.#world.clock.nowNs() + 10_000, resolve);
        }),
      check: async () => this.checkStructure(),
      close: async () => {},
    };
    const subject = { name: this.#options.name, sizeBytes: this.#options.sizeBytes };
    return new StoreSession({ ...subject, create: async () => harness }, harness, seed);
  }

  checkStructure(): void {
    const [problem] = this.store.checkStructure();
    if (problem !== undefined) {
      throw new Error(`${problem.kind}: ${problem.message}`);
    }
  }

  /** Submits random transactions with pauses, several at once; marks them. */
  async drive(run: RandomStoreRun, firstId: number, count: number, seed: string): Promise<void> {
    const world = this.#world;
    const random = world.random.fork(seed);
    let ended = 0;
    await new Promise<void>((resolve, reject) => {
      const ask = (id: number) => {
        const transaction = this.#transaction(run, id);
        world.mark({ kind: "asked", id, transaction } satisfies Mark);
        this.store.submit(transaction, (result) => {
          try {
            this.#answered(run, id, transaction, result);
          } catch (error) {
            reject(error);
          }
          ended += 1;
          if (ended === count) {
            resolve();
          }
        });
        if (id + 1 < firstId + count) {
          const pauseNs = random.below(2) === 0 ? random.below(600_000) : 0;
          world.clock.at(world.clock.nowNs() + pauseNs, () => ask(id + 1));
        }
      };
      ask(firstId);
    });
  }

  #transaction(run: RandomStoreRun, id: number): Transaction {
    const divides = id % divisionEvery === 0;
    const drawn = divides ? run.drawDivision() : run.draw();
    const transaction = id === 1 ? first(this.#filledBytes) : drawn;
    const left = [
      ["id", encodeId(id)],
      [`t${id % remembered}`, encodeId(id)],
    ] as const;
    return transaction.setAttrs(meta, counterObject, new Map(left));
  }

  get #filledBytes(): number {
    const { filledBytes, sizeBytes } = this.#options;
    const scarce = this.#world.profile?.scarce === true;
    return scarce ? Math.max(filledBytes, sizeBytes - scarceBytes) : filledBytes;
  }

  #answered(run: RandomStoreRun, id: number, transaction: Transaction, result: number): void {
    // A full device refuses what the model would do, and so does one that fails; on everything else
    // they agree.
    const failed = result === -storeErrnos.EIO && this.#world.profile !== null;
    if (result !== -storeErrnos.ENOSPC && !failed) {
      assert(run.model(transaction) === result, `transaction ${id} gave ${result}`);
    }
    this.#tell(transaction, result);
    this.mark({ kind: "acked", id, result });
  }

  #tell(transaction: Transaction, result: number): void {
    const { counters } = this.store.state;
    for (const [name, what] of Object.entries(told)) {
      if ((counters[name] ?? 0) > 0) {
        this.#did(what);
      }
    }
    for (let at = 0; result === 0 && at < transaction.count; at += 1) {
      const what = toldOps[transaction.op(at).code];
      if (what !== undefined) {
        this.#did(what);
      }
    }
  }

  #did(what: string): void {
    if (!this.#seen.has(what)) {
      this.#seen.add(what);
      this.mark({ kind: "did", what });
    }
  }

  mark(mark: Mark): void {
    this.#world.mark(mark);
  }

  #phase(phase: Phase): void {
    this.mark({ kind: "phase", phase });
  }
}

function first(filledBytes: number): Transaction {
  return new Transaction()
    .createCollection(meta, 0)
    .createCollection("1.0", 0)
    .touch(meta, counterObject)
    .write(meta, objectName({ pool: -1, name: "filler" }), 0, new Uint8Array(filledBytes).fill(7));
}

function encodeId(id: number): Uint8Array {
  return Uint8Array.of(id & 255, id >> 8);
}

/** The numbers of the last transactions that took effect, the newest as well. */
export async function idsIn(session: StoreSession): Promise<{ newest: number; ids: Set<number> }> {
  const ids = new Set<number>([0]);
  const found = await session.statErrno(meta, counterObject);
  if (found === 0) {
    for (const value of (await session.attrs(meta, counterObject)).values()) {
      ids.add((value[0] as number) + ((value[1] as number) << 8));
    }
  }
  return { newest: Math.max(...ids), ids };
}

/** Whether a store tells of damage as it is meant to: in one line. */
export function isReported(error: unknown): error is OsdynoError {
  return error instanceof OsdynoError && !error.message.includes("\n");
}
