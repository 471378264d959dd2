/** Looks into write logs that no run has open, writes them back, and gives them up. */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { NativeBlockDevice } from "../../engine/hot/ioengine/native-device.ts";
import type { Root } from "../../engine/hot/writelog/log-format.ts";
import {
  inspectWriteLog,
  invalidateWriteLog,
  openWriteLog,
  surveyWriteLog,
} from "../../engine/hot/writelog/open.ts";
import { RealClock } from "../../engine/os/clock.ts";
import { Holds } from "../../engine/os/hold.ts";
import type { BlockDevice } from "../../engine/port/block-device.ts";
import { imageNameOf } from "../chain-plan.ts";
import { jobInputs } from "../job/arguments.ts";
import { hostEnvironment } from "../job/host-environment.ts";
import { parseJobs } from "../job/parse.ts";
import { planRun } from "../planner.ts";
import { StoreSession } from "./store-session.ts";

export interface LogInfo {
  readonly root: Root;
  readonly entries: number;
  readonly dirtyEntries: number;
  readonly dirtyBytes: number;
  /** Share of the log in use. */
  readonly fill: number;
}

const slotBytes = 4 << 20;
const asLog = { blockBytes: 1, slots: 8 };

function nothingAt(path: string): OsdynoError {
  return new OsdynoError("bad-input", `${path}: there is nothing`);
}

/** `sizeBytes`: of a file that may be longer only so much counts. */
function openFile(
  path: string,
  write: boolean,
  { blockBytes, slots, sizeBytes }: { blockBytes: number; slots: number; sizeBytes?: number },
): BlockDevice {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw nothingAt(path);
  }
  // A file that has grown is the same image; one that is cut short is not, and a device has its own size.
  const longer = sizeBytes !== undefined && stat.isFile() && stat.size > sizeBytes;
  return new NativeBlockDevice({
    engine: { kind: "psync" },
    path,
    write,
    depth: slots,
    slotCount: slots,
    slotBytes,
    blockBytes,
    ...(longer ? { sizeBytes } : {}),
  });
}

/** Reads a log without changing it. Throws `bad-input` for what is none, `io` for a damaged one. */
export async function logInfo(path: string): Promise<LogInfo> {
  const device = openFile(path, false, asLog);
  try {
    const root = await inspectWriteLog(device);
    return { root, ...(await surveyWriteLog(device, root)) };
  } finally {
    device.close();
  }
}

/** Nobody else has the log while that goes on. Throws `unsafe` when somebody does. */
async function withLog<T>(path: string, use: (holds: Holds) => Promise<T>): Promise<T> {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) {
    throw nothingAt(path);
  }
  const holds = new Holds();
  try {
    holds.take(path);
    return await use(holds);
  } finally {
    holds.close();
  }
}

/** Throws `bad-input` for what is none, `unsafe` for one in use, `io` for a damaged one. */
export async function invalidateLog(path: string): Promise<void> {
  await withLog(path, async () => {
    const device = openFile(path, true, asLog);
    try {
      await invalidateWriteLog(device);
    } finally {
      device.close();
    }
  });
}

/** Writes a log back to the image that it remembers. Throws `bad-input`, `unsafe` or `io`. */
export async function flushLog(path: string): Promise<{ imageUri: string; entries: number }> {
  return await withLog(path, async (holds) => await flushHeld(path, holds));
}

async function flushHeld(
  path: string,
  holds: Holds,
): Promise<{ imageUri: string; entries: number }> {
  const { root, dirtyEntries } = await logInfo(path);
  const { imageUri } = root;
  if (imageUri.startsWith("store:") && imageNameOf(imageUri, false).id !== root.imageId) {
    throw new OsdynoError(
      "bad-input",
      `${path} stands before the store that was at ${imageUri.slice(6)} (${root.imageId}), which is not there any more; put it back, or osdyno writelog invalidate gives up what the log holds`,
    );
  }
  const log = openFile(path, true, asLog);
  const clock = new RealClock();
  let stores: StoreSession | null = null;
  try {
    let image: BlockDevice;
    if (imageUri.startsWith("raw:")) {
      const { blockBytes, imageBytes: sizeBytes } = root;
      const imagePath = imageUri.slice(4);
      if (existsSync(imagePath)) {
        holds.take(imagePath, "shared");
      }
      image = openFile(imagePath, true, { blockBytes, slots: 32, sizeBytes });
    } else if (imageUri.startsWith("store:")) {
      const opened = await openStore(imageUri);
      stores = opened.session;
      image = opened.volume;
    } else {
      throw new OsdynoError(
        "bad-input",
        `${path} stands before ${imageUri}, which is not there any more`,
      );
    }
    const open = await openWriteLog({ image, log, clock, imageId: root.imageId });
    await open.shutDown();
    return { imageUri, entries: dirtyEntries };
  } finally {
    log.close();
    await stores?.close();
    clock.close();
  }
}

async function openStore(uri: string): Promise<{ session: StoreSession; volume: BlockDevice }> {
  const depth = 32;
  // A job that is planned and never run: it says what the store must take.
  const job = ["--name=flush", "--rw=randwrite", `--bs=${slotBytes}`, `--iodepth=${depth}`];
  const inputs = jobInputs(job, () => "");
  const { jobs } = parseJobs(inputs, hostEnvironment(), { target: uri });
  const plan = planRun(jobs, { target: uri, path: "engine", seed: null, directory: resolve(".") });
  const session = await StoreSession.open(plan);
  const volume = session.device(plan.stores[0]?.text ?? uri, depth);
  if (volume === null) {
    await session.close();
    throw new OsdynoError("bad-input", `${uri}: there is no such store`);
  }
  return { session, volume };
}
