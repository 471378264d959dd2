/** Says where a number reads otherwise than it looks. Each answer: what fio reads, what was meant. */
import { type KbBase, readNumber, readTime, sizeSuffix } from "./number-value.ts";

/** A sentence for a size or count that is a trap, or `null`. */
export function sizeTrap(text: string, kbBase: KbBase): string | null {
  const read = readNumber(text, kbBase);
  if (read === null) {
    return null;
  }
  const value = read.kind === "percent" ? `${read.percent}%` : `${read.value}`;
  if (text.startsWith("(")) {
    return `reads ${value}; arithmetic in parentheses works here, but fio needs a build with it (Debian's has none)`;
  }
  const suffix = sizeSuffix(text);
  const other = /^([kmgtp])ib/.exec(suffix);
  if (other !== null && kbBase === 1024) {
    return `fio reads ${value}: with kb_base=1024 its "${suffix}" is the decimal unit; write ${text.replace(/ib$/i, "")} for powers of 1024`;
  }
  if (/^[kmgtp]i/.test(suffix) && kbBase === 1000 && other === null) {
    return `fio reads ${value}: only the letter counts, so "${suffix}" is decimal under kb_base=1000; write ${text}b for powers of 1024`;
  }
  if (/^\s*[-+]?\d+\.\d/.test(text)) {
    return `fio reads ${value}: it stops at the point and drops the unit; write a whole number of a smaller unit`;
  }
  if (/0x/i.test(text) && /[g-wyz%]/i.test(text)) {
    return `fio reads ${value}: a hexadecimal number takes no unit`;
  }
  if (/^\s/.test(text) && /\d\s*[A-Za-z%]/.test(text)) {
    return `fio reads ${value}: a blank before the number hides its unit; write it without blanks`;
  }
  if (/\d\s+[A-Za-z%]/.test(text)) {
    return `fio reads ${value}: a blank cuts the unit off; write it without blanks`;
  }
  if (!/^(?:[kmgtp]?(?:i?b?)?|%|x[\da-f]*)$/.test(suffix)) {
    return /^[kmgtp]/.test(suffix)
      ? `fio reads ${value}: it looks only at the first letter of "${suffix}"`
      : `fio reads ${value}: it knows no unit "${suffix}"`;
  }
  return null;
}

/** A sentence for a time that is a trap, or `null`. */
export function timeTrap(text: string, inSeconds: boolean): string | null {
  const read = readTime(text, inSeconds);
  if (read === null) {
    return null;
  }
  if (text.startsWith("(")) {
    return `reads ${spanOf(read)}; arithmetic in parentheses works here, but fio needs a build with it (Debian's has none)`;
  }
  if (/^\s*[-+]?\d+\.\d/.test(text)) {
    return `fio reads ${spanOf(read)}: it stops at the point and drops the unit; write a whole number of a smaller unit`;
  }
  if (/^\s|\d\s+[A-Za-z]/.test(text) && /[A-Za-z]/.test(text)) {
    return `fio reads ${spanOf(read)}: a blank hides the unit; write it without blanks`;
  }
  const suffix = text.replace(/^[-+\d]*/, "").toLowerCase();
  if (/^[a-z]/.test(suffix) && !/^(?:us.*|ms.*|[smhd])$/.test(suffix)) {
    const meant = /^[smhd]/.exec(suffix)?.[0];
    const advice =
      meant === undefined
        ? "units are us, ms, s, m, h, d"
        : `write ${Number.parseInt(text, 10)}${meant}`;
    return `fio reads ${spanOf(read)}: it knows no unit "${suffix}" and takes microseconds; ${advice}`;
  }
  return null;
}

/** Microseconds as a person says them. */
function spanOf(us: bigint): string {
  const units: readonly (readonly [bigint, string])[] = [
    [3_600_000_000n, "h"],
    [60_000_000n, "min"],
    [1_000_000n, "s"],
    [1000n, "ms"],
  ];
  for (const [size, name] of units) {
    if (us !== 0n && us % size === 0n) {
      return `${us / size} ${name}`;
    }
  }
  return `${us} us`;
}
