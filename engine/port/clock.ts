/** Cancels a timer; calling it after the timer fired does nothing. */
export type CancelTimer = () => void;

/** Time as the engine sees it: real in `engine/os`, virtual in `engine/sim`. */
export interface Clock {
  /** Nanoseconds since an arbitrary start; never goes back. */
  nowNs(): number;
  /** Calls back once when `nowNs() >= deadlineNs`, never from within this call. */
  at(deadlineNs: number, callback: () => void): CancelTimer;
}
