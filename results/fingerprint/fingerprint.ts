/** A fingerprint from its plan to its profile. */
import { closeSync, ftruncateSync, openSync, rmSync } from "node:fs";
import { hostname, release } from "node:os";
import { OsdynoError } from "../../engine/base/error.ts";
import { SyntheticDevice } from "../../engine/device/synthetic.ts";
import { NativeBlockDevice } from "../../engine/hot/ioengine/native-device.ts";
import { RealClock } from "../../engine/os/clock.ts";
import type { BlockDevice } from "../../engine/port/block-device.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";
import { figureOf, sustainedOf } from "./figures.ts";
import { ioCostLines } from "./io-cost.ts";
import { runLoad, type Stand } from "./load.ts";
import { type Measured, type MeasureOptions, measureDevice, sampledWrites } from "./measure.ts";
import { type FingerprintPlace, type PlaceFacts, placeFacts } from "./place.ts";
import { pointsFor } from "./points.ts";
import { type Profile, profileSchemaName } from "./profile.ts";
import { realStand, standDepth, standSlotBytes, standSlots, virtualStand } from "./stand.ts";

export interface FingerprintRequest {
  readonly place: FingerprintPlace;
  readonly readOnly: boolean;
  readonly rounds: number;
  readonly sampleNs: number;
  readonly budgetBytes: number;
  /** Of a file that is made; also what of a device is looked at, at most. `null`: by the budget. */
  readonly sizeBytes: number | null;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onStep: MeasureOptions["onStep"];
}

export interface FingerprintPlan {
  readonly regionBytes: number;
  /** Bytes written at most. */
  readonly writeBytes: number;
  /** Seconds of the samples; the writing of the region comes on top. */
  readonly seconds: number;
  readonly points: number;
}

/** In virtual time operations cost the machine more than the time that they stand for. */
const virtualSampleOps = 3000;
const usualSampleOps = 1 << 30;
const leastRegion = 64 << 20;
const blockGuess = 512;

function sampleOpsOf({ place }: FingerprintRequest): number {
  return place.kind === "synthetic" ? virtualSampleOps : usualSampleOps;
}

/** What the fingerprint is going to do. Throws `bad-input` when the budget does not suffice. */
export function planFingerprint(request: FingerprintRequest): FingerprintPlan {
  const { place, readOnly, rounds, budgetBytes } = request;
  const whole = place.kind === "synthetic" ? place.spec.size : place.sizeBytes;
  const needs = {
    blockBytes: blockGuess,
    regionBytes: whole,
    queueDepth: standDepth,
    fua: true,
    readOnly,
  };
  const samples = readOnly ? 0 : sampledWrites(needs, rounds, sampleOpsOf(request));
  const left = budgetBytes - samples;
  // The rest of the budget fills the region and goes on for half as much again.
  const most = place.kind === "synthetic" || readOnly ? whole : Math.floor((left * 2) / 3);
  const room = place.kind === "path" && place.made ? Math.floor(whole * 0.9) : whole;
  const wanted = request.sizeBytes ?? Number.POSITIVE_INFINITY;
  const region = Math.min(room, most, wanted);
  const regionBytes = region - (region % (4 << 20 > region ? 4096 : 4 << 20));
  if (regionBytes < Math.min(leastRegion, whole)) {
    throw new OsdynoError(
      "bad-input",
      place.kind === "path" && place.made && room < leastRegion
        ? `no room for a file of ${leastRegion} bytes`
        : `--budget leaves ${Math.max(0, regionBytes)} bytes to fill beside ${samples} bytes of samples; raise it, or lower --rounds`,
    );
  }
  const points = pointsFor({ ...needs, regionBytes }).length;
  return {
    regionBytes,
    writeBytes: readOnly ? 0 : Math.max(budgetBytes, samples),
    seconds: (points * rounds * request.sampleNs) / 1e9,
    points,
  };
}

/** What the generator itself takes for an operation, ns: on a device that completes at once. */
function hostNsOf(clock: RealClock): number {
  const device = new NativeBlockDevice({
    engine: { kind: "null" },
    sizeBytes: 1 << 30,
    depth: 1,
    slotBytes: 4096,
    slotCount: 1,
  });
  try {
    const stand: Stand = {
      device,
      regionBytes: 1 << 30,
      nowNs: () => clock.nowNs(),
      pass: () => {},
      work: () => {},
    };
    const load = {
      writeShare: 0,
      bytes: 4096,
      depth: 1,
      order: "random",
      durability: "none",
      writesPerFlush: 1,
      seed: 1,
    } as const;
    runLoad(stand, load, { ns: 5e7, ops: 50_000, leastOps: 100 });
    const { elapsedNs, ops, meanNs } = runLoad(stand, load, { ns: 1e8, ops: 1e5, leastOps: 100 });
    return Math.max(0, Math.round(elapsedNs / ops - meanNs));
  } finally {
    device.close();
  }
}

function makeFile(path: string, bytes: number): void {
  const file = openSync(path, "wx");
  try {
    ftruncateSync(file, bytes);
  } finally {
    closeSync(file);
  }
}

/** Direct where the file system takes it; the engine says in its own words when it does not open. */
function openPath(path: string, write: boolean, regionBytes: number): NativeBlockDevice {
  return new NativeBlockDevice({
    engine: { kind: "io_uring" },
    path,
    write,
    direct: true,
    depth: standDepth,
    slotBytes: standSlotBytes,
    slotCount: standSlots,
    sizeBytes: regionBytes,
  });
}

interface Opened {
  readonly stand: Stand;
  readonly clock: "real" | "virtual";
  readonly engine: string;
  readonly hostNs: number;
  close(): void;
}

function openSynthetic(request: FingerprintRequest, regionBytes: number): Opened {
  const { place } = request;
  if (place.kind !== "synthetic") {
    throw new Error("internal error: this place is no synthetic device");
  }
  const clock = new VirtualClock(1e9);
  const device: BlockDevice = new SyntheticDevice({
    spec: place.spec,
    clock,
    depth: standDepth,
    slotBytes: standSlotBytes,
    slotCount: 1,
  });
  return {
    stand: virtualStand(device, clock, regionBytes, 0),
    clock: "virtual",
    engine: "the synthetic device",
    hostNs: 0,
    close: () => device.close(),
  };
}

function openReal(request: FingerprintRequest, regionBytes: number): Opened {
  const { place, readOnly } = request;
  if (place.kind !== "path") {
    throw new Error("internal error: this place has no path");
  }
  const clock = new RealClock();
  if (place.made) {
    makeFile(place.path, regionBytes);
  }
  const remove = () => {
    if (place.made) {
      rmSync(place.path, { force: true });
    }
  };
  try {
    const hostNs = hostNsOf(clock);
    const device = openPath(place.path, !readOnly, regionBytes);
    return {
      stand: realStand(device, clock, regionBytes),
      clock: "real",
      engine: "io_uring, direct",
      hostNs,
      close: () => {
        device.close();
        clock.close();
        remove();
      },
    };
  } catch (error) {
    clock.close();
    remove();
    throw error;
  }
}

function notesOf(request: FingerprintRequest, facts: PlaceFacts): string[] {
  const { place, readOnly } = request;
  return [
    ...(place.kind === "synthetic"
      ? ["modelled: the synthetic device in virtual time, no hardware was measured"]
      : []),
    ...(readOnly
      ? ["nothing was written: no figures of writes, and reads may be of data never written"]
      : []),
    ...(facts.device.name !== "synthetic" && facts.deviceNumber === null
      ? ["a file with no device of its own below: caches of the host count as the device"]
      : []),
  ];
}

/** Measures and removes what it made. Throws `io`, `interrupted`; then there is no profile. */
export async function fingerprint(
  request: FingerprintRequest,
  plan: FingerprintPlan,
): Promise<Profile> {
  const { place, rounds, sampleNs, seed, readOnly } = request;
  const facts = placeFacts(place);
  const opened =
    place.kind === "synthetic"
      ? openSynthetic(request, plan.regionBytes)
      : openReal(request, plan.regionBytes);
  try {
    const { stand } = opened;
    const measured: Measured = await measureDevice(stand, {
      readOnly,
      rounds,
      sampleNs,
      sampleOps: sampleOpsOf(request),
      budgetBytes: plan.writeBytes,
      seed,
      signal: request.signal,
      onStep: request.onStep,
    });
    const figures = measured.points.map(figureOf);
    return {
      schema: profileSchemaName,
      name: facts.name,
      class: facts.class,
      class_reason: facts.classReason,
      device: {
        ...facts.device,
        size_bytes: place.kind === "synthetic" || place.made ? plan.regionBytes : place.sizeBytes,
        block_bytes: stand.device.facts.blockBytes,
      },
      measured: {
        tool: "osdyno fingerprint",
        at: new Date().toISOString(),
        host: opened.clock === "real" ? hostname() : null,
        kernel: opened.clock === "real" ? release() : null,
        clock: opened.clock,
        engine: opened.engine,
        rounds,
        sample_ns: sampleNs,
        seed,
        region_bytes: plan.regionBytes,
        written_bytes: measured.writtenBytes,
        host_ns_per_operation: opened.hostNs,
        notes: notesOf(request, facts),
      },
      linux: ioCostLines(figures, facts.deviceNumber ?? "MAJOR:MINOR"),
      ceph: null,
      figures,
      sustained_write: sustainedOf(measured.windows),
    };
  } finally {
    opened.close();
  }
}
