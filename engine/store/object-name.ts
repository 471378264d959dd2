/**
 * Names of objects: what Ceph calls ghobject_t (object name, locator key, snapshot, hash, pool and
 * namespace, with generation and shard for erasure-coded pools), their order, and the key whose byte
 * order is that order. Keys are strings of characters 0 ... 255, one per byte: such strings are
 * compared and hashed as quickly as bytes and serve as `Map` keys.
 */
import { assert } from "../base/assert.ts";

/** The newest version of an object; 2^64 - 2 in keys. */
export const snapHead = Number.MAX_SAFE_INTEGER - 1;
/** The directory of an object's snapshots; 2^64 - 1 in keys. */
export const snapDirectory = Number.MAX_SAFE_INTEGER;
/** The object is no rollback generation; 2^64 - 1 in keys. */
export const noGeneration = Number.MAX_SAFE_INTEGER;
/** The object is no shard of an erasure-coded object. */
export const noShard = -1;
/** The pool of what a store keeps for itself. */
export const metaPool = -1;

export interface ObjectName {
  /** Beyond every object; only this field counts then. */
  readonly max: boolean;
  /** -1 ... 126. */
  readonly shard: number;
  /** A safe integer; `metaPool`; below -1: objects in transit of pool -2 - pool. */
  readonly pool: number;
  /** 32 bits; its low bits choose the placement group. */
  readonly hash: number;
  readonly nspace: string;
  /** What was hashed instead of the name; "" = the name. */
  readonly key: string;
  readonly name: string;
  /** A snapshot, `snapHead` or `snapDirectory`. */
  readonly snap: number;
  readonly generation: number;
  /** `keyOfObject` of this name, kept. */
  encoded: string;
}

export type ObjectNameFields = Partial<Omit<ObjectName, "encoded" | "max">> &
  Pick<ObjectName, "name">;

function checkNumber(value: number, low: number, high: number, what: string): void {
  assert(Number.isSafeInteger(value) && value >= low && value <= high, what);
}

/** A name; what is not given is the plain head object of pool 0. Asserts the ranges above. */
export function objectName(fields: ObjectNameFields): ObjectName {
  const made: ObjectName = {
    max: false,
    shard: fields.shard ?? noShard,
    pool: fields.pool ?? 0,
    hash: fields.hash ?? 0,
    nspace: fields.nspace ?? "",
    key: fields.key ?? "",
    name: fields.name,
    snap: fields.snap ?? snapHead,
    generation: fields.generation ?? noGeneration,
    encoded: "",
  };
  checkNumber(made.shard, -1, 126, "the shard of an object is from -1 to 126");
  checkNumber(made.pool, -(2 ** 53 - 1), 2 ** 53 - 1, "the pool of an object is a safe integer");
  checkNumber(made.hash, 0, 2 ** 32 - 1, "the hash of an object has 32 bits");
  checkNumber(made.snap, 0, snapDirectory, "the snapshot of an object is a safe integer");
  checkNumber(made.generation, 0, noGeneration, "the generation of an object is a safe integer");
  const text = made.name.isWellFormed() && made.key.isWellFormed() && made.nspace.isWellFormed();
  assert(text, "an object's name has lone surrogates");
  // A key that equals the name says nothing: one form for one object.
  return made.key === made.name ? { ...made, key: "" } : made;
}

/** Sorts after every object. */
export const maxObject: ObjectName = Object.freeze({
  ...objectName({ name: "" }),
  max: true,
  encoded: "\xff\xff",
});

export function isMeta(object: ObjectName): boolean {
  return !object.max && object.pool === metaPool;
}

/** What places and orders the object: the locator key if there is one. */
export function effectiveKey(object: ObjectName): string {
  return object.key === "" ? object.name : object.key;
}

/** The 32 bits in reverse order. */
export function reverseBits(word: number): number {
  let bits = word;
  bits = ((bits >>> 1) & 0x55555555) | ((bits & 0x55555555) << 1);
  bits = ((bits >>> 2) & 0x33333333) | ((bits & 0x33333333) << 2);
  bits = ((bits >>> 4) & 0x0f0f0f0f) | ((bits & 0x0f0f0f0f) << 4);
  bits = ((bits >>> 8) & 0x00ff00ff) | ((bits & 0x00ff00ff) << 8);
  return ((bits >>> 16) | (bits << 16)) >>> 0;
}

/** Order of text by its UTF-8 bytes, which is the order by code points. */
export function compareText(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let index = 0; index < shared; index += 1) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left !== right) {
      // Surrogates stand for code points beyond the 16-bit ones.
      const leftRank = left >= 0xd800 && left < 0xe000 ? left + 0x10000 : left;
      const rightRank = right >= 0xd800 && right < 0xe000 ? right + 0x10000 : right;
      return leftRank < rightRank ? -1 : 1;
    }
  }
  return Math.sign(a.length - b.length);
}

/**
 * The order of ghobjects: max last, then shard, pool, hash with its bits reversed (so that the objects
 * of one placement group stand together however many groups there are), namespace, effective key,
 * name, snapshot, generation.
 */
export function compareObjects(a: ObjectName, b: ObjectName): number {
  if (a.max || b.max) {
    return Number(a.max) - Number(b.max);
  }
  return (
    Math.sign(a.shard - b.shard) ||
    Math.sign(a.pool - b.pool) ||
    Math.sign(reverseBits(a.hash) - reverseBits(b.hash)) ||
    compareText(a.nspace, b.nspace) ||
    compareText(effectiveKey(a), effectiveKey(b)) ||
    compareText(a.name, b.name) ||
    Math.sign(a.snap - b.snap) ||
    Math.sign(a.generation - b.generation)
  );
}

/**
 * The placement group of a hash among `groups`, `mask` being the next power of two less one: Ceph's
 * stable modulo, by which an object moves only when its own group is split.
 */
export function stableModulo(hash: number, groups: number, mask: number): number {
  const low = (hash & mask) >>> 0;
  return low < groups ? low : (hash & (mask >>> 1)) >>> 0;
}
