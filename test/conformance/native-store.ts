/** Object stores on files, with the parts of the native side. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { SeededRandom } from "../../engine/base/random.ts";
import { DeviceMux } from "../../engine/device/mux.ts";
import { createAllocator } from "../../engine/hot/allocator/registry.ts";
import { openCache } from "../../engine/hot/cache/registry.ts";
import { openChecksum } from "../../engine/hot/checksum/registry.ts";
import { openCompressor } from "../../engine/hot/compressor/registry.ts";
import { openBlockDevice } from "../../engine/hot/ioengine/registry.ts";
import type { KvDevice } from "../../engine/hot/kv/kv.ts";
import { keyValueEngines, openKeyValueStore } from "../../engine/hot/kv/registry.ts";
import { RealClock } from "../../engine/os/clock.ts";
import type { BlockDevice } from "../../engine/port/block-device.ts";
import type { Clock } from "../../engine/port/clock.ts";
import { type BlueStoreParts, makeStore } from "../../engine/store/bluestore/mount.ts";
import { type BlueStoreOptions, ssdDefaults } from "../../engine/store/bluestore/options.ts";
import { BlueStore } from "../../engine/store/bluestore/store.ts";
import type { StoreHarness, StoreSubject } from "../../engine/store/conformance.ts";

export interface NativeStoreShape {
  readonly name: string;
  readonly kv: "rocksdb" | "waltree";
  /** Devices of the key-value store's own. */
  readonly separate?: boolean;
  /** Of the main device. */
  readonly mainBytes?: number;
  readonly options?: Partial<BlueStoreOptions>;
}

/** So small that memtables are flushed, tables compacted and logs rotated within a check. */
export const smallRocksdb =
  "write_buffer_size=131072,level0_file_num_compaction_trigger=2,max_bytes_for_level_base=262144," +
  "target_file_size_base=65536,max_total_wal_size=524288,max_background_jobs=2";

export const hasRocksdb = keyValueEngines().some(
  ({ name, unavailable }) => name === "rocksdb" && unavailable === null,
);

export const sizes = { main: 96 << 20, db: 12 << 20, wal: 4 << 20 };
export type Role = keyof typeof sizes;

interface Place {
  readonly parts: BlueStoreParts;
  close(): void;
}

export class NativeStorePlace {
  readonly folder: string;
  readonly shape: NativeStoreShape;
  /** What the store gets instead of a device, for tests that look on. */
  wrap: (device: BlockDevice, role: Role, clock: Clock) => BlockDevice = (device) => device;
  /** What the store is made of instead, for tests that plant bugs. */
  change: (parts: BlueStoreParts) => BlueStoreParts = (parts) => parts;
  readonly #random: SeededRandom;

  /** `parent`: where the files are. */
  constructor(shape: NativeStoreShape, seed: number, parent = tmpdir()) {
    this.folder = mkdtempSync(join(parent, "osdyno-store-"));
    this.shape = shape;
    this.#random = new SeededRandom(seed);
    for (const role of this.roles()) {
      const file = openSync(this.path(role), "w");
      ftruncateSync(file, this.sizeOf(role));
      closeSync(file);
    }
  }

  roles(): readonly Role[] {
    return this.shape.separate === true ? ["main", "db", "wal"] : ["main"];
  }

  sizeOf(role: string): number {
    return role === "main" ? (this.shape.mainBytes ?? sizes.main) : sizes[role as Role];
  }

  path(role: Role): string {
    return join(this.folder, role);
  }

  open(): Place {
    const clock = new RealClock();
    const closers: (() => void)[] = [() => clock.close()];
    const lanes = Object.fromEntries(
      this.roles().map((role) => {
        const opened = openBlockDevice("psync", {
          path: this.path(role),
          write: true,
          depth: 64,
          slotBytes: 65536,
          slotCount: 40,
        });
        const device = this.wrap(opened, role, clock);
        const mux = new DeviceMux(device, { capacity: 64, selfDriven: true });
        closers.push(() => {
          mux.close();
          device.close();
        });
        const store = mux.lane({ depth: 32, slots: 20 });
        return [role, { store, kv: mux.lane({ depth: 16, slots: 12 }) }];
      }),
    );
    const kvDevice = (role: Role): KvDevice | null => {
      const lane = lanes[role]?.kv;
      return lane === undefined
        ? null
        : { path: this.path(role), lane, sizeBytes: this.sizeOf(role), blockBytes: 4096 };
    };
    const { shape } = this;
    return {
      parts: this.change({
        clock,
        random: this.#random,
        lane: (lanes["main"] as { store: BlueStoreParts["lane"] }).store,
        labelLanes: { db: lanes["db"]?.store ?? null, wal: lanes["wal"]?.store ?? null },
        kvName: shape.kv,
        kvDevices: { main: kvDevice("main") as KvDevice, db: kvDevice("db"), wal: kvDevice("wal") },
        kvOptions:
          shape.kv === "rocksdb"
            ? { bluestore_rocksdb_options: smallRocksdb }
            : { waltree_log_bytes: 1 << 20 },
        openKv: (context) => openKeyValueStore(shape.kv, context),
        allocator: (options) => createAllocator("hybrid", options),
        checksum: openChecksum,
        compressor: openCompressor,
        cache: openCache,
        options: { ...ssdDefaults, ...shape.options },
      }),
      close: () => {
        for (const close of closers) {
          close();
        }
      },
    };
  }

  async make(): Promise<void> {
    const place = this.open();
    try {
      await makeStore(place.parts);
    } finally {
      place.close();
    }
  }

  /** The store, and what lets go of its devices. */
  async mount(): Promise<{ readonly store: BlueStore; readonly close: () => void }> {
    const place = this.open();
    try {
      return { store: await BlueStore.mount(place.parts), close: place.close };
    } catch (error) {
      place.close();
      throw error;
    }
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true });
  }
}

export function nativeStoreSubject(shape: NativeStoreShape): StoreSubject {
  return {
    name: `bluestore on files, ${shape.name}`,
    sizeBytes: sizes.main,
    create: async (seed): Promise<StoreHarness> => {
      const place = new NativeStorePlace(shape, seed);
      await place.make();
      let mounted = await place.mount();
      let turns = 0;
      return {
        get store() {
          return mounted.store;
        },
        remount: async (clean) => {
          if (clean) {
            await new Promise((resolve) => mounted.store.unmount(resolve));
          } else {
            mounted.store.abandon();
          }
          mounted.close();
          mounted = await place.mount();
          return true;
        },
        turn: async () => {
          turns += 1;
          await (turns % 100 === 0 ? delay(1) : nextTurn());
        },
        check: async () => {
          mounted.store.state.allocator.checkInvariants();
          const [problem] = mounted.store.checkStructure();
          if (problem !== undefined) {
            throw new Error(`${problem.kind}: ${problem.message}`);
          }
        },
        close: async () => {
          mounted.store.abandon();
          mounted.close();
          place.dispose();
        },
      };
    },
  };
}

export const nativeStoreSubjects: readonly StoreSubject[] = [
  ...(hasRocksdb
    ? [
        nativeStoreSubject({ name: "rocksdb", kv: "rocksdb" }),
        nativeStoreSubject({
          name: "rocksdb on devices of its own, bitmap freelist, deferred writes",
          kv: "rocksdb",
          separate: true,
          options: {
            allocationFromFile: false,
            preferDeferredBytes: 65536,
            deferredBatchOps: 8,
            maxDeferIntervalNs: 1e6,
          },
        }),
      ]
    : []),
  nativeStoreSubject({
    name: "waltree on devices of its own",
    kv: "waltree",
    separate: true,
  }),
];
