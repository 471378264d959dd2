/** From a device's figures to a shape that behaves like it, and how well it does. */
import type { ShapeSpec } from "../../engine/device/shape-spec.ts";
import { fitDisk } from "./fit-disk.ts";
import { type FitInput, fitSolid } from "./fit-solid.ts";
import type { ProfileFigure, ProfileFit } from "./profile.ts";
import { modelledFigures } from "./virtual.ts";

/** A point that differs by more is told. */
export const tolerance = 0.1;

export interface Fitted {
  readonly shape: ShapeSpec;
  readonly fit: ProfileFit;
}

/** Operations a second of each point, found against wanted. */
export function deviations(
  wanted: readonly ProfileFigure[],
  found: readonly ProfileFigure[],
): { readonly id: string; readonly ratio: number }[] {
  const known = new Map(found.map((figure) => [figure.id, figure.iops.median]));
  return wanted.flatMap(({ id, iops }) => {
    const rate = known.get(id);
    return rate === undefined || iops.median <= 0 ? [] : [{ id, ratio: rate / iops.median }];
  });
}

/** How well a shape gives the figures. */
export function judgeFit(
  wanted: readonly ProfileFigure[],
  found: readonly ProfileFigure[],
): ProfileFit {
  const all = deviations(wanted, found);
  const off = ({ ratio }: { readonly ratio: number }) => Math.abs(ratio - 1);
  const worst = all.reduce((most, one) => Math.max(most, off(one)), 0);
  return {
    points: all.length,
    within_10_percent: all.filter((one) => off(one) <= tolerance).length,
    worst,
    beyond: all
      .filter((one) => off(one) > tolerance)
      .sort((a, b) => off(b) - off(a))
      .map(({ id, ratio }) => ({ id, ratio })),
  };
}

/** The shape of a device, fitted and fingerprinted itself. */
export function fitShape(input: FitInput): Fitted {
  const turns = input.class === "hdd";
  const shape = turns ? fitDisk(input) : fitSolid(input);
  const { regionBytes, hostNs, points, seed, figures } = input;
  const sample = turns
    ? { turns, rounds: 3, sampleNs: 2e10, sampleOps: 1000 }
    : { turns, rounds: 3, sampleNs: 1e9, sampleOps: 3000 };
  const place = { shape, regionBytes, hostNs, seed: seed + 1000 };
  return { shape, fit: judgeFit(figures, modelledFigures(place, points, sample)) };
}
