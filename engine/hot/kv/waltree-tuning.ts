/** The parameters of waltree. */
import type { KvOpenContext } from "./kv.ts";

/** Its own parameters; none is Ceph's. */
export interface Tuning {
  /** Log written since the last checkpoint that starts the next one, at least; bytes. */
  readonly logBytes: number;
  /** The same as a multiple of what the store holds: bounds what checkpoints add to writes. */
  readonly checkpointRatio: number;
  /** Space that the log takes at once. */
  readonly growBytes: number;
}

export function tuningOf(context: KvOpenContext): Tuning {
  const { db, main } = context.devices;
  const size = (db ?? main).sizeBytes;
  const given = (name: string, otherwise: number) => {
    const value = context.options[name];
    return typeof value === "number" && value > 0 ? value : otherwise;
  };
  const logBytes = given("waltree_log_bytes", Math.min(64 << 20, Math.max(size / 64, 1 << 18)));
  return {
    logBytes,
    // Bounds the log that opening replays, which is slower than loading a checkpoint.
    checkpointRatio: given("waltree_checkpoint_ratio", 0.5),
    growBytes: given("waltree_grow_bytes", Math.min(4 << 20, logBytes / 4)),
  };
}
