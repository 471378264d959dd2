/** What a parameter matters is said of values that ran, those of the default among them. */
import { expect, test } from "vitest";
import { conclude } from "../../results/tune/conclude.ts";
import type { Problem, Tried } from "../../results/tune/problem.ts";
import { dimensionOf, keyOf } from "../../results/tune/space.ts";

const rates = [9_790, 19_400, 38_000, 49_600, 50_000, 50_000, 50_000];
const problem: Problem = {
  space: [dimensionOf("d", ["1", "2", "4", "8", "16", "32", "64"])],
  goals: [{ metric: "iops", direction: "maximise" }],
  limits: [],
  allowed: () => true,
};

const runOf = (place: number, time: number): Tried => ({
  choice: [place],
  figures: { iops: (rates[place] ?? 0) * (1 + 0.002 * ((time % 3) - 1)) },
});

const effectOf = (history: readonly Tried[], references: readonly Tried[]) =>
  conclude(problem, history, ["iops"], keyOf, 1, references).importance[0]?.effect;

test("best against worst is of values that ran, with the default's own runs", () => {
  const history = [1, 2, 3, 4, 6, 4, 4, 3, 1].map(runOf);
  const references = [0, 0, 0].map(runOf);
  const alone = effectOf(history, []);
  expect(alone?.value).toBeGreaterThan(2.5);
  expect(alone?.value).toBeLessThan(2.65);
  const all = effectOf(history, references);
  expect(all?.low).toBeLessThan(5.11);
  expect(all?.high).toBeGreaterThan(5.1);
  expect((all?.high ?? 0) - (all?.low ?? 0)).toBeLessThan(0.6);
});
