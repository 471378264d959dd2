/**
 * Which space is in use, in the key-value store. `bitmap`: one bit a unit, changed by XOR, so that
 * neither allocating nor releasing reads anything. `file`: nothing is written while the store runs
 * (`allocation-file.ts`).
 */
import type { ExtentList } from "../../hot/allocator/allocator.ts";
import type { KeyValueStore, KvBatch } from "../../hot/kv/kv.ts";
import { prefixes, u64Key, u64OfBytes } from "./keys.ts";

export const freelistKinds = ["bitmap", "file"] as const;
export type FreelistKind = (typeof freelistKinds)[number];

export type VisitExtent = (offsetBytes: number, lengthBytes: number) => void;

const pageKeys = 4096;

export class BitmapFreelist {
  readonly #unitBytes: number;
  readonly #unitsPerKey: number;
  readonly #mask: Uint8Array;

  constructor(unitBytes: number, unitsPerKey: number) {
    this.#unitBytes = unitBytes;
    this.#unitsPerKey = unitsPerKey;
    this.#mask = new Uint8Array(unitsPerKey / 8);
  }

  /** Turns the bits of the extents over: free to used or used to free. */
  turn(batch: KvBatch, extents: ExtentList): void {
    for (let at = 0; at < extents.count; at += 1) {
      this.turnOne(batch, extents.offsetBytes(at), extents.lengthBytes(at));
    }
  }

  turnOne(batch: KvBatch, offsetBytes: number, lengthBytes: number): void {
    const mask = this.#mask;
    const units = this.#unitsPerKey;
    let unit = offsetBytes / this.#unitBytes;
    const end = unit + lengthBytes / this.#unitBytes;
    while (unit < end) {
      const first = unit - (unit % units);
      const stop = Math.min(end, first + units);
      mask.fill(0);
      for (let bit = unit - first; bit < stop - first; bit += 1) {
        mask[bit >> 3] = (mask[bit >> 3] as number) | (1 << (bit & 7));
      }
      batch.merge(prefixes.freelistBits, u64Key(first * this.#unitBytes), mask);
      unit = stop;
    }
  }

  /** Calls back for every used extent, ascending, neighbours merged. */
  forEachUsed(kv: KeyValueStore, visit: VisitExtent): void {
    let from: Uint8Array = new Uint8Array(0);
    let start = -1;
    let end = -1;
    for (;;) {
      const page = kv.scan(prefixes.freelistBits, from, undefined, pageKeys);
      for (const { key, value } of page) {
        const base = u64OfBytes(key) / this.#unitBytes;
        for (let bit = 0; bit < value.length * 8; bit += 1) {
          if (((value[bit >> 3] as number) & (1 << (bit & 7))) === 0) {
            continue;
          }
          if (base + bit !== end) {
            if (start >= 0) {
              visit(start * this.#unitBytes, (end - start) * this.#unitBytes);
            }
            start = base + bit;
          }
          end = base + bit + 1;
        }
      }
      const last = page.at(-1);
      if (last === undefined || page.length < pageKeys) {
        break;
      }
      from = new Uint8Array(last.key.length + 1);
      from.set(last.key);
    }
    if (start >= 0) {
      visit(start * this.#unitBytes, (end - start) * this.#unitBytes);
    }
  }
}
