/** Space for waltree's log and checkpoints. */
import { assert } from "../../base/assert.ts";
import type { KvDeviceRole, KvExtent, KvSpace } from "./kv.ts";
import { alignUp, reservedBytes } from "./waltree-format.ts";

/** First fit over a device that is the key-value store's alone. */
export class OwnSpace implements KvSpace {
  readonly unitBytes = 65_536;
  readonly handle = null;
  readonly #role: KvDeviceRole;
  freeBytes = 0;
  /** Ascending, not touching. */
  #free: { offsetBytes: number; lengthBytes: number }[];

  constructor(role: KvDeviceRole, sizeBytes: number) {
    this.#role = role;
    const usable = Math.floor(sizeBytes / this.unitBytes) * this.unitBytes - reservedBytes;
    this.#free = usable > 0 ? [{ offsetBytes: reservedBytes, lengthBytes: usable }] : [];
    this.freeBytes = Math.max(0, usable);
  }

  /** Takes what an opened store holds already. */
  take(extents: readonly KvExtent[]): void {
    for (const { offsetBytes, lengthBytes } of extents) {
      const end = offsetBytes + lengthBytes;
      this.#free = this.#free.flatMap((range) => {
        const rangeEnd = range.offsetBytes + range.lengthBytes;
        return [
          { offsetBytes: range.offsetBytes, lengthBytes: offsetBytes - range.offsetBytes },
          { offsetBytes: end, lengthBytes: rangeEnd - end },
        ]
          .map((part) => ({
            offsetBytes: Math.max(part.offsetBytes, range.offsetBytes),
            lengthBytes: Math.min(
              part.lengthBytes,
              rangeEnd - Math.max(part.offsetBytes, range.offsetBytes),
            ),
          }))
          .filter((part) => part.lengthBytes > 0);
      });
    }
    this.freeBytes = this.#free.reduce((sum, range) => sum + range.lengthBytes, 0);
  }

  allocate(lengthBytes: number): readonly KvExtent[] | undefined {
    if (this.freeBytes < lengthBytes) {
      return undefined;
    }
    this.freeBytes -= lengthBytes;
    const taken: KvExtent[] = [];
    let wanted = lengthBytes;
    while (wanted > 0) {
      const whole = this.#free.findIndex((range) => range.lengthBytes >= wanted);
      const range = this.#free[Math.max(whole, 0)];
      assert(range !== undefined, "free space is miscounted");
      const length = Math.min(range.lengthBytes, wanted);
      taken.push({ role: this.#role, offsetBytes: range.offsetBytes, lengthBytes: length });
      range.offsetBytes += length;
      range.lengthBytes -= length;
      this.#free = this.#free.filter((each) => each.lengthBytes > 0);
      wanted -= length;
    }
    return taken;
  }

  release(extents: readonly KvExtent[]): void {
    const all = [...this.#free, ...extents].sort((a, b) => a.offsetBytes - b.offsetBytes);
    const merged: { offsetBytes: number; lengthBytes: number }[] = [];
    for (const { offsetBytes, lengthBytes } of all) {
      const last = merged.at(-1);
      const end = last === undefined ? 0 : last.offsetBytes + last.lengthBytes;
      assert(last === undefined || end <= offsetBytes, "space is released that is free");
      if (last !== undefined && end === offsetBytes) {
        last.lengthBytes += lengthBytes;
      } else {
        merged.push({ offsetBytes, lengthBytes });
      }
    }
    this.#free = merged;
    this.freeBytes = merged.reduce((sum, range) => sum + range.lengthBytes, 0);
  }
}

/**
 * Space that is kept rather than given back, so that a full device does not keep the log from being cut:
 * a new checkpoint goes to the place of the one before the last.
 */
export class SpareSpace {
  readonly #source: KvSpace;
  #spare: KvExtent[] = [];
  #spareBytes = 0;
  #targetBytes = 0;

  constructor(source: KvSpace) {
    this.#source = source;
  }

  get extents(): readonly KvExtent[] {
    return this.#spare;
  }

  /** What is kept, and what could be had beside it; `mainFreeBytes`: of the main device, if it is that. */
  roomBytes(mainFreeBytes: number): number {
    const source = this.#source;
    return this.#spareBytes + (source instanceof OwnSpace ? source.freeBytes : mainFreeBytes);
  }

  /** How much to keep; tries to get it if it is more than there is. */
  keep(bytes: number): void {
    this.#targetBytes = alignUp(bytes, this.#source.unitBytes);
    if (this.#spareBytes < this.#targetBytes) {
      const more = this.#source.allocate(this.#targetBytes - this.#spareBytes);
      if (more !== undefined) {
        this.#add(more);
      }
    }
    this.#trim();
  }

  /** At least `lengthBytes`; `undefined`: there is not so much, or not `leaveBytes` more to be left. */
  allocate(lengthBytes: number, leaveBytes = 0): readonly KvExtent[] | undefined {
    const wanted = alignUp(lengthBytes, this.#source.unitBytes);
    const missing = wanted + alignUp(leaveBytes, this.#source.unitBytes) - this.#spareBytes;
    if (missing > 0) {
      const more = this.#source.allocate(missing);
      if (more === undefined) {
        return undefined;
      }
      this.#add(more);
    }
    return this.#take(wanted);
  }

  release(extents: readonly KvExtent[]): void {
    this.#add(extents);
    this.#trim();
  }

  #add(extents: readonly KvExtent[]): void {
    // Neighbours come together, so that extents do not become ever smaller.
    const all = [...this.#spare, ...extents].sort((a, b) => a.offsetBytes - b.offsetBytes);
    this.#spare = [];
    for (const extent of all) {
      const last = this.#spare.at(-1);
      if (last !== undefined && last.offsetBytes + last.lengthBytes === extent.offsetBytes) {
        const lengthBytes = last.lengthBytes + extent.lengthBytes;
        this.#spare[this.#spare.length - 1] = { ...last, lengthBytes };
      } else {
        this.#spare.push(extent);
      }
    }
    this.#spareBytes = this.#spare.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  }

  /** The largest first: few extents make few entries in the superblock. */
  #take(bytes: number): KvExtent[] {
    const bySize = [...this.#spare].sort((a, b) => b.lengthBytes - a.lengthBytes);
    const taken: KvExtent[] = [];
    const left: KvExtent[] = [];
    let wanted = bytes;
    for (const extent of bySize) {
      const length = Math.min(extent.lengthBytes, wanted);
      if (length > 0) {
        taken.push({ ...extent, lengthBytes: length });
      }
      if (length < extent.lengthBytes) {
        left.push({
          ...extent,
          offsetBytes: extent.offsetBytes + length,
          lengthBytes: extent.lengthBytes - length,
        });
      }
      wanted -= length;
    }
    assert(wanted === 0, "spare space is miscounted");
    this.#spare = [];
    this.#spareBytes = 0;
    this.#add(left);
    return taken;
  }

  #trim(): void {
    const unit = this.#source.unitBytes;
    const excess = Math.floor((this.#spareBytes - this.#targetBytes) / unit) * unit;
    if (excess > 0) {
      this.#source.release(this.#take(excess));
    }
  }
}
