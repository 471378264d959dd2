import { snakeCase } from "../../device/layer.ts";

/** What a client cache is told; the values are librbd's (rbd.md 8.8). */
export interface ClientCacheTuning {
  readonly sizeBytes: number;
  readonly maxDirtyBytes: number;
  readonly targetDirtyBytes: number;
  readonly maxDirtyAgeNs: number;
  readonly writethroughUntilFlush: boolean;
  /** Eviction, by name; see the hot path `cache`. */
  readonly eviction: string;
  readonly readahead: ReadaheadTuning;
}

export interface ReadaheadTuning {
  /** Sequential reads after which data is read ahead; 0: never. */
  readonly triggerRequests: number;
  readonly maxBytes: number;
  /** Bytes read after which reading ahead ends for good; 0: never. */
  readonly disableAfterBytes: number;
}

export const clientCacheDefaults: ClientCacheTuning = Object.freeze({
  sizeBytes: 32 << 20,
  maxDirtyBytes: 24 << 20,
  targetDirtyBytes: 16 << 20,
  maxDirtyAgeNs: 1e9,
  writethroughUntilFlush: true,
  eviction: "lru",
  readahead: Object.freeze({
    triggerRequests: 10,
    maxBytes: 512 << 10,
    disableAfterBytes: 50 << 20,
  }),
});

/** Sums since the cache was opened. */
export interface ClientCacheCounters {
  reads: number;
  /** Reads that the image had no part in. */
  readHits: number;
  readHitBytes: number;
  readMissBytes: number;
  writes: number;
  writeBytes: number;
  /** Writes that waited because too much was dirty. */
  throttled: number;
  /** Writes to the image, and their bytes. */
  imageWrites: number;
  imageWriteBytes: number;
  imageReads: number;
  imageFlushes: number;
  readaheads: number;
  readaheadBytes: number;
}

export function zeroCounters(): ClientCacheCounters {
  return {
    reads: 0,
    readHits: 0,
    readHitBytes: 0,
    readMissBytes: 0,
    writes: 0,
    writeBytes: 0,
    throttled: 0,
    imageWrites: 0,
    imageWriteBytes: 0,
    imageReads: 0,
    imageFlushes: 0,
    readaheads: 0,
    readaheadBytes: 0,
  };
}

/** Gauges and sums of an open cache. */
export interface ClientCacheStats {
  readonly counters: Readonly<ClientCacheCounters>;
  /** Bytes held, and those that the image lacks. */
  readonly heldBytes: number;
  readonly dirtyBytes: number;
  readonly flushSeen: boolean;
}

/** The same as a run records them, by name. */
export function countersOf(stats: ClientCacheStats): Readonly<Record<string, number>> {
  const { counters, heldBytes, dirtyBytes } = stats;
  const own = { ...counters, heldBytes, dirtyBytes };
  return Object.fromEntries(
    Object.entries(own).map(([name, value]) => [`clientcache_${snakeCase(name)}`, value]),
  );
}
