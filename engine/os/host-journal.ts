/**
 * What a process has changed on the host, on disk before it is changed, so that whatever ends the process,
 * the next command can put it back. One file for each process; a restart of the machine undoes everything by
 * itself, so that a journal of another boot counts nothing.
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
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { HostFiles } from "../port/host-files.ts";
import { currentOf } from "./host-knobs.ts";

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

export class HostJournal {
  readonly #directory: string;
  readonly #path: string;
  #entries: readonly HostEntry[] = [];

  constructor(directory: string) {
    this.#directory = directory;
    this.#path = join(directory, `${process.pid}.json`);
  }

  get entries(): readonly HostEntry[] {
    return this.#entries;
  }

  /** Durable when it returns. */
  add(entries: readonly HostEntry[]): void {
    this.#entries = [...this.#entries, ...entries];
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const journal: JournalText = {
      schema: "osdyno-host-1",
      pid: process.pid,
      started: startOf(process.pid),
      boot: bootOf(),
      entries: this.#entries,
    };
    const temporary = `${this.#path}.new`;
    const file = openSync(temporary, "w", 0o600);
    try {
      writeSync(file, JSON.stringify(journal));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, this.#path);
  }

  /** Everything is as it was. */
  drop(): void {
    this.#entries = [];
    rmSync(this.#path, { force: true });
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

/** Puts back what processes left that are gone; answers what was done. */
export function replayJournals(directory: string, files: HostFiles): readonly Replayed[] {
  if (!existsSync(directory) || !files.mayWrite || !trusted(directory)) {
    return [];
  }
  return readdirSync(directory)
    .filter((name) => /^\d+\.json$/.test(name))
    .flatMap((name): Replayed[] => {
      const path = join(directory, name);
      const journal = journalIn(path);
      if (journal !== null && startOf(journal.pid) === journal.started) {
        return [];
      }
      const entries = journal !== null && journal.boot === bootOf() ? journal.entries : [];
      const own = entries.filter((entry) => entry.path.startsWith("/sys/"));
      const failed = putBack(files, own);
      rmSync(path, { force: true });
      const restored = own.filter((entry) => !failed.includes(entry));
      return own.length === 0 ? [] : [{ pid: journal?.pid ?? 0, restored, failed }];
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
