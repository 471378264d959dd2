/** Prefixes and fixed keys of the store's records in the key-value store. */
import { keyOfU64, u64OfKey } from "../object-key.ts";
import { bytesOfKey, keyOfBytes } from "./wire.ts";

export const prefixes = Object.freeze({
  /** Values of the superblock, by their names. */
  super: "S",
  /** Usage by pool. */
  usage: "T",
  collections: "C",
  /** Onodes and shards of extent maps. */
  onodes: "O",
  /** omap of the objects of placement groups. */
  omap: "p",
  /** Deferred writes, by sequence number. */
  deferred: "L",
  /** What the freelist is, or the free extents as of the last clean end. */
  freelistMeta: "B",
  /** The freelist's bits. */
  freelistBits: "b",
  sharedBlobs: "X",
});

/** How the records of a prefix are merged. */
export const mergeOperators = Object.freeze({
  [prefixes.freelistBits]: "xor",
  [prefixes.usage]: "addInt64",
} as const);

export function u64Key(value: number): Uint8Array {
  return bytesOfKey(keyOfU64(value));
}

export function u64OfBytes(key: Uint8Array): number {
  return u64OfKey(keyOfBytes(key), 0);
}

/** In the key of a pair, behind the object's part; the header's sorts before every pair. */
export const omapMarks = Object.freeze({ header: "-", pair: ".", end: "~" });

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A user's key as characters of one byte each. */
export function latinOf(text: string): string {
  return keyOfBytes(encoder.encode(text));
}

export function textOf(latin: string): string {
  return decoder.decode(bytesOfKey(latin));
}
