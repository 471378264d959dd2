/**
 * Shapes: the physics of devices as data. A shape says when an operation completes, given where it lies,
 * what came before it and what is under way; `shape-solid.ts` and `shape-disk.ts` are the models. The same
 * data drive them in virtual and in real time. A fingerprint fits them to a device that was measured.
 *
 * Times in ns, sizes in bytes, rates in bytes a second.
 */
import type { DeviceClass } from "../port/block-device.ts";

/** `values` at `at`, ascending; between them the line through their logarithms, beyond them the last. */
export interface ShapePoint {
  readonly at: number;
  readonly ns: number;
}

/** A rank (0 to 1) and the time there as a multiple of the mean; ascending in both. */
export type ShapeSpread = readonly (readonly [number, number])[];

export interface ShapeDepth extends ShapePoint {
  /** Scatter of single operations there; empty: as everywhere. */
  readonly spread: ShapeSpread;
}

/** How long one kind of operation takes, apart from what it waits for. */
export interface ShapeLaw {
  /** Alone on the device, by bytes. */
  readonly sizes: readonly ShapePoint[];
  /**
   * By operations outstanding (itself included), for those of `usualBytes`: a flow-equivalent law, as
   * measured. Empty: what waiting there is comes from the parts of the device alone. Source: K. M. Chandy,
   * U. Herzog, L. Woo, "Parametric analysis of queuing networks", 1975.
   */
  readonly depths: readonly ShapeDepth[];
  readonly usualBytes: number;
  /** Scatter of single operations; empty: none. */
  readonly spread: ShapeSpread;
  /** What begins where the last of its kind ended: by operations outstanding, the multiple of the time at random. */
  readonly inOrder: readonly ShapePoint[];
  /** One operation after the other passes here: 1 / the operations a second at most. */
  readonly controllerNs: number;
  /** Data of all operations share it; 0: no limit. */
  readonly bytesPerSecond: number;
}

/** Flash dies: reads queue up behind each other and, for as long as they cannot interrupt it, behind writing. */
export interface ShapeDies {
  readonly count: number;
  /** Neighbouring bytes up to here lie on one die. */
  readonly stripeBytes: number;
  readonly pageBytes: number;
  /** Of a page. */
  readonly readNs: number;
  /** Of `programBytes` at once. */
  readonly programNs: number;
  readonly programBytes: number;
  /** A read waits no longer than this for a program or an erase that goes on. */
  readonly suspendNs: number;
}

/** Winning space back: greedy, from blocks of which a share is still valid. */
export interface ShapeCollection {
  /** Space beyond the capacity, as a share of it. */
  readonly spareShare: number;
  readonly blockBytes: number;
  readonly eraseNs: number;
  /** Below this share of all space a write has to wait for a block to be won back. */
  readonly lowShare: number;
  /** An idle device wins blocks back until this share is free. */
  readonly idleShare: number;
}

/** Writes are acknowledged here and leave at a rate of their own. */
export interface ShapeCache {
  readonly bytes: number;
  /** 0: as fast as the dies take them. */
  readonly drainBytesPerSecond: number;
}

export interface SolidShape {
  readonly kind: "solid";
  readonly deviceClass: DeviceClass;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  /** Operations that the device looks at together. */
  readonly queueDepth: number;
  readonly read: ShapeLaw;
  readonly write: ShapeLaw;
  readonly trimNs: number;
  /** With nothing to make durable. */
  readonly flushNs: number;
  /** By writes since the last one, counted in `usualBytes`; empty: always `flushNs`. */
  readonly flushes: readonly ShapePoint[];
  /** On top of a write that is durable by itself. */
  readonly fuaNs: number;
  /** Of reads and writes together: by the share of writes under way (0 to 1), the multiple of their own time. */
  readonly mix: readonly (readonly [number, number])[];
  readonly cache: ShapeCache | null;
  readonly dies: ShapeDies | null;
  readonly collection: ShapeCollection | null;
  /** Persistent memory: writes take whole lines. 0: blocks only. */
  readonly lineBytes: number;
  /** Of a line that is written in part: it is read first. */
  readonly partialLineNs: number;
}

/** A disk that turns. */
export interface DiskShape {
  readonly kind: "disk";
  readonly deviceClass: DeviceClass;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  /** Operations among which the disk picks the one that it reaches first (NCQ). */
  readonly queueDepth: number;
  readonly turnsPerMinute: number;
  /** By distance as a share of the whole way; ascending, from 0 (another track nearby) to 1. */
  readonly seek: readonly ShapePoint[];
  /** At the first and at the last byte. */
  readonly outerBytesPerSecond: number;
  readonly innerBytesPerSecond: number;
  readonly linkBytesPerSecond: number;
  readonly commandNs: number;
  /** What a read leaves behind for those that go on where it ended. */
  readonly readAheadBytes: number;
  /** Writes are acknowledged here; 0 bytes: none. */
  readonly cacheBytes: number;
  readonly cacheOperations: number;
}

export type ShapeSpec = SolidShape | DiskShape;

/** The value at `at`: straight lines between the logarithms of both. */
export function interpolate(points: readonly ShapePoint[], at: number): number {
  const first = points[0];
  if (first === undefined) {
    return 0;
  }
  if (at <= first.at) {
    return first.ns;
  }
  for (let index = 1; index < points.length; index += 1) {
    const high = points[index] as ShapePoint;
    if (at <= high.at) {
      const low = points[index - 1] as ShapePoint;
      const share = Math.log(at / low.at) / Math.log(high.at / low.at);
      return low.ns * (high.ns / low.ns) ** share;
    }
  }
  return (points.at(-1) as ShapePoint).ns;
}

/** Why a shape describes no device; `null`: it does. */
export function shapeProblem(shape: ShapeSpec): string | null {
  const rising = (points: readonly ShapePoint[]) =>
    points.every(({ at }, index) => index === 0 || at > (points[index - 1] as ShapePoint).at);
  if (shape.sizeBytes < shape.blockBytes) {
    return "size_bytes is less than a block";
  }
  if (shape.kind === "disk") {
    const [first] = shape.seek;
    return shape.seek.length < 2 || first?.at !== 0 || !rising(shape.seek)
      ? "seek needs two points and more, ascending, the first at 0"
      : null;
  }
  if (!rising(shape.flushes) || shape.flushes.some(({ at, ns }) => at <= 0 || ns <= 0)) {
    return "flushes ascend and are above 0";
  }
  for (const { sizes, depths, inOrder } of [shape.read, shape.write]) {
    if (sizes.length === 0 || ![sizes, depths, inOrder].every(rising)) {
      return "sizes needs a point; sizes, depths and in_order ascend";
    }
    if ([...sizes, ...depths, ...inOrder].some(({ at, ns }) => at <= 0 || ns <= 0)) {
      return "sizes, depths and in_order are above 0";
    }
  }
  const { collection } = shape;
  return collection !== null && collection.lowShare >= collection.spareShare
    ? "low_share of the collection must be below spare_share"
    : null;
}
