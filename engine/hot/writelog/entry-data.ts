/** The data of entries, from memory or from the log, proven by their checksum. */
import { assert } from "../../base/assert.ts";
import type { Appender } from "./appender.ts";
import type { LogState } from "./log-state.ts";

const sumBytes = new Uint8Array(4);
const sumView = new DataView(sumBytes.buffer);

/** The data, valid during the call only; `null`: they cannot be read, or are damaged. */
export type DataDone = (data: Uint8Array | null) => void;

function proven({ entries, checksum }: LogState, slot: number, bytes: Uint8Array) {
  sumView.setUint32(0, entries.dataSum[slot] as number, true);
  return checksum.verify(bytes, bytes.length, sumBytes) < 0 ? bytes : null;
}

/** Reads one entry's data from the log. */
function readData(state: LogState, slot: number, done: DataDone): void {
  const { entries, ring } = state;
  const lengthBytes = entries.lengthBytes[slot] as number;
  ring.read(entries.position[slot] as number, lengthBytes, (errno, bytes) => {
    done(errno === 0 ? proven(state, slot, bytes) : null);
  });
}

/** The data of an entry, which stays until then. */
export function entryData(
  state: LogState,
  appender: Appender,
  sequence: number,
  done: DataDone,
): void {
  const { entries } = state;
  const slot = entries.slotOf(sequence);
  assert(entries.hasData(slot), "an entry without data is read");
  const inMemory = appender.inMemory(sequence, slot);
  if (inMemory !== null) {
    done(inMemory);
    return;
  }
  entries.readers[slot] = (entries.readers[slot] as number) + 1;
  readData(state, slot, (data) => {
    entries.readers[slot] = (entries.readers[slot] as number) - 1;
    done(data);
  });
}

/**
 * The data of entries in their order, as write-back wants them: what is in memory no more is read from the
 * log in long pieces, in which the data of many entries lie side by side.
 */
export class EntryWindow {
  readonly #state: LogState;
  readonly #appender: Appender;
  readonly #bytes: Uint8Array;
  /** Ring positions whose bytes are there. */
  #from = 0;
  #end = 0;
  #reading = false;
  readonly #waiting: { readonly slot: number; readonly done: DataDone }[] = [];

  constructor(state: LogState, appender: Appender) {
    this.#state = state;
    this.#appender = appender;
    this.#bytes = new Uint8Array(state.logIo.slotBytes);
  }

  /** The data of an entry that MUST be durable in the log, and stay there until `done`. */
  data(sequence: number, done: DataDone): void {
    const { entries } = this.#state;
    const slot = entries.slotOf(sequence);
    const inMemory = this.#appender.inMemory(sequence, slot);
    if (inMemory !== null) {
      done(inMemory);
    } else if (!this.#reading && this.#holds(slot)) {
      done(this.#proven(slot));
    } else {
      this.#waiting.push({ slot, done });
      this.#next();
    }
  }

  #holds(slot: number): boolean {
    const { position, lengthBytes } = this.#state.entries;
    const from = position[slot] as number;
    return from >= this.#from && from + (lengthBytes[slot] as number) <= this.#end;
  }

  #proven(slot: number): Uint8Array | null {
    const { entries } = this.#state;
    const from = (entries.position[slot] as number) - this.#from;
    const bytes = this.#bytes.subarray(from, from + (entries.lengthBytes[slot] as number));
    return proven(this.#state, slot, bytes);
  }

  /** Reads on from where the first that waits has its data. */
  #next(): void {
    const [first] = this.#waiting;
    if (this.#reading || first === undefined) {
      return;
    }
    const { entries, ring } = this.#state;
    const from = entries.position[first.slot] as number;
    // Behind it there may be what an earlier lap of the ring has left.
    const last = entries.slotOf(this.#appender.durable - 1);
    const end = Math.min(from + this.#bytes.length, entries.endPosition[last] as number);
    if (from + (entries.lengthBytes[first.slot] as number) > end) {
      this.#alone();
      return;
    }
    this.#reading = true;
    ring.read(from, end - from, (errno, bytes) => {
      this.#reading = false;
      if (errno !== 0) {
        // A place that cannot be read fails the entry that lies there, and no other.
        this.#alone();
        return;
      }
      this.#bytes.set(bytes);
      this.#from = from;
      this.#end = end;
      this.#answer();
    });
  }

  /** Those whose data have come; the others are read for. */
  #answer(): void {
    for (const { slot, done } of this.#waiting.splice(0)) {
      if (!this.#reading && this.#holds(slot)) {
        done(this.#proven(slot));
      } else {
        this.#waiting.push({ slot, done });
      }
    }
    this.#next();
  }

  #alone(): void {
    const first = this.#waiting.shift();
    if (first !== undefined) {
      readData(this.#state, first.slot, first.done);
    }
    this.#next();
  }
}
