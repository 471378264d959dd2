/** The one conformance suite of cache policies. */
import type { SeededRandom } from "../../base/random.ts";
import { type Check, expect } from "../checks.ts";
import type { CacheKey, CachePolicy } from "./cache.ts";

export interface CacheSubject {
  /** Makes an empty cache; called once or more in a check. */
  readonly create: () => CachePolicy;
}

/** An owner: finds entries by key and knows what the policy said of them. */
class Owner {
  readonly policy: CachePolicy;
  readonly slots = new Map<CacheKey, number>();
  readonly sizes = new Map<CacheKey, number>();
  readonly pins = new Map<CacheKey, number>();
  evictions = 0;

  constructor(policy: CachePolicy) {
    this.policy = policy;
  }

  holds(count: number): boolean {
    return this.slots.size === count;
  }

  insert(key: CacheKey, bytes: number): void {
    const slot = this.policy.insert(key, bytes);
    expect(Number.isInteger(slot) && slot >= 0, `insert answered slot ${slot}`);
    expect(![...this.slots.values()].includes(slot), `slot ${slot} is taken`);
    this.slots.set(key, slot);
    this.sizes.set(key, bytes);
  }

  slotOf(key: CacheKey): number {
    const slot = this.slots.get(key);
    expect(slot !== undefined, `${key} is not held`);
    return slot;
  }

  /** Uses a key, which comes in if it is not held; true: it was. */
  use(key: CacheKey, bytes: number): boolean {
    const slot = this.slots.get(key);
    if (slot === undefined) {
      this.policy.miss();
      this.insert(key, bytes);
      return false;
    }
    this.policy.hit(slot);
    return true;
  }

  pin(key: CacheKey): void {
    this.policy.pin(this.slotOf(key));
    this.pins.set(key, (this.pins.get(key) ?? 0) + 1);
  }

  unpin(key: CacheKey): void {
    this.policy.unpin(this.slotOf(key));
    const left = (this.pins.get(key) ?? 0) - 1;
    if (left > 0) {
      this.pins.set(key, left);
    } else {
      this.pins.delete(key);
    }
  }

  drop(key: CacheKey): void {
    this.policy.remove(this.slotOf(key));
    this.slots.delete(key);
    this.sizes.delete(key);
    this.pins.delete(key);
  }

  trimTo(bytes: number): void {
    this.policy.trimTo(bytes, (key, slot, size) => {
      expect(this.slots.get(key) === slot, `${key} was evicted, which is not held at slot ${slot}`);
      expect(!this.pins.has(key), `${key} was evicted, which is pinned`);
      expect(this.sizes.get(key) === size, `${key} has ${this.sizes.get(key)} bytes, not ${size}`);
      this.slots.delete(key);
      this.sizes.delete(key);
      this.evictions += 1;
    });
    const loose = this.slots.size > this.pins.size;
    const { bytes: held } = this.policy.stats;
    expect(held <= bytes || !loose, `${held} bytes are held after a trim to ${bytes}`);
  }

  /** The policy's figures are those of the owner. */
  check(): void {
    const { stats } = this.policy;
    let bytes = 0;
    let pinned = 0;
    for (const [key, size] of this.sizes) {
      bytes += size;
      pinned += this.pins.has(key) ? size : 0;
    }
    expect(stats.bytes === bytes, `${stats.bytes} bytes are said to be held, not ${bytes}`);
    expect(stats.entries === this.slots.size, `${stats.entries} entries, not ${this.slots.size}`);
    expect(stats.pinnedBytes === pinned, `${stats.pinnedBytes} bytes pinned, not ${pinned}`);
    expect(
      stats.evictions === this.evictions,
      `${stats.evictions} evictions, not ${this.evictions}`,
    );
  }
}

function starts({ create }: CacheSubject): null {
  const owner = new Owner(create());
  owner.check();
  owner.trimTo(0);
  owner.insert("a", 10);
  owner.insert(7, 20);
  expect(owner.use("a", 10), "what was inserted is not held");
  owner.check();
  expect(owner.policy.stats.hits === 1 && owner.policy.stats.misses === 0, "one use is one hit");
  owner.trimTo(30);
  expect(owner.holds(2), "something was evicted although all fits");
  owner.trimTo(0);
  expect(owner.holds(0), "a trim to 0 bytes leaves something");
  owner.check();
  return null;
}

function randomUse({ create }: CacheSubject, random: SeededRandom): null {
  const owner = new Owner(create());
  let target = 20_000;
  for (let step = 0; step < 6000; step += 1) {
    const key = Math.floor(400 * random.unit() ** 2);
    const dice = random.unit();
    const held = owner.slots.get(key);
    if (held === undefined || dice < 0.8) {
      owner.use(key, 1 + random.below(500));
    } else if (dice < 0.86 && owner.pins.size < 20) {
      owner.pin(key);
    } else if (dice < 0.93) {
      const bytes = 1 + random.below(500);
      owner.policy.setBytes(held, bytes);
      owner.sizes.set(key, bytes);
    } else {
      owner.drop(key);
    }
    const [first] = owner.pins.keys();
    if (first !== undefined && random.below(8) === 0) {
      owner.unpin(first);
    }
    if (random.below(100) === 0) {
      target = random.below(40_000);
    }
    if (random.below(4) === 0) {
      owner.trimTo(target);
      owner.check();
    }
  }
  return null;
}

function pinnedStay({ create }: CacheSubject): null {
  const owner = new Owner(create());
  for (let key = 0; key < 20; key += 1) {
    owner.insert(key, 100);
  }
  owner.pin(3);
  owner.pin(3);
  owner.pin(11);
  owner.trimTo(0);
  expect(owner.holds(2), `${owner.slots.size} entries are left, not the 2 pinned ones`);
  owner.unpin(3);
  owner.trimTo(0);
  expect(owner.slots.has(3), "an entry that is still pinned once is gone");
  owner.unpin(3);
  owner.unpin(11);
  owner.trimTo(0);
  expect(owner.holds(0), "unpinned entries cannot be evicted");
  owner.check();
  return null;
}

/** A skewed set of keys over a cache of a tenth: any policy worth its name beats a blind guess. */
function learns({ create }: CacheSubject, random: SeededRandom): null {
  const owner = new Owner(create());
  const keys = 2000;
  let hits = 0;
  const uses = 30_000;
  for (let step = 0; step < uses; step += 1) {
    const key = Math.floor(keys * random.unit() ** 4);
    hits += owner.use(key, 100) ? 1 : 0;
    owner.trimTo(20_000);
  }
  // A tenth of the keys draws 0.1^(1/4) = 56% of the uses; random eviction keeps some 30%.
  expect(hits / uses > 0.35, `only ${((hits / uses) * 100).toFixed(1)}% of skewed uses were hits`);
  return null;
}

function ages({ create }: CacheSubject): null {
  const owner = new Owner(create());
  const { policy } = owner;
  const of = (first: number, end: number, bytes: number) => {
    const found = policy.bytesOfAge(first, end);
    expect(found === bytes, `bins ${first} to ${end} hold ${found} bytes, not ${bytes}`);
  };
  owner.insert(1, 100);
  owner.insert(2, 10);
  of(0, 1, 110);
  policy.shiftAgeBins();
  policy.shiftAgeBins();
  of(0, 2, 0);
  of(2, 3, 110);
  policy.hit(owner.slotOf(1));
  of(0, 1, 100);
  of(1, 100, 10);
  policy.setBytes(owner.slotOf(2), 15);
  owner.sizes.set(2, 15);
  of(2, 3, 15);
  owner.drop(1);
  of(0, 100, 15);
  owner.trimTo(0);
  of(0, 100, 0);
  return null;
}

function sameAgain({ create }: CacheSubject, random: SeededRandom): null {
  const drawn = Array.from({ length: 3000 }, () => Math.floor(300 * random.unit() ** 2));
  const victims = () => {
    const policy = create();
    const slots = new Map<CacheKey, number>();
    const gone: CacheKey[] = [];
    for (const key of drawn) {
      const slot = slots.get(key);
      if (slot === undefined) {
        slots.set(key, policy.insert(key, 50 + (key % 7)));
      } else {
        policy.hit(slot);
      }
      policy.trimTo(4000, (victim) => {
        slots.delete(victim);
        gone.push(victim);
      });
    }
    return gone.join(" ");
  };
  const first = victims();
  const second = victims();
  expect(first === second, "the same uses evicted something else");
  return null;
}

/** Every promise of `CachePolicy`. */
export const cacheChecks: readonly Check<CacheSubject>[] = [
  { name: "entries come, are held and leave", run: starts },
  { name: "figures and victims are right under random use", run: randomUse },
  { name: "pinned entries stay", run: pinnedStay },
  { name: "what is used often stays", run: learns },
  { name: "bytes are told by their age", run: ages },
  { name: "the same uses evict the same", run: sameAgain },
];
