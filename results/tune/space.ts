/**
 * The space that a tuner searches: parameters with a few values each. A choice is one place in every
 * parameter's list. Values that are all numbers lie on a line; others are merely different.
 */
import { numberOf } from "../sweep/values.ts";

export interface Dimension {
  readonly name: string;
  readonly values: readonly string[];
  /** Where each value lies, 0 to 1; null: values are names without an order. */
  readonly at: readonly number[] | null;
}

/** Of each dimension the place of its value. */
export type Choice = readonly number[];

/** From here on a range is seen by its ratios: 32k, 64k, 128k are as far from each other. */
const logarithmicFrom = 8;

/** Places of numbers on a line from 0 to 1; null when a value is no number or two are equal. */
function placesOf(values: readonly string[]): readonly number[] | null {
  const numbers = values.map(numberOf);
  if (values.length < 2 || numbers.some((value) => value === null)) {
    return null;
  }
  const known = numbers.map((value) => value ?? 0);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  if (new Set(known).size < known.length) {
    return null;
  }
  // Zero, which often means "never", has no logarithm: it stands a step below the least of the others.
  const positive = known.filter((value) => value > 0);
  const least = Math.min(...positive);
  const logarithmic = low >= 0 && positive.length > 1 && high / least >= logarithmicFrom;
  const step = (high / least) ** (1 / Math.max(1, positive.length - 1));
  const scaled = logarithmic
    ? known.map((value) => Math.log(value > 0 ? value : least / step))
    : known;
  const [from, to] = [Math.min(...scaled), Math.max(...scaled)];
  return scaled.map((value) => Number(((value - from) / (to - from)).toPrecision(12)));
}

export function dimensionOf(name: string, values: readonly string[]): Dimension {
  return { name, values, at: placesOf(values) };
}

/** How many choices there are. */
export function sizeOf(space: readonly Dimension[]): number {
  return space.reduce((product, { values }) => product * values.length, 1);
}

/** The choice of that number, counted like the digits of one, the last dimension fastest. */
export function choiceAt(space: readonly Dimension[], number: number): Choice {
  const places: number[] = [];
  let rest = number;
  for (const { values } of [...space].reverse()) {
    places.unshift(rest % values.length);
    rest = Math.floor(rest / values.length);
  }
  return places;
}

/** Choices that differ in one dimension; of a line only the two beside it. */
export function neighbours(space: readonly Dimension[], choice: Choice): Choice[] {
  return space.flatMap(({ values, at }, place) => {
    const own = choice[place] ?? 0;
    return values.flatMap((_, other) => {
      const near = at === null || ranked(at, other, own) === 1;
      return other === own || !near
        ? []
        : [choice.map((value, index) => (index === place ? other : value))];
    });
  });
}

/** How many values lie from one to the other on the line. */
function ranked(at: readonly number[], one: number, other: number): number {
  const [low, high] = [at[one] ?? 0, at[other] ?? 0].sort((a, b) => a - b);
  return at.filter((place) => place > (low ?? 0) && place <= (high ?? 0)).length;
}

export const keyOf = (choice: Choice): string => choice.join(".");
