/** Statistics against vectors that SciPy made, and against the error rates they promise. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { emptyHistogram, percentileIntervals, percentileKey } from "../../results/histogram.ts";
import { benjaminiHochberg, holm } from "../../results/stats/adjust.ts";
import { changePoints } from "../../results/stats/change-points.ts";
import { planLooks } from "../../results/stats/looks.ts";
import {
  medianRanks,
  normalQuantile,
  percentileRanks,
  samplesFor,
} from "../../results/stats/order-statistics.ts";
import { cliffsDelta, normalBelow, rankSum, shiftOf } from "../../results/stats/rank-sum.ts";
import { mostPairs, signFlips } from "../../results/stats/sign-flips.ts";
import { pairedRatio } from "../../results/stats/signed-rank.ts";
import { type Difference, decide, differenceOf, fewestRuns } from "../../results/stats/verdict.ts";
import {
  driftOf,
  effectiveSamples,
  outliersOf,
  warmUpSamples,
} from "../../results/stats/within-run.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? 20_781);

interface Vectors {
  readonly A: number[];
  readonly B: number[];
  readonly "mwu_two-sided": {
    readonly U1: number;
    readonly p_exact: number;
    readonly p_asym_cc: number;
  };
  readonly mwu_less: { readonly p_exact: number };
  readonly mwu_greater: { readonly p_exact: number };
  readonly hodges_lehmann_B_minus_A: number;
  readonly cliffs_delta_B_over_A: number;
  readonly wilcoxon_signed_exact: { readonly p: number };
  readonly median_ci_order_stats: Record<string, [number, number, number] | null>;
  readonly p99_ci_order_stats: Record<string, [number, number]>;
  readonly p: number[];
  readonly bh: number[];
  readonly holm: number[];
}

const vectors = JSON.parse(
  readFileSync(new URL("../golden/harness/stat_vectors.json", import.meta.url), "utf8"),
) as Vectors;
const { A, B } = vectors;

/** Values of a normal distribution around 1 with this spread. */
function normal(random: SeededRandom, spread: number): number {
  const angle = 2 * Math.PI * random.unit();
  return Math.exp(spread * Math.sqrt(-2 * Math.log(1 - random.unit())) * Math.cos(angle));
}

describe("SciPy's figures", () => {
  it("Mann-Whitney, Hodges-Lehmann, Cliff", () => {
    const two = rankSum(A, B);
    expect(two.u).toBe(vectors["mwu_two-sided"].U1);
    expect(two.p).toBeCloseTo(vectors["mwu_two-sided"].p_exact, 14);
    expect(two.pLess).toBeCloseTo(vectors.mwu_less.p_exact, 14);
    expect(two.pGreater).toBeCloseTo(vectors.mwu_greater.p_exact, 14);
    expect(shiftOf(A, B).shift).toBeCloseTo(vectors.hodges_lehmann_B_minus_A, 12);
    expect(cliffsDelta(A, B)).toBeCloseTo(vectors.cliffs_delta_B_over_A, 12);
  });

  it("with ties the normal approximation, corrected for them and for continuity", () => {
    // A pair of equal values on top of all others changes nothing but the ties.
    const tied = rankSum([...A, 200], [...B, 200]);
    expect(tied.exact).toBe(false);
    expect(tied.p).toBeGreaterThan(0.001);
    expect(tied.p).toBeLessThan(0.01);
  });

  it("Wilcoxon's signed ranks", () => {
    expect(pairedRatio(A, B).p).toBeCloseTo(vectors.wilcoxon_signed_exact.p, 12);
  });

  it("signs flipped in all ways: the p that all of one sign have, and an interval that agrees with it", () => {
    const logs = A.map((value, place) => Math.log((B[place] ?? 0) / value));
    expect(signFlips(logs).p).toBeCloseTo(vectors.wilcoxon_signed_exact.p, 12);
    const random = new SeededRandom(seed).fork("signs");
    for (let trial = 0; trial < 200; trial += 1) {
      const count = 6 + random.below(mostPairs - 5);
      const values = Array.from({ length: count }, () => Math.log(normal(random, 1)) + 0.6);
      const { p, interval } = signFlips(values);
      const [low, high] = interval ?? [Number.NaN, Number.NaN];
      expect(low > 0 || high < 0, `${values}`).toBe(p <= 0.05);
      // Where the differences are shifted by a bound, the test turns.
      const shifted = (by: number) => signFlips(values.map((each) => each - by)).p;
      expect(shifted(low + 1e-9)).toBeGreaterThan(0.05);
      expect(shifted(low - 1e-9)).toBeLessThanOrEqual(0.05);
      expect(shifted(high - 1e-9)).toBeGreaterThan(0.05);
    }
  });

  it("ranks of the intervals of medians and of the 99th percentile", () => {
    for (const [n, ranks] of Object.entries(vectors.median_ci_order_stats)) {
      expect(medianRanks(Number(n), 0.95)).toEqual(ranks === null ? null : ranks.slice(0, 2));
    }
    for (const [n, ranks] of Object.entries(vectors.p99_ci_order_stats)) {
      expect(percentileRanks(Number(n), 99)).toEqual(ranks);
    }
    expect(percentileRanks(999, 99)).toBeNull();
    expect([samplesFor(50), samplesFor(99), samplesFor(99.9), samplesFor(99.99)]).toEqual([
      20, 1000, 10_000, 100_000,
    ]);
  });

  it("Holm, Benjamini and Hochberg", () => {
    const near = (found: readonly number[], wanted: readonly number[]) =>
      wanted.forEach((each, place) => {
        expect(found[place]).toBeCloseTo(each, 12);
      });
    near(holm(vectors.p), vectors.holm);
    near(benjaminiHochberg(vectors.p), vectors.bh);
    near(holm([...vectors.p].reverse()), [...vectors.holm].reverse());
  });

  it("the normal distribution both ways", () => {
    expect(normalQuantile(0.025)).toBeCloseTo(-1.959963984540054, 8);
    expect(normalBelow(-1.959963984540054)).toBeCloseTo(0.025, 12);
    expect(normalBelow(-8)).toBeCloseTo(6.22096057427178e-16, 24);
    expect(normalBelow(1)).toBeCloseTo(0.8413447460685429, 12);
  });
});

describe("error rates", () => {
  const trials = 600;
  const rules = { confidence: 0.95, margin: 0.01, better: "higher" } as const;

  /** Share of trials in which a difference was found between runs that differ by `effect`. */
  function found(effect: number, runs: number, spread: number, paired: boolean): number {
    const random = new SeededRandom(seed).fork(`${effect} ${runs} ${spread} ${paired}`);
    let count = 0;
    for (let trial = 0; trial < trials; trial += 1) {
      const drift = Array.from({ length: runs }, (_, run) => 1 + 0.1 * (run / runs));
      const base = drift.map((level) => (paired ? level : 1) * normal(random, spread));
      const other = drift.map((level) => (paired ? level : 1) * effect * normal(random, spread));
      const difference = differenceOf(base, other, paired);
      if (difference !== null) {
        const { verdict } = decide(difference, difference.p, rules);
        count += verdict === "better" || verdict === "worse" ? 1 : 0;
      }
    }
    return count / trials;
  }

  it(`equal sides are told apart in 5% of trials at most, seed ${seed}`, () => {
    // 0.05 and three standard errors of 600 trials.
    const most = 0.05 + 3 * Math.sqrt((0.05 * 0.95) / trials);
    expect(found(1, 10, 0.02, false)).toBeLessThan(most);
    expect(found(1, 8, 0.05, false)).toBeLessThan(most);
    expect(found(1, 10, 0.02, true)).toBeLessThan(most);
  });

  it("an effect of 3% at a spread of 2% is found by ten runs a side in 80% of trials", () => {
    expect(found(1.03, 10, 0.02, false)).toBeGreaterThan(0.8);
    // A drift of 10% through the runs hides nothing from pairs.
    expect(found(1.03, 10, 0.02, true)).toBeGreaterThan(0.8);
  });

  it("fixed looks together are wrong no more often than one", () => {
    const looks = planLooks(24);
    expect(looks.at(-1)?.runs).toBe(24);
    // Each spends less than it may reach: what was undecided at one look is likely to be so at the next.
    expect(looks.reduce((sum, { level }) => sum + level, 0)).toBeGreaterThan(0.05);
    expect(looks.every(({ level }) => level < 0.05)).toBe(true);
    expect(planLooks(6)).toEqual([{ runs: 6, level: expect.closeTo(0.05, 9) }]);
    const random = new SeededRandom(seed).fork("looks");
    let wrong = 0;
    for (let trial = 0; trial < trials; trial += 1) {
      const a = Array.from({ length: 24 }, () => normal(random, 0.03));
      const b = Array.from({ length: 24 }, () => normal(random, 0.03));
      const early = looks.some(
        ({ runs, level }) => rankSum(a.slice(0, runs), b.slice(0, runs)).p <= level,
      );
      wrong += early ? 1 : 0;
    }
    expect(wrong / trials).toBeLessThan(0.05 + 3 * Math.sqrt((0.05 * 0.95) / trials));
  });
});

describe("verdicts", () => {
  const rules = { confidence: 0.95, margin: 0.02, better: "lower" } as const;
  const around = (level: number, spread: number, count = 10) => {
    const random = new SeededRandom(seed).fork(`${level} ${spread}`);
    return Array.from({ length: count }, () => level * normal(random, spread));
  };
  const judge = (a: readonly number[], b: readonly number[], noiseFloor = 0) => {
    const difference = differenceOf(a, b, false);
    return difference === null ? null : decide(difference, difference.p, { ...rules, noiseFloor });
  };

  it("better, worse, same, unclear, each with its reason", () => {
    expect(judge(around(100, 0.01), around(80, 0.01))).toMatchObject({ verdict: "better" });
    expect(judge(around(100, 0.01), around(120, 0.01))).toMatchObject({ verdict: "worse" });
    expect(judge(around(100, 0.001), around(100.1, 0.001))).toMatchObject({ verdict: "same" });
    const unclear = judge(around(100, 0.2), around(105, 0.2));
    expect(unclear?.verdict).toBe("unclear");
    expect(unclear?.runsNeeded).toBeGreaterThan(10);
    expect(judge([1, 2], [3, 4])?.reason).toBe("2 runs a side; an interval needs 6");
    expect(differenceOf([], [1], false)).toBeNull();
  });

  it("what is found but does not count is not called", () => {
    const base = around(100, 0.002, 20);
    const found = judge(
      base,
      base.map((each) => 1.015 * each),
    );
    // The margin is 2%; at 1.5% with such runs it is the same, and with wider ones nobody knows.
    expect(found).toMatchObject({ verdict: "same" });
    const wide = differenceOf(around(100, 0.01, 40), around(101.5, 0.01, 40), false);
    const decision = decide(
      { ...wide, runs: 40, paired: false, ratio: 1.015, low: 1.005, high: 1.025 } as Difference,
      0.001,
      rules,
    );
    expect(decision).toMatchObject({
      verdict: "unclear",
      reason: "1.5% higher, which is less than what counts (2%), but it may be more",
    });
    expect(decision.runsNeeded).toBeGreaterThan(40);
  });

  it("a higher confidence needs more pairs", () => {
    expect([0.95, 0.99, 0.998].map((each) => fewestRuns(each, true))).toEqual([6, 8, 10]);
    expect([0.95, 0.99, 0.998].map((each) => fewestRuns(each, false))).toEqual([6, 6, 7]);
  });

  it("what is below the noise of the machine is not believed", () => {
    expect(judge(around(100, 0.002), around(104, 0.002), 0.1)).toMatchObject({
      verdict: "unclear",
      reason: expect.stringMatching(/less than equal runs differ on this machine \(10%\)/),
    });
  });
});

it("percentiles of a histogram lie where their ranks say in 95% of runs, and are refused without ten beyond", () => {
  const random = new SeededRandom(seed).fork("ranks");
  const truth = new Map(
    [50, 90, 99].map((each) => [percentileKey(each), -1e6 * Math.log(1 - each / 100)]),
  );
  const held = new Map<string, number>();
  const trials = 200;
  for (let trial = 0; trial < trials; trial += 1) {
    const histogram = emptyHistogram();
    for (let op = 0; op < 2000; op += 1) {
      histogram.recordValue(Math.round(-1e6 * Math.log(1 - random.unit())) + 1);
    }
    const totals = { count: 2000, minNs: 0, maxNs: 1e12, sumNs: 0, sumSquares: 0 };
    const found = percentileIntervals({ histogram, totals });
    expect(Object.keys(found)).toEqual([...truth.keys()]);
    for (const [key, [low, high]] of Object.entries(found)) {
      const value = truth.get(key) ?? 0;
      held.set(key, (held.get(key) ?? 0) + Number(low <= 1.001 * value && value <= 1.001 * high));
    }
  }
  for (const count of held.values()) {
    expect(count / trials).toBeGreaterThan(0.95 - 3 * Math.sqrt((0.95 * 0.05) / trials));
  }
});

describe("one run", () => {
  const random = new SeededRandom(seed).fork("run");

  it("warm-up is cut, a steady run is left whole", () => {
    const noise = () => 0.02 * (random.unit() - 0.5);
    const warming = Array.from({ length: 120 }, (_, at) => 1 - Math.exp(-at / 8) + noise());
    const cut = warmUpSamples(warming);
    expect(cut).toBeGreaterThanOrEqual(15);
    expect(cut).toBeLessThanOrEqual(60);
    const steady = Array.from({ length: 120 }, () => 1 + noise());
    expect(warmUpSamples(steady)).toBeLessThanOrEqual(30);
  });

  it("samples that resemble each other count for fewer", () => {
    let level = 0;
    const related = Array.from({ length: 2000 }, () => {
      level = 0.9 * level + normal(random, 1) - 1;
      return level;
    });
    // (1 - 0.9) / (1 + 0.9) of 2000 is 105.
    expect(effectiveSamples(related)).toBeGreaterThan(50);
    expect(effectiveSamples(related)).toBeLessThan(220);
    const free = Array.from({ length: 2000 }, () => normal(random, 0.1));
    expect(effectiveSamples(free)).toBeGreaterThan(1200);
  });

  it("drift and outliers", () => {
    const drifting = Array.from({ length: 60 }, (_, at) => (1 - 0.002 * at) * normal(random, 0.01));
    expect(driftOf(drifting).p).toBeLessThan(0.01);
    expect(driftOf(drifting).share).toBeCloseTo(-0.12, 1);
    const still = Array.from({ length: 60 }, () => normal(random, 0.01));
    expect(driftOf(still).p).toBeGreaterThan(0.01);
    still[17] = 3;
    expect(outliersOf(still)).toEqual([17]);
  });

  it("the change point of the series in Otava's tests", () => {
    const series = [
      1.02, 0.95, 0.99, 1, 1.12, 1, 1.01, 0.98, 1.01, 0.96, 0.5, 0.51, 0.48, 0.48, 0.55, 0.5, 0.49,
      0.51, 0.5, 0.49,
    ];
    expect(changePoints(series)).toEqual([10]);
    expect(changePoints(series.slice(0, 10))).toEqual([]);
  });
});
