/** Made data for suites and benches: half runs of what came before, half noise, in any mixture. */
import type { SeededRandom } from "../../base/random.ts";

/**
 * `lengthBytes` of which about `repeated` (0 to 1) were copied, in pieces of 8 to 71 bytes, from what
 * stands before; the rest is noise of `symbols` different bytes.
 */
export function sampleData(
  random: SeededRandom,
  lengthBytes: number,
  repeated: number,
  symbols = 256,
): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  for (let at = 0; at < lengthBytes; ) {
    const piece = Math.min(8 + random.below(64), lengthBytes - at);
    if (at > 0 && random.unit() < repeated) {
      const from = random.below(at);
      for (let index = 0; index < piece; index += 1) {
        bytes[at + index] = bytes[from + index] as number;
      }
    } else {
      for (let index = 0; index < piece; index += 1) {
        bytes[at + index] = random.below(symbols);
      }
    }
    at += piece;
  }
  return bytes;
}
