/** The write log is a block device: it keeps the contract of one, in both modes, over simulated disks. */
import type { WriteLogTuning } from "../../engine/hot/writelog/log-state.ts";
import { writeLogKind } from "../../engine/hot/writelog/registry.ts";
import { writeLogSubject } from "../../engine/sim/layer-subjects.ts";
import { settle } from "./kv-subjects.ts";
import { checkLayer } from "./layer-checks.ts";

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

for (const [name, { mode, fua, tuning }] of Object.entries(shapes)) {
  checkLayer(name, writeLogSubject(writeLogKind(mode), { fua, seed, settle }, tuning), seed);
}
