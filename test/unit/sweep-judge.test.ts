/** Verdicts of a sweep: what they say of known truths. */
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { compareSides } from "../../results/compare/compare.ts";
import type { Side } from "../../results/compare/sides.ts";
import type { RunRecord } from "../../results/run-record.ts";
import { benjaminiHochberg as adjusted } from "../../results/stats/adjust.ts";
import { studentP } from "../../results/stats/student.ts";
import { basesOf, judge, loneText, relativeWidth } from "../../results/sweep/judge.ts";
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

describe("partners", () => {
  const pairs = (points: readonly Point[], baseline: Readonly<Record<string, string>>) => {
    const baseOf = basesOf(points, baseline);
    return points.map((each) => baseOf(each)?.id ?? null);
  };
  const conditional = ["4k", "8k"].flatMap((bs) => [
    point(`w-${bs}`, { bs, rw: "randwrite", rwmixread: "-" }),
    point(`m10-${bs}`, { bs, rw: "randrw", rwmixread: "10" }),
    point(`m90-${bs}`, { bs, rw: "randrw", rwmixread: "90" }),
  ]);

  test("what acts at one of both only does not stand between them, a further axis does", () => {
    const due = ["4k", "8k"].flatMap((bs) => [null, `w-${bs}`, `w-${bs}`]);
    expect(pairs(conditional, { rw: "randwrite" })).toEqual(due);
    expect(loneText(conditional, { rw: "randwrite" })).toBeNull();
  });

  test("where two could be meant none is, and a line says so", () => {
    expect(pairs(conditional, { rw: "randrw" })).toEqual(conditional.map(() => null));
    expect(loneText(conditional, { rw: "randrw" })).toBe(
      "2 of 6 points are compared with nothing, as there is not just one point that differs in rw only: " +
        "bs=4k, rw=randwrite; bs=8k, rw=randwrite",
    );
    const one = pairs(conditional, { rw: "randrw", rwmixread: "10" });
    expect(one.slice(0, 3)).toEqual(["m10-4k", null, "m10-4k"]);
  });

  test("lists in step are one change; a value that the base was not measured at has no partner", () => {
    const steps = [
      point("a", { engine: "psync", depth: "1" }),
      point("b", { engine: "libaio", depth: "64" }),
    ];
    expect(pairs(steps, { engine: "psync" })).toEqual([null, "a"]);
    const left = [
      point("a-4k", { kind: "a", bs: "4k" }),
      point("b-4k", { kind: "b", bs: "4k" }),
      point("b-8k", { kind: "b", bs: "8k" }),
    ];
    expect(pairs(left, { kind: "a" })).toEqual([null, "a-4k", null]);
    expect(loneText(left, { kind: "a" })).toMatch(/^1 of 3 points is compared .*: kind=b, bs=8k$/);
  });
});

describe("one question, one answer", () => {
  const noisy = (seed: number, effect: number) => {
    const random = new SeededRandom(seed);
    return Array.from(
      { length: 6 + (seed % 12) },
      () => 1000 * effect * (0.97 + 0.06 * random.unit()),
    );
  };
  const side = (name: string, values: readonly number[]): Side => ({
    name,
    sweep: "s",
    runs: values.map((iops, place) => {
      const record = { environment: {}, job: { text: "" }, started: `${place}`, state: "complete" };
      const totals = { all: { iops } };
      return {
        path: `${place}`,
        record: { ...record, osdyno: { totals } } as unknown as RunRecord,
      };
    }),
  });

  test("compare says what the sweep says of the same pairs, to the last digit", () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const figures: Readonly<Record<string, readonly number[]>> = {
        a: noisy(seed, 1),
        b: noisy(seed + 1000 - (1000 % 12), 1 + (seed % 5) / 100),
      };
      const points = ["a", "b"].map((id) => point(id, { id }));
      const of = (id: string) => figures[id] ?? [];
      const [swept] = judge({ points, metrics: ["iops"], baseline: { id: "a" }, figures: of });
      const rules = { confidence: 0.95, minEffect: 0.02 };
      const [compared] = compareSides(
        side("a", of("a")),
        side("b", of("b")),
        ["iops"],
        rules,
      ).comparisons;
      const same = ["ratio", "low", "high", "p", "p_alone", "verdict", "reason"] as const;
      for (const name of [...same, "base_median", "candidate_median"] as const) {
        expect(swept?.[name], `${name}, seed ${seed}`).toEqual(compared?.[name]);
      }
    }
  });
});

test("a comparison is over the figures that it names, zeros among them", () => {
  const points = ["a", "b", "c"].map((id) => point(id, { id }));
  const figures: Readonly<Record<string, readonly (number | null)[]>> = {
    a: [1e6, 1e6, 1.1e6, 1e6, 0.9e6, 1e6],
    b: [0, 0, 0, 0, 0, 0],
    c: [2e6, null, 2e6, 2.1e6, 2e6, 1.9e6],
  };
  const metrics = ["response.p50"];
  const found = judge({
    points,
    metrics,
    baseline: { id: "a" },
    figures: (id) => figures[id] ?? [],
  });
  expect(found).toMatchObject([
    {
      ...{ candidate: "b", verdict: "better", ratio: null, low: null, high: null, runs: 6 },
      ...{ base_median: 1e6, candidate_median: 0, gap: { value: -1e6 } },
    },
    { candidate: "c", verdict: "unclear", runs: 5, base_median: 1e6, candidate_median: 2e6 },
  ]);
  expect(found[0]?.reason).toMatch(/^1\.00 ms lower, p /);
  expect(found[1]?.reason).toBe("5 pairs of runs; an interval needs 6");
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
