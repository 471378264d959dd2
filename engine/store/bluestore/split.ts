/** Cuts a blob in two, so that its halves can be in the records of two shards. */
import { Blob } from "./blob.ts";
import type { Extent, ExtentMap } from "./extent-map.ts";

/**
 * The part of the blob from `boundary` (in the object) on becomes a blob of its own, which is returned;
 * `null`: it cannot be cut there. No extent crosses the boundary, and all of the blob's are loaded.
 */
export function splitBlob(
  map: ExtentMap,
  blob: Blob,
  start: number,
  boundary: number,
): Blob | null {
  const cut = boundary - start;
  const whole = cut > 0 && cut < blob.logicalBytes && cut % blob.unitBytes === 0;
  if (!whole || !blob.mutable || blob.unused !== 0 || blob.spanningId >= 0) {
    return null;
  }
  const made = new Blob();
  made.logicalBytes = blob.logicalBytes - cut;
  made.sumType = blob.sumType;
  made.sumOrder = blob.sumOrder;
  made.sumBytes = blob.sumBytes;
  const diskBytes = blob.diskBytes;
  blob.eachDisk(cut, diskBytes - cut, (disk, length, offset) => {
    made.setDisk(offset - cut, length, disk);
  });
  blob.cutDisk(cut);
  blob.logicalBytes = cut;
  if (blob.sumBytes > 0) {
    const at = (cut / 2 ** blob.sumOrder) * blob.sumBytes;
    made.sums = blob.sums.slice(at);
    blob.sums = blob.sums.slice(0, at);
  }
  made.unitBytes = blob.unitBytes;
  made.used.push(...blob.used.splice(cut / blob.unitBytes));
  for (let at = map.seek(boundary); at < map.extents.length; at += 1) {
    const extent = map.extents[at] as Extent;
    if (extent.offset >= boundary + made.logicalBytes) {
      break;
    }
    if (extent.blob === blob) {
      extent.blob = made;
      extent.blobOffset -= cut;
    }
  }
  return made;
}
