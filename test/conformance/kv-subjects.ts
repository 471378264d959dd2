/** The key-value stores that the conformance suite runs on. */
import { SeededRandom } from "../../engine/base/random.ts";
import { conformanceOperators, type KvSubject } from "../../engine/hot/kv/conformance.ts";
import type { KvSpace } from "../../engine/hot/kv/kv.ts";
import { openKeyValueStore } from "../../engine/hot/kv/registry.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";

const noSpace: KvSpace = {
  unitBytes: 4096,
  handle: null,
  allocate: () => undefined,
  release: () => {},
};

export const memorySubject: KvSubject = {
  name: "memory",
  place: () => {
    const clock = new VirtualClock();
    return {
      open: (how) =>
        openKeyValueStore("memory", {
          ...how,
          devices: {
            main: { path: null, lane: null, sizeBytes: 0, blockBytes: 4096 },
            db: null,
            wal: null,
          },
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

export const kvSubjects: readonly KvSubject[] = [memorySubject];
