/** Which options decide what a store writes to its devices, beside those that act when it is made. */
import { findOption } from "./registry.ts";

/** How data lies there: what it is cut into, what is kept with it, what it is turned into. */
const ofData: readonly RegExp[] = [
  /^bluestore_csum_type$/,
  /^bluestore_compression_/,
  /^compressor_/,
  /^bluestore_gc_enable_/,
  /^bluestore_max_blob_size/,
  /^bluestore_extent_map_/,
  /^bluestore_zero_block_detection$/,
  // Small overwrites go to where the data is, or to a new place.
  /^bluestore_prefer_deferred_size/,
];

/** Whether a store that was written with another value of the option looks different. */
export function shapesDisk(name: string): boolean {
  const option = findOption(name);
  return (
    option !== undefined &&
    (option.change === "create" || ofData.some((pattern) => pattern.test(option.name)))
  );
}
