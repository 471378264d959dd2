import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Heap } from "../../engine/base/heap.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import { RealClock } from "../../engine/os/clock.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";

describe("Heap", () => {
  it("gives elements in order, whatever is pushed in between", () => {
    const step = fc.oneof(fc.integer({ min: -50, max: 50 }), fc.constant("pop" as const));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const heap = new Heap<number>((a, b) => a < b);
        let model: number[] = [];
        for (const action of steps) {
          if (action === "pop") {
            model.sort((a, b) => a - b);
            expect(heap.pop()).toBe(model[0]);
            model = model.slice(1);
          } else {
            heap.push(action);
            model.push(action);
          }
          expect(heap.size).toBe(model.length);
          expect(heap.peek()).toBe(model.length === 0 ? undefined : Math.min(...model));
        }
      }),
    );
  });
});

describe("VirtualClock", () => {
  it("fires timers by deadline, then in the order they were set; cancelled ones never", () => {
    const timer = fc.record({ deadline: fc.nat(20), cancel: fc.boolean() });
    fc.assert(
      fc.property(fc.array(timer, { maxLength: 60 }), fc.nat(25), (timers, stop) => {
        const clock = new VirtualClock();
        const fired: number[] = [];
        for (const [index, { deadline, cancel }] of timers.entries()) {
          const stopTimer = clock.at(deadline, () => {
            expect(clock.nowNs()).toBe(deadline);
            fired.push(index);
          });
          if (cancel) {
            stopTimer();
          }
        }
        const order = [...timers.keys()]
          .filter((index) => timers[index]?.cancel === false)
          .sort((a, b) => (timers[a]?.deadline ?? 0) - (timers[b]?.deadline ?? 0) || a - b);
        clock.advanceTo(stop);
        expect(clock.nowNs()).toBe(stop);
        expect(fired).toEqual(order.filter((index) => (timers[index]?.deadline ?? 0) <= stop));
        clock.runUntilIdle();
        expect(fired).toHaveLength(order.length);
      }),
    );
  });

  it("never turns back and fires late timers at the present time", () => {
    const clock = new VirtualClock(100);
    const seen: number[] = [];
    clock.at(5, () => seen.push(clock.nowNs()));
    expect(seen).toEqual([]);
    expect(clock.step()).toBe(true);
    expect(seen).toEqual([100]);
    expect(clock.step()).toBe(false);
  });

  it("fires what callbacks set while it advances", () => {
    const clock = new VirtualClock();
    const seen: number[] = [];
    const again = (): void => {
      seen.push(clock.nowNs());
      clock.at(clock.nowNs() + 10, again);
    };
    clock.at(10, again);
    clock.advance(35);
    expect(seen).toEqual([10, 20, 30]);
    expect(() => clock.runUntilIdle(50)).toThrow("still busy");
  });
});

describe("RealClock", () => {
  it("fires in order, not early, and not from within the call", async () => {
    const clock = new RealClock();
    const start = clock.nowNs();
    const fired: string[] = [];
    const late: number[] = [];
    await new Promise<void>((resolve) => {
      const note = (name: string, deadline: number) => () => {
        late.push(clock.nowNs() - deadline);
        fired.push(name);
      };
      clock.at(start + 12e6, note("far", start + 12e6));
      clock.at(start + 1e5, note("near", start + 1e5));
      clock.at(start - 5, note("past", start - 5));
      clock.at(start + 3e6, note("cancelled", start + 3e6))();
      clock.at(start + 14e6, resolve);
      expect(fired).toEqual([]);
    });
    expect(fired).toEqual(["past", "near", "far"]);
    expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
  });

  it("goes on after a callback set the next timer and one was cancelled", async () => {
    const clock = new RealClock();
    let turns = 0;
    await new Promise<void>((resolve) => {
      const again = (): void => {
        turns += 1;
        if (turns === 50) {
          resolve();
        } else {
          clock.at(clock.nowNs(), again);
          clock.at(clock.nowNs() + 1e9, () => undefined)();
        }
      };
      clock.at(clock.nowNs(), again);
    });
    expect(turns).toBe(50);
  });
});

/** xoshiro128** over BigInt, written from the paper: the oracle. */
function* oracle(words: readonly bigint[]): Generator<number> {
  const mask = 0xffffffffn;
  const rotate = (word: bigint, bits: bigint): bigint =>
    ((word << bits) | (word >> (32n - bits))) & mask;
  let [a = 0n, b = 0n, c = 0n, d = 0n] = words;
  for (;;) {
    yield Number((rotate((b * 5n) & mask, 7n) * 9n) & mask);
    const shifted = (b << 9n) & mask;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11n);
  }
}

describe("SeededRandom", () => {
  it("follows xoshiro128**", () => {
    const random = SeededRandom.fromState([1, 2, 3, 4]);
    const expected = oracle([1n, 2n, 3n, 4n]);
    for (let index = 0; index < 1000; index += 1) {
      expect(random.bits32()).toBe(expected.next().value);
    }
  });

  it("is the same for the same seed and another for another one, or another name", () => {
    const draws = (random: SeededRandom): number[] =>
      Array.from({ length: 8 }, () => random.bits32());
    const first = draws(new SeededRandom(7));
    expect(draws(new SeededRandom(7))).toEqual(first);
    const others = [
      draws(new SeededRandom(8)),
      draws(new SeededRandom(7 + 2 ** 32)),
      draws(new SeededRandom(7).fork("disk")),
      draws(new SeededRandom(7).fork("net")),
      draws(new SeededRandom(8).fork("disk")),
    ];
    expect(new Set([first, ...others].map(String)).size).toBe(6);
    const drawn = new SeededRandom(7);
    drawn.unit();
    expect(draws(drawn.fork("disk"))).toEqual(others[2]);
  });

  it("stays within limits and reaches all values", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 2 ** 40 }), (seed, limit) => {
        const random = new SeededRandom(seed);
        const drawn = random.below(limit);
        expect(Number.isInteger(drawn) && drawn >= 0 && drawn < limit).toBe(true);
        const unit = random.unit();
        expect(unit >= 0 && unit < 1).toBe(true);
      }),
    );
    const random = new SeededRandom(3);
    const counts = new Array<number>(10).fill(0);
    for (let index = 0; index < 100_000; index += 1) {
      const value = random.below(10);
      counts[value] = (counts[value] ?? 0) + 1;
    }
    // Chi-square, 9 degrees of freedom: 27.9 is the 0.1% level.
    const chi = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    expect(chi).toBeLessThan(27.9);
  });
});
