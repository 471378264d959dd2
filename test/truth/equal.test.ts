/**
 * A configuration against itself: how often a difference is found where none is. The level is 5%, whatever
 * the machine does meanwhile; an estimator that takes seconds for independent runs must fail the same test.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { decide, differenceOf } from "../../results/stats/verdict.ts";
import {
  bounds,
  called,
  campaign,
  iopsOf,
  percent,
  runsOf,
  type SweptRun,
  say,
  seed,
  sideOf,
  sweepOf,
  trialsOf,
  variationOf,
  verdictOf,
} from "./machine.ts";

const variation = 0.02;
/** Pairs, and runs a side, at which the exact tests come closest to 5%. */
const pairs = 10;
const runsASide = 8;
/** Of runs of ten seconds: sixty samples a side. */
const plantedRuns = 6;

/** IOPS of every second of a run. */
function secondsOf({ directory }: SweptRun): number[] {
  const [head = "", ...rows] = readFileSync(join(directory, "series.csv"), "utf8")
    .trim()
    .split("\n");
  const column = head.split(",").indexOf("iops");
  return rows.map((row) => Number(row.split(",")[column])).filter((iops) => iops > 0);
}

/** The planted estimator: seconds of a run as if they were runs. */
function bySeconds(base: readonly number[][], candidate: readonly number[][]): boolean {
  const difference = differenceOf(base.flat(), candidate.flat(), false);
  const rules = { confidence: 0.95, margin: 0, better: "higher" } as const;
  return difference !== null && called(decide(difference, difference.p, rules));
}

// Exact binomial bounds, made with SciPy's binom.ppf.
test.each([
  [1000, 0.05, 33, 69],
  [400, 0.85, 321, 358],
  [1000, 0.85, 820, 878],
  [8, 0.85, 4, 8],
  [100, 0.6, 47, 72],
])("99%% bounds of %i trials at %f", (trials, chance, low, high) => {
  expect(bounds(trials, chance)).toEqual([low, high]);
});

describe(`A/A of sweeps in virtual time, runs vary by ${percent(variation)}, OSDYNO_SEED=${seed}`, () => {
  const trials = trialsOf(1000, 8);

  test.each([
    ["a machine that is steady", 0],
    ["a machine that drifts by 5% meanwhile", 0.05],
  ])(`${trials} comparisons on %s`, { timeout: 3_600_000 }, async (name, drift) => {
    const random = new SeededRandom(seed).fork(name);
    let [paired, unpaired, planted] = [0, 0, 0];
    const spread: number[] = [];
    for (let trial = 0; trial < trials; trial += 1) {
      const from = random.below(2 ** 31);
      const facts = { variation, drift };
      await sweepOf({ slowdowns: [1, 1], repeat: pairs, facts, seed: from }, (swept) => {
        const [a = [], b = []] = swept.runs;
        const sweep = swept.directory;
        paired += Number(called(verdictOf(sideOf("a", a, sweep), sideOf("b", b, sweep), 0)));
        const [few, others] = [a.slice(0, runsASide), b.slice(0, runsASide)];
        unpaired += Number(called(verdictOf(sideOf("a", few, null), sideOf("b", others, null), 0)));
        planted += Number(
          bySeconds(a.slice(0, plantedRuns).map(secondsOf), b.slice(0, plantedRuns).map(secondsOf)),
        );
        spread.push(variationOf(a.map(iopsOf)) ** 2);
      });
    }
    const measured = Math.sqrt(spread.reduce((sum, each) => sum + each, 0) / trials);
    const [low, high] = bounds(trials);
    const share = (count: number) => `${count} of ${trials} (${percent(count / trials)})`;
    say(
      `A/A on ${name}, OSDYNO_SEED=${seed}: runs of a side vary by ${percent(measured)}`,
      `  false verdicts: pairs ${share(paired)}, unpaired ${share(unpaired)}; due ${low} to ${high}`,
      `  seconds as replicates: ${share(planted)}`,
    );
    expect(paired).toBeLessThanOrEqual(high);
    expect(unpaired).toBeLessThanOrEqual(high);
    expect(paired).toBeGreaterThanOrEqual(low);
    if (drift === 0) {
      // A drift that both sides share makes what ignores the pairs find less than it might.
      expect(unpaired).toBeGreaterThanOrEqual(low);
    }
    if (campaign) {
      expect(planted).toBeGreaterThan(high);
    }
  });
});

test(`A/A of runs drawn from a pool, and the planted estimator, OSDYNO_SEED=${seed}`, async () => {
  const trials = 1000;
  await runsOf(campaign ? 400 : 96, { variation, drift: 0 }, seed, (runs) => {
    const random = new SeededRandom(seed).fork("pool");
    const seconds = runs.map(secondsOf);
    let [wrong, planted] = [0, 0];
    for (let trial = 0; trial < trials; trial += 1) {
      const drawn = new Set<number>();
      while (drawn.size < 2 * runsASide) {
        drawn.add(random.below(runs.length));
      }
      const places = [...drawn];
      const side = (from: number) =>
        places.slice(from, from + runsASide).flatMap((at) => runs[at] ?? []);
      const [a, b] = [sideOf("a", side(0), null), sideOf("b", side(runsASide), null)];
      wrong += Number(called(verdictOf(a, b, 0)));
      const sample = (from: number) =>
        places.slice(from, from + plantedRuns).flatMap((at) => [seconds[at] ?? []]);
      planted += Number(bySeconds(sample(0), sample(runsASide)));
    }
    const [low, high] = bounds(trials);
    say(
      `A/A of a pool of ${runs.length} runs that vary by ${percent(variationOf(runs.map(iopsOf)))}: ` +
        `${wrong} of ${trials} wrong, due ${low} to ${high}; by seconds ${planted}`,
    );
    expect(wrong).toBeGreaterThanOrEqual(low);
    expect(wrong).toBeLessThanOrEqual(high);
    // What takes seconds for runs fails the test that the real estimator passes.
    expect(planted).toBeGreaterThan(high);
  });
}, 600_000);
