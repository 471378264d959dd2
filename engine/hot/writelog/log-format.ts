/** The bytes of a write log on its device; FORMAT.md shows them as a page. */
import { assert } from "../../base/assert.ts";
import { crc32c } from "../../base/crc32c.ts";

/** Offsets of the two copies of the root, which are written in turn. */
export const rootOffsets = [0, 4096] as const;
export const rootBytes = 4096;
/** Where the entry table or the ring begins. */
export const firstAreaBytes = 8192;
export const entryBytes = 64;
/** One block at the head of every record of mode ssd. */
export const controlBlockBytes = 4096;
/** Entries of one record: those whose headers a control block of mode ssd takes (rbd.md 8.9). */
export const entriesPerRecord = 32;

const rootMagic = "osdynoPL";
const formatVersion = 1;
const controlMagic = 0x6c634250;
const longestId = 1024;
const longestUri = 2048;
const epochAt = 128;
const idAt = 132;
const uriAt = idAt + 2 + longestId;

export type WriteLogMode = "ssd" | "pmem";
const modes: readonly WriteLogMode[] = ["ssd", "pmem"];

/** What a root tells; entries are counted from 1 over the life of the log, ring positions never wrap. */
export interface Root {
  /** Of root writes, from 1. */
  readonly sequence: number;
  /** Drawn when the log was made. */
  readonly logId: number;
  readonly mode: WriteLogMode;
  /** Unit of image offsets and lengths. */
  readonly blockBytes: number;
  readonly poolBytes: number;
  readonly imageBytes: number;
  readonly ringStartBytes: number;
  readonly ringBytes: number;
  /** Entries that the log holds at most; in mode pmem the slots of the entry table. */
  readonly entryCapacity: number;
  /** The log was shut down, with nothing in it that the image lacks; never true of one in use. */
  readonly clean: boolean;
  /** Oldest entry that is kept, and where its record begins. */
  readonly firstEntry: number;
  readonly firstPosition: number;
  /** Entries below it are durable in the image. */
  readonly flushedEntry: number;
  readonly currentGeneration: number;
  readonly flushedGeneration: number;
  /** Entries below it were durable in the log when the root was written. */
  readonly durableEntry: number;
  /** Counts openings; entries from `epochEntry` on are of this epoch. */
  readonly epoch: number;
  readonly epochEntry: number;
  readonly imageId: string;
  /** What the log stands before, as it was opened: for `osdyno writelog flush`. */
  readonly imageUri: string;
}

/** Flags of an entry. */
export const entryFlags = Object.freeze({ valid: 1, syncPoint: 2, data: 8, discard: 16, zero: 32 });

export interface EntryHeader {
  readonly sequence: number;
  readonly flags: number;
  /** In the image; of a sync point: the generation it ends. */
  readonly imageOffsetBytes: number;
  readonly lengthBytes: number;
  /** In the ring; of a sync point: when it was made, ns. */
  readonly position: number;
  readonly dataSum: number;
  readonly generation: number;
  readonly durableEntry: number;
}

export interface ControlBlock {
  readonly count: number;
  readonly firstEntry: number;
  readonly position: number;
  /** With the control block. */
  readonly recordBytes: number;
}

/** Marks of one log in one opening, in every entry and control block. */
export interface LogStamp {
  readonly logId: number;
  readonly epoch: number;
}

const viewOf = (bytes: Uint8Array) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function writeU64(view: DataView, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "a number does not fit the write log's format");
  view.setUint32(at, value % 2 ** 32, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

function readU64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

function writeText(bytes: Uint8Array, at: number, text: string, longest: number): void {
  const coded = new TextEncoder().encode(text);
  assert(coded.length <= longest, "a name is too long for the write log's root");
  viewOf(bytes).setUint16(at, coded.length, true);
  bytes.set(coded, at + 2);
}

function readText(bytes: Uint8Array, at: number, longest: number): string {
  const length = Math.min(viewOf(bytes).getUint16(at, true), longest);
  return new TextDecoder().decode(bytes.subarray(at + 2, at + 2 + length));
}

/** The fields of a root that are numbers of 8 bytes, from offset 40. */
const rootNumbers = [
  "poolBytes",
  "imageBytes",
  "ringStartBytes",
  "ringBytes",
  "firstEntry",
  "firstPosition",
  "flushedEntry",
  "currentGeneration",
  "flushedGeneration",
  "durableEntry",
  "epochEntry",
] as const satisfies readonly (keyof Root)[];
const numbersAt = 40;

export function encodeRoot(root: Root): Uint8Array {
  const bytes = new Uint8Array(rootBytes);
  const view = viewOf(bytes);
  for (let at = 0; at < 8; at += 1) {
    bytes[at] = rootMagic.charCodeAt(at);
  }
  view.setUint32(8, formatVersion, true);
  writeU64(view, 16, root.sequence);
  view.setUint32(24, root.logId, true);
  view.setUint8(28, 1 + modes.indexOf(root.mode));
  view.setUint8(29, root.clean ? 1 : 0);
  view.setUint32(32, root.blockBytes, true);
  view.setUint32(36, root.entryCapacity, true);
  for (const [index, name] of rootNumbers.entries()) {
    writeU64(view, numbersAt + 8 * index, root[name]);
  }
  view.setUint32(epochAt, root.epoch, true);
  writeText(bytes, idAt, root.imageId, longestId);
  writeText(bytes, uriAt, root.imageUri, longestUri);
  view.setUint32(12, crc32c(bytes, 16), true);
  return bytes;
}

/** Why a root cannot be used: nothing there, damaged, or of another version. */
export type RootFault = "absent" | "damaged" | "version";

export function decodeRoot(bytes: Uint8Array): Root | RootFault {
  const view = viewOf(bytes);
  let magic = "";
  for (let at = 0; at < 8; at += 1) {
    magic += String.fromCharCode(bytes[at] as number);
  }
  if (magic !== rootMagic) {
    return "absent";
  }
  if (view.getUint32(8, true) !== formatVersion) {
    return "version";
  }
  const mode = modes[view.getUint8(28) - 1];
  if (view.getUint32(12, true) !== crc32c(bytes, 16) || mode === undefined) {
    return "damaged";
  }
  const number = (name: (typeof rootNumbers)[number]) =>
    readU64(view, numbersAt + 8 * rootNumbers.indexOf(name));
  return {
    sequence: readU64(view, 16),
    logId: view.getUint32(24, true),
    mode,
    clean: view.getUint8(29) === 1,
    blockBytes: view.getUint32(32, true),
    entryCapacity: view.getUint32(36, true),
    poolBytes: number("poolBytes"),
    imageBytes: number("imageBytes"),
    ringStartBytes: number("ringStartBytes"),
    ringBytes: number("ringBytes"),
    firstEntry: number("firstEntry"),
    firstPosition: number("firstPosition"),
    flushedEntry: number("flushedEntry"),
    currentGeneration: number("currentGeneration"),
    flushedGeneration: number("flushedGeneration"),
    durableEntry: number("durableEntry"),
    epochEntry: number("epochEntry"),
    epoch: view.getUint32(epochAt, true),
    imageId: readText(bytes, idAt, longestId),
    imageUri: readText(bytes, uriAt, longestUri),
  };
}

/** Memory that headers are written to. */
export interface HeaderTarget {
  readonly bytes: Uint8Array;
  /** Of all of `bytes`. */
  readonly view: DataView;
}

/** Writes an entry's 64 bytes at `at`. */
export function encodeEntry(
  { bytes, view }: HeaderTarget,
  at: number,
  entry: EntryHeader,
  { logId, epoch }: LogStamp,
): void {
  view.setUint32(at + 4, logId, true);
  writeU64(view, at + 8, entry.sequence);
  writeU64(view, at + 16, entry.imageOffsetBytes);
  writeU64(view, at + 24, entry.position);
  view.setUint32(at + 32, entry.lengthBytes, true);
  view.setUint32(at + 36, entry.dataSum, true);
  writeU64(view, at + 40, entry.generation);
  writeU64(view, at + 48, entry.durableEntry);
  view.setUint32(at + 56, epoch, true);
  view.setUint32(at + 60, entry.flags, true);
  view.setUint32(at, crc32c(bytes, at + 4, at + entryBytes), true);
}

/** The entry at `at` and its epoch; `null` when it is torn, of another log, or none at all. */
export function decodeEntry(
  bytes: Uint8Array,
  at: number,
  logId: number,
): { readonly entry: EntryHeader; readonly epoch: number } | null {
  const view = viewOf(bytes);
  const flags = view.getUint32(at + 60, true);
  if (
    view.getUint32(at + 4, true) !== logId ||
    (flags & entryFlags.valid) === 0 ||
    view.getUint32(at, true) !== crc32c(bytes, at + 4, at + entryBytes)
  ) {
    return null;
  }
  return {
    epoch: view.getUint32(at + 56, true),
    entry: {
      sequence: readU64(view, at + 8),
      flags,
      imageOffsetBytes: readU64(view, at + 16),
      position: readU64(view, at + 24),
      lengthBytes: view.getUint32(at + 32, true),
      dataSum: view.getUint32(at + 36, true),
      generation: readU64(view, at + 40),
      durableEntry: readU64(view, at + 48),
    },
  };
}

/** Completes the control block at `at`, whose entries are there already. */
export function encodeControlBlock(
  { bytes, view }: HeaderTarget,
  at: number,
  { count, firstEntry, position, recordBytes }: ControlBlock,
  { logId, epoch }: LogStamp,
): void {
  view.setUint32(at, controlMagic, true);
  view.setUint32(at + 8, logId, true);
  view.setUint32(at + 12, epoch, true);
  writeU64(view, at + 16, firstEntry);
  writeU64(view, at + 24, position);
  writeU64(view, at + 32, recordBytes);
  view.setUint32(at + 40, count, true);
  view.setUint32(at + 4, crc32c(bytes, at + 8, at + entryBytes * (1 + count)), true);
}

/** Offset in the control block of its entry `index`. */
export const controlEntryAt = (index: number) => entryBytes * (1 + index);

export function decodeControlBlock(
  bytes: Uint8Array,
  logId: number,
): { readonly control: ControlBlock; readonly epoch: number } | null {
  const view = viewOf(bytes);
  const count = view.getUint32(40, true);
  if (
    view.getUint32(0, true) !== controlMagic ||
    view.getUint32(8, true) !== logId ||
    count === 0 ||
    count > entriesPerRecord ||
    view.getUint32(4, true) !== crc32c(bytes, 8, entryBytes * (1 + count))
  ) {
    return null;
  }
  return {
    epoch: view.getUint32(12, true),
    control: {
      count,
      firstEntry: readU64(view, 16),
      position: readU64(view, 24),
      recordBytes: readU64(view, 32),
    },
  };
}
