/** Throws when a condition that the code relies on does not hold; stays on in release. */
export function assert(condition: unknown, text: string): asserts condition {
  if (!condition) {
    throw new Error(`internal error: ${text}`);
  }
}
