/** The hot paths of a store as its options name and tune them. */
import { OsdynoError } from "../base/error.ts";
import { nearestName } from "../base/nearest-name.ts";
import { allocatorKinds, createAllocator } from "../hot/allocator/registry.ts";
import { cacheKinds, openCache } from "../hot/cache/registry.ts";
import { checksumKinds, openChecksum } from "../hot/checksum/registry.ts";
import { compressorKinds, openCompressor } from "../hot/compressor/registry.ts";
import { blockEngines } from "../hot/ioengine/registry.ts";
import { keyValueEngines } from "../hot/kv/registry.ts";
import type { OptionSet } from "../options/option-set.ts";
import { compressorIds } from "./bluestore/compression.ts";
import { type BlueStoreParts, checksumNames } from "./bluestore/parts.ts";

/** What each allocator is told, by Ceph's names. */
const allocatorParameters = [
  "bluestore_avl_alloc_bf_threshold",
  "bluestore_avl_alloc_bf_free_pct",
  "bluestore_avl_alloc_ff_max_search_count",
  "bluestore_avl_alloc_ff_max_search_bytes",
  "bluestore_hybrid_alloc_mem_cap",
] as const;

const compressorParameters = ["compressor_zstd_level", "compressor_zlib_level"] as const;
const cacheParameters = ["bluestore_2q_cache_kin_ratio", "bluestore_2q_cache_kout_ratio"] as const;

function numbersOf<Name extends string>(options: OptionSet, names: readonly Name[]) {
  return Object.fromEntries(names.map((name) => [name, options.number(name)])) as Record<
    Name,
    number
  >;
}

/** Options that name an implementation, with what there is, plug-ins included. */
const named: Readonly<Record<string, () => readonly { readonly name: string }[]>> = {
  bluestore_allocator: allocatorKinds,
  bluestore_csum_type: checksumKinds,
  bluestore_compression_algorithm: () => [{ name: "" }, ...compressorKinds()],
  bluestore_cache_type: cacheKinds,
  bluestore_kvbackend: keyValueEngines,
  bdev_ioengine: blockEngines,
};

/** Throws `bad-input` for a name that is none, with the nearest that is. */
export function checkHotPaths(options: OptionSet): void {
  for (const [option, kinds] of Object.entries(named)) {
    const name = options.text(option);
    const known = kinds().map((kind) => kind.name);
    if (!known.includes(name)) {
      const guess = nearestName(name, known);
      const hint = guess === null ? "" : ` (did you mean ${guess}?)`;
      const list = known.filter((each) => each !== "").join(", ");
      throw new OsdynoError("bad-input", `${option}=${name}: one of ${list}${hint}`);
    }
  }
}

/** The parts of a store that its options choose. */
export function hotPathsOf(
  options: OptionSet,
): Pick<BlueStoreParts, "allocator" | "checksum" | "compressor" | "cache" | "foreign"> {
  const parameters = numbersOf(options, allocatorParameters);
  const levels = numbersOf(options, compressorParameters);
  const cacheRatios = numbersOf(options, cacheParameters);
  const builtInChecksums: readonly string[] = checksumNames;
  const foreign = (kinds: readonly { readonly name: string }[], builtIn: readonly string[]) =>
    kinds.map(({ name }) => name).filter((name) => !builtIn.includes(name));
  return {
    allocator: (how) =>
      createAllocator(options.text("bluestore_allocator"), { ...how, parameters }),
    checksum: openChecksum,
    compressor: (name) => openCompressor(name, levels),
    cache: (name) => openCache(name, cacheRatios),
    foreign: {
      checksums: foreign(checksumKinds(), builtInChecksums),
      compressors: foreign(compressorKinds(), ["none", ...Object.keys(compressorIds)]),
    },
  };
}
