/**
 * The way of a transaction: prepared in the order of its collection, data written, then handed to the
 * key-value store in order, many at once behind one flush; called back, and its space given back.
 */

import type { LatencyHistogram } from "../../base/perf-counters.ts";
import { ExtentList } from "../../hot/allocator/allocator.ts";
import { TransactionChecker } from "../check-transaction.ts";
import { type Done, storeErrnos } from "../object-store.ts";
import { opCodes, type Transaction } from "../transaction.ts";
import { Admission } from "./admission.ts";
import { Applier } from "./apply.ts";
import { DeferredQueue, type DeferredRecord, encodeDeferred } from "./deferred.ts";
import { prefixes, u64Key } from "./keys.ts";
import { kvGrowthOf } from "./kv-growth.ts";
import { KvSync } from "./kv-sync.ts";
import type { ThrottlePicture } from "./perf-counters.ts";
import { Planner } from "./preread.ts";
import type { Reader } from "./read.ts";
import { firstObject } from "./record.ts";
import { type Fifo, Sequencer } from "./sequencer.ts";
import type { StoreState } from "./state.ts";
import { Txc, txcStates } from "./txc.ts";
import { WireWriter } from "./wire.ts";
import { Overwriter } from "./write-path/overwrite.ts";

/** Whether it is the next one of each of its collections. */
function firstOfAll(txc: Txc, queue: "waiting" | "prepared"): boolean {
  for (const sequencer of txc.sequencers) {
    if (sequencer[queue].head() !== txc) {
      return false;
    }
  }
  return true;
}

export class Pipeline {
  readonly #state: StoreState;
  readonly #checker: TransactionChecker;
  readonly #applier: Applier;
  readonly #planner: Planner;
  readonly #overwriter: Overwriter;
  readonly #sequencers = new Map<string, Sequencer>();
  readonly #spares: Txc[] = [];
  readonly #sync: KvSync;
  readonly deferred: DeferredQueue;
  /** When the last transaction was called back, ns. */
  #finishedNs = 0;
  #sequence = 0;
  #deferredSequence: number;
  /** Submitted and not yet called back. */
  #open = 0;
  readonly #admission: Admission;
  readonly #writer = new WireWriter();
  #drained: (() => void)[] = [];
  /** Space that a group of commits gives back, in one call of the allocator. */
  readonly #released = new ExtentList();

  constructor(state: StoreState, reader: Reader, deferredSequence: number) {
    this.#state = state;
    this.#checker = new TransactionChecker(state);
    this.#applier = new Applier(state);
    this.#overwriter = new Overwriter(state);
    this.#planner = new Planner(state, reader, (txc) => this.#planned(txc));
    this.#deferredSequence = deferredSequence;
    const { io, inFlight, clock, options, perf } = state;
    this.deferred = new DeferredQueue(io, inFlight, clock, options, perf, {
      written: () => this.#sync.kick(),
      failed: (errno) => this.fail(errno),
      whenReadsEnd: (then) => state.reclaim.whenReadsEnd(then),
    });
    state.reclaim.onFreed = () => {
      if (this.#admission.waits || this.#sync.waitsForDiscard) {
        this.#sync.kick();
      }
    };
    this.#sync = new KvSync(state, this.deferred, {
      committed: (txc) => this.#committed(txc),
      failed: (errno) => this.fail(errno),
      released: (extents) => state.reclaim.release(extents),
      settled: () => this.#settled(),
    });
    const preparedAny = (): boolean => this.#preparedAny();
    this.#admission = new Admission(state, this.deferred, this.#sync, preparedAny);
  }

  /** What holds transactions back, for counters. */
  throttles(): ThrottlePicture[] {
    return this.#admission.throttles();
  }

  #preparedAny(): boolean {
    for (const { prepared } of this.#sequencers.values()) {
      if (prepared.length > 0) {
        return true;
      }
    }
    return false;
  }

  /** Transactions and deferred writes are all done. */
  get idle(): boolean {
    return this.#open === 0 && this.deferred.idle && this.#sync.idle;
  }

  submit(transaction: Transaction, done: Done): void {
    const txc = this.#spares.pop() ?? this.#newTxc();
    this.#sequence += 1;
    this.#open += 1;
    this.#state.counters.txc += 1;
    txc.sequence = this.#sequence;
    txc.submittedNs = this.#state.perf.now();
    txc.sinceNs = txc.submittedNs;
    txc.heldNs = -1;
    txc.transaction = transaction;
    txc.trace = transaction.trace;
    txc.done = done;
    this.#nameSequencers(txc, transaction);
    for (const sequencer of txc.sequencers) {
      sequencer.waiting.push(txc);
    }
    this.#state.io.cork();
    for (const sequencer of txc.sequencers) {
      this.#prepareNext(sequencer);
    }
    this.#state.io.uncork();
  }

  #newTxc(): Txc {
    return new Txc(
      (txc) => this.#ioEnded(txc, this.#state.perf.now()),
      (write) => this.#state.inFlight.remove(write),
    );
  }

  #nameSequencers(txc: Txc, transaction: Transaction): void {
    let last = "";
    for (let at = 0; at < transaction.count; at += 1) {
      const op = transaction.op(at);
      if (op.collection !== last) {
        last = op.collection;
        this.#nameOne(txc, last);
      }
      if (op.code === opCodes.splitCollection || op.code === opCodes.mergeCollection) {
        this.#nameOne(txc, op.targetCollection);
      }
    }
    if (txc.sequencers.length === 0) {
      this.#nameOne(txc, "");
    }
  }

  #nameOne(txc: Txc, collection: string): void {
    const sequencer = this.sequencer(collection);
    if (!txc.sequencers.includes(sequencer)) {
      txc.sequencers.push(sequencer);
    }
  }

  sequencer(collection: string): Sequencer {
    let found = this.#sequencers.get(collection);
    if (found === undefined) {
      found = new Sequencer(collection);
      this.#sequencers.set(collection, found);
    }
    return found;
  }

  /** Runs `then` once all that was submitted on the collection is visible to readers. */
  barrier(collection: string, then: () => void): void {
    const sequencer = this.#sequencers.get(collection);
    if (sequencer === undefined || sequencer.waiting.length === 0) {
      then();
    } else {
      sequencer.waiting.push(then);
    }
  }

  /** As `barrier`, for all collections. */
  barrierAll(then: () => void): void {
    const busy = [...this.#sequencers.values()].filter(({ waiting }) => waiting.length > 0);
    let left = busy.length + 1;
    const one = (): void => {
      left -= 1;
      if (left === 0) {
        then();
      }
    };
    for (const sequencer of busy) {
      sequencer.waiting.push(one);
    }
    one();
  }

  #prepareNext(sequencer: Sequencer): void {
    if (sequencer.busy) {
      return;
    }
    sequencer.busy = true;
    for (;;) {
      const head = sequencer.waiting.head();
      if (head === undefined) {
        break;
      }
      if (typeof head === "function") {
        sequencer.waiting.shift();
        head();
        continue;
      }
      if (!firstOfAll(head, "waiting")) {
        break;
      }
      if (!this.#prepare(head)) {
        break;
      }
      for (const each of head.sequencers) {
        each.waiting.shift();
        each.prepared.push(head);
      }
      head.state = txcStates.aioWait;
      const { perf } = this.#state;
      this.#left(head, perf.state_prepare_lat, perf.now());
      if (head.ioLeft > 0) {
        perf.stages.clock.enter(head.trace, perf.stages.write, head.sinceNs);
      }
      this.#sync.expect(head);
      for (const each of head.sequencers) {
        if (each !== sequencer) {
          this.#prepareNext(each);
        }
      }
      if (head.ioLeft === 0) {
        this.#ioEnded(head, head.sinceNs);
      }
    }
    sequencer.busy = false;
  }

  /** `false`: it has to wait for a read, for the throttle or for space. */
  #prepare(txc: Txc): boolean {
    const state = this.#state;
    const transaction = txc.transaction as Transaction;
    if (state.failed !== 0) {
      txc.result = state.failed;
      return true;
    }
    if (!txc.admitted && !this.#admission.admit(txc, transaction)) {
      return false;
    }
    if (txc.prereadLeft > 0) {
      return false;
    }
    const { perf } = state;
    perf.enter(txc.trace, perf.stages.prepare);
    if (!txc.prereadDone && this.#overwriter.takes(transaction)) {
      if (!this.#hasSpace(txc, state.unitBytes, state.unitBytes / 4)) {
        return false;
      }
      if (txc.result === 0) {
        this.#admission.goesOn(txc);
        this.#overwriter.write(txc);
      }
      return true;
    }
    try {
      if (!txc.prereadDone) {
        txc.prereadDone = true;
        txc.result = this.#checker.check(transaction);
        if (txc.result === 0) {
          this.#planner.load(txc);
          if (!this.#planner.plan(txc)) {
            perf.enter(txc.trace, perf.stages.preread);
            return false;
          }
        }
      }
    } catch (error) {
      txc.result = state.damaged(error, firstObject(transaction));
    }
    if (txc.result !== 0) {
      return true;
    }
    if (!this.#hasSpace(txc, this.#planner.needBytes(txc), kvGrowthOf(transaction))) {
      return false;
    }
    if (txc.result !== 0) {
      return true;
    }
    this.#admission.goesOn(txc);
    try {
      this.#applier.apply(txc);
      this.#logDeferred(txc);
      state.premises.applied(txc);
    } catch (error) {
      // Half of it has been done in memory: nothing can be committed any more.
      txc.result = state.damaged(error, firstObject(transaction));
      this.fail(txc.result);
    }
    return true;
  }

  /** `false`: it has to wait for space; else it has as much, or its result says that there is none. */
  #hasSpace(txc: Txc, needBytes: number, growthBytes: number): boolean {
    const space = this.#admission.hasSpace(txc, needBytes, growthBytes);
    if (space === "wait") {
      const { perf } = this.#state;
      perf.enter(txc.trace, perf.stages.waiting);
      return false;
    }
    if (space === "none") {
      txc.result = -storeErrnos.ENOSPC;
    }
    return true;
  }

  #planned(txc: Txc): void {
    this.#state.io.cork();
    for (const sequencer of txc.sequencers) {
      this.#prepareNext(sequencer);
    }
    this.#state.io.uncork();
  }

  #logDeferred(txc: Txc): void {
    if (txc.deferred.length === 0) {
      return;
    }
    this.#deferredSequence += 1;
    this.#writer.reset();
    encodeDeferred(this.#writer, txc.deferred);
    txc.deferredSequence = this.#deferredSequence;
    const record = this.#writer.seal(0);
    txc.batch.set(prefixes.deferred, u64Key(this.#deferredSequence), record);
  }

  /** Its data is on the device: it goes on as soon as those before it in its collections have. */
  #ioEnded(txc: Txc, nowNs: number): void {
    txc.state = txcStates.ioDone;
    const { perf } = this.#state;
    this.#left(txc, perf.state_aio_wait_lat, nowNs);
    perf.stages.clock.enter(txc.trace, perf.stages.ioDone, nowNs);
    for (const { prepared } of txc.sequencers) {
      this.#advance(prepared, nowNs);
    }
  }

  /** The transaction has left the state that the counter is of. */
  #left(txc: Txc, left: LatencyHistogram, nowNs: number): void {
    this.#state.perf.add(left, nowNs - txc.sinceNs);
    txc.sinceNs = nowNs;
  }

  #advance(prepared: Fifo<Txc>, nowNs: number): void {
    for (;;) {
      const head = prepared.head();
      if (head === undefined || head.state !== txcStates.ioDone || !firstOfAll(head, "prepared")) {
        return;
      }
      for (const each of head.sequencers) {
        each.prepared.shift();
      }
      head.state = txcStates.kvQueued;
      const { perf } = this.#state;
      this.#left(head, perf.state_io_done_lat, nowNs);
      perf.stages.clock.enter(head.trace, perf.stages.kvQueued, nowNs);
      if (head.hadIo && head.result < 0) {
        this.fail(head.result);
      }
      this.#sync.add(head);
      for (const each of head.sequencers) {
        if (each.prepared !== prepared) {
          this.#advance(each.prepared, nowNs);
        }
      }
    }
  }

  /** The transaction is durable (or refused); called in order. */
  #committed(txc: Txc): void {
    const state = this.#state;
    txc.state = txcStates.kvDone;
    // Its turn began when the one before it in its group was done.
    this.#left(txc, state.perf.state_kv_done_lat, Math.max(txc.sinceNs, this.#finishedNs));
    state.perf.stages.clock.enter(txc.trace, state.perf.stages.finishing, txc.sinceNs);
    for (const onode of txc.onodes) {
      onode.pending -= 1;
      state.onodes.unuse(onode);
      onode.omapPending?.committed(txc.sequence);
      if (onode.omapPending?.empty === true) {
        onode.omapPending = null;
      }
      if (onode.pending === 0) {
        state.pendingNames.delete(onode.key);
      }
    }
    for (const shared of txc.sharedBlobs) {
      shared.pending -= 1;
      state.letGo(shared);
    }
    if (txc.deferred.length > 0) {
      this.deferred.add({
        sequence: txc.deferredSequence,
        writes: txc.deferred,
        bytes: txc.deferredBytes,
        held: new ExtentList(),
        sinceNs: 0,
      });
    }
    state.premises.ended(txc);
    this.#release(txc);
    this.#admission.left(txc);
    const { done, result } = txc;
    this.#left(txc, state.perf.state_finishing_lat, state.perf.now());
    this.#finishedNs = txc.sinceNs;
    state.perf.add(state.perf.txc_commit_lat, txc.sinceNs - txc.submittedNs);
    txc.reset();
    this.#spares.push(txc);
    this.#open -= 1;
    done?.(result);
  }

  /** Space goes back, but for what a deferred write may still be written to. */
  #release(txc: Txc): void {
    const { released } = txc;
    const newest: DeferredRecord | null = this.deferred.newest;
    let held = 0;
    for (let at = 0; at < released.count; at += 1) {
      const offset = released.offsetBytes(at);
      const length = released.lengthBytes(at);
      if (newest !== null && this.deferred.mayWrite(offset, length)) {
        newest.held.push(offset, length);
        held += 1;
      } else if (held > 0) {
        released.pairs[2 * (at - held)] = offset;
        released.pairs[2 * (at - held) + 1] = length;
      }
    }
    for (let at = 0; at < released.count - held; at += 1) {
      this.#released.push(released.offsetBytes(at), released.lengthBytes(at));
    }
  }

  /** A group is done: what waited for room may go on. */
  #settled(): void {
    this.#state.reclaim.release(this.#released);
    this.#released.clear();
    this.#state.memory.used();
    this.#admission.wake((sequencer) => this.#prepareNext(sequencer));
    if (!this.#admission.waits && this.deferred.eager && this.#drained.length === 0) {
      this.deferred.setEager(false);
    }
    if (this.idle || (this.#state.failed !== 0 && this.#open === 0)) {
      for (const then of this.#drained.splice(0)) {
        then();
      }
    }
  }

  /** Calls back when everything has ended, deferred writes and their records too. */
  drain(then: () => void): void {
    this.#drained.push(then);
    this.deferred.setEager(true);
    this.#sync.kick();
  }

  /** The device has failed: what is under way and all that comes is refused. */
  fail(errno: number): void {
    const state = this.#state;
    if (state.failed === 0) {
      state.failed = errno;
      this.deferred.cancel();
    }
    this.#sync.kick();
  }

  stop(): void {
    this.deferred.stop();
    this.#sync.stop();
    this.#state.memory.stop();
  }
}
