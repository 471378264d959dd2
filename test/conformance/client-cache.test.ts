/** A client cache is a block device: it keeps the contract of one, under every policy. */
import { describe, expect, it } from "vitest";
import { clientCacheKind, clientCacheKinds } from "../../engine/hot/clientcache/registry.ts";
import { clientCacheDefaults } from "../../engine/hot/clientcache/tuning.ts";
import {
  type ConformanceSubject,
  conformanceChecks,
  type OpenedDevice,
  runCheck,
} from "../../engine/hot/ioengine/conformance.ts";
import { World } from "../../engine/sim/world.ts";
import { settle } from "./kv-subjects.ts";
import { failAll } from "./subjects.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));

interface Shape {
  readonly policy: string;
  readonly fua: boolean;
  readonly sizeBytes: number;
}

async function open(shape: Shape, failing: boolean): Promise<OpenedDevice> {
  const world = new World({ seed, settle });
  const { device } = world.disk({
    name: "image",
    sizeBytes: 512 << 10,
    depth: 24,
    slotBytes: 8192,
    blockBytes: 512,
    fua: shape.fua,
  });
  const { clock } = world;
  const cache = await clientCacheKind(shape.policy).open({
    image: failing ? failAll(device, clock) : device,
    clock,
    tuning: {
      ...clientCacheDefaults,
      sizeBytes: shape.sizeBytes,
      maxDirtyBytes: shape.sizeBytes / 2,
      targetDirtyBytes: shape.sizeBytes / 4,
      maxDirtyAgeNs: 2e6,
    },
  });
  return {
    device: cache,
    pass: async () => {
      clock.step();
      await settle();
    },
    below: null,
  };
}

const shapes = clientCacheKinds().flatMap(({ name }) => [
  { policy: name, fua: true, sizeBytes: 64 << 10 },
  { policy: name, fua: false, sizeBytes: 1 << 20 },
  { policy: name, fua: true, sizeBytes: 0 },
]);

for (const shape of shapes) {
  const name = `${shape.policy}, ${shape.sizeBytes} bytes${shape.fua ? "" : ", flushes only"}`;
  describe(name, () => {
    const subject: ConformanceSubject = {
      name,
      open: () => open(shape, false),
      openFailing: null,
      openShort: null,
    };
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
