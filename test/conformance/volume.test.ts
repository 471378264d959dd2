/** The volume over object stores passes the conformance suite of block devices. */
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { heapArena } from "../../engine/device/check-op.ts";
import { MemoryDevice } from "../../engine/device/memory.ts";
import { DeviceMux } from "../../engine/device/mux.ts";
import {
  type ConformanceSubject,
  conformanceChecks,
  type OpenedDevice,
  runCheck,
} from "../../engine/hot/ioengine/conformance.ts";
import type { BlockDevice } from "../../engine/port/block-device.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";
import { makeStore } from "../../engine/store/bluestore/mount.ts";
import { BlueStore } from "../../engine/store/bluestore/store.ts";
import { MemStore } from "../../engine/store/memstore/memstore.ts";
import type { ObjectStore } from "../../engine/store/object-store.ts";
import { type StoreDriver, StoreVolume, volumeCounters } from "../../engine/store/volume.ts";
import { makeVolume, readVolume, VolumeLayout } from "../../engine/store/volume-layout.ts";
import { settled, volumeParts } from "./store-subjects.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));

interface Place {
  readonly name: string;
  readonly blockBytes: number;
  /** Small, so that operations cross the bounds of objects. */
  readonly objectBytes: number;
}

const depth = 16;
const firstSlot = 24;

async function volumeOn(
  clock: VirtualClock,
  store: ObjectStore,
  driver: StoreDriver | null,
  place: Place,
): Promise<BlockDevice> {
  const { blockBytes, objectBytes } = place;
  await settled(clock, makeVolume(store, { objectBytes, collectionBits: 2 }, "store"));
  const layout = new VolumeLayout(await settled(clock, readVolume(store, "store")));
  return new StoreVolume({
    store,
    driver,
    layout,
    clock,
    firstSlot,
    slots: depth,
    notes: [],
    counters: volumeCounters(),
    closed: () => {},
    facts: {
      name: place.name,
      sizeBytes: 200 * blockBytes,
      blockBytes,
      deviceClass: "ssd",
      classReason: "",
      rotational: false,
      writeCache: false,
      queueDepth: depth,
    },
  });
}

function subjectOf(
  place: Place,
  make: (clock: VirtualClock) => Promise<{ store: ObjectStore; driver: StoreDriver | null }>,
): ConformanceSubject {
  return {
    name: place.name,
    open: async (): Promise<OpenedDevice> => {
      const clock = new VirtualClock();
      const { store, driver } = await make(clock);
      const device = await volumeOn(clock, store, driver, place);
      const pass = async (): Promise<void> => {
        clock.step();
        await Promise.resolve();
      };
      return { device, pass, below: null };
    },
    openFailing: null,
    openShort: null,
  };
}

async function memStore(clock: VirtualClock) {
  const arena = heapArena(32_768, firstSlot + depth);
  return { store: new MemStore({ clock, sizeBytes: 2 ** 26, arena }), driver: null };
}

function blueStore(options: Parameters<typeof volumeParts>[3]) {
  return async (clock: VirtualClock) => {
    const device = new MemoryDevice({
      clock,
      sizeBytes: 24 * 2 ** 20,
      depth: 64,
      slotBytes: 32_768,
      slotCount: firstSlot + depth,
    });
    const mux = () => new DeviceMux(device, { capacity: 64, selfDriven: true });
    await settled(clock, makeStore(volumeParts(clock, mux(), new SeededRandom(seed), options)));
    const own = mux();
    const store = await settled(
      clock,
      BlueStore.mount(volumeParts(clock, own, new SeededRandom(seed), options)),
    );
    const driver: StoreDriver = {
      cork: (writes) => store.cork(writes),
      uncork: () => store.uncork(),
      poll: () => {
        own.poll();
      },
      wait: () => own.wait(),
    };
    return { store, driver };
  };
}

const subjects: readonly ConformanceSubject[] = [
  subjectOf({ name: "over memstore", blockBytes: 512, objectBytes: 4096 }, memStore),
  subjectOf({ name: "over memstore, single bytes", blockBytes: 1, objectBytes: 4096 }, memStore),
  subjectOf({ name: "over bluestore", blockBytes: 4096, objectBytes: 16_384 }, blueStore({})),
  subjectOf(
    { name: "over bluestore, 512-byte blocks, deferred", blockBytes: 512, objectBytes: 4096 },
    blueStore({ preferDeferredBytes: 65536, deferredBatchOps: 4, maxDeferIntervalNs: 1e6 }),
  ),
];

for (const subject of subjects) {
  describe(`volume ${subject.name}`, () => {
    for (const check of conformanceChecks) {
      it(check.name, async (context) => {
        const result = await runCheck(subject, check, seed);
        if (result.outcome === "skipped") {
          context.skip(result.reason);
        }
        expect(result.outcome, result.reason).toBe("passed");
      });
    }
  });
}
