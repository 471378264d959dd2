/** The measuring itself: fill the region, sample every point in rounds of shuffled order, write on to the cliff. */
import { OsdynoError } from "../../engine/base/error.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import { opKinds } from "../../engine/port/block-device.ts";
import { type LoadResult, runLoad, type Stand, settle } from "./load.ts";
import {
  leastOpsOf,
  opsOf,
  type Point,
  type PointNeeds,
  pointsFor,
  warmOpsOf,
  writesOf,
} from "./points.ts";

export interface MeasureOptions {
  readonly readOnly: boolean;
  readonly turns: boolean;
  readonly rounds: number;
  /** Of one sample, ns. */
  readonly sampleNs: number;
  /** Operations of one sample at most. */
  readonly sampleOps: number;
  /** Written in order, over the region and over it again. */
  readonly streamBytes: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onStep: (fraction: number, what: string) => void;
}

/** What was seen of one point: a result for each round. */
export interface MeasuredPoint {
  readonly point: Point;
  readonly rounds: readonly LoadResult[];
}

/** A stretch of the sequential write that fills the region and goes on. */
export interface WriteWindow {
  /** Bytes written before it since the write began. */
  readonly afterBytes: number;
  readonly bytes: number;
  readonly elapsedNs: number;
}

export interface Measured {
  readonly points: readonly MeasuredPoint[];
  readonly windows: readonly WriteWindow[];
  readonly writtenBytes: number;
}

/** Stretches of the write that goes on. */
const windowCount = 64;

export function needsOf(stand: Stand, readOnly: boolean, turns: boolean): PointNeeds {
  const { blockBytes, queueDepth } = stand.device.facts;
  const { fua } = stand.device.supports;
  return { blockBytes, regionBytes: stand.regionBytes, queueDepth, fua, turns, readOnly };
}

/** Bytes that the samples alone may write. */
export function sampledWrites(needs: PointNeeds, rounds: number, sampleOps: number): number {
  const each = pointsFor(needs).map((point) => writesOf(point, sampleOps, needs.turns));
  return rounds * each.reduce((sum, bytes) => sum + bytes, 0);
}

/** Large writes one after the other, `totalBytes` of them, over the region and over it again. */
export function writeOn(
  { device, regionBytes, nowNs, pass, work }: Stand,
  totalBytes: number,
  signal: AbortSignal,
  onStep: (doneBytes: number) => void,
): WriteWindow[] {
  const op = { kind: opKinds.write, flags: 0, offsetBytes: 0, lengthBytes: 0, slot: 0, tag: 0 };
  const bytes = Math.min(1 << 20, regionBytes);
  const perWindow = Math.max(bytes, Math.floor(totalBytes / windowCount));
  const depth = Math.min(8, device.facts.queueDepth);
  const windows: WriteWindow[] = [];
  let [sent, done, open, offset] = [0, 0, 0, 0];
  let [windowStart, windowNs] = [0, nowNs()];
  while (done < totalBytes && !(signal.aborted && open === 0)) {
    while (open < depth && sent < totalBytes && !signal.aborted) {
      op.lengthBytes = Math.min(bytes, regionBytes - offset);
      op.offsetBytes = offset;
      op.slot = Math.floor(sent / bytes) % device.arena.slotCount;
      op.tag = op.slot;
      if (!device.submit(op)) {
        break;
      }
      work();
      sent += op.lengthBytes;
      offset = offset + op.lengthBytes >= regionBytes ? 0 : offset + op.lengthBytes;
      open += 1;
    }
    device.commit();
    const polled = device.poll(depth);
    for (let position = 0; position < polled; position += 1) {
      const result = device.completions.result[position] as number;
      if (result <= 0) {
        throw new OsdynoError("io", `${device.facts.name}: a write failed with errno ${-result}`);
      }
      done += result;
      open -= 1;
    }
    if (polled === 0) {
      pass();
    }
    if (done - windowStart >= perWindow) {
      const now = nowNs();
      windows.push({
        afterBytes: windowStart,
        bytes: done - windowStart,
        elapsedNs: now - windowNs,
      });
      [windowStart, windowNs] = [done, now];
      onStep(done);
    }
  }
  return windows;
}

function interrupted(signal: AbortSignal): void {
  if (signal.aborted) {
    throw new OsdynoError("interrupted", "the fingerprint was stopped; no profile was written");
  }
}

/** Lets signals and the progress through. */
const breathe = (): Promise<void> => new Promise((done) => setImmediate(done));

function shuffled<T>(items: readonly T[], random: SeededRandom): T[] {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = random.below(last + 1);
    [order[last], order[other]] = [order[other] as T, order[last] as T];
  }
  return order;
}

/** Measures a device. Throws `io` or `interrupted`. */
export async function measureDevice(stand: Stand, options: MeasureOptions): Promise<Measured> {
  const { rounds, sampleNs, sampleOps, streamBytes, signal, onStep, readOnly, turns } = options;
  const needs = needsOf(stand, readOnly, turns);
  const points = pointsFor(needs);
  const random = new SeededRandom(options.seed);
  const fillShare = readOnly ? 0 : 0.2;
  const windows: WriteWindow[] = [];
  let writtenBytes = 0;
  if (streamBytes > 0) {
    onStep(0, "writing the region, and on while the budget lasts");
    await breathe();
    // What is not written may be read faster than anything that is.
    windows.push(...writeOn(stand, streamBytes, signal, () => {}));
    writtenBytes += windows.reduce((sum, { bytes }) => sum + bytes, 0);
  }
  const results = new Map<Point, LoadResult[]>(points.map((point) => [point, []]));
  const total = rounds * points.length;
  let done = 0;
  for (let round = 0; round < rounds; round += 1) {
    for (const point of shuffled(points, random)) {
      await breathe();
      interrupted(signal);
      onStep(fillShare + ((1 - fillShare) * done) / total, point.id);
      const leastOps = leastOpsOf(point, turns);
      const limits = {
        warmOps: warmOpsOf(point, turns),
        ns: sampleNs,
        ops: Math.max(leastOps, opsOf(point, sampleOps)),
        leastOps,
      };
      if (!readOnly) {
        settle(stand);
      }
      const result = runLoad(stand, { ...point.load, seed: random.below(2 ** 32) }, limits);
      writtenBytes += result.writtenBytes;
      results.get(point)?.push(result);
      done += 1;
    }
  }
  return {
    points: points.map((point) => ({ point, rounds: results.get(point) ?? [] })),
    windows,
    writtenBytes,
  };
}
