import { expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import {
  autotune,
  autotuneDefaults,
  balance,
  cacheBounds,
  committedBytes,
  type TunedCache,
  tuneMemory,
  wantsByAge,
} from "../../engine/hot/cache/autotune.ts";
import { openCache } from "../../engine/hot/cache/registry.ts";

const mib = 2 ** 20;
const gib = 2 ** 30;

test("the bounds are what the target leaves beside base and fragmentation", () => {
  const { minBytes, maxBytes } = cacheBounds(autotuneDefaults);
  expect(minBytes).toBe(128 * mib);
  expect(maxBytes).toBe(Math.floor(4 * gib * 0.85 - 768 * mib));
  const tiny = cacheBounds({ ...autotuneDefaults, osd_memory_target: 900 * mib });
  expect(tiny.maxBytes).toBe(128 * mib);
});

test("caches shrink while too much is mapped and grow while too little is, within the bounds", () => {
  const bounds = { minBytes: 100, maxBytes: 1100 };
  expect(tuneMemory(600, 500, 1000, bounds)).toBe(850);
  expect(tuneMemory(600, 2000, 1000, bounds)).toBe(350);
  expect(tuneMemory(600, 1000, 1000, bounds)).toBe(600);
  expect(tuneMemory(9999, 1000, 1000, bounds)).toBe(1100);
  expect(tuneMemory(0, 1000, 1000, bounds)).toBe(100);
});

test("mapped memory settles under the target, whatever the rest of the process uses", () => {
  const random = new SeededRandom(3);
  const options = autotuneDefaults;
  let tuned = cacheBounds(options).maxBytes;
  for (let second = 0; second < 200; second += 1) {
    const others = (0.5 + 0.4 * random.unit()) * gib + (second > 100 ? gib : 0);
    const mapped = others + tuned * 1.1;
    ({ tunedBytes: tuned } = autotune(options, tuned, mapped, []));
    expect(tuned).toBeGreaterThanOrEqual(128 * mib);
    expect(tuned).toBeLessThanOrEqual(cacheBounds(options).maxBytes);
  }
  expect(tuned * 1.1 + 1.7 * gib).toBeLessThan(4.3 * gib);
});

const cache = (name: string, ratio: number, ...wants: number[]): TunedCache => ({
  name,
  ratio,
  wants,
});

test("without wants the shares decide; what is committed has room to grow", () => {
  const tuned = 2 * gib;
  const shares = balance(tuned, [cache("kv", 0.45), cache("meta", 0.45), cache("data", 0.1)]);
  const left = tuned - 3 * committedBytes(1, tuned);
  expect(shares.map(({ bytes }) => bytes)).toEqual(
    [0.45, 0.45, 0.1].map((ratio) => Math.floor(left * ratio)),
  );
  for (const { bytes, committedBytes: room } of shares) {
    expect(room).toBeGreaterThanOrEqual(bytes + 7 * 8 * mib);
    expect(room % (8 * mib)).toBe(0);
  }
});

test("a higher priority is served before the shares of a lower one count", () => {
  const tuned = gib;
  const left = tuned - 2 * committedBytes(1, tuned);
  // Data has a small share but is young; meta is old.
  const [data, meta] = balance(tuned, [
    cache("data", 0.1, 0, 0.4 * left),
    cache("meta", 0.9, 0, 0, left),
  ]);
  expect(data?.byPriority[1]).toBeCloseTo(0.4 * left, -1);
  expect(meta?.byPriority[2]).toBeCloseTo(0.6 * left, -1);
});

test("caches that want too much share by their ratios; those without a ratio get what is left", () => {
  const tuned = gib;
  const left = tuned - 3 * committedBytes(1, tuned);
  const [a, b, c] = balance(tuned, [
    cache("a", 0.6, 0, 2 * left),
    cache("b", 0.2, 0, 2 * left),
    cache("c", 0, 0, left),
  ]);
  expect(a?.bytes).toBeCloseTo(left * 0.75, -2);
  expect(b?.bytes).toBeCloseTo(left * 0.25, -2);
  expect(c?.bytes).toBe(0);
  const small = 0.1 * left;
  const second = balance(tuned, [cache("a", 0.8, 0, small), cache("c", 0, 0, left)])[1];
  expect(second?.byPriority[1]).toBeGreaterThan(0.8 * left);
});

test("never more is assigned than there is, and a want is met before anything is left over", () => {
  const random = new SeededRandom(17);
  for (let round = 0; round < 500; round += 1) {
    const weights = [random.unit(), random.unit(), random.unit(), random.unit()];
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const caches = weights.map((weight, index) =>
      cache(
        `cache ${index}`,
        (0.95 * weight) / total,
        ...Array.from({ length: 12 }, () => Math.floor(random.unit() ** 4 * gib)),
      ),
    );
    const tuned = Math.floor(random.unit() * 8 * gib);
    const shares = balance(tuned, caches);
    const given = shares.reduce((sum, { bytes }) => sum + bytes, 0);
    const left = Math.max(0, tuned - 4 * committedBytes(1, tuned));
    expect(given, `round ${round}, seed 17`).toBeLessThanOrEqual(left);
    for (let priority = 0; priority < 11; priority += 1) {
      const unmet = caches.some(
        ({ wants }, index) =>
          (shares[index]?.byPriority[priority] ?? 0) < (wants[priority] ?? 0) - 8,
      );
      const later = shares.some(({ byPriority }) => (byPriority[priority + 1] ?? 0) > 8);
      expect(unmet && later, `round ${round}, priority ${priority}, seed 17`).toBe(false);
    }
  }
});

test("what a cache wants goes by the age of what it holds", () => {
  const policy = openCache("lru");
  for (const age of [800, 30, 3, 0]) {
    policy.insert(`used ${age} s ago`, 100 + age);
    const next = { 800: 770, 30: 27, 3: 3, 0: 0 }[age] ?? 0;
    for (let second = 0; second < next; second += 1) {
      policy.shiftAgeBins();
    }
  }
  const wants = wantsByAge(policy);
  expect(wants).toEqual([0, 100, 0, 103, 0, 130, 0, 0, 0, 0, 0, 900]);
});
