/** Key-value stores on simulated disks, for their conformance suite. */
import { DeviceMux } from "../device/mux.ts";
import { conformanceOperators, type KvSubject } from "../hot/kv/conformance.ts";
import type { KeyValueEngine, KvDevice } from "../hot/kv/kv.ts";
import { ScatteredSpace } from "./scenario-waltree.ts";
import { World } from "./world.ts";

export interface KvPlaceShape {
  readonly name: string;
  /** With disks of their own for `db` and `wal`. */
  readonly separate: boolean;
  readonly fua: boolean;
  readonly blockBytes: number;
  readonly slotBytes: number;
  /** Tuning parameters. */
  readonly options: Readonly<Record<string, number>>;
  /** A turn of the event loop. */
  readonly settle: () => Promise<void>;
}

const sizeBytes = 48 << 20;
const depth = 16;
const noDevice: KvDevice = { path: null, lane: null, sizeBytes, blockBytes: 4096 };

/** A store over lanes in scattered space, in virtual time. */
export function simulatedKvSubject(engine: KeyValueEngine, shape: KvPlaceShape): KvSubject {
  const { blockBytes, slotBytes, fua, separate, settle } = shape;
  return {
    name: shape.name,
    place: () => {
      const world = new World({ seed: 3, settle });
      const disks = new Map(
        (separate ? ["main", "db", "wal"] : ["main"]).map((name) => [
          name,
          world.disk({ name, sizeBytes, blockBytes, slotBytes, fua, depth }).device,
        ]),
      );
      const device = (name: string): KvDevice | null => {
        const disk = disks.get(name);
        if (disk === undefined) {
          return null;
        }
        const mux = new DeviceMux(disk, { capacity: depth, selfDriven: true });
        return { path: null, lane: mux.lane({ depth, slots: depth }), sizeBytes, blockBytes };
      };
      return {
        open: async (how) => {
          const space = new ScatteredSpace(sizeBytes, world.random.fork("space"));
          const store = await engine.open({
            ...how,
            devices: { main: device("main") ?? noDevice, db: device("db"), wal: device("wal") },
            space,
            mergeOperators: conformanceOperators,
            options: shape.options,
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
