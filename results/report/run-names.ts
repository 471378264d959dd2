/** Names of runs, for sentences. */

/** `a, b and 3 more` */
export function names(all: readonly string[]): string {
  const unique = [
    ...new Set(
      all.map((name) => (name === "." ? "this run" : /^\d+$/.test(name) ? `repeat ${name}` : name)),
    ),
  ];
  const shown = unique.slice(0, 3);
  const more = unique.length - shown.length;
  return more > 0 ? `${shown.join(", ")} and ${more} more` : shown.join(", ");
}
