/** Usage by pool: four 64-bit numbers that are added by merging, so that no transaction reads them. */
import type { KeyValueStore } from "../../hot/kv/kv.ts";
import { keyOfPlace } from "../object-key.ts";
import { noShard } from "../object-name.ts";
import { prefixes } from "./keys.ts";
import { UsageDelta } from "./txc.ts";
import { bytesOfKey } from "./wire.ts";

/** The pool as it stands in the keys of objects. */
export function poolKey(pool: number): Uint8Array {
  return bytesOfKey(keyOfPlace(noShard, pool, 0).slice(1, 9));
}

function poolOf(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return (view.getUint32(0) - 2 ** 31) * 2 ** 32 + view.getUint32(4);
}

const record = new Uint8Array(32);
const view = new DataView(record.buffer);

function putSigned(at: number, value: number): void {
  const high = Math.floor(value / 2 ** 32);
  view.setUint32(at, value - high * 2 ** 32, true);
  view.setInt32(at + 4, high, true);
}

/** Valid until the next call. */
export function usageRecord(delta: UsageDelta): Uint8Array {
  putSigned(0, delta.allocated);
  putSigned(8, delta.stored);
  putSigned(16, delta.compressedOriginal);
  putSigned(24, delta.compressedAllocated);
  return record;
}

export function usageOfRecord(pool: number, value: Uint8Array): UsageDelta {
  const from = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const signed = (at: number): number =>
    from.getInt32(at + 4, true) * 2 ** 32 + from.getUint32(at, true);
  const usage = new UsageDelta();
  usage.reset(pool);
  usage.allocated = signed(0);
  usage.stored = signed(8);
  usage.compressedOriginal = signed(16);
  usage.compressedAllocated = signed(24);
  return usage;
}

export function loadUsage(kv: KeyValueStore, into: Map<number, UsageDelta>): void {
  for (const { key, value } of kv.scan(prefixes.usage, new Uint8Array(0), undefined, 1e9)) {
    const pool = poolOf(key);
    into.set(pool, usageOfRecord(pool, value));
  }
}
