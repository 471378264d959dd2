/** The write log is a block device: it keeps the contract of one, in both modes, over simulated disks. */
import { describe, expect, it } from "vitest";
import { conformanceChecks, runCheck } from "../../engine/hot/ioengine/conformance.ts";
import type {
  ConformanceSubject,
  OpenedDevice,
} from "../../engine/hot/ioengine/conformance-session.ts";
import type { WriteLogTuning } from "../../engine/hot/writelog/log-state.ts";
import { createWriteLog, openWriteLog } from "../../engine/hot/writelog/open.ts";
import { World } from "../../engine/sim/world.ts";
import { settle } from "./kv-subjects.ts";
import { failAll } from "./subjects.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));

interface Shape {
  readonly mode: "ssd" | "pmem";
  readonly fua: boolean;
  readonly tuning?: Partial<WriteLogTuning>;
}

/** A log of 600 KiB before an image of 512 KiB in blocks of 512 bytes: it is full again and again. */
async function open({ mode, fua, tuning = {} }: Shape, failing: boolean): Promise<OpenedDevice> {
  const world = new World({ seed, settle });
  const log = world.disk({
    name: "log",
    sizeBytes: 600 << 10,
    fua,
    depth: 16,
    slotBytes: 8192,
    blockBytes: mode === "pmem" ? 64 : 4096,
  });
  const image = world.disk({
    name: "image",
    sizeBytes: 512 << 10,
    depth: 24,
    slotBytes: 8192,
    blockBytes: 512,
  });
  const { clock } = world;
  await world.run(
    createWriteLog({
      mode,
      log: log.device,
      image: image.device.facts,
      imageId: "image",
      imageUri: "sim:image",
      logId: world.random.below(2 ** 32),
    }).then(() => {}),
  );
  const device = await world.run(
    openWriteLog({
      image: failing ? failAll(image.device, clock) : image.device,
      log: log.device,
      clock,
      imageId: "image",
      tuning: { writeBackDepth: 8, recordBytes: 32_768, ...tuning },
    }),
  );
  return {
    device,
    pass: async () => {
      clock.step();
      await settle();
    },
    below: null,
  };
}

const shapes: Readonly<Record<string, Shape>> = {
  "ssd, writes durable by themselves": { mode: "ssd", fua: true },
  "ssd, on a device that knows flushes only": { mode: "ssd", fua: false },
  "ssd, persistent at flushes": { mode: "ssd", fua: true, tuning: { persist: "flush" } },
  pmem: { mode: "pmem", fua: true },
  "pmem, persistent at writes": { mode: "pmem", fua: true, tuning: { persist: "write" } },
};

for (const [name, shape] of Object.entries(shapes)) {
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
