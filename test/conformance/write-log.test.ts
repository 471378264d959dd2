/** The write log is a block device: it keeps the contract of one, in both modes, over simulated disks. */
import { describe, expect, it } from "vitest";
import { conformanceChecks, runCheck } from "../../engine/hot/ioengine/conformance.ts";
import type { WriteLogTuning } from "../../engine/hot/writelog/log-state.ts";
import { writeLogKind } from "../../engine/hot/writelog/registry.ts";
import { writeLogSubject } from "../../engine/sim/layer-subjects.ts";
import { settle } from "./kv-subjects.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));

interface Shape {
  readonly mode: string;
  readonly fua: boolean;
  readonly tuning?: Partial<WriteLogTuning>;
}

const shapes: Readonly<Record<string, Shape>> = {
  "ssd, writes durable by themselves": { mode: "ssd", fua: true },
  "ssd, on a device that knows flushes only": { mode: "ssd", fua: false },
  "ssd, persistent at flushes": { mode: "ssd", fua: true, tuning: { persist: "flush" } },
  pmem: { mode: "pmem", fua: true },
  "pmem by its older name, persistent at writes": {
    mode: "rwl",
    fua: true,
    tuning: { persist: "write" },
  },
};

describe.each(Object.entries(shapes))("%s", (_name, { mode, fua, tuning }) => {
  const subject = writeLogSubject(writeLogKind(mode), { fua, seed, settle }, tuning);
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
