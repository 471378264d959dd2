/** What a bench found in its rounds: their median with its interval, and the figures of the rounds themselves. */
import { type MedianInterval, medianInterval } from "../stats/order-statistics.ts";

export interface OverRounds extends MedianInterval {
  /** A figure a round, of which the others are made. */
  readonly rounds: readonly number[];
}

/** Median and interval of at least one round. */
export function overRounds(rounds: readonly number[]): OverRounds {
  return { ...medianInterval(rounds), rounds };
}

/** A median, with its interval if there is one. */
export function range(value: MedianInterval, scale: number, digits: number): string {
  const show = (each: number) => (each / scale).toFixed(digits);
  const interval =
    value.low === null || value.high === null ? "" : ` [${show(value.low)}, ${show(value.high)}]`;
  return `${show(value.median)}${interval}`;
}
