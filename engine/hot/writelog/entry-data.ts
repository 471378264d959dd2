import { assert } from "../../base/assert.ts";
import type { Appender } from "./appender.ts";
import type { LogState } from "./log-state.ts";

const sumBytes = new Uint8Array(4);
const sumView = new DataView(sumBytes.buffer);

/**
 * The data of an entry, from memory or from the log, proven by their checksum: valid during the call
 * only; `null`: they cannot be read, or are damaged. The entry stays until then.
 */
export function entryData(
  state: LogState,
  appender: Appender,
  sequence: number,
  done: (data: Uint8Array | null) => void,
): void {
  const { entries, ring, checksum } = state;
  const slot = entries.slotOf(sequence);
  assert(entries.hasData(slot), "an entry without data is read");
  const inMemory = appender.inMemory(sequence, slot);
  if (inMemory !== null) {
    done(inMemory);
    return;
  }
  entries.readers[slot] = (entries.readers[slot] as number) + 1;
  const lengthBytes = entries.lengthBytes[slot] as number;
  ring.read(entries.position[slot] as number, lengthBytes, (errno, bytes) => {
    entries.readers[slot] = (entries.readers[slot] as number) - 1;
    if (errno !== 0) {
      done(null);
      return;
    }
    sumView.setUint32(0, entries.dataSum[slot] as number, true);
    done(checksum.verify(bytes, lengthBytes, sumBytes) < 0 ? bytes : null);
  });
}
