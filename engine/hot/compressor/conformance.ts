/** The one conformance suite of compressors. */
import type { SeededRandom } from "../../base/random.ts";
import { type Check, expect } from "../checks.ts";
import type { Compressor } from "./compressor.ts";
import { sampleData } from "./sample-data.ts";

export interface CompressorSubject {
  /** Makes the compressor; called once or more in a check. */
  readonly create: () => Compressor;
}

const lengths = [0, 1, 2, 13, 64, 511, 4096, 65_536, 300_001];
const noCompression = "it never compresses";

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** Compressed with room to spare; `null`: it never compresses. */
function compressed(compressor: Compressor, bytes: Uint8Array): Uint8Array | null {
  const out = new Uint8Array(bytes.length * 2 + 1024);
  const length = compressor.compress(bytes, out);
  expect(Number.isInteger(length) && length >= -1 && length <= out.length, `wrote ${length} bytes`);
  return length < 0 ? null : out.slice(0, length);
}

function roundTrips({ create }: CompressorSubject, random: SeededRandom): string | null {
  const compressor = create();
  const other = create();
  for (const length of lengths) {
    for (const repeated of [0, 0.5, 0.95]) {
      const bytes = sampleData(random, length, repeated);
      const before = bytes.slice();
      const small = compressed(compressor, bytes);
      if (small === null) {
        return noCompression;
      }
      expect(same(bytes, before), "compressing changed the data");
      const again = compressed(other, bytes);
      expect(again !== null && same(small, again), "the same bytes gave another result");
      const out = new Uint8Array(length + 16).fill(0xee);
      const kept = small.slice();
      expect(compressor.decompress(small, out, length), `${length} bytes do not come back`);
      expect(same(out.subarray(0, length), bytes), `${length} bytes come back changed`);
      expect(
        out.subarray(length).every((byte) => byte === 0xee),
        "written beyond what is expected",
      );
      expect(same(small, kept), "decompressing changed its input");
    }
  }
  return null;
}

function shrinks({ create }: CompressorSubject, random: SeededRandom): string | null {
  const compressor = create();
  const bytes = sampleData(random, 65_536, 0.95);
  const small = compressed(compressor, bytes);
  if (small === null) {
    return noCompression;
  }
  expect(small.length < bytes.length / 2, `65536 repetitive bytes became ${small.length}`);
  return null;
}

function littleRoom({ create }: CompressorSubject, random: SeededRandom): string | null {
  const compressor = create();
  for (const length of [13, 4096, 65_536]) {
    const bytes = sampleData(random, length, 0.5);
    const small = compressed(compressor, bytes);
    if (small === null) {
      return noCompression;
    }
    for (const room of [0, 1, Math.floor(small.length / 2), small.length - 1]) {
      const out = new Uint8Array(room + 8).fill(0xee);
      const written = compressor.compress(bytes, out.subarray(0, room));
      expect(written === -1, `${small.length} bytes were said to fit ${room}`);
      expect(
        out.subarray(room).every((byte) => byte === 0xee),
        "written beyond the room given",
      );
    }
  }
  return null;
}

/** Damaged input is refused or happens to be valid; it never throws and never writes elsewhere. */
function damagedInput({ create }: CompressorSubject, random: SeededRandom): string | null {
  const compressor = create();
  for (let round = 0; round < 400; round += 1) {
    const bytes = sampleData(random, 1 + random.below(6000), random.unit());
    const sound = compressed(compressor, bytes);
    if (sound === null) {
      return noCompression;
    }
    let damaged: Uint8Array = sound.slice();
    for (let flips = random.below(6); flips >= 0; flips -= 1) {
      const at = random.below(damaged.length);
      damaged[at] = random.below(256);
    }
    if (round % 3 === 0) {
      damaged = damaged.subarray(0, random.below(damaged.length + 1));
    } else if (round % 3 === 1) {
      damaged = sampleData(random, random.below(200), 0);
    }
    const out = new Uint8Array(bytes.length + 64).fill(0xee);
    const answer = compressor.decompress(damaged, out, bytes.length);
    expect(typeof answer === "boolean", `decompress answered ${answer}`);
    expect(
      out.subarray(bytes.length).every((byte) => byte === 0xee),
      "damaged input wrote beyond the bytes expected",
    );
    const back = new Uint8Array(bytes.length);
    const works = compressor.decompress(sound, back, bytes.length) && same(back, bytes);
    expect(works, "after damaged input sound input does not come back");
  }
  return null;
}

function wrongLength({ create }: CompressorSubject, random: SeededRandom): string | null {
  const compressor = create();
  const bytes = sampleData(random, 5000, 0.5);
  const small = compressed(compressor, bytes);
  if (small === null) {
    return noCompression;
  }
  const out = new Uint8Array(10_000);
  for (const expected of [0, 1, 4999, 5001, 10_000]) {
    expect(!compressor.decompress(small, out, expected), `5000 bytes were taken for ${expected}`);
  }
  expect(
    !compressor.decompress(small.subarray(0, small.length - 1), out, 5000),
    "a byte is missing",
  );
  return null;
}

/** Every promise of `Compressor`. */
export const compressorChecks: readonly Check<CompressorSubject>[] = [
  { name: "what is compressed comes back, and only that", run: roundTrips },
  { name: "repetitive data shrinks", run: shrinks },
  { name: "what does not fit is said not to", run: littleRoom },
  { name: "damaged input is an answer", run: damagedInput },
  { name: "another length than expected is refused", run: wrongLength },
];
