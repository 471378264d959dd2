/** The parts that a store is made of. */
import { OsdynoError } from "../../base/error.ts";
import type { Allocator, AllocatorOptions } from "../../hot/allocator/allocator.ts";
import type { CachePolicy } from "../../hot/cache/cache.ts";
import type { Checksum } from "../../hot/checksum/checksum.ts";
import type { KeyValueStore, KvOpenContext } from "../../hot/kv/kv.ts";
import type { Clock } from "../../port/clock.ts";
import type { DeviceLane } from "../../port/device-lane.ts";
import type { MemoryMeter } from "../../port/memory-meter.ts";
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

/** Numbers from here on are of what plug-ins bring, by their names. */
const firstForeign = 128;

/** The number, 128 to 255, under which a store knows a plug-in of that name, the same everywhere. */
export function foreignNumber(name: string): number {
  let hash = 0;
  for (let at = 0; at < name.length; at += 1) {
    hash = (Math.imul(hash, 31) + name.charCodeAt(at)) | 0;
  }
  return firstForeign + (((hash >>> 7) ^ hash) & (firstForeign - 1));
}

/** Names of plug-ins by their numbers; throws `bad-input` for two that a store could not tell apart. */
export function foreignNumbers(names: readonly string[]): ReadonlyMap<number, string> {
  const numbers = new Map<number, string>();
  for (const name of names) {
    const number = foreignNumber(name);
    const other = numbers.get(number);
    if (other !== undefined) {
      throw new OsdynoError(
        "bad-input",
        `plug-ins ${other} and ${name} have the same number in a store; rename one`,
      );
    }
    numbers.set(number, name);
  }
  return numbers;
}

/** Checksums by the number that blobs carry; `null` where there is none. */
export function checksumTable(parts: BlueStoreParts): readonly (Checksum | null)[] {
  const table: (Checksum | null)[] = checksumNames.map((name) => parts.checksum(name));
  for (const [number, name] of foreignNumbers(parts.foreign?.checksums ?? [])) {
    while (table.length < number) {
      table.push(null);
    }
    table[number] = parts.checksum(name);
  }
  return table;
}

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
  /** Of the process, for autotuning; without it the caches count themselves. */
  readonly memory?: MemoryMeter;
  /** Names of what plug-ins bring and blobs can be made with. */
  readonly foreign?: {
    readonly checksums: readonly string[];
    readonly compressors: readonly string[];
  };
  readonly options: BlueStoreOptions;
}
