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

/** Energy distance of both sides of every place, scaled by their lengths; the largest. */
function bestSplit(values: readonly number[], least: number): Split | null {
  const n = values.length;
  let best: Split | null = null;
  for (let at = least; at <= n - least; at += 1) {
    const left = values.slice(0, at);
    const right = values.slice(at);
    const strength =
      ((left.length * right.length) / n) *
      (2 * meanGap(left, right) - meanGap(left, left) - meanGap(right, right));
    if (best === null || strength > best.strength) {
      best = { at, strength };
    }
  }
  return best;
}

function meanGap(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (const x of a) {
    for (const y of b) {
      sum += Math.abs(x - y);
    }
  }
  const pairs = a === b ? Math.max(1, a.length * (a.length - 1)) : a.length * b.length;
  return sum / pairs;
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
    }
    if ((asGood + 1) / (rules.permutations + 1) > rules.level) {
      return;
    }
    found.push(from + split.at);
    look(from, from + split.at);
    look(from + split.at, to);
  };
  look(0, values.length);
  return found.sort((a, b) => a - b);
}
