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
  callback: (() => void) | null;
}

/**
 * Real time: the runner's clock (CLOCK_MONOTONIC). Timers are the kernel's (timerfd), watched by the
 * event loop: they fire some tens of microseconds late and cost no CPU meanwhile, where Node's own keep
 * whole milliseconds.
 */
export class RealClock implements Clock {
  readonly #timers = new Heap<Timer>(
    (a, b) => a.deadlineNs < b.deadlineNs || (a.deadlineNs === b.deadlineNs && a.order < b.order),
  );
  readonly #read: () => number = native().nowNs;
  #timer: NativeTimer | null = null;
  #set = 0;
  /** What the native timer is set to. */
  #wakesNs = Number.POSITIVE_INFINITY;
  /** A turn of the event loop is coming that fires what is due. */
  #soon = false;
  #firing = false;

  nowNs(): number {
    return this.#read();
  }

  at(deadlineNs: number, callback: () => void): CancelTimer {
    this.#set += 1;
    const timer: Timer = { deadlineNs, order: this.#set, callback };
    this.#timers.push(timer);
    this.#arm();
    return () => {
      timer.callback = null;
      this.#arm();
    };
  }

  /** Forgets every timer and gives the kernel's one back. It may be used again. */
  close(): void {
    this.#timers.clear();
    this.#timer?.close();
    this.#timer = null;
    this.#wakesNs = Number.POSITIVE_INFINITY;
  }

  /** Sets the native timer to the next deadline; without one it is unset, so that the process can end. */
  #arm(): void {
    if (this.#firing) {
      return;
    }
    while (this.#timers.peek()?.callback === null) {
      this.#timers.pop();
    }
    const nextNs = this.#timers.peek()?.deadlineNs ?? Number.POSITIVE_INFINITY;
    if (nextNs === this.#wakesNs || this.#soon) {
      return;
    }
    // What is due needs no timer of the kernel, which costs some 50 us to set and be woken by.
    if (nextNs <= this.#read()) {
      this.#soon = true;
      setImmediate(this.#wakeSoon);
      return;
    }
    this.#wakesNs = nextNs;
    if (nextNs === Number.POSITIVE_INFINITY) {
      this.#timer?.clear();
      return;
    }
    this.#timer ??= this.#open();
    this.#timer.set(nextNs);
  }

  #open(): NativeTimer {
    const Timer = native()["NativeTimer"] as new (callback: () => void) => NativeTimer;
    return new Timer(this.#wake);
  }

  readonly #wakeSoon = (): void => {
    this.#soon = false;
    this.#fire();
  };

  /** A field: the native side refers to it weakly while no timer is set, so this must keep it alive. */
  readonly #wake = (): void => {
    this.#wakesNs = Number.POSITIVE_INFINITY;
    this.#fire();
  };

  #fire(): void {
    this.#firing = true;
    const later: Timer[] = [];
    try {
      this.#fireDue(this.#read(), this.#set, later);
    } finally {
      for (const timer of later) {
        this.#timers.push(timer);
      }
      this.#firing = false;
      this.#arm();
    }
  }

  /** Timers set by the callbacks wait for the next turn, even if they are due already. */
  #fireDue(nowNs: number, lastOrder: number, later: Timer[]): void {
    for (let timer = this.#timers.peek(); timer !== undefined; timer = this.#timers.peek()) {
      if (timer.deadlineNs > nowNs) {
        return;
      }
      this.#timers.pop();
      if (timer.order > lastOrder) {
        later.push(timer);
        continue;
      }
      const callback = timer.callback;
      timer.callback = null;
      callback?.();
    }
  }
}
