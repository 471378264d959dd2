/**
 * A shape for a device without moving parts from its figures. The laws by size, depth, order and mix are
 * those that were measured; then the shape itself is fingerprinted in virtual time, and where it differs the
 * laws are moved until it does not.
 */
import type {
  ShapeDepth,
  ShapeLaw,
  ShapePoint,
  ShapeSpread,
  SolidShape,
} from "../../engine/device/shape-spec.ts";
import type { Point } from "./points.ts";
import { mixDepth, usualBytes } from "./points.ts";
import type { Profile, ProfileFigure } from "./profile.ts";
import { modelledFigures } from "./virtual.ts";

export type FitInput = Pick<Profile, "class" | "figures" | "sustained_write" | "device"> & {
  readonly regionBytes: number;
  readonly hostNs: number;
  readonly points: readonly Point[];
  readonly seed: number;
};

const steps = 4;
const fitSample = { turns: false, rounds: 1, sampleNs: 1e9, sampleOps: 3000 };

const meanNs = (figure: ProfileFigure): number => Math.max(1, figure.latency_ns.mean.median);

/** Time an operation is under way in a closed loop: what the generator adds is its own. */
function find(figures: readonly ProfileFigure[], id: string): ProfileFigure | undefined {
  return figures.find((one) => one.id === id);
}

function spreadOf({ latency_ns: latency }: ProfileFigure): ShapeSpread {
  const { min, p10, p50, p90, p95, p99, p99_9: p999 } = latency;
  const known = [
    [0, min],
    [0.1, p10],
    [0.5, p50],
    [0.9, p90],
    [0.95, p95],
    [0.99, p99],
    [0.999, p999],
  ] as const;
  const mean = latency.mean.median;
  const points = known.flatMap(([rank, ns]): (readonly [number, number])[] =>
    ns === undefined || mean <= 0 ? [] : [[rank, Number((ns / mean).toPrecision(5))]],
  );
  const last = points.at(-1);
  return last === undefined ? [] : [...points, [1, last[1]]];
}

const wordOf = (write: boolean): string => (write ? "write" : "read");

function sizesOf(figures: readonly ProfileFigure[], write: boolean): ShapePoint[] {
  return figures
    .filter(({ group, write_share: share }) => group === "size" && share === Number(write))
    .sort((a, b) => a.size_bytes - b.size_bytes)
    .map((figure) => ({ at: figure.size_bytes, ns: meanNs(figure) }));
}

function depthsOf(figures: readonly ProfileFigure[], write: boolean): ShapeDepth[] {
  const first = find(figures, `${wordOf(write)}.random.${usualBytes}.1`);
  return [
    ...(first === undefined ? [] : [first]),
    ...figures.filter(
      ({ group, write_share: share }) => group === "depth" && share === Number(write),
    ),
  ]
    .sort((a, b) => a.depth - b.depth)
    .map((figure) => ({ at: figure.depth, ns: meanNs(figure), spread: spreadOf(figure) }));
}

function inOrderOf(figures: readonly ProfileFigure[], write: boolean): ShapePoint[] {
  return [1, 64].flatMap((depth) => {
    const random = find(figures, `${wordOf(write)}.random.${usualBytes}.${depth}`);
    const ordered = find(figures, `${wordOf(write)}.sequential.${usualBytes}.${depth}`);
    return random === undefined || ordered === undefined
      ? []
      : [{ at: depth, ns: meanNs(ordered) / meanNs(random) }];
  });
}

function lawOf(figures: readonly ProfileFigure[], write: boolean): ShapeLaw {
  const own = figures.filter(
    ({ write_share: share, group }) => share === Number(write) && group !== "flush",
  );
  const most = Math.max(...own.map(({ bytes_per_second: rate }) => rate.median));
  const sizes = sizesOf(figures, write);
  const depths = depthsOf(figures, write);
  return {
    sizes: sizes.length > 0 ? sizes : [{ at: usualBytes, ns: depths[0]?.ns ?? 1 }],
    depths,
    usualBytes,
    spread: depths[0]?.spread ?? [],
    inOrder: inOrderOf(figures, write),
    controllerNs: 0,
    // A little above what was reached: the limit must not be what the scatter runs into.
    bytesPerSecond: Math.round(most * 1.01),
  };
}

/** By the share of writes under way: what both together take, as a multiple of what each takes alone. */
function mixOf(figures: readonly ProfileFigure[]): (readonly [number, number])[] {
  const mixed = figures.filter(({ group }) => group === "mix");
  const depth = mixed[0]?.depth ?? mixDepth;
  const read = find(figures, `read.random.${usualBytes}.${depth}`);
  const write = find(figures, `write.random.${usualBytes}.${depth}`);
  if (read === undefined || write === undefined) {
    return [];
  }
  return mixed
    .map((figure) => {
      const share = figure.write_share;
      const alone = (1 - share) * meanNs(read) + share * meanNs(write);
      const under = (share * meanNs(write)) / alone;
      return [under, meanNs(figure) / alone] as const;
    })
    .sort(([a], [b]) => a - b);
}

function flushesOf(figures: readonly ProfileFigure[]): ShapePoint[] {
  return [1, 64].flatMap((writes) => {
    const figure = find(figures, `flush.after.${writes}`);
    return figure === undefined ? [] : [{ at: writes, ns: meanNs(figure) }];
  });
}

function first(input: FitInput): SolidShape {
  const { figures, device, sustained_write: sustained } = input;
  const hasWrites = figures.some(({ write_share: share }) => share === 1);
  const read = lawOf(figures, false);
  const flush = find(figures, "flush.after.0");
  const fua = find(figures, "write.fua");
  const write = find(figures, `write.random.${usualBytes}.1`);
  const cliff = sustained?.cliff_after_bytes ?? null;
  return {
    kind: "solid",
    deviceClass: input.class,
    sizeBytes: device.size_bytes,
    blockBytes: device.block_bytes,
    queueDepth: 4096,
    read,
    write: hasWrites ? lawOf(figures, true) : read,
    trimNs: 0,
    flushNs: flush === undefined ? 0 : meanNs(flush),
    flushes: flushesOf(figures),
    fuaNs: fua === undefined || write === undefined ? 0 : Math.max(0, meanNs(fua) - meanNs(write)),
    mix: mixOf(figures),
    cache:
      sustained === null || cliff === null
        ? null
        : {
            // While it fills it drains as well.
            bytes: Math.max(
              1 << 20,
              Math.round(
                cliff * (1 - sustained.last_bytes_per_second / sustained.first_bytes_per_second),
              ),
            ),
            drainBytesPerSecond: Math.round(sustained.last_bytes_per_second),
          },
    dies: null,
    collection: null,
    lineBytes: 0,
    partialLineNs: 0,
  };
}

/** How much longer each point should take than it does. */
type Ratio = (id: string) => number;

function movedPoints<T extends ShapePoint>(
  points: readonly T[],
  idOf: (at: number) => string,
  ratio: Ratio,
): T[] {
  return points.map((point) => ({ ...point, ns: point.ns * ratio(idOf(point.at)) }));
}

function movedLaw(law: ShapeLaw, word: string, ratio: Ratio): ShapeLaw {
  const alone = ratio(`${word}.random.${usualBytes}.1`);
  return {
    ...law,
    sizes: movedPoints(law.sizes, (bytes) => `${word}.random.${bytes}.1`, ratio),
    depths: movedPoints(law.depths, (depth) => `${word}.random.${usualBytes}.${depth}`, ratio),
    inOrder: law.inOrder.map((point) => {
      const { at, ns } = point;
      const random = at === 1 ? alone : ratio(`${word}.random.${usualBytes}.${at}`);
      return { at, ns: (ns * ratio(`${word}.sequential.${usualBytes}.${at}`)) / random };
    }),
  };
}

function moved(shape: SolidShape, input: FitInput, ratio: Ratio): SolidShape {
  const shares = input.figures.filter(({ group }) => group === "mix").map(({ id }) => id);
  const flushes = movedPoints(shape.flushes, (writes) => `flush.after.${writes}`, ratio);
  return {
    ...shape,
    read: movedLaw(shape.read, "read", ratio),
    write: movedLaw(shape.write, "write", ratio),
    flushNs: shape.flushNs * ratio("flush.after.0"),
    flushes,
    mix: shape.mix.map(([share, factor], index) => [share, factor * ratio(shares[index] ?? "")]),
  };
}

/** A shape that fingerprints to the figures. */
export function fitSolid(input: FitInput): SolidShape {
  const { regionBytes, hostNs, points, seed, figures } = input;
  let shape = first(input);
  for (let step = 0; step < steps; step += 1) {
    const place = { shape, regionBytes, hostNs, seed: seed + step };
    const found = new Map(
      modelledFigures(place, points, fitSample).map((figure) => [figure.id, meanNs(figure)]),
    );
    const wanted = new Map(figures.map((figure) => [figure.id, meanNs(figure)]));
    const ratio: Ratio = (id) => {
      const [is, should] = [found.get(id), wanted.get(id)];
      // A limit elsewhere cannot be moved from here: no step goes far.
      return is === undefined || should === undefined || is <= 0
        ? 1
        : Math.min(2, Math.max(0.5, should / is));
    };
    shape = moved(shape, input, ratio);
  }
  return shape;
}
