/**
 * A shape for a disk that turns from its figures: the turn from how much single reads scatter, the arm from
 * how long reads far away take, the zones from reads in order at both ends, the queue and the cache from
 * trying which sizes give the figures.
 */
import { median } from "simple-statistics";
import type { DiskShape, ShapePoint } from "../../engine/device/shape-spec.ts";
import type { FitInput } from "./fit-solid.ts";
import { type Point, usualBytes } from "./points.ts";
import type { ProfileFigure } from "./profile.ts";
import { modelledFigures } from "./virtual.ts";

/** Speeds that disks are made with, turns a minute. */
const usualSpeeds = [4200, 5400, 5900, 7200, 10_000, 15_000];
const queueDepths = [1, 2, 4, 8, 16, 32, 64];
const cacheCounts = [64, 128, 256, 512, 1024, 2048, 4096];
const fitSample = { turns: true, rounds: 3, sampleNs: 2e10, sampleOps: 1000 };

function find(figures: readonly ProfileFigure[], id: string): ProfileFigure | undefined {
  return figures.find((one) => one.id === id);
}

const meanNs = (figure: ProfileFigure | undefined, otherwise: number): number =>
  figure?.latency_ns.mean.median ?? otherwise;

function jumpsOf(figures: readonly ProfileFigure[]): ProfileFigure[] {
  return figures
    .filter(({ group }) => group === "locality")
    .sort((a, b) => (a.jump_bytes ?? 0) - (b.jump_bytes ?? 0));
}

/** Where a place lies on its track when it is reached is as good as random: times scatter over one turn. */
function turnNsOf(figures: readonly ProfileFigure[]): number {
  const turns = jumpsOf(figures).flatMap(({ latency_ns: { p10, p90 } }) =>
    p10 === undefined || p90 === undefined ? [] : [(p90 - p10) / 0.8],
  );
  const found = turns.length === 0 ? 60e9 / 7200 : median(turns);
  const near = usualSpeeds
    .map((speed) => 60e9 / speed)
    .reduce((best, turn) => (Math.abs(turn - found) < Math.abs(best - found) ? turn : best));
  return Math.abs(near / found - 1) < 0.15 ? near : found;
}

/** Farther is never nearer: what says otherwise is scatter. */
function rising(points: readonly ShapePoint[]): ShapePoint[] {
  let least = Number.POSITIVE_INFINITY;
  return points
    .toReversed()
    .map(({ at, ns }) => {
      least = Math.min(least, ns);
      return { at, ns: least };
    })
    .toReversed();
}

function seekOf(input: FitInput, turnNs: number, commandNs: number): ShapePoint[] {
  const points = jumpsOf(input.figures).map((figure) => ({
    at: (figure.jump_bytes ?? 0) / input.device.size_bytes,
    ns: Math.max(1e5, meanNs(figure, turnNs) - turnNs / 2 - commandNs),
  }));
  const [nearest] = points;
  const last = points.at(-1);
  return rising([
    { at: 0, ns: 0.5 * (nearest?.ns ?? 1e6) },
    ...points.map(({ at, ns }) => ({ at, ns: Math.round(ns) })),
    ...(last !== undefined && last.at < 1 ? [{ at: 1, ns: Math.round(last.ns * 1.03) }] : []),
  ]);
}

function first(input: FitInput): DiskShape {
  const { figures, device, sustained_write: sustained } = input;
  const turnNs = turnNsOf(figures);
  const outer = find(figures, "read.sequential.1048576.8")?.bytes_per_second.median ?? 2e8;
  const end = find(figures, "read.sequential.1048576.8.end")?.bytes_per_second.median ?? outer / 2;
  const link = Math.max(
    outer,
    ...figures.filter(({ group }) => group !== "flush").map((at) => at.bytes_per_second.median),
  );
  const single = meanNs(find(figures, `read.sequential.${usualBytes}.1`), turnNs);
  const commandNs = Math.max(
    1000,
    Math.round(Math.min(single, turnNs / 4) - (usualBytes * 1e9) / link),
  );
  const cached =
    meanNs(find(figures, "write.random.1048576.1"), turnNs) < 2 * turnNs && sustained !== null;
  const written = find(figures, `write.random.${usualBytes}.1`);
  const holds = cached && (written?.latency_ns.min ?? turnNs) < turnNs / 8;
  const first = sustained?.first_bytes_per_second ?? 1;
  const last = sustained?.last_bytes_per_second ?? 1;
  const cliff = sustained?.cliff_after_bytes ?? null;
  return {
    kind: "disk",
    deviceClass: input.class,
    sizeBytes: device.size_bytes,
    blockBytes: device.block_bytes,
    queueDepth: 32,
    turnsPerMinute: Math.round((60e9 / turnNs) * 10) / 10,
    seek: seekOf(input, turnNs, commandNs),
    outerBytesPerSecond: Math.round(outer),
    // The end was read from nineteen twentieths of the region on.
    innerBytesPerSecond: Math.round(Math.max(outer / 10, outer + (end - outer) / 0.975)),
    linkBytesPerSecond: Math.round(link),
    commandNs,
    readAheadBytes: single < turnNs / 2 ? 2 << 20 : 0,
    cacheBytes: holds
      ? cliff === null
        ? 256 << 20
        : Math.max(8 << 20, Math.round(cliff * (1 - last / first)))
      : 0,
    cacheOperations: holds ? 1024 : 0,
  };
}

/** How far a shape is from the figures at these points: the sum of squared logarithms. */
function distance(input: FitInput, shape: DiskShape, points: readonly Point[]): number {
  const { regionBytes, hostNs, seed, figures } = input;
  return modelledFigures({ shape, regionBytes, hostNs, seed }, points, fitSample).reduce(
    (sum, found) => {
      const wanted = find(figures, found.id)?.iops.median ?? found.iops.median;
      return sum + Math.log(found.iops.median / wanted) ** 2;
    },
    0,
  );
}

function best(
  input: FitInput,
  points: readonly Point[],
  candidates: readonly DiskShape[],
): DiskShape {
  const scored = candidates.map((shape) => ({ shape, score: distance(input, shape, points) }));
  return scored.reduce((most, one) => (one.score < most.score ? one : most)).shape;
}

/** The arm once more, by what the shape itself gives for each distance. */
function refined(input: FitInput, shape: DiskShape): DiskShape {
  const { regionBytes, hostNs, seed, points } = input;
  const jumps = points.filter(({ group }) => group === "locality");
  const found = modelledFigures({ shape, regionBytes, hostNs, seed }, jumps, fitSample);
  const seek = shape.seek.map((point) => {
    const own = found.find(
      ({ jump_bytes: bytes }) => Math.abs((bytes ?? -1) / shape.sizeBytes - point.at) < 1e-9,
    );
    const wanted = own === undefined ? undefined : find(input.figures, own.id);
    return own === undefined || wanted === undefined
      ? point
      : {
          at: point.at,
          ns: Math.max(1e5, Math.round(point.ns + meanNs(wanted, 0) - meanNs(own, 0))),
        };
  });
  return { ...shape, seek: rising(seek) };
}

/** A shape that fingerprints to the figures. */
export function fitDisk(input: FitInput): DiskShape {
  const shape = refined(input, first(input));
  const pick = (wanted: (point: Point) => boolean) => input.points.filter(wanted);
  const reads = pick(
    ({ group, load }) => group === "depth" && load.writeShare === 0 && load.depth <= 128,
  );
  const queued = best(
    input,
    reads,
    queueDepths.map((queueDepth) => ({ ...shape, queueDepth })),
  );
  if (queued.cacheBytes === 0) {
    return queued;
  }
  const writes = pick(
    ({ group, load }) => group === "depth" && load.writeShare === 1 && load.depth <= 16,
  );
  return best(
    input,
    writes,
    cacheCounts.map((cacheOperations) => ({ ...queued, cacheOperations })),
  );
}
