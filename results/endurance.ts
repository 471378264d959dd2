/**
 * The endurance of a device: what it is rated to bear, what a command may write of it, and what it has written.
 * One budget counts all runs of a command, and of those that it resumes.
 */
import { OsdynoError } from "../engine/base/error.ts";
import type { IntervalRow } from "../workloads/run-outcome.ts";
import type { WriteBudget } from "../workloads/runner/execute.ts";
import { ratingOf } from "./rating.ts";
import type { EnduranceRecord } from "./run-record.ts";
import { readSize } from "./snia/spec.ts";
import { formatBytes, formatPercent } from "./units.ts";

export interface EnduranceChoice {
  /** Bytes that the device is rated to bear over its life; null: not known. */
  readonly ratedBytes: number | null;
  /** Where the rating is from: `given`, or a profile's name. */
  readonly ratedFrom: string;
  /** A command ends before it writes more; null: nothing ends it. */
  readonly mostBytes: number | null;
}

/** Reads `rated=600TB,most=10TB`; throws `bad-input`. */
export function readEndurance(text: string, directory: string): EnduranceChoice {
  let choice: EnduranceChoice = { ratedBytes: null, ratedFrom: "", mostBytes: null };
  for (const part of text.split(",")) {
    const [name = "", value = ""] = part.split("=", 2);
    const bytes = readSize(value);
    if (name === "rated") {
      const refuse = (why: string) =>
        new OsdynoError("bad-input", `--endurance rated=${value}: ${why}`);
      const { bytes: rated, from } =
        bytes === null ? ratingOf(value, directory, refuse) : { bytes, from: "given" };
      choice = { ...choice, ratedBytes: rated, ratedFrom: from };
    } else if (name === "most" && bytes !== null) {
      choice = { ...choice, mostBytes: bytes };
    } else {
      const why = name === "most" ? "most: give bytes such as 10TB" : `no ${name} there`;
      throw new OsdynoError("bad-input", `--endurance ${text}: ${why}; rated=600TB,most=10TB`);
    }
  }
  return choice;
}

/** What was written before a command, and what keeps the count as it grows. */
export interface EnduranceBefore {
  readonly writtenBytes: number;
  /** Called before and after each run. */
  readonly keep: (writtenBytes: number) => void;
}

/**
 * Counts what the jobs of a command write, warm-ups among it. Jobs claim what they write from what is left
 * before they send it, so that nothing goes beyond; the first write that finds too little ends the command.
 */
export class EnduranceBudget implements WriteBudget {
  readonly choice: EnduranceChoice;
  /** Of the commands that this one resumes. */
  readonly beforeBytes: number;
  readonly #keep: EnduranceBefore["keep"];
  #written: number;
  #refused = false;

  constructor(choice: EnduranceChoice, before: EnduranceBefore = { writtenBytes: 0, keep() {} }) {
    this.choice = choice;
    this.beforeBytes = before.writtenBytes;
    this.#written = before.writtenBytes;
    this.#keep = before.keep;
  }

  /** Puts the count where the next command finds it. */
  keep(): void {
    this.#keep(this.#written);
  }

  add(row: IntervalRow): void {
    this.#written += row.direction === "write" ? row.bytes : 0;
  }

  /** Why nothing more may be written; null while something may. */
  spent(): OsdynoError | null {
    const { mostBytes } = this.choice;
    return mostBytes === null || (this.#written < mostBytes && !this.#refused)
      ? null
      : new OsdynoError(
          "interrupted",
          `endurance: the ${formatBytes(mostBytes)} that may be written are used up`,
        );
  }

  leftBytes(): number | null {
    const { mostBytes } = this.choice;
    return mostBytes === null ? null : Math.max(0, mostBytes - this.#written);
  }

  refused(): void {
    this.#refused = true;
  }

  /** What ended a run before its own end; null: it came to it. */
  cut(): OsdynoError | null {
    return this.#refused ? this.spent() : null;
  }

  get writtenBytes(): number {
    return this.#written;
  }

  /** Of one run, which wrote all since `before`. */
  record(before: number): EnduranceRecord {
    const { ratedBytes, ratedFrom, mostBytes } = this.choice;
    return {
      written_bytes: this.#written - before,
      command_written_bytes: this.#written,
      rated_bytes: ratedBytes,
      ...(ratedBytes === null ? {} : { rated_from: ratedFrom }),
      most_bytes: mostBytes,
    };
  }
}

/** What will be written, before; `expectedBytes` null: time decides it. */
export function enduranceLines(
  { ratedBytes, ratedFrom, mostBytes }: EnduranceChoice,
  expectedBytes: number | null,
  beforeBytes = 0,
): readonly string[] {
  const left = mostBytes === null ? null : Math.max(0, mostBytes - beforeBytes);
  const most = Math.min(
    expectedBytes ?? Number.POSITIVE_INFINITY,
    left ?? Number.POSITIVE_INFINITY,
  );
  const bytes = Number.isFinite(most) ? `up to ${formatBytes(most)}` : "as much as time allows";
  const share =
    ratedBytes === null
      ? ""
      : `${Number.isFinite(most) ? `, ${shareText(most, ratedBytes)}` : ""} of the ${formatBytes(ratedBytes)} that the device is rated for (${ratedFrom})`;
  return [
    ...(beforeBytes === 0
      ? []
      : [`endurance: ${formatBytes(beforeBytes)} were written before this command resumed`]),
    `endurance: ${bytes} to be written${share}`,
    ...(mostBytes === null
      ? []
      : [
          `endurance: ends when ${formatBytes(mostBytes)} are written; a write that would go beyond is not sent`,
        ]),
  ];
}

/** `0.0012%`. */
export function shareText(bytes: number, ratedBytes: number): string {
  const percent = (100 * bytes) / ratedBytes;
  return percent >= 0.01 ? formatPercent(percent) : `${Number(percent.toPrecision(2))}%`;
}

/** What was written, after. */
export function writtenLine(record: EnduranceRecord): string {
  const { written_bytes: bytes, rated_bytes: rated } = record;
  const share =
    rated === null ? "" : `, ${shareText(bytes, rated)} of the ${formatBytes(rated)} rated`;
  return `endurance: ${formatBytes(bytes)} written${share}`;
}
