/**
 * What a process has changed on the host, on disk before it is changed, so that whatever ends the process,
 * the next command can put it back. One file for each part of the host (a disk, the CPUs), beside it a lock
 * that ends with the process: who has it is the only one who turns knobs there, and the only one who puts
 * back. A restart of the machine undoes everything by itself, so that a journal of another boot counts nothing.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { OsdynoError } from "../base/error.ts";
import type { HostFiles } from "../port/host-files.ts";
import { Holds } from "./hold.ts";
import { currentOf, type HostPart } from "./host-knobs.ts";

/** A file and what it held. */
export interface HostEntry {
  readonly path: string;
  readonly text: string;
}

interface JournalText {
  readonly schema: "osdyno-host-1";
  readonly pid: number;
  /** Clock ticks after boot at which the process began: a number is used again, this pair is not. */
  readonly started: string;
  readonly boot: string;
  readonly entries: readonly HostEntry[];
}

/** Where journals are: root's own place, or that of a tree that stands for a machine. */
export function journalDirectory(root: string | null): string {
  return join(root ?? "/", "var/lib/osdyno/host");
}

function ownText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Field 22 of proc(5)'s stat; behind the name, which may hold anything. Empty: there is no such process. */
function startOf(pid: number): string {
  const text = ownText(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

const bootOf = () => ownText("/proc/sys/kernel/random/boot_id").trim();

/** Durable when it returns, whole at any instant. */
function writeJournal(path: string, journal: JournalText): void {
  const temporary = `${path}.new`;
  const file = openSync(temporary, "w", 0o600);
  try {
    writeSync(file, JSON.stringify(journal));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

const journalOf = (directory: string, part: HostPart) => join(directory, `${part}.json`);
const lockOf = (directory: string, part: HostPart) => join(directory, `${part}.lock`);

/** What a part is to a person. */
function nameOf(part: HostPart): string {
  const disk = /^disk-(.*)$/.exec(part)?.[1];
  return disk ?? (part === "cpu" ? "the CPUs" : "huge pages");
}

/** Has a part of the host until `holds` are closed. Throws `unsafe` when another process has it. */
function claimPart(directory: string, part: HostPart, holds: Holds): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const lock = lockOf(directory, part);
  if (holds.has(lock)) {
    return;
  }
  writeFileSync(lock, "", { flag: "a", mode: 0o600 });
  try {
    holds.claim(lock);
  } catch (error) {
    const pid = Number(ownText(lock));
    const who = pid > 0 ? `osdyno, process ${pid}` : "osdyno";
    throw error instanceof OsdynoError && error.code === "unsafe"
      ? new OsdynoError(
          "unsafe",
          `host: settings of ${nameOf(part)} are being turned by another ${who}; wait until that has ended`,
          {},
          error,
        )
      : error;
  }
  writeFileSync(lock, String(process.pid));
}

export class HostJournal {
  readonly #directory: string;
  readonly #holds: Holds;
  readonly #entries = new Map<HostPart, readonly HostEntry[]>();

  /** `holds`: keeps the parts that are claimed until it is closed. */
  constructor(directory: string, holds: Holds) {
    this.#directory = directory;
    this.#holds = holds;
  }

  /**
   * Nobody else turns knobs of these parts from now on; what a process that is gone by now left there is put
   * back. Throws `unsafe` when another process has one, `io` when something cannot be put back.
   */
  claim(parts: Iterable<HostPart>, files: HostFiles): void {
    for (const part of parts) {
      if (!this.#holds.has(lockOf(this.#directory, part))) {
        claimPart(this.#directory, part, this.#holds);
        const [left] = replayJournal(journalOf(this.#directory, part), files);
        if (left !== undefined && left.failed.length > 0) {
          throw cannotPutBack(nameOf(part), left);
        }
      }
    }
  }

  /** Durable when it returns. The part is claimed. */
  add(part: HostPart, added: readonly HostEntry[]): void {
    const entries = [...(this.#entries.get(part) ?? []), ...added];
    this.#entries.set(part, entries);
    const journal: JournalText = {
      schema: "osdyno-host-1",
      pid: process.pid,
      started: startOf(process.pid),
      boot: bootOf(),
      entries,
    };
    writeJournal(journalOf(this.#directory, part), journal);
  }

  /** Everything is as it was. */
  drop(): void {
    for (const part of this.#entries.keys()) {
      rmSync(journalOf(this.#directory, part), { force: true });
    }
    this.#entries.clear();
  }
}

/** Schedulers first: setting one sets others anew, and its parameters are there only then. */
function inOrder(entries: readonly HostEntry[]): readonly HostEntry[] {
  const rank = ({ path }: HostEntry) => (path.endsWith("/queue/scheduler") ? 0 : 1);
  return [...entries].sort((a, b) => rank(a) - rank(b));
}

/**
 * Puts back what differs; answers those that it could not. Files that are gone by then, such as the parameters
 * of another scheduler, count as put back.
 */
export function putBack(files: HostFiles, entries: readonly HostEntry[]): readonly HostEntry[] {
  return inOrder(entries).filter(({ path, text }) => {
    const now = files.read(path);
    if (now === null || currentOf(now) === text) {
      return false;
    }
    try {
      files.write(path, text);
      return false;
    } catch {
      return true;
    }
  });
}

export interface Replayed {
  readonly pid: number;
  readonly restored: readonly HostEntry[];
  readonly failed: readonly HostEntry[];
}

/** Only root writes there, or what it holds is not to be trusted. */
function trusted(directory: string): boolean {
  const { uid, mode } = statSync(directory);
  return uid === process.geteuid?.() && (mode & 0o022) === 0;
}

function cannotPutBack(name: string, { pid, failed }: Replayed): OsdynoError {
  const what = failed.map(({ path, text }) => `${path} (was ${text})`).join(", ");
  return new OsdynoError(
    "io",
    `host: process ${pid} left settings of ${name} changed that cannot be put back: ${what}; set them by hand`,
  );
}

/**
 * Puts back what a process left that is gone; nothing when there is none. What it could not stays in the
 * journal, for the next command to try again. The part is claimed.
 */
function replayJournal(path: string, files: HostFiles): readonly Replayed[] {
  const journal = journalIn(path);
  if (!existsSync(path) || (journal !== null && startOf(journal.pid) === journal.started)) {
    return [];
  }
  const entries = journal !== null && journal.boot === bootOf() ? journal.entries : [];
  const own = entries.filter((entry) => entry.path.startsWith("/sys/"));
  const failed = putBack(files, own);
  if (journal !== null && failed.length > 0) {
    writeJournal(path, { ...journal, entries: failed });
  } else {
    rmSync(path, { force: true });
  }
  const restored = own.filter((entry) => !failed.includes(entry));
  return own.length === 0 ? [] : [{ pid: journal?.pid ?? 0, restored, failed }];
}

/** Puts back what processes left that are gone, where nobody turns knobs by now; answers what was done. */
export function replayJournals(directory: string, files: HostFiles): readonly Replayed[] {
  if (!existsSync(directory) || !files.mayWrite || !trusted(directory)) {
    return [];
  }
  return readdirSync(directory)
    .filter((name) => name.endsWith(".json"))
    .flatMap((name): readonly Replayed[] => {
      const holds = new Holds();
      try {
        claimPart(directory, name.slice(0, -".json".length) as HostPart, holds);
        return replayJournal(join(directory, name), files);
      } catch (error) {
        if (error instanceof OsdynoError && error.code === "unsafe") {
          return [];
        }
        throw error;
      } finally {
        holds.close();
      }
    });
}

function journalIn(path: string): JournalText | null {
  try {
    const journal = JSON.parse(readFileSync(path, "utf8")) as JournalText;
    return journal.schema === "osdyno-host-1" && Array.isArray(journal.entries) ? journal : null;
  } catch {
    return null;
  }
}
