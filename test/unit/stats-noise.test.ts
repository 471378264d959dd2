/** The noise floor of a machine, and distributions side by side: against truths that are known. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { emptyHistogram, recordedBuckets } from "../../results/histogram.ts";
import {
  floorOf,
  isOf,
  type NoiseRecord,
  noiseSchema,
  noiseWarning,
  readNoise,
} from "../../results/noise-record.ts";
import { compareCounts } from "../../results/stats/distributions.ts";
import { detectable, noiseFloor, noiseOf } from "../../results/stats/noise.ts";
import { differenceOf } from "../../results/stats/verdict.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? 20_785);
const random = new SeededRandom(seed);

function normal(): number {
  const angle = 2 * Math.PI * random.unit();
  return Math.sqrt(-2 * Math.log(1 - random.unit())) * Math.cos(angle);
}

const runs = (count: number, variation: number, drift = 0) =>
  Array.from(
    { length: count },
    (_, at) => 1000 * (1 - (drift * at) / count) * Math.exp(variation * normal()),
  );

describe("noise of equal runs", () => {
  test("is their variation; a drift is told apart from it", () => {
    const steady = noiseOf(runs(400, 0.02));
    expect(steady.variation).toBeCloseTo(0.02, 2);
    expect(steady.variation_of_neighbours).toBeCloseTo(0.02, 2);
    const drifting = noiseOf(runs(400, 0.02, 0.3));
    expect(drifting.variation).toBeGreaterThan(0.08);
    expect(drifting.variation_of_neighbours).toBeCloseTo(0.02, 2);
    expect(drifting.drift.share).toBeCloseTo(-0.35, 1);
    expect(drifting.drift.p).toBeLessThan(0.001);
  });

  test(`what is said to be found is found in 80% of trials, equal sides in 5%, seed ${seed}`, () => {
    const effect = 1 + detectable(0.02, 10);
    expect(effect).toBeCloseTo(1.0274, 2);
    const trials = 1000;
    let [found, wrong] = [0, 0];
    for (let trial = 0; trial < trials; trial += 1) {
      const base = runs(10, 0.02);
      const slow = runs(10, 0.02).map((each) => each * effect);
      found += Number((differenceOf(base, slow, false)?.p ?? 1) <= 0.05);
      const equal = differenceOf(base, runs(10, 0.02), false)?.ratio ?? 1;
      wrong += Number(Math.abs(equal - 1) >= noiseFloor(0.02, 10));
    }
    expect(found / trials).toBeGreaterThan(0.76);
    expect(found / trials).toBeLessThan(0.84);
    expect(wrong / trials).toBeLessThan(0.07);
  });
});

describe("the floor of a machine", () => {
  const folder = mkdtempSync(join(tmpdir(), "osdyno-noise-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const metricOf = (variation: number) => {
    const figures = runs(10, variation);
    return { ...noiseOf(figures), variation_of_neighbours: variation, detectable: {}, figures };
  };
  const noise: NoiseRecord = {
    schema: noiseSchema,
    measured: "2026-01-01T00:00:00.000Z",
    machine: { host: "here", cpu: "one", kernel: "6" },
    repeat: 10,
    cases: [
      { name: "reads", args: [], job: "[r]\n", metrics: { iops: metricOf(0.01) } },
      { name: "writes", args: [], job: "[w]\n", metrics: { iops: metricOf(0.05) } },
    ],
  };

  test("is that of the same job, else of the one that varied least", () => {
    expect(floorOf(noise, "iops", "[w]\n")).toMatchObject({ name: "writes", variation: 0.05 });
    expect(floorOf(noise, "iops", "[x]\n")).toMatchObject({ name: "reads", variation: 0.01 });
    expect(floorOf(noise, "response.p99", "[r]\n")).toBeNull();
  });

  test("warns of what is smaller, and only of runs of that machine", () => {
    const floor = floorOf(noise, "iops", "[w]\n");
    expect(noiseWarning(floor, 0.98, 10)).toMatch(
      /^IOPS: 2% is below the noise floor of this machine, 4\.\d% at 10 runs a side \(writes\)$/,
    );
    expect(noiseWarning(floor, 0.9, 10)).toBeNull();
    expect(noiseWarning(null, 0.9999, 10)).toBeNull();
    const environment = { os: { host: "here" }, cpu: { model: "one" } };
    expect(isOf(noise, { environment })).toBe(true);
    expect(isOf(noise, { environment: { ...environment, os: { host: "there" } } })).toBe(false);
  });

  test("is read from its file; what is something else is none", () => {
    const file = join(folder, "noise.json");
    expect(readNoise(file)).toBeNull();
    writeFileSync(file, "{}");
    expect(readNoise(file)).toBeNull();
    writeFileSync(file, JSON.stringify(noise));
    expect(readNoise(file)).toEqual(noise);
  });
});

describe(`distributions, seed ${seed}`, () => {
  /** A run of 3,000 operations around 100 us; one in fifty takes `tail` times as long. */
  const run = (scale: number, tail: number) => {
    const histogram = emptyHistogram();
    const speed = scale * Math.exp(0.02 * normal());
    for (let op = 0; op < 3000; op += 1) {
      const time = 1e5 * speed * (0.2 - Math.log(1 - random.unit()));
      histogram.recordValue(Math.round(random.unit() < 0.02 ? tail * time : time));
    }
    return { buckets: [...recordedBuckets(histogram)] };
  };
  const side = (count: number, scale = 1, tail = 3) =>
    Array.from({ length: count }, () => run(scale, tail));

  test("a tail that is longer shows in the tail, and nowhere else", () => {
    const { quantiles, refused, p } = compareCounts(side(8), side(8, 1, 12), false);
    const at = (percentile: number) => quantiles.find((each) => each.percentile === percentile);
    expect(at(50)?.low).toBeLessThan(1.02);
    expect(at(50)?.high).toBeGreaterThan(0.98);
    expect(at(99.9)?.low).toBeGreaterThan(1.5);
    expect(at(99.9)?.ratio).toBeCloseTo((at(99.9)?.candidate ?? 0) / (at(99.9)?.base ?? 1), 9);
    // 24,000 operations have not ten beyond p99.99.
    expect(refused).toEqual([99.99]);
    expect(p).toBeGreaterThan(0);
  });

  test("quantiles are those of all samples together, not means of the runs'", () => {
    // One run of few slow operations among large fast ones: a mean of p50s would be pulled towards it.
    const fast = { buckets: [{ low: 1000, high: 1000, count: 10_000 }] };
    const slow = { buckets: [{ low: 9000, high: 9000, count: 20 }] };
    const { quantiles } = compareCounts([fast, slow], [fast, fast], false, 0.95, [50, 99]);
    expect(quantiles.map(({ base }) => base)).toEqual([1000, 1000]);
    expect(quantiles[0]?.low).toBeNull();
  });

  test("intervals hold the truth in 95%, and equal sides have a small p in 5%", () => {
    const trials = 60;
    let [held, all, small] = [0, 0, 0];
    for (let trial = 0; trial < trials; trial += 1) {
      const paired = trial % 2 === 0;
      const { quantiles, p } = compareCounts(side(6), side(6, 1.05), paired);
      for (const { low, high } of quantiles) {
        held += Number((low ?? 0) <= 1.05 && (high ?? 0) >= 1.05);
        all += 1;
      }
      small += Number((p ?? 1) <= 0.05);
    }
    // Quantiles of one trial go together: 60 trials count, with three standard errors.
    expect(held / all).toBeGreaterThan(0.95 - 3 * Math.sqrt((0.95 * 0.05) / trials));
    // A shift of 5% at a variation of 2%, in six runs a side: pairs alone find 57%, unpaired 93%.
    expect(small).toBeGreaterThan(0.6 * trials);
    let chance = 0;
    for (let trial = 0; trial < trials; trial += 1) {
      chance += Number((compareCounts(side(6), side(6), false).p ?? 0) <= 0.05);
    }
    expect(chance / trials).toBeLessThan(0.05 + 3 * Math.sqrt((0.95 * 0.05) / trials));
  });
});
