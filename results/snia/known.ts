/** What an earlier part of a test left in a directory. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { fileRecord } from "../sweep/file-record.ts";
import { checkGiven, type Given } from "../sweep/given.ts";
import { holdsRecord } from "../sweep/known.ts";
import type { SweepRecord } from "../sweep-record.ts";
import type { SniaDevice } from "./device.ts";
import type { SniaSizes } from "./procedures.ts";
import type { SniaSpec } from "./spec.ts";

/** Everything that makes two tests the same one. */
function shapeOf(snia: SweepRecord["snia"]): string {
  return JSON.stringify([
    ...[snia?.test, snia?.edition, snia?.class, snia?.target, snia?.capacity_bytes],
    ...[snia?.active_bytes, snia?.minute_seconds, snia?.cycles, snia?.threads, snia?.depth],
  ]);
}

/**
 * The record of the test to resume; null for a new one, whose directory must be free. Throws `bad-input`
 * when there is none, or another one; changes nothing but half a first record.
 */
export function knownSnia(
  directory: string,
  resume: boolean,
  spec: SniaSpec,
  device: SniaDevice,
  sizes: SniaSizes,
  given: Given,
): SweepRecord | null {
  if (!holdsRecord(directory, resume, "sweep.json", "sweep")) {
    return null;
  }
  const known = JSON.parse(readFileSync(join(directory, "sweep.json"), "utf8")) as SweepRecord;
  const asked = shapeOf({
    ...({ edition: spec.edition, test: spec.test, class: spec.deviceClass } as const),
    ...{ target: device.target, capacity_bytes: sizes.capacityBytes },
    ...{ active_bytes: sizes.activeBytes, minute_seconds: spec.scale.minuteSeconds },
    ...{ cycles: spec.scale.cycles, threads: spec.threads, depth: spec.depth },
  } as NonNullable<SweepRecord["snia"]>);
  if (known.snia === undefined || shapeOf(known.snia) !== asked) {
    const what = `${known.name} holds another test, target or scale`;
    throw new OsdynoError("bad-input", `--resume ${directory}: ${what}; start anew with --out`);
  }
  const file = spec.text === undefined ? {} : { file: fileRecord(spec.file, spec.text) };
  checkGiven(directory, known, { given, ...file });
  return known;
}
