/**
 * Keys of objects: shard, pool, reversed hash, namespace, key and name, snapshot, generation, 'o'.
 * Their byte order is the order of `compareObjects`.
 */
import { assert } from "../base/assert.ts";
import {
  compareText,
  effectiveKey,
  maxObject,
  noGeneration,
  type ObjectName,
  objectName,
  reverseBits,
  snapDirectory,
  snapHead,
} from "./object-name.ts";

const shardBias = 0x80;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** 32 bits, most significant byte first. */
export function keyOfU32(word: number): string {
  return String.fromCharCode(word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255);
}

export function u32OfKey(key: string, at: number): number {
  return (
    key.charCodeAt(at) * 2 ** 24 +
    ((key.charCodeAt(at + 1) << 16) | (key.charCodeAt(at + 2) << 8) | key.charCodeAt(at + 3))
  );
}

/** A safe integer from 0 in 64 bits, most significant byte first. */
export function keyOfU64(value: number): string {
  return keyOfU32(Math.floor(value / 2 ** 32)) + keyOfU32((value % 2 ** 32) >>> 0);
}

export function u64OfKey(key: string, at: number): number {
  return u32OfKey(key, at) * 2 ** 32 + u32OfKey(key, at + 4);
}

/** A signed integer, so that the byte order is the order of the numbers. */
function keyOfPool(pool: number): string {
  const high = Math.floor(pool / 2 ** 32);
  return keyOfU32((high + 2 ** 31) >>> 0) + keyOfU32(pool - high * 2 ** 32);
}

function poolOfKey(key: string, at: number): number {
  return (u32OfKey(key, at) - 2 ** 31) * 2 ** 32 + u32OfKey(key, at + 4);
}

/** Largest values are special ones: `top` is 2^64 - 1, `top - 1` is 2^64 - 2. */
function keyOfTopped(value: number, special: number): string {
  if (value >= special) {
    const low = value === Number.MAX_SAFE_INTEGER ? 0xffffffff : 0xfffffffe;
    return keyOfU32(0xffffffff) + keyOfU32(low);
  }
  return keyOfU64(value);
}

function toppedOfKey(key: string, at: number): number {
  if (u32OfKey(key, at) === 0xffffffff) {
    return Number.MAX_SAFE_INTEGER - (0xffffffff - u32OfKey(key, at + 4));
  }
  return u64OfKey(key, at);
}

function isPlain(code: number): boolean {
  return code > 0x23 && code < 0x7e;
}

function escapeByte(byte: number): string {
  if (isPlain(byte)) {
    return String.fromCharCode(byte);
  }
  return (byte <= 0x23 ? "#" : "~") + byte.toString(16).padStart(2, "0");
}

/** Bytes up to '#' become "#xx", from '~' on "~xx"; '!' ends, which sorts before all of these. */
function escapeText(text: string): string {
  let plain = true;
  for (let index = 0; index < text.length && plain; index += 1) {
    plain = isPlain(text.charCodeAt(index));
  }
  if (plain) {
    return `${text}!`;
  }
  let escaped = "";
  for (const byte of encoder.encode(text)) {
    escaped += escapeByte(byte);
  }
  return `${escaped}!`;
}

/** Text from `at` to its end mark; `next` is set beyond the mark. */
function unescapeText(key: string, at: number): { text: string; next: number } {
  const end = key.indexOf("!", at);
  assert(end >= 0, "an object's key has no end of its text");
  const raw = key.slice(at, end);
  if (!/[#~]/.test(raw)) {
    return { text: raw, next: end + 1 };
  }
  const bytes: number[] = [];
  for (let index = 0; index < raw.length; index += 1) {
    const character = raw[index] as string;
    if (character === "#" || character === "~") {
      bytes.push(Number.parseInt(raw.slice(index + 1, index + 3), 16));
      index += 2;
    } else {
      bytes.push(raw.charCodeAt(index));
    }
  }
  return { text: decoder.decode(Uint8Array.from(bytes)), next: end + 1 };
}

/** Everything before the namespace: the objects of one shard, pool and hash share it. */
export function keyOfPlace(shard: number, pool: number, reversedHash: number): string {
  return String.fromCharCode(shard + shardBias) + keyOfPool(pool) + keyOfU32(reversedHash);
}

const marks = ["<", "=", ">"] as const;

function encode(object: ObjectName): string {
  const key = effectiveKey(object);
  // How the name stands to the key comes before the name, so that the order of the names holds.
  const mark = marks[compareText(object.name, key) + 1] as string;
  return `${keyOfPlace(object.shard, object.pool, reverseBits(object.hash))}${escapeText(
    object.nspace,
  )}${escapeText(key)}${mark}${mark === "=" ? "" : escapeText(object.name)}${keyOfTopped(
    object.snap,
    snapHead,
  )}${keyOfTopped(object.generation, noGeneration)}o`;
}

/** The key of an object; made once per name. */
export function keyOfObject(object: ObjectName): string {
  if (object.encoded === "") {
    object.encoded = encode(object);
  }
  return object.encoded;
}

/** The object of a key that `keyOfObject` made; throws when it is none. */
export function objectOfKey(key: string): ObjectName {
  if (key === maxObject.encoded) {
    return maxObject;
  }
  const nspace = unescapeText(key, 13);
  const locator = unescapeText(key, nspace.next);
  const equal = key[locator.next] === "=";
  const name = equal
    ? { text: locator.text, next: locator.next + 1 }
    : unescapeText(key, locator.next + 1);
  assert(key.length === name.next + 17 && key.endsWith("o"), "an object's key has a wrong length");
  const object = objectName({
    shard: key.charCodeAt(0) - shardBias,
    pool: poolOfKey(key, 1),
    hash: reverseBits(u32OfKey(key, 9)),
    nspace: nspace.text,
    key: equal ? "" : locator.text,
    name: name.text,
    snap: toppedOfKey(key, name.next),
    generation: toppedOfKey(key, name.next + 8),
  });
  assert(object.snap <= snapDirectory, "an object's key has a snapshot beyond the range");
  object.encoded = key;
  return object;
}
