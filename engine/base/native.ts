/**
 * The native addon: loaded once, typed here, used through the modules that own each part. Built by
 * `native/build.mjs` to `native/osdyno.node`.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { OsdynoError } from "./error.ts";

/** A running set of native jobs. Specifications and answers are JSON (see `native/crates/device`). */
export interface NativeRun {
  /**
   * Takes what has come in since the last call: intervals that ended, progress and job states, as the
   * JSON of `RunPoll`. Cheap; call it a few times a second.
   */
  poll(): string;
  /** Asks every job to stop sending and to end after what is in flight. Idempotent. */
  stop(): void;
  /** The same for one job. */
  stopJob(job: number): void;
  /**
   * The JSON of `NativeOutcome` up to the last interval that ended. What a job says of itself (CPU,
   * depths) is there from the second call on.
   */
  snapshot(): string;
  /** The next buffer of a job's log, a copy; null when there is none. See `io_log.rs`. */
  takeLog(job: number): Float64Array | null;
  /** After `poll` said `finished`: the JSON of `NativeOutcome`. Joins the threads. */
  result(): string;
}

/** A block device driven from TypeScript; memory is shared, see `engine/hot/ioengine`. */
export interface NativeDevice {
  /** Facts and limits as JSON. */
  facts(): string;
  /** The aligned arena, `slots * slotBytes` bytes. */
  arena(): ArrayBuffer;
  /** Submission records, see `engine/hot/ioengine/records.ts`. */
  submissions(): ArrayBuffer;
  /** Completion records. */
  completions(): ArrayBuffer;
  /** Hands over the first `count` submission records; returns how many were taken. */
  commit(count: number): number;
  /** Writes at most `max` completion records, waiting at most `waitNs` for the first; returns their number. */
  poll(max: number, waitNs: number): number;
  /** Sets, once, what `park` calls. The caller MUST hold the callback: natively it is held while parked only. */
  setWake(callback: () => void): void;
  /** Calls the wake callback once, on a later turn of the event loop, when a completion can be polled. */
  park(): void;
  close(): void;
}

/** What the addon exports. Each part's own module narrows the `unknown` classes it uses. */
export interface NativeAddon {
  version(): string;
  /** Nanoseconds on the runner's clock (CLOCK_MONOTONIC scale). */
  nowNs(): number;
  /**
   * Makes the time of this process virtual, or moves it on to `ns`: every reading of the runner's clock
   * is that until the next call. `false`: real time was read already.
   */
  standAt(ns: number): boolean;
  /** Starts the jobs of a `RunSpec`. */
  startRun(spec: string): NativeRun;
  /** Sets aside the first `bytes` of an open file: 0, or a negative errno. See fallocate(2). */
  allocateFile(descriptor: number, bytes: number, how: "native" | "posix" | "keep"): number;
  readonly [name: string]: unknown;
}

const addonVersion = "0.1.0";
let loaded: NativeAddon | undefined;

/** The addon; throws `unavailable` when it is not built or of another version. */
export function native(): NativeAddon {
  if (loaded === undefined) {
    const path = fileURLToPath(new URL("../../native/osdyno.node", import.meta.url));
    if (!existsSync(path)) {
      throw new OsdynoError("unavailable", "the native addon is not built; run npm install");
    }
    const addon = createRequire(import.meta.url)(path) as NativeAddon;
    if (addon.version() !== addonVersion) {
      throw new OsdynoError(
        "unavailable",
        `the native addon is version ${addon.version()}, not ${addonVersion}; run npm install`,
      );
    }
    loaded = addon;
  }
  return loaded;
}
