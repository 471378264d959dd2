/** The parser's view of the machine that runs it. */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { availableParallelism, cpus, tmpdir, totalmem } from "node:os";
import process from "node:process";
import { OsdynoError } from "../../engine/base/error.ts";
import { type JobEnvironment, jobFileLimitBytes } from "./environment.ts";

/** fio's name for standard input among job files. */
export const standardInput = "-";

/** The machine as it is: its variables, memory and CPUs, and its files. */
export function hostEnvironment(): JobEnvironment {
  return {
    // The job files that come with osdyno name it; the temporary directory is a scratch place too.
    variables: { OSDYNO_SCRATCH: tmpdir(), ...process.env },
    // Node does not tell the page size; Linux does on every architecture with more than one.
    pageSizeBytes: kernelPageSizeBytes(),
    memoryMib: Math.floor(totalmem() / 2 ** 20),
    cpuCount: Math.max(cpus().length, availableParallelism()),
    readJobFile: readTextFile,
    readPatternFile,
  };
}

/**
 * The text of a job file, or of standard input for `-`.
 * Throws `bad-input` when it cannot be read, is over 1 MiB, or is not text.
 */
export function readJobFile(path: string): string {
  const text = readTextFile(path);
  if (text === null) {
    throw new OsdynoError("bad-input", "no such job file", { file: path });
  }
  return text;
}

/** As much as fio takes of a pattern. */
const patternBytes = 512;

function readPatternFile(path: string): Uint8Array | null {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (cause) {
    if (hasCode(cause, "ENOENT") || hasCode(cause, "ENOTDIR")) {
      return null;
    }
    throw unreadable(path, cause);
  }
  try {
    const buffer = Buffer.alloc(patternBytes);
    return buffer.subarray(0, readSync(descriptor, buffer, 0, patternBytes, 0));
  } catch (cause) {
    throw unreadable(path, cause);
  } finally {
    closeSync(descriptor);
  }
}

function readTextFile(path: string): string | null {
  let descriptor: number;
  try {
    descriptor = path === standardInput ? 0 : openSync(path, "r");
  } catch (cause) {
    if (hasCode(cause, "ENOENT") || hasCode(cause, "ENOTDIR")) {
      return null;
    }
    throw unreadable(path, cause);
  }
  try {
    return decode(path, readLimited(path, descriptor));
  } finally {
    if (descriptor !== 0) {
      closeSync(descriptor);
    }
  }
}

function readLimited(path: string, descriptor: number): Buffer {
  if (fstatSync(descriptor).isDirectory()) {
    throw new OsdynoError("bad-input", "this is a directory, not a job file", { file: path });
  }
  // One byte more than allowed tells a file that is too large from one that just fits, whatever it
  // is: a pipe or /dev/zero has no size to ask for.
  const buffer = Buffer.alloc(jobFileLimitBytes + 1);
  let length = 0;
  while (length < buffer.length) {
    let count: number;
    try {
      count = readSync(descriptor, buffer, length, buffer.length - length, null);
    } catch (cause) {
      if (hasCode(cause, "EOF")) {
        break;
      }
      throw unreadable(path, cause);
    }
    if (count === 0) {
      break;
    }
    length += count;
  }
  if (length > jobFileLimitBytes) {
    throw new OsdynoError("bad-input", "larger than 1 MiB: not a job file", { file: path });
  }
  return buffer.subarray(0, length);
}

function decode(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new OsdynoError("bad-input", "not a text file (not UTF-8)", { file: path }, cause);
  }
}

function kernelPageSizeBytes(): number {
  try {
    const line = /^KernelPageSize:\s+(\d+) kB/m.exec(readFileSync("/proc/self/smaps", "utf8"));
    return line === null ? 4096 : Number(line[1]) * 1024;
  } catch {
    return 4096;
  }
}

function hasCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && "code" in cause && cause.code === code;
}

function unreadable(path: string, cause: unknown): OsdynoError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new OsdynoError("bad-input", `cannot be read: ${why}`, { file: path }, cause);
}
