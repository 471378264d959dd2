/** Copies of files that share their blocks where the file system can, and keep their holes. */
import { spawn } from "node:child_process";
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { OsdynoError } from "../../engine/base/error.ts";

/** Makes what was written durable, so that no write-back disturbs what is measured next. */
function sync(path: string): void {
  const file = openSync(path, "r+");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Fills a file with zeroes up to that length: from then on the file system has nothing to allocate when
 * a store writes to it, which would be measured with the store.
 */
export function writeZeroes(path: string, lengthBytes: number): void {
  const piece = Buffer.alloc(8 << 20);
  const file = openSync(path, "r+");
  try {
    for (let at = 0; at < lengthBytes; ) {
      at += writeSync(file, piece, 0, Math.min(piece.length, lengthBytes - at), at);
    }
    fsyncSync(file);
  } catch (error) {
    const why = (error as Error).message;
    throw new OsdynoError("io", `cannot write ${lengthBytes} bytes to ${path}: ${why}`, {}, error);
  } finally {
    closeSync(file);
  }
}

/** coreutils' cp knows reflinks and holes; a file that is there keeps its inode. */
async function copy(from: string, to: string, signal: AbortSignal): Promise<void> {
  const child = spawn("cp", ["--reflink=auto", "--sparse=auto", "--", from, to], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, LC_ALL: "C" },
  });
  const stop = () => child.kill("SIGKILL");
  signal.addEventListener("abort", stop);
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    words += text;
  });
  try {
    const code = await new Promise<number | null>((done, fail) => {
      child.on("error", fail);
      child.on("close", done);
    });
    if (signal.aborted) {
      throw new OsdynoError("interrupted", `stopped by ${signal.reason}`);
    }
    if (code !== 0) {
      throw new OsdynoError("io", `cannot copy ${from} to ${to}: ${words.trim().split("\n")[0]}`);
    }
    sync(to);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Puts a copy aside under its name only when it is whole. */
export async function putAside(path: string, aside: string, signal: AbortSignal): Promise<void> {
  const half = `${aside}.half`;
  try {
    await copy(path, half, signal);
    renameSync(half, aside);
  } finally {
    rmSync(half, { force: true });
  }
}

/** Brings the contents back; the file at `path` stays the same file. */
export async function bringBack(aside: string, path: string, signal: AbortSignal): Promise<void> {
  if (!existsSync(aside)) {
    throw new OsdynoError("io", `${aside} is gone, which ${path} was to be made from`);
  }
  await copy(aside, path, signal);
}
