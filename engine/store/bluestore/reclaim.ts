/**
 * Released space on its way back to the allocator: it waits until the reads have ended that were under
 * way when it was released, since they may still look at it, and until the device has discarded it. What
 * is written over in place waits for such reads likewise.
 */
import { type Allocator, ExtentList } from "../../hot/allocator/allocator.ts";

export class Reclaim {
  readonly #allocator: Allocator;
  /** Reads by generation: the current one's and the one's before it. */
  #readsNow = 0;
  #readsBefore = 0;
  #generation = 0;
  /** Released while reads of the current generation ran; while those of the one before ran. */
  #heldNow = new ExtentList();
  #heldBefore = new ExtentList();
  /** Called when the reads have ended of the current generation, and of the one before. */
  #thenNow: (() => void)[] = [];
  #thenBefore: (() => void)[] = [];
  freeBytes: number;
  /** Released and not yet free. */
  heldBytes = 0;
  /** Told when held space has become free. */
  onFreed: () => void = () => {};
  /** Discards extents on the device, which are the callee's; `null`: the device is not told. */
  discard: ((extents: ExtentList, done: () => void) => void) | null = null;

  constructor(allocator: Allocator) {
    this.#allocator = allocator;
    this.freeBytes = allocator.freeBytes();
  }

  /** A read begins; what it returns goes to `endRead`. */
  beginRead(): number {
    this.#readsNow += 1;
    return this.#generation;
  }

  endRead(generation: number): void {
    if (generation === this.#generation) {
      this.#readsNow -= 1;
    } else {
      this.#readsBefore -= 1;
    }
    if (this.#waits) {
      this.#turn();
    }
  }

  get #waits(): boolean {
    return (
      this.#heldNow.count > 0 ||
      this.#heldBefore.count > 0 ||
      this.#thenNow.length > 0 ||
      this.#thenBefore.length > 0
    );
  }

  /** Calls back, at once or later, when the reads that are under way now have ended. */
  whenReadsEnd(then: () => void): void {
    if (this.#readsNow === 0 && this.#readsBefore === 0) {
      then();
    } else {
      this.#thenNow.push(then);
      this.#turn();
    }
  }

  release(extents: ExtentList): void {
    if (extents.count === 0) {
      return;
    }
    if (this.#readsNow === 0 && this.#readsBefore === 0) {
      this.#free(extents);
      return;
    }
    for (let at = 0; at < extents.count; at += 1) {
      this.heldBytes += extents.lengthBytes(at);
      this.#heldNow.push(extents.offsetBytes(at), extents.lengthBytes(at));
    }
    this.#turn();
  }

  /** Once the reads of the generation before have ended, the current one becomes it. */
  #turn(): void {
    while (this.#readsBefore === 0 && this.#waits) {
      const ended = this.#thenBefore;
      this.#thenBefore = this.#thenNow;
      this.#thenNow = [];
      this.#freeHeld(this.#heldBefore);
      const spare = this.#heldBefore;
      this.#heldBefore = this.#heldNow;
      this.#heldNow = spare;
      this.#readsBefore = this.#readsNow;
      this.#readsNow = 0;
      this.#generation += 1;
      for (const then of ended) {
        then();
      }
    }
  }

  #freeHeld(extents: ExtentList): void {
    for (let at = 0; at < extents.count; at += 1) {
      this.heldBytes -= extents.lengthBytes(at);
    }
    if (extents.count > 0) {
      this.#free(extents);
      extents.clear();
      this.onFreed();
    }
  }

  #free(extents: ExtentList): void {
    if (extents.count === 0) {
      return;
    }
    if (this.discard === null) {
      this.#give(extents);
      return;
    }
    const own = new ExtentList();
    let bytes = 0;
    for (let at = 0; at < extents.count; at += 1) {
      own.pushJoined(extents.offsetBytes(at), extents.lengthBytes(at));
      bytes += extents.lengthBytes(at);
    }
    // Given out again before the device is done, it would lose what is written meanwhile.
    this.heldBytes += bytes;
    this.discard(own, () => {
      this.heldBytes -= bytes;
      this.#give(own);
      this.onFreed();
    });
  }

  #give(extents: ExtentList): void {
    this.#allocator.release(extents);
    for (let at = 0; at < extents.count; at += 1) {
      this.freeBytes += extents.lengthBytes(at);
    }
  }
}
