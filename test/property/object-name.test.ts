import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { childOf, rangeOf } from "../../engine/store/collection.ts";
import { keyOfObject, objectOfKey } from "../../engine/store/object-key.ts";
import {
  compareObjects,
  isMeta,
  maxObject,
  metaPool,
  noGeneration,
  type ObjectName,
  objectName,
  reverseBits,
  snapDirectory,
  snapHead,
  stableModulo,
} from "../../engine/store/object-name.ts";

const text = fc.oneof(
  fc.string({ maxLength: 4 }),
  fc.string({ unit: "binary", maxLength: 4 }),
  fc.constantFrom("", "a", "b", "!", "#", "~", "ab", "\u{10000}", "\uffff", "\u007f"),
);
const number53 = fc.oneof(fc.nat(3), fc.maxSafeNat());
const name = fc
  .record({
    shard: fc.integer({ min: -1, max: 3 }),
    pool: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.maxSafeInteger()),
    hash: fc.oneof(fc.nat(3), fc.integer({ min: 0, max: 0xffffffff })),
    nspace: text,
    key: text,
    name: text,
    snap: fc.oneof(number53, fc.constantFrom(snapHead, snapDirectory)),
    generation: fc.oneof(number53, fc.constant(noGeneration)),
  })
  .map(objectName);
/** Names that differ in few fields, so that every field decides often. */
const pair = fc.tuple(name, name, fc.nat(255)).map(([a, b, which]): [ObjectName, ObjectName] => {
  const pick = <T>(bit: number, mine: T, theirs: T): T => ((which >> bit) & 1 ? mine : theirs);
  const mixed = objectName({
    shard: pick(0, b.shard, a.shard),
    pool: pick(1, b.pool, a.pool),
    hash: pick(2, b.hash, a.hash),
    nspace: pick(3, b.nspace, a.nspace),
    key: pick(4, b.key, a.key),
    name: pick(5, b.name, a.name),
    snap: pick(6, b.snap, a.snap),
    generation: pick(7, b.generation, a.generation),
  });
  return [a, mixed];
});

function order(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, "latin1"), Buffer.from(b, "latin1"));
}

describe("names of objects", () => {
  it("have keys whose byte order is their order", () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        expect(order(keyOfObject(a), keyOfObject(b))).toBe(compareObjects(a, b));
        expect(keyOfObject(a) < keyOfObject(b)).toBe(compareObjects(a, b) < 0);
      }),
      { numRuns: 3000 },
    );
  });

  it("come back from their keys", () => {
    fc.assert(
      fc.property(name, (object) => {
        expect(objectOfKey(keyOfObject(object))).toEqual({
          ...object,
          encoded: keyOfObject(object),
        });
      }),
      { numRuns: 1000 },
    );
  });

  it("sort by reversed hash, and max is beyond all", () => {
    fc.assert(
      fc.property(name, (object) => {
        expect(compareObjects(object, maxObject)).toBe(-1);
        expect(keyOfObject(object) < keyOfObject(maxObject)).toBe(true);
        expect(reverseBits(reverseBits(object.hash))).toBe(object.hash);
      }),
    );
    const [one, two] = [1, 2].map((hash) => objectName({ name: "x", hash })) as [
      ObjectName,
      ObjectName,
    ];
    expect(compareObjects(two, one)).toBe(-1);
    expect(isMeta(objectName({ name: "x", pool: metaPool }))).toBe(true);
    expect(isMeta(one)).toBe(false);
  });

  it("are placed by the stable modulo: growing a pool moves objects to new groups only", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.integer({ min: 1, max: 200 }),
        (hash, groups) => {
          const maskFor = (count: number): number => 2 ** Math.ceil(Math.log2(count)) - 1;
          const before = stableModulo(hash, groups, maskFor(groups));
          const after = stableModulo(hash, groups + 1, maskFor(groups + 1));
          expect(before).toBeLessThan(groups);
          expect(after === before || after === groups).toBe(true);
        },
      ),
    );
  });
});

describe("ranges of collections", () => {
  it("hold exactly the keys of their objects, and split into two that share nothing", () => {
    const place = fc.record({ bits: fc.integer({ min: 0, max: 31 }), seed: fc.nat(0x7fffffff) });
    fc.assert(
      fc.property(place, name, fc.boolean(), ({ bits, seed }, drawn, near) => {
        const fitted = seed % 2 ** bits;
        const range = rangeOf(`2.${fitted.toString(16)}`, bits);
        const hash = near ? (drawn.hash & ~(2 ** bits - 1)) + fitted : drawn.hash;
        const pool = near ? (drawn.pool % 2 === 0 ? 2 : -4) : drawn.pool;
        const shard = near ? -1 : drawn.shard;
        const object = objectName({ ...drawn, hash: hash >>> 0, pool, shard });
        const key = keyOfObject(object);
        const within = range?.ranges.some(({ first, end }) => key >= first && key < end);
        expect(within).toBe(range?.contains(object));
        if (range !== null) {
          const halves = [
            rangeOf(`2.${fitted.toString(16)}`, bits + 1),
            rangeOf(childOf(range), bits + 1),
          ];
          const holders = halves.filter((half) => half?.contains(object));
          expect(holders.length).toBe(range.contains(object) ? 1 : 0);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
