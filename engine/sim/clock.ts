import { Heap } from "../base/heap.ts";
import type { CancelTimer, Clock } from "../port/clock.ts";

interface Timer {
  readonly deadlineNs: number;
  /** Timers of one deadline fire in the order they were set. */
  readonly order: number;
  /** `null` once cancelled or fired. */
  callback: (() => void) | null;
}

/**
 * Virtual time: stands still until somebody advances it, and jumps from timer to timer. One order of
 * calls gives one history.
 */
export class VirtualClock implements Clock {
  readonly #timers = new Heap<Timer>(
    (a, b) => a.deadlineNs < b.deadlineNs || (a.deadlineNs === b.deadlineNs && a.order < b.order),
  );
  #nowNs: number;
  #set = 0;

  constructor(startNs = 0) {
    this.#nowNs = startNs;
  }

  nowNs(): number {
    return this.#nowNs;
  }

  /** A deadline in the past fires at the next step, without turning time back. */
  at(deadlineNs: number, callback: () => void): CancelTimer {
    if (Number.isNaN(deadlineNs)) {
      throw new Error("internal error: a timer's deadline is not a number");
    }
    this.#set += 1;
    const timer: Timer = { deadlineNs, order: this.#set, callback };
    this.#timers.push(timer);
    return () => {
      timer.callback = null;
    };
  }

  /** Deadline of the next timer; `null` when there is none. */
  nextNs(): number | null {
    for (;;) {
      const timer = this.#timers.peek();
      if (timer === undefined) {
        return null;
      }
      if (timer.callback !== null) {
        return timer.deadlineNs;
      }
      this.#timers.pop();
    }
  }

  /** Moves to the next timer and fires it; `false`: there is none. */
  step(): boolean {
    if (this.nextNs() === null) {
      return false;
    }
    const timer = this.#timers.pop();
    const callback = timer?.callback ?? null;
    if (timer === undefined || callback === null) {
      return false;
    }
    timer.callback = null;
    this.#nowNs = Math.max(this.#nowNs, timer.deadlineNs);
    callback();
    return true;
  }

  /** Fires everything due until `timeNs`, also what is set meanwhile, and stands there. */
  advanceTo(timeNs: number): void {
    for (let next = this.nextNs(); next !== null && next <= timeNs; next = this.nextNs()) {
      this.step();
    }
    this.#nowNs = Math.max(this.#nowNs, timeNs);
  }

  advance(byNs: number): void {
    this.advanceTo(this.#nowNs + byNs);
  }

  /** Fires timers until none is left and returns how many; throws after `limit`: something never rests. */
  runUntilIdle(limit = 100_000_000): number {
    let fired = 0;
    while (this.step()) {
      fired += 1;
      if (fired > limit) {
        throw new Error(`internal error: still busy after ${limit} timers`);
      }
    }
    return fired;
  }
}
