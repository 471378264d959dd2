/** BlueStore over waltree under random transactions on a simulated disk: crashed at every write. */
import { assert } from "../base/assert.ts";
import type { Fault } from "../device/fault.ts";
import { DeviceMux } from "../device/mux.ts";
import { createAllocator } from "../hot/allocator/registry.ts";
import { openCache } from "../hot/cache/registry.ts";
import { openChecksum } from "../hot/checksum/registry.ts";
import { openCompressor } from "../hot/compressor/registry.ts";
import { openKeyValueStore } from "../hot/kv/registry.ts";
import type { CrashScenario } from "../sim/crashes.ts";
import type { VolatileWrite } from "../sim/volatile-writes.ts";
import type { World } from "../sim/world.ts";
import { labelBytes } from "./bluestore/label.ts";
import { type BlueStoreParts, makeStore } from "./bluestore/mount.ts";
import { type BlueStoreOptions, ssdDefaults } from "./bluestore/options.ts";
import { BlueStore } from "./bluestore/store.ts";
import { ModelMemo } from "./conformance-model.ts";
import { RandomStoreRun } from "./conformance-random.ts";
import { type StoreHarness, StoreSession } from "./conformance-session.ts";
import { objectName } from "./object-name.ts";
import { storeErrnos } from "./object-store.ts";
import { opCodes, Transaction } from "./transaction.ts";

export interface BlueStoreScenarioOptions {
  readonly name: string;
  readonly describe: string;
  readonly canary: boolean;
  readonly transactions: number;
  readonly sizeBytes: number;
  readonly fua: boolean;
  readonly faults: readonly Fault[];
  readonly allocator: string;
  readonly objects: number;
  /** Space that is taken from the beginning. */
  readonly filledBytes: number;
  readonly options: Partial<BlueStoreOptions>;
}

/** What a scenario marks. A transaction leaves its number behind, as an attribute of one object. */
type Mark =
  | { readonly kind: "made" }
  | { readonly kind: "asked"; readonly id: number; readonly transaction: Transaction }
  | { readonly kind: "acked"; readonly id: number; readonly result: number }
  | { readonly kind: "did"; readonly what: string };

/** Crashes of one history have its transactions in common. */
const memo = new ModelMemo();

/** Transactions under way at once are fewer. */
const remembered = 64;
const meta = "meta";
const counterObject = objectName({ pool: -1, name: "counter" });

/** Counters of the store whose growth is worth telling in the coverage. */
const told: Readonly<Record<string, string>> = {
  write_small_deferred: "a deferred small write",
  write_big_deferred: "a deferred big write",
  write_small_unused: "a write to unused space",
  compress_success_count: "a compressed blob",
  gc_merged: "garbage collected",
  deferred_replayed: "a replay of deferred writes",
};

/** Operations worth telling. */
const toldOps: Readonly<Partial<Record<number, string>>> = {
  [opCodes.clone]: "a clone",
  [opCodes.cloneRange]: "a clone of a range",
  [opCodes.rename]: "a rename",
  [opCodes.omapSet]: "omap",
  [opCodes.omapRemoveRange]: "a range removed from an omap",
  [opCodes.splitCollection]: "a split",
  [opCodes.mergeCollection]: "a merge",
  [opCodes.remove]: "a removal",
};

class Life {
  readonly #world: World;
  readonly #options: BlueStoreScenarioOptions;
  readonly #mux: DeviceMux;
  readonly #parts: BlueStoreParts;
  #store: BlueStore | null = null;
  readonly #seen = new Set<string>();

  constructor(world: World, options: BlueStoreScenarioOptions, faulty: boolean) {
    this.#world = world;
    this.#options = options;
    const { sizeBytes, fua } = options;
    const { device } = world.disk({
      name: "main",
      sizeBytes,
      fua,
      slotBytes: 16_384,
      depth: 32,
      faults: faulty ? options.faults : [],
    });
    this.#mux = new DeviceMux(device, { capacity: 32, selfDriven: true });
    const lane = this.#mux.lane({ depth: 16, slots: 16 });
    const kvLane = this.#mux.lane({ depth: 12, slots: 12 });
    this.#parts = {
      clock: world.clock,
      random: world.random.fork("store"),
      lane,
      kvName: "waltree",
      kvDevices: {
        main: { path: null, lane: kvLane, sizeBytes, blockBytes: 4096 },
        db: null,
        wal: null,
      },
      kvOptions: { waltree_log_bytes: 512 << 10, waltree_grow_bytes: 128 << 10 },
      openKv: (context) => openKeyValueStore("waltree", context),
      allocator: (how) => createAllocator(options.allocator, how),
      checksum: openChecksum,
      compressor: openCompressor,
      cache: openCache,
      options: { ...ssdDefaults, ...options.options },
    };
  }

  get objects(): number {
    return this.#options.objects;
  }

  get store(): BlueStore {
    assert(this.#store !== null, "a scenario uses a store that is not mounted");
    return this.#store;
  }

  async make(): Promise<void> {
    await makeStore(this.#parts);
  }

  async mount(): Promise<void> {
    this.#store = await BlueStore.mount(this.#parts);
  }

  /** Mounts again after a clean end. */
  async unmount(): Promise<void> {
    const result = await new Promise<number>((resolve) => this.store.unmount(resolve));
    assert(result === 0, "a store does not end cleanly");
    this.#store = null;
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
    await new Promise<void>((resolve) => {
      const ask = (id: number) => {
        const transaction = id === 1 ? first(this.#options.filledBytes) : run.draw();
        const left = [
          ["id", encodeId(id)],
          [`t${id % remembered}`, encodeId(id)],
        ] as const;
        transaction.setAttrs(meta, counterObject, new Map(left));
        world.mark({ kind: "asked", id, transaction } satisfies Mark);
        this.store.submit(transaction, (result) => {
          // A full device refuses what the model would do; everything else they agree on.
          if (result !== -storeErrnos.ENOSPC) {
            assert(run.model(transaction) === result, `a transaction gave ${result}`);
          }
          this.#tell(transaction, result);
          world.mark({ kind: "acked", id, result } satisfies Mark);
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
      this.#world.mark({ kind: "did", what } satisfies Mark);
    }
  }

  mark(mark: Mark): void {
    this.#world.mark(mark);
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
async function idsIn(session: StoreSession): Promise<{ newest: number; ids: Set<number> }> {
  const ids = new Set<number>([0]);
  const found = await session.statErrno(meta, counterObject);
  if (found === 0) {
    for (const value of (await session.attrs(meta, counterObject)).values()) {
      ids.add((value[0] as number) + ((value[1] as number) << 8));
    }
  }
  return { newest: Math.max(...ids), ids };
}

interface Expected {
  readonly asked: ReadonlyMap<number, Transaction>;
  readonly acked: ReadonlySet<number>;
  /** Refused by the store as by the model, or for want of space. */
  readonly refused: ReadonlySet<number>;
  readonly lastAsked: number;
  readonly lastAcked: number;
}

function expectation(marks: readonly Mark[]): Expected {
  const asked = new Map<number, Transaction>();
  const refused = new Set<number>();
  const acked = new Set<number>();
  let lastAsked = 0;
  let lastAcked = 0;
  for (const mark of marks) {
    if (mark.kind === "asked") {
      // A later life of the store asks under numbers that a crash made free.
      for (let id = mark.id; id <= lastAsked; id += 1) {
        asked.delete(id);
        refused.delete(id);
        acked.delete(id);
      }
      asked.set(mark.id, mark.transaction);
      lastAsked = mark.id;
    } else if (mark.kind === "acked" && mark.result === 0) {
      lastAcked = mark.id;
      acked.add(mark.id);
    } else if (mark.kind === "acked") {
      refused.add(mark.id);
      acked.add(mark.id);
    }
  }
  return { asked, acked, refused, lastAsked, lastAcked };
}

/** A run whose model stands at what a store that ended at `id` must hold. */
function runAt(
  session: StoreSession,
  expected: Expected,
  life: Life,
  ids: { readonly newest: number; readonly ids: ReadonlySet<number> },
): RandomStoreRun {
  const { objects } = life;
  const run = new RandomStoreRun(session, { steps: 0, remountEvery: 0, objects, memo });
  for (let each = 1; each <= ids.newest; each += 1) {
    const transaction = expected.asked.get(each);
    // Refused for want of space, and the crash came before anybody was told.
    const quiet = !expected.acked.has(each) && !ids.ids.has(each);
    if (transaction !== undefined && !expected.refused.has(each) && !quiet) {
      run.model(transaction);
    }
  }
  return run;
}

async function recover(life: Life, marks: readonly Mark[]): Promise<void> {
  const expected = expectation(marks);
  await life.mount();
  life.checkStructure();
  const session = life.session(1 + marks.length);
  const ids = await idsIn(session);
  const id = ids.newest;
  const { lastAcked, lastAsked } = expected;
  assert(id >= lastAcked, `transaction ${lastAcked} was acknowledged, the store is at ${id}`);
  assert(id <= lastAsked, `the store is at transaction ${id}, which nobody asked for`);
  const run = runAt(session, expected, life, ids);
  await run.compare(true);
  await life.drive(run, id + 1, 4, "more");
  await life.unmount();
  await life.mount();
  await run.compare(true);
  life.checkStructure();
  await life.unmount();
}

export function blueStoreScenario(options: BlueStoreScenarioOptions): CrashScenario {
  return {
    name: options.name,
    describe: options.describe,
    canary: options.canary,
    run: async (world) => {
      const life = new Life(world, options, true);
      await life.make();
      await life.mount();
      life.mark({ kind: "made" });
      const session = life.session(world.random.fork("data").below(2 ** 40));
      const { objects } = options;
      const run = new RandomStoreRun(session, { steps: 0, remountEvery: 0, objects });
      const half = Math.floor(options.transactions / 2);
      await life.drive(run, 1, half, "first");
      await life.unmount();
      await life.mount();
      await life.drive(run, half + 1, options.transactions - half, "second");
      await life.unmount();
    },
    recover: async (world, marks) => {
      const known = marks as readonly Mark[];
      if (known.some(({ kind }) => kind === "made")) {
        await recover(new Life(world, options, false), known);
      }
    },
    classify: classOf,
    cover: (marks) => {
      const known = marks as readonly Mark[];
      const did = known.flatMap((mark) => (mark.kind === "did" ? [`after: ${mark.what}`] : []));
      const full = known.some(
        (mark) => mark.kind === "acked" && mark.result === -storeErrnos.ENOSPC,
      );
      return full ? [...did, "after: a full device"] : did;
    },
  };
}

function classOf({ offsetBytes, data }: VolatileWrite): string {
  if (offsetBytes < labelBytes) {
    return "label";
  }
  if (offsetBytes < 65_536) {
    return "key-value superblock";
  }
  return data === null ? "trim" : "data or log";
}
