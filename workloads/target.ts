/** Targets as URIs (`cli.md`, Targets): what a job drives. */

import { OsdynoError } from "../engine/base/error.ts";
import { nearestName } from "../engine/base/nearest-name.ts";
import { parseNullTarget, type SyntheticSpec } from "../engine/device/synthetic-spec.ts";
import { parseStoreTarget, type StoreTarget } from "./store-target.ts";

export type Target =
  | {
      readonly kind: "raw";
      readonly text: string;
      readonly path: string;
      /** Of a write log before it. */
      readonly logDevice?: string;
    }
  | StoreTarget
  /** Of `ioengine=memory`: a buffer as large as the job's region. */
  | { readonly kind: "memory"; readonly text: string; readonly logDevice?: string }
  /** `model` null: completes at once. */
  | {
      readonly kind: "null";
      readonly text: string;
      readonly model: SyntheticSpec | null;
      readonly logDevice?: string;
    };

/** A kind of target, for `osdyno list targets`. */
export interface TargetKind {
  readonly scheme: string;
  readonly example: string;
  readonly description: string;
}

/** The kinds that exist in this version. */
export const targetKinds: readonly TargetKind[] = Object.freeze([
  {
    scheme: "raw",
    example: "raw:/dev/nvme0n1",
    description: "a block device or file, through the job's ioengine",
  },
  { scheme: "null", example: "null:", description: "completes at once and moves no data" },
  {
    scheme: "null",
    example: "null:?service=50us&jitter=exp",
    description: "the synthetic device: service-time law, jitter, stalls, errors, rate limits",
  },
  {
    scheme: "store",
    example: "store:PATH?size=8g",
    description:
      "an object store on a file or device, seen as a volume; object_size= and its options by name",
  },
  {
    scheme: "pwl",
    example: "pwl:LOGDEVICE+TARGET",
    description:
      "a persistent write log on a device, file, folder or null:?... before any of these",
  },
]);

/** `pwl:LOG+TARGET`: the target, and the log in its settings or beside it. */
function parseLogged(text: string): Target {
  const match = /^pwl:(.+?)\+((?:raw|null|store):.*)$/s.exec(text);
  if (match === null) {
    throw new OsdynoError(
      "bad-input",
      `target ${text}: expected pwl:LOGDEVICE+TARGET, e.g. pwl:/dev/nvme1n1+raw:/dev/sdb`,
    );
  }
  const [, log = "", inner = ""] = match;
  if (!inner.startsWith("store:")) {
    return { ...parseTarget(inner), logDevice: log } as Target;
  }
  if (/[&]/.test(log)) {
    throw new OsdynoError(
      "bad-input",
      `target ${text}: give a log with & in its name by --set rbd_persistent_cache_path=...`,
    );
  }
  return parseTarget(`${inner}${inner.includes("?") ? "&" : "?"}rbd_persistent_cache_path=${log}`);
}

/** Reads a target's text; throws `bad-input` with the nearest known scheme. */
export function parseTarget(text: string): Target {
  const colon = text.indexOf(":");
  const scheme = colon < 0 ? text : text.slice(0, colon);
  if (colon > 0 && scheme === "pwl") {
    return parseLogged(text);
  }
  if (colon > 0 && scheme === "raw") {
    const path = text.slice(colon + 1);
    if (path === "") {
      throw new OsdynoError("bad-input", `target ${text}: a path must follow raw:`);
    }
    return { kind: "raw", text, path };
  }
  if (colon > 0 && scheme === "null") {
    return { kind: "null", text, model: parseNullTarget(text) };
  }
  if (colon > 0 && scheme === "store") {
    return parseStoreTarget(text);
  }
  const schemes = [...new Set(targetKinds.map((kind) => kind.scheme))];
  if (text.startsWith("/") || text.startsWith("./")) {
    throw new OsdynoError("bad-input", `target ${text}: write raw:${text}`);
  }
  const guess = nearestName(scheme, schemes);
  throw new OsdynoError(
    "bad-input",
    `target ${text}: ${guess === null ? "no such kind of target" : `did you mean ${guess}:?`} (known: ${schemes.map((name) => `${name}:`).join(", ")})`,
  );
}
