import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { decodeHistogram, recordedBuckets } from "../../results/histogram.ts";
import {
  platBucketCount,
  platFromHistogram,
  platIndex,
  platMiddle,
  platPercentiles,
} from "../../results/plat.ts";
import { hdrOf } from "../unit/results-fixture.ts";

const golden = (name: string) =>
  JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8")) as unknown;

test("buckets and their middles are fio's, every vector", () => {
  const vectors = golden("harness/plat_vectors.json") as {
    value: number;
    idx: number;
    mid: number;
  }[];
  expect(vectors.length).toBeGreaterThan(30);
  const wrong = vectors.filter(
    ({ value, idx, mid }) => platIndex(value) !== idx || platMiddle(idx) !== mid,
  );
  expect(wrong).toEqual([]);
});

test("a bucket's middle lies in the bucket, edges of powers of two included", () => {
  for (let index = 0; index < platBucketCount; index += 1) {
    expect(platIndex(platMiddle(index))).toBe(index);
  }
  for (let bit = 7; bit < 34; bit += 1) {
    expect(platIndex(2 ** bit)).toBe((bit - 5) * 64);
    expect(platIndex(2 ** bit - 1)).toBe((bit - 5) * 64 - 1);
  }
});

test("percentiles over fio's own bins equal fio's, at exact boundaries too", () => {
  const documents = golden("fio/percentile_vectors.json") as {
    N: number;
    bins: Record<string, number>;
    percentile: Record<string, number>;
  }[];
  for (const { N, bins, percentile } of documents) {
    const buckets = Object.entries(bins).map(([mid, n]) => [platIndex(Number(mid)), n] as const);
    const ours = platPercentiles(buckets, Object.keys(percentile).map(Number));
    expect([N, Object.fromEntries(ours.map(([p, ns]) => [p.toFixed(6), ns]))]).toEqual([
      N,
      percentile,
    ]);
  }
});

test("every HdrHistogram bucket lies within one of fio's", () => {
  const values: number[] = [];
  for (let value = 1; value < 2 ** 34; value = Math.ceil(value * 1.0007)) {
    values.push(value);
  }
  const histogram = decodeHistogram(hdrOf(values));
  for (const { low, high } of recordedBuckets(histogram)) {
    expect(platIndex(low)).toBe(platIndex(high));
  }
  const counted = platFromHistogram(histogram);
  const direct = new Map<number, number>();
  for (const value of values) {
    direct.set(platIndex(value), (direct.get(platIndex(value)) ?? 0) + 1);
  }
  expect(counted).toEqual([...direct]);
});
