/** Response times of a sweep's points beside those of their base, as distributions. */
import { join } from "node:path";
import {
  compareDistributions,
  countSide,
  type DistributionComparison,
  type SideCounts,
} from "../compare/distributions.ts";
import type { SweepRecord } from "../sweep-record.ts";
import { completeRun } from "./sweep-directory.ts";

const confidence = 0.95;

/** Of every pair of points that was compared; reads the histograms of each point once. */
export function distributionsOf(
  directory: string,
  { points, comparisons }: SweepRecord,
): readonly DistributionComparison[] {
  const known = new Map<string, SideCounts>();
  const countsOf = (id: string): SideCounts => {
    const runs = points.find((point) => point.id === id)?.runs ?? [];
    const found = runs.flatMap((run) => {
      const record = completeRun(directory, run);
      return record === null ? [] : [{ path: join(directory, run), record }];
    });
    const counts = known.get(id) ?? countSide({ name: id, runs: found, sweep: directory });
    known.set(id, counts);
    return counts;
  };
  const pairs = new Map(comparisons.map((each) => [`${each.base}|${each.candidate}`, each]));
  return [...pairs.values()].flatMap(({ base, candidate }) =>
    compareDistributions(countsOf(base), countsOf(candidate), confidence),
  );
}
