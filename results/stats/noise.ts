/** What runs of one configuration differ by, and what can be told apart among such runs. */
import { median } from "simple-statistics";
import { assert } from "../../engine/base/assert.ts";
import { studentQuantile } from "./student.ts";
import { type Drift, driftOf } from "./within-run.ts";

export interface Noise {
  readonly runs: number;
  readonly median: number;
  /** Standard deviation of the runs' logarithms: the run-to-run variation, a share. */
  readonly variation: number;
  /** The same from each run to the next, which a drift does not widen: what pairs of runs meet. */
  readonly variation_of_neighbours: number;
  /** Change from the first run to the last. */
  readonly drift: Drift;
}

/** Of figures above 0 in the order in which they were measured; four at least. */
export function noiseOf(figures: readonly number[]): Noise {
  assert(figures.length >= 4, "noise needs four runs");
  const logs = figures.map(Math.log);
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  const squares = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0);
  const steps = logs.slice(1).map((log, place) => (log - (logs[place] as number)) ** 2);
  return {
    runs: figures.length,
    median: median([...figures]),
    variation: Math.sqrt(squares / (logs.length - 1)),
    variation_of_neighbours: Math.sqrt(
      steps.reduce((sum, step) => sum + step, 0) / steps.length / 2,
    ),
    drift: driftOf(figures),
  };
}

/** Ranks need so many more runs than means do where runs vary normally (pi / 3). */
const ofRanks = Math.PI / 3;

const error = (variation: number, runs: number) => variation * Math.sqrt((2 * ofRanks) / runs);

/** By how much, as a share, two equal sides of so many runs come to differ in 5% of comparisons or less. */
export function noiseFloor(variation: number, runs: number): number {
  return Math.expm1(studentQuantile(0.025, 2 * runs - 2) * error(variation, runs));
}

/** The smallest effect, as a share, that a comparison of so many runs a side finds with a chance of 80%. */
export function detectable(variation: number, runs: number): number {
  const df = 2 * runs - 2;
  const reach = studentQuantile(0.025, df) + studentQuantile(0.2, df);
  return Math.expm1(reach * error(variation, runs));
}
