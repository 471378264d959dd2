/**
 * Places where a series of figures changes for good: E-divisive (Matteson and James 2014). The place that
 * parts the series best is tested by permuting it; then both parts are looked at.
 */
import { SeededRandom } from "../../engine/base/random.ts";

export interface ChangePointRules {
  /** A place counts when fewer permutations than this share part as well. */
  readonly level: number;
  readonly permutations: number;
  /** Figures on either side of a place at least. */
  readonly least: number;
  readonly seed: number;
}

const usual: ChangePointRules = { level: 0.05, permutations: 199, least: 5, seed: 1 };

interface Split {
  readonly at: number;
  readonly strength: number;
}

/**
 * Energy distance of both sides of every place, scaled by their lengths; the largest. Sums of gaps go along
 * with the place, so that all places together take n^2 steps.
 */
function bestSplit(values: readonly number[], least: number): Split | null {
  const n = values.length;
  let within = 0;
  let beyond = 0;
  let across = 0;
  for (let place = 0; place < n; place += 1) {
    for (let later = place + 1; later < n; later += 1) {
      beyond += Math.abs((values[place] as number) - (values[later] as number));
    }
  }
  let best: Split | null = null;
  for (let at = 1; at <= n - least; at += 1) {
    const moved = values[at - 1] as number;
    let before = 0;
    let after = 0;
    for (let place = 0; place < n; place += 1) {
      const gap = Math.abs(moved - (values[place] as number));
      before += place < at ? gap : 0;
      after += place < at ? 0 : gap;
    }
    within += before;
    beyond -= after;
    across += after - before;
    if (at >= least) {
      const rest = n - at;
      const strength =
        ((at * rest) / n) *
        ((2 * across) / (at * rest) - meanOf(within, at) - meanOf(beyond, rest));
      if (best === null || strength > best.strength) {
        best = { at, strength };
      }
    }
  }
  return best;
}

/** Of the gaps of all pairs, each taken both ways. */
function meanOf(sum: number, count: number): number {
  return count < 2 ? 0 : (2 * sum) / (count * (count - 1));
}

function shuffled(values: readonly number[], random: SeededRandom): number[] {
  const mixed = [...values];
  for (let place = mixed.length - 1; place > 0; place -= 1) {
    const other = random.below(place + 1);
    [mixed[place], mixed[other]] = [mixed[other] as number, mixed[place] as number];
  }
  return mixed;
}

/** Places (of the first figure after a change), ascending. */
export function changePoints(
  values: readonly number[],
  given: Partial<ChangePointRules> = {},
): readonly number[] {
  const rules = { ...usual, ...given };
  const random = new SeededRandom(rules.seed).fork("change points");
  const found: number[] = [];
  const look = (from: number, to: number) => {
    const part = values.slice(from, to);
    const split = bestSplit(part, rules.least);
    if (split === null) {
      return;
    }
    let asGood = 0;
    for (let round = 0; round < rules.permutations; round += 1) {
      const other = bestSplit(shuffled(part, random), rules.least);
      asGood += other !== null && other.strength >= split.strength ? 1 : 0;
      if ((asGood + 1) / (rules.permutations + 1) > rules.level) {
        return;
      }
    }
    found.push(from + split.at);
    look(from, from + split.at);
    look(from + split.at, to);
  };
  look(0, values.length);
  return found.sort((a, b) => a - b);
}

/**
 * Values that a series must have for a change in its middle to be found at the level, however large it is:
 * with fewer, too many of their orders look like it by chance. Of a series of so many, the order that came
 * and its mirror image are at most half of what the level allows, so that drawing orders finds it.
 */
export function fewestForChange(level: number, least: number): number {
  let count = 2 * least;
  while (2 / choose(count, Math.floor(count / 2)) > level / 2) {
    count += 1;
  }
  return count;
}

function choose(all: number, some: number): number {
  let ways = 1;
  for (let each = 1; each <= some; each += 1) {
    ways = (ways * (all - some + each)) / each;
  }
  return ways;
}
