/**
 * The rules of verdicts on figures drawn from known laws, without a machine: thousands of trials in seconds.
 * What is due is computed from the normal distribution, not by the code under test.
 */
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { planLooks } from "../../results/stats/looks.ts";
import { mostByStudent, pairedShift } from "../../results/stats/paired.ts";
import { decide, differenceOf } from "../../results/stats/verdict.ts";
import { bounds, called, campaign, normal, percent, say, seed } from "./machine.ts";

const variation = 0.02;
const minEffect = 0.005;
const usual = { confidence: 0.95, margin: minEffect, better: "higher" } as const;

type Law = (random: SeededRandom) => number;

/** Noise of one run, as a logarithm; differences of two are symmetric, whatever the law. */
const laws: Readonly<Record<string, Law>> = {
  "ordinary noise": (random) => variation * normal(random),
  "an outlier of 20% in one of ten": (random) =>
    variation * normal(random) - (random.unit() < 0.1 ? 0.2 : 0),
  "two levels": (random) => 0.2 * variation * normal(random) + (random.unit() < 0.5 ? 0.06 : 0),
  "a long tail to one side": (random) => -2 * variation * Math.log(1 - random.unit()),
  "no finite variance": (random) =>
    (variation * normal(random)) / Math.sqrt(-Math.log(1 - random.unit())),
};

const differences = (law: Law, pairs: number, shift: number, random: SeededRandom): number[] =>
  Array.from({ length: pairs }, () => shift + law(random) - law(random));

/** The planted test: as if the deviation of a few differences were known. */
function byNormal(values: readonly number[]): boolean {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const error = Math.sqrt(squares / (values.length - 1) / values.length);
  return Math.abs(mean) > 1.959964 * error;
}

describe(`pairs with other noise than ordinary, OSDYNO_SEED=${seed}`, () => {
  const trials = campaign ? 10_000 : 1000;
  test.each(Object.keys(laws))(
    "%s: false verdicts, coverage, power",
    { timeout: 600_000 },
    (name) => {
      const law = laws[name] ?? (() => 0);
      const [low, high] = bounds(trials);
      for (const pairs of [6, 10, mostByStudent, mostByStudent + 1, 20]) {
        const random = new SeededRandom(seed).fork(`${name} ${pairs}`);
        let [wrong, missed, found, planted] = [0, 0, 0, 0];
        for (let trial = 0; trial < trials; trial += 1) {
          const none = differences(law, pairs, 0, random);
          wrong += Number(pairedShift(none).p <= 0.05);
          planted += Number(byNormal(none));
          const some = pairedShift(differences(law, pairs, 0.05, random));
          const holds =
            some.low !== null && some.high !== null && some.low <= 0.05 && some.high >= 0.05;
          missed += Number(!holds);
          found += Number(some.p <= 0.05);
        }
        const share = (count: number) => percent(count / trials);
        say(
          `${pairs} pairs, ${name}: false verdicts ${share(wrong)}, intervals without the truth ${share(missed)}, ` +
            `5% found in ${share(found)}; due ${share(low)} to ${share(high)}`,
        );
        expect(wrong, `${pairs} pairs`).toBeLessThanOrEqual(high);
        expect(missed, `${pairs} pairs`).toBeLessThanOrEqual(high);
        if (name === "ordinary noise") {
          expect(wrong, `${pairs} pairs`).toBeGreaterThanOrEqual(low);
        }
        if (name === "ordinary noise" && pairs === 6) {
          // What takes the deviation of six differences for the true one fails where the t test passes.
          expect(planted).toBeGreaterThan(high);
        }
      }
    },
  );
});

/** The normal distribution below a value, by the rule of Simpson. */
function below(z: number): number {
  const steps = 2000;
  const width = (z + 12) / steps;
  let sum = 0;
  for (let step = 0; step <= steps; step += 1) {
    const weight = step === 0 || step === steps ? 1 : step % 2 === 1 ? 4 : 2;
    sum += weight * Math.exp(-((-12 + step * width) ** 2) / 2);
  }
  return (sum * width) / 3 / Math.sqrt(2 * Math.PI);
}

/** Half a 95% interval of a mean, in its deviations: of so many pairs by t, of many by the normal law. */
const critical: Readonly<Record<number, number>> = { 10: 2.262157, 60: 1.959964 };

/**
 * How often a true difference is called at so many pairs: the mean of differences whose variance is twice
 * that of a run, and whose deviation is known as well as a chi distribution has it.
 */
function dueShare(shift: number, pairs: number): number {
  const error = (variation * Math.SQRT2) / Math.sqrt(pairs);
  const freedom = pairs - 1;
  let [sum, weight] = [0, 0];
  for (let at = 0.005; at < 3; at += 0.01) {
    const own = at ** (freedom - 1) * Math.exp((-freedom * (at * at - 1)) / 2);
    const least = Math.max((critical[pairs] ?? 0) * at * error, Math.log1p(minEffect));
    weight += own;
    sum += own * (below((shift - least) / error) + below((-shift - least) / error));
  }
  return sum / weight;
}

describe(`differences below what counts, OSDYNO_SEED=${seed}`, () => {
  const trials = campaign ? 2000 : 600;
  test.each([
    [0.0025, 10],
    [0.004, 10],
    [0.0025, 60],
    [0.004, 60],
  ])("a true difference of %f in %i pairs is called as often as is due", (share, pairs) => {
    const random = new SeededRandom(seed).fork(`${share} ${pairs}`);
    const law = laws["ordinary noise"] ?? (() => 0);
    let found = 0;
    for (let trial = 0; trial < trials; trial += 1) {
      const base = Array.from({ length: pairs }, () => Math.exp(law(random)));
      const other = Array.from({ length: pairs }, () => (1 + share) * Math.exp(law(random)));
      const difference = differenceOf(base, other, true);
      found += Number(difference !== null && called(decide(difference, difference.p, usual)));
    }
    const due = dueShare(Math.log1p(share), pairs);
    // Ranks find 95.5% of what the mean does, so that a little less than due is so.
    const [low, high] = [bounds(trials, 0.85 * due)[0], bounds(trials, due)[1]];
    say(
      `${percent(share)} in ${pairs} pairs, ${percent(minEffect)} counts, OSDYNO_SEED=${seed}: called in ` +
        `${found} of ${trials} (${percent(found / trials)}), computed ${percent(due)}; due ${low} to ${high}`,
    );
    expect(found).toBeGreaterThanOrEqual(low);
    expect(found).toBeLessThanOrEqual(high);
  });
});

test(`1% within 60 pairs, with looks on the way and without, OSDYNO_SEED=${seed}`, () => {
  const trials = campaign ? 2000 : 600;
  const random = new SeededRandom(seed).fork("looks");
  const law = laws["ordinary noise"] ?? (() => 0);
  const plans = { looks: planLooks(60), once: [{ runs: 60, level: 0.05 }] };
  const found = { looks: 0, once: 0 };
  let wrong = 0;
  for (let trial = 0; trial < trials; trial += 1) {
    const base = Array.from({ length: 60 }, () => Math.exp(law(random)));
    const other = Array.from({ length: 60 }, () => 0.99 * Math.exp(law(random)));
    for (const plan of ["looks", "once"] as const) {
      for (const { runs, level } of plans[plan]) {
        const confidence = 1 - level;
        const difference = differenceOf(
          base.slice(0, runs),
          other.slice(0, runs),
          true,
          confidence,
        );
        const rules = { ...usual, confidence };
        const verdict = difference && decide(difference, difference.p, rules).verdict;
        if (verdict !== null && verdict !== "unclear") {
          found[plan] += Number(verdict === "worse");
          wrong += Number(verdict === "better");
          break;
        }
      }
    }
  }
  const ceiling = dueShare(Math.log(1 / 0.99), 60);
  const share = (count: number) => `${count} of ${trials} (${percent(count / trials)})`;
  say(
    `1% within 60, OSDYNO_SEED=${seed}: found in ${share(found.looks)} with looks on the way, in ` +
      `${share(found.once)} without; any two-sided test at 5% finds ${percent(ceiling)} at most`,
  );
  // Of 78.5% ranks keep 76%; that looks on the way cost another eight points is said in the README.
  expect(found.once).toBeGreaterThanOrEqual(bounds(trials, 0.72)[0]);
  expect(found.once).toBeLessThanOrEqual(bounds(trials, ceiling)[1]);
  expect(found.looks).toBeGreaterThanOrEqual(bounds(trials, 0.67)[0]);
  expect(wrong).toBeLessThanOrEqual(bounds(2 * trials, 0.025)[1]);
});
