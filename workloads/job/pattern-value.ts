/** `verify_pattern`, `buffer_pattern`: numbers, "text", 'file' and %o, one after the other. */
import { isRefusal, type Refusal } from "./compound-value.ts";

export interface PatternBytes {
  readonly bytes: readonly number[];
  /** Where the 8-byte offset of the block goes. */
  readonly offsets: readonly number[];
}

/** The first bytes of a file, `null` when there is none. */
export type PatternFile = (path: string) => Uint8Array | null;

/** fio's limit. */
const longestPattern = 512;
const offsetBytes = 8;

/** The bytes of a pattern. Hexadecimal digits stand in the order of bytes; decimals are little-endian. */
export function readPattern(text: string, readFile: PatternFile): PatternBytes | Refusal {
  const bytes: number[] = [];
  const offsets: number[] = [];
  let rest = text;
  while (rest !== "") {
    const taken = takeElement(rest, readFile);
    if (isRefusal(taken)) {
      return taken;
    }
    if (taken.isOffset) {
      offsets.push(bytes.length);
    }
    bytes.push(...taken.bytes);
    rest = rest.slice(taken.length);
    if (bytes.length > longestPattern) {
      return { refused: `the pattern is longer than ${longestPattern} bytes` };
    }
  }
  return bytes.length === 0 ? { refused: "the pattern is empty" } : { bytes, offsets };
}

interface Element {
  readonly bytes: readonly number[];
  readonly length: number;
  readonly isOffset: boolean;
}

function takeElement(text: string, readFile: PatternFile): Element | Refusal {
  if (text.startsWith("%o")) {
    return { bytes: new Array<number>(offsetBytes).fill(0), length: 2, isOffset: true };
  }
  if (text.startsWith('"')) {
    const end = text.indexOf('"', 1);
    if (end < 2) {
      return { refused: `the text ${text} has no closing quote or is empty` };
    }
    const bytes = [...new TextEncoder().encode(text.slice(1, end))];
    return { bytes, length: end + 1, isOffset: false };
  }
  if (text.startsWith("'")) {
    return takeFile(text, readFile);
  }
  // A hexadecimal number ends where the next one begins: 0xff0x14.
  const hex = /^0[xX]((?:(?!0[xX])[0-9a-fA-F])+)/.exec(text);
  if (hex !== null) {
    return { bytes: hexBytes(hex[1] ?? ""), length: hex[0].length, isOffset: false };
  }
  const decimal = /^\s*[-+]?(?:(?!0[xX])\d)+/.exec(text);
  if (decimal === null) {
    return { refused: `${text} is no number, "text" or %o` };
  }
  const value = Number(decimal[0]);
  if (value > 2 ** 31 - 1 || value < -(2 ** 31)) {
    return { refused: `${decimal[0]} does not fit 32 bits` };
  }
  return { bytes: littleEndian(value), length: decimal[0].length, isOffset: false };
}

function takeFile(text: string, readFile: PatternFile): Element | Refusal {
  const end = text.indexOf("'", 1);
  if (end < 2) {
    return { refused: `the file ${text} has no closing quote or no name` };
  }
  const bytes = readFile(text.slice(1, end));
  if (bytes === null || bytes.length === 0) {
    return { refused: `the file ${text.slice(0, end + 1)} does not exist or is empty` };
  }
  return { bytes: [...bytes], length: end + 1, isOffset: false };
}

/** Of an odd number of digits the first is a byte of its own. */
function hexBytes(digits: string): number[] {
  const even = digits.length % 2 === 0 ? digits : `0${digits}`;
  return (even.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
}

function littleEndian(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value >>> 0; rest > 0; rest >>>= 8) {
    bytes.push(rest & 0xff);
  }
  return bytes.length === 0 ? [0] : bytes;
}
