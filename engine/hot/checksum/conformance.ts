/** The one conformance suite of checksums. */
import type { SeededRandom } from "../../base/random.ts";
import { type Check, expect } from "../checks.ts";
import type { Checksum } from "./checksum.ts";

export interface ChecksumSubject {
  /** Makes the checksum; called once or more in a check. */
  readonly create: () => Checksum;
}

const chunkSizes = [512, 4096, 16_384];

function randomBytes(random: SeededRandom, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 1) {
    bytes[at] = random.bits32() >>> 24;
  }
  return bytes;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

function sumsOf(sums: Checksum, bytes: Uint8Array, chunkBytes: number): Uint8Array {
  const values = new Uint8Array((bytes.length / chunkBytes) * sums.valueBytes);
  sums.checksum(bytes, chunkBytes, values);
  return values;
}

function width({ create }: ChecksumSubject): null {
  const { valueBytes } = create();
  expect(
    Number.isInteger(valueBytes) && valueBytes >= 0 && valueBytes <= 8,
    "valueBytes is 0 to 8",
  );
  return null;
}

function roundTrip({ create }: ChecksumSubject, random: SeededRandom): null {
  const sums = create();
  for (const chunkBytes of chunkSizes) {
    for (const chunks of [1, 2, 7]) {
      const bytes = randomBytes(random, chunks * chunkBytes);
      const before = bytes.slice();
      const values = sumsOf(sums, bytes, chunkBytes);
      expect(same(bytes, before), "taking sums changed the data");
      expect(sums.verify(bytes, chunkBytes, values) === -1, "sound data is reported as damaged");
      expect(same(bytes, before), "verifying changed the data");
      expect(same(sumsOf(create(), bytes, chunkBytes), values), "a second instance differs");
    }
  }
  return null;
}

function eachChunkAlone({ create }: ChecksumSubject, random: SeededRandom): null {
  const sums = create();
  const chunkBytes = 4096;
  const bytes = randomBytes(random, 5 * chunkBytes);
  const values = sumsOf(sums, bytes, chunkBytes);
  for (let chunk = 0; chunk < 5; chunk += 1) {
    const alone = sumsOf(
      sums,
      bytes.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes),
      chunkBytes,
    );
    const within = values.subarray(chunk * sums.valueBytes, (chunk + 1) * sums.valueBytes);
    expect(same(alone, within), `chunk ${chunk} has another value in company than alone`);
  }
  return null;
}

/** Of `damages` random ones a sum of `valueBytes` may miss 1 in 256^valueBytes; four times that fails. */
function findsDamage({ create }: ChecksumSubject, random: SeededRandom): string | null {
  const sums = create();
  if (sums.valueBytes === 0) {
    return "it has no values";
  }
  const chunkBytes = 512;
  const bytes = randomBytes(random, 8 * chunkBytes);
  const values = sumsOf(sums, bytes, chunkBytes);
  const damages = 2000;
  let missed = 0;
  for (let round = 0; round < damages; round += 1) {
    const at = random.below(bytes.length);
    const sound = bytes[at] ?? 0;
    bytes[at] = sound ^ (1 + random.below(255));
    const bad = sums.verify(bytes, chunkBytes, values);
    bytes[at] = sound;
    const chunk = Math.floor(at / chunkBytes);
    expect(bad === -1 || bad === chunk, `damage in chunk ${chunk} is reported in chunk ${bad}`);
    missed += bad === -1 ? 1 : 0;
  }
  const allowed = (damages / 256 ** sums.valueBytes) * 4;
  expect(missed <= allowed, `${missed} of ${damages} damages of one byte went unnoticed`);
  return null;
}

function firstOfSeveral({ create }: ChecksumSubject, random: SeededRandom): string | null {
  const sums = create();
  if (sums.valueBytes === 0) {
    return "it has no values";
  }
  const chunkBytes = 4096;
  const bytes = randomBytes(random, 8 * chunkBytes);
  const values = sumsOf(sums, bytes, chunkBytes);
  for (const chunk of [7, 3, 1]) {
    const at = chunk * sums.valueBytes;
    values[at] = (values[at] ?? 0) ^ 0x40;
    expect(sums.verify(bytes, chunkBytes, values) === chunk, "not the first bad chunk is reported");
  }
  return null;
}

function registeredMemory({ create }: ChecksumSubject, random: SeededRandom): null {
  const sums = create();
  const bytes = randomBytes(random, 1 << 20);
  const memory = sums.over(bytes);
  const { valueBytes } = sums;
  for (let round = 0; round < 200; round += 1) {
    const chunkBytes = 2 ** (7 + random.below(8));
    const most = Math.floor(bytes.length / chunkBytes);
    const chunks = 1 + random.below(round % 20 === 0 ? most : Math.min(most, 16));
    const length = chunks * chunkBytes;
    const offset = random.below(bytes.length - length + 1);
    const wanted = sumsOf(sums, bytes.subarray(offset, offset + length), chunkBytes);
    const values = new Uint8Array(wanted.length + 9).fill(0xee);
    memory.checksum(offset, length, chunkBytes, values, 5);
    expect(
      same(values.subarray(5, 5 + wanted.length), wanted),
      "over registered memory the values differ",
    );
    const around = [...values.subarray(0, 5), ...values.subarray(5 + wanted.length)];
    expect(
      around.every((byte) => byte === 0xee),
      "values were written beside their place",
    );
    expect(memory.verify(offset, length, chunkBytes, values, 5) === -1, "sound data is refused");
    if (valueBytes > 0) {
      const bad = random.below(chunks);
      const at = 5 + bad * valueBytes + random.below(valueBytes);
      values[at] = (values[at] ?? 0) ^ (1 + random.below(255));
      const found = memory.verify(offset, length, chunkBytes, values, 5);
      expect(found === bad, `chunk ${bad} is bad, ${found} is reported`);
    }
  }
  memory.close();
  return null;
}

/** Every promise of `Checksum`. */
export const checksumChecks: readonly Check<ChecksumSubject>[] = [
  { name: "a value has a fixed width", run: width },
  { name: "sums verify, whatever made them, and leave the data alone", run: roundTrip },
  { name: "a chunk's value depends on that chunk alone", run: eachChunkAlone },
  { name: "damage is found in its chunk", run: findsDamage },
  { name: "the first bad chunk is reported", run: firstOfSeveral },
  { name: "registered memory gives the same sums", run: registeredMemory },
];
