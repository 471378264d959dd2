/** Keys of direction and block size, whose rules depend on each other. */
import { readRange, readSplit, splitDirections } from "./compound-value.ts";
import type { GivenValue } from "./given-value.ts";
import type { SupportedKey } from "./key.ts";
import type { RwMode } from "./model.ts";
import { assignPart, listParts } from "./number-value.ts";

/** Buffers are allocated per slot of the queue; larger blocks are a typing error. */
export const largestBlockBytes = 2 ** 30;

const modes: readonly (RwMode | "readwrite")[] = [
  "read",
  "write",
  "trim",
  "randread",
  "randwrite",
  "randtrim",
  "rw",
  "readwrite",
  "randrw",
  "trimwrite",
  "randtrimwrite",
];

function checkBlock(value: GivenValue, bytes: number): number {
  if (bytes > largestBlockBytes) {
    throw value.refuse(`a block of ${bytes} bytes; at most 1g is supported here`);
  }
  return bytes;
}

export const blockKeys: readonly SupportedKey[] = [
  {
    name: "rw",
    aliases: ["readwrite"],
    type: "choice",
    default: "read",
    summary: "Direction and order: read, write, trim, rw, randread, ..., with :N as postfix.",
    apply: (draft, value) => {
      const [mode, postfix] = value.choiceWithPostfix(modes);
      draft.rw = mode === "readwrite" ? "rw" : mode;
      draft.rwPostfix = postfix;
    },
  },
  {
    name: "rwmixread",
    type: "number",
    unit: "%",
    default: "50",
    summary: "Share of reads in a mixed job.",
    apply: (draft, value) => {
      draft.rwmixread = value.count({ max: 100 }, "last");
    },
  },
  {
    name: "rwmixwrite",
    type: "number",
    unit: "%",
    default: "50",
    summary: "Share of writes in a mixed job; the later of the two keys counts.",
    apply: (draft, value) => {
      draft.rwmixread = 100 - value.count({ max: 100 }, "last");
    },
  },
  {
    name: "bs",
    aliases: ["blocksize"],
    type: "size",
    unit: "bytes",
    default: "4k",
    summary: "Block size, for read, write, trim.",
    apply: (draft, value) => {
      value.triple(draft.bs, { min: 1, max: largestBlockBytes });
      if (draft.bsMin.some((min) => min > 0)) {
        value.note(
          "has no effect where bsrange or bssplit is set, also by [global]: they win in fio",
        );
      }
    },
  },
  {
    name: "bsrange",
    aliases: ["blocksize_range"],
    type: "range",
    unit: "bytes",
    default: "bs",
    summary: "Range of block sizes, lo-hi, for read, write, trim.",
    apply: (draft, value) => {
      for (const part of listParts(value.text(), [])) {
        if (part.text === "") {
          continue;
        }
        const range = value.accept(readRange(part.text, value.kbBase));
        checkBlock(value, range.max);
        if (range.swapped) {
          value.note(`the range is reversed; fio swaps it to ${range.min}-${range.max}`);
        }
        assignPart(part, range.min, draft.bsMin);
        assignPart(part, range.max, draft.bsMax);
      }
    },
  },
  {
    name: "bssplit",
    type: "split",
    unit: "bytes/%",
    default: "bs",
    summary: "Block sizes by share: 4k/60:64k/40, for read, write, trim.",
    apply: (draft, value) => {
      for (const [index, text] of splitDirections(value.text().trim()).entries()) {
        const entries = value.read(readSplit(text, value.kbBase));
        const slot = index as 0 | 1 | 2;
        if (entries !== null) {
          const sizes = entries.map((entry) => checkBlock(value, entry.bytes));
          draft.bsSplit[slot] = entries;
          draft.bsMin[slot] = Math.min(...sizes);
          draft.bsMax[slot] = Math.max(...sizes);
        }
      }
    },
  },
  {
    name: "ba",
    aliases: ["blockalign"],
    type: "size",
    unit: "bytes",
    default: "the smallest block size",
    summary: "Alignment of random offsets, for read, write, trim.",
    apply: (draft, value) => {
      value.triple(draft.blockAlign, { min: 1, max: largestBlockBytes });
    },
  },
];
