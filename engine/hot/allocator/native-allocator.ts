/**
 * The allocators of the native side (`native/crates/core/src/allocator`). One call of the addon is one
 * allocation, or the release of a batch of extents.
 *
 * Both sides share one array of doubles: want, unit, longest extent and hint in the first four, then
 * pairs of offset and length, up to 2046. An allocation of more extents is fetched in further calls.
 */
import { OsdynoError } from "../../base/error.ts";
import { native } from "../../base/native.ts";
import type { Allocator, AllocatorOptions, AllocatorStatistics, ExtentList } from "./allocator.ts";

/** The class of the addon. */
interface NativeSide {
  handle(): number;
  records(): ArrayBuffer;
  allocate(): number;
  more(first: number): number;
  release(count: number): void;
  removeFree(count: number): void;
  freeBytes(): number;
  statistics(): Float64Array;
  freeMap(): Float64Array;
  checkInvariants(): void;
  close(): void;
}

/** Times a history on the native side, without the cost of the boundary. */
export interface NativeReplay {
  /**
   * Step `i` allocates `wants[i]` bytes and releases what stood in `places[i]` of the table of live
   * allocations; its nanoseconds go to `spentNs[i]`. Throws when an allocation gets less.
   */
  run(wants: Float64Array, places: Uint32Array, unit: number, spentNs: Float64Array): void;
  hash(): number;
  releaseAll(): void;
}

const head = 4;

export class NativeAllocator implements Allocator {
  readonly name: string;
  readonly capacityBytes: number;
  readonly blockBytes: number;
  /** By which native code finds this allocator (`allocator::shared::find`). */
  readonly handle: number;
  readonly #native: NativeSide;
  readonly #records: Float64Array;
  readonly #batch: number;

  /** Throws `bad-input` with one line. */
  constructor(name: string, options: AllocatorOptions) {
    const Side = native()["NativeAllocator"] as new (spec: string) => NativeSide;
    const { capacityBytes, blockBytes, parameters = {} } = options;
    this.#native = refusing("bad-input", () => {
      return new Side(JSON.stringify({ name, capacityBytes, blockBytes, parameters }));
    });
    this.name = name;
    this.capacityBytes = capacityBytes;
    this.blockBytes = blockBytes;
    this.handle = this.#native.handle();
    this.#records = new Float64Array(this.#native.records());
    this.#batch = (this.#records.length - head) / 2;
  }

  allocate(
    wantBytes: number,
    unitBytes: number,
    maxExtentBytes: number,
    hintBytes: number,
    into: ExtentList,
  ): number {
    const records = this.#records;
    records[0] = wantBytes;
    records[1] = unitBytes;
    records[2] = maxExtentBytes;
    records[3] = hintBytes;
    const count = this.#native.allocate();
    let taken = 0;
    let done = 0;
    while (done < count) {
      const here = done === 0 ? Math.min(count, this.#batch) : this.#native.more(done);
      for (let at = head; at < head + here * 2; at += 2) {
        const lengthBytes = records[at + 1] as number;
        into.push(records[at] as number, lengthBytes);
        taken += lengthBytes;
      }
      done += here;
    }
    return taken;
  }

  release(extents: ExtentList): void {
    this.#inBatches(extents, (count) => this.#native.release(count));
  }

  removeFree(extents: ExtentList): void {
    this.#inBatches(extents, (count) => this.#native.removeFree(count));
  }

  #inBatches(extents: ExtentList, hand: (count: number) => void): void {
    const { count, pairs } = extents;
    const records = this.#records;
    for (let first = 0; first < count; first += this.#batch) {
      const here = Math.min(count - first, this.#batch);
      for (let at = 0; at < here * 2; at += 1) {
        records[head + at] = pairs[first * 2 + at] as number;
      }
      refusing("io", () => hand(here));
    }
  }

  freeBytes(): number {
    return this.#native.freeBytes();
  }

  forEachFree(visit: (offsetBytes: number, lengthBytes: number) => void): void {
    const map = this.#native.freeMap();
    for (let at = 0; at < map.length; at += 2) {
      visit(map[at] as number, map[at + 1] as number);
    }
  }

  statistics(): AllocatorStatistics {
    const [freeExtents, largestFreeBytes, fragmentation, fragmentationScore, memoryBytes] =
      this.#native.statistics() as unknown as [number, number, number, number, number];
    return { freeExtents, largestFreeBytes, fragmentation, fragmentationScore, memoryBytes };
  }

  checkInvariants(): void {
    this.#native.checkInvariants();
  }

  close(): void {
    this.#native.close();
  }

  /** A bench of this allocator on the native side, with a table of so many live allocations. */
  replay(places: number): NativeReplay {
    const Replay = native()["AllocatorReplay"] as new (
      allocator: NativeSide,
      places: number,
    ) => NativeReplay;
    return new Replay(this.#native, places);
  }
}

function refusing<T>(code: "bad-input" | "io", act: () => T): T {
  try {
    return act();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OsdynoError(code, `allocator: ${reason}`, {}, error);
  }
}
