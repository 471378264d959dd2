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
import { mostByStudent, pairedShift } from "../../results/stats/paired.ts";
import { cliffsDelta, normalBelow, rankSum, shiftOf } from "../../results/stats/rank-sum.ts";
import { signedRanks } from "../../results/stats/signed-rank.ts";
import {
  contrastOf,
  type Difference,
  decide,
  differenceOf,
  fewestRuns,
  sidesOf,
} from "../../results/stats/verdict.ts";
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

  it("with ties p is the share of all ways to deal the values out, however few they are", () => {
    /** Every choice of `m` of the values. */
    const chosen = (values: readonly number[], m: number): [number[], number[]][] => {
      const [first, ...rest] = values;
      if (first === undefined) {
        return m === 0 ? [[[], []]] : [];
      }
      const taken = m === 0 ? [] : chosen(rest, m - 1);
      return [
        ...taken.map(([a, b]): [number[], number[]] => [[first, ...a], b]),
        ...chosen(rest, m).map(([a, b]): [number[], number[]] => [a, [first, ...b]]),
      ];
    };
    const larger = (a: readonly number[], b: readonly number[]) =>
      a.reduce((sum, x) => sum + b.reduce((all, y) => all + (x > y ? 1 : x === y ? 0.5 : 0), 0), 0);
    const random = new SeededRandom(11);
    for (let trial = 0; trial < 20; trial += 1) {
      const draw = (count: number) =>
        Array.from({ length: count }, () => Math.floor(random.unit() * 4));
      const [a, b] = [draw(2 + (trial % 4)), draw(3 + (trial % 3))];
      const ways = chosen([...a, ...b], a.length).map(([x, y]) => larger(x, y));
      const { u, p, pLess, pGreater } = rankSum(a, b);
      expect(u).toBe(larger(a, b));
      const less = ways.filter((way) => way <= u).length / ways.length;
      const greater = ways.filter((way) => way >= u).length / ways.length;
      expect(pLess, `${a} ${b}`).toBeCloseTo(less, 12);
      expect(pGreater, `${a} ${b}`).toBeCloseTo(greater, 12);
      expect(p).toBeCloseTo(Math.min(1, 2 * Math.min(less, greater)), 12);
    }
    // Six against six wholly apart: two of the 924 ways are as far apart.
    const apart = rankSum([1, 1, 2, 3, 4, 5], [6, 6, 7, 8, 9, 9]);
    expect(apart.p).toBeCloseTo(2 / 924, 12);
    expect(rankSum([7, 7, 7], [7, 7, 7, 7]).p).toBe(1);
  });

  it("of many values with ties the normal approximation, corrected for them and for continuity", () => {
    const many = (from: number) => Array.from({ length: 31 }, (_, place) => from + (place % 16));
    const tied = rankSum(many(0), many(1));
    expect(tied.exact).toBe(false);
    // U is 421; by the complementary error function, of Python's library.
    expect(tied.p).toBeCloseTo(0.4053206195038449, 9);
  });

  it("Wilcoxon's signed ranks", () => {
    const apart = A.map((value, place) => (B[place] ?? 0) - value);
    expect(signedRanks(apart).p).toBeCloseTo(vectors.wilcoxon_signed_exact.p, 12);
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

describe("the test of pairs", () => {
  const random = new SeededRandom(seed).fork("pairs");
  /** Ties and zeros among them. */
  const draw = (count: number, shift: number, step: number) =>
    Array.from({ length: count }, () => {
      const value = Math.log(normal(random, 1)) + shift;
      return step === 0 ? value : Math.round(value / step) * step;
    });

  it(`p is at most the level just where the interval leaves out 0, seed ${seed}`, () => {
    for (let trial = 0; trial < 1200; trial += 1) {
      const count = 6 + random.below(2 * (mostByStudent - 5));
      const values = draw(count, random.unit(), trial % 3 === 0 ? 0.5 : 0);
      const level = [0.05, 0.01, 0.003][trial % 3] ?? 0.05;
      const { low, high, p } = pairedShift(values, 1 - level);
      const told = low !== null && high !== null;
      expect(told && (low > 0 || high < 0), `${values} at ${level}`).toBe(p <= level);
    }
  });

  it("the estimate lies in the interval, and turns round with the sides", () => {
    for (let trial = 0; trial < 400; trial += 1) {
      const values = draw(6 + random.below(14), 0.3, 0);
      // An outlier draws the mean along, not the estimate.
      values[0] = (values[0] ?? 0) * (trial % 2 === 0 ? 20 : 1);
      const there = pairedShift(values);
      const back = pairedShift(values.map((value) => -value));
      expect(there.low).toBeLessThanOrEqual(there.shift);
      expect(there.high).toBeGreaterThanOrEqual(there.shift);
      expect(back.shift).toBeCloseTo(-there.shift, 12);
      expect(back.low).toBeCloseTo(-(there.high ?? 0), 12);
      expect(back.p).toBeCloseTo(there.p, 12);
    }
  });

  it.each([6, 10, 13, 20])("the interval of %i pairs holds the truth in 95% of trials", (pairs) => {
    const trials = 3000;
    for (const noise of [() => normal(random, 0.02), () => (random.below(10) === 0 ? 0.8 : 1)]) {
      let held = 0;
      for (let trial = 0; trial < trials; trial += 1) {
        const smooth = () => Math.log(noise() * normal(random, 0.01));
        const values = Array.from({ length: pairs }, () => 0.03 + smooth() - smooth());
        const { low, high } = pairedShift(values);
        held += Number((low ?? 1) <= 0.03 && (high ?? -1) >= 0.03);
      }
      // Three standard errors below; with outliers it may hold the truth more often.
      expect(held / trials).toBeGreaterThan(0.95 - 3 * Math.sqrt((0.95 * 0.05) / trials));
    }
  });

  it("of figures that do not vary any difference is one", () => {
    expect(pairedShift([0, 0, 0, 0, 0, 0])).toEqual({ shift: 0, low: 0, high: 0, p: 1 });
    expect(pairedShift([2, 2, 2, 2, 2, 2])).toEqual({ shift: 2, low: 2, high: 2, p: 0 });
    expect(pairedShift([2])).toEqual({ shift: 2, low: null, high: null, p: 1 });
  });
});

describe("figures of 0", () => {
  const rules = { confidence: 0.95, margin: 0.02, better: "lower" } as const;
  const format = (value: number) => `${value} ns`;
  const of = (base: readonly (number | null)[], candidate: readonly (number | null)[]) => {
    const found = contrastOf(sidesOf(base, candidate, true), true);
    return found === null ? null : { found, said: decide(found, found.p, { ...rules, format }) };
  };
  const ms = [1000, 1001, 999, 1000, 1002, 998];

  it("are compared by difference", () => {
    const gone = of(ms, [0, 0, 0, 0, 0, 0]);
    expect(gone).toMatchObject({
      found: { gap: -1000, median: 1000, runs: 6 },
      said: { verdict: "better", reason: expect.stringMatching(/^1000 ns lower, p /) },
    });
    expect(gone?.found).not.toHaveProperty("ratio");
    expect(of([0, 0, 0, 0, 0, 0], ms)).toMatchObject({
      found: { gap: 1000, median: 0 },
      said: { verdict: "worse" },
    });
    // One run in six: what is 0 stays a figure.
    expect(of(ms, ms.with(2, 0))).toMatchObject({
      found: { gap: 0 },
      said: { verdict: "unclear" },
    });
  });

  it("on both sides are the same; without a figure there is no pair", () => {
    const zeros = [0, 0, 0, 0, 0, 0];
    expect(of(zeros, zeros)?.said).toMatchObject({
      verdict: "same",
      reason: "there is no difference at all",
    });
    expect(of([...ms, null], [...ms, 5])?.found.runs).toBe(6);
    expect(of([null], [5])).toBeNull();
  });

  it("count from the share of the base's median on", () => {
    const near = of([0, ...ms], [1, ...ms.map((value) => value + 1)]);
    expect(near?.said).toMatchObject({ verdict: "same" });
    expect(near?.said.reason).toMatch(/within 20 ns of no difference/);
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

  it("a higher confidence needs more runs", () => {
    // Ranks; the t test of pairs only has wider intervals.
    expect([0.95, 0.99, 0.998].map((each) => fewestRuns(each, true))).toEqual([6, 6, 6]);
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
