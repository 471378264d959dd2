/**
 * Histories for benches: step `i` allocates `wants[i]` bytes and then releases what stood in place
 * `places[i]` of a table of live allocations, where the new one is kept. The same seed gives the same
 * history to every allocator, in TypeScript and on the native side (`allocator/replay.rs`).
 */
import { SeededRandom } from "../../base/random.ts";
import { type Allocator, allocateAll, ExtentList } from "./allocator.ts";
import type { NativeReplay } from "./native-allocator.ts";

export interface History {
  /** Bytes, multiples of `unitBytes`. */
  readonly wants: Float64Array;
  readonly places: Uint32Array;
  readonly unitBytes: number;
  /** Of the table. */
  readonly placeCount: number;
}

/** A law of request sizes, bytes. */
export type SizeLaw = number | "random";

export interface HistoryOptions {
  readonly steps: number;
  readonly placeCount: number;
  readonly size: SizeLaw;
  readonly unitBytes: number;
  readonly seed: number;
}

/** Random sizes: a power of two from the unit to 1 MiB, then uniform below it; small ones abound. */
function randomWant(random: SeededRandom, unitBytes: number): number {
  const octaves = Math.max(1, Math.log2(2 ** 20 / unitBytes) + 1);
  const units = 2 ** random.below(octaves);
  return (1 + random.below(units)) * unitBytes;
}

/** The first `placeCount` steps fill the table one by one; later ones hit random places. */
export function makeHistory(options: HistoryOptions): History {
  const { steps, placeCount, size, unitBytes, seed } = options;
  const random = new SeededRandom(seed).fork(`history ${size}`);
  const wants = new Float64Array(steps);
  const places = new Uint32Array(steps);
  for (let step = 0; step < steps; step += 1) {
    wants[step] = size === "random" ? randomWant(random, unitBytes) : size;
    places[step] = step < placeCount ? step : random.below(placeCount);
  }
  return { wants, places, unitBytes, placeCount };
}

/** FNV-1a over 32-bit words, with a shift; as in `replay.rs`. */
function mix(hash: number, word: number): number {
  const low = Math.imul(hash ^ (word >>> 0), 0x01000193);
  const both = Math.imul(low ^ Math.floor(word / 2 ** 32), 0x01000193);
  return (both ^ (both >>> 15)) >>> 0;
}

/** Runs histories through the interface in TypeScript, as a store does. */
export class TypeScriptReplay implements NativeReplay {
  readonly #allocator: Allocator;
  readonly #nowNs: () => number;
  readonly #live: ExtentList[];
  #fresh = new ExtentList();
  #hash = 0x811c9dc5;

  constructor(allocator: Allocator, placeCount: number, nowNs: () => number) {
    this.#allocator = allocator;
    this.#nowNs = nowNs;
    this.#live = Array.from({ length: placeCount }, () => new ExtentList());
  }

  run(wants: Float64Array, places: Uint32Array, unit: number, spentNs: Float64Array): void {
    const allocator = this.#allocator;
    const nowNs = this.#nowNs;
    for (let step = 0; step < places.length; step += 1) {
      const place = places[step] as number;
      const old = this.#live[place] as ExtentList;
      const fresh = this.#fresh;
      fresh.clear();
      const begun = nowNs();
      const whole = allocateAll(allocator, wants[step] as number, unit, 0, 0, fresh);
      if (old.count > 0) {
        allocator.release(old);
      }
      spentNs[step] = nowNs() - begun;
      if (!whole) {
        throw new Error(`no space: ${wants[step]} bytes wanted, ${allocator.freeBytes()} free`);
      }
      for (let index = 0; index < fresh.count; index += 1) {
        this.#hash = mix(this.#hash, fresh.offsetBytes(index) / allocator.blockBytes);
        this.#hash = mix(this.#hash, fresh.lengthBytes(index) / allocator.blockBytes);
      }
      this.#live[place] = fresh;
      this.#fresh = old;
    }
  }

  hash(): number {
    return this.#hash;
  }

  releaseAll(): void {
    for (const extents of this.#live) {
      this.#allocator.release(extents);
      extents.clear();
    }
  }
}
