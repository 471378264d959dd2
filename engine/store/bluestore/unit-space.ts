/**
 * Space for units that are written together, taken from the allocator in one call. Nothing is held between
 * two bursts.
 */
import { assert } from "../../base/assert.ts";
import { type Allocator, ExtentList } from "../../hot/allocator/allocator.ts";

export class UnitSpace {
  readonly #allocator: Allocator;
  readonly #unitBytes: number;
  readonly #taken = new ExtentList();
  /** The extent that units are cut off from, and how much of it is gone. */
  #index = 0;
  #used = 0;
  /** Units that the burst may still ask for. */
  #coming = 0;
  /** Taken and not given out: nobody else can have it, and it is free all the same. */
  heldBytes = 0;

  constructor(allocator: Allocator, unitBytes: number) {
    this.#allocator = allocator;
    this.#unitBytes = unitBytes;
  }

  /** A burst of so many units may come, until `end`. */
  begin(units: number): void {
    this.#coming = units;
  }

  /** Where one unit of free space is. There is some: that was asked before. */
  take(): number {
    if (this.heldBytes === 0) {
      this.#refill();
    }
    const offset = this.#taken.offsetBytes(this.#index) + this.#used;
    this.#used += this.#unitBytes;
    this.heldBytes -= this.#unitBytes;
    if (this.#used === this.#taken.lengthBytes(this.#index)) {
      this.#index += 1;
      this.#used = 0;
    }
    this.#coming -= 1;
    return offset;
  }

  #refill(): void {
    const want = Math.max(1, this.#coming) * this.#unitBytes;
    this.#taken.clear();
    this.#index = 0;
    this.#used = 0;
    // Unit by unit, as if each were asked for alone: room for many together would be cut from the long free
    // extents, until the key-value store finds none. Where a part of the device is free most are together.
    const unit = this.#unitBytes;
    this.heldBytes = this.#allocator.allocate(want, unit, unit, 0, this.#taken);
    assert(this.heldBytes > 0, "the allocator has less than it had");
  }

  /** The burst is over: what it did not use goes back. */
  end(): void {
    this.#coming = 0;
    if (this.heldBytes === 0) {
      return;
    }
    const back = new ExtentList();
    for (let at = this.#index; at < this.#taken.count; at += 1) {
      const used = at === this.#index ? this.#used : 0;
      back.push(this.#taken.offsetBytes(at) + used, this.#taken.lengthBytes(at) - used);
    }
    this.heldBytes = 0;
    this.#allocator.release(back);
  }
}
