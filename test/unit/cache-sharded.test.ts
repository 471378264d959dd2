import { expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import type { CacheKey, CachePolicy } from "../../engine/hot/cache/cache.ts";
import { cacheKinds, openCache } from "../../engine/hot/cache/registry.ts";
import { shardedCache } from "../../engine/hot/cache/sharded.ts";

test("one part is the policy itself", () => {
  const made: CachePolicy[] = [];
  const cache = shardedCache(1, () => {
    made.push(openCache("lru"));
    return made[0] as CachePolicy;
  });
  expect(made).toEqual([cache]);
});

for (const { name } of cacheKinds()) {
  test(`${name} in parts: slots name entries, figures are sums, parts have equal room`, () => {
    const seed = 12;
    const random = new SeededRandom(seed);
    const parts: CachePolicy[] = [];
    const cache = shardedCache(7, () => {
      parts.push(openCache(name));
      return parts.at(-1) as CachePolicy;
    });
    const held = new Map<CacheKey, { slot: number; bytes: number }>();
    let hits = 0;
    for (let step = 0; step < 5000; step += 1) {
      const number = random.below(300);
      const key = number % 2 === 0 ? number : `object ${number}`;
      const entry = held.get(key);
      const chance = random.below(10);
      if (entry === undefined) {
        const bytes = 1 + random.below(100);
        const slot = cache.insert(key, bytes);
        expect([...held.values()].some((each) => each.slot === slot)).toBe(false);
        held.set(key, { slot, bytes });
      } else if (chance === 0) {
        cache.remove(entry.slot);
        held.delete(key);
      } else if (chance === 1) {
        entry.bytes += 1;
        cache.setBytes(entry.slot, entry.bytes);
      } else {
        cache.hit(entry.slot);
        hits += 1;
      }
      if (step % 50 === 49) {
        cache.shiftAgeBins();
        cache.trimTo(3500, (gone, slot, bytes) => {
          expect(held.get(gone), `seed ${seed}, step ${step}`).toEqual({ slot, bytes });
          held.delete(gone);
        });
        for (const part of parts) {
          expect(part.stats.bytes).toBeLessThanOrEqual(500);
          expect(part.stats.entries).toBeGreaterThan(0);
        }
      }
      const total = [...held.values()].reduce((sum, { bytes }) => sum + bytes, 0);
      expect(cache.stats.bytes).toBe(total);
      expect(cache.stats.entries).toBe(held.size);
      expect(cache.bytesOfAge(0, 720)).toBe(total);
    }
    expect(cache.stats.hits).toBe(hits);
    const [first] = held.values();
    if (first !== undefined) {
      cache.pin(first.slot);
      expect(cache.stats.pinnedBytes).toBe(first.bytes);
      cache.trimTo(0, (gone) => held.delete(gone));
      expect([...held.values()]).toEqual([first]);
      cache.unpin(first.slot);
      cache.trimTo(0, (gone) => held.delete(gone));
      expect(held.size).toBe(0);
    }
  });
}
