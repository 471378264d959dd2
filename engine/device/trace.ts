import {
  type Arena,
  type BlockDevice,
  type BlockOp,
  type Completions,
  type DeviceFacts,
  type DeviceSupports,
  flagFua,
  opKinds,
} from "../port/block-device.ts";
import type { Clock } from "../port/clock.ts";

/** One line of a trace, as an object: for tests and for reading, not for the path of an operation. */
export interface TraceEvent {
  readonly phase: "submit" | "complete";
  /** Of the submission: when it was queued; of the completion: what the device says. */
  readonly timeNs: number;
  readonly tag: number;
  /** Of submissions. */
  readonly kind: keyof typeof opKinds | null;
  readonly fua: boolean;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly slot: number;
  /** Of completions: bytes or a negative errno. */
  readonly result: number;
}

const kindNames = Object.freeze(Object.keys(opKinds) as (keyof typeof opKinds)[]);
const completion = 255;

/** Records every operation and completion that passes, in order, into typed arrays. */
export class TraceDevice implements BlockDevice {
  readonly facts: DeviceFacts;
  readonly supports: DeviceSupports;
  readonly arena: Arena;
  readonly completions: Completions;
  readonly #inner: BlockDevice;
  readonly #clock: Clock;
  readonly #limit: number;
  #what = new Uint8Array(0);
  #flags = new Uint8Array(0);
  #slot = new Int32Array(0);
  #tag = new Int32Array(0);
  /** Length of submissions, result of completions. */
  #amount = new Float64Array(0);
  #offset = new Float64Array(0);
  #time = new Float64Array(0);
  #count = 0;
  #dropped = 0;

  /** Keeps the first `limit` events (about 35 bytes each) and counts the rest. */
  constructor(inner: BlockDevice, clock: Clock, limit = 1 << 20) {
    this.#inner = inner;
    this.#clock = clock;
    this.#limit = limit;
    this.facts = inner.facts;
    this.supports = inner.supports;
    this.arena = inner.arena;
    this.completions = inner.completions;
    this.#grow(Math.min(1024, limit));
  }

  /** Events kept. */
  get eventCount(): number {
    return this.#count;
  }

  /** Events that came after the limit. */
  get droppedCount(): number {
    return this.#dropped;
  }

  submit(op: BlockOp): boolean {
    const taken = this.#inner.submit(op);
    const at = taken ? this.#next() : -1;
    if (at >= 0) {
      this.#what[at] = op.kind;
      this.#flags[at] = op.flags;
      this.#slot[at] = op.slot;
      this.#tag[at] = op.tag;
      this.#amount[at] = op.lengthBytes;
      this.#offset[at] = op.offsetBytes;
      this.#time[at] = this.#clock.nowNs();
    }
    return taken;
  }

  commit(): number {
    return this.#inner.commit();
  }

  poll(max: number): number {
    const count = this.#inner.poll(max);
    const { tag, result, completedNs } = this.completions;
    for (let position = 0; position < count; position += 1) {
      const at = this.#next();
      if (at >= 0) {
        this.#what[at] = completion;
        this.#tag[at] = tag[position] as number;
        this.#amount[at] = result[position] as number;
        this.#time[at] = completedNs[position] as number;
      }
    }
    return count;
  }

  onReady(callback: () => void): void {
    this.#inner.onReady(callback);
  }

  close(): void {
    this.#inner.close();
  }

  clear(): void {
    this.#count = 0;
    this.#dropped = 0;
  }

  event(at: number): TraceEvent {
    if (at < 0 || at >= this.#count) {
      throw new RangeError(`internal error: no trace event ${at} of ${this.#count}`);
    }
    const what = this.#what[at] as number;
    const submitted = what !== completion;
    const amount = this.#amount[at] as number;
    return {
      phase: submitted ? "submit" : "complete",
      timeNs: this.#time[at] as number,
      tag: this.#tag[at] as number,
      kind: submitted ? (kindNames[what] ?? null) : null,
      fua: submitted && ((this.#flags[at] as number) & flagFua) !== 0,
      offsetBytes: submitted ? (this.#offset[at] as number) : 0,
      lengthBytes: submitted ? amount : 0,
      slot: submitted ? (this.#slot[at] as number) : 0,
      result: submitted ? 0 : amount,
    };
  }

  *events(): Generator<TraceEvent> {
    for (let at = 0; at < this.#count; at += 1) {
      yield this.event(at);
    }
  }

  /** One line an event; the last line tells how many were dropped, if any were. */
  text(): string {
    const lines: string[] = [];
    for (const event of this.events()) {
      const head = `${event.timeNs} ${event.phase} tag=${event.tag}`;
      const rest =
        event.phase === "submit"
          ? ` ${event.kind}${event.fua ? "+fua" : ""} offset=${event.offsetBytes} length=${event.lengthBytes} slot=${event.slot}`
          : ` result=${event.result}`;
      lines.push(head + rest);
    }
    if (this.#dropped > 0) {
      lines.push(`# ${this.#dropped} more events were not kept`);
    }
    return lines.map((line) => `${line}\n`).join("");
  }

  /** Place of the next event; -1 when the limit is reached. */
  #next(): number {
    if (this.#count === this.#limit) {
      this.#dropped += 1;
      return -1;
    }
    if (this.#count === this.#what.length) {
      this.#grow(Math.min(this.#limit, 2 * this.#count));
    }
    this.#count += 1;
    return this.#count - 1;
  }

  #grow(capacity: number): void {
    const grown = <T extends { set(from: T): void }>(made: T, old: T): T => {
      made.set(old);
      return made;
    };
    this.#what = grown(new Uint8Array(capacity), this.#what);
    this.#flags = grown(new Uint8Array(capacity), this.#flags);
    this.#slot = grown(new Int32Array(capacity), this.#slot);
    this.#tag = grown(new Int32Array(capacity), this.#tag);
    this.#amount = grown(new Float64Array(capacity), this.#amount);
    this.#offset = grown(new Float64Array(capacity), this.#offset);
    this.#time = grown(new Float64Array(capacity), this.#time);
  }
}
