/** A fingerprint from its plan to its profile. */
import { closeSync, ftruncateSync, openSync, rmSync } from "node:fs";
import { hostname, release } from "node:os";
import { median } from "simple-statistics";
import { OsdynoError } from "../../engine/base/error.ts";
import { ShapedDevice, timerSlackNs } from "../../engine/device/shape.ts";
import { NativeBlockDevice } from "../../engine/hot/ioengine/native-device.ts";
import { RealClock } from "../../engine/os/clock.ts";
import { Holds } from "../../engine/os/hold.ts";
import type { BlockDevice } from "../../engine/port/block-device.ts";
import { type NamedShape, shapeToYaml } from "../../workloads/shape-profile.ts";
import { classByFigures } from "./class.ts";
import { figureOf, sustainedOf } from "./figures.ts";
import { fitShape } from "./fit.ts";
import { ioCostLines } from "./io-cost.ts";
import { runLoad, type Stand } from "./load.ts";
import { type Measured, type MeasureOptions, measureDevice, sampledWrites } from "./measure.ts";
import { type FingerprintPlace, type PlaceFacts, placeFacts } from "./place.ts";
import { pointsFor } from "./points.ts";
import { type Profile, profileSchemaName } from "./profile.ts";
import { realStand, standDepth, standSlotBytes, standSlots } from "./stand.ts";
import { openVirtual } from "./virtual.ts";

export interface FingerprintRequest {
  readonly place: FingerprintPlace;
  readonly readOnly: boolean;
  readonly rounds: number;
  readonly sampleNs: number;
  readonly budgetBytes: number;
  /** Of a file that is made; also what of a device is looked at, at most. `null`: by the budget. */
  readonly sizeBytes: number | null;
  /** The device behaves like this one, over what the place is. */
  readonly shape: NamedShape | null;
  /** It turns. */
  readonly turns: boolean;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onStep: MeasureOptions["onStep"];
}

export interface FingerprintPlan {
  readonly regionBytes: number;
  /** Bytes written at most. */
  readonly writeBytes: number;
  /** Of these, by the write that goes on and on. */
  readonly streamBytes: number;
  /** Seconds of the samples; the writing of the region comes on top. */
  readonly seconds: number;
  readonly points: number;
}

/** In virtual time operations cost the machine more than the time that they stand for. */
const virtualSampleOps = 3000;
/** What a sample of a disk that turns takes in the mean, with what fills its cache. */
const turningNs = 3e9;
const usualSampleOps = 1 << 30;
const leastRegion = 64 << 20;
const blockGuess = 512;
/** Without `--size`. */
const memoryBytes = 1 << 30;

function sampleOpsOf({ place }: FingerprintRequest): number {
  return place.kind === "synthetic" ? virtualSampleOps : usualSampleOps;
}

/** Bytes that there are to measure on. */
function wholeOf({ place, shape }: FingerprintRequest): number {
  if (place.kind === "memory") {
    return Math.min(memoryBytes, shape?.shape.sizeBytes ?? memoryBytes);
  }
  const own = place.kind === "synthetic" ? place.spec.size : place.sizeBytes;
  return shape !== null && place.kind === "synthetic" ? shape.shape.sizeBytes : own;
}

/** Of disks that turn what is written does not change what is read: all of them is looked at. */
function needsFilling({ place, readOnly, shape, turns }: FingerprintRequest): boolean {
  return place.kind === "path" && !readOnly && !turns && shape === null;
}

function regionOf(request: FingerprintRequest, streamBytes: number): number {
  const { place, sizeBytes } = request;
  const whole = wholeOf(request);
  const room = place.kind === "path" && place.made ? Math.floor(whole * 0.9) : whole;
  // The rest of the budget fills the region and goes on for half as much again.
  const most = needsFilling(request) ? Math.floor((streamBytes * 2) / 3) : room;
  const made = place.kind === "path" && place.made ? Math.max(0, streamBytes) : room;
  const region = Math.min(room, most, made, sizeBytes ?? Number.POSITIVE_INFINITY);
  const unit = region < 4 << 20 ? 4096 : 4 << 20;
  return Math.max(0, region - (region % unit));
}

/** What the fingerprint is going to do. Throws `bad-input` when the budget does not suffice. */
export function planFingerprint(request: FingerprintRequest): FingerprintPlan {
  const { place, readOnly, rounds, budgetBytes, turns } = request;
  const whole = wholeOf(request);
  const needs = {
    blockBytes: blockGuess,
    regionBytes: whole,
    queueDepth: standDepth,
    fua: true,
    turns,
    readOnly,
  };
  const samples = readOnly ? 0 : sampledWrites(needs, rounds, sampleOpsOf(request));
  const left = budgetBytes - samples;
  const regionBytes = regionOf(request, left);
  if (regionBytes < Math.min(leastRegion, whole)) {
    throw new OsdynoError(
      "bad-input",
      place.kind === "path" && place.made && whole < 2 * leastRegion
        ? `no room for a file of ${leastRegion} bytes`
        : `--budget leaves ${Math.max(0, left)} bytes to fill beside ${samples} bytes of samples; raise it, or lower --rounds`,
    );
  }
  const points = pointsFor({ ...needs, regionBytes }).length;
  return {
    regionBytes,
    writeBytes: readOnly ? 0 : Math.max(budgetBytes, samples),
    streamBytes: readOnly ? 0 : Math.max(0, left),
    seconds: (points * rounds * Math.max(request.sampleNs, turns ? turningNs : 0)) / 1e9,
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
      from: null,
      seed: 1,
    } as const;
    const limits = { warmOps: 0, ns: 1e8, ops: 1e5, leastOps: 100 };
    runLoad(stand, load, { ...limits, ns: 5e7 });
    const { elapsedNs, ops, meanNs } = runLoad(stand, load, limits);
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

interface Below {
  readonly device: NativeBlockDevice;
  readonly engine: string;
}

/** Direct where the file system takes it; whether that was the reason shows the second try. */
function openPath(path: string, write: boolean, regionBytes: number): Below {
  const open = (direct: boolean) =>
    new NativeBlockDevice({
      engine: { kind: "io_uring" },
      path,
      write,
      direct,
      depth: standDepth,
      slotBytes: standSlotBytes,
      slotCount: standSlots,
      sizeBytes: regionBytes,
      ...(direct ? {} : { blockBytes: blockGuess }),
    });
  try {
    return { device: open(true), engine: "io_uring, direct" };
  } catch {
    return { device: open(false), engine: "io_uring through the page cache" };
  }
}

interface Opened {
  readonly stand: Stand;
  readonly clock: "real" | "virtual";
  readonly engine: string;
  readonly hostNs: number;
  counters(): Readonly<Record<string, number>>;
  close(): void;
}

function openSynthetic(request: FingerprintRequest, regionBytes: number): Opened {
  const { place, shape, seed } = request;
  if (place.kind !== "synthetic") {
    throw new Error("internal error: this place is no synthetic device");
  }
  const stand = openVirtual({
    shape: shape?.shape ?? null,
    spec: { ...place.spec, size: wholeOf(request) },
    regionBytes,
    hostNs: 0,
    seed,
  });
  return {
    stand,
    clock: "virtual",
    engine: shape === null ? "the synthetic device" : `the shape ${shape.text}`,
    hostNs: 0,
    counters: () => ({}),
    close: () => stand.device.close(),
  };
}

/** What is below the shape, or the device itself. */
function openBelow({ place, readOnly }: FingerprintRequest, regionBytes: number): Below {
  if (place.kind === "path") {
    return openPath(place.path, !readOnly, regionBytes);
  }
  const device = new NativeBlockDevice({
    engine: { kind: "memory", size: regionBytes },
    sizeBytes: regionBytes,
    depth: standDepth,
    slotBytes: standSlotBytes,
    slotCount: standSlots,
  });
  return { device, engine: "memory" };
}

function openReal(request: FingerprintRequest, regionBytes: number): Opened {
  const { place, shape, seed } = request;
  const clock = new RealClock();
  const holds = new Holds();
  let made: string | null = null;
  const remove = () => {
    clock.close();
    holds.close();
    if (made !== null) {
      rmSync(made, { force: true });
    }
  };
  try {
    if (place.kind === "path" && place.made) {
      makeFile(place.path, regionBytes);
      made = place.path;
    }
    if (place.kind === "path" && !request.readOnly) {
      holds.take(place.path, "shared");
    }
    const hostNs = hostNsOf(clock);
    const { device: below, engine } = openBelow(request, regionBytes);
    const device: BlockDevice =
      shape === null
        ? below
        : new ShapedDevice({ below, shape: shape.shape, clock, seed, earlyNs: timerSlackNs });
    return {
      stand: realStand(device, clock, regionBytes),
      clock: "real",
      engine: shape === null ? engine : `the shape ${shape.text} over ${engine}`,
      hostNs,
      counters: () => (device instanceof ShapedDevice ? device.counters() : {}),
      close: () => {
        device.close();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Half of the points may differ by so much from round to round. */
const calmShare = 0.3;

/** A machine on which others are at work measures them too. */
function unrestNotes(figures: Profile["figures"]): string[] {
  const shares = figures.map(({ iops: { low, high, median: middle } }) => (high - low) / middle);
  const usual = shares.length === 0 ? 0 : median(shares);
  return usual <= calmShare
    ? []
    : [
        `the rounds of half of the points differ by ${(100 * usual).toFixed(0)}% and more: the machine or the device was busy; measure again when it is quiet`,
      ];
}

/** How much of a shape's time the host could not keep. */
function hostNotes(counters: Readonly<Record<string, number>>): string[] {
  const slower = counters["shape.host_slower"] ?? 0;
  const all = counters["shape.operations"] ?? 0;
  return slower === 0
    ? []
    : [
        `host slower than shape: ${((100 * slower) / all).toFixed(2)}% of ${all} operations came more than a tenth later than the model says`,
      ];
}

function notesOf(request: FingerprintRequest, facts: PlaceFacts): string[] {
  const { place, readOnly, shape } = request;
  return [
    ...(shape === null ? [] : [`modelled: every time is that of the shape ${shape.text}`]),
    ...(place.kind === "synthetic" && shape === null
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
      turns: request.turns,
      rounds,
      sampleNs,
      sampleOps: sampleOpsOf(request),
      streamBytes: plan.streamBytes,
      seed,
      signal: request.signal,
      onStep: request.onStep,
    });
    const profile = profileOf(request, plan, facts, opened, measured);
    return { ...profile, ...modelOf(request, plan, opened, profile, measured) };
  } finally {
    opened.close();
  }
}

function profileOf(
  request: FingerprintRequest,
  plan: FingerprintPlan,
  facts: PlaceFacts,
  opened: Opened,
  measured: Measured,
): Profile {
  const { place, rounds, sampleNs, seed, shape } = request;
  const figures = measured.points.map(figureOf);
  const real = opened.clock === "real";
  return {
    schema: profileSchemaName,
    name: facts.name,
    ...(shape === null
      ? classByFigures(figures, { class: facts.class, class_reason: facts.classReason })
      : { class: shape.shape.deviceClass, class_reason: `the shape ${shape.text}` }),
    device: {
      ...facts.device,
      size_bytes: place.kind !== "path" || place.made ? plan.regionBytes : place.sizeBytes,
      block_bytes: opened.stand.device.facts.blockBytes,
    },
    measured: {
      tool: "osdyno fingerprint",
      at: new Date().toISOString(),
      host: real ? hostname() : null,
      kernel: real ? release() : null,
      clock: opened.clock,
      engine: opened.engine,
      rounds,
      sample_ns: sampleNs,
      seed,
      region_bytes: plan.regionBytes,
      written_bytes: measured.writtenBytes,
      host_ns_per_operation: opened.hostNs,
      notes: [...notesOf(request, facts), ...hostNotes(opened.counters()), ...unrestNotes(figures)],
    },
    linux: ioCostLines(figures, facts.deviceNumber ?? "MAJOR:MINOR"),
    ceph: null,
    figures,
    sustained_write: sustainedOf(measured.windows),
  };
}

/** What is modelled in virtual time is known; what was measured is fitted. */
function modelOf(
  request: FingerprintRequest,
  plan: FingerprintPlan,
  { clock, hostNs }: Opened,
  profile: Profile,
  { points }: Measured,
): Pick<Profile, "shape" | "fit"> {
  const { shape, seed, readOnly } = request;
  if (shape !== null && clock === "virtual") {
    return { shape: shapeToYaml(shape.shape) };
  }
  if (readOnly) {
    return {};
  }
  const fitted = fitShape({
    ...profile,
    regionBytes: plan.regionBytes,
    hostNs,
    points: points.map(({ point }) => point),
    seed,
  });
  return { shape: shapeToYaml(fitted.shape), fit: fitted.fit };
}
