/** The device of a persistent write log: what its option names, and what stands there. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import { backingOfPath, probeContext } from "../engine/device/probe.ts";
import { parseNullTarget, type SyntheticSpec } from "../engine/device/synthetic-spec.ts";
import {
  decodeRoot,
  type Root,
  rootBytes,
  rootOffsets,
} from "../engine/hot/writelog/log-format.ts";
import type { OptionSet } from "../engine/options/option-set.ts";
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
  /** What stands at the path: nothing, a write log (whose root that is), or something else. */
  readonly found: "absent" | "foreign" | Root;
}

/** The newest root in the first bytes of a file; `null`: it holds no write log. */
function rootOf(path: string): Root | null {
  const file = openSync(path, "r");
  try {
    const copies = rootOffsets.map((offset) => {
      const bytes = new Uint8Array(rootBytes);
      readSync(file, bytes, 0, rootBytes, offset);
      return decodeRoot(bytes);
    });
    const whole = copies.filter((copy) => typeof copy !== "string");
    return whole.sort((a, b) => b.sequence - a.sequence)[0] ?? null;
  } finally {
    closeSync(file);
  }
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
  const present = stat.isBlockDevice() ? blockDeviceBytes(path, stat) : Number(stat.size);
  const root = rootOf(path);
  if (root === null) {
    return {
      mode,
      path,
      model: null,
      sizeBytes: stat.isBlockDevice() ? present : wanted,
      found: present === 0 && !stat.isBlockDevice() ? "absent" : "foreign",
    };
  }
  // An empty one is made anew in the size that is asked for.
  const resized = root.clean && stat.isFile() && options.isSet("rbd_persistent_cache_size");
  const sizeBytes = resized ? wanted : root.poolBytes;
  return { mode, path, model: null, sizeBytes, found: root };
}

/** Whether the log is made anew: there is none, or one that is empty and does not fit. */
export function makesLog(log: PlannedLog, imageId: string): boolean {
  const { found, mode, sizeBytes } = log;
  if (found === "absent" || found === "foreign") {
    return true;
  }
  const fits = found.mode === mode && found.imageId === imageId && found.poolBytes === sizeBytes;
  if (fits || found.clean) {
    return !fits;
  }
  throw new OsdynoError(
    "unsafe",
    `the write log on ${log.path ?? "?"} holds writes of ${found.imageUri} (mode ${found.mode}) that are not written back; osdyno writelog flush writes them, osdyno writelog invalidate gives them up`,
  );
}
