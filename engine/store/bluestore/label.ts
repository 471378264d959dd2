/** The label in the first block of a device: that it belongs to a store, to which one, and as what. */
import { crc32c } from "../../base/crc32c.ts";
import { OsdynoError } from "../../base/error.ts";
import type { KvDeviceRole } from "../../hot/kv/kv.ts";
import type { Random } from "../../port/random.ts";
import { formatVersion } from "./superblock.ts";
import { WireReader, WireWriter } from "./wire.ts";

/** Bytes at a device's start that hold no data: the label, and the key-value store's superblocks. */
export const reservedBytes = 65536;
export const labelBytes = 4096;
/** First byte that data may be at. */
export function firstDataByte(unitBytes: number): number {
  return Math.max(reservedBytes, unitBytes);
}

/** The first bytes of a label. */
export const labelMagic = "osdyno bluestore device\n";

export interface DeviceLabel {
  readonly version: number;
  /** 128 bits in hexadecimal; the same on all devices of a store. */
  readonly storeId: string;
  readonly role: KvDeviceRole;
  readonly sizeBytes: number;
  /** The key-value store that holds the metadata. */
  readonly kv: string;
  /** On the main device: where its other devices were when it was made; empty: it has none. */
  readonly db: string;
  readonly wal: string;
}

const roles: readonly KvDeviceRole[] = ["main", "db", "wal"];

export function newStoreId(random: Random): string {
  let id = "";
  for (let word = 0; word < 4; word += 1) {
    id += random.bits32().toString(16).padStart(8, "0");
  }
  return id;
}

export function encodeLabel(label: DeviceLabel): Uint8Array {
  const writer = new WireWriter();
  for (let index = 0; index < labelMagic.length; index += 1) {
    writer.u8(labelMagic.charCodeAt(index));
  }
  writer.u32(label.version);
  writer.u8(roles.indexOf(label.role));
  writer.u64(label.sizeBytes);
  writer.text(label.storeId);
  writer.text(label.kv);
  writer.text(label.db);
  writer.text(label.wal);
  if (writer.length > labelBytes - 4) {
    throw new OsdynoError("bad-input", "the paths of the store's devices are too long");
  }
  const block = new Uint8Array(labelBytes);
  block.set(writer.bytes.subarray(0, writer.length));
  writer.reset();
  writer.u32(crc32c(block, 0, labelBytes - 4));
  block.set(writer.bytes.subarray(0, 4), labelBytes - 4);
  return block;
}

/** Throws `bad-input` with one line when the block is no label, or one that cannot be read here. */
export function decodeLabel(block: Uint8Array, device: string): DeviceLabel {
  const magic = String.fromCharCode(...block.subarray(0, labelMagic.length));
  if (magic !== labelMagic) {
    throw new OsdynoError(
      "bad-input",
      `${device}: has no object store's label; make a store first`,
    );
  }
  const reader = new WireReader();
  try {
    reader.open(block.subarray(0, labelBytes), "label");
  } catch (error) {
    throw new OsdynoError("io", `${device}: the label is damaged`, {}, error);
  }
  reader.raw(labelMagic.length);
  const version = reader.u32();
  if (version !== formatVersion) {
    throw new OsdynoError(
      "bad-input",
      `${device}: the label has version ${version}; this version reads ${formatVersion} only`,
    );
  }
  const role = roles[reader.u8()] ?? reader.fail("an unknown role");
  const sizeBytes = reader.u64();
  const storeId = reader.text();
  const kv = reader.text();
  const db = reader.text();
  return { version, role, sizeBytes, storeId, kv, db, wal: reader.text() };
}
