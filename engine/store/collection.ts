/**
 * Collections: a placement group's objects on one store, or what the store's owner keeps for itself.
 * A collection is a range of objects (shard, pool, low bits of the hash), so splitting one moves
 * nothing: its range gets one more bit.
 */
import { keyOfPlace } from "./object-key.ts";
import { metaPool, noShard, type ObjectName, reverseBits } from "./object-name.ts";

/** "meta", or "POOL.SEED" with the seed in hexadecimal, or "POOL.SEEDsSHARD". */
export type CollectionId = string;

export interface CollectionPlace {
  readonly meta: boolean;
  readonly pool: number;
  readonly seed: number;
  readonly shard: number;
}

const pattern = /^(0|[1-9][0-9]*)\.(0|[1-9a-f][0-9a-f]{0,7})(?:s(0|[1-9][0-9]*))?$/;

/** What an id says; `null` when it is no id of a collection. */
export function parseCollectionId(id: CollectionId): CollectionPlace | null {
  if (id === "meta") {
    return { meta: true, pool: metaPool, seed: 0, shard: noShard };
  }
  const match = pattern.exec(id);
  if (match === null) {
    return null;
  }
  const pool = Number(match[1]);
  const seed = Number.parseInt(match[2] as string, 16);
  const shard = match[3] === undefined ? noShard : Number(match[3]);
  return Number.isSafeInteger(pool) && shard <= 126 ? { meta: false, pool, seed, shard } : null;
}

export function collectionIdOf(pool: number, seed: number, shard = noShard): CollectionId {
  return `${pool}.${seed.toString(16)}${shard === noShard ? "" : `s${shard}`}`;
}

function maskOf(bits: number): number {
  return bits === 32 ? 0xffffffff : 2 ** bits - 1;
}

/** Half-open ranges of object keys, in order. */
export interface KeyRange {
  readonly first: string;
  readonly end: string;
}

/** A collection's range with `bits` bits of the hash; the seed MUST fit in the bits. */
export class CollectionRange {
  readonly place: CollectionPlace;
  readonly bits: number;
  /** Objects in transit come first: their pools are negative. */
  readonly ranges: readonly KeyRange[];

  constructor(place: CollectionPlace, bits: number) {
    this.place = place;
    this.bits = bits;
    const { shard, pool, seed } = place;
    const first = reverseBits(seed);
    const size = 2 ** (32 - bits);
    const pools = place.meta ? [metaPool] : [-2 - pool, pool];
    this.ranges = pools.map((each) => ({
      first: keyOfPlace(shard, each, first),
      end:
        first + size === 2 ** 32
          ? keyOfPlace(shard, each + 1, 0)
          : keyOfPlace(shard, each, first + size),
    }));
  }

  contains(object: ObjectName): boolean {
    const { meta, pool, seed, shard } = this.place;
    if (object.max || object.shard !== shard) {
      return false;
    }
    const ours = object.pool === pool || (!meta && object.pool === -2 - pool);
    return ours && (object.hash & maskOf(this.bits)) >>> 0 === seed;
  }

  /** Two collections hold common objects. */
  overlaps(other: CollectionRange): boolean {
    const mine = this.place;
    const theirs = other.place;
    const mask = maskOf(Math.min(this.bits, other.bits));
    return (
      mine.pool === theirs.pool &&
      mine.shard === theirs.shard &&
      (mine.seed & mask) >>> 0 === (theirs.seed & mask) >>> 0
    );
  }
}

/** A range, or `null` when the id or the bits (0 ... 32, 0 for meta) are none. */
export function rangeOf(id: CollectionId, bits: number): CollectionRange | null {
  const place = parseCollectionId(id);
  const whole = Number.isInteger(bits) && bits >= 0 && bits <= 32;
  if (place === null || !whole || place.seed > maskOf(bits) || (place.meta && bits !== 0)) {
    return null;
  }
  return new CollectionRange(place, bits);
}

/** The other half that a split of `range` makes. */
export function childOf(range: CollectionRange): CollectionId {
  const { pool, seed, shard } = range.place;
  return collectionIdOf(pool, seed + 2 ** range.bits, shard);
}
