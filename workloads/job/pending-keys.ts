/**
 * Keys that are read and resolved but whose behaviour the runner does not have yet: they are refused,
 * because a key that is accepted must act. Remove an entry when its behaviour has landed. `key` holds
 * back every value of it, `key=value` one choice.
 */
export const pendingKeys: ReadonlySet<string> = new Set<string>([]);

/** Whether the behaviour of this key, or of this choice of it, is still missing. */
export function isPending(key: string, value: string | null): boolean {
  return pendingKeys.has(key) || (value !== null && pendingKeys.has(`${key}=${value}`));
}
