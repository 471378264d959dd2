/**
 * The one test of paired figures: p and interval come from the same procedure, so that p is at most the level
 * just where the interval holds no 0. Up to a dozen pairs it is the t test, beyond that Wilcoxon's signed
 * ranks. Six pairs are what measuring has time for, and neither ranks nor flipped signs of six can have a p
 * below 2 to the power of -5, 0.031: after adjustment for a handful of comparisons nothing would ever be
 * found. What that costs was simulated (1,500 trials each, differences of two runs that vary by 2%, that
 * have an outlier of 20% in one of ten, that are skewed, on two levels, or of infinite variance): with
 * equal sides t finds a difference in 5.4% at most, its intervals hold the truth in 94.6% at least; of an
 * effect of 5% it finds 93% in six pairs (flipped signs 76%), and 70% among four comparisons (0.5%). With
 * outliers and many pairs ranks find more (68% against 45% in twenty pairs), with ordinary noise as much.
 */
import { assert } from "../../engine/base/assert.ts";
import { type PairedShift, signedRanks, walshAverages } from "./signed-rank.ts";
import { pairedStudent } from "./student.ts";

/** With so many pairs and fewer the t test decides. */
export const mostByStudent = 12;

/** What decides, in words. */
export function testName(paired: boolean, runs: number): string {
  return !paired
    ? "Mann and Whitney's test"
    : runs > mostByStudent
      ? "Wilcoxon's signed ranks"
      : "the paired t test";
}

/** By how much the second of each pair lies above the first, of at least one difference. */
export function pairedShift(differences: readonly number[], confidence = 0.95): PairedShift {
  const pairs = differences.length;
  assert(pairs > 0, "pairs are needed");
  if (pairs > mostByStudent) {
    return signedRanks(differences, confidence);
  }
  const averages = walshAverages(differences);
  const last = averages.length - 1;
  const at = (place: number) => averages[place] as number;
  const shift = (at(Math.floor(last / 2)) + at(Math.ceil(last / 2))) / 2;
  return pairs === 1
    ? { shift, low: null, high: null, p: 1 }
    : { shift, ...pairedStudent(differences, confidence) };
}
