/** The device of a persistent write log: what its option names, and what stands there. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import { backingOfPath, probeContext } from "../engine/device/probe.ts";
import { sharesBytes } from "../engine/device/same-device.ts";
import { parseNullTarget, type SyntheticSpec } from "../engine/device/synthetic-spec.ts";
import {
  decodeRoot,
  firstAreaBytes,
  type Root,
  type RootFault,
  rootBytes,
  rootOffsets,
} from "../engine/hot/writelog/log-format.ts";
import { holdsRecords, traceBytes } from "../engine/hot/writelog/log-traces.ts";
import { imageUnits } from "../engine/hot/writelog/open.ts";
import type { OptionSet } from "../engine/options/option-set.ts";
import type { DeviceFacts } from "../engine/port/block-device.ts";
import { blockDeviceBytes, lookUp } from "./planned-path.ts";
import { resolveExisting } from "./scratch.ts";

/** A write log of a run. */
export interface PlannedLog {
  /** As `rbd_persistent_cache_mode` names it. */
  readonly mode: string;
  /** Null: a synthetic device. */
  readonly path: string | null;
  readonly model: SyntheticSpec | null;
  readonly sizeBytes: number;
  /** What stands at the path. */
  readonly found: FoundLog;
}

/**
 * What stands where a log is to be: nothing, something else, a write log whose roots are damaged or of another
 * version, or one whose newest root that is.
 */
export type FoundLog = "absent" | "foreign" | "damaged" | "version" | Root;

/** The root of a log that is there and can be read. */
export function rootIn({ found }: PlannedLog): Root | null {
  return typeof found === "string" ? null : found;
}

/** The log may hold writes that its image lacks: they go there when it is opened. */
export function isUnfinished(log: PlannedLog): boolean {
  return rootIn(log)?.clean === false;
}

/** False: a device that nobody may open; whether it is in use is for the safety verdict to say. */
function mayBeOpened(path: string, stat: Stats): boolean {
  try {
    closeSync(openSync(path, "r"));
    return true;
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    if (stat.isBlockDevice() && ["EPERM", "EACCES", "EBUSY"].includes(code)) {
      return false;
    }
    throw new OsdynoError("io", `${path}: ${message}`, {}, error);
  }
}

/** The newest root in the first bytes of a file, or why there is none. */
function rootOf(path: string): Root | Exclude<FoundLog, "absent"> {
  const file = openSync(path, "r");
  try {
    const copies = rootOffsets.map((offset) => {
      const bytes = new Uint8Array(rootBytes);
      readSync(file, bytes, 0, rootBytes, offset);
      return decodeRoot(bytes);
    });
    const whole = copies.filter((copy) => typeof copy !== "string");
    const newest = whole.sort((a, b) => b.sequence - a.sequence)[0];
    const fault = copies.find(
      (copy): copy is RootFault => copy === "damaged" || copy === "version",
    );
    if (newest !== undefined || fault !== undefined) {
      return newest ?? (fault as "damaged" | "version");
    }
    return recordsIn(file) ? "damaged" : "foreign";
  } finally {
    closeSync(file);
  }
}

/** Roots are gone where the records of a log are still there. */
function recordsIn(file: number): boolean {
  const bytes = new Uint8Array(1 << 20);
  for (let at = firstAreaBytes; at < firstAreaBytes + traceBytes; at += bytes.length) {
    const length = readSync(file, bytes, 0, bytes.length, at);
    if (holdsRecords(bytes.subarray(0, length))) {
      return true;
    }
    if (length < bytes.length) {
      return false;
    }
  }
  return false;
}

/**
 * Refuses a log on what the run itself reads or writes: making it would destroy that. `used` are paths with their
 * links resolved, and what each is to the run. Throws `unsafe`.
 */
export function refuseSharedLog(
  log: PlannedLog,
  used: readonly { readonly path: string; readonly what: string }[],
): void {
  const { path } = log;
  const other = path === null ? undefined : used.find((one) => sharesBytes(path, one.path));
  if (other !== undefined) {
    throw new OsdynoError(
      "unsafe",
      `the write log on ${path ?? "?"} would overwrite ${other.what} ${other.path}: it is the same file or device, or lies on it; give the log one of its own`,
    );
  }
}

function foundAt(path: string, stat: Stats): FoundLog {
  if (stat.isFile() && stat.size === 0) {
    return "absent";
  }
  return mayBeOpened(path, stat) ? rootOf(path) : "foreign";
}

/** What stands at a log's place now. Throws `io`. */
export function logAt(path: string): FoundLog {
  const stat = lookUp(path);
  return stat === null ? "absent" : foundAt(path, stat);
}

/** Plans the log that stands before `imageUri`. Throws `bad-input`. */
export function plannedLog(options: OptionSet, imageUri: string, directory: string): PlannedLog {
  const named = options.text("rbd_persistent_cache_path");
  const wanted = options.number("rbd_persistent_cache_size");
  const asked = options.isSet("rbd_persistent_cache_mode")
    ? options.text("rbd_persistent_cache_mode")
    : null;
  if (named.startsWith("null:")) {
    const model = parseNullTarget(named);
    if (model === null) {
      throw new OsdynoError(
        "bad-input",
        `rbd_persistent_cache_path=${named}: a log needs a device with data; give null:?service=...`,
      );
    }
    const sizeBytes = /[?&]size=/.test(named) ? model.size : wanted;
    const sized = { ...model, size: sizeBytes };
    return { mode: asked ?? "ssd", path: null, model: sized, sizeBytes, found: "absent" };
  }
  const given = resolveExisting(resolve(directory, named));
  const folder = statSync(given, { throwIfNoEntry: false })?.isDirectory() === true;
  const name = createHash("sha256").update(imageUri).digest("hex").slice(0, 12);
  const path = folder ? join(given, `osdyno-pwl-${name}.log`) : given;
  const stat = lookUp(path);
  const { mount, block } = backingOfPath(dirname(path), probeContext());
  const pmem = mount?.fsType === "tmpfs" || block?.deviceClass === "pmem";
  const mode = asked ?? (pmem ? "pmem" : "ssd");
  if (stat === null) {
    return { mode, path, model: null, sizeBytes: wanted, found: "absent" };
  }
  if (!stat.isFile() && !stat.isBlockDevice()) {
    throw new OsdynoError("bad-input", `${path} is neither a file nor a block device`);
  }
  const root = foundAt(path, stat);
  if (typeof root === "string") {
    const sizeBytes = stat.isBlockDevice() ? blockDeviceBytes(path, stat) : wanted;
    return { mode, path, model: null, sizeBytes, found: root };
  }
  // An empty one is made anew in the size that is asked for.
  const resized = root.clean && stat.isFile() && options.isSet("rbd_persistent_cache_size");
  const sizeBytes = resized ? wanted : root.poolBytes;
  return { mode, path, model: null, sizeBytes, found: root };
}

/** Whether the log is made anew: there is none, or one that is empty and does not fit. */
export function makesLog(log: PlannedLog, imageId: string, image: DeviceFacts): boolean {
  const { mode, sizeBytes } = log;
  const found = rootIn(log);
  if (found === null) {
    return true;
  }
  const { unitBytes, bytes } = imageUnits(image);
  // Of a log that holds writes opening it says what does not fit.
  const sized = !found.clean || (found.imageBytes === bytes && found.blockBytes === unitBytes);
  const same = found.mode === mode && found.imageId === imageId && found.poolBytes === sizeBytes;
  const fits = same && sized;
  if (fits || found.clean) {
    return !fits;
  }
  throw new OsdynoError(
    "unsafe",
    `the write log on ${log.path ?? "?"} holds writes of ${found.imageUri} (mode ${found.mode}) that are not written back; osdyno writelog flush writes them, osdyno writelog invalidate gives them up`,
  );
}
