/** Values that hold for the whole store: some fixed when it is made, some that move on. */
import { OsdynoError } from "../../base/error.ts";
import type { KeyValueStore, KvBatch } from "../../hot/kv/kv.ts";
import { type FreelistKind, freelistKinds } from "./freelist.ts";
import { prefixes } from "./keys.ts";
import { bytesOfKey, CorruptRecord, WireReader, WireWriter } from "./wire.ts";

/** Stores of another format are not opened. */
export const formatVersion = 1;

/** Fixed by mkfs. */
export interface StoreGeometry {
  /** Of the part that objects may use, from the device's start; a multiple of `unitBytes`. */
  readonly sizeBytes: number;
  readonly unitBytes: number;
  readonly blockBytes: number;
  readonly freelist: FreelistKind;
  readonly freelistUnitsPerKey: number;
}

export interface Superblock extends StoreGeometry {
  readonly nidMax: number;
  readonly blobIdMax: number;
}

const keys = Object.freeze({
  geometry: bytesOfKey("geometry"),
  nidMax: bytesOfKey("nid_max"),
  blobIdMax: bytesOfKey("blobid_max"),
});

function u64Record(value: number): Uint8Array {
  const writer = new WireWriter();
  writer.u64(value);
  return writer.seal(0);
}

export function saveGeometry(batch: KvBatch, geometry: StoreGeometry): void {
  const writer = new WireWriter();
  writer.u32(formatVersion);
  writer.u64(geometry.sizeBytes);
  writer.u32(geometry.unitBytes);
  writer.u32(geometry.blockBytes);
  writer.u8(freelistKinds.indexOf(geometry.freelist));
  writer.u32(geometry.freelistUnitsPerKey);
  batch.set(prefixes.super, keys.geometry, writer.seal(0));
}

export function saveIdLimits(batch: KvBatch, nidMax: number, blobIdMax: number): void {
  batch.set(prefixes.super, keys.nidMax, u64Record(nidMax));
  batch.set(prefixes.super, keys.blobIdMax, u64Record(blobIdMax));
}

/** The limits of numbers; `null` where the record is missing or damaged. */
export function loadIdLimits(
  kv: KeyValueStore,
): Readonly<Record<"nidMax" | "blobIdMax", number | null>> {
  const read = (key: Uint8Array): number | null => {
    try {
      const value = kv.get(prefixes.super, key);
      return value === undefined ? null : new WireReader().open(value, "a limit").u64();
    } catch (error) {
      if (error instanceof CorruptRecord) {
        return null;
      }
      throw error;
    }
  };
  return { nidMax: read(keys.nidMax), blobIdMax: read(keys.blobIdMax) };
}

function readRecord(kv: KeyValueStore, key: Uint8Array, what: string, device: string): WireReader {
  const value = kv.get(prefixes.super, key);
  if (value === undefined) {
    throw new OsdynoError("io", `${device}: the store has no ${what}: it was not made completely`);
  }
  return new WireReader().open(value, what);
}

/** Throws `io` or `bad-input` with one line when it is missing, damaged or of another format. */
export function loadGeometry(kv: KeyValueStore, device: string): StoreGeometry {
  try {
    const reader = readRecord(kv, keys.geometry, "geometry", device);
    const version = reader.u32();
    if (version !== formatVersion) {
      throw new OsdynoError(
        "bad-input",
        `${device}: the store has format ${version}; this version reads ${formatVersion} only`,
      );
    }
    return {
      sizeBytes: reader.u64(),
      unitBytes: reader.u32(),
      blockBytes: reader.u32(),
      freelist: freelistKinds[reader.u8()] ?? reader.fail("an unknown freelist"),
      freelistUnitsPerKey: reader.u32(),
    };
  } catch (error) {
    if (error instanceof CorruptRecord) {
      throw new OsdynoError("io", `${device}: ${error.message}`, {}, error);
    }
    throw error;
  }
}

/** Throws as `loadGeometry`, and `CorruptRecord`. */
export function loadSuperblock(kv: KeyValueStore, device: string): Superblock {
  const limit = (key: Uint8Array, what: string): number => readRecord(kv, key, what, device).u64();
  return {
    ...loadGeometry(kv, device),
    nidMax: limit(keys.nidMax, "limit of object numbers"),
    blobIdMax: limit(keys.blobIdMax, "limit of blob numbers"),
  };
}
