/** Time of this machine: the runner's clock, with timers that fire within tens of microseconds. */
import { Heap } from "../base/heap.ts";
import { native } from "../base/native.ts";
import type { CancelTimer, Clock } from "../port/clock.ts";

/** A timer of the native side; see `native/crates/binding/src/timer.rs`. */
interface NativeTimer {
  set(deadlineNs: number): void;
  clear(): void;
  close(): void;
}

interface Timer {
  readonly deadlineNs: number;
  readonly order: number;
  /** `null` = cancelled. */
  callback: (() => void) | null;
}

export class RealClock implements Clock {
  readonly #now = native().nowNs;
  readonly #timers = new Heap<Timer>(
    (a, b) => a.deadlineNs < b.deadlineNs || (a.deadlineNs === b.deadlineNs && a.order < b.order),
  );
  #timer: NativeTimer | null = null;
  #order = 0;
  /** What the native timer is set to. */
  #setNs = Number.POSITIVE_INFINITY;

  nowNs(): number {
    return this.#now();
  }

  at(deadlineNs: number, callback: () => void): CancelTimer {
    const timer: Timer = { deadlineNs, order: this.#order, callback };
    this.#order += 1;
    this.#timers.push(timer);
    this.#arm();
    return () => {
      timer.callback = null;
      this.#arm();
    };
  }

  /** Frees the timer; pending callbacks are lost. */
  close(): void {
    this.#timer?.close();
    this.#timer = null;
    while (this.#timers.pop() !== undefined) {}
    this.#setNs = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    while (this.#timers.peek()?.callback === null) {
      this.#timers.pop();
    }
    const nextNs = this.#timers.peek()?.deadlineNs ?? Number.POSITIVE_INFINITY;
    if (nextNs === this.#setNs) {
      return;
    }
    this.#setNs = nextNs;
    if (nextNs === Number.POSITIVE_INFINITY) {
      this.#timer?.clear();
      return;
    }
    this.#timer ??= this.#open();
    this.#timer.set(nextNs);
  }

  #open(): NativeTimer {
    const Timer = native()["NativeTimer"] as new (callback: () => void) => NativeTimer;
    return new Timer(() => this.#fire());
  }

  #fire(): void {
    this.#setNs = Number.POSITIVE_INFINITY;
    const nowNs = this.#now();
    for (;;) {
      const first = this.#timers.peek();
      if (first === undefined || (first.callback !== null && first.deadlineNs > nowNs)) {
        break;
      }
      this.#timers.pop();
      const callback = first.callback;
      first.callback = null;
      callback?.();
    }
    this.#arm();
  }
}
