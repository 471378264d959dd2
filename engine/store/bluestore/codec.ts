/** Records of onodes, shards of extent maps and shared blobs; FORMAT.md shows every byte. */
import { Blob, hole } from "./blob.ts";
import { type Extent, type ExtentMap, newShard, type Shard } from "./extent-map.ts";
import type { Onode } from "./onode.ts";
import { RefMap, SharedBlob } from "./shared-blob.ts";
import { putVarint, putWideVarint, varintMost, type WireReader, type WireWriter } from "./wire.ts";

export const recordVersion = 1;

export const blobFlags = Object.freeze({ compressed: 1, sums: 2, unused: 4, shared: 8, use: 16 });

/** What decoding needs of the store. */
export interface CodecContext {
  /** `bluestore_min_alloc_size`: disk offsets and lengths are multiples of it. */
  readonly unitBytes: number;
  /** Bytes of a value by checksum type. */
  readonly sumBytes: readonly number[];
  /** The shared blob of that id, loaded; throws when there is none. */
  sharedBlob(id: number): SharedBlob;
}

/** Number of the run of encoding in which `Blob.index` holds. */
let run = 0;

/** Begins a record in which blobs are numbered from 0. */
export function beginRun(): number {
  run += 1;
  return run;
}

export function encodeBlob(writer: WireWriter, blob: Blob, unitBytes: number): void {
  const { diskCount, sums, used, compressedBytes, sumBytes, unused, shared } = blob;
  const spanning = blob.spanningId >= 0;
  const flags =
    (compressedBytes > 0 ? blobFlags.compressed : 0) |
    (sumBytes > 0 ? blobFlags.sums : 0) |
    (unused === 0 ? 0 : blobFlags.unused) |
    (shared === null ? 0 : blobFlags.shared) |
    (spanning ? blobFlags.use : 0);
  writer.room(64 + varintMost * (2 * diskCount + used.length) + sums.length);
  const { bytes } = writer;
  let at = writer.length;
  bytes[at] = flags;
  at = putVarint(bytes, at + 1, blob.logicalBytes);
  if (compressedBytes > 0) {
    at = putVarint(bytes, at, compressedBytes);
  }
  at = putVarint(bytes, at, diskCount);
  // A power of two: the product is exact, and quicker than a quotient.
  const each = 1 / unitBytes;
  for (let index = 0; index < diskCount; index += 1) {
    const disk = blob.diskOffset(index);
    at = disk === hole ? putVarint(bytes, at, 0) : putWideVarint(bytes, at, disk * each + 1);
    at = putVarint(bytes, at, blob.diskLength(index) * each);
  }
  if (sumBytes > 0) {
    bytes[at] = blob.sumType;
    bytes[at + 1] = blob.sumOrder;
    at = putBytes(bytes, putVarint(bytes, at + 2, sums.length), sums);
  }
  if (unused !== 0) {
    bytes[at] = unused;
    bytes[at + 1] = unused >>> 8;
    at += 2;
  }
  if (shared !== null) {
    at = putVarint(bytes, at, shared.id);
  }
  for (let unit = 0; spanning && unit < used.length; unit += 1) {
    at = putVarint(bytes, at, used[unit] as number);
  }
  writer.length = at;
}

function putBytes(bytes: Uint8Array, at: number, from: Uint8Array): number {
  const count = from.length;
  // A call of `set` costs as much as some eighty bytes one by one.
  if (count > 80) {
    bytes.set(from, at);
  } else {
    for (let index = 0; index < count; index += 1) {
      bytes[at + index] = from[index] as number;
    }
  }
  return at + count;
}

export function decodeBlob(reader: WireReader, context: CodecContext, spanningId: number): Blob {
  const { unitBytes } = context;
  const blob = new Blob();
  const flags = reader.u8();
  blob.spanningId = spanningId;
  blob.logicalBytes = reader.varint();
  if ((flags & blobFlags.compressed) !== 0) {
    blob.compressedBytes = reader.varint();
  }
  for (let left = reader.varint(); left > 0; left -= 1) {
    const disk = reader.varint();
    blob.addDisk(disk === 0 ? hole : (disk - 1) * unitBytes, reader.varint() * unitBytes);
  }
  if ((flags & blobFlags.sums) !== 0) {
    blob.sumType = reader.u8();
    blob.sumOrder = reader.u8();
    const sumBytes = context.sumBytes[blob.sumType] ?? -1;
    blob.sumBytes =
      sumBytes < 0
        ? reader.fail(`an unknown checksum type ${blob.sumType}; its plug-in may be missing`)
        : sumBytes;
    blob.sums = reader.blob();
  }
  if ((flags & blobFlags.unused) !== 0) {
    blob.unused = reader.u16();
  }
  if ((flags & blobFlags.shared) !== 0) {
    blob.shared = context.sharedBlob(reader.varint());
    blob.shared.users += 1;
  }
  if (blob.logicalBytes === 0) {
    reader.fail("a blob of no length");
  }
  blob.initUse(unitBytes);
  if (spanningId >= 0) {
    for (let unit = 0; unit < blob.used.length; unit += 1) {
      blob.used[unit] = reader.varint();
    }
  }
  return blob;
}

/** References to blobs: 0 a new one follows, odd the n-th of this record, even one that spans shards. */
export function encodeExtents(
  writer: WireWriter,
  extents: readonly Extent[],
  from: number,
  to: number,
  unitBytes: number,
): void {
  writer.varint(to - from);
  const current = beginRun();
  let end = 0;
  let blobs = 0;
  for (let index = from; index < to; index += 1) {
    const { offset, length, blobOffset, blob } = extents[index] as Extent;
    writer.room(4 * varintMost);
    const { bytes } = writer;
    let at = putVarint(bytes, writer.length, offset - end);
    at = putVarint(bytes, at, length);
    at = putVarint(bytes, at, blobOffset);
    end = offset + length;
    if (blob.spanningId >= 0) {
      writer.length = putVarint(bytes, at, 2 * blob.spanningId + 2);
    } else if (blob.run === current) {
      writer.length = putVarint(bytes, at, 2 * blob.index + 1);
    } else {
      blob.run = current;
      blob.index = blobs;
      blobs += 1;
      bytes[at] = 0;
      writer.length = at + 1;
      encodeBlob(writer, blob, unitBytes);
    }
  }
}

/** Adds a record's extents to the map. */
export function decodeExtents(reader: WireReader, map: ExtentMap, context: CodecContext): void {
  const blobs: Blob[] = [];
  let end = 0;
  for (let left = reader.varint(); left > 0; left -= 1) {
    const offset = end + reader.varint();
    const length = reader.varint();
    const blobOffset = reader.varint();
    const reference = reader.varint();
    let blob: Blob | undefined;
    if (reference === 0) {
      blob = decodeBlob(reader, context, -1);
      blobs.push(blob);
    } else if (reference % 2 === 1) {
      blob = blobs[(reference - 1) / 2];
    } else {
      blob = map.spanning.get(reference / 2 - 1);
    }
    if (blob === undefined) {
      reader.fail("an extent refers to a blob that is not there");
    }
    if (length === 0 || blobOffset + length > blob.logicalBytes) {
      reader.fail("an extent is outside of its blob");
    }
    if (blob.spanningId < 0) {
      blob.getRef(blobOffset, length);
    }
    map.insert(offset, length, blobOffset, blob);
    end = offset + length;
  }
}

function encodeShards(writer: WireWriter, shards: readonly Shard[]): void {
  const { length } = shards;
  writer.room(varintMost * (1 + 2 * length));
  const { bytes } = writer;
  let at = putVarint(bytes, writer.length, length);
  for (let index = 0; index < length; index += 1) {
    const shard = shards[index] as Shard;
    at = putVarint(bytes, at, shard.offset);
    at = putVarint(bytes, at, shard.bytes);
  }
  writer.length = at;
}

/** Everything but the extents of a sharded map; returns the bytes of the extents that are in it. */
export function encodeOnode(writer: WireWriter, onode: Onode, unitBytes: number): number {
  const { map } = onode;
  writer.u8(recordVersion);
  writer.u8(onode.flags);
  writer.varint(onode.nid);
  writer.varint(onode.sizeBytes);
  writer.varint(onode.expectedObjectBytes);
  writer.varint(onode.expectedWriteBytes);
  writer.varint(onode.hints);
  writer.varint(onode.attrs.size);
  if (onode.attrs.size > 0) {
    for (const [name, value] of onode.attrs) {
      writer.text(name);
      writer.blob(value);
    }
  }
  encodeShards(writer, map.shards);
  writer.varint(map.spanning.size);
  if (map.spanning.size > 0) {
    for (const [id, blob] of map.spanning) {
      writer.varint(id);
      encodeBlob(writer, blob, unitBytes);
    }
  }
  const before = writer.length;
  if (map.shards.length === 0) {
    encodeExtents(writer, map.extents, 0, map.extents.length, unitBytes);
  }
  return writer.length - before;
}

/** Fills an onode from its record. */
export function decodeOnode(reader: WireReader, onode: Onode, context: CodecContext): void {
  const { map } = onode;
  const version = reader.u8();
  if (version !== recordVersion) {
    reader.fail(`version ${version} is not known here`);
  }
  onode.exists = true;
  onode.flags = reader.u8();
  onode.nid = reader.varint();
  onode.sizeBytes = reader.varint();
  onode.expectedObjectBytes = reader.varint();
  onode.expectedWriteBytes = reader.varint();
  onode.hints = reader.varint();
  const attrs = new Map<string, Uint8Array>();
  for (let left = reader.varint(); left > 0; left -= 1) {
    const name = reader.text();
    attrs.set(name, reader.blob());
  }
  onode.attrs = attrs;
  for (let left = reader.varint(); left > 0; left -= 1) {
    const offset = reader.varint();
    map.shards.push(newShard(offset, reader.varint(), false));
  }
  for (let left = reader.varint(); left > 0; left -= 1) {
    const id = reader.varint();
    map.spanning.set(id, decodeBlob(reader, context, id));
  }
  if (map.shards.length === 0) {
    decodeExtents(reader, map, context);
  }
  reader.done();
}

export function encodeSharedBlob(writer: WireWriter, blob: SharedBlob, unitBytes: number): void {
  const { offsets, lengths, refs } = blob.map;
  writer.varint(offsets.length);
  for (let at = 0; at < offsets.length; at += 1) {
    writer.varint((offsets[at] as number) / unitBytes);
    writer.varint((lengths[at] as number) / unitBytes);
    writer.varint(refs[at] as number);
  }
}

export function decodeSharedBlob(reader: WireReader, id: number, unitBytes: number): SharedBlob {
  const map = new RefMap();
  for (let left = reader.varint(); left > 0; left -= 1) {
    map.offsets.push(reader.varint() * unitBytes);
    map.lengths.push(reader.varint() * unitBytes);
    map.refs.push(reader.varint());
  }
  reader.done();
  return new SharedBlob(id, map);
}
