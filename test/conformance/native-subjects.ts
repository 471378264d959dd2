/** The native engines as subjects of the conformance suite: on files, and on a loop device if possible. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConformanceSubject } from "../../engine/hot/ioengine/conformance.ts";
import { type OpenOptions, openBlockDevice } from "../../engine/hot/ioengine/registry.ts";

const sizeBytes = 1 << 20;
const geometry = { write: true, depth: 16, slotBytes: 65_536 };

/**
 * A turn of the event loop, and now and then a millisecond: a slow disk takes longer than the suite's
 * patience counted in turns alone.
 */
function patientTurn(): () => Promise<void> {
  let turns = 0;
  return () => {
    turns += 1;
    const slow = turns % 64 === 0;
    return new Promise((resolve) => (slow ? setTimeout(resolve, 1) : setImmediate(resolve)));
  };
}

function subject(name: string, engine: string, options: Partial<OpenOptions>): ConformanceSubject {
  const open = () => ({
    device: openBlockDevice(engine, { ...geometry, ...options }),
    pass: patientTurn(),
    below: null,
  });
  return { name, open, openFailing: null, openShort: null };
}

/** What cannot be tested on this machine, and why. */
export interface MissingSubject {
  readonly name: string;
  readonly reason: string;
}

export interface NativeSubjects {
  readonly subjects: readonly ConformanceSubject[];
  readonly missing: readonly MissingSubject[];
  /** Removes files and loop devices. */
  release(): void;
}

/** Why a subject cannot be opened here; `null`: it can. */
function obstacle(candidate: ConformanceSubject): string | null {
  try {
    const opened = candidate.open() as { device: { close(): void } };
    opened.device.close();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function attachLoop(file: string): string | MissingSubject {
  const name = "loop device";
  if (process.getuid?.() !== 0) {
    return { name, reason: "needs root" };
  }
  try {
    const stdio = ["ignore", "pipe", "pipe"] as const;
    const found = execFileSync("losetup", ["--find", "--show", file], { stdio: [...stdio] });
    return found.toString().trim();
  } catch (error) {
    const lines = error instanceof Error ? error.message.split("\n") : [];
    return { name, reason: lines.at(-2) ?? "losetup does not work here" };
  }
}

/** The modes of io_uring that change how operations go in and come out. */
const uringModes = {
  sqthread_poll: { sqthreadPoll: true },
  hipri: { hipri: true },
  "hipri and sqthread_poll": { hipri: true, sqthreadPoll: true },
  "fixedbufs=0 and registerfiles=0": { fixedbufs: false, registerfiles: false },
  "nonvectored=0": { fixedbufs: false, nonvectored: false },
};

/** A folder of its own on tmpfs, where there is one. */
function folderInMemory(): string | null {
  try {
    return mkdtempSync("/dev/shm/osdyno-conformance-");
  } catch {
    return null;
  }
}

export function nativeSubjects(): NativeSubjects {
  const memory = folderInMemory();
  const folder = mkdtempSync(join(tmpdir(), "osdyno-conformance-"));
  const file = join(folder, "file");
  writeFileSync(file, new Uint8Array(sizeBytes));
  const backing = join(folder, "backing");
  writeFileSync(backing, "");
  truncateSync(backing, sizeBytes);
  const loop = attachLoop(backing);
  const candidates = [
    subject("native memory", "memory", { sizeBytes }),
    subject("null", "null", { sizeBytes }),
  ];
  for (const engine of ["psync", "io_uring", "libaio"]) {
    candidates.push(
      subject(`${engine} on a file`, engine, { path: file }),
      subject(`${engine} on a file, O_DIRECT`, engine, { path: file, direct: true }),
      subject(`${engine} on a file, O_DSYNC`, engine, { path: file, sync: "dsync" }),
    );
    if (typeof loop === "string") {
      candidates.push(
        subject(`${engine} on a loop device`, engine, { path: loop }),
        subject(`${engine} on a loop device, O_DIRECT`, engine, { path: loop, direct: true }),
      );
    }
  }
  for (const engine of ["sync", "pvsync", "pvsync2", "mmap", "pmem"]) {
    candidates.push(subject(`${engine} on a file`, engine, { path: file }));
  }
  candidates.push(subject("pmem on a file, O_DSYNC", "pmem", { path: file, sync: "dsync" }));
  if (memory !== null) {
    const path = join(memory, "file");
    writeFileSync(path, new Uint8Array(sizeBytes));
    candidates.push(subject("pmem on tmpfs", "pmem", { path }));
  }
  if (typeof loop === "string") {
    candidates.push(subject("mmap on a loop device", "mmap", { path: loop }));
  }
  const direct = { path: file, direct: true };
  for (const [name, parameters] of Object.entries(uringModes)) {
    candidates.push(subject(`io_uring with ${name}`, "io_uring", { ...direct, parameters }));
  }
  const missing: MissingSubject[] = typeof loop === "string" ? [] : [loop];
  const subjects = candidates.filter((candidate) => {
    const reason = obstacle(candidate);
    if (reason !== null) {
      missing.push({ name: candidate.name, reason });
    }
    return reason === null;
  });
  const release = () => {
    if (typeof loop === "string") {
      execFileSync("losetup", ["--detach", loop]);
    }
    rmSync(folder, { recursive: true });
    if (memory !== null) {
      rmSync(memory, { recursive: true });
    }
  };
  return { subjects, missing, release };
}
