/** `cmdprio_bssplit`: priorities of operations by their size. */
import type { Refusal } from "./compound-value.ts";
import { type KbBase, readNumber } from "./number-value.ts";
import type { CommandPrioritySplit } from "./rules.ts";

const mostEntries = 64;
const highestClass = 3;
const lowestLevel = 7;

/**
 * `bs/%` or `bs/%/class/level`, several with `:`; what stands behind a comma is for writes. A fifth number
 * (a hint, of later versions) is passed over, as in fio 3.33.
 */
export function readPrioritySplit(
  text: string,
  kbBase: KbBase,
): [read: readonly CommandPrioritySplit[], write: readonly CommandPrioritySplit[]] | Refusal {
  const comma = text.indexOf(",");
  const parts = comma < 0 ? [text, text] : [text.slice(0, comma), text.slice(comma + 1)];
  const [read, write] = parts.map((part) => readEntries(part, kbBase));
  if (read === undefined || write === undefined) {
    return { refused: "is empty" };
  }
  if ("refused" in read) {
    return read;
  }
  return "refused" in write ? write : [read, write];
}

function readEntries(text: string, kbBase: KbBase): readonly CommandPrioritySplit[] | Refusal {
  const entries: CommandPrioritySplit[] = [];
  for (const part of text.trim().split(":")) {
    if (part === "") {
      break;
    }
    const entry = readEntry(part, kbBase);
    if ("refused" in entry) {
      return entry;
    }
    // As in fio, an entry without a share says nothing.
    if (entry.percent > 0) {
      entries.push(entry);
    }
    if (entries.length > mostEntries) {
      return { refused: `more than ${mostEntries} entries` };
    }
  }
  for (const { bytes } of entries) {
    const sum = entries
      .filter((entry) => entry.bytes === bytes)
      .reduce((total, entry) => total + entry.percent, 0);
    if (sum > 100) {
      return { refused: `the shares of ${bytes} bytes add up to ${sum}, more than 100` };
    }
  }
  return entries.sort((a, b) => a.bytes - b.bytes);
}

function readEntry(text: string, kbBase: KbBase): CommandPrioritySplit | Refusal {
  const [size = "", ...rest] = text.split("/");
  const bytes = readNumber(size, kbBase);
  const numbers = rest.filter((part) => part !== "").map(Number);
  const fits = numbers.every((number) => Number.isInteger(number) && number >= 0);
  if (bytes?.kind !== "plain" || bytes.value < 1n || bytes.value > 2n ** 30n || !fits) {
    return { refused: `${text} is not BYTES/PERCENT or BYTES/PERCENT/CLASS/LEVEL` };
  }
  const [percent = 0, ioClass, level] = numbers;
  if (numbers.length > 4 || (ioClass !== undefined && level === undefined)) {
    return { refused: `${text} is not BYTES/PERCENT or BYTES/PERCENT/CLASS/LEVEL` };
  }
  return {
    bytes: Number(bytes.value),
    percent: Math.min(percent, 100),
    // 0: the one of cmdprio_class and cmdprio.
    class: Math.min(ioClass ?? 0, highestClass),
    level: Math.min(level ?? 0, lowestLevel),
  };
}
