/** The key-value stores that the conformance suite runs on. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { SeededRandom } from "../../engine/base/random.ts";
import { DeviceMux } from "../../engine/device/mux.ts";
import { ExtentList } from "../../engine/hot/allocator/allocator.ts";
import { NativeAllocator } from "../../engine/hot/allocator/native-allocator.ts";
import { conformanceOperators, type KvSubject } from "../../engine/hot/kv/conformance.ts";
import type { KvDevice, KvSpace } from "../../engine/hot/kv/kv.ts";
import { keyValueEngines, openKeyValueStore } from "../../engine/hot/kv/registry.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";
import { ScatteredSpace } from "../../engine/sim/scenario-waltree.ts";
import { World } from "../../engine/sim/world.ts";

/** Lets the event loop turn once. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const noSpace: KvSpace = {
  unitBytes: 4096,
  handle: null,
  allocate: () => undefined,
  release: () => {},
};

const noDevice: KvDevice = { path: null, lane: null, sizeBytes: 0, blockBytes: 4096 };

const memorySubject: KvSubject = {
  name: "memory",
  place: () => {
    const clock = new VirtualClock();
    return {
      open: (how) =>
        openKeyValueStore("memory", {
          ...how,
          devices: { main: noDevice, db: null, wal: null },
          space: noSpace,
          mergeOperators: conformanceOperators,
          options: {},
          clock,
          random: new SeededRandom(1),
        }),
      pass: () => {
        clock.step();
      },
      dispose: () => {},
    };
  },
};

interface WaltreeShape {
  readonly name: string;
  readonly separate: boolean;
  readonly fua: boolean;
  readonly blockBytes: number;
  readonly slotBytes: number;
  readonly logBytes: number;
}

/** On simulated disks, with so small a log that it is cut many times. */
function waltreeSubject(shape: WaltreeShape): KvSubject {
  const sizeBytes = 48 << 20;
  const { blockBytes, slotBytes, fua } = shape;
  return {
    name: shape.name,
    place: () => {
      const world = new World({ seed: 3, settle });
      const names = shape.separate ? ["main", "db", "wal"] : ["main"];
      const disks = new Map(
        names.map((name) => [
          name,
          world.disk({ name, sizeBytes, blockBytes, slotBytes, fua, depth: 16 }),
        ]),
      );
      const device = (name: string): KvDevice | null => {
        const disk = disks.get(name);
        if (disk === undefined) {
          return null;
        }
        const mux = new DeviceMux(disk.device, { capacity: 16, selfDriven: true });
        return { path: null, lane: mux.lane({ depth: 16, slots: 16 }), sizeBytes, blockBytes };
      };
      return {
        open: async (how) => {
          const space = new ScatteredSpace(sizeBytes, world.random.fork("space"));
          const store = await openKeyValueStore("waltree", {
            ...how,
            devices: { main: device("main") ?? noDevice, db: device("db"), wal: device("wal") },
            space,
            mergeOperators: conformanceOperators,
            options: { waltree_log_bytes: shape.logBytes, waltree_grow_bytes: shape.logBytes / 2 },
            clock: world.clock,
            random: world.random.fork("store"),
          });
          space.take(store.usedExtents().filter(({ role }) => role === "main"));
          return store;
        },
        pass: async () => {
          world.clock.step();
          await settle();
        },
        dispose: () => {},
      };
    },
  };
}

/** So small that memtables are flushed, tables compacted and logs rotated within a check. */
const rocksdbOptions =
  "write_buffer_size=131072,level0_file_num_compaction_trigger=2,max_bytes_for_level_base=262144," +
  "target_file_size_base=65536,max_total_wal_size=524288,max_background_jobs=2";

/** RocksDB on files, the space of the main one shared with an allocator as a store does it. */
function rocksdbSubject(separate: boolean): KvSubject {
  const sizeBytes = 96 << 20;
  return {
    name: separate ? "rocksdb on three devices" : "rocksdb",
    place: () => {
      const folder = mkdtempSync(join(tmpdir(), "osdyno-kv-"));
      const device = (name: string, bytes: number): KvDevice => {
        const path = join(folder, name);
        const file = openSync(path, "w");
        ftruncateSync(file, bytes);
        closeSync(file);
        return { path, lane: null, sizeBytes: bytes, blockBytes: 4096 };
      };
      const devices = {
        main: device("main", sizeBytes),
        db: separate ? device("db", 12 << 20) : null,
        wal: separate ? device("wal", 4 << 20) : null,
      };
      const open = (
        how: { readonly create: boolean; readonly readOnly: boolean },
        allocator: NativeAllocator | null,
      ) =>
        openKeyValueStore("rocksdb", {
          ...how,
          devices,
          space: { ...noSpace, handle: allocator?.handle ?? null },
          mergeOperators: conformanceOperators,
          options: { bluestore_rocksdb_options: rocksdbOptions },
          clock: new VirtualClock(),
          random: new SeededRandom(1),
        });
      return {
        open: async (how) => {
          if (how.readOnly) {
            return await open(how, null);
          }
          const allocator = new NativeAllocator("bitmap", {
            capacityBytes: sizeBytes,
            blockBytes: 4096,
          });
          const used = ExtentList.of([0, 65_536]);
          if (!how.create) {
            const reading = await open({ ...how, readOnly: true }, null);
            for (const { role, offsetBytes, lengthBytes } of reading.usedExtents()) {
              if (role === "main") {
                used.push(offsetBytes, lengthBytes);
              }
            }
            await reading.close();
          }
          allocator.release(ExtentList.of([0, sizeBytes]));
          allocator.removeFree(used);
          return await open(how, allocator);
        },
        pass: () => delay(0),
        dispose: () => rmSync(folder, { recursive: true }),
      };
    },
  };
}

const small = { separate: false, fua: true, blockBytes: 4096, slotBytes: 16_384 };

const hasRocksdb = keyValueEngines().some(
  ({ name, unavailable }) => name === "rocksdb" && unavailable === null,
);

export const kvSubjects: readonly KvSubject[] = [
  memorySubject,
  ...(hasRocksdb ? [rocksdbSubject(false), rocksdbSubject(true)] : []),
  waltreeSubject({ ...small, name: "waltree", logBytes: 128 << 10 }),
  waltreeSubject({
    ...small,
    name: "waltree on blocks of 512 bytes, flushes only",
    fua: false,
    blockBytes: 512,
    slotBytes: 65_536,
    logBytes: 512 << 10,
  }),
  waltreeSubject({
    ...small,
    name: "waltree on three devices",
    separate: true,
    logBytes: 256 << 10,
  }),
];
