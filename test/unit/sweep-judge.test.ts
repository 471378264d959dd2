/** Verdicts of a sweep: what they say of known truths. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { benjaminiHochberg as adjusted } from "../../results/stats/adjust.ts";
import { pairedRatio } from "../../results/stats/signed-rank.ts";
import { pairedStudentP, studentP } from "../../results/stats/student.ts";
import { judge, relativeWidth } from "../../results/sweep/judge.ts";
import type { Point } from "../../results/sweep/points.ts";

function point(id: string, parameters: Record<string, string>): Point {
  const nothing = {
    settings: {},
    options: {},
    preset: null,
    deviceClass: null,
    shape: null,
    target: null,
  };
  return { id, parameters, ...nothing };
}

describe("paired ratio", () => {
  test("six pairs: the interval is of all averages, p is the smallest there is", () => {
    const base = [100, 101, 99, 102, 98, 100];
    const found = pairedRatio(
      base,
      base.map((value) => value * 1.1),
    );
    expect(found.ratio).toBeCloseTo(1.1, 10);
    expect(found.low).toBeCloseTo(1.1, 10);
    expect(found.p).toBeCloseTo(2 / 64, 12);
  });

  test("SciPy's exact signed-rank test of eight pairs", () => {
    const a = [101.2, 99.8, 100.5, 102.1, 98.9, 100, 101.7, 99.5];
    const b = [104, 103.1, 105.2, 102.8, 104.9, 103.7, 101.9, 106.3];
    expect(pairedRatio(a, b).p).toBeCloseTo(0.0078125, 12);
  });

  test("five pairs have no interval at 95%", () => {
    const five = [1, 2, 3, 4, 5];
    expect(
      pairedRatio(
        five,
        five.map((value) => value * 2),
      ),
    ).toMatchObject({
      low: 0,
      high: Number.POSITIVE_INFINITY,
    });
  });

  test("exchanging the sides inverts ratio and interval", () => {
    const value = fc.double({ min: 0.1, max: 10, noNaN: true });
    const pairs = fc.array(fc.tuple(value, value), { minLength: 6, maxLength: 15 });
    fc.assert(
      fc.property(pairs, (all) => {
        const [a, b] = [all.map(([x]) => x), all.map(([, y]) => y)];
        const [there, back] = [pairedRatio(a, b), pairedRatio(b, a)];
        expect(there.ratio * back.ratio).toBeCloseTo(1, 9);
        expect(there.low * back.high).toBeCloseTo(1, 9);
        expect(there.p).toBeCloseTo(back.p, 9);
      }),
    );
  });

  test("the interval holds the true ratio in 95% of 2000 trials, drift or not", () => {
    const random = new SeededRandom(20261121);
    const normal = () =>
      Math.sqrt(-2 * Math.log(1 - random.unit())) * Math.cos(2 * Math.PI * random.unit());
    let held = 0;
    for (let trial = 0; trial < 2000; trial += 1) {
      const drift = (block: number) => 1 - 0.02 * block;
      const run = (block: number) => 1000 * drift(block) * Math.exp(0.02 * normal());
      const base = Array.from({ length: 8 }, (_, block) => run(block));
      const other = Array.from({ length: 8 }, (_, block) => 1.03 * run(block));
      const { low, high } = pairedRatio(base, other);
      held += low <= 1.03 && high >= 1.03 ? 1 : 0;
    }
    // 99% binomial bounds of 95% (the test's own coverage with 8 pairs is 96.1%).
    expect(held / 2000).toBeGreaterThan(0.945);
    expect(held / 2000).toBeLessThan(0.978);
  });
});

test("Benjamini and Hochberg's adjustment of the published ten", () => {
  const ps = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216];
  const due = [0.01, 0.04, 0.084, 0.084, 0.084, 0.1, 0.105714, 0.216, 0.216, 0.216];
  adjusted(ps).forEach((p, place) => {
    expect(p).toBeCloseTo(due[place] ?? 0, 6);
  });
});

describe("verdicts", () => {
  const noise = [1, 1.004, 0.997, 1.002, 0.999, 1.001, 0.998, 1.003];
  const points = ["a", "b"].flatMap((kind) =>
    ["4k", "64k"].map((bs) => point(`${kind}-${bs}`, { kind, bs })),
  );
  const judged = (means: Readonly<Record<string, number>>, runs = 8) =>
    judge({
      points,
      metrics: ["iops", "counter.x"],
      baseline: { kind: "a" },
      figures: (id) =>
        noise.slice(0, runs).map((each, place) => {
          const own = noise[(place * 3 + id.length) % noise.length] ?? 1;
          return (means[id] ?? 0) * each * own;
        }),
    });

  test("each point stands against the base with the same other parameters", () => {
    const found = judged({ "a-4k": 100, "b-4k": 110, "a-64k": 100, "b-64k": 90 });
    expect(found.map(({ base, candidate, verdict }) => [base, candidate, verdict])).toEqual([
      ["a-4k", "b-4k", "better"],
      ["a-64k", "b-64k", "worse"],
    ]);
  });

  test("no difference within the margin is the same; few runs are unclear", () => {
    const even = { "a-4k": 100, "b-4k": 100.2, "a-64k": 100, "b-64k": 99.9 };
    expect(judged(even).map((each) => each.verdict)).toEqual(["same", "same"]);
    expect(judged({ ...even, "b-4k": 150 }, 3)[0]).toMatchObject({
      verdict: "unclear",
      runs_needed: 6,
    });
  });
});

test("the width of a median's interval needs six values", () => {
  expect(relativeWidth([100, 101, 99, null, 100, 100])).toBeNull();
  expect(relativeWidth([100, 101, 99, 100, 100, 102])).toBeCloseTo(0.015, 12);
});

describe("Student's t", () => {
  test.each([
    // SciPy: stats.t.sf(t, df) * 2; the first is of the golden vectors of Welch's test.
    [-5.492282534918687, 13.244330080250435, 9.68006717365531e-5],
    [0, 5, 1],
    [2.5705818366147395, 5, 0.05],
    [12.706204736432095, 1, 0.05],
    [1.959963984540054, 1e7, 0.05],
  ])("t %d of %d degrees of freedom: p %d", (t, df, p) => {
    expect(studentP(t, df)).toBeCloseTo(p, 7);
  });

  test("of figures that do not vary any difference is one", () => {
    expect(pairedStudentP([2, 2, 2], [2, 2, 2])).toBe(1);
    expect(pairedStudentP([2, 2, 2], [4, 4, 4])).toBe(0);
  });
});

describe("a sweep of twelve points in six blocks", () => {
  const points = Array.from({ length: 12 }, (_, place) => point(`p${place}`, { kind: `${place}` }));
  /** Verdicts of one sweep whose runs vary by 5%, with a drift that all points of a block share. */
  const sweep = (seed: number, effect: number) => {
    const random = new SeededRandom(seed);
    const normal = () =>
      Math.sqrt(-2 * Math.log(1 - random.unit())) * Math.cos(2 * Math.PI * random.unit());
    const figures = new Map(
      points.map(({ id }) => [
        id,
        Array.from({ length: 6 }, (_, block) => {
          const own = id === "p11" ? effect : 1;
          return 1000 * own * (1 - 0.04 * block) * Math.exp(0.05 * normal());
        }),
      ]),
    );
    const baseline = { kind: "0" };
    return judge({ points, metrics: ["iops"], baseline, figures: (id) => figures.get(id) ?? [] });
  };

  test("one that is half as fast is found in each of 50, however many stand beside it", () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      expect(sweep(seed, 0.5).find((each) => each.candidate === "p11")?.verdict).toBe("worse");
    }
  });

  test("of sweeps without any difference at most 5% say that there is one (2000 sweeps)", () => {
    let wrong = 0;
    for (let seed = 1; seed <= 2000; seed += 1) {
      const said = sweep(seed, 1).some(
        ({ verdict }) => verdict === "better" || verdict === "worse",
      );
      wrong += said ? 1 : 0;
    }
    // The upper 99% binomial bound of 5% in 2000.
    expect(wrong).toBeLessThanOrEqual(126);
  });
});
