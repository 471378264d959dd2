/** The value of one option as written, with readers that refuse, note traps and know the place. */
import type { OsdynoError } from "../../engine/base/error.ts";
import { isRefusal, matchChoice, type Read, type Refusal } from "./compound-value.ts";
import type { JobEnvironment } from "./environment.ts";
import type { SizeValue } from "./model.ts";
import { sizeTrap, timeTrap } from "./number-lint.ts";
import {
  assignPart,
  type FioNumber,
  type KbBase,
  type ListPart,
  listParts,
  readNumber,
  readSwitch,
  readTime,
} from "./number-value.ts";
import { badInput, type Notes, type Place, shown } from "./place.ts";

export interface Limits {
  readonly min?: number;
  readonly max?: number;
}

const largestCount = 2 ** 32 - 1;

interface NumberPart {
  readonly part: ListPart;
  readonly number: FioNumber;
}

export class GivenValue {
  readonly key: string;
  readonly raw: string | null;
  readonly place: Place;
  readonly kbBase: KbBase;
  readonly environment: JobEnvironment;
  readonly #notes: Notes;

  constructor(
    option: { readonly key: string; readonly value: string | null; readonly place: Place },
    kbBase: KbBase,
    environment: JobEnvironment,
    notes: Notes,
  ) {
    this.key = option.key;
    this.raw = option.value;
    this.place = option.place;
    this.kbBase = kbBase;
    this.environment = environment;
    this.#notes = notes;
  }

  note(message: string): void {
    this.#notes.add(this.place, this.key, `${this.shown}: ${message}`);
  }

  refuse(message: string): OsdynoError {
    return badInput(this.place, `${this.shown}: ${message}`);
  }

  get shown(): string {
    return this.raw === null ? this.key : `${this.key}=${shown(this.raw)}`;
  }

  /** Text that must not be empty. */
  text(): string {
    if (this.raw === null || this.raw === "") {
      throw badInput(this.place, `${this.key} needs a value: ${this.key}=...`);
    }
    return this.raw;
  }

  /** The bytes of a file that a pattern names, `null` without one. */
  readonly patternFile = (path: string): Uint8Array | null =>
    this.environment.readPatternFile(path);

  /** `0` or `1`; a bare word counts as 1 only for keys that are words. */
  switch(bareWord: boolean): boolean {
    if (this.raw === null && bareWord) {
      return true;
    }
    const text = this.text();
    const value = readSwitch(text);
    if (value === null) {
      throw this.refuse("is a switch: write 0 or 1");
    }
    // fio limits a switch to 1, but takes any number for a word.
    if (value > 1 && !bareWord) {
      throw this.refuse("is a switch: write 0 or 1");
    }
    if (!/^\s*[01]\s*$/.test(text)) {
      this.note(`is a switch; fio reads it as ${value === 0 ? "off" : "on"}; write 0 or 1`);
    }
    return value !== 0;
  }

  choice<T extends string>(choices: readonly T[], known: readonly string[] = []): T {
    return this.choiceWithPostfix(choices, known, false)[0];
  }

  /** The choice, and what stands after its `:`, `null` without. */
  choiceWithPostfix<T extends string>(
    choices: readonly T[],
    known: readonly string[] = [],
    takesPostfix = true,
  ): [T, string | null] {
    const text = this.text();
    const matched = matchChoice(text, [...choices, ...known]);
    if (matched === null) {
      throw this.refuse(`must be one of ${choices.join(", ")}`);
    }
    const choice = choices.find((candidate) => candidate === matched.choice);
    if (choice === undefined) {
      throw this.refuse(`known to fio, not supported here; one of ${choices.join(", ")}`);
    }
    if (matched.rest !== "" && !(takesPostfix && matched.rest.startsWith(":"))) {
      this.note(`fio ignores what follows ${choice}`);
    }
    return [choice, matched.rest.startsWith(":") ? matched.rest.slice(1) : null];
  }

  /** A whole number. Of several in a list fio takes the first, or the last for some keys. */
  count(limits: Limits, takes: "first" | "last" = "first"): number {
    if (/^\s*[-+]?\d+(?:\.\d+)?e[-+]?\d+\s*$/i.test(this.text())) {
      throw this.refuse(
        `fio knows no exponents and would read ${Number.parseInt(this.text(), 10)}; write the number out`,
      );
    }
    const numbers = this.#numbers();
    const taken = takes === "first" ? numbers[0] : numbers.at(-1);
    const value = this.#inRange(this.#plain(taken), { max: largestCount, ...limits });
    if (numbers.length > 1) {
      this.note(`is one number; fio reads ${value} and drops the others`);
    }
    return value;
  }

  /** Numbers per direction into their slots. */
  triple(slots: [number, number, number], limits: Limits): void {
    const numbers = this.#numbers();
    for (const entry of numbers) {
      assignPart(entry.part, this.#inRange(this.#plain(entry), limits), slots);
    }
    if (numbers.length > 1 && !this.text().includes(",")) {
      this.note(
        `fio reads a list per direction (read, write, trim): ${slots.join(", ")}; write it with commas if that was meant`,
      );
    }
  }

  /** Bytes, or percent up to 100. 0 means "not set" and gives `null`. */
  size(): SizeValue | null {
    const numbers = this.#numbers();
    const last = numbers.at(-1)?.number;
    if (last?.kind === "percent") {
      const percent = Number(last.percent);
      if (percent < 0 || percent > 100) {
        throw this.refuse("a percentage must be from 0 to 100");
      }
      return percent === 0 ? null : { kind: "percent", percent };
    }
    const bytes = this.#inRange(this.#plain(numbers.at(-1)), {});
    if (numbers.length > 1) {
      this.note(`is one size; fio reads ${bytes} and drops the others`);
    }
    return bytes === 0 ? null : { kind: "bytes", bytes };
  }

  /** `lo-hi` or one size for both. */
  sizeRange(): { readonly min: number; readonly max: number } {
    const numbers = this.#numbers();
    const ends = [numbers[0], numbers.at(-1)].map((entry) =>
      this.#inRange(this.#plain(entry), { min: 1 }),
    );
    const [first = 0, last = 0] = ends;
    if (first > last) {
      this.note("the first size is the larger one; the two are taken in order");
    }
    return { min: Math.min(first, last), max: Math.max(first, last) };
  }

  /** Nanoseconds (fio counts in microseconds). Of several in a list fio takes the first. */
  time(inSeconds: boolean): number {
    const parts = this.#timeParts();
    const first = parts[0] ?? "";
    if (parts.length > 1) {
      this.note(`is one time; fio reads ${first} and drops the others`);
    }
    return this.#time(first, inSeconds);
  }

  /** One time twice, or the ends of `lo-hi` in order, in nanoseconds. */
  timeRange(inSeconds: boolean): [least: number, most: number] {
    const parts = this.#timeParts();
    const ends = [parts[0] ?? "", parts.at(-1) ?? ""].map((text) => this.#time(text, inSeconds));
    const [first = 0, last = 0] = ends;
    if (first > last) {
      this.note("the first time is the longer one; the two are taken in order");
    }
    return [Math.min(first, last), Math.max(first, last)];
  }

  #timeParts(): string[] {
    const text = this.text();
    return /^\s*[-+(]/.test(text) ? [text] : listParts(text, [":", "-"]).map((part) => part.text);
  }

  #time(first: string, inSeconds: boolean): number {
    const us = readTime(first, inSeconds);
    if (us === null) {
      throw this.refuse("is no time; write it as 500ms, 10s, 5m, 1h");
    }
    const trap = timeTrap(first, inSeconds);
    if (trap !== null) {
      this.note(trap);
    }
    const ns = Number(us) * 1000;
    if (ns < 0 || !Number.isSafeInteger(ns)) {
      throw this.refuse("is not between 0 and 104 days");
    }
    return ns;
  }

  /** The value of a reader that may refuse; its remarks become notes. */
  read<T>(result: Read<T> | Refusal): T {
    if (isRefusal(result)) {
      throw this.refuse(result.refused);
    }
    for (const remark of result.remarks) {
      this.note(remark);
    }
    return result.value;
  }

  accept<T extends object>(result: T | Refusal): T {
    if (isRefusal(result)) {
      throw this.refuse(result.refused);
    }
    return result;
  }

  /** Numbers of the list; empty parts leave their direction as it was, but not all may be empty. */
  #numbers(): NumberPart[] {
    const text = this.text();
    if (text.endsWith("z")) {
      throw this.refuse("sizes in zones (z) are known to fio, not supported here");
    }
    const read: NumberPart[] = [];
    // A sign is no separator here: fio would store a wrapped number and the rest behind it.
    const separators = /^\s*[-+]/.test(text) ? [] : [":", "-"];
    const parts = text.startsWith("(")
      ? [{ text, index: 0, more: false }]
      : listParts(text, separators);
    for (const part of parts) {
      if (part.text === "") {
        continue;
      }
      const number = readNumber(part.text, this.kbBase);
      if (number === null) {
        throw this.refuse(part.text === text ? "is no number" : `${shown(part.text)} is no number`);
      }
      const trap = sizeTrap(part.text, this.kbBase);
      if (trap !== null) {
        this.note(trap);
      }
      read.push({ part, number });
    }
    if (read.length === 0) {
      throw this.refuse("is no number");
    }
    return read;
  }

  #plain(entry: NumberPart | undefined): bigint {
    if (entry?.number.kind !== "plain") {
      throw this.refuse(`${this.key} takes no percentage`);
    }
    return entry.number.value;
  }

  #inRange(value: bigint, limits: Limits): number {
    const { min = 0, max = Number.MAX_SAFE_INTEGER } = limits;
    if (value < BigInt(min)) {
      throw this.refuse(min === 0 ? "must not be negative" : `must be at least ${min}`);
    }
    if (value > BigInt(max)) {
      throw this.refuse(`must be at most ${max}`);
    }
    return Number(value);
  }
}
