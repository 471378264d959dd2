/**
 * The neutral worn free map: what comparisons of allocators start from, so that none starts from traces
 * of its own. Free and used extents alternate over the device; their lengths follow the law of Ceph's
 * allocator aging test (`Allocator_aging_fragmentation.cc`): a triangle from almost nothing over a peak
 * to twice the peak, there 8 and 16 MiB, here as large as the number of extents and the share of free
 * space demand: for a million extents on a half full TiB 512 KiB and 1 MiB.
 */
import { SeededRandom } from "../../base/random.ts";
import { type Allocator, ExtentList } from "./allocator.ts";

export interface WornMapOptions {
  readonly capacityBytes: number;
  readonly blockBytes: number;
  /** Share of the blocks that is free, above 0 and below 1. */
  readonly freeShare: number;
  readonly freeExtents: number;
  readonly seed: number;
}

/** The map of the published comparisons. */
export const neutralWornMap: WornMapOptions = {
  capacityBytes: 2 ** 40,
  blockBytes: 4096,
  freeShare: 0.5,
  freeExtents: 1_000_000,
  seed: 1,
};

/** The same on a device of another size: as many bytes to a free extent. */
export function wornMapOfSize(capacityBytes: number, seed = neutralWornMap.seed): WornMapOptions {
  const share = capacityBytes / neutralWornMap.capacityBytes;
  const freeExtents = Math.max(1, Math.round(neutralWornMap.freeExtents * share));
  return { ...neutralWornMap, capacityBytes, freeExtents, seed };
}

/** Symmetric triangle law on (0, 2) with its peak at 1, by inverting its distribution function. */
function triangle(random: SeededRandom): number {
  const drawn = random.unit();
  return drawn < 0.5 ? Math.sqrt(2 * drawn) : 2 - Math.sqrt(2 * (1 - drawn));
}

/** `count` lengths of at least one block by the triangle law, which add up to `total` blocks. */
function lengths(count: number, total: number, random: SeededRandom): Float64Array {
  const drawn = new Float64Array(count);
  let sum = 0;
  for (let index = 0; index < count; index += 1) {
    drawn[index] = triangle(random);
    sum += drawn[index] as number;
  }
  // One block each, the rest by the law; fractions carry over, so that the sum is exact.
  const scale = (total - count) / sum;
  let exact = 0;
  let given = 0;
  for (let index = 0; index < count; index += 1) {
    exact += (drawn[index] as number) * scale;
    const upTo = index === count - 1 ? total - count : Math.floor(exact);
    drawn[index] = 1 + upTo - given;
    given = upTo;
  }
  return drawn;
}

/** The free extents of a worn device, by offset; the device begins with a used one. */
export function wornMap(options: WornMapOptions): ExtentList {
  const { capacityBytes, blockBytes, freeShare, freeExtents: count, seed } = options;
  const blocks = capacityBytes / blockBytes;
  const freeBlocks = Math.round(blocks * freeShare);
  if (!Number.isInteger(blocks) || freeBlocks < count || blocks - freeBlocks < count) {
    throw new Error(`${count} free extents do not fit ${blocks} blocks, ${freeShare} of them free`);
  }
  const random = new SeededRandom(seed);
  const free = lengths(count, freeBlocks, random.fork("free"));
  const used = lengths(count, blocks - freeBlocks, random.fork("used"));
  const map = new ExtentList();
  map.reserve(count);
  let block = 0;
  for (let index = 0; index < count; index += 1) {
    block += used[index] as number;
    map.push(block * blockBytes, (free[index] as number) * blockBytes);
    block += free[index] as number;
  }
  return map;
}

/** Makes the extents of a map free in an allocator, in batches. */
export function fillFrom(allocator: Allocator, map: ExtentList): void {
  const batch = new ExtentList();
  for (let index = 0; index < map.count; index += 1) {
    batch.push(map.offsetBytes(index), map.lengthBytes(index));
    if (batch.count === 1024 || index === map.count - 1) {
      allocator.release(batch);
      batch.clear();
    }
  }
}
