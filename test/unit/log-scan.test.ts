/** What recovery reads through: a range in long parts, of which some cannot be read. */
import { expect, it } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { LogScan } from "../../engine/hot/writelog/log-scan.ts";

const byteAt = (position: number) => (Math.imul(position, 0x9e3779b1) >>> 24) & 255;

function bytesOf(position: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => byteAt(position + at));
}

it("gives what is there, whatever is asked for in order, and reads it about once", async () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const random = new SeededRandom(seed);
    const from = random.below(5000);
    const end = from + 1 + random.below(4000);
    let read = 0;
    const range = async (position: number, length: number) => {
      expect(position + length, `seed ${seed}`).toBeLessThanOrEqual(end);
      read += length;
      return bytesOf(position, length);
    };
    const scan = new LogScan(range, from, end, 1 + random.below(600));
    for (let at = from; at < end; ) {
      const length = 1 + random.below(Math.min(700, end - at));
      expect(await scan.bytes(at, length), `seed ${seed} at ${at}`).toEqual(bytesOf(at, length));
      // As a record is read: its head, then all of it, then what comes behind.
      at += random.below(3) === 0 ? 0 : length;
    }
    expect(await scan.bytes(end - 1, 2)).toBeNull();
    expect(read, `seed ${seed}`).toBe(end - from);
  }
});

it("a place that cannot be read fails only those who ask for it", async () => {
  const broken = 1000;
  const range = async (position: number, length: number) => {
    if (position <= broken && position + length > broken) {
      throw new Error("latent");
    }
    return bytesOf(position, length);
  };
  const scan = new LogScan(range, 0, 2000, 300);
  for (let at = 0; at < 2000; at += 50) {
    const asked = scan.bytes(at, 50);
    if (at === broken) {
      await expect(asked).rejects.toThrow("latent");
    } else {
      expect(await asked).toEqual(bytesOf(at, 50));
    }
  }
});

it("forgets what it has read", async () => {
  let lap = 0;
  const range = async (_position: number, length: number) => new Uint8Array(length).fill(lap);
  const scan = new LogScan(range, 0, 1000, 100);
  expect(await scan.bytes(0, 10)).toEqual(new Uint8Array(10).fill(0));
  lap = 1;
  expect(await scan.bytes(10, 10)).toEqual(new Uint8Array(10).fill(0));
  scan.forget();
  expect(await scan.bytes(20, 100)).toEqual(new Uint8Array(100).fill(1));
});
