/** The object stores that the conformance suite runs on. */
import { heapArena } from "../../engine/device/check-op.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";
import type { StoreHarness, StoreSubject } from "../../engine/store/conformance.ts";
import { MemStore } from "../../engine/store/memstore/memstore.ts";

const sizeBytes = 24 * 1024 * 1024;

export const memStoreSubject: StoreSubject = {
  name: "memstore",
  sizeBytes,
  create: async (): Promise<StoreHarness> => {
    const clock = new VirtualClock();
    const store = new MemStore({ clock, sizeBytes, arena: heapArena(65536, 8) });
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

export const storeSubjects: readonly StoreSubject[] = [memStoreSubject];
