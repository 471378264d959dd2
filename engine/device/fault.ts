import { assert } from "../base/assert.ts";
import {
  type BlockDevice,
  type BlockOp,
  errnos,
  type OpKind,
  opKinds,
} from "../port/block-device.ts";
import type { Clock } from "../port/clock.ts";
import { DeviceWrapper } from "./wrapper.ts";

/** Which operations a fault hits. Everything left out matches. */
export interface FaultMatch {
  readonly kinds?: readonly OpKind[];
  /** Operations that touch this range; flushes touch none. */
  readonly range?: { readonly offsetBytes: number; readonly lengthBytes: number };
  /** The first of the matching operations that is hit, from 1 (default). */
  readonly nth?: number;
  /** How many are hit from there on; default 1, `null` = all. */
  readonly times?: number | null;
}

/** What happens to an operation. Byte counts are multiples of the device's block and below its length. */
export type FaultEffect =
  /** Fails with this errno (positive) and does nothing. */
  | { readonly effect: "error"; readonly errno: number }
  /** Transfers only so many bytes, and says so. */
  | { readonly effect: "short"; readonly bytes: number }
  /** A write of which only the first bytes arrive, although it reports success. */
  | { readonly effect: "torn"; readonly bytes: number }
  /** A write, trim or flush that reports success and does nothing. */
  | { readonly effect: "lost" }
  /** Goes to another place on the device; a write then harms that place, a read returns its data. */
  | { readonly effect: "misdirected"; readonly offsetBytes: number }
  /** A read that returns its data with these bits of one byte turned over. */
  | { readonly effect: "flip"; readonly byte: number; readonly mask: number }
  /** Does not start until `release`. */
  | { readonly effect: "stuck" }
  /** Starts so much later. */
  | { readonly effect: "slow"; readonly delayNs: number }
  /** A write that succeeds, but whose range fails with EIO when it is read, until it is written again. */
  | { readonly effect: "latent" };

export type Fault = FaultMatch & FaultEffect;

function touches(op: BlockOp, range: NonNullable<FaultMatch["range"]>): boolean {
  return (
    op.kind !== opKinds.flush &&
    op.kind !== opKinds.dataFlush &&
    op.offsetBytes < range.offsetBytes + range.lengthBytes &&
    range.offsetBytes < op.offsetBytes + op.lengthBytes
  );
}

function matches(fault: Fault, op: BlockOp): boolean {
  const kindFits = fault.kinds === undefined || fault.kinds.includes(op.kind);
  return kindFits && (fault.range === undefined || touches(op, fault.range));
}

/**
 * A device on which faults happen as planned. The first fault of the list that hits an operation
 * decides; every fault counts the operations that match it, hit or not.
 */
export class FaultDevice extends DeviceWrapper {
  readonly #faults: readonly Fault[];
  readonly #seen: number[];
  /** The fault that hit the operation at an index. */
  readonly #hit: (Fault | null)[];
  /** Answered by this device, to be told at the next `commit`. */
  readonly #answered: number[] = [];
  readonly #stuck: number[] = [];
  /** Ranges that `latent` writes have left, in units of a block. */
  readonly #badBlocks = new Set<number>();
  #queued = 0;
  #hits = 0;

  constructor(inner: BlockDevice, faults: readonly Fault[], clock: Clock) {
    super(inner, clock);
    this.#faults = faults;
    this.#seen = faults.map(() => 0);
    this.#hit = new Array<Fault | null>(inner.facts.queueDepth).fill(null);
  }

  /** Operations that were hit so far. */
  get hitCount(): number {
    return this.#hits;
  }

  /** Operations that are held by `stuck`. */
  get stuckCount(): number {
    return this.#stuck.length;
  }

  submit(op: BlockOp): boolean {
    const index = this.closed ? -1 : this.table.put(op);
    if (index < 0) {
      return false;
    }
    const fault = this.#match(op);
    if (!this.#start(index, fault)) {
      this.table.release(index);
      return false;
    }
    for (const [position, known] of this.#faults.entries()) {
      if (matches(known, op)) {
        this.#seen[position] = (this.#seen[position] ?? 0) + 1;
      }
    }
    this.#hit[index] = fault;
    this.#hits += fault === null ? 0 : 1;
    this.#queued += 1;
    return true;
  }

  commit(): number {
    const nowNs = this.clock.nowNs();
    for (const index of this.#answered) {
      this.table.submittedNs[index] = nowNs;
      this.finish(index, this.table.result[index] as number);
    }
    this.#answered.length = 0;
    this.inner.commit();
    const count = this.#queued;
    this.#queued = 0;
    return count;
  }

  /** Lets the stuck operations start. */
  release(): void {
    for (const index of this.#stuck.splice(0)) {
      this.table.load(index, this.op);
      assert(this.inner.submit(this.op), "a device has room for the operations its wrapper holds");
    }
    this.inner.commit();
  }

  protected override resultOf(index: number, result: number): number {
    const fault = this.#hit[index] ?? null;
    if (result < 0 || (fault === null && this.#badBlocks.size === 0)) {
      return result;
    }
    if (fault?.effect === "torn") {
      return this.table.lengthBytes[index] as number;
    }
    if (fault?.effect === "flip" && this.table.kind[index] === opKinds.read) {
      const at = (this.table.slot[index] as number) * this.arena.slotBytes + fault.byte;
      this.arena.bytes[at] = (this.arena.bytes[at] as number) ^ fault.mask;
    }
    return this.#touchesBad(index, fault) ? -errnos.EIO : result;
  }

  /** Keeps account of bad blocks; whether the operation was a read that met one. */
  #touchesBad(index: number, fault: Fault | null): boolean {
    const kind = this.table.kind[index];
    if (kind === opKinds.flush || kind === opKinds.dataFlush) {
      return false;
    }
    const { blockBytes } = this.facts;
    const first = (this.table.offsetBytes[index] as number) / blockBytes;
    const end = first + (this.table.lengthBytes[index] as number) / blockBytes;
    let met = false;
    for (let block = first; block < end; block += 1) {
      if (kind === opKinds.read) {
        met ||= this.#badBlocks.has(block);
      } else if (fault?.effect === "latent" && kind === opKinds.write) {
        this.#badBlocks.add(block);
      } else {
        this.#badBlocks.delete(block);
      }
    }
    return met;
  }

  protected override submittedNsOf(index: number, innerNs: number): number {
    // The time that an operation was held back is part of its service.
    const effect = this.#hit[index]?.effect;
    return effect === "stuck" || effect === "slow"
      ? (this.table.submittedNs[index] as number)
      : innerNs;
  }

  #match(op: BlockOp): Fault | null {
    for (const [position, fault] of this.#faults.entries()) {
      if (matches(fault, op)) {
        const turn = (this.#seen[position] ?? 0) + 1;
        const first = fault.nth ?? 1;
        const times = fault.times === undefined ? 1 : fault.times;
        if (turn >= first && (times === null || turn < first + times)) {
          return fault;
        }
      }
    }
    return null;
  }

  /** Starts the operation as the fault says; `false`: the device below is full. */
  #start(index: number, fault: Fault | null): boolean {
    const op = this.op;
    this.table.load(index, op);
    switch (fault?.effect) {
      case "error":
        return this.#answer(index, -fault.errno);
      case "lost": {
        const flush = op.kind === opKinds.flush || op.kind === opKinds.dataFlush;
        return this.#answer(index, flush ? 0 : op.lengthBytes);
      }
      case "stuck":
        this.table.submittedNs[index] = this.clock.nowNs();
        this.#stuck.push(index);
        return true;
      case "slow": {
        const nowNs = this.clock.nowNs();
        this.table.submittedNs[index] = nowNs;
        this.clock.at(nowNs + fault.delayNs, () => this.#startLate(index));
        return true;
      }
      case "torn":
      case "short": {
        const told = fault.effect === "torn" ? op.lengthBytes : fault.bytes;
        if (fault.bytes === 0) {
          return this.#answer(index, told);
        }
        op.lengthBytes = Math.min(fault.bytes, op.lengthBytes);
        return this.inner.submit(op);
      }
      case "misdirected":
        op.offsetBytes = fault.offsetBytes;
        return this.inner.submit(op);
      default:
        return this.inner.submit(op);
    }
  }

  #startLate(index: number): void {
    if (!this.closed) {
      this.table.load(index, this.op);
      assert(this.inner.submit(this.op), "a device has room for the operations its wrapper holds");
      this.inner.commit();
    }
  }

  #answer(index: number, result: number): boolean {
    this.table.result[index] = result;
    this.#answered.push(index);
    return true;
  }
}
