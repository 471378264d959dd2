/**
 * Numbers as fio reads them: sizes, times and plain integers share one reader that looks at as much
 * text as it likes. Rules measured with fio 3.33; `number-lint.ts` says where they surprise.
 */
import { evaluate } from "./arithmetic.ts";

export type KbBase = 1000 | 1024;

/** fio keeps percentages as large sentinel numbers; here they stay percentages. */
export type FioNumber =
  | { readonly kind: "plain"; readonly value: bigint }
  | { readonly kind: "percent"; readonly percent: bigint };

const powers = ["", "k", "m", "g", "t", "p"];
const largestSigned = (1n << 63n) - 1n;

/** A size or count with `k m g t p` suffix, percent, or `(expression)`; `null` if fio would refuse it. */
export function readNumber(text: string, kbBase: KbBase): FioNumber | null {
  if (text.startsWith("(")) {
    const value = evaluate(text, {
      unitFactor: (suffix) => Number(sizeFactor(suffix, kbBase)),
      impliedFactor: 1,
      wholeDivision: false,
    });
    return value === null ? null : { kind: "plain", value: BigInt(Math.trunc(value)) };
  }
  const value = leadingInteger(text);
  if (value === null) {
    return null;
  }
  const suffix = sizeSuffix(text);
  if (suffix.startsWith("%")) {
    return { kind: "percent", percent: value };
  }
  return { kind: "plain", value: value * sizeFactor(suffix, kbBase) };
}

/** A time in microseconds; bare numbers are seconds for keys "in seconds", else microseconds. */
export function readTime(text: string, inSeconds: boolean): bigint | null {
  if (text.startsWith("(")) {
    const value = evaluate(text, {
      unitFactor: (suffix) => Number(timeFactor(suffix)),
      impliedFactor: inSeconds ? 1e6 : 1,
      wholeDivision: false,
    });
    return value === null ? null : BigInt(Math.trunc(value));
  }
  const value = leadingInteger(text);
  if (value === null) {
    return null;
  }
  const suffix = text.replace(/^[-+\d]*/, "");
  if (!/^[A-Za-z]/.test(suffix)) {
    return value * (inSeconds ? 1_000_000n : 1n);
  }
  return value * timeFactor(suffix);
}

/** Like C's strtoll: hexadecimal when "0x" stands anywhere; stops at the first other character. */
function leadingInteger(text: string): bigint | null {
  const match = /0x/i.test(text)
    ? /^\s*([-+]?)(?:0[xX](?=[0-9a-fA-F]))?([0-9a-fA-F]+)/.exec(text)
    : /^\s*([-+]?)(\d+)/.exec(text);
  const digits = match?.[2];
  if (digits === undefined) {
    return null;
  }
  const magnitude = BigInt(/0x/i.test(text) ? `0x${digits}` : digits);
  if (magnitude > largestSigned) {
    return null;
  }
  return match?.[1] === "-" ? -magnitude : magnitude;
}

/** The unit part: after decimal digits and one leading sign, up to a separator; "" when fio sees none. */
export function sizeSuffix(text: string): string {
  const rest = text.length < 2 ? text : text.replace(/^[-+]*\d*/, "");
  if (!/^[A-Za-z%]/.test(rest)) {
    return "";
  }
  return (rest.split(/[-:,/]/)[0] ?? "").toLowerCase();
}

function sizeFactor(suffix: string, kbBase: KbBase): bigint {
  const unit = suffix.toLowerCase();
  const power = powers.indexOf(unit.slice(0, 1));
  if (unit === "" || power < 1) {
    return 1n;
  }
  // On purpose, fio's "kib" is the other base than its "k".
  const other = unit.slice(1, 3) === "ib";
  const base = other === (kbBase === 1024) ? 1000n : 1024n;
  return base ** BigInt(power);
}

function timeFactor(suffix: string): bigint {
  const unit = suffix.toLowerCase();
  if (unit.startsWith("us")) {
    return 1n;
  }
  if (unit.startsWith("ms")) {
    return 1000n;
  }
  const factors: Readonly<Record<string, bigint>> = {
    s: 1_000_000n,
    m: 60_000_000n,
    h: 3_600_000_000n,
    d: 86_400_000_000n,
  };
  return Object.hasOwn(factors, unit) ? (factors[unit] ?? 1n) : 1n;
}

/** fio's reading of a switch: the leading integer, anything after it ignored; `null` without one. */
export function readSwitch(text: string): number | null {
  const hex = /0x/i.test(text);
  const match = (hex ? /^\s*([-+]?)(?:0x)?([0-9a-f]+)/i : /^\s*([-+]?)(\d+)/).exec(text);
  const digits = match?.[2];
  if (digits === undefined) {
    return null;
  }
  return Number.parseInt(digits, hex ? 16 : 10) * (match?.[1] === "-" ? -1 : 1);
}

/** One of the parts of a list per direction, as `bs=8k,32k`. */
export interface ListPart {
  readonly text: string;
  /** 0 read, 1 write, 2 trim. */
  readonly index: number;
  /** Another part follows, be it empty; the last one also fills the directions after it. */
  readonly more: boolean;
}

/**
 * Parts as fio walks them: at commas, and for numbers without a comma at `:` or, failing that, `-`.
 * A trailing comma counts as "more follows", which keeps the last part from spreading.
 */
export function listParts(value: string, separators: readonly string[]): ListPart[] {
  const parts: ListPart[] = [];
  let rest = value;
  for (;;) {
    let cut = rest.indexOf(",");
    if (cut >= 0 && cut === rest.length - 1) {
      rest = rest.slice(0, -1);
    } else {
      for (const separator of separators) {
        cut = cut < 0 ? rest.indexOf(separator) : cut;
      }
    }
    const more = cut >= 0;
    parts.push({ text: rest.split(",")[0] ?? "", index: parts.length, more });
    if (!more) {
      return parts;
    }
    rest = rest.slice(cut + 1);
  }
}

/** Puts a value where its part of the list belongs. */
export function assignPart<T>(part: ListPart, value: T, slots: [T, T, T]): void {
  if (part.index < 3) {
    slots[part.index] = value;
  }
  for (let index = part.index + 1; index < 3 && !part.more; index++) {
    slots[index] = value;
  }
}
