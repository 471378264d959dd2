/** What a fingerprint measures: the points, by group, and how many bytes they may write. */
import type { Load } from "./load.ts";

export type PointGroup = "size" | "order" | "depth" | "mix" | "locality" | "flush";

/** One point: a load with a name that stays the same over versions. */
export interface Point {
  readonly id: string;
  readonly group: PointGroup;
  readonly load: Omit<Load, "seed">;
}

export const usualBytes = 4096;
export const sizes: readonly number[] = [512, 4096, 16384, 65536, 262144, 1048576, 4194304];
export const depths: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
export const mixDepth = 16;
/** Jumps as shares of the region. */
export const jumpShares: readonly number[] = [0.0001, 0.001, 0.01, 0.1, 0.33, 0.66, 0.95];
const streamDepth = 8;
const streamBytes = 1 << 20;

const plain: Omit<Load, "seed"> = {
  writeShare: 0,
  bytes: usualBytes,
  depth: 1,
  order: "random",
  from: null,
  durability: "none",
  writesPerFlush: 1,
};

export interface PointNeeds {
  readonly blockBytes: number;
  readonly regionBytes: number;
  readonly queueDepth: number;
  readonly fua: boolean;
  /** A disk that turns: its places differ, and its cache has to be filled before writes show what it does. */
  readonly turns: boolean;
  /** Nothing may be written. */
  readonly readOnly: boolean;
}

const kindOf = (writeShare: number): string => (writeShare > 0 ? "write" : "read");

function sizePoints({ blockBytes, regionBytes }: PointNeeds, writeShare: number): Point[] {
  return sizes
    .filter((bytes) => bytes >= blockBytes && bytes * 16 <= regionBytes)
    .map((bytes) => ({
      id: `${kindOf(writeShare)}.random.${bytes}.1`,
      group: "size" as const,
      load: { ...plain, writeShare, bytes },
    }));
}

function orderPoints(needs: PointNeeds, writeShare: number): Point[] {
  const shapes = [
    [usualBytes, 1],
    [usualBytes, 64],
    [streamBytes, streamDepth],
  ] as const;
  const points = shapes
    .filter(([bytes]) => bytes * 16 <= needs.regionBytes)
    .map(([bytes, depth]) => ({
      id: `${kindOf(writeShare)}.sequential.${bytes}.${depth}`,
      group: "order" as const,
      load: { ...plain, writeShare, bytes, depth, order: "sequential" as const, from: 0 },
    }));
  const stream = points.at(-1);
  return stream === undefined || !needs.turns
    ? points
    : [...points, { ...stream, id: `${stream.id}.end`, load: { ...stream.load, from: 0.95 } }];
}

function depthPoints(needs: PointNeeds, writeShare: number): Point[] {
  // Depth 1 of that size stands among the sizes.
  return depths.slice(1).flatMap((depth) =>
    depth > needs.queueDepth
      ? []
      : [
          {
            id: `${kindOf(writeShare)}.random.${usualBytes}.${depth}`,
            group: "depth" as const,
            load: { ...plain, writeShare, depth },
          },
        ],
  );
}

function mixPoints({ queueDepth }: PointNeeds): Point[] {
  const depth = Math.min(mixDepth, queueDepth);
  return [0.25, 0.5, 0.75].map((writeShare) => ({
    id: `mix.${writeShare * 100}.random.${usualBytes}.${depth}`,
    group: "mix",
    load: { ...plain, writeShare, depth },
  }));
}

function localityPoints({ regionBytes }: PointNeeds): Point[] {
  return jumpShares.map((share) => ({
    id: `read.jump.${share * 100}.${usualBytes}.1`,
    group: "locality",
    load: { ...plain, order: { jumpBytes: Math.floor(regionBytes * share) } },
  }));
}

function flushPoints({ fua }: PointNeeds): Point[] {
  const flush = { ...plain, writeShare: 1, durability: "flush" as const };
  return [
    { id: "flush.after.0", group: "flush", load: { ...flush, writesPerFlush: 0 } },
    { id: "flush.after.1", group: "flush", load: flush },
    { id: "flush.after.64", group: "flush", load: { ...flush, writesPerFlush: 64 } },
    ...(fua
      ? [
          {
            id: "write.fua",
            group: "flush" as const,
            load: { ...plain, writeShare: 1, durability: "fua" as const },
          },
        ]
      : []),
  ];
}

/** All points, in the order in which they are told. */
export function pointsFor(needs: PointNeeds): Point[] {
  const reads = [
    ...sizePoints(needs, 0),
    ...orderPoints(needs, 0),
    ...depthPoints(needs, 0),
    ...localityPoints(needs),
  ];
  return needs.readOnly
    ? reads
    : [
        ...reads,
        ...sizePoints(needs, 1),
        ...orderPoints(needs, 1),
        ...depthPoints(needs, 1),
        ...mixPoints(needs),
        ...flushPoints(needs),
      ];
}

/** What one sample of a point may write at most, bytes: enough operations, but no more than that. */
const sampleBytes = 32 << 20;
export const leastSampleOps = 16;
/** Of a disk that turns: few operations scatter by as much as the whole way and a turn. */
const leastTurningOps = 240;

export function leastOpsOf({ load }: Point, turns: boolean): number {
  return turns ? Math.max(leastTurningOps, load.depth) : leastSampleOps;
}

/** Operations that fill the cache of a disk that turns, before those that are kept. */
export function warmOpsOf({ load }: Point, turns: boolean): number {
  const { writeShare, bytes, durability } = load;
  const warm = turns && writeShare > 0 && durability === "none";
  return warm ? Math.min(1500, Math.ceil((600 << 20) / bytes)) : 0;
}

/** Bytes of writes for each operation that is kept: those before a flush count. */
function writesEach({ load }: Point): number {
  const { bytes, durability, writesPerFlush } = load;
  return bytes * (durability === "flush" ? writesPerFlush : 1);
}

/** Operations of one sample at most; `opsAtMost` where time costs nothing. */
export function opsOf(point: Point, opsAtMost: number): number {
  const { writeShare, depth } = point.load;
  const each = writesEach(point);
  const kept = Math.max(leastSampleOps, 4 * depth);
  return writeShare === 0 || each === 0
    ? opsAtMost
    : Math.min(opsAtMost, Math.max(kept, Math.floor(sampleBytes / each)));
}

/** Bytes that a sample writes at most, those before and after what is measured with them. */
export function writesOf(point: Point, opsAtMost: number, turns: boolean): number {
  const { writeShare, bytes, depth } = point.load;
  const each = writesEach(point);
  const kept = Math.max(opsOf(point, opsAtMost), leastOpsOf(point, turns));
  const more = (warmOpsOf(point, turns) + 4 * depth) * bytes;
  return writeShare === 0 || each === 0 ? 0 : kept * each + more;
}
