/**
 * What a search works on, without runs and files: goals, limits, and what was tried so far. Figures become
 * costs, of which less is better: logarithms, so that a difference is a ratio whatever the unit.
 */
import type { Choice, Dimension } from "./space.ts";

export interface Goal {
  readonly metric: string;
  readonly direction: "maximise" | "minimise";
}

/** A bound that the median of a choice's runs must keep. */
export interface Limit {
  readonly metric: string;
  readonly operator: "<" | "<=" | ">" | ">=";
  /** In the metric's unit, above 0. */
  readonly bound: number;
}

export interface Problem {
  readonly space: readonly Dimension[];
  readonly goals: readonly Goal[];
  readonly limits: readonly Limit[];
  /** Whether a choice may be measured at all (`exclude:`). */
  readonly allowed: (choice: Choice) => boolean;
}

/** Figures of one run by metric; null where it has none. */
export type Figures = Readonly<Record<string, number | null>>;

/** One run of the search, in the order in which they were made. */
export interface Tried {
  readonly choice: Choice;
  /** Null: it could not run. */
  readonly figures: Figures | null;
}

/** What to measure next, and why, in a word for the trace. */
export interface Proposal {
  readonly choice: Choice;
  readonly why: Why;
}

export type Why = "design" | "search" | "repeat";

export interface SearchState {
  readonly problem: Problem;
  readonly history: readonly Tried[];
  readonly seed: number;
  /** Runs that the whole search may have. */
  readonly runs: number;
  /** Runs of each choice, where the method does not decide it. */
  readonly repeat: number;
}

export function costOf({ direction }: Goal, figure: number | null | undefined): number | null {
  if (figure === null || figure === undefined || !(figure > 0)) {
    return null;
  }
  return direction === "maximise" ? -Math.log(figure) : Math.log(figure);
}

export function figureOf({ direction }: Goal, cost: number): number {
  return Math.exp(direction === "maximise" ? -cost : cost);
}

/** How far a figure is beyond its limit, as a logarithm: above 0 it is broken. */
export function excessOf(
  { operator, bound }: Limit,
  figure: number | null | undefined,
): number | null {
  if (figure === null || figure === undefined || !(figure > 0)) {
    // Nothing is below every upper bound and keeps no lower one.
    const none = figure === 0 && operator.startsWith("<");
    return none ? Math.log(1e-6) : null;
  }
  const over = Math.log(figure) - Math.log(bound);
  return operator.startsWith("<") ? over : -over;
}

export function keeps({ operator, bound }: Limit, figure: number): boolean {
  switch (operator) {
    case "<":
      return figure < bound;
    case "<=":
      return figure <= bound;
    case ">":
      return figure > bound;
    case ">=":
      return figure >= bound;
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  const high = sorted[Math.ceil((sorted.length - 1) / 2)] ?? Number.NaN;
  return (low + high) / 2;
}

/** Whether runs of one choice keep every limit in their median; one without a figure keeps none. */
export function feasible(limits: readonly Limit[], runs: readonly (Figures | null)[]): boolean {
  return (
    !runs.includes(null) &&
    limits.every((limit) => {
      const known = runs.flatMap((run) => run?.[limit.metric] ?? []);
      return known.length > 0 && keeps(limit, median(known));
    })
  );
}
