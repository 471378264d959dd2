/** Loads on a shape in virtual time: what a profile's shape would fingerprint to. */

import { SeededRandom } from "../../engine/base/random.ts";
import { ShapedDevice } from "../../engine/device/shape.ts";
import type { ShapeSpec } from "../../engine/device/shape-spec.ts";
import { SyntheticDevice } from "../../engine/device/synthetic.ts";
import { type SyntheticSpec, syntheticDefaults } from "../../engine/device/synthetic-spec.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";
import { figureOf } from "./figures.ts";
import { type LoadResult, runLoad, type Stand, settle } from "./load.ts";
import { leastOpsOf, opsOf, type Point, warmOpsOf } from "./points.ts";
import type { ProfileFigure } from "./profile.ts";
import { standDepth, standSlotBytes, virtualStand } from "./stand.ts";

export interface VirtualPlace {
  readonly shape: ShapeSpec | null;
  /** Of what is below the shape. */
  readonly spec?: SyntheticSpec;
  readonly regionBytes: number;
  /** What an operation costs the generator. */
  readonly hostNs: number;
  readonly seed: number;
}

/** A device that keeps no data, in a virtual time of its own. */
export function openVirtual({ shape, spec, regionBytes, hostNs, seed }: VirtualPlace): Stand {
  const clock = new VirtualClock(1e9);
  const below = new SyntheticDevice({
    spec: { ...(spec ?? syntheticDefaults), size: shape?.sizeBytes ?? spec?.size ?? regionBytes },
    clock,
    depth: standDepth,
    slotBytes: standSlotBytes,
    slotCount: 1,
    ...(shape === null ? {} : { blockBytes: shape.blockBytes }),
  });
  const device =
    shape === null ? below : new ShapedDevice({ below, shape, clock, seed, earlyNs: 0 });
  return virtualStand(device, clock, regionBytes, hostNs);
}

export interface ModelledOptions {
  readonly turns: boolean;
  readonly rounds: number;
  readonly sampleNs: number;
  readonly sampleOps: number;
}

/** The figures of points on a shape. */
export function modelledFigures(
  place: VirtualPlace & { readonly shape: ShapeSpec },
  points: readonly Point[],
  { turns, rounds, sampleNs, sampleOps }: ModelledOptions,
): ProfileFigure[] {
  const stand = openVirtual(place);
  const random = new SeededRandom(place.seed).fork("modelled");
  const results: LoadResult[][] = points.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, point] of points.entries()) {
      settle(stand);
      const leastOps = leastOpsOf(point, turns);
      const limits = {
        warmOps: warmOpsOf(point, turns),
        ns: sampleNs,
        ops: Math.max(leastOps, opsOf(point, sampleOps)),
        leastOps,
      };
      results[index]?.push(runLoad(stand, { ...point.load, seed: random.below(2 ** 32) }, limits));
    }
  }
  return points.map((point, index) => figureOf({ point, rounds: results[index] ?? [] }));
}
