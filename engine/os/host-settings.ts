/** Turns knobs of the host for a while: what was there is in the journal first, and is put back after. */
import { OsdynoError } from "../base/error.ts";
import type { HostFiles } from "../port/host-files.ts";
import { type HostEntry, type HostJournal, putBack } from "./host-journal.ts";
import {
  currentOf,
  type HostPlace,
  type HostWrite,
  moveWithScheduler,
  partsOf,
  writesOf,
} from "./host-knobs.ts";

/** Values by the name of their knob. */
export type HostValues = Readonly<Record<string, string>>;

/** The scheduler comes first: setting it sets others anew, and its parameters are there only then. */
function inOrder(values: HostValues): readonly (readonly [string, string])[] {
  const rank = ([name]: readonly [string, string]) => (name === "scheduler" ? 0 : 1);
  return Object.entries(values).sort((a, b) => rank(a) - rank(b));
}

const scheduler = "/scheduler";

/** What is put back by itself: a file, or the line of one disk in a file of control groups. */
function keyOf({ path, text, back }: HostWrite): string {
  return back === undefined ? path : `${path} ${text.split(" ")[0]}`;
}

export class HostSettings {
  readonly #files: HostFiles;
  readonly #journal: HostJournal;
  /** By `keyOf`: what was there before anything was changed. */
  readonly #before = new Map<string, HostEntry>();
  /** Of these the files that a knob was turned in; the others moved with a scheduler. */
  readonly #turned = new Set<string>();

  constructor(files: HostFiles, journal: HostJournal) {
    this.#files = files;
    this.#journal = journal;
  }

  /** What was there before, of every file, or line of a disk, that was changed. */
  get before(): HostValues {
    return Object.fromEntries([...this.#before].map(([key, { text }]) => [key, text]));
  }

  /**
   * Whether these values can be set, without setting them. Throws `bad-input`. Parameters of a scheduler
   * that is set together with them are not looked at: its files are not there yet.
   */
  check(values: HostValues, devices: readonly string[]): void {
    if (!this.#files.mayWrite) {
      throw new OsdynoError("bad-input", "host: settings of the host are root's to change");
    }
    const place = { files: this.#files, devices };
    for (const [name, value] of inOrder(values)) {
      if (!(name.startsWith("iosched.") && "scheduler" in values)) {
        writesOf(name, value, place);
      }
    }
  }

  /** These are this process's alone to turn, as `apply` has it. Throws `unsafe` when another turns them. */
  claim(values: HostValues, devices: readonly string[]): void {
    this.#journal.claim(partsOf(Object.keys(values), devices), this.#files);
  }

  /**
   * Sets these and puts back what is set by now and not named. Throws `bad-input`, `io`, or `unsafe` when
   * another process turns knobs of the same disk or of the same part of the host.
   */
  apply(values: HostValues, devices: readonly string[]): void {
    this.claim(values, devices);
    const place = { files: this.#files, devices };
    const schedulers = inOrder(values).filter(([name]) => name === "scheduler");
    this.#release(values, devices);
    for (const [name, value] of schedulers) {
      this.#turn(name, value, place);
    }
    for (const [name, value] of inOrder(values).filter(([name]) => name !== "scheduler")) {
      this.#turn(name, value, place);
    }
  }

  /**
   * Puts back every file that none of the values is in. What only moved with a scheduler stays as that has it
   * while one is set: a depth of another scheduler may be more than this one can have.
   */
  #release(values: HostValues, devices: readonly string[]): void {
    const place = { files: this.#files, devices };
    const kept = new Set(
      inOrder(values).flatMap(([name, value]) => {
        try {
          return writesOf(name, value, place).map(keyOf);
        } catch {
          return [];
        }
      }),
    );
    const scheduled = [...kept].filter((key) => key.endsWith(scheduler));
    const queues = scheduled.map((path) => path.slice(0, -scheduler.length));
    const ofScheduler = (path: string) =>
      !this.#turned.has(path) && queues.some((queue) => path.startsWith(`${queue}/`));
    const others = [...this.#before].filter(([key]) => !kept.has(key) && !ofScheduler(key));
    this.#back(others.map(([, entry]) => entry));
  }

  #turn(name: string, value: string, place: HostPlace): void {
    for (const write of writesOf(name, value, place)) {
      this.#keep(write, place);
      this.#turned.add(keyOf(write));
      this.#write(write);
    }
  }

  /** The journal knows the file, and what moves with it, before it is changed. */
  #keep(write: HostWrite, place: HostPlace): void {
    const moving = moveWithScheduler(place, write.path).map((path) => ({ key: path, path }));
    const wanted = [{ key: keyOf(write), path: write.path }, ...moving];
    const kept = wanted
      .filter(({ key }) => !this.#before.has(key))
      .flatMap(({ key, path }) => {
        const text = this.#files.read(path);
        const own = path === write.path ? write.back : undefined;
        return text === null ? [] : [{ key, entry: { path, text: own ?? currentOf(text) } }];
      });
    if (kept.length > 0) {
      this.#journal.add(
        write.part,
        kept.map(({ entry }) => entry),
      );
      for (const { key, entry } of kept) {
        this.#before.set(key, entry);
      }
    }
  }

  /** Writes what is not there yet, and refuses what the kernel makes of it silently. */
  #write({ path, text, back }: HostWrite): void {
    const now = this.#files.read(path) ?? "";
    if (back === undefined && currentOf(now) === text) {
      return;
    }
    this.#files.write(path, text);
    const then = currentOf(this.#files.read(path) ?? "");
    if (back === undefined && then !== text) {
      throw new OsdynoError("bad-input", `host: ${path} was set to ${text}, and is ${then}`);
    }
  }

  #back(entries: readonly HostEntry[]): void {
    const failed = putBack(this.#files, entries);
    if (failed.length > 0) {
      const what = failed.map(({ path, text }) => `${path} (was ${text})`).join(", ");
      throw new OsdynoError("io", `host: could not put back ${what}`);
    }
  }

  /** Puts everything back and forgets the journal. Throws `io` with what could not be. */
  restore(): void {
    this.#back([...this.#before.values()]);
    this.#before.clear();
    this.#turned.clear();
    this.#journal.drop();
  }
}
