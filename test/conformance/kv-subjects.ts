/** The key-value stores that the conformance suite runs on. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { SeededRandom } from "../../engine/base/random.ts";
import { ExtentList } from "../../engine/hot/allocator/allocator.ts";
import { NativeAllocator } from "../../engine/hot/allocator/native-allocator.ts";
import { conformanceOperators, type KvSubject } from "../../engine/hot/kv/conformance.ts";
import type { KvDevice, KvSpace } from "../../engine/hot/kv/kv.ts";
import {
  keyValueEngine,
  keyValueEngines,
  openKeyValueStore,
} from "../../engine/hot/kv/registry.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";
import { type KvPlaceShape, simulatedKvSubject } from "../../engine/sim/kv-place.ts";

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

const small = { separate: false, fua: true, blockBytes: 4096, slotBytes: 16_384, settle };

/** So small a log that it is cut many times. */
const log = (bytes: number) => ({ waltree_log_bytes: bytes, waltree_grow_bytes: bytes / 2 });

function waltree(shape: KvPlaceShape): KvSubject {
  return simulatedKvSubject(keyValueEngine("waltree"), shape);
}

const hasRocksdb = keyValueEngines().some(
  ({ name, unavailable }) => name === "rocksdb" && unavailable === null,
);

export const kvSubjects: readonly KvSubject[] = [
  simulatedKvSubject(keyValueEngine("memory"), { ...small, name: "memory", options: {} }),
  ...(hasRocksdb ? [rocksdbSubject(false), rocksdbSubject(true)] : []),
  waltree({ ...small, name: "waltree", options: log(128 << 10) }),
  waltree({
    ...small,
    name: "waltree on blocks of 512 bytes, flushes only",
    fua: false,
    blockBytes: 512,
    slotBytes: 65_536,
    options: log(512 << 10),
  }),
  waltree({
    ...small,
    name: "waltree on three devices",
    separate: true,
    options: log(256 << 10),
  }),
];
