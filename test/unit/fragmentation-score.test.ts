/** The score is Ceph's, whatever the store's unit is. */
import { expect, test } from "vitest";
import { ExtentList } from "../../engine/hot/allocator/allocator.ts";
import { createAllocator } from "../../engine/hot/allocator/registry.ts";
import { fragmentationScore } from "../../engine/hot/allocator/score.ts";

const kib = 1024;

/** Worked out by Ceph 17's formula over bytes, apart from this code. */
const golden: readonly (readonly [readonly number[], number])[] = [
  [[16 * kib, 32 * kib], 0.1172158494194737],
  [new Array(1000).fill(4 * kib), 0.699764960097503],
  [[...new Array(10).fill(64 * kib), 1024 * kib], 0.21420379277123383],
  [[600 * kib * kib, 20 * kib, 192 * kib], 0.0003100776634021227],
  [[4096_000], 0],
  [[], 0],
];

test.each(golden)("extents of %j bytes", (lengths, score) => {
  expect(fragmentationScore(lengths)).toBeCloseTo(score, 9);
});

test("allocators of any unit say the same of one free map", () => {
  const lengths = [64, 128, 1024, 64].map((each) => each * kib);
  const due = fragmentationScore(lengths);
  for (const name of ["stupid", "bitmap", "avl", "btree", "hybrid"]) {
    for (const blockBytes of [4 * kib, 64 * kib]) {
      const allocator = createAllocator(name, { capacityBytes: 2 ** 24, blockBytes });
      const free = new ExtentList();
      for (const [place, length] of lengths.entries()) {
        free.push(place * 2 ** 21, length);
      }
      allocator.release(free);
      expect(allocator.statistics().fragmentationScore).toBeCloseTo(due, 9);
      allocator.close();
    }
  }
});
