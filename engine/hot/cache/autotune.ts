/**
 * How much memory each cache gets, by Ceph's rules: the whole follows what the process has mapped, so that
 * it stays under `osd_memory_target`; the parts follow what is young, then the configured shares. Pure
 * functions: a step takes figures and answers figures.
 */
import { assert } from "../../base/assert.ts";
import type { CachePolicy } from "./cache.ts";

const mib = 2 ** 20;

/** Options by Ceph's names; bytes and shares. */
export interface AutotuneOptions {
  readonly osd_memory_target: number;
  readonly osd_memory_base: number;
  readonly osd_memory_expected_fragmentation: number;
  readonly osd_memory_cache_min: number;
}

/** Ceph's defaults. */
export const autotuneDefaults: AutotuneOptions = Object.freeze({
  osd_memory_target: 4096 * mib,
  osd_memory_base: 768 * mib,
  osd_memory_expected_fragmentation: 0.15,
  osd_memory_cache_min: 128 * mib,
});

/** `bluestore_cache_kv_ratio`, `_kv_onode_ratio`, `_meta_ratio`; data gets the rest. */
export const cacheRatioDefaults = Object.freeze({ kv: 0.45, kv_onode: 0.04, meta: 0.45 });

/** `bluestore_cache_age_bins_*`: bins at which priorities 1, 2, ... end; a bin is a second. */
export const ageBinEnds: readonly number[] = Object.freeze([1, 2, 6, 24, 120, 720]);

/** Priorities 0 to 10, and the last, which takes what is left. */
export const priorityCount = 12;
const lastPriority = priorityCount - 1;

export interface CacheBounds {
  readonly minBytes: number;
  readonly maxBytes: number;
}

/** What all caches together may have at least and at most. */
export function cacheBounds(options: AutotuneOptions): CacheBounds {
  const usable = options.osd_memory_target * (1 - options.osd_memory_expected_fragmentation);
  const minBytes = options.osd_memory_cache_min;
  return { minBytes, maxBytes: Math.max(minBytes, Math.floor(usable - options.osd_memory_base)) };
}

/**
 * The next size of all caches together: from `tunedBytes`, nearer to the upper bound by the share of the
 * target that is not mapped, or nearer to the lower one by the share that is mapped too much.
 */
export function tuneMemory(
  tunedBytes: number,
  mappedBytes: number,
  targetBytes: number,
  { minBytes, maxBytes }: CacheBounds,
): number {
  assert(mappedBytes >= 0 && targetBytes > 0, "memory is mapped, and there is a target");
  const now = Math.min(Math.max(tunedBytes, minBytes), maxBytes);
  if (mappedBytes < targetBytes) {
    return Math.floor(now + (1 - mappedBytes / targetBytes) * (maxBytes - now));
  }
  return Math.floor(now - (1 - targetBytes / mappedBytes) * (now - minBytes));
}

/** A cache that wants memory. */
export interface TunedCache {
  readonly name: string;
  /** Its configured share, 0 to 1. */
  readonly ratio: number;
  /** Bytes it wants at each priority, in order; what is missing at the end is 0. */
  readonly wants: readonly number[];
}

export interface CacheShare {
  readonly name: string;
  /** What was assigned, by priority. */
  readonly byPriority: readonly number[];
  /** Their sum. */
  readonly bytes: number;
  /** What the cache may fill: with some room to grow, in whole chunks. */
  readonly committedBytes: number;
}

/** Chunks are a 256th of the whole, rounded up to a power of two, from 4 to 64 MiB. */
function chunkBytes(totalBytes: number): number {
  const power = 2 ** Math.ceil(Math.log2(Math.max(1, totalBytes)));
  return Math.min(Math.max(power / 256, 4 * mib), 64 * mib);
}

/** What a cache that uses `usedBytes` may fill: seven chunks more, in whole chunks. */
export function committedBytes(usedBytes: number, totalBytes: number): number {
  const chunk = chunkBytes(totalBytes);
  return Math.ceil((usedBytes + 7 * chunk) / chunk) * chunk;
}

/** Assigns memory for one priority; what is left. */
function assignPriority(
  available: number,
  priority: number,
  caches: readonly TunedCache[],
  assigned: readonly number[][],
): number {
  let left = available;
  let wanting = caches.map((_, index) => index);
  while (wanting.length > 0 && left > 0) {
    const ratios = wanting.reduce((sum, index) => sum + (caches[index]?.ratio ?? 0), 0);
    const still: number[] = [];
    let given = 0;
    for (const index of wanting) {
      const own = assigned[index] as number[];
      const wants = (caches[index]?.wants[priority] ?? 0) - (own[priority] as number);
      const share = ratios > 0 ? (caches[index]?.ratio ?? 0) / ratios : 1 / wanting.length;
      const fair = Math.floor(left * share);
      const gets = Math.max(0, Math.min(wants, fair));
      own[priority] = (own[priority] as number) + gets;
      given += gets;
      if (wants > fair) {
        still.push(index);
      }
    }
    left -= given;
    wanting = given === 0 ? [] : still;
  }
  return left;
}

/**
 * Divides `tunedBytes` among caches: priority by priority, each time in the proportion of the shares among
 * those that still want something; what nobody wants goes by the shares.
 */
export function balance(tunedBytes: number, caches: readonly TunedCache[]): CacheShare[] {
  const ratios = caches.reduce((sum, { ratio }) => sum + ratio, 0);
  assert(ratios <= 1 + 1e-9, "the shares of the caches are 1 in all at most");
  // Every cache gets some chunks beyond what is assigned; that comes off first.
  const extra = committedBytes(1, tunedBytes) * caches.length;
  let left = Math.max(0, tunedBytes - extra);
  const assigned = caches.map(() => new Array<number>(priorityCount).fill(0));
  for (let priority = 0; priority < priorityCount; priority += 1) {
    left = assignPriority(left, priority, caches, assigned);
  }
  return caches.map(({ name, ratio }, index) => {
    const byPriority = assigned[index] as number[];
    byPriority[lastPriority] = (byPriority[lastPriority] as number) + Math.floor(left * ratio);
    const bytes = byPriority.reduce((sum, each) => sum + each, 0);
    return { name, byPriority, bytes, committedBytes: committedBytes(bytes, tunedBytes) };
  });
}

/**
 * What a cache wants at each priority: nothing at 0, then what was used within the bounds of age in order, at
 * the last everything else it holds.
 */
export function wantsByAge(
  policy: Pick<CachePolicy, "bytesOfAge" | "stats">,
  ends: readonly number[] = ageBinEnds,
): number[] {
  const wants = new Array<number>(priorityCount).fill(0);
  let from = 0;
  let young = 0;
  for (const [index, end] of ends.slice(0, lastPriority - 1).entries()) {
    const bytes = policy.bytesOfAge(from, end);
    wants[index + 1] = bytes;
    young += bytes;
    from = end;
  }
  wants[lastPriority] = Math.max(0, policy.stats.bytes - young);
  return wants;
}

export interface AutotuneStep {
  /** All caches together; hand it to the next step. */
  readonly tunedBytes: number;
  readonly shares: readonly CacheShare[];
}

/** One turn of tuning. `tunedBytes` of the first: the upper bound. */
export function autotune(
  options: AutotuneOptions,
  tunedBytes: number,
  mappedBytes: number,
  caches: readonly TunedCache[],
): AutotuneStep {
  const bounds = cacheBounds(options);
  const next = tuneMemory(tunedBytes, mappedBytes, options.osd_memory_target, bounds);
  return { tunedBytes: next, shares: balance(next, caches) };
}
