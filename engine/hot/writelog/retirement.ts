/** Gives space back from the log's oldest end, once the image has what is there for good. */
import type { Appender } from "./appender.ts";
import type { Root } from "./log-format.ts";
import type { LogState } from "./log-state.ts";
import { writeRoot } from "./roots.ts";
import type { WriteBack } from "./write-back.ts";

export class Retirement {
  readonly #state: LogState;
  readonly #appender: Appender;
  readonly #writeBack: WriteBack;
  readonly #freed: () => void;
  #root: Root;
  #writing = false;
  /** Above the high-water mark, until the low one is reached. */
  #draining = false;
  /** Of `everything`. */
  #all: ((errno: number) => void)[] = [];

  constructor(
    state: LogState,
    appender: Appender,
    writeBack: WriteBack,
    root: Root,
    freed: () => void,
  ) {
    this.#state = state;
    this.#appender = appender;
    this.#writeBack = writeBack;
    this.#root = root;
    this.#freed = freed;
  }

  get root(): Root {
    return this.#root;
  }

  /** Share of the log in use: of its bytes or of its entries, whichever is more. */
  get fill(): number {
    const { ring, entries } = this.#state;
    return Math.max(ring.usedBytes / ring.bytes, entries.size / entries.capacity);
  }

  /** Writes everything back and empties the log; then `done`, with an errno when the log has stopped. */
  everything(done: (errno: number) => void): void {
    this.#all.push(done);
    this.pump();
  }

  pump(): void {
    const { tuning, entries } = this.#state;
    if (this.#state.stopped !== null || this.#writing) {
      return;
    }
    const { fill } = this;
    this.#draining = fill > tuning.highWater || (this.#draining && fill > tuning.lowWater);
    const whole = this.#all.length > 0;
    if (!whole && !this.#draining && !this.#appender.blocked) {
      return;
    }
    const first = this.#target(whole || this.#appender.blocked ? 0 : tuning.lowWater);
    if (first > entries.first) {
      this.#retire(first);
    } else if (whole && this.#appender.idle && entries.size === 0) {
      for (const done of this.#all.splice(0)) {
        done(0);
      }
    } else {
      // Nothing is durable in the image that is not retired already.
      this.#writeBack.flushImage();
    }
  }

  /** Writes the root as things stand; `clean` says that nothing will be appended any more. */
  writeRoot(clean: boolean, done: (errno: number) => void): void {
    const { entries, ring, generation } = this.#state;
    const kept = entries.size > 0 ? entries.slotOf(entries.first) : -1;
    this.#root = {
      ...this.#root,
      sequence: this.#root.sequence + 1,
      clean: clean && this.#writeBack.flushed === entries.next,
      firstEntry: entries.first,
      firstPosition: kept < 0 ? ring.head : (entries.recordPosition[kept] as number),
      flushedEntry: this.#writeBack.flushed,
      currentGeneration: generation,
      flushedGeneration: this.#writeBack.flushedGeneration,
      durableEntry: this.#appender.durable,
    };
    this.#state.counters.rootWrites += 1;
    writeRoot(this.#state.logIo, this.#root, done);
  }

  /** The entry with which the log is to begin, at the beginning of a record. */
  #target(lowWater: number): number {
    const { entries, ring } = this.#state;
    const { flushed } = this.#writeBack;
    let target = entries.first;
    for (let sequence = entries.first; sequence < flushed; ) {
      if ((entries.readers[entries.slotOf(sequence)] as number) > 0) {
        break;
      }
      const end = entries.endPosition[entries.slotOf(sequence)] as number;
      sequence += 1;
      const opens =
        sequence === entries.next || entries.opensRecord[entries.slotOf(sequence)] === 1;
      if (opens) {
        target = sequence;
        const bytes = (ring.head - end) / ring.bytes;
        const count = (entries.next - sequence) / entries.capacity;
        if (Math.max(bytes, count) <= lowWater) {
          break;
        }
      }
    }
    return target;
  }

  #retire(first: number): void {
    const { entries, map, ring, counters } = this.#state;
    this.#writing = true;
    const count = first - entries.first;
    let tail = ring.tail;
    for (let sequence = entries.first; sequence < first; sequence += 1) {
      const slot = entries.slotOf(sequence);
      map.remove(slot);
      tail = entries.endPosition[slot] as number;
    }
    entries.first = first;
    this.writeRoot(false, (errno) => {
      this.#writing = false;
      if (errno !== 0) {
        this.#state.stop(`writing the root of the log failed with errno ${errno}`);
        return;
      }
      // Only now: a log that is opened begins where its root says.
      ring.tail = tail;
      entries.kept = first;
      counters.retired += count;
      this.#freed();
      this.pump();
    });
  }
}
