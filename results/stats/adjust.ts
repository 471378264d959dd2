/** p values of several comparisons, adjusted for their number. The order of the values is kept. */

function placed(ps: readonly number[]): { readonly p: number; readonly place: number }[] {
  return ps.map((p, place) => ({ p, place }));
}

/** Holm: with these the chance that anything at all is found where nothing is stays below the level. For a few. */
export function holm(ps: readonly number[]): readonly number[] {
  const result = new Array<number>(ps.length);
  let most = 0;
  for (const [index, { p, place }] of placed(ps)
    .sort((a, b) => a.p - b.p)
    .entries()) {
    most = Math.max(most, Math.min(1, p * (ps.length - index)));
    result[place] = most;
  }
  return result;
}

/** Benjamini and Hochberg: with these at most so large a share of what is found is chance. For sweeps. */
export function benjaminiHochberg(ps: readonly number[]): readonly number[] {
  const result = new Array<number>(ps.length);
  let least = 1;
  for (const [index, { p, place }] of placed(ps)
    .sort((a, b) => b.p - a.p)
    .entries()) {
    least = Math.min(least, (p * ps.length) / (ps.length - index));
    result[place] = least;
  }
  return result;
}
