/** Every allocator through the suite of its hot path; and planted bugs, which the suite must find. */
import { describe, expect, it } from "vitest";
import { type Allocator, ExtentList } from "../../engine/hot/allocator/allocator.ts";
import {
  conformanceChecks,
  runCheck,
  runConformance,
} from "../../engine/hot/allocator/conformance.ts";
import firstFit, { FirstFitAllocator } from "../../engine/hot/allocator/first-fit.ts";
import { NativeAllocator } from "../../engine/hot/allocator/native-allocator.ts";
import { allocatorOfPlugIn } from "../../engine/hot/allocator/plug-in.ts";
import {
  type AllocatorKind,
  allocatorKinds,
  createAllocator,
} from "../../engine/hot/allocator/registry.ts";

/** A new seed every day finds what yesterday's did not; a failure prints it, OSDYNO_SEED repeats it. */
const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));

/** `hybrid` with room for a few ranges, so that it spills all the time. */
const spilling: AllocatorKind = {
  hotPath: "allocator",
  name: "hybrid, 8 ranges",
  describe: "",
  create: (options) =>
    new NativeAllocator("hybrid", {
      ...options,
      parameters: { bluestore_hybrid_alloc_mem_cap: 400 },
    }),
};

const model = allocatorOfPlugIn(firstFit, { create: createAllocator }, "first-fit.ts");

for (const kind of [...allocatorKinds(), spilling, model]) {
  describe(kind.name, () => {
    for (const check of conformanceChecks) {
      it(check.name, () => {
        const { outcome, reason } = runCheck(kind, check, seed);
        expect(outcome, reason).toBe("passed");
      });
    }
  });
}

/** Sound but for what a bug replaces. */
class Planted extends FirstFitAllocator {
  calls = 0;
}

const bugs: Readonly<Record<string, (sound: Planted) => Partial<Allocator>>> = {
  "gives a block of a large request twice": (sound) => ({
    allocate: (want, unit, max, hint, into) => {
      const taken = sound.allocate(want, unit, max, hint, into);
      if (taken > 20 * unit) {
        sound.release(ExtentList.of([into.offsetBytes(into.count - 1), unit]));
      }
      return taken;
    },
  }),
  "loses the end of every hundredth release": (sound) => ({
    release: (extents) => {
      sound.release(extents);
      sound.calls += 1;
      if (sound.calls % 100 === 0 && extents.count > 0) {
        const last = extents.count - 1;
        const end = extents.offsetBytes(last) + extents.lengthBytes(last);
        sound.removeFree(ExtentList.of([end - 4096, 4096]));
      }
    },
  }),
  "ignores the unit": (sound) => ({
    allocate: (want, unit, max, hint, into) =>
      sound.allocate(want, want % unit === 0 && unit > 4096 ? 4096 : unit, max, hint, into),
  }),
  "ignores the longest extent": (sound) => ({
    allocate: (want, unit, _max, hint, into) => sound.allocate(want, unit, 0, hint, into),
  }),
  "gives up with space left": (sound) => ({
    allocate: (want, unit, max, hint, into) =>
      want > sound.freeBytes() ? 0 : sound.allocate(want, unit, max, hint, into),
  }),
  "takes a double release in silence": (sound) => ({
    release: (extents) => {
      try {
        sound.release(extents);
      } catch {
        // The bug: as if nothing were wrong.
      }
    },
  }),
  "counts wrongly": (sound) => ({ freeBytes: () => sound.freeBytes() + 4096 }),
};

describe("planted bugs are found", () => {
  for (const [bug, plant] of Object.entries(bugs)) {
    it(bug, () => {
      const kind: AllocatorKind = {
        ...model,
        create: (options) => {
          const sound = new Planted(options);
          const replaced = plant(sound);
          return new Proxy<Allocator>(sound, {
            get: (target, key) => {
              const own = Reflect.get(replaced, key) ?? Reflect.get(target, key);
              return typeof own === "function" ? own.bind(target) : own;
            },
          });
        },
      };
      const failed = runConformance(kind, seed).filter(({ outcome }) => outcome === "failed");
      expect(failed.length, `seed ${seed}`).toBeGreaterThan(0);
    });
  }
});
