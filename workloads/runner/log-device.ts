/** Opens the device of a planned write log, and the log on it. */
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { OsdynoError } from "../../engine/base/error.ts";
import { SyntheticDevice } from "../../engine/device/synthetic.ts";
import { NativeBlockDevice } from "../../engine/hot/ioengine/native-device.ts";
import type { PersistMode } from "../../engine/hot/writelog/log-state.ts";
import { type OpenedWriteLog, writeLogKind } from "../../engine/hot/writelog/registry.ts";
import type { Holds } from "../../engine/os/hold.ts";
import type { BlockDevice } from "../../engine/port/block-device.ts";
import type { LayerContext } from "../chain.ts";
import { logAt, makesLog, type PlannedLog, rootIn } from "../log-place.ts";

const depth = 32;
const leastSlotBytes = 256 << 10;
/** For records that stay in memory until they are written back; with long slots fewer of them stay. */
const memoryBytes = 16 << 20;

/** A device for a log of which writes of up to `slotBytes` are put down. */
export function openLogDevice(
  log: PlannedLog,
  blockBytes: number,
  slotBytes: number,
  clock: LayerContext["clock"],
): BlockDevice {
  const longest = Math.max(leastSlotBytes, slotBytes + 16_384);
  const slotCount = Math.max(depth, Math.floor(memoryBytes / longest));
  const geometry = { depth, slotBytes: longest, slotCount, blockBytes };
  if (log.model !== null) {
    return new SyntheticDevice({ spec: log.model, clock, data: true, ...geometry });
  }
  const path = log.path ?? "";
  const pmem = blockBytes < 512;
  return new NativeBlockDevice({
    engine: { kind: pmem ? "pmem" : "io_uring" },
    path,
    write: true,
    direct: !pmem,
    ...geometry,
  });
}

function cannotMake(path: string, error: unknown): OsdynoError {
  const reason = error instanceof Error ? error.message : String(error);
  return new OsdynoError("bad-input", `cannot make a write log at ${path}: ${reason}`, {}, error);
}

/**
 * Holds the place of a log; the answer says what stands there by now, e.g. since an earlier phase. Throws
 * `unsafe` when somebody else has it, or made there what is not to be lost.
 */
function takeLog(log: PlannedLog, holds: Holds): PlannedLog {
  const { path } = log;
  if (path === null) {
    return log;
  }
  try {
    closeSync(openSync(path, "a+"));
  } catch (error) {
    throw cannotMake(path, error);
  }
  holds.take(path);
  const found = logAt(path);
  if (typeof found === "string" && found !== log.found) {
    throw new OsdynoError(
      "unsafe",
      `${path}: somebody else has made or changed it since this run looked; start it again`,
    );
  }
  return { ...log, found };
}

/** A file of the log's length; a device has its own. */
function makeFile(log: PlannedLog): void {
  const { path, sizeBytes } = log;
  if (path === null || rootIn(log)?.poolBytes === sizeBytes) {
    return;
  }
  try {
    const file = openSync(path, "r+");
    try {
      ftruncateSync(file, sizeBytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EINVAL") {
        throw error;
      }
      // A block device keeps its size.
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw cannotMake(path, error);
  }
}

/** Puts the planned log before `below`. Throws `bad-input`, `unsafe` or `io`; closes nothing then. */
export async function openWriteLogDevice(
  below: BlockDevice,
  { log: planned, options, clock, random, imageUri, imageId, holds }: LayerContext,
): Promise<OpenedWriteLog> {
  if (planned === null) {
    throw new Error("internal error: a chain with a write log has planned its device");
  }
  const log = takeLog(planned, holds);
  const kind = writeLogKind(log.mode);
  const create = makesLog(log, imageId, below.facts);
  makeFile(log);
  const device = openLogDevice(log, kind.largestBlockBytes, below.arena.slotBytes, clock);
  try {
    const logId = random.below(2 ** 32);
    const persist = options.text("rbd_persistent_cache_persist") as PersistMode;
    return await kind.open({
      image: below,
      log: device,
      clock,
      create,
      imageId,
      imageUri,
      logId,
      tuning: { persist },
    });
  } catch (error) {
    device.close();
    throw error;
  }
}
