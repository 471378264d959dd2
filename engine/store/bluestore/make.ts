/** Making a store: labels, superblock, freelist, key-value store. */
import { OsdynoError } from "../../base/error.ts";
import { SeededRandom } from "../../base/random.ts";
import { type Allocator, ExtentList } from "../../hot/allocator/allocator.ts";
import { KvBatch } from "../../hot/kv/kv.ts";
import { allocationFile, encodeFree, putPieces } from "./allocation-file.ts";
import { BitmapFreelist, type FreelistKind } from "./freelist.ts";
import { openKv, SharedSpace, takesItsOwnSpace, takeUsed } from "./kv-space.ts";
import { encodeLabel, firstDataByte, labelBytes, newStoreId } from "./label.ts";
import { labelLanes, otherDevices, writeBlock } from "./label-io.ts";
import type { BlueStoreParts } from "./parts.ts";
import { formatVersion, type StoreGeometry, saveGeometry, saveIdLimits } from "./superblock.ts";
import { commit } from "./waiting.ts";

/** A native key-value store on the main device takes this much before the first object is there. */
const leastNativeBytes = 64 * 2 ** 20;

function geometryOf(parts: BlueStoreParts): StoreGeometry {
  const { facts } = parts.lane;
  const { options } = parts;
  const blockBytes = Math.max(4096, facts.blockBytes, options.blockBytes);
  if (!Number.isInteger(Math.log2(blockBytes))) {
    throw new OsdynoError("bad-input", `bdev_block_size=${blockBytes}: must be a power of two`);
  }
  const unitBytes = options.minAllocBytes;
  if (unitBytes % blockBytes !== 0 || !Number.isInteger(Math.log2(unitBytes))) {
    throw new OsdynoError(
      "bad-input",
      `bluestore_min_alloc_size=${unitBytes}: must be a power of two from ${blockBytes} on ${facts.name}`,
    );
  }
  const sizeBytes = facts.sizeBytes - (facts.sizeBytes % unitBytes);
  if (sizeBytes < firstDataByte(unitBytes) + 8 * 2 ** 20) {
    throw new OsdynoError(
      "bad-input",
      `${facts.name}: ${facts.sizeBytes} bytes are too few for an object store; it takes 8 MiB and more`,
    );
  }
  if (
    takesItsOwnSpace(parts.kvName) &&
    parts.kvDevices.db === null &&
    sizeBytes < leastNativeBytes
  ) {
    throw new OsdynoError(
      "bad-input",
      `${facts.name}: ${facts.sizeBytes} bytes are too few for key-value store ${parts.kvName}, which takes 64 MiB and more; choose waltree`,
    );
  }
  return {
    sizeBytes,
    unitBytes,
    blockBytes,
    freelist: freelistOf(parts),
    freelistUnitsPerKey: options.freelistBlocksPerKey,
  };
}

/** As in Ceph: where metadata is on a hard disk, to read all of it after a crash would take too long. */
function freelistOf({ options, labelLanes, lane }: BlueStoreParts): FreelistKind {
  const { deviceClass } = (labelLanes?.db ?? lane).facts;
  return options.allocationFromFile && deviceClass !== "hdd" ? "file" : "bitmap";
}

export function makeAllocator(parts: BlueStoreParts, geometry: StoreGeometry): Allocator {
  return parts.allocator({ capacityBytes: geometry.sizeBytes, blockBytes: geometry.unitBytes });
}

/** Makes an empty store; what was on the devices is lost. Throws `bad-input` or `io` with one line. */
export async function makeStore(given: BlueStoreParts): Promise<void> {
  const { lane, clock } = given;
  // The ids of two stores made one after the other on a device differ even with one seed: what the
  // first has left must not pass for the second's.
  const drawn = given.random.below(2 ** 48) + Math.floor(clock.nowNs());
  const parts = { ...given, random: new SeededRandom(drawn % 2 ** 53) };
  const geometry = geometryOf(parts);
  const storeId = newStoreId(parts.random);
  // Whatever was there is no store from now on, until the new one is complete.
  for (const [, each] of [...labelLanes(parts)].reverse()) {
    await writeBlock(each, new Uint8Array(labelBytes));
  }
  const allocator = makeAllocator(parts, geometry);
  try {
    await furnish(parts, geometry, allocator);
  } finally {
    allocator.close();
  }
  const common = { version: formatVersion, storeId, kv: parts.kvName };
  for (const [role, each] of labelLanes(parts)) {
    const main = each === lane;
    const sizeBytes = main ? geometry.sizeBytes : each.facts.sizeBytes;
    const others = main ? otherDevices(parts) : { db: "", wal: "" };
    await writeBlock(each, encodeLabel({ ...common, role, sizeBytes, ...others }));
  }
}

/** The key-value store with what every store has. */
async function furnish(
  parts: BlueStoreParts,
  geometry: StoreGeometry,
  allocator: Allocator,
): Promise<void> {
  const first = firstDataByte(geometry.unitBytes);
  allocator.release(ExtentList.of([first, geometry.sizeBytes - first]));
  const space = new SharedSpace(geometry.unitBytes);
  space.allocator = allocator;
  const kv = await openKv(parts, { create: true, readOnly: false }, space);
  try {
    if (!takesItsOwnSpace(parts.kvName)) {
      takeUsed(kv, allocator);
    }
    const batch = new KvBatch();
    saveGeometry(batch, geometry);
    saveIdLimits(batch, 0, 0);
    if (geometry.freelist === "bitmap") {
      const freelist = new BitmapFreelist(geometry.unitBytes, geometry.freelistUnitsPerKey);
      freelist.turnOne(batch, 0, first);
    } else {
      // Nothing has data: what the key-value store has counts as free.
      const kept = encodeFree(geometry, 0, [[first, geometry.sizeBytes - first]]);
      kv.files?.write(allocationFile, kept);
      if (kv.files === null) {
        putPieces(batch, kept);
      }
    }
    await commit(kv, batch, parts.lane.facts.name);
    await kv.close();
  } catch (error) {
    kv.abandon();
    throw error;
  }
}
