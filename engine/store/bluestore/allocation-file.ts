/**
 * The allocation file: space without data as of a clean end, for stores that keep no freelist
 * (`bluestore_allocation_from_file`). It bears the number of the mount that wrote it; each mount for
 * writing takes the next number and commits it before anything changes, so that a file of an earlier one
 * is known to be stale. In BlueFS it is a file, elsewhere it lies in pieces under `B`.
 */
import { OsdynoError } from "../../base/error.ts";
import type { KeyValueStore, KvBatch } from "../../hot/kv/kv.ts";
import type { VisitExtent } from "./freelist.ts";
import { prefixes } from "./keys.ts";
import type { StoreGeometry } from "./superblock.ts";
import { bytesOfKey, CorruptRecord, WireReader, WireWriter } from "./wire.ts";

/** Its place in BlueFS; Ceph's names. */
export const allocationFile = "ALLOCATOR_NCB_DIR/ALLOCATOR_NCB_FILE";

const magic = bytesOfKey("osdyFREE");
const version = 1;
const headBytes = 40;
const extentBytes = 16;
const sumBytes = 4;

/** Where there are no files. */
const pieceBytes = 16_000;
const piecesFrom = bytesOfKey("file ");
const piecesTo = bytesOfKey("file!");
const mountsKey = bytesOfKey("mounts");

/** What a store has to say of its free space when it is opened. */
export interface KeptSpace {
  /** `none`: no clean end wrote one. `stale`: the store was mounted for writing since. */
  readonly state: "valid" | "stale" | "none" | "damaged";
  /** Why it is not valid, for people. */
  readonly reason: string;
  /** What the next mount for writing has to be. */
  readonly nextMount: number;
  /** Offsets and lengths in turn, ascending; empty unless valid. */
  readonly extents: Float64Array;
}

type SpaceShape = Pick<StoreGeometry, "sizeBytes" | "unitBytes">;

const nothing: Float64Array = new Float64Array(0);

export function encodeFree(
  geometry: SpaceShape,
  mount: number,
  extents: readonly (readonly [number, number])[],
): Uint8Array {
  const writer = new WireWriter();
  writer.room(headBytes + extents.length * extentBytes + sumBytes);
  writer.raw(magic);
  writer.u32(version);
  writer.u64(mount);
  writer.u64(geometry.sizeBytes);
  writer.u32(geometry.unitBytes);
  writer.u32(extents.length);
  writer.seal(0);
  for (const [offset, length] of extents) {
    writer.u64(offset);
    writer.u64(length);
  }
  writer.seal(headBytes);
  return writer.bytes.subarray(0, writer.length);
}

interface Head {
  readonly mount: number;
  readonly count: number;
}

/** Throws `CorruptRecord`. */
function headOf(bytes: Uint8Array, { sizeBytes, unitBytes }: SpaceShape): Head {
  const reader = new WireReader().open(bytes.subarray(0, headBytes), "the allocation file");
  if (reader.raw(magic.length).some((byte, at) => byte !== magic[at])) {
    reader.fail("is something else");
  }
  const its = reader.u32();
  if (its !== version) {
    reader.fail(`has version ${its}; this version reads ${version} only`);
  }
  const mount = reader.u64();
  const [size, unit, count] = [reader.u64(), reader.u32(), reader.u32()];
  // A store that grew has the file of when it was smaller.
  if (size > sizeBytes || unit !== unitBytes) {
    reader.fail(`is of a store of ${size} bytes in units of ${unit}`);
  }
  return { mount, count };
}

/** Throws `CorruptRecord`. */
function extentsOf(bytes: Uint8Array, count: number, geometry: SpaceShape): Float64Array {
  const { sizeBytes, unitBytes } = geometry;
  const expected = headBytes + count * extentBytes + sumBytes;
  if (bytes.length !== expected) {
    throw new CorruptRecord(`the allocation file: has ${bytes.length} bytes, not ${expected}`);
  }
  const reader = new WireReader().open(bytes.subarray(headBytes), "the allocation file");
  const extents = new Float64Array(2 * count);
  let end = 0;
  for (let at = 0; at < extents.length; at += 2) {
    const [offset, length] = [reader.u64(), reader.u64()];
    const whole = offset % unitBytes === 0 && length % unitBytes === 0 && length > 0;
    if (!whole || offset < end || offset + length > sizeBytes) {
      reader.fail(`has ${length} bytes at ${offset}, which is no place for them`);
    }
    end = offset + length;
    extents[at] = offset;
    extents[at + 1] = length;
  }
  return extents;
}

function readPieces(kv: KeyValueStore): Uint8Array | undefined {
  const pieces = kv.scan(prefixes.freelistMeta, piecesFrom, piecesTo, 2 ** 31);
  const length = pieces.reduce((sum, { value }) => sum + value.length, 0);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const { value } of pieces) {
    bytes.set(value, at);
    at += value.length;
  }
  return pieces.length === 0 ? undefined : bytes;
}

/** Mounts for writing so far; throws `CorruptRecord`. Stores of before have no such record. */
function mountsOf(kv: KeyValueStore): number {
  const value = kv.get(prefixes.freelistMeta, mountsKey);
  return value === undefined ? 0 : new WireReader().open(value, "the number of mounts").u64();
}

/** What damage says of itself; throws what is none. */
function damageOf(error: unknown): string {
  const damaged = error instanceof OsdynoError && error.context.damaged === true;
  if (error instanceof CorruptRecord || damaged) {
    return error.message;
  }
  throw error;
}

/** Throws `io` only where the device fails; damage is an answer. */
export function readKept(kv: KeyValueStore, geometry: SpaceShape): KeptSpace {
  let mounts: number | null = null;
  let written = 0;
  let damage = "";
  try {
    mounts = mountsOf(kv);
  } catch (error) {
    damage = damageOf(error);
  }
  const told = (state: KeptSpace["state"], reason: string, extents = nothing): KeptSpace => {
    return { state, reason, extents, nextMount: Math.max(mounts ?? 0, written) + 1 };
  };
  try {
    const bytes = kv.files === null ? readPieces(kv) : kv.files.read(allocationFile);
    const head = bytes === undefined ? null : headOf(bytes, geometry);
    written = head?.mount ?? 0;
    if (mounts === null) {
      return told("damaged", damage);
    }
    if (bytes === undefined || head === null) {
      return told("none", "no clean end has left an allocation file");
    }
    if (head.mount !== mounts) {
      return told("stale", "the store did not end cleanly");
    }
    return told("valid", "", extentsOf(bytes, head.count, geometry));
  } catch (error) {
    return told("damaged", damageOf(error));
  }
}

/** What was written down holds no more: the store begins to change. MUST be durable before it does. */
export function beginMount(batch: KvBatch, number: number): void {
  const writer = new WireWriter();
  writer.u64(number);
  batch.set(prefixes.freelistMeta, mountsKey, writer.seal(0));
  batch.removeRange(prefixes.freelistMeta, piecesFrom, piecesTo);
}

/** For a store without files: the batch that writes it down. */
export function putPieces(batch: KvBatch, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const index = String(at / pieceBytes).padStart(9, "0");
    const piece = bytes.subarray(at, at + pieceBytes);
    batch.set(prefixes.freelistMeta, bytesOfKey(`file ${index}`), piece);
  }
}

/** Takes away what is wrong: the next mount finds the free space anew. */
export function dropKept(batch: KvBatch, kv: KeyValueStore, nextMount: number): void {
  beginMount(batch, nextMount);
  kv.files?.remove(allocationFile);
}

export function eachKept({ extents }: KeptSpace, visit: VisitExtent): void {
  for (let at = 0; at < extents.length; at += 2) {
    visit(extents[at] as number, extents[at + 1] as number);
  }
}
