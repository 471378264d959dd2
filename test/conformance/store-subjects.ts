/** The object stores that the conformance suite runs on. */

import { SeededRandom } from "../../engine/base/random.ts";
import { heapArena } from "../../engine/device/check-op.ts";
import { type Fault, FaultDevice } from "../../engine/device/fault.ts";
import { MemoryDevice } from "../../engine/device/memory.ts";
import { DeviceMux } from "../../engine/device/mux.ts";
import { createAllocator } from "../../engine/hot/allocator/registry.ts";
import { openCache } from "../../engine/hot/cache/registry.ts";
import { openChecksum } from "../../engine/hot/checksum/registry.ts";
import { openCompressor } from "../../engine/hot/compressor/registry.ts";
import type { KvOpenContext } from "../../engine/hot/kv/kv.ts";
import { openKeyValueStore } from "../../engine/hot/kv/registry.ts";
import type { MemoryMeter } from "../../engine/port/memory-meter.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";
import { type BlueStoreParts, makeStore } from "../../engine/store/bluestore/mount.ts";
import { type BlueStoreOptions, ssdDefaults } from "../../engine/store/bluestore/options.ts";
import { BlueStore } from "../../engine/store/bluestore/store.ts";
import type { StoreHarness, StoreSubject } from "../../engine/store/conformance.ts";
import { MemStore } from "../../engine/store/memstore/memstore.ts";

const usualBytes = 24 * 1024 * 1024;

export const memStoreSubject: StoreSubject = {
  name: "memstore",
  sizeBytes: usualBytes,
  create: async (): Promise<StoreHarness> => {
    const clock = new VirtualClock();
    const store = new MemStore({ clock, sizeBytes: usualBytes, arena: heapArena(65536, 8) });
    return {
      store,
      remount: async () => false,
      turn: () => {
        clock.step();
      },
      check: async () => {},
      close: async () => {},
    };
  },
};

export async function settled<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let done = false;
  const end = promise.finally(() => {
    done = true;
  });
  end.catch(() => {});
  while (!done) {
    clock.step();
    await Promise.resolve();
  }
  return await end;
}

/** Takes what has completed and is asked for by nobody any more. */
function drain(clock: VirtualClock, device: MemoryDevice): void {
  while (device.poll(64) > 0 || clock.step()) {
    // What is under way when a store is abandoned completes for nobody.
  }
}

function partsOf(
  clock: VirtualClock,
  mux: DeviceMux,
  random: SeededRandom,
  options: Partial<BlueStoreOptions>,
  slots: { readonly kv: number; readonly own: number },
): BlueStoreParts {
  const kvLane = mux.lane({ depth: 16, slots: slots.kv });
  const { sizeBytes: deviceBytes } = mux.device.facts;
  return {
    clock,
    random,
    lane: mux.lane({ depth: 32, slots: slots.own }),
    kvName: "waltree",
    kvDevices: {
      main: { path: null, lane: kvLane, sizeBytes: deviceBytes, blockBytes: 4096 },
      db: null,
      wal: null,
    },
    kvOptions: { waltree_log_bytes: 1 << 20 },
    openKv: (context) => openKeyValueStore("waltree", context),
    allocator: (how) => createAllocator("hybrid", how),
    checksum: openChecksum,
    compressor: openCompressor,
    cache: openCache,
    options: { ...ssdDefaults, ...options },
  };
}

/** A store that leaves slots from the 24th on to its user. */
export function volumeParts(
  clock: VirtualClock,
  mux: DeviceMux,
  random: SeededRandom,
  options: Partial<BlueStoreOptions>,
): BlueStoreParts {
  return partsOf(clock, mux, random, options, { kv: 10, own: 14 });
}

export interface BlueStoreHarness extends StoreHarness {
  /** Mounts again without a clean end, on the same device with these faults. */
  remountOn(faults: readonly Fault[]): Promise<void>;
  /** Tries to mount a device that was never written. */
  mountEmpty(): Promise<void>;
}

export interface BlueStoreShape {
  readonly name: string;
  readonly options: Partial<BlueStoreOptions>;
  readonly kvOptions?: KvOpenContext["options"];
  readonly slotBytes?: number;
  readonly sizeBytes?: number;
  readonly memory?: MemoryMeter;
}

export function blueStoreSubject(shape: BlueStoreShape): StoreSubject {
  const sizeBytes = shape.sizeBytes ?? usualBytes;
  return {
    name: `bluestore, ${shape.name}`,
    sizeBytes,
    create: async (seed): Promise<BlueStoreHarness> => {
      const clock = new VirtualClock();
      const slotBytes = shape.slotBytes ?? 65536;
      const empty = () =>
        new MemoryDevice({ clock, sizeBytes, depth: 64, slotBytes, slotCount: 40 });
      const device = empty();
      const random = new SeededRandom(seed);
      const parts = (faults: readonly Fault[] = [], on = device): BlueStoreParts => {
        drain(clock, on);
        const faulty = faults.length === 0 ? on : new FaultDevice(on, faults, clock);
        const mux = new DeviceMux(faulty, { capacity: 64, selfDriven: true });
        const made = partsOf(clock, mux, random, shape.options, { kv: 12, own: 20 });
        const { memory = null } = shape;
        const kvOptions = shape.kvOptions ?? made.kvOptions;
        return { ...made, kvOptions, ...(memory === null ? {} : { memory }) };
      };
      await settled(clock, makeStore(parts()));
      let store = await settled(clock, BlueStore.mount(parts()));
      return {
        get store() {
          return store;
        },
        remount: async (clean) => {
          if (clean) {
            await settled(clock, new Promise((resolve) => store.unmount(resolve)));
          } else {
            store.abandon();
          }
          store = await settled(clock, BlueStore.mount(parts()));
          return true;
        },
        remountOn: async (faults) => {
          store.abandon();
          store = await settled(clock, BlueStore.mount(parts(faults)));
        },
        mountEmpty: async () => {
          await settled(clock, BlueStore.mount(parts([], empty())));
        },
        turn: async () => {
          clock.step();
          await Promise.resolve();
        },
        check: async () => {
          store.state.allocator.checkInvariants();
          const [problem] = store.checkStructure();
          if (problem !== undefined) {
            throw new Error(`${problem.kind}: ${problem.message}`);
          }
        },
        close: async () => {
          store.abandon();
        },
      };
    },
  };
}

export const blueStoreSubjects: readonly StoreSubject[] = [
  blueStoreSubject({ name: "solid state", options: {} }),
  blueStoreSubject({
    name: "spinning disk, bitmap freelist",
    options: {
      preferDeferredBytes: 65536,
      deferredBatchOps: 8,
      maxDeferIntervalNs: 1e6,
      allocationFromFile: false,
    },
  }),
  blueStoreSubject({
    name: "compressed, small shards, small caches",
    options: {
      compressionMode: "force",
      shardMaxBytes: 200,
      shardTargetBytes: 100,
      shardMinBytes: 30,
      metaCacheBytes: 4000,
      dataCacheBytes: 100_000,
      allocationFromFile: false,
    },
    slotBytes: 16384,
  }),
  blueStoreSubject({
    name: "64 KiB units, xxhash64, written data in the cache, discards",
    options: {
      minAllocBytes: 65536,
      maxBlobBytes: 524288,
      checksumType: "xxhash64",
      preferDeferredBytes: 16384,
      bufferedWrite: true,
      discard: true,
    },
  }),
];

export const storeSubjects: readonly StoreSubject[] = [memStoreSubject, ...blueStoreSubjects];
