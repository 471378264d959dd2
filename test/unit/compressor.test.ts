import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  deflateRawSync,
  inflateRawSync,
  inflateSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import { expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import {
  compressionModes,
  isWorthIt,
  mostWorthBytes,
  shouldCompress,
} from "../../engine/hot/compressor/decision.ts";
import { compressorOfPlugIn } from "../../engine/hot/compressor/plug-in.ts";
import {
  compressorKinds,
  openCompressor,
  registerCompressor,
} from "../../engine/hot/compressor/registry.ts";
import { sampleData } from "../../engine/hot/compressor/sample-data.ts";
import { decodeLz4, decodeSnappy } from "./compressor-formats.ts";

interface Vector {
  readonly name: string;
  readonly compressor: string;
  readonly madeBy: string;
  readonly rawZlib: string;
  readonly compressed: string;
}

const file = fileURLToPath(new URL("../golden/compressor/vectors.jsonl", import.meta.url));
const vectors = readFileSync(file, "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Vector);

test("reads what libsnappy, liblz4 and libzstd wrote", () => {
  expect(vectors.length).toBe(35);
  for (const { name, compressor, madeBy, rawZlib, compressed } of vectors) {
    const raw = inflateSync(Buffer.from(rawZlib, "base64"));
    const out = new Uint8Array(raw.length);
    const done = openCompressor(compressor).decompress(
      Buffer.from(compressed, "base64"),
      out,
      raw.length,
    );
    expect(done, `${name} by ${madeBy}`).toBe(true);
    expect(Buffer.compare(out, raw), `${name} by ${madeBy}`).toBe(0);
  }
});

/** Who else reads our formats. */
const decoders: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
  snappy: (bytes) => Uint8Array.from(decodeSnappy(bytes)),
  lz4: (bytes) => Uint8Array.from(decodeLz4(bytes)),
  zstd: (bytes) => zstdDecompressSync(bytes),
  zlib: (bytes) => inflateRawSync(bytes),
};

test.each(Object.entries(decoders))("what %s writes, others read", (name, decode) => {
  const random = new SeededRandom(5);
  const compressor = openCompressor(name);
  for (const length of [0, 1, 100, 4096, 20_000]) {
    for (const repeated of [0, 0.4, 0.98]) {
      const bytes = sampleData(random, length, repeated);
      const out = new Uint8Array(2 * length + 1024);
      const written = compressor.compress(bytes, out);
      expect(Buffer.compare(decode(out.subarray(0, written)), bytes)).toBe(0);
    }
  }
});

test("reads what node's zlib and zstd write", () => {
  const bytes = sampleData(new SeededRandom(6), 50_000, 0.6);
  const out = new Uint8Array(bytes.length);
  for (const [name, small] of [
    ["zlib", deflateRawSync(bytes)],
    ["zstd", zstdCompressSync(bytes)],
  ] as const) {
    expect(openCompressor(name).decompress(small, out.fill(0), bytes.length)).toBe(true);
    expect(Buffer.compare(out, bytes)).toBe(0);
  }
});

test("levels are options by Ceph's names", () => {
  const bytes = sampleData(new SeededRandom(7), 65_536, 0.7, 40);
  const length = (name: string, options: Record<string, number>) =>
    openCompressor(name, options).compress(bytes, new Uint8Array(70_000));
  expect(length("zlib", {})).toBe(length("zlib", { compressor_zlib_level: 5 }));
  expect(length("zstd", {})).toBe(length("zstd", { compressor_zstd_level: 1 }));
  expect(length("zlib", { compressor_zlib_level: 9 })).toBeLessThan(
    length("zlib", { compressor_zlib_level: 1 }),
  );
  expect(length("zstd", { compressor_zstd_level: 19 })).toBeLessThan(length("zstd", {}));
  expect(() => openCompressor("zlib", { compressor_zlib_level: 10 })).toThrow(
    "compressor_zlib_level 10: give a whole number from 0 to 9",
  );
  expect(() => openCompressor("zstd", { compressor_zstd_level: 1.5 })).toThrow("to 22");
});

test("a name is refused when it is unknown or taken", () => {
  expect(() => openCompressor("brotli")).toThrow("unknown compressor brotli; there are: none");
  const [first] = compressorKinds();
  expect(() => first !== undefined && registerCompressor(first)).toThrow("already");
});

test("a plug-in becomes a compressor that may build upon ours", () => {
  const exported = {
    hotPath: "compressor",
    name: "zlib-most",
    describe: "zlib at its highest level",
    create: (context: { open: typeof openCompressor }) =>
      context.open("zlib", { compressor_zlib_level: 9 }),
  };
  const kind = compressorOfPlugIn(exported, { open: openCompressor }, "most.ts");
  const bytes = sampleData(new SeededRandom(8), 4096, 0.9);
  const out = new Uint8Array(4096);
  const written = kind.create({}).compress(bytes, out);
  expect(inflateRawSync(out.subarray(0, written)).equals(bytes)).toBe(true);
  expect(() => compressorOfPlugIn({ hotPath: "cache" }, { open: openCompressor }, "x.ts")).toThrow(
    'hotPath is "cache", not "compressor"',
  );
});

test("modes and hints decide whether compressing is tried", () => {
  const none = { compressible: false, incompressible: false };
  const yes = { compressible: true, incompressible: false };
  const no = { compressible: false, incompressible: true };
  const table = compressionModes.map((mode) => [
    mode,
    ...[none, yes, no].map((hints) => shouldCompress(mode, hints)),
  ]);
  expect(table).toEqual([
    ["none", false, false, false],
    ["passive", false, true, false],
    ["aggressive", true, true, false],
    ["force", true, true, true],
  ]);
});

test("a result is kept when it saves allocation units, and enough of them", () => {
  const kib = 1024;
  // 64 KiB at 4 KiB: 56 KiB are 0.875.
  expect(isWorthIt(64 * kib, 56 * kib, 4 * kib)).toBe(true);
  expect(isWorthIt(64 * kib, 56 * kib + 1, 4 * kib)).toBe(false);
  expect(isWorthIt(64 * kib, 40 * kib, 4 * kib, 0.5)).toBe(false);
  // Two units, of which 0.875 round up to two: nothing is saved.
  expect(isWorthIt(8 * kib, 7 * kib, 4 * kib)).toBe(false);
  expect(isWorthIt(8 * kib, 4 * kib, 4 * kib)).toBe(true);
  expect(isWorthIt(128 * kib, 70 * kib, 64 * kib)).toBe(false);
  expect(isWorthIt(128 * kib, 64 * kib, 64 * kib)).toBe(true);
});

test("the most that is worth it is exactly where the judgement changes", () => {
  const random = new SeededRandom(9);
  for (let round = 0; round < 2000; round += 1) {
    const unit = 512 * 2 ** random.below(6);
    const raw = 1 + random.below(20 * unit);
    const ratio = 0.05 + random.unit() * 0.95;
    const most = mostWorthBytes(raw, unit, ratio);
    const say = `raw ${raw}, unit ${unit}, ratio ${ratio}, most ${most} (seed 9)`;
    expect(isWorthIt(raw, most + 1, unit, ratio), say).toBe(false);
    if (most > 0) {
      expect(isWorthIt(raw, most, unit, ratio), say).toBe(true);
      expect(isWorthIt(raw, 1, unit, ratio), say).toBe(true);
    }
  }
});
