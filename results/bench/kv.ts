/**
 * The bench of the key-value stores: the same seeded commits, look-ups and scans through each of them, in
 * rounds of alternating order. A commit is what an object store writes for one small overwrite: an onode,
 * a bit of the free list, a log entry.
 */
import { closeSync, ftruncateSync, openSync, rmSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import { DeviceMux } from "../../engine/device/mux.ts";
import { openBlockDevice } from "../../engine/hot/ioengine/registry.ts";
import {
  type KeyValueEngine,
  type KeyValueStore,
  KvBatch,
  type KvDevice,
  type KvOpenContext,
  type KvSpace,
} from "../../engine/hot/kv/kv.ts";
import { keyValueEngines } from "../../engine/hot/kv/registry.ts";
import { OwnSpace } from "../../engine/hot/kv/waltree-space.ts";
import { RealClock } from "../../engine/os/clock.ts";
import type { MedianInterval } from "../stats/order-statistics.ts";
import { overRounds } from "./rounds.ts";

export interface KvBenchOptions {
  /** One store by name; `null`: all that can be used here. */
  readonly only: string | null;
  readonly rounds: number;
  /** Keys to begin with. */
  readonly keys: number;
  /** Commits of each measurement. */
  readonly commits: number;
  readonly seed: number;
  /** Of the file, and where it is made. */
  readonly sizeBytes: number;
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly onCell: (done: number, total: number, cell: string) => void;
}

export interface KvBenchRow {
  readonly store: string;
  readonly operation: string;
  /** Commits under way at once; 1 for reads, which are synchronous. */
  readonly depth: number;
  readonly perSecond: MedianInterval;
  /** Of the process, all threads. */
  readonly cpuUs: MedianInterval;
  /** Flushes and bytes to the device for each commit and byte of it; `null`: not counted, or no commit. */
  readonly flushes: MedianInterval | null;
  readonly writeAmplification: MedianInterval | null;
}

export interface KvBench {
  readonly schema: "osdyno-bench-1";
  readonly hotPath: "kv";
  readonly rounds: number;
  readonly keys: number;
  readonly commits: number;
  readonly seed: number;
  readonly kernel: string;
  readonly cpu: string;
  readonly rows: readonly KvBenchRow[];
  readonly missing: readonly { readonly store: string; readonly reason: string }[];
}

interface Sample {
  readonly operation: string;
  readonly depth: number;
  readonly perSecond: number;
  readonly cpuUs: number;
  readonly flushes: number | null;
  readonly writeAmplification: number | null;
}

const keyBytes = 40;
const onodeBytes = 420;
const slotBytes = 65_536;

/** The key of a number: the same beginning as its neighbours, as objects' names have. */
function keyOf(number: number): Uint8Array {
  const key = new Uint8Array(keyBytes).fill(0x2e);
  const view = new DataView(key.buffer);
  // A hash first, as object names are ordered by one.
  view.setUint32(8, Math.imul(number, 0x9e3779b1));
  view.setUint32(20, number);
  return key;
}

function numbered(number: number): Uint8Array {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setUint32(4, number);
  return key;
}

const onode = new Uint8Array(onodeBytes).map((_, at) => (at * 37) & 0xff);
const logEntry = new Uint8Array(120).fill(7);
const bit = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

function overwriteOf(random: SeededRandom, keys: number, number: number): KvBatch {
  const batch = new KvBatch(1024);
  batch.set("O", keyOf(random.below(keys)), onode);
  batch.merge("b", numbered(random.below(8192)), bit);
  batch.set("P", numbered(number), logEntry);
  if (number > 3000) {
    batch.remove("P", numbered(number - 3000));
  }
  return batch;
}

/** Commits `count` batches, `depth` of them under way at once. */
function commitAll(
  store: KeyValueStore,
  count: number,
  depth: number,
  make: (number: number) => KvBatch,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let asked = 0;
    let told = 0;
    const ask = () => {
      asked += 1;
      store.commit([make(asked)], (errno) => {
        told += 1;
        if (errno !== 0) {
          reject(new OsdynoError("io", `a commit failed with errno ${errno}; is the disk full?`));
        } else if (asked < count) {
          ask();
        } else if (told === count) {
          resolve();
        }
      });
    };
    for (let each = 0; each < Math.min(depth, count); each += 1) {
      ask();
    }
  });
}

/** One store on a file of its own. */
class Place {
  readonly #engine: KeyValueEngine;
  readonly #path: string;
  readonly #sizeBytes: number;
  readonly #clock: RealClock;
  #close: () => void = () => {};

  constructor(engine: KeyValueEngine, options: KvBenchOptions, clock: RealClock) {
    this.#engine = engine;
    this.#path = join(options.folder, `kv-${engine.name}`);
    this.#sizeBytes = options.sizeBytes;
    this.#clock = clock;
    const file = openSync(this.#path, "w");
    ftruncateSync(file, options.sizeBytes);
    closeSync(file);
  }

  async open(create: boolean): Promise<KeyValueStore> {
    const space = new OwnSpace("main", this.#sizeBytes);
    const store = await this.#engine.open({
      devices: this.#devices(),
      create,
      readOnly: false,
      space: space satisfies KvSpace,
      mergeOperators: { b: "xor", T: "addInt64" },
      options: {},
      clock: this.#clock,
      random: new SeededRandom(Math.floor(this.#clock.nowNs())),
    });
    space.take(store.usedExtents().filter(({ role }) => role === "main"));
    return store;
  }

  async close(store: KeyValueStore): Promise<void> {
    await store.close();
    this.#close();
  }

  remove(): void {
    rmSync(this.#path, { force: true });
  }

  /** What is native has the file for itself; what is not shares it as with an object store. */
  #devices(): KvOpenContext["devices"] {
    const main = this.#device();
    return { main, db: this.#engine.uses === "native" ? main : null, wal: null };
  }

  #device(): KvDevice {
    const facts = { sizeBytes: this.#sizeBytes, blockBytes: 4096 };
    if (this.#engine.uses !== "lanes") {
      return { ...facts, path: this.#path, lane: null };
    }
    const geometry = { depth: 32, slotBytes, blockBytes: 4096, write: true, direct: true };
    const device = openBlockDevice("io_uring", { path: this.#path, ...geometry });
    const mux = new DeviceMux(device, { capacity: 32, selfDriven: true });
    this.#close = () => {
      mux.close();
      device.close();
    };
    return { ...facts, path: null, lane: mux.lane({ depth: 32, slots: 32 }) };
  }
}

class Measuring {
  readonly #clock: RealClock;
  readonly samples: Sample[] = [];

  constructor(clock: RealClock) {
    this.#clock = clock;
  }

  async run(
    store: KeyValueStore | null,
    operation: string,
    depth: number,
    count: number,
    body: () => Promise<void> | void,
  ): Promise<void> {
    const before = store?.counters() ?? {};
    const cpu = process.cpuUsage();
    const startNs = this.#clock.nowNs();
    await body();
    const seconds = (this.#clock.nowNs() - startNs) / 1e9;
    const used = process.cpuUsage(cpu);
    const after = store?.counters() ?? {};
    const grown = (name: string): number | null => {
      const [from, to] = [before[name], after[name]];
      return from === undefined || to === undefined ? null : to - from;
    };
    const [flushed, durable] = [grown("flushes"), grown("durable_writes")];
    // A write that is durable by itself costs the device what a flush does.
    const flushes = flushed === null && durable === null ? null : (flushed ?? 0) + (durable ?? 0);
    const [written, asked] = [grown("written_bytes"), grown("batch_bytes")];
    const commits = (grown("commits") ?? 0) > 0;
    this.samples.push({
      operation,
      depth,
      perSecond: count / seconds,
      cpuUs: (used.user + used.system) / count,
      flushes: flushes === null || !commits ? null : flushes / count,
      writeAmplification:
        written === null || asked === null || !commits ? null : written / Math.max(asked, 1),
    });
  }
}

/** All measurements of one store, once. */
async function measure(
  engine: KeyValueEngine,
  options: KvBenchOptions,
  clock: RealClock,
): Promise<readonly Sample[]> {
  const { keys, commits, seed } = options;
  const random = new SeededRandom(seed);
  const measuring = new Measuring(clock);
  const place = new Place(engine, options, clock);
  try {
    let store = await place.open(true);
    await measuring.run(store, "fill", 16, keys, async () => {
      let key = 0;
      await commitAll(store, Math.ceil(keys / 64), 16, () => {
        const batch = new KvBatch(64 * (onodeBytes + keyBytes + 16));
        for (let each = 0; each < 64; each += 1, key += 1) {
          batch.set("O", keyOf(key), onode);
        }
        return batch;
      });
    });
    for (const depth of [1, 16, 64]) {
      const count = depth === 1 ? Math.ceil(commits / 8) : commits;
      await measuring.run(store, "overwrite", depth, count, () =>
        commitAll(store, count, depth, (number) => overwriteOf(random, keys, number)),
      );
    }
    const reads = 20_000;
    await measuring.run(null, "get", 1, reads, () => {
      for (let each = 0; each < reads; each += 1) {
        if (store.get("O", keyOf(random.below(keys))) === undefined) {
          throw new OsdynoError("verify", `${engine.name} lost a key`);
        }
      }
    });
    await measuring.run(null, "scan of 100", 1, 1000, () => {
      for (let each = 0; each < 1000; each += 1) {
        store.scan("O", keyOf(random.below(keys)), undefined, 100);
      }
    });
    if (store.facts.durable) {
      await place.close(store);
      await measuring.run(null, "open", 1, 1, async () => {
        store = await place.open(false);
      });
    }
    await place.close(store);
  } finally {
    place.remove();
  }
  return measuring.samples;
}

function medianOf(values: readonly (number | null)[]): MedianInterval | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : overRounds(known);
}

function rowsOf(store: string, rounds: readonly (readonly Sample[])[]): KvBenchRow[] {
  return (rounds[0] ?? []).map(({ operation, depth }, at) => {
    const all = rounds.map((round) => round[at] as Sample);
    return {
      store,
      operation,
      depth,
      perSecond: overRounds(all.map(({ perSecond }) => perSecond)),
      cpuUs: overRounds(all.map(({ cpuUs }) => cpuUs)),
      flushes: medianOf(all.map(({ flushes }) => flushes)),
      writeAmplification: medianOf(all.map(({ writeAmplification }) => writeAmplification)),
    };
  });
}

/** Measures every store in every round. */
export async function benchKeyValue(options: KvBenchOptions): Promise<KvBench> {
  const { rounds, keys, commits, seed, only, signal } = options;
  const wanted = keyValueEngines().filter(({ name }) => only === null || only === name);
  const usable = wanted.filter(({ unavailable }) => unavailable === null);
  const samples = new Map(usable.map(({ name }) => [name, [] as (readonly Sample[])[]]));
  const clock = new RealClock();
  let done = 0;
  try {
    for (let round = 0; round < rounds; round += 1) {
      for (const engine of round % 2 === 0 ? usable : usable.toReversed()) {
        if (signal.aborted) {
          throw new OsdynoError("interrupted", "the bench was stopped");
        }
        options.onCell(done, usable.length * rounds, engine.name);
        samples.get(engine.name)?.push(await measure(engine, options, clock));
        done += 1;
      }
    }
  } finally {
    clock.close();
  }
  return {
    schema: "osdyno-bench-1",
    hotPath: "kv",
    rounds,
    keys,
    commits,
    seed,
    kernel: release(),
    cpu: cpus()[0]?.model ?? "unknown",
    rows: usable.flatMap(({ name }) => rowsOf(name, samples.get(name) ?? [])),
    missing: wanted.flatMap(({ name, unavailable }) =>
      unavailable === null ? [] : [{ store: name, reason: unavailable }],
    ),
  };
}
