/** The neutral worn map and the histories of the benches. */
import { expect, test } from "vitest";
import { makeHistory, TypeScriptReplay } from "../../engine/hot/allocator/history.ts";
import { NativeAllocator } from "../../engine/hot/allocator/native-allocator.ts";
import {
  fillFrom,
  neutralWornMap,
  wornMap,
  wornMapOfSize,
} from "../../engine/hot/allocator/worn-map.ts";

test("the neutral map is a half free TiB in a million extents by the triangle law", () => {
  const map = wornMap(neutralWornMap);
  expect(map.count).toBe(1_000_000);
  let end = 0;
  let free = 0;
  let belowHalf = 0;
  let longest = 0;
  const peak = 2 ** 39 / 1_000_000;
  for (let index = 0; index < map.count; index += 1) {
    const offset = map.offsetBytes(index);
    const length = map.lengthBytes(index);
    // Used space between any two, so that none touch.
    if (offset <= end || length <= 0 || (offset | length) % 4096 !== 0) {
      expect.fail(`extent ${index}: ${offset}+${length} after ${end}`);
    }
    end = offset + length;
    free += length;
    belowHalf += length < peak / 2 ? 1 : 0;
    longest = Math.max(longest, length);
  }
  expect(free).toBe(2 ** 39);
  expect(end).toBe(2 ** 40);
  // Triangle: an eighth lies below half of the peak, and nothing beyond twice the peak.
  expect(Math.abs(belowHalf / map.count - 0.125)).toBeLessThan(0.005);
  expect(longest).toBeLessThan(2 * peak + 8192);
});

test("small maps keep the bytes to an extent; a seed gives one map, another seed another", () => {
  const [one, same, other] = [1, 1, 2].map((seed) => wornMap(wornMapOfSize(2 ** 30, seed)));
  expect(one?.count).toBe(Math.round(1_000_000 / 1024));
  expect(one?.pairs).toEqual(same?.pairs);
  expect(one?.pairs).not.toEqual(other?.pairs);
  expect(() => wornMap({ ...wornMapOfSize(2 ** 20), freeExtents: 200 })).toThrow(/do not fit/);
});

test("a history gives the same extents on both sides of the boundary", () => {
  const options = wornMapOfSize(2 ** 30);
  const history = makeHistory({
    steps: 3000,
    placeCount: 100,
    size: "random",
    unitBytes: 4096,
    seed: 5,
  });
  for (const name of ["avl", "bitmap", "hybrid"]) {
    const hashes = ["native", "typescript"].map((side) => {
      const allocator = new NativeAllocator(name, options);
      fillFrom(allocator, wornMap(options));
      const before = allocator.freeBytes();
      const replay =
        side === "native" ? allocator.replay(100) : new TypeScriptReplay(allocator, 100, () => 0);
      replay.run(history.wants, history.places, 4096, new Float64Array(3000));
      expect(allocator.freeBytes()).toBeLessThan(before);
      replay.releaseAll();
      expect(allocator.freeBytes()).toBe(before);
      expect(allocator.statistics().freeExtents).toBe(options.freeExtents);
      allocator.close();
      return replay.hash();
    });
    expect(hashes[0], name).toBe(hashes[1]);
  }
});
