import { Heap } from "../base/heap.ts";
import { native } from "../base/native.ts";
import type { CancelTimer, Clock } from "../port/clock.ts";

interface Timer {
  readonly deadlineNs: number;
  readonly order: number;
  callback: (() => void) | null;
}

/**
 * Node's timers keep whole milliseconds and come late by up to one. A deadline nearer than this is
 * awaited turn by turn of the event loop (about 0.6 us each), a farther one sleeps until it is near.
 */
const nearNs = 2_000_000;
const maxSleepMs = 2 ** 31 - 1;

/** Real time: the runner's clock (CLOCK_MONOTONIC), with timers as exact as the event loop allows. */
export class RealClock implements Clock {
  readonly #timers = new Heap<Timer>(
    (a, b) => a.deadlineNs < b.deadlineNs || (a.deadlineNs === b.deadlineNs && a.order < b.order),
  );
  readonly #read: () => number = native().nowNs;
  #set = 0;
  #sleep: NodeJS.Timeout | null = null;
  #sleepsUntilNs = Number.POSITIVE_INFINITY;
  #turn: NodeJS.Immediate | null = null;
  #firing = false;

  nowNs(): number {
    return this.#read();
  }

  at(deadlineNs: number, callback: () => void): CancelTimer {
    this.#set += 1;
    const timer: Timer = { deadlineNs, order: this.#set, callback };
    this.#timers.push(timer);
    if (!this.#firing) {
      this.#arm();
    }
    return () => {
      timer.callback = null;
      this.#dropCancelled();
      if (this.#timers.size === 0) {
        this.#disarm();
      }
    };
  }

  #dropCancelled(): void {
    while (this.#timers.size > 0 && this.#timers.peek()?.callback === null) {
      this.#timers.pop();
    }
  }

  /** Without timers nothing is armed, so that the process can end. */
  #disarm(): void {
    if (this.#sleep !== null) {
      clearTimeout(this.#sleep);
      this.#sleep = null;
    }
    if (this.#turn !== null) {
      clearImmediate(this.#turn);
      this.#turn = null;
    }
    this.#sleepsUntilNs = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    this.#dropCancelled();
    const next = this.#timers.peek();
    if (next === undefined || this.#turn !== null) {
      return;
    }
    if (this.#sleep !== null && this.#sleepsUntilNs <= next.deadlineNs) {
      return;
    }
    this.#disarm();
    const leftNs = next.deadlineNs - this.#read();
    if (leftNs <= nearNs) {
      this.#turn = setImmediate(() => this.#wake());
      return;
    }
    const sleepMs = Math.min(Math.floor((leftNs - nearNs / 2) / 1e6), maxSleepMs);
    this.#sleepsUntilNs = next.deadlineNs;
    this.#sleep = setTimeout(() => this.#wake(), sleepMs);
  }

  #wake(): void {
    this.#turn = null;
    this.#sleep = null;
    this.#sleepsUntilNs = Number.POSITIVE_INFINITY;
    // Timers set by the callbacks wait for the next turn, even if they are due already.
    const last = this.#set;
    const nowNs = this.#read();
    this.#firing = true;
    try {
      this.#fireDue(nowNs, last);
    } finally {
      this.#firing = false;
      this.#arm();
    }
  }

  #fireDue(nowNs: number, lastOrder: number): void {
    const later: Timer[] = [];
    try {
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
    } finally {
      for (const timer of later) {
        this.#timers.push(timer);
      }
    }
  }
}
