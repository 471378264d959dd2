/** waltree under random batches on a disk with little, scattered space: crashed at every write. */
import { assert } from "../base/assert.ts";
import { OsdynoError } from "../base/error.ts";
import type { SeededRandom } from "../base/random.ts";
import type { Fault } from "../device/fault.ts";
import { DeviceMux } from "../device/mux.ts";
import { KvBatch } from "../hot/kv/batch.ts";
import { compareStores, conformanceOperators, drawOperation } from "../hot/kv/conformance.ts";
import { NaiveKeyValueStore } from "../hot/kv/conformance-model.ts";
import type { KeyValueStore, KvExtent, KvOpenContext, KvSpace } from "../hot/kv/kv.ts";
import { readU32 } from "../hot/kv/page.ts";
import { openKeyValueStore } from "../hot/kv/registry.ts";
import { fragmentMagic } from "../hot/kv/waltree-format.ts";
import type { CrashScenario } from "./crashes.ts";
import type { VolatileWrite } from "./volatile-writes.ts";
import type { World } from "./world.ts";

const unitBytes = 8192;
const reservedUnits = 65_536 / unitBytes;
const counterKey = Uint8Array.of(0x63);
/** A disk that commits fill. */
const scarceBytes = 448 << 10;
const noSpace = 28;

/** What a scenario marks. */
type Mark =
  | { readonly kind: "made" }
  | { readonly kind: "asked"; readonly id: number; readonly batches: readonly KvBatch[] }
  | { readonly kind: "acked"; readonly id: number; readonly errno: number };

/** Units of a disk in random order, so that extents are many and small. */
export class ScatteredSpace implements KvSpace {
  readonly unitBytes = unitBytes;
  readonly handle = null;
  readonly #units: number;
  readonly #free = new Set<number>();
  readonly #random: SeededRandom;

  constructor(sizeBytes: number, random: SeededRandom) {
    this.#units = Math.floor(sizeBytes / unitBytes);
    this.#random = random;
    for (let unit = reservedUnits; unit < this.#units; unit += 1) {
      this.#free.add(unit);
    }
  }

  get freeBytes(): number {
    return this.#free.size * unitBytes;
  }

  /** Takes out what a store holds; throws when two parts of it overlap or lie outside. */
  take(extents: readonly KvExtent[]): void {
    for (const { offsetBytes, lengthBytes } of extents) {
      assert(
        offsetBytes % unitBytes === 0 && lengthBytes % unitBytes === 0,
        "an extent is unaligned",
      );
      for (let at = offsetBytes; at < offsetBytes + lengthBytes; at += unitBytes) {
        assert(this.#free.delete(at / unitBytes), "a store's extents overlap or lie outside");
      }
    }
  }

  allocate(lengthBytes: number): readonly KvExtent[] | undefined {
    const wanted = lengthBytes / unitBytes;
    assert(Number.isInteger(wanted), "a store asks for part of a unit");
    if (this.#free.size < wanted) {
      return undefined;
    }
    const extents: KvExtent[] = [];
    for (let left = wanted; left > 0; ) {
      let unit = this.#random.below(this.#units);
      while (!this.#free.has(unit)) {
        unit = (unit + 1) % this.#units;
      }
      const start = unit;
      // Runs of a few units.
      const longest = Math.min(left, 1 + this.#random.below(12));
      while (unit - start < longest && this.#free.delete(unit)) {
        unit += 1;
      }
      const lengthBytesHere = (unit - start) * unitBytes;
      extents.push({ role: "main", offsetBytes: start * unitBytes, lengthBytes: lengthBytesHere });
      left -= unit - start;
    }
    return extents;
  }

  release(extents: readonly KvExtent[]): void {
    for (const { offsetBytes, lengthBytes } of extents) {
      for (let at = offsetBytes; at < offsetBytes + lengthBytes; at += unitBytes) {
        assert(!this.#free.has(at / unitBytes), "a store releases what is free");
        this.#free.add(at / unitBytes);
      }
    }
  }
}

export interface WaltreeScenarioOptions {
  readonly name: string;
  readonly describe: string;
  readonly canary: boolean;
  readonly commits: number;
  readonly sizeBytes: number;
  /** Log and the rest on disks of their own. */
  readonly separate: boolean;
  readonly fua: boolean;
  /** Small ones make many fragments of a commit, under way at once. */
  readonly slotBytes: number;
  readonly faults: readonly Fault[];
}

interface Opened {
  readonly store: KeyValueStore;
  readonly space: ScatteredSpace;
}

class Session {
  readonly #world: World;
  readonly #sizeBytes: number;
  readonly #context: Omit<KvOpenContext, "create" | "readOnly" | "space">;

  constructor(world: World, options: WaltreeScenarioOptions, faulty: boolean) {
    this.#world = world;
    const scarce = world.profile?.scarce === true;
    this.#sizeBytes = scarce ? Math.min(options.sizeBytes, scarceBytes) : options.sizeBytes;
    const sizeBytes = this.#sizeBytes;
    const device = (name: string) => {
      const made = world.disk({
        name,
        sizeBytes,
        fua: options.fua,
        slotBytes: options.slotBytes,
        depth: 12,
        faults: faulty ? options.faults : [],
      });
      const mux = new DeviceMux(made.device, { capacity: 12, selfDriven: true });
      return {
        path: null,
        lane: mux.lane({ depth: 12, slots: 12 }),
        sizeBytes,
        blockBytes: 4096,
      };
    };
    const main = device("main");
    this.#context = {
      devices: {
        main,
        db: options.separate ? device("db") : null,
        wal: options.separate ? device("wal") : null,
      },
      mergeOperators: conformanceOperators,
      options: { waltree_log_bytes: 96 << 10, waltree_grow_bytes: 48 << 10 },
      clock: world.clock,
      random: world.random.fork("store"),
    };
  }

  /** Opens or makes the store; its space is known only afterwards. */
  async open(create: boolean, readOnly: boolean): Promise<Opened> {
    const random = this.#world.random.fork("space");
    const space = new ScatteredSpace(this.#sizeBytes, random);
    let ready = false;
    const guarded: KvSpace = {
      unitBytes,
      handle: null,
      allocate: (bytes) => {
        assert(ready, "a store takes space while it is opened");
        return space.allocate(bytes);
      },
      release: (extents) => space.release(extents),
    };
    const store = await openKeyValueStore("waltree", {
      ...this.#context,
      create,
      readOnly,
      space: guarded,
    });
    space.take(store.usedExtents().filter(({ role }) => role === "main"));
    ready = true;
    return { store, space };
  }
}

/** A commit of random operations that leaves its number behind. */
function drawCommit(random: SeededRandom, id: number): KvBatch[] {
  return Array.from({ length: 1 + random.below(3) }, (_, index) => {
    const batch = new KvBatch();
    for (let count = random.below(6); count > 0; count -= 1) {
      drawOperation(random, batch);
    }
    if (index === 0) {
      batch.set("meta", counterKey, Uint8Array.of(id & 0xff, id >> 8));
    }
    return batch;
  });
}

function counterOf(store: KeyValueStore): number {
  const value = store.get("meta", counterKey);
  return value === undefined ? 0 : (value[0] as number) + ((value[1] as number) << 8);
}

/** Commits with pauses of random length, several at once; marks each when asked for and when told. */
async function drive(
  world: World,
  store: KeyValueStore,
  random: SeededRandom,
  firstId: number,
  count: number,
): Promise<void> {
  let told = 0;
  await new Promise<void>((resolve) => {
    const ask = (id: number) => {
      const batches = drawCommit(random, id);
      world.mark({ kind: "asked", id, batches } satisfies Mark);
      store.commit(batches, (errno) => {
        world.mark({ kind: "acked", id, errno } satisfies Mark);
        told += 1;
        if (told === count) {
          resolve();
        }
      });
      if (id + 1 < firstId + count) {
        const pauseNs = random.below(3) === 0 ? random.below(400_000) : 0;
        world.clock.at(world.clock.nowNs() + pauseNs, () => ask(id + 1));
      }
    };
    ask(firstId);
  });
}

/** What the store may hold after the marks: the commits that were refused leave nothing. */
class Expectation {
  readonly asked = new Map<number, readonly KvBatch[]>();
  /** Refused for want of space: they leave nothing. After another error it is not known what is left. */
  readonly refused = new Set<number>();
  lastAsked = 0;
  lastAcked = 0;

  constructor(marks: readonly unknown[]) {
    for (const mark of marks as readonly Mark[]) {
      if (mark.kind === "asked") {
        // A later life of the store asks under numbers that a crash made free.
        for (let id = mark.id; id <= this.lastAsked; id += 1) {
          this.asked.delete(id);
          this.refused.delete(id);
        }
        this.asked.set(mark.id, mark.batches);
        this.lastAsked = mark.id;
      } else if (mark.kind === "made") {
        // Nothing is asked for yet.
      } else if (mark.errno === 0) {
        this.lastAcked = mark.id;
      } else if (mark.errno === noSpace) {
        this.refused.add(mark.id);
      }
    }
  }

  modelAt(id: number): NaiveKeyValueStore {
    const model = new NaiveKeyValueStore(conformanceOperators);
    for (let each = 1; each <= id; each += 1) {
      if (!this.refused.has(each)) {
        for (const batch of this.asked.get(each) ?? []) {
          model.apply(batch);
        }
      }
    }
    return model;
  }

  /** `lies`: the disk may have lost what was acknowledged last. */
  check(store: KeyValueStore, lies: boolean): number {
    const id = counterOf(store);
    assert(
      lies || id >= this.lastAcked,
      `commit ${this.lastAcked} was acknowledged, the store is at ${id}`,
    );
    assert(id <= this.lastAsked, `the store is at commit ${id}, which nobody asked for`);
    assert(!this.refused.has(id), `commit ${id} was refused, and is there`);
    compareStores(store, this.modelAt(id));
    return id;
  }
}

/** Whether the store was made: a crash before that leaves nothing to be checked. */
function wasMade(marks: readonly unknown[]): boolean {
  return marks.length > 0;
}

async function run(world: World, options: WaltreeScenarioOptions): Promise<void> {
  const session = new Session(world, options, true);
  const random = world.random.fork("commits");
  const half = Math.floor(options.commits / 2);
  try {
    const { store } = await session.open(true, false);
    world.mark({ kind: "made" } satisfies Mark);
    await drive(world, store, random, 1, half);
    await store.close();
    if (world.profile?.lies === true) {
      return;
    }
    const again = await session.open(false, false);
    await drive(world, again.store, random, half + 1, options.commits - half);
    await again.store.close();
  } catch (error) {
    // On a disk that fails, opening may fail: the history ends there.
    if (world.profile === null || !(error instanceof OsdynoError)) {
      throw error;
    }
  }
}

async function recover(
  world: World,
  options: WaltreeScenarioOptions,
  marks: readonly unknown[],
): Promise<readonly string[]> {
  if (!wasMade(marks)) {
    return ["then: not made yet"];
  }
  const lies = world.profile?.lies === true;
  const session = new Session(world, options, false);
  const expected = new Expectation(marks);
  try {
    const { store } = await session.open(false, false);
    const id = expected.check(store, lies);
    // Goes on under the numbers that follow what survived.
    await drive(world, store, world.random.fork("more"), id + 1, 4);
    await store.close();
    const { store: reader } = await session.open(false, true);
    assert(counterOf(reader) >= id, "a commit was lost by closing");
    await reader.close();
    return [id >= expected.lastAcked ? "then: all there" : "then: the last commits are gone"];
  } catch (error) {
    if (lies && error instanceof OsdynoError) {
      return ["then: damage is reported"];
    }
    throw error;
  }
}

export function waltreeScenario(options: WaltreeScenarioOptions): CrashScenario {
  return {
    name: options.name,
    describe: options.describe,
    canary: options.canary,
    run: (world) => run(world, options),
    recover: (world, marks) => recover(world, options, marks),
    classify: (write) => waltreeWriteClass(write, "other"),
    cover: (marks) => covered(marks as readonly Mark[]),
  };
}

function covered(marks: readonly Mark[]): string[] {
  const acked = marks.filter((mark) => mark.kind === "acked");
  const refused = acked.findIndex(({ errno }) => errno !== 0);
  const names: string[] = [];
  if (refused >= 0) {
    names.push("after: a commit refused for want of space");
    if (acked.slice(refused).some(({ errno }) => errno === 0)) {
      names.push("after: commits that succeeded again");
    }
  }
  return names;
}

const superblockByte = 0x6f;

/** What of a waltree a write is; `other`: what else it is. */
export function waltreeWriteClass({ data }: VolatileWrite, other: string): string {
  if (data === null || data.length < 24) {
    return other;
  }
  if (data[0] === superblockByte && data[6] === 0x57 && data[7] === 0x54) {
    return "superblock";
  }
  if (readU32(data, 0) !== fragmentMagic) {
    return other;
  }
  return [other, "log", "grow", "checkpoint", "checkpoint end"][data[20] as number] ?? other;
}
