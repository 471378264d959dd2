/**
 * Stores that are filled and aged before they are measured. A store is prepared once for all points
 * whose options write the same form to the disk; its files are then put aside and brought back before
 * each run, so that every run finds the same store.
 */
import { createHash } from "node:crypto";
import { OsdynoError } from "../../engine/base/error.ts";
import { shapesDisk } from "../../engine/options/on-disk.ts";
import type { RunPlan } from "../../workloads/plan-model.ts";
import { type PlannedStore, plannedVolumeBytes } from "../../workloads/store-plan.ts";
import { notActing } from "./judge.ts";
import type { Point } from "./points.ts";
import type { PrepareSpec, SweepSpec } from "./spec.ts";

/** What is prepared once. */
export interface Preparation {
  /** Names the files that are put aside. */
  readonly key: string;
  /** The job that fills and ages, as a job file. */
  readonly job: string;
  /** Options that hold meanwhile: those that shape what is on the disk. */
  readonly options: Readonly<Record<string, string>>;
  readonly preset: string | null;
  readonly deviceClass: string | null;
  /** Of the device under the store, which decides what the store is made with. */
  readonly shape: string | null;
  readonly target: string | null;
  /** Bytes that are written and deleted. */
  readonly bytes: number;
  /** Of the store, which is written before each run. */
  readonly storeBytes: number;
}

const pieceBytes = 2 ** 20;

/** Sizes of the overwrites: mostly small, as users of a block device write. */
const overwriteSizes = "4k/35:8k/15:16k/15:32k/10:64k/15:128k/5:256k/5";
/** Sizes of what is deleted and written anew. */
const deleteSizes = "16k/25:64k/35:256k/25:1m/15";

/** The store that a point's run uses; throws `bad-input` when it has none, or several. */
function storeOf(spec: SweepSpec, point: Point, plan: RunPlan): PlannedStore | null {
  const [store, ...more] = plan.stores;
  const line = spec.prepare?.line ?? 1;
  if (more.length > 0) {
    throw new OsdynoError("bad-input", `prepare: point ${point.id} uses several stores`, {
      file: spec.file,
      line,
    });
  }
  return store ?? null;
}

function jobText(prepare: PrepareSpec, filledBytes: number, agedBytes: number): string {
  const half = Math.ceil(agedBytes / 2 / pieceBytes) * pieceBytes;
  const lines = [
    ...["[global]", `size=${filledBytes}`, "direct=1", "norandommap"],
    ...["[fill]", "rw=write", "bs=1m", "iodepth=8"],
  ];
  const age = [
    ...["[overwrite]", "stonewall", "rw=randwrite", `bssplit=${overwriteSizes}`, "iodepth=64"],
    `io_size=${half}`,
    ...["[delete]", "rw=randtrimwrite", `bssplit=${deleteSizes}`, "iodepth=16"],
    `io_size=${half}`,
  ];
  return `${[...lines, ...(prepare.age > 0 ? age : [])].join("\n")}\n`;
}

/** What a point's store needs before its runs; null when it has no store or nothing is asked. */
export function preparationOf(spec: SweepSpec, point: Point, plan: RunPlan): Preparation | null {
  const { prepare } = spec;
  const store = storeOf(spec, point, plan);
  if (prepare === null || store === null) {
    return null;
  }
  const volume = plannedVolumeBytes(store);
  const bytes = store.make?.sizeBytes ?? 0;
  const filled = Math.floor((bytes * prepare.fill) / pieceBytes) * pieceBytes;
  const at = { file: spec.file, line: prepare.line };
  if (store.make === null) {
    const what = `prepare: ${store.path} holds a store already; remove it or name another path`;
    throw new OsdynoError("bad-input", what, at);
  }
  if (filled > volume || filled === 0) {
    const share = Math.floor((100 * volume) / bytes);
    const what = `prepare: fill: the volume of a store of ${bytes} bytes is ${share}% of it`;
    throw new OsdynoError("bad-input", `${what}; give ${pieceBytes} bytes to ${share}%`, at);
  }
  const per = new Set(prepare.per);
  const options = Object.fromEntries(
    Object.entries(point.options).filter(([name]) => shapesDisk(name) || per.has(name)),
  );
  const aged = Math.floor(bytes * prepare.age);
  const job = jobText(prepare, filled, aged);
  // A parameter that is no option of its own, such as a named set, counts by its name.
  const own = prepare.per.map((name) => `${name}=${point.parameters[name] ?? notActing}`);
  const form = JSON.stringify([
    ...[store.text, bytes, job, own],
    ...[Object.entries(options).sort(), point.preset, point.deviceClass, point.shape],
  ]);
  return {
    key: createHash("sha256").update(form).digest("hex").slice(0, 12),
    job,
    options: prepare.per.every((name) => name in point.options || !(name in point.parameters))
      ? options
      : // The options of a named set act as a whole.
        point.options,
    preset: point.preset,
    deviceClass: point.deviceClass,
    shape: point.shape,
    target: point.target,
    bytes: filled + aged,
    storeBytes: bytes,
  };
}
