/** Every cache policy beside its naive model: the same order and the same victims after each step. */
import { expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import type { CacheKey } from "../../engine/hot/cache/cache.ts";
import { cacheKinds } from "../../engine/hot/cache/registry.ts";
import { FrequencySketch, hashOf } from "../../engine/hot/cache/sketch.ts";
import { cacheModels } from "./cache-models.ts";

const seeds = [1, 2, 3, 4, 5, 6];
const steps = 1500;

function compare(name: string, seed: number): void {
  const random = new SeededRandom(seed);
  const kind = cacheKinds().find((each) => each.name === name);
  const model = cacheModels[name]?.();
  if (kind === undefined || model === undefined) {
    throw new Error(`${name} has no model`);
  }
  const policy = kind.create({});
  const slots = new Map<CacheKey, number>();
  const pinned: CacheKey[] = [];
  const keys = 60 + random.below(60);
  const evenSizes = seed % 2 === 0;
  const bytesOf = () => (evenSizes ? 100 : 1 + random.below(300));
  let target = 3000;
  for (let step = 0; step < steps; step += 1) {
    const drawn = Math.floor(keys * random.unit() ** 2);
    const key: CacheKey = seed % 3 === 0 ? `key ${drawn}` : drawn;
    const slot = slots.get(key);
    const dice = random.unit();
    if (slot === undefined) {
      const bytes = bytesOf();
      slots.set(key, policy.insert(key, bytes));
      model.insert(key, bytes);
    } else if (dice < 0.82) {
      policy.hit(slot);
      model.hit(key);
    } else if (dice < 0.88) {
      policy.pin(slot);
      model.pin(key);
      pinned.push(key);
    } else if (dice < 0.95) {
      const bytes = bytesOf();
      policy.setBytes(slot, bytes);
      model.setBytes(key, bytes);
    } else if (!pinned.includes(key)) {
      policy.remove(slot);
      model.remove(key);
      slots.delete(key);
    }
    if (pinned.length > 6 || (pinned.length > 0 && random.below(12) === 0)) {
      const [released] = pinned.splice(random.below(pinned.length), 1);
      if (released !== undefined) {
        policy.unpin(slots.get(released) ?? -1);
        model.unpin(released);
      }
    }
    if (random.below(40) === 0) {
      target = random.below(6000);
    }
    if (random.below(3) === 0) {
      const victims: CacheKey[] = [];
      policy.trimTo(target, (victim) => victims.push(victim));
      model.evicted = [];
      model.trimTo(target);
      const where = `${name}, step ${step}, seed ${seed}`;
      expect(victims, where).toEqual(model.evicted);
      for (const victim of victims) {
        slots.delete(victim);
      }
    }
    expect(policy.snapshot(), `${name}, step ${step}, seed ${seed}`).toEqual(model.snapshot());
  }
  expect(policy.stats.evictions).toBeGreaterThan(100);
}

test.each(cacheKinds().flatMap(({ name }) => seeds.map((seed) => [name, seed] as const)))(
  "%s has the order of its model (seed %i)",
  (name, seed) => compare(name, seed),
);

test("the sketch never estimates less than the uses since it last halved, up to 15", () => {
  const random = new SeededRandom(11);
  const sketch = new FrequencySketch(64);
  const uses = new Map<number, number>();
  for (let step = 0; step < 600; step += 1) {
    const key = Math.floor(80 * random.unit() ** 3);
    sketch.add(hashOf(key));
    uses.set(key, (uses.get(key) ?? 0) + 1);
    if (step === 300) {
      sketch.grow();
    }
  }
  for (const [key, count] of uses) {
    expect(sketch.estimate(hashOf(key))).toBeGreaterThanOrEqual(Math.min(15, count));
  }
  expect(sketch.estimate(hashOf(0))).toBe(15);
  // Halving lets old fame fade.
  for (let step = 0; step < 4000; step += 1) {
    sketch.add(hashOf(1000 + (step % 500)));
  }
  expect(sketch.estimate(hashOf(0))).toBeLessThan(15);
});
