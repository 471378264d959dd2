/** Keys of verification beyond its kind, of trims, and of what buffers hold. */
import { isRefusal, readCpus } from "./compound-value.ts";
import type { SupportedKey } from "./key.ts";
import { bytesKey, choiceKey, countKey, switchKey, wordKey } from "./make-key.ts";
import { readPattern } from "./pattern-value.ts";

/** Bytes of fio's header, which its limits of `verify_interval` and `verify_offset` come from. */
const headerBytes = 40;
const mostVerifiers = 256;

export const checkKeys: readonly SupportedKey[] = [
  bytesKey(
    "verify_interval",
    { default: "the block size", summary: "Bytes that carry a header of their own." },
    { min: 2 * headerBytes },
    (draft, bytes) => {
      draft.checks.intervalBytes = bytes;
    },
  ),
  bytesKey(
    "verify_offset",
    { default: "0", summary: "Where in an interval the header stands." },
    { min: headerBytes },
    (draft, bytes) => {
      draft.checks.headerOffsetBytes = bytes;
    },
  ),
  countKey(
    "verify_backlog",
    { default: "0", summary: "Check after so many writes; 0 = at the end." },
    { max: Number.MAX_SAFE_INTEGER },
    (draft, count) => {
      draft.checks.backlog = count;
    },
  ),
  countKey(
    "verify_backlog_batch",
    { default: "verify_backlog", summary: "Check so many of them at a time." },
    {},
    (draft, count) => {
      draft.checks.backlogBatch = count;
    },
  ),
  countKey(
    "verify_async",
    { default: "0", summary: "Threads that check; 0 = the job's own." },
    { max: mostVerifiers },
    (draft, count) => {
      draft.checks.asyncThreads = count;
    },
  ),
  {
    name: "verify_async_cpus",
    type: "list",
    default: "all",
    summary: "CPUs of these threads: 0,5,8-15.",
    apply: (draft, value) => {
      draft.checks.asyncCpus = value.accept(readCpus(value.text(), value.environment.cpuCount));
    },
  },
  switchKey(
    "verify_dump",
    { default: "0", summary: "Write the block as read and as expected to files on a mismatch." },
    (draft, on) => {
      draft.checks.dump = on;
    },
  ),
  wordKey(
    "verify_only",
    { default: "0", summary: "Do not write: check what an earlier run of this job wrote." },
    (draft, on) => {
      draft.checks.only = on;
    },
  ),
  switchKey(
    "experimental_verify",
    { default: "0", summary: "Draw the operations to check again instead of remembering them." },
    (draft, on, value) => {
      draft.checks.experimental = on;
      if (on) {
        value.note("changes nothing: what must be there is always known from the same stream");
      }
    },
  ),
  switchKey(
    "verify_state_save",
    { default: "1", summary: "A run that ends early leaves a file with how far it came." },
    (draft, on) => {
      draft.checks.saveState = on;
    },
  ),
  switchKey(
    "verify_state_load",
    { default: "0", summary: "Check only as far as that file says." },
    (draft, on) => {
      draft.checks.loadState = on;
    },
  ),
  switchKey(
    "verify_write_sequence",
    { default: "1", summary: "The number of the write in the header must be the one remembered." },
    (draft, on) => {
      draft.checks.checkSequence = on;
    },
  ),
  switchKey(
    "verify_header_seed",
    {
      default: "1",
      summary: "fio checks the seed in its header.",
      noEffect: "the seed in our header is always checked, like offset and number of the write",
    },
    () => {},
  ),
  countKey(
    "trim_percentage",
    { unit: "%", default: "0", summary: "Share of written blocks that a verified job trims." },
    { max: 100 },
    (draft, percent) => {
      draft.trims.percent = percent;
    },
  ),
  switchKey(
    "trim_verify_zero",
    { default: "1", summary: "Trimmed blocks must read as zeroes." },
    (draft, on) => {
      draft.trims.verifyZero = on;
    },
  ),
  countKey(
    "trim_backlog",
    { default: "0", summary: "Trim after so many writes; 0 = at once." },
    { max: Number.MAX_SAFE_INTEGER },
    (draft, count) => {
      draft.trims.backlog = count;
    },
  ),
  countKey(
    "trim_backlog_batch",
    { default: "trim_backlog", summary: "Trim so many of them at a time." },
    {},
    (draft, count) => {
      draft.trims.backlogBatch = count;
    },
  ),
];

export const contentKeys: readonly SupportedKey[] = [
  switchKey(
    "scramble_buffers",
    { default: "1", summary: "Change a little of the content for every write." },
    (draft, on) => {
      draft.content.scramble = on;
    },
  ),
  {
    name: "buffer_pattern",
    type: "pattern",
    default: "",
    summary: "Content of writes: 0xHEX, decimal, \"text\", 'file', %o for the offset.",
    apply: (draft, value) => {
      const pattern = readPattern(value.text(), value.patternFile);
      if (isRefusal(pattern)) {
        throw value.refuse(pattern.refused);
      }
      draft.content.pattern = pattern.bytes;
      draft.content.patternOffsets = pattern.offsets;
    },
  },
  bytesKey(
    "buffer_compress_chunk",
    { default: "512", summary: "Bytes of which the given share compresses away." },
    { min: 1, max: 2 ** 30 },
    (draft, bytes) => {
      draft.content.compressChunkBytes = bytes;
    },
  ),
  countKey(
    "dedupe_percentage",
    { unit: "%", default: "0", summary: "Share of writes that repeat earlier content." },
    { max: 100 },
    (draft, percent) => {
      draft.content.dedupePercent = percent;
    },
  ),
  choiceKey(
    "dedupe_mode",
    {
      default: "repeat",
      summary: "Repeat the last content, or one of a working set.",
      choices: ["repeat", "working_set"],
    },
    (draft, mode) => {
      draft.content.dedupeMode = mode;
    },
  ),
  countKey(
    "dedupe_working_set_percentage",
    { unit: "%", default: "5", summary: "Size of that set, percent of the job's size." },
    { max: 100 },
    (draft, percent) => {
      draft.content.dedupeWorkingSetPercent = percent;
    },
  ),
  switchKey(
    "dedupe_global",
    { default: "0", summary: "One working set for all jobs that have this key." },
    (draft, on) => {
      draft.content.dedupeGlobal = on;
    },
  ),
];
