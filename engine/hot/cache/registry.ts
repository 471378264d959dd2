/** The cache policies by name, as `bluestore_cache_type` selects them. */
import { OsdynoError } from "../../base/error.ts";
import { Arc } from "./arc.ts";
import type { CacheOptions, CachePolicy } from "./cache.ts";
import { Lru } from "./lru.ts";
import { S3Fifo } from "./s3fifo.ts";
import { Sieve } from "./sieve.ts";
import { TwoQueue } from "./two-queue.ts";
import { WindowTinyLfu } from "./wtinylfu.ts";

/** One policy. */
export interface CacheKind {
  readonly hotPath: "cache";
  readonly name: string;
  readonly describe: string;
  /** An empty cache. */
  create(options: CacheOptions): CachePolicy;
}

function kind(
  name: string,
  describe: string,
  create: (options: CacheOptions) => CachePolicy,
): CacheKind {
  return { hotPath: "cache", name, describe, create };
}

const builtIn: readonly CacheKind[] = [
  kind(
    "2q",
    "as BlueStore's: new data passes a queue, what is wanted again is hot; withstands scans",
    (options) => new TwoQueue(options),
  ),
  kind("lru", "least recently used leaves first", (options) => new Lru(options)),
  kind(
    "arc",
    "two LRU lists that share the room by what is missed of each",
    (options) => new Arc(options),
  ),
  kind(
    "s3fifo",
    "three FIFO queues; what is not used twice soon leaves early",
    (options) => new S3Fifo(options),
  ),
  kind(
    "sieve",
    "one FIFO queue and a hand that spares what was used",
    (options) => new Sieve(options),
  ),
  kind(
    "wtinylfu",
    "LRU window, then admission by estimated frequency",
    (options) => new WindowTinyLfu(options),
  ),
];

const kinds = new Map(builtIn.map((each) => [each.name, each]));

/** Adds a policy; refuses a name that is taken. */
export function registerCache(added: CacheKind): void {
  if (kinds.has(added.name)) {
    throw new OsdynoError("bad-input", `there is a cache named ${added.name} already`);
  }
  kinds.set(added.name, added);
}

/** All policies, in the order they were registered. */
export function cacheKinds(): readonly CacheKind[] {
  return [...kinds.values()];
}

/** An empty cache of that name; throws `bad-input` with the names there are. */
export function openCache(name: string, options: CacheOptions = {}): CachePolicy {
  const found = kinds.get(name);
  if (found === undefined) {
    const known = [...kinds.keys()].join(", ");
    throw new OsdynoError("bad-input", `unknown cache ${name}; there are: ${known}`);
  }
  return found.create(options);
}
