/** What the parts of an open write log have in common. */
import type { BlockDevice } from "../../port/block-device.ts";
import type { Clock } from "../../port/clock.ts";
import type { Checksum, ChecksumMemory } from "../checksum/checksum.ts";
import type { LaneIo } from "../kv/lane-io.ts";
import type { BlockMap } from "./block-map.ts";
import type { Entries } from "./entries.ts";
import type { LogStamp, WriteLogMode } from "./log-format.ts";
import type { Ring } from "./ring.ts";

/** When a write is told to be done: see FORMAT.md, "Durability". */
export type PersistMode = "auto" | "write" | "flush";

/** Limits of a log; the values are those of Ceph's persistent write log (rbd.md 8.9). */
export interface WriteLogTuning {
  readonly persist: PersistMode;
  /** Shares of the log in use: above the first, space is given back until the second is reached. */
  readonly highWater: number;
  readonly lowWater: number;
  /** A sync point at least every so many writes or bytes. */
  readonly syncPointWrites: number;
  readonly syncPointBytes: number;
  /** Write-back under way at most. */
  readonly writeBackDepth: number;
  readonly writeBackBytes: number;
  /**
   * While clients write, and less than this share of the log waits to be written back, no more than
   * `calmDepth` are under way: what is written back takes the device's time and the processor's from them.
   */
  readonly calmShare: number;
  readonly calmDepth: number;
  /**
   * Records that the log device works on at once: few and long ones are worth more than many short ones.
   * Of 16 writes in 2 records a disk takes as many as alone, in 4 records 0.7 to 0.9 of that (measured).
   */
  readonly recordsInFlight: number;
  /** A record of more than one entry is no longer than this. */
  readonly recordBytes: number;
}

export const writeLogDefaults: WriteLogTuning = Object.freeze({
  persist: "auto",
  highWater: 0.5,
  lowWater: 0.4,
  syncPointWrites: 256,
  syncPointBytes: 8 << 20,
  writeBackDepth: 64,
  writeBackBytes: 1 << 20,
  calmShare: 0.25,
  calmDepth: 4,
  recordsInFlight: 2,
  recordBytes: 1 << 18,
});

/** Sums since the log was opened; sizes and positions as they are. */
export interface WriteLogCounters {
  /** Client writes, trims and zeroes taken into the log, and their bytes. */
  writes: number;
  writeBytes: number;
  /** Writes to the log device, their bytes, and its flushes. */
  logWrites: number;
  logWriteBytes: number;
  logFlushes: number;
  /** Blocks read from the log and from the image. */
  readHitBlocks: number;
  readMissBlocks: number;
  /** Writes that waited for space. */
  throttled: number;
  syncPoints: number;
  writtenBack: number;
  writtenBackBytes: number;
  /** Entries whose data were replaced before they were written back. */
  superseded: number;
  imageFlushes: number;
  retired: number;
  rootWrites: number;
}

export function zeroCounters(): WriteLogCounters {
  return {
    writes: 0,
    writeBytes: 0,
    logWrites: 0,
    logWriteBytes: 0,
    logFlushes: 0,
    readHitBlocks: 0,
    readMissBlocks: 0,
    throttled: 0,
    syncPoints: 0,
    writtenBack: 0,
    writtenBackBytes: 0,
    superseded: 0,
    imageFlushes: 0,
    retired: 0,
    rootWrites: 0,
  };
}

export interface LogState {
  readonly mode: WriteLogMode;
  readonly tuning: WriteLogTuning;
  readonly clock: Clock;
  readonly image: BlockDevice;
  /** Unit of offsets and lengths in the image. */
  readonly unitBytes: number;
  readonly imageIo: LaneIo;
  readonly logIo: LaneIo;
  readonly entries: Entries;
  readonly map: BlockMap;
  readonly ring: Ring;
  readonly stamp: LogStamp;
  readonly counters: WriteLogCounters;
  readonly checksum: Checksum;
  /** Sums over the image's arena. */
  readonly arenaSums: ChecksumMemory;
  generation: number;
  /** Why the log has stopped; `null`: it works. */
  stopped: string | null;
  /** Something was sent that no client asked for just now: whoever waits must be told of its end. */
  wake(): void;
  /** Stops the log: nothing is acknowledged any more, what it holds stays. */
  stop(reason: string): void;
}
