/** The parts that a store is made of. */
import type { Allocator, AllocatorOptions } from "../../hot/allocator/allocator.ts";
import type { CachePolicy } from "../../hot/cache/cache.ts";
import type { Checksum } from "../../hot/checksum/checksum.ts";
import type { KeyValueStore, KvOpenContext } from "../../hot/kv/kv.ts";
import type { Clock } from "../../port/clock.ts";
import type { DeviceLane } from "../../port/device-lane.ts";
import type { Random } from "../../port/random.ts";
import type { BlobCompressor } from "./compression.ts";
import type { BlueStoreOptions } from "./options.ts";

/** Checksums by the number that blobs carry; never changed, only added to. */
export const checksumNames = [
  "none",
  "crc32c",
  "crc32c_16",
  "crc32c_8",
  "xxhash32",
  "xxhash64",
] as const;

/** The parts that a store is made of; the hot paths by whoever chooses them. */
export interface BlueStoreParts {
  readonly clock: Clock;
  readonly random: Random;
  /** The store's lane of the main device. */
  readonly lane: DeviceLane;
  /** Of devices of the key-value store's own, for their labels. */
  readonly labelLanes?: Readonly<Record<"db" | "wal", DeviceLane | null>>;
  readonly kvName: string;
  readonly kvDevices: KvOpenContext["devices"];
  readonly kvOptions: KvOpenContext["options"];
  readonly openKv: (context: KvOpenContext) => Promise<KeyValueStore>;
  readonly allocator: (options: AllocatorOptions) => Allocator;
  readonly checksum: (name: string) => Checksum;
  readonly compressor: (name: string) => BlobCompressor;
  readonly cache: (name: string) => CachePolicy;
  readonly options: BlueStoreOptions;
}
