/** What `osdyno fingerprint DEVICE` names: a device, a file, a folder for a file of its own, a synthetic device. */
import { type Stats, statfsSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import {
  backingOfPath,
  type DeviceProbe,
  probeContext,
  probeDevice,
} from "../../engine/device/probe.ts";
import { type SyntheticSpec, syntheticDefaults } from "../../engine/device/synthetic-spec.ts";
import { blockDeviceBytes } from "../../workloads/planned-path.ts";
import { parseTarget } from "../../workloads/target.ts";
import type { Profile } from "./profile.ts";

export type FingerprintPlace =
  | { readonly kind: "synthetic"; readonly text: string; readonly spec: SyntheticSpec }
  /** Memory of this process, in real time: what a shape is put over. */
  | { readonly kind: "memory"; readonly text: string }
  | {
      readonly kind: "path";
      readonly path: string;
      /** It is made for this and removed afterwards. */
      readonly made: boolean;
      /** Bytes there, or free for a file that is made. */
      readonly sizeBytes: number;
    };

function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

/** Reads what stands on the command line; touches nothing. Throws `bad-input`. */
export function fingerprintPlace(
  text: string,
  shaped: boolean,
  clock: "real" | "virtual",
): FingerprintPlace {
  const isPath = /^[./~]/.test(text) || !/^[a-z-]+:/.test(text);
  const target = isPath ? null : parseTarget(text);
  if (target?.kind === "null") {
    if (target.model === null && !shaped) {
      throw new OsdynoError(
        "bad-input",
        "fingerprint null:: it completes at once and has no figures; give it some, e.g. null:?service=50us, or --shape nvme",
      );
    }
    if (clock === "real") {
      if (!shaped || target.model !== null) {
        throw new OsdynoError(
          "bad-input",
          `fingerprint ${text} --clock real: in real time null: is memory, which needs a --shape and no parameters`,
        );
      }
      return { kind: "memory", text: "memory" };
    }
    return { kind: "synthetic", text, spec: target.model ?? syntheticDefaults };
  }
  if (target !== null && target.kind !== "raw") {
    throw new OsdynoError(
      "bad-input",
      `fingerprint ${text}: give a block device, a file, a folder or null:?...`,
    );
  }
  const path = resolve(target?.path ?? text);
  const found = statOf(path);
  if (found?.isDirectory() === true) {
    const file = join(path, `osdyno-fingerprint-${process.pid}.tmp`);
    return { kind: "path", path: file, made: true, sizeBytes: freeBytes(path) };
  }
  if (found === null) {
    const folder = dirname(path);
    if (statOf(folder)?.isDirectory() !== true) {
      throw new OsdynoError("bad-input", `fingerprint ${text}: no such file, nor a folder for it`);
    }
    return { kind: "path", path, made: true, sizeBytes: freeBytes(folder) };
  }
  if (!found.isBlockDevice() && !found.isFile()) {
    throw new OsdynoError("bad-input", `fingerprint ${text}: neither a device nor a file`);
  }
  const sizeBytes = found.isBlockDevice() ? blockDeviceBytes(path, found) : found.size;
  if (sizeBytes < 1 << 20) {
    throw new OsdynoError("bad-input", `fingerprint ${text}: smaller than 1 MiB`);
  }
  return { kind: "path", path, made: false, sizeBytes };
}

export interface PlaceFacts {
  readonly name: string;
  readonly deviceNumber: string | null;
  readonly class: Profile["class"];
  readonly classReason: string;
  readonly device: Omit<Profile["device"], "block_bytes" | "size_bytes">;
}

function factsOfProbe(path: string, probe: DeviceProbe): PlaceFacts {
  const { block } = probe;
  const slug = (word: string) => word.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  const words = [block?.model ?? "", block?.disk ?? basename(path)].filter((word) => word !== "");
  return {
    name: words.map(slug).join("-") || "device",
    deviceNumber: block?.deviceNumber ?? null,
    class: probe.deviceClass,
    classReason: probe.classReason,
    device: {
      path,
      name: block?.disk ?? basename(path),
      model: block?.model ?? null,
      serial: block?.serial ?? null,
      scheduler: block?.scheduler ?? null,
      write_cache: block?.writeCache ?? null,
      rotational: block?.rotational ?? null,
    },
  };
}

/** What is known of the device under the place; a file that is made need not be there yet. */
export function placeFacts(place: FingerprintPlace): PlaceFacts {
  if (place.kind !== "path") {
    return {
      name: place.kind,
      deviceNumber: null,
      class: "ssd",
      classReason: `${place.kind} device`,
      device: {
        path: place.text,
        name: place.kind,
        model: null,
        serial: null,
        scheduler: null,
        write_cache: false,
        rotational: false,
      },
    };
  }
  if (statOf(place.path) !== null) {
    return factsOfProbe(place.path, probeDevice(place.path));
  }
  // Of a file that is not there: what the folder lies on.
  const { mount, block } = backingOfPath(dirname(place.path), probeContext());
  const name = block?.disk ?? mount?.fsType ?? "file";
  return {
    name,
    deviceNumber: block?.deviceNumber ?? null,
    class: block?.deviceClass ?? "ssd",
    classReason:
      block?.classReason ?? `a file on ${mount?.fsType ?? "no file system"} counts as ssd`,
    device: {
      path: place.path,
      name,
      model: block?.model ?? null,
      serial: block?.serial ?? null,
      scheduler: block?.scheduler ?? null,
      write_cache: block?.writeCache ?? null,
      rotational: block?.rotational ?? null,
    },
  };
}
