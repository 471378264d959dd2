/**
 * The steady state of the SNIA Solid State Storage Performance Test Specification (2.0.2, 2.1.24): over
 * a window of five consecutive rounds the range of the values is within 20% of their average, and the
 * excursion of the least-squares line through them within 10% of it. The text says both "less than" and
 * "no more than"; the bounds themselves hold here, and a value on a bound is told of.
 */

/** Rounds of the measurement window. */
export const windowRounds = 5;
export const rangeLimit = 0.2;
export const excursionLimit = 0.1;
/** Shares of the average that are taken as equal: sums of decimal fractions are not exact in binary. */
const tolerance = 1e-9;

export interface WindowVerdict {
  readonly values: readonly number[];
  readonly average: number;
  /** Largest value less the smallest. */
  readonly range: number;
  /** Of the fitted line `slope * x + intercept`, x = 1 for the window's first round. */
  readonly slope: number;
  readonly intercept: number;
  /** By how much the fitted line rises or falls over the window. */
  readonly excursion: number;
  /** Of the values with the line; null where they do not vary. */
  readonly correlation: number | null;
  readonly rangeHolds: boolean;
  readonly slopeHolds: boolean;
  readonly steady: boolean;
  /** A value lies on a bound: a stricter reading of the text would say no. */
  readonly onBound: boolean;
}

/** Judges a window of two values or more. */
export function judgeWindow(values: readonly number[]): WindowVerdict {
  const count = values.length;
  const average = values.reduce((sum, value) => sum + value, 0) / count;
  const range = Math.max(...values) - Math.min(...values);
  const middle = (count + 1) / 2;
  let [spreadX, spreadY, together] = [0, 0, 0];
  for (const [at, value] of values.entries()) {
    const x = at + 1 - middle;
    spreadX += x * x;
    spreadY += (value - average) ** 2;
    together += x * (value - average);
  }
  const slope = together / spreadX;
  const excursion = Math.abs(slope) * (count - 1);
  const slack = tolerance * average;
  const rangeHolds = range <= rangeLimit * average + slack;
  const slopeHolds = excursion <= excursionLimit * average + slack;
  const near = (figure: number, limit: number) => Math.abs(figure - limit * average) <= slack;
  return {
    values,
    average,
    range,
    slope,
    intercept: average - slope * middle,
    excursion,
    correlation: spreadY === 0 ? null : together / Math.sqrt(spreadX * spreadY),
    rangeHolds,
    slopeHolds,
    steady: rangeHolds && slopeHolds,
    onBound: near(range, rangeLimit) || near(excursion, excursionLimit),
  };
}

/** A figure that is followed from round to round. */
export interface FollowedValues {
  readonly label: string;
  /** By round, the first one first. */
  readonly values: readonly number[];
}

/** Where all followed figures were steady over the same rounds. */
export interface SteadyAt {
  /** Number of the window's last round, from 1. */
  readonly round: number;
  readonly verdicts: readonly WindowVerdict[];
}

/**
 * Judges the last window of every figure; null while there are too few rounds since `firstRound`, before
 * which the procedure was interrupted.
 */
export function judgeLast(
  followed: readonly FollowedValues[],
  firstRound = 1,
): readonly WindowVerdict[] | null {
  const rounds = Math.min(...followed.map(({ values }) => values.length));
  if (followed.length === 0 || rounds - (firstRound - 1) < windowRounds) {
    return null;
  }
  return followed.map(({ values }) => judgeWindow(values.slice(rounds - windowRounds, rounds)));
}

/** The first window in which all figures are steady; null when there is none. */
export function firstSteady(followed: readonly FollowedValues[], firstRound = 1): SteadyAt | null {
  const rounds = Math.min(...followed.map(({ values }) => values.length));
  for (let round = firstRound + windowRounds - 1; round <= rounds; round += 1) {
    const verdicts = followed.map(({ values }) =>
      judgeWindow(values.slice(round - windowRounds, round)),
    );
    if (verdicts.length > 0 && verdicts.every(({ steady }) => steady)) {
      return { round, verdicts };
    }
  }
  return null;
}
