import { type BlockOp, opKinds } from "../../port/block-device.ts";
import { type ConformanceSession, describeOp, expect, expectEqual } from "./conformance-session.ts";

const unknown = 0;
const known = 1;

/** What the first blocks of a device must hold: an array of bytes, and which blocks nobody can know. */
export class NaiveModel {
  readonly blocks: number;
  readonly #session: ConformanceSession;
  readonly #bytes: Uint8Array;
  readonly #state: Uint8Array;

  constructor(session: ConformanceSession, blocks: number) {
    this.blocks = blocks;
    this.#session = session;
    this.#bytes = new Uint8Array(blocks * session.blockBytes);
    this.#state = new Uint8Array(blocks).fill(unknown);
  }

  /** Applies a completed write, trim or write-zeroes. */
  apply(op: BlockOp, data: Uint8Array | null): void {
    const first = op.offsetBytes / this.#session.blockBytes;
    const last = first + op.lengthBytes / this.#session.blockBytes;
    switch (op.kind) {
      case opKinds.write:
        this.#bytes.set(data ?? new Uint8Array(0), op.offsetBytes);
        this.#state.fill(known, first, last);
        break;
      case opKinds.writeZeroes:
        this.#bytes.fill(0, op.offsetBytes, op.offsetBytes + op.lengthBytes);
        this.#state.fill(known, first, last);
        break;
      case opKinds.trim:
        this.#state.fill(unknown, first, last);
        break;
      default:
        break;
    }
  }

  /** Compares what a read returned. */
  compare(op: BlockOp, found: Uint8Array): void {
    const { blockBytes } = this.#session;
    for (let at = 0; at < op.lengthBytes; at += 1) {
      const place = op.offsetBytes + at;
      if (
        this.#state[Math.floor(place / blockBytes)] === known &&
        found[at] !== this.#bytes[place]
      ) {
        expectEqual(found[at], this.#bytes[place], `byte ${place} (${describeOp(op)})`);
      }
    }
  }

  /** Reads all blocks back and compares them. */
  async compareAll(): Promise<void> {
    const { device, blockBytes } = this.#session;
    const most = Math.floor(device.arena.slotBytes / blockBytes);
    for (let block = 0; block < this.blocks; block += most) {
      const op = this.#session.op(opKinds.read, block, Math.min(most, this.blocks - block));
      await this.#session.succeed(op);
      this.compare(op, this.#session.slotBytes(0));
    }
  }

  /** One batch of operations on separate ranges, at random, executed at once and compared. */
  async randomStep(): Promise<void> {
    const { device, random, blockBytes } = this.#session;
    const most = Math.min(device.facts.queueDepth, device.arena.slotCount, 16);
    const count = 1 + random.below(most);
    const taken = new Uint8Array(this.blocks);
    const ops: BlockOp[] = [];
    const data = new Map<number, Uint8Array>();
    for (let slot = 0; slot < count; slot += 1) {
      const op = this.#draw(slot);
      const first = op.offsetBytes / blockBytes;
      const range = taken.subarray(first, first + op.lengthBytes / blockBytes);
      if (range.includes(1)) {
        continue;
      }
      range.fill(1);
      ops.push(op);
      data.set(op.tag, this.#session.fillSlot(slot, op.lengthBytes));
    }
    const done = await this.#session.execute(ops);
    for (const op of ops) {
      expectEqual(done.get(op.tag)?.result, op.lengthBytes, describeOp(op));
      const slot = this.#session.slotBytes(op.slot);
      if (op.kind === opKinds.read) {
        this.compare(op, slot);
      } else {
        const sent = data.get(op.tag) ?? null;
        const same = sent === null || sent.every((byte, at) => byte === slot[at]);
        expect(same, `the device changed the lent slot of a ${describeOp(op)}`);
        this.apply(op, sent);
      }
    }
  }

  #draw(slot: number): BlockOp {
    const { device, random, blockBytes } = this.#session;
    const kinds = [opKinds.read, opKinds.read, opKinds.write, opKinds.write, opKinds.flush];
    const all = [
      ...kinds,
      opKinds.dataFlush,
      ...(device.supports.trim ? [opKinds.trim] : []),
      ...(device.supports.writeZeroes ? [opKinds.writeZeroes] : []),
    ];
    const kind = all[random.below(all.length)] ?? opKinds.read;
    if (kind === opKinds.flush || kind === opKinds.dataFlush) {
      return this.#session.flush(kind);
    }
    const longest = Math.min(Math.floor(device.arena.slotBytes / blockBytes), 8);
    const blocks = 1 + random.below(longest);
    return this.#session.op(kind, random.below(this.blocks - blocks + 1), blocks, slot);
  }
}

/** Why a check of contents does not apply. */
export const noData = "the device keeps no data";

/** A model of the first blocks (a multiple of 4), all of them written. */
export async function writtenModel(
  session: ConformanceSession,
  blocks: number,
): Promise<NaiveModel> {
  const model = new NaiveModel(session, blocks);
  for (let block = 0; block < blocks; block += 4) {
    const data = session.fillSlot(0, 4 * session.blockBytes);
    const write = session.op(opKinds.write, block, 4);
    await session.succeed(write);
    model.apply(write, data);
  }
  return model;
}
