/** Finds the name that a person probably meant. */

/** Edits (insert, delete, replace) that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replace = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const remove = (previous[column] ?? 0) + 1;
      const insert = (current[column - 1] ?? 0) + 1;
      current.push(Math.min(replace, remove, insert));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/**
 * The candidate with the fewest edits, or `null` when even that one needs more than half of the
 * name's letters changed: a guess that far off misleads. The first of equals wins.
 */
export function nearestName(name: string, candidates: Iterable<string>): string | null {
  // Nobody mistypes a name into a hundred letters; the table below grows with the product of lengths.
  const text = name.slice(0, 64);
  let best: string | null = null;
  let bestDistance = Math.floor((text.length + 1) / 2) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(text, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}
