import { SeededRandom } from "../../base/random.ts";
import { type BlockDevice, type BlockOp, type OpKind, opKinds } from "../../port/block-device.ts";

/** What reached the device at the bottom, in order; `TraceDevice` records it. */
export interface Recording {
  events(): Iterable<{
    readonly phase: "submit" | "complete";
    readonly tag: number;
    readonly kind: string | null;
    readonly offsetBytes: number;
  }>;
}

/** A device opened for one check. */
export interface OpenedDevice {
  readonly device: BlockDevice;
  /** Lets time pass: a turn of the event loop, or a step of the virtual clock. */
  pass(): Promise<void> | void;
  /** Of wrappers: what reached the device below; else `null`. */
  readonly below: Recording | null;
}

/**
 * An implementation under test. It MUST open a device of its own every time, with at least 64 blocks, a
 * queue depth and slots of at least 4, and slots of at least 4 blocks; what it holds at first does not
 * matter.
 */
export interface ConformanceSubject {
  readonly name: string;
  open(): Promise<OpenedDevice> | OpenedDevice;
  /** As `open`, but every valid operation fails with EIO. `null`: cannot be made to. */
  readonly openFailing: (() => Promise<OpenedDevice> | OpenedDevice) | null;
  /** As `open`, but reads and writes of two blocks at offset 0 transfer one. `null`: cannot be made to. */
  readonly openShort: (() => Promise<OpenedDevice> | OpenedDevice) | null;
}

export interface Completed {
  readonly result: number;
  readonly submittedNs: number;
  readonly completedNs: number;
}

/** Turns without any completion after which an operation counts as lost. */
const patience = 200_000;

export class ConformanceFailure extends Error {}

export function expect(condition: boolean, text: string): asserts condition {
  if (!condition) {
    throw new ConformanceFailure(text);
  }
}

export function expectEqual(found: unknown, expected: unknown, what: string): void {
  expect(Object.is(found, expected), `${what}: expected ${expected}, found ${found}`);
}

const kindNames = Object.keys(opKinds);

export function describeOp(op: BlockOp): string {
  const name = kindNames[op.kind] ?? `kind ${op.kind}`;
  return `${name} of ${op.lengthBytes} bytes at ${op.offsetBytes}, slot ${op.slot}`;
}

/** A device under test, with what every check needs: operations to completion, exactly once each. */
export class ConformanceSession {
  readonly device: BlockDevice;
  readonly below: Recording | null;
  readonly random: SeededRandom;
  readonly blockBytes: number;
  readonly #opened: OpenedDevice;
  #nextTag = 1000;

  constructor(opened: OpenedDevice, seed: number) {
    this.#opened = opened;
    this.device = opened.device;
    this.below = opened.below;
    this.blockBytes = opened.device.facts.blockBytes;
    this.random = new SeededRandom(seed);
  }

  /** An operation of whole blocks with a tag of its own. */
  op(kind: OpKind, block: number, blocks: number, slot = 0): BlockOp {
    this.#nextTag += 1;
    return {
      kind,
      flags: 0,
      offsetBytes: block * this.blockBytes,
      lengthBytes: blocks * this.blockBytes,
      slot,
      tag: this.#nextTag,
    };
  }

  flush(kind: OpKind = opKinds.flush): BlockOp {
    return this.op(kind, 0, 0);
  }

  /** The whole slot, as a view of the arena. */
  slotBytes(slot: number): Uint8Array {
    const { bytes, slotBytes } = this.device.arena;
    return bytes.subarray(slot * slotBytes, (slot + 1) * slotBytes);
  }

  /** Fills a slot with random bytes and returns a copy of its first `length`. */
  fillSlot(slot: number, length: number): Uint8Array {
    const bytes = this.slotBytes(slot);
    for (let at = 0; at < bytes.length; at += 1) {
      bytes[at] = this.random.bits32() & 0xff;
    }
    return bytes.slice(0, length);
  }

  async pass(): Promise<void> {
    await this.#opened.pass();
  }

  /** Waits until `onReady` calls back. */
  async ready(): Promise<void> {
    let called = false;
    this.device.onReady(() => {
      called = true;
    });
    for (let turn = 0; !called; turn += 1) {
      expect(turn < patience, "onReady never called back although operations are in flight");
      await this.pass();
    }
  }

  /** Takes completions until `count` came; each tag MUST be one of `tags`, once. */
  async collect(
    tags: ReadonlySet<number>,
    count: number,
    into: Map<number, Completed>,
    atOnce = 64,
  ): Promise<void> {
    const until = into.size + count;
    const { completions } = this.device;
    for (let empty = 0; into.size < until; ) {
      const polled = this.device.poll(Math.min(atOnce, until - into.size));
      expect(polled <= Math.min(atOnce, until - into.size), "poll gave more than it was asked for");
      for (let position = 0; position < polled; position += 1) {
        const tag = completions.tag[position] as number;
        expect(tags.has(tag), `a completion has the unknown tag ${tag}`);
        expect(!into.has(tag), `tag ${tag} completed twice`);
        const submittedNs = completions.submittedNs[position] as number;
        const completedNs = completions.completedNs[position] as number;
        expect(submittedNs <= completedNs, `tag ${tag} completed before it was handed over`);
        into.set(tag, { result: completions.result[position] as number, submittedNs, completedNs });
      }
      empty = polled === 0 ? empty + 1 : 0;
      expect(empty < patience, `${until - into.size} operations never completed`);
      if (polled === 0) {
        await this.ready();
      }
    }
  }

  /** Executes operations, as many at once as the device takes, and returns what became of each. */
  async execute(ops: readonly BlockOp[]): Promise<Map<number, Completed>> {
    const tags = new Set(ops.map((op) => op.tag));
    const done = new Map<number, Completed>();
    let sent = 0;
    for (const op of ops) {
      while (!this.device.submit({ ...op })) {
        this.device.commit();
        expect(sent > done.size, "a device without operations in flight says that it is full");
        await this.collect(tags, 1, done);
      }
      sent += 1;
    }
    this.device.commit();
    await this.collect(tags, ops.length - done.size, done);
    return done;
  }

  /** Executes one operation and returns its result. */
  async result(op: BlockOp): Promise<number> {
    const done = await this.execute([op]);
    return done.get(op.tag)?.result ?? Number.NaN;
  }

  /** Executes one operation that MUST succeed in full. */
  async succeed(op: BlockOp): Promise<void> {
    expectEqual(await this.result(op), op.lengthBytes, describeOp(op));
  }

  /** Executes one operation that MUST be refused with this errno. */
  async refused(op: BlockOp, errno: number, why: string): Promise<void> {
    expectEqual(await this.result(op), -errno, `${why} (${describeOp(op)})`);
  }

  /** Nothing may complete now. */
  async quiet(): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1) {
      expectEqual(this.device.poll(64), 0, "completions although nothing is in flight");
      await this.pass();
    }
  }
}
