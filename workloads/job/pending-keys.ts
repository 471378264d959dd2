/**
 * Keys that are read and resolved but whose behaviour the runner does not have yet: they are refused,
 * because a key that is accepted must act. Remove an entry when its behaviour has landed. `key` holds
 * back every value but the default, `key=value` one choice.
 */
const pending: readonly string[] = [
  // Submission and reaping, engines and their options.
  "ioengine=posixaio ioengine=splice",
  "hipri_percentage",
  "cmdprio_hint",
  // Addresses and files.
  "openfiles lockfile create_on_open",
  "sync_file_range write_barrier fsync_on_close",
  // Outputs.
  "log_store_compressed",
  // Host.
  "priohint",
];

export const pendingKeys: ReadonlySet<string> = new Set(pending.flatMap((line) => line.split(" ")));

/** Whether the behaviour of this key, or of this choice of it, is still missing. */
export function isPending(key: string, value: string | null): boolean {
  return pendingKeys.has(key) || (value !== null && pendingKeys.has(`${key}=${value}`));
}
