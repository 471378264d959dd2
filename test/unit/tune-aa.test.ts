/**
 * A tuner's winner is the luckiest of many: of a flat goal its own figures look good, and the confirmation must
 * not be taken in by them. Many tunings of nothing, with fresh noise: false verdicts stay within what the level
 * allows, and the estimator that judges by the search's own figures, planted here, does not.
 */
import { expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { normalQuantile } from "../../results/stats/order-statistics.ts";
import { judge } from "../../results/sweep/judge.ts";
import type { Point } from "../../results/sweep/points.ts";
import { conclude } from "../../results/tune/conclude.ts";
import type { Problem, Tried } from "../../results/tune/problem.ts";
import { searches } from "../../results/tune/search.ts";
import { dimensionOf, keyOf } from "../../results/tune/space.ts";

/** Fresh in campaigns: a claim about rates fails now and then by chance alone. */
const seed = Number(
  process.env["OSDYNO_SEED"] ??
    (process.env["OSDYNO_CAMPAIGN"] === undefined ? 20_786 : Math.floor(Math.random() * 2 ** 31)),
);
const tunings = process.env["OSDYNO_CAMPAIGN"] === undefined ? 150 : 2000;
const pairs = 10;

const problem: Problem = {
  space: [dimensionOf("a", ["1", "2", "3", "4"]), dimensionOf("b", ["x", "y", "z"])],
  goals: [{ metric: "iops", direction: "maximise" }],
  limits: [],
  allowed: () => true,
};

/** Differences that matter are smaller than the noise: nothing hides behind the margin. */
const margin = 1e-6;

function verdictOf(base: readonly number[], candidate: readonly number[]): string {
  const points = ["default", "tuned"].map(
    (id): Point => ({
      ...{ id, parameters: { configuration: id }, settings: {}, options: {} },
      ...{ preset: null, deviceClass: null, shape: null, target: null },
    }),
  );
  const [comparison] = judge({
    points,
    metrics: ["iops"],
    baseline: { configuration: "default" },
    figures: (id) => (id === "default" ? base : candidate),
    margin,
  });
  return comparison?.verdict ?? "none";
}

/** The largest count that chance gives in all but 1 of 200 campaigns at this rate. */
function mostByChance(count: number, rate: number): number {
  return count * rate + 2.576 * Math.sqrt(count * rate * (1 - rate)) + 1;
}

test(`a flat goal is no win: ${tunings} tunings (OSDYNO_SEED=${seed})`, () => {
  const random = new SeededRandom(seed);
  const noise = () => 1000 * Math.exp(0.02 * normalQuantile(Math.max(1e-9, random.unit())));
  let fooled = 0;
  let planted = 0;
  for (let number = 0; number < tunings; number += 1) {
    const history: Tried[] = [];
    for (;;) {
      const state = { problem, history, seed: seed + number, runs: 24, repeat: 2 };
      const proposal = searches.lhs(state);
      if (proposal === null) {
        break;
      }
      history.push({ choice: proposal.choice, figures: { iops: noise() } });
    }
    const { leading, front } = conclude(problem, history, ["iops"], keyOf, 1);
    expect({ leading: leading.length, front }).toEqual({ leading: 1, front: [] });
    const fresh = () => Array.from({ length: pairs }, noise);
    const verdict = verdictOf(fresh(), fresh());
    fooled += verdict === "better" || verdict === "worse" ? 1 : 0;
    // The planted one takes the luckiest runs of the search for the winner's.
    const lucky = history
      .map(({ figures }) => figures?.["iops"] ?? 0)
      .sort((a, b) => b - a)
      .slice(0, pairs);
    planted += verdictOf(fresh(), lucky) === "better" ? 1 : 0;
  }
  expect(fooled).toBeLessThanOrEqual(mostByChance(tunings, 0.05));
  expect(planted).toBeGreaterThan(mostByChance(tunings, 0.05));
});
