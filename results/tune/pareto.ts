/** Fronts of points with two costs each. */

/** One of several things that cannot be had together. */
export interface Placed<T> {
  readonly what: T;
  /** Less is better. */
  readonly costs: readonly number[];
}

function beats(a: readonly number[], b: readonly number[]): boolean {
  return (
    a.every((cost, place) => cost <= (b[place] ?? 0)) &&
    a.some((cost, place) => cost < (b[place] ?? 0))
  );
}

/** Those that no other one beats in one cost without losing in another; the least of the first cost first. */
export function frontOf<T>(all: readonly Placed<T>[]): readonly Placed<T>[] {
  return all
    .filter((one) => !all.some((other) => beats(other.costs, one.costs)))
    .sort((a, b) => (a.costs[0] ?? 0) - (b.costs[0] ?? 0));
}

/**
 * Where both are nearest to their best: each cost as a share of the front's own range. Of a front of one
 * it is that one.
 */
export function kneeOf<T>(front: readonly Placed<T>[]): Placed<T> | null {
  const count = front[0]?.costs.length ?? 0;
  const ranges = Array.from({ length: count }, (_, place) => {
    const own = front.map(({ costs }) => costs[place] ?? 0);
    const low = Math.min(...own);
    return { low, width: Math.max(...own) - low || 1 };
  });
  const far = ({ costs }: Placed<T>) =>
    Math.hypot(...ranges.map(({ low, width }, place) => ((costs[place] ?? 0) - low) / width));
  return [...front].sort((a, b) => far(a) - far(b))[0] ?? null;
}
