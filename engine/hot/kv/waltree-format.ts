/** The bytes of waltree on a device; WALTREE.md shows them as a page. */
import { crc32 } from "node:zlib";
import { assert } from "../../base/assert.ts";
import { readU32, writeU32 } from "./page.ts";

/** Offsets of the two copies of the superblock; the device's first block holds the store's label. */
export const superblockOffsets = [4096, 8192] as const;
export const superblockBytes = 4096;
/** Areas never begin below this. */
export const reservedBytes = 65_536;
/**
 * Fragments are padded to this at least: a device that writes 4 KiB at a time under 512-byte blocks
 * would read, change and write again a neighbour that is durable already.
 */
export const leastBlockBytes = 4096;

const superblockMagic = "osdynoWT";
/** 2: commits may have premises. */
const formatVersion = 2;
const oldestVersion = 1;
const superblockHeaderBytes = 112;
/** Extents listed in the superblock; a stream tells of further ones itself. */
export const inlineExtentLimit = 120;
const extentBytes = 16;

export interface DiskExtent {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** Where reading a stream of fragments begins. */
export interface StreamStart {
  readonly extents: readonly DiskExtent[];
  /** Offset of the first fragment; in the first extent. */
  readonly offsetBytes: number;
  /** Of the first fragment. */
  readonly sequence: number;
  /** Checksum of the fragment before it; 0: there is none. */
  readonly chain: number;
}

export interface Superblock {
  /** Of superblock writes, from 1. */
  readonly sequence: number;
  /** Drawn when the store was made; two words. */
  readonly storeId: readonly [number, number];
  readonly blockBytes: number;
  /** The log is on the wal device. */
  readonly separateLog: boolean;
  /** Number of the checkpoint; its fragments bear it. 0: none yet. */
  readonly checkpointNumber: number;
  readonly checkpoint: StreamStart;
  readonly log: StreamStart;
  /** Fragments of the log up to this one were durable when the superblock was written. */
  readonly durableSequence: number;
}

function writeU64(bytes: Uint8Array, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "a number does not fit the format");
  writeU32(bytes, at, value % 2 ** 32);
  writeU32(bytes, at + 4, Math.floor(value / 2 ** 32));
}

function readU64(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 4) * 2 ** 32 + readU32(bytes, at);
}

function writeExtents(bytes: Uint8Array, at: number, extents: readonly DiskExtent[]): number {
  let place = at;
  for (const { offsetBytes, lengthBytes } of extents) {
    writeU64(bytes, place, offsetBytes);
    writeU64(bytes, place + 8, lengthBytes);
    place += extentBytes;
  }
  return place;
}

function readExtents(bytes: Uint8Array, at: number, count: number): DiskExtent[] {
  return Array.from({ length: count }, (_, index) => ({
    offsetBytes: readU64(bytes, at + index * extentBytes),
    lengthBytes: readU64(bytes, at + index * extentBytes + 8),
  }));
}

export function encodeSuperblock(superblock: Superblock): Uint8Array {
  const { checkpoint, log } = superblock;
  assert(
    checkpoint.extents.length <= inlineExtentLimit && log.extents.length <= inlineExtentLimit,
    "a superblock lists too many extents",
  );
  const bytes = new Uint8Array(superblockBytes);
  for (let at = 0; at < 8; at += 1) {
    bytes[at] = superblockMagic.charCodeAt(at);
  }
  writeU32(bytes, 8, formatVersion);
  writeU64(bytes, 16, superblock.sequence);
  writeU32(bytes, 24, superblock.storeId[0]);
  writeU32(bytes, 28, superblock.storeId[1]);
  writeU32(bytes, 32, superblock.blockBytes);
  writeU32(bytes, 36, superblock.separateLog ? 1 : 0);
  writeU64(bytes, 40, superblock.durableSequence);
  writeU32(bytes, 48, superblock.checkpointNumber);
  writeU32(bytes, 52, checkpoint.extents.length);
  writeU32(bytes, 56, log.extents.length);
  writeU32(bytes, 60, log.chain);
  writeU64(bytes, 64, log.offsetBytes);
  writeU64(bytes, 72, log.sequence);
  const next = writeExtents(bytes, superblockHeaderBytes, checkpoint.extents);
  writeExtents(bytes, next, log.extents);
  writeU32(bytes, 12, crc32(bytes.subarray(16)));
  return bytes;
}

/** Why a superblock cannot be used: nothing there, damaged, or of another version. */
export type SuperblockFault = "absent" | "damaged" | "version";

export function decodeSuperblock(bytes: Uint8Array): Superblock | SuperblockFault {
  let magic = "";
  for (let at = 0; at < 8; at += 1) {
    magic += String.fromCharCode(bytes[at] as number);
  }
  if (magic !== superblockMagic) {
    return "absent";
  }
  if (readU32(bytes, 12) !== crc32(bytes.subarray(16))) {
    return "damaged";
  }
  const version = readU32(bytes, 8);
  if (version < oldestVersion || version > formatVersion) {
    return "version";
  }
  const checkpoints = readU32(bytes, 52);
  const logs = readU32(bytes, 56);
  if (checkpoints > inlineExtentLimit || logs > inlineExtentLimit) {
    return "damaged";
  }
  const extents = readExtents(bytes, superblockHeaderBytes, checkpoints);
  return {
    sequence: readU64(bytes, 16),
    storeId: [readU32(bytes, 24), readU32(bytes, 28)],
    blockBytes: readU32(bytes, 32),
    separateLog: readU32(bytes, 36) === 1,
    durableSequence: readU64(bytes, 40),
    checkpointNumber: readU32(bytes, 48),
    checkpoint: { extents, offsetBytes: extents[0]?.offsetBytes ?? 0, sequence: 1, chain: 0 },
    log: {
      extents: readExtents(bytes, superblockHeaderBytes + checkpoints * extentBytes, logs),
      offsetBytes: readU64(bytes, 64),
      sequence: readU64(bytes, 72),
      chain: readU32(bytes, 60),
    },
  };
}

export const fragmentMagic = 0x4b545744;
export const fragmentHeaderBytes = 48;

export const fragmentKinds = Object.freeze({
  /** Part of a group of batches: each u32 length, records. */
  commit: 1,
  /** Extents that follow the known ones. */
  grow: 2,
  /** Part of a run of records in order of their keys. */
  entries: 3,
  /** Ends a checkpoint: u64 keys, u64 bytes of all records. */
  end: 4,
  /** As `commit`, behind its premises: u32 bytes of them, premises. */
  premised: 5,
});
export type FragmentKind = (typeof fragmentKinds)[keyof typeof fragmentKinds];

/** The payload is the last of several fragments that belong together. */
export const flagLast = 1;

export interface FragmentHead {
  readonly kind: FragmentKind;
  readonly flags: number;
  /** Of its stream, from 1, without gaps. */
  readonly sequence: number;
  /** What was known to be durable of the stream when this was written. */
  readonly durableSequence: number;
  /** Checksum of the fragment before. */
  readonly chain: number;
  readonly payloadBytes: number;
}

/** The stream that a fragment belongs to: the store, and 0 for its log or the checkpoint's number. */
export interface StreamId {
  readonly storeId: readonly [number, number];
  readonly number: number;
}

/** Writes the head before a payload that stands at its place already; returns the checksum. */
export function sealFragment(bytes: Uint8Array, id: StreamId, head: FragmentHead): number {
  writeU32(bytes, 0, fragmentMagic);
  writeU32(bytes, 8, id.storeId[0]);
  writeU32(bytes, 12, id.storeId[1]);
  writeU32(bytes, 16, id.number);
  writeU32(bytes, 20, head.kind + (head.flags << 8));
  writeU64(bytes, 24, head.sequence);
  writeU64(bytes, 32, head.durableSequence);
  writeU32(bytes, 40, head.chain);
  writeU32(bytes, 44, head.payloadBytes);
  const sum = crc32(bytes.subarray(8, fragmentHeaderBytes + head.payloadBytes));
  writeU32(bytes, 4, sum);
  return sum;
}

/**
 * The head of the fragment that `bytes` begin with; `null` when there is none of that stream. Only a
 * whole one, whose checksum is right, counts: `bytes` MUST reach as far as a fragment can.
 */
export function openFragment(bytes: Uint8Array, id: StreamId): FragmentHead | null {
  if (bytes.length < fragmentHeaderBytes || readU32(bytes, 0) !== fragmentMagic) {
    return null;
  }
  const payloadBytes = readU32(bytes, 44);
  const own =
    readU32(bytes, 8) === id.storeId[0] &&
    readU32(bytes, 12) === id.storeId[1] &&
    readU32(bytes, 16) === id.number;
  const end = fragmentHeaderBytes + payloadBytes;
  if (!own || end > bytes.length || readU32(bytes, 4) !== crc32(bytes.subarray(8, end))) {
    return null;
  }
  const mixed = readU32(bytes, 20);
  return {
    kind: (mixed & 0xff) as FragmentKind,
    flags: (mixed >>> 8) & 0xff,
    sequence: readU64(bytes, 24),
    durableSequence: readU64(bytes, 32),
    chain: readU32(bytes, 40),
    payloadBytes,
  };
}

export function checksumOf(bytes: Uint8Array): number {
  return readU32(bytes, 4);
}

/** Bytes that a `grow` payload of so many extents takes. */
export function growPayloadBytes(extents: number): number {
  return extents * extentBytes;
}

export function encodeGrow(into: Uint8Array, at: number, extents: readonly DiskExtent[]): void {
  writeExtents(into, at, extents);
}

export function decodeGrow(payload: Uint8Array): DiskExtent[] {
  return readExtents(payload, 0, Math.floor(payload.length / extentBytes));
}

export function encodeEnd(keys: number, bytes: number): Uint8Array {
  const payload = new Uint8Array(16);
  writeU64(payload, 0, keys);
  writeU64(payload, 8, bytes);
  return payload;
}

export function decodeEnd(payload: Uint8Array): { readonly keys: number; readonly bytes: number } {
  return { keys: readU64(payload, 0), bytes: readU64(payload, 8) };
}

export function alignUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
