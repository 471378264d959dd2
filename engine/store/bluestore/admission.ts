/** Whether a transaction may go on now, or waits: for the throttles, or for space. */
import type { Transaction } from "../transaction.ts";
import type { DeferredQueue } from "./deferred.ts";
import type { KvSync } from "./kv-sync.ts";
import type { ThrottlePicture } from "./perf-counters.ts";
import type { Sequencer } from "./sequencer.ts";
import type { StoreState } from "./state.ts";
import { CostThrottle, costOf } from "./throttle.ts";
import type { Txc } from "./txc.ts";

export class Admission {
  readonly #state: StoreState;
  readonly #deferred: DeferredQueue;
  readonly #sync: KvSync;
  readonly #throttle: CostThrottle;
  /** Some transaction is prepared and not yet handed to the key-value store. */
  readonly #preparedAny: () => boolean;
  /** What transactions under way add to the key-value store. */
  #growthBytes = 0;
  /** Transactions that only removed have ended since the key-value store was to make room. */
  #removed = true;
  #makesRoom = false;
  /** Collections whose first transaction waits. */
  #waiting: Sequencer[] = [];

  constructor(
    state: StoreState,
    deferred: DeferredQueue,
    sync: KvSync,
    preparedAny: () => boolean,
  ) {
    this.#state = state;
    this.#deferred = deferred;
    this.#sync = sync;
    this.#throttle = new CostThrottle(state.options.throttleBytes);
    this.#preparedAny = preparedAny;
  }

  /** What holds transactions back, for counters. */
  throttles(): ThrottlePicture[] {
    const { heldBytes, mostBytes, entered, enteredBytes } = this.#throttle;
    const { bytes, records, recordBytes } = this.#deferred;
    return [
      { name: "bluestore_throttle_bytes", heldBytes, mostBytes, entered, enteredBytes },
      {
        name: "bluestore_throttle_deferred_bytes",
        heldBytes: bytes,
        mostBytes: this.#state.options.throttleDeferredBytes,
        entered: records,
        enteredBytes: recordBytes,
      },
    ];
  }

  get waits(): boolean {
    return this.#waiting.length > 0;
  }

  /** Counts the transaction's cost, or lets it wait until others have ended. */
  admit(txc: Txc, transaction: Transaction): boolean {
    const { options } = this.#state;
    txc.costBytes = costOf(transaction, options.throttleCostPerIoBytes);
    const over = this.#throttle.over(txc.costBytes);
    const deferredOver = this.#deferred.bytes > options.throttleDeferredBytes;
    if (deferredOver) {
      this.#hurry();
    }
    if (over || (deferredOver && !this.#deferred.idle)) {
      this.#hold(txc, over ? "bluestore_throttle_bytes" : "bluestore_throttle_deferred_bytes");
      return false;
    }
    txc.admitted = true;
    this.#throttle.enter(txc.costBytes);
    return true;
  }

  /** The transaction has ended. */
  left(txc: Txc): void {
    this.#removed ||= txc.result === 0 && txc.kvGrowthBytes === 0;
    if (txc.admitted) {
      this.#throttle.leave(txc.costBytes);
    }
    this.#growthBytes -= txc.kvGrowthBytes;
    txc.kvGrowthBytes = 0;
  }

  /**
   * There is space for a transaction that needs so much and makes the key-value store hold so much more, or
   * will be, or not. Once it is done in memory it must be committed: a commit without space ends the mount.
   */
  hasSpace(txc: Txc, needBytes: number, growthBytes: number): "yes" | "wait" | "none" {
    const state = this.#state;
    if (!this.#fits(needBytes, growthBytes)) {
      state.countSpace(true);
    }
    if (this.#fits(needBytes, growthBytes)) {
      this.#growthBytes += growthBytes;
      txc.kvGrowthBytes = growthBytes;
      return "yes";
    }
    this.#makeRoom();
    const coming =
      this.#makesRoom ||
      state.reclaim.heldBytes > 0 ||
      !this.#deferred.idle ||
      !this.#sync.idle ||
      this.#preparedAny();
    if (!coming) {
      return "none";
    }
    this.#hurry();
    this.#hold(txc, "space");
    return "wait";
  }

  /** Once after each removal: it may take long. */
  #makeRoom(): void {
    const { kv, reclaim } = this.#state;
    if (kv.makeRoom !== undefined && this.#removed && !this.#makesRoom) {
      this.#removed = false;
      this.#makesRoom = true;
      kv.makeRoom(reclaim.freeBytes, () => {
        this.#makesRoom = false;
        this.#sync.kick();
      });
    }
  }

  #fits(needBytes: number, growthBytes: number): boolean {
    const { reclaim, reserveBytes, kv } = this.#state;
    if (needBytes > 0 && reclaim.freeBytes - reserveBytes < needBytes) {
      return false;
    }
    const room = growthBytes === 0 ? undefined : kv.roomBytes?.(reclaim.freeBytes);
    return room === undefined || room >= this.#growthBytes + growthBytes;
  }

  /** Deferred writes go out now. Whatever ends next wakes those that wait: asking again is no use. */
  #hurry(): void {
    this.#deferred.setEager(true);
    if (this.#deferred.hasWritten || this.#deferred.hasStable) {
      this.#sync.kick();
    }
  }

  #hold(txc: Txc, by: Txc["heldBy"]): void {
    if (txc.heldNs < 0) {
      txc.heldBy = by;
      txc.heldNs = this.#state.perf.now();
    }
    const [sequencer] = txc.sequencers;
    if (sequencer !== undefined && !sequencer.throttled) {
      sequencer.throttled = true;
      this.#waiting.push(sequencer);
    }
  }

  /** It goes on at last, if something held it back. */
  goesOn(txc: Txc): void {
    const { perf } = this.#state;
    const waitedNs = txc.heldNs < 0 ? 0 : perf.now() - txc.heldNs;
    perf.add(perf.txc_throttle_lat, waitedNs);
    if (txc.heldNs >= 0) {
      perf.add(perf.waits[txc.heldBy], waitedNs);
    }
  }

  /** Those that wait may try again. */
  wake(prepareNext: (sequencer: Sequencer) => void): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) {
      return;
    }
    this.#waiting = [];
    this.#state.io.cork();
    for (const sequencer of waiting) {
      sequencer.throttled = false;
      prepareNext(sequencer);
    }
    this.#state.io.uncork();
  }
}
