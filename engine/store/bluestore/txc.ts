/** The context of one transaction, from its submission to its end; used again for later ones. */
import { ExtentList } from "../../hot/allocator/allocator.ts";
import { KvBatch } from "../../hot/kv/kv.ts";
import { Premises } from "../../hot/kv/premises.ts";
import type { Done } from "../object-store.ts";
import type { Transaction } from "../transaction.ts";
import type { IoOwner } from "./disk-io.ts";
import type { InFlightWrite } from "./in-flight.ts";
import type { Onode } from "./onode.ts";
import type { StorePerf } from "./perf.ts";
import type { Sequencer } from "./sequencer.ts";
import type { SharedBlob } from "./shared-blob.ts";

/** Where a transaction is; the states of BlueStore. */
export const txcStates = Object.freeze({
  prepare: 0,
  aioWait: 1,
  ioDone: 2,
  kvQueued: 3,
  kvSubmitted: 4,
  kvDone: 5,
  deferredQueued: 6,
  deferredCleanup: 7,
  finishing: 8,
  done: 9,
});
export type TxcState = (typeof txcStates)[keyof typeof txcStates];

/** Data that is written in place after the commit that has it in the log. */
export interface DeferredWrite {
  readonly offsetBytes: number;
  readonly bytes: Uint8Array;
}

/** What was read before a transaction could be prepared: a range of an object as it was. */
export interface Preread {
  readonly onode: Onode;
  /** Index of the operation that it was read for. */
  readonly op: number;
  readonly offsetBytes: number;
  readonly bytes: Uint8Array;
}

/** Changes of a pool's usage. */
export const usageFields = 4;
export class UsageDelta {
  pool = 0;
  allocated = 0;
  stored = 0;
  compressedOriginal = 0;
  compressedAllocated = 0;

  reset(pool: number): void {
    this.pool = pool;
    this.allocated = 0;
    this.stored = 0;
    this.compressedOriginal = 0;
    this.compressedAllocated = 0;
  }

  get changed(): boolean {
    return (
      this.allocated !== 0 ||
      this.stored !== 0 ||
      this.compressedOriginal !== 0 ||
      this.compressedAllocated !== 0
    );
  }
}

/** To set the length to 0 is a call of the engine, which throws away the memory that the next push needs. */
function empty(array: unknown[]): void {
  while (array.length > 0) {
    array.pop();
  }
}

export class Txc implements IoOwner {
  state: TxcState = txcStates.prepare;
  /** When it was submitted, and when it entered its state, ns. */
  submittedNs = 0;
  sinceNs = 0;
  /** Since when a throttle or missing space holds it back, and which did first; -1: none does. */
  heldNs = -1;
  heldBy: keyof StorePerf["waits"] = "space";
  sequence = 0;
  /** Of the operation that it is of: see `Transaction.trace`. */
  trace = 0;
  transaction: Transaction | null = null;
  done: Done | null = null;
  result = 0;
  /** Of its collections: one, or two for a split or merge. */
  readonly sequencers: Sequencer[] = [];
  readonly batch = new KvBatch(2048);
  readonly allocated = new ExtentList();
  readonly released = new ExtentList();
  readonly onodes: Onode[] = [];
  readonly sharedBlobs: SharedBlob[] = [];
  readonly writes: InFlightWrite[] = [];
  deferred: InFlightWrite[] = [];
  deferredBytes = 0;
  deferredSequence = 0;
  readonly usage: UsageDelta[] = [];
  usageCount = 0;
  ioLeft = 0;
  hadIo = false;
  /** Some of its data needs a flush to be durable; bytes of data that need none. */
  unflushed = false;
  /** A commit may stand on what it writes without a flush before: on this. */
  premised = false;
  readonly premises = new Premises();
  durableBytes = 0;
  costBytes = 0;
  /** Held by the throttle: `costBytes` is counted. */
  admitted = false;
  /** How much more the key-value store holds after it, estimated from above; 0: not counted yet, or no more. */
  kvGrowthBytes = 0;
  prereadLeft = 0;
  prereadDone = false;
  preread: Preread[] = [];
  /** The store's: called when the last data write has ended. */
  readonly #ended: (txc: Txc) => void;
  readonly #written: (write: InFlightWrite) => void;

  constructor(ended: (txc: Txc) => void, written: (write: InFlightWrite) => void) {
    this.#ended = ended;
    this.#written = written;
  }

  reset(): void {
    this.state = txcStates.prepare;
    this.trace = 0;
    this.transaction = null;
    this.done = null;
    this.result = 0;
    empty(this.sequencers);
    this.batch.clear();
    this.allocated.clear();
    this.released.clear();
    empty(this.onodes);
    empty(this.sharedBlobs);
    empty(this.writes);
    if (this.deferred.length > 0) {
      this.deferred = [];
    }
    this.deferredBytes = 0;
    this.usageCount = 0;
    this.ioLeft = 0;
    this.hadIo = false;
    this.unflushed = false;
    this.premised = false;
    this.premises.clear();
    this.durableBytes = 0;
    this.admitted = false;
    this.kvGrowthBytes = 0;
    this.prereadLeft = 0;
    this.prereadDone = false;
    empty(this.preread);
  }

  /** The changes of a pool's usage by this transaction. */
  usageOf(pool: number): UsageDelta {
    for (let at = 0; at < this.usageCount; at += 1) {
      const delta = this.usage[at] as UsageDelta;
      if (delta.pool === pool) {
        return delta;
      }
    }
    const delta = this.usage[this.usageCount] ?? new UsageDelta();
    this.usage[this.usageCount] = delta;
    this.usageCount += 1;
    delta.reset(pool);
    return delta;
  }

  /** `token`: index among `writes`. */
  ioDone(result: number, token: number): void {
    this.#written(this.writes[token] as InFlightWrite);
    if (result < 0) {
      this.result = result;
    }
    this.ioLeft -= 1;
    if (this.ioLeft === 0) {
      this.#ended(this);
    }
  }
}
