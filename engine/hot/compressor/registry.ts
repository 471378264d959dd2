/** The compressors by name, as `bluestore_compression_algorithm` selects them. */
import { OsdynoError } from "../../base/error.ts";
import { type Compressor, type CompressorOptions, compressorDefaults } from "./compressor.ts";
import { nativeCompressor } from "./native.ts";

/** One compressor. */
export interface CompressorKind {
  readonly hotPath: "compressor";
  readonly name: string;
  readonly describe: string;
  /** Throws `bad-input` when an option is out of range. */
  create(options: CompressorOptions): Compressor;
}

function levelOf(options: CompressorOptions, name: keyof typeof compressorDefaults): number {
  return options[name] ?? compressorDefaults[name];
}

const builtIn: readonly CompressorKind[] = [
  {
    hotPath: "compressor",
    name: "none",
    describe: "nothing is compressed: no result ever fits",
    create: () => ({ name: "none", compress: () => -1, decompress: () => false }),
  },
  {
    hotPath: "compressor",
    name: "snappy",
    describe: "snappy: fast both ways, modest ratio",
    create: () => nativeCompressor("snappy", 0, "level"),
  },
  {
    hotPath: "compressor",
    name: "lz4",
    describe: "LZ4 block: fast, fastest to decompress",
    create: () => nativeCompressor("lz4", 0, "level"),
  },
  {
    hotPath: "compressor",
    name: "zstd",
    describe: "Zstandard at compressor_zstd_level: good ratio, slower",
    create: (options) => {
      const level = levelOf(options, "compressor_zstd_level");
      return nativeCompressor("zstd", level, "compressor_zstd_level");
    },
  },
  {
    hotPath: "compressor",
    name: "zlib",
    describe: "raw deflate at compressor_zlib_level: good ratio, slowest",
    create: (options) => {
      const level = levelOf(options, "compressor_zlib_level");
      return nativeCompressor("zlib", level, "compressor_zlib_level");
    },
  },
];

const kinds = new Map(builtIn.map((kind) => [kind.name, kind]));

/** Adds a compressor; refuses a name that is taken. */
export function registerCompressor(kind: CompressorKind): void {
  if (kinds.has(kind.name)) {
    throw new OsdynoError("bad-input", `there is a compressor named ${kind.name} already`);
  }
  kinds.set(kind.name, kind);
}

/** All compressors, in the order they were registered. */
export function compressorKinds(): readonly CompressorKind[] {
  return [...kinds.values()];
}

/** The compressor of that name; throws `bad-input` with the names there are. */
export function openCompressor(name: string, options: CompressorOptions = {}): Compressor {
  const kind = kinds.get(name);
  if (kind === undefined) {
    const known = [...kinds.keys()].join(", ");
    throw new OsdynoError("bad-input", `unknown compressor ${name}; there are: ${known}`);
  }
  return kind.create(options);
}
