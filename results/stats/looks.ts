/**
 * Looking at a comparison before it is complete: the level that a p value must fall below at each look, so
 * that all looks together are wrong no more often than one would be. The looks are fixed beforehand; each
 * spends a part of the level (Bonferroni: whatever the dependence, the sum holds).
 */

export interface Look {
  /** Runs a side, or pairs. */
  readonly runs: number;
  /** The p value to be reached there. */
  readonly level: number;
}

/**
 * Looks from the fewest runs that can decide up to `most`, each at half as many runs again. Later looks
 * may spend more: they are the ones with power.
 */
export function planLooks(most: number, level = 0.05, fewest = 6): readonly Look[] {
  const runs: number[] = [];
  for (let next = Math.min(fewest, most); next < most; next = Math.ceil(next * 1.5)) {
    runs.push(next);
  }
  runs.push(most);
  const weights = runs.map((count) => count / most);
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  return runs.map((count, place) => ({
    runs: count,
    level: (level * (weights[place] ?? 0)) / all,
  }));
}

/** The look that is due after so many runs; `null`: none is. */
export function lookAt(looks: readonly Look[], runs: number): Look | null {
  return looks.find((look) => look.runs === runs) ?? null;
}
