/**
 * The loop of one thread: it gives each task its turn while there is something to do, and parks when
 * there is not. Busy or expecting something within microseconds it goes round through `setImmediate`
 * (0.6 us a turn); otherwise it waits on the devices' descriptors and a timer, at no CPU cost. Waiting
 * through libuv costs one system call when something is there already, so parking is cheap too.
 */
import type { BlockDevice } from "../port/block-device.ts";
import type { CancelTimer, Clock } from "../port/clock.ts";

/** Something that is stepped by the reactor. */
export interface ReactorTask {
  /** Devices whose completions it waits for. */
  readonly devices: readonly BlockDevice[];
  /**
   * Does what can be done now, without waiting, and returns the number of completions it took and
   * operations it sent; 0 = there was nothing to do. An error thrown here ends `run`.
   */
  turn(nowNs: number): number;
  /** When it must be given a turn even if no device has anything; Infinity = never. */
  readonly nextNs: number;
  readonly done: boolean;
}

/** What steps tasks until all are done: in real time the `Reactor`. */
export interface TaskLoop {
  /** Time that went by in turns with nothing to do, ns. */
  readonly spunNs: number;
  add(task: ReactorTask): void;
  /** Resolves when every task is done; rejects with what a task threw. */
  run(): Promise<void>;
  /** Gives every task a turn soon: something changed that no device tells of. */
  wake(): void;
}

export interface ReactorOptions {
  /** Completions that come closer together than this are polled for. */
  readonly pollGapNs?: number;
  /** A time that is nearer than this is waited for by going round. */
  readonly spinNs?: number;
}

/** Weight of the newest gap in the running mean of gaps between turns that found completions. */
const gapWeight = 1 / 8;

export class Reactor implements TaskLoop {
  readonly #clock: Clock;
  readonly #pollGapNs: number;
  readonly #spinNs: number;
  readonly #tasks: ReactorTask[] = [];
  #finish: (() => void) | null = null;
  #fail: ((error: unknown) => void) | null = null;
  #timer: CancelTimer | null = null;
  #timerNs = 0;
  #parked = false;
  #gapNs = Number.POSITIVE_INFINITY;
  #fruitfulNs = 0;
  #turnEndNs = 0;
  #spunNs = 0;

  constructor(clock: Clock, options: ReactorOptions = {}) {
    this.#clock = clock;
    this.#pollGapNs = options.pollGapNs ?? 2000;
    this.#spinNs = options.spinNs ?? 60_000;
  }

  /** Time that went by in turns with nothing to do, ns. */
  get spunNs(): number {
    return this.#spunNs;
  }

  add(task: ReactorTask): void {
    this.#tasks.push(task);
    this.wake();
  }

  /** Resolves when every task is done; rejects with what a task threw. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
      this.#turnEndNs = this.#clock.nowNs();
      this.#fruitfulNs = this.#turnEndNs;
      setImmediate(this.#turn);
    });
  }

  /** Ends a park: something changed that no descriptor tells of. */
  wake(): void {
    if (this.#parked) {
      this.#parked = false;
      setImmediate(this.#turn);
    }
  }

  readonly #turn = (): void => {
    let nowNs = this.#clock.nowNs();
    let work = 0;
    let nextNs = Number.POSITIVE_INFINITY;
    let open = 0;
    try {
      for (const task of this.#tasks) {
        if (!task.done) {
          work += task.turn(nowNs);
        }
        if (!task.done) {
          open += 1;
          nextNs = Math.min(nextNs, task.nextNs);
        }
      }
    } catch (error) {
      this.#cancel();
      this.#fail?.(error);
      return;
    }
    if (open === 0) {
      this.#cancel();
      this.#finish?.();
      return;
    }
    if (work > 0) {
      this.#gapNs += (nowNs - this.#fruitfulNs - this.#gapNs) * gapWeight;
      if (!Number.isFinite(this.#gapNs)) {
        this.#gapNs = nowNs - this.#fruitfulNs;
      }
      this.#fruitfulNs = nowNs;
    } else {
      this.#spunNs += nowNs - this.#turnEndNs;
    }
    nowNs = this.#clock.nowNs();
    const expected = this.#gapNs < this.#pollGapNs;
    const recent = nowNs - this.#fruitfulNs < 4 * this.#pollGapNs;
    if ((expected && recent) || nextNs - nowNs < this.#spinNs) {
      this.#turnEndNs = nowNs;
      setImmediate(this.#turn);
    } else {
      this.#park(nextNs);
    }
  };

  #park(nextNs: number): void {
    this.#parked = true;
    for (const task of this.#tasks) {
      if (!task.done) {
        for (const device of task.devices) {
          device.onReady(this.#woken);
        }
      }
    }
    const wantedNs = nextNs - this.#spinNs / 2;
    if (Number.isFinite(nextNs) && !(this.#timer !== null && this.#timerNs <= wantedNs)) {
      this.#cancel();
      this.#timerNs = wantedNs;
      this.#timer = this.#clock.at(wantedNs, this.#rang);
    }
  }

  /** An earlier timer stays set over many parks: setting one is a system call, a turn too many is not. */
  readonly #rang = (): void => {
    this.#timer = null;
    this.#woken();
  };

  #cancel(): void {
    this.#timer?.();
    this.#timer = null;
  }

  readonly #woken = (): void => {
    if (this.#parked) {
      this.#parked = false;
      this.#turnEndNs = this.#clock.nowNs();
      this.#turn();
    }
  };
}
