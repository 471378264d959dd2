/**
 * The commits: takes all transactions that are ready, flushes the device if they wrote to it, and gives
 * their batches to the key-value store in one commit, whose flush serves both where the commit can stand
 * on what they wrote. While that runs the next ones gather, unless their
 * data is durable already: groups of such follow each other without waiting. Small writes that are nearly
 * there are waited for a little.
 */
import type { ExtentList } from "../../hot/allocator/allocator.ts";
import { KvBatch } from "../../hot/kv/kv.ts";
import { Premises } from "../../hot/kv/premises.ts";
import type { CancelTimer } from "../../port/clock.ts";
import { storeErrnos } from "../object-store.ts";
import type { DeferredQueue, DeferredRecord } from "./deferred.ts";
import type { IoOwner } from "./disk-io.ts";
import { prefixes, u64Key } from "./keys.ts";
import type { StoreState } from "./state.ts";
import { saveIdLimits } from "./superblock.ts";
import { type Txc, txcStates } from "./txc.ts";

export interface KvSyncHost {
  committed(txc: Txc): void;
  failed(errno: number): void;
  released(extents: ExtentList): void;
  /** A group has ended. */
  settled(): void;
}

/** Groups after which the key-value store's own space is counted anew: takes as long as it has extents. */
const exactCountEvery = 64;

/** Weight of the newest group in the running mean of the time that groups take. */
const newestWeight = 1 / 8;

/** So long after a commit that stands on data, without another one, follows one that ends the doubt. */
const doubtNs = 10e6;

/** Transactions that are committed together. */
class Group {
  txcs: Txc[] = [];
  readonly batches: KvBatch[] = [];
  /** Records of the store itself. */
  readonly own = new KvBatch();
  /** What was written and not flushed. */
  readonly premises = new Premises();
  /** Records of deferred writes that the commit removes. */
  deferredCount = 0;
  nidMax = 0;
  blobIdMax = 0;
  /** When it began, and when its commit did, ns. */
  beganNs = 0;
  flushedNs = 0;
  /** As `beganNs`, where no times are kept too. */
  sinceNs = 0;
  /** The commit has ended with this errno. */
  readonly ended: (errno: number) => void;

  constructor(ended: (group: Group, errno: number) => void) {
    this.ended = (errno) => ended(this, errno);
  }
}

export class KvSync implements IoOwner {
  readonly #state: StoreState;
  readonly #deferred: DeferredQueue;
  readonly #host: KvSyncHost;
  #queue: Txc[] = [];
  /** The one whose flush is under way. */
  #flushing: Group | null = null;
  #flushed: DeferredRecord[] = [];
  /** Groups that the key-value store has. */
  #committing = 0;
  readonly #spares: Group[] = [];
  /** The next group begins when the device has discarded what the last one released. */
  waitsForDiscard = false;
  #armed = false;
  #stopped = false;
  /** As they are once all that is under way is durable. */
  #nidMax = 0;
  #blobIdMax = 0;
  #groups = 0;
  /** Transactions with small writes that are on their way to the device. */
  #coming = 0;
  /** Since when a group waits for them; -1: none does. */
  #waitsSinceNs = -1;
  #cancelWait: CancelTimer | null = null;
  #cancelDoubt: CancelTimer | null = null;
  /** The transactions of a group that has ended are called back. */
  #callsBack = false;
  /** The next group is one that ends the doubt, if there is nothing else for it. */
  #ends = false;
  /** Running mean of what a group takes until it is durable, ns. */
  #groupNs = 0;

  constructor(state: StoreState, deferred: DeferredQueue, host: KvSyncHost) {
    this.#state = state;
    this.#deferred = deferred;
    this.#host = host;
  }

  /** Not while a group is called back either: the space that it gives up comes when all of it has been. */
  get idle(): boolean {
    return !this.#busy && !this.#callsBack && this.#queue.length === 0;
  }

  get #busy(): boolean {
    return this.#flushing !== null || this.#committing > 0;
  }

  /** The data of the transaction is on its way to the device: `add` comes when it is there. */
  expect({ hadIo, unflushed }: Txc): void {
    this.#coming += hadIo && unflushed ? 1 : 0;
  }

  add(txc: Txc): void {
    this.#coming -= txc.hadIo && txc.unflushed ? 1 : 0;
    this.#queue.push(txc);
    this.kick();
  }

  /** Begins on the next turn, so that what completes together is committed together. */
  kick(): void {
    if (!this.#armed && this.#mayBegin() && !this.#stopped) {
      this.#armed = true;
      this.#state.clock.at(this.#state.clock.nowNs(), this.#begin);
    }
  }

  /**
   * Small ones gather while a group is under way, and share its next flush. Large writes, which are
   * durable by themselves, would gain nothing by that, and the device would have nothing to do meanwhile.
   */
  #mayBegin(): boolean {
    if (!this.#busy) {
      return true;
    }
    if (this.#flushing !== null || this.#deferred.hasWritten || this.#queue.length === 0) {
      return false;
    }
    for (const { unflushed, durableBytes } of this.#queue) {
      if (unflushed || durableBytes === 0) {
        return false;
      }
    }
    return true;
  }

  /**
   * Whether to wait for writes that are on their way: each that comes too late waits for a whole group, and
   * those that came too late before are the ones that do again. The fewer they are beside those that are
   * there the shorter, and never longer than a group takes. Every one that comes asks anew. Where one flush
   * is all that a group costs, two thirds are enough: the others are prepared while these are committed.
   */
  #waitsForMore(): boolean {
    const { clock, premises } = this.#state;
    const there = this.#queue.length;
    const enough = premises.possible && there >= 2 * this.#coming;
    const gain = enough ? 0 : this.#groupNs * Math.min(1, this.#coming / Math.max(1, there));
    if (gain > 0 && there > 0 && !this.#busy && this.#state.failed === 0) {
      const nowNs = clock.nowNs();
      this.#waitsSinceNs = this.#waitsSinceNs < 0 ? nowNs : this.#waitsSinceNs;
      const untilNs = this.#waitsSinceNs + gain;
      if (nowNs < untilNs) {
        this.#cancelWait ??= clock.at(untilNs, this.#waited);
        return true;
      }
    }
    this.#waitsSinceNs = -1;
    this.#cancelWait?.();
    this.#cancelWait = null;
    return false;
  }

  /**
   * Whether the next group is handed over before the last one is called back, so that the key-value store has
   * work meanwhile: all are there that could be in it, and it does not end, and call back, while it begins.
   */
  #mayFollowAtOnce(): boolean {
    const { premises, failed } = this.#state;
    const [first] = this.#queue;
    const writes = first !== undefined && first.batch.count > 0;
    return premises.possible && writes && this.#coming === 0 && failed === 0 && this.#mayBegin();
  }

  /**
   * Should the data that the last commit stands on be damaged after a crash, that cannot be told from a write that
   * the crash cut off. Once another commit has followed it can.
   */
  readonly #endDoubt = (): void => {
    this.#cancelDoubt = null;
    this.#ends = true;
    this.kick();
  };

  readonly #waited = (): void => {
    this.#cancelWait = null;
    this.#begin();
  };

  stop(): void {
    this.#stopped = true;
    this.#cancelDoubt?.();
    this.#cancelDoubt = null;
    this.#cancelWait?.();
    this.#cancelWait = null;
  }

  readonly #begin = (): void => {
    this.#armed = false;
    if (this.#stopped || !this.#mayBegin() || this.#waitsForMore()) {
      return;
    }
    const { discarding, options, counters } = this.#state;
    const waits = discarding > 0 && !options.asyncDiscard;
    if (waits) {
      counters.discard_waits += this.waitsForDiscard ? 0 : 1;
      this.waitsForDiscard = true;
      return;
    }
    this.waitsForDiscard = false;
    const eager = this.#deferred.eager && (this.#deferred.hasWritten || this.#deferred.hasStable);
    if (this.#queue.length === 0 && !eager && !this.#ends) {
      this.#host.settled();
      return;
    }
    this.#cancelDoubt?.();
    this.#cancelDoubt = null;
    const group = this.#spares.pop() ?? new Group(this.#ended);
    group.txcs = this.#queue;
    this.#queue = [];
    // Commits may be durable without a flush of the device (FUA): what deferred writes did is not.
    let flush = this.#deferred.hasWritten;
    const { perf } = this.#state;
    group.beganNs = perf.now();
    group.flushedNs = group.beganNs;
    group.sinceNs = this.#state.clock.nowNs();
    for (const txc of group.txcs) {
      txc.state = txcStates.kvSubmitted;
      perf.add(perf.state_kv_queued_lat, group.beganNs - txc.sinceNs);
      txc.sinceNs = group.beganNs;
      flush ||= txc.unflushed;
    }
    const { premises } = this.#state;
    if (flush && !this.#deferred.hasWritten && premises.suffice(group.txcs)) {
      flush = false;
      premises.gather(group.txcs, group.premises);
    }
    this.#enter(group, flush ? perf.stages.flush : perf.stages.kvCommit, group.beganNs);
    if (this.#state.failed !== 0) {
      this.#committing += 1;
      this.#ended(group, -this.#state.failed);
      return;
    }
    this.#flushed = this.#deferred.takeWritten();
    if (flush) {
      this.#flushing = group;
      this.#state.counters.flushes += 1;
      this.#state.io.flush(this, 0);
      this.#state.io.commit();
    } else {
      this.#commit(group);
    }
  };

  /** The data is on the device for good. */
  ioDone(result: number): void {
    const group = this.#flushing as Group;
    this.#flushing = null;
    if (result < 0) {
      this.#committing += 1;
      this.#ended(group, -result);
      return;
    }
    const { perf } = this.#state;
    group.flushedNs = perf.now();
    perf.add(perf.kv_flush_lat, group.flushedNs - group.beganNs);
    this.#enter(group, perf.stages.kvCommit, group.flushedNs);
    this.#deferred.madeStable(this.#flushed);
    this.#flushed = [];
    this.#commit(group);
    this.kick();
  }

  /** Those of the group that are traced go over to a stage. */
  #enter(group: Group, stage: number, nowNs: number): void {
    const { clock } = this.#state.perf.stages;
    for (const { trace } of group.txcs) {
      clock.enter(trace, stage, nowNs);
    }
  }

  #commit(group: Group): void {
    const state = this.#state;
    const { own, batches } = group;
    this.#committing += 1;
    const removed = this.#deferred.takeStable();
    group.deferredCount = removed.length;
    for (const { sequence } of removed) {
      own.remove(prefixes.deferred, u64Key(sequence));
    }
    this.#raiseLimits(group);
    if (own.count > 0) {
      batches.push(own);
    }
    for (const { batch } of group.txcs) {
      if (batch.count > 0) {
        batches.push(batch);
      }
    }
    if (batches.length === 0 && this.#committing === 1) {
      this.#ended(group, 0);
      return;
    }
    state.counters.kv_groups += 1;
    state.counters.kv_batches += batches.length;
    if (group.premises.empty) {
      state.kv.commit(batches, group.ended);
    } else {
      state.counters.kv_premised += 1;
      state.kv.commit(batches, group.ended, group.premises.bytes);
    }
  }

  /** Numbers of objects and blobs are given out up to a limit that is durable before they are used. */
  #raiseLimits(group: Group): void {
    const state = this.#state;
    const { nidPrealloc, blobIdPrealloc } = state.options;
    const nidMax = Math.max(this.#nidMax, state.nidMax);
    const blobIdMax = Math.max(this.#blobIdMax, state.blobIdMax);
    this.#nidMax = state.nid + nidPrealloc / 2 > nidMax ? state.nid + nidPrealloc : nidMax;
    this.#blobIdMax =
      state.blobId + blobIdPrealloc / 2 > blobIdMax ? state.blobId + blobIdPrealloc : blobIdMax;
    group.nidMax = this.#nidMax;
    group.blobIdMax = this.#blobIdMax;
    if (this.#ends || group.nidMax !== nidMax || group.blobIdMax !== blobIdMax) {
      this.#ends = false;
      saveIdLimits(group.own, group.nidMax, group.blobIdMax);
    }
  }

  /** The group's commit has ended, now: the time, ns. */
  #timed({ txcs, beganNs, flushedNs }: Group): number {
    const { perf } = this.#state;
    const nowNs = perf.now();
    perf.add(perf.kv_commit_lat, nowNs - flushedNs);
    perf.add(perf.kv_sync_lat, nowNs - beganNs);
    for (const txc of txcs) {
      perf.add(perf.state_kv_commiting_lat, nowNs - txc.sinceNs);
      txc.sinceNs = nowNs;
      perf.stages.clock.enter(txc.trace, perf.stages.kvDone, nowNs);
    }
    return nowNs;
  }

  readonly #ended = (group: Group, errno: number): void => {
    const state = this.#state;
    const { txcs, sinceNs } = group;
    const doubtful = !group.premises.empty;
    this.#groupNs += (state.clock.nowNs() - sinceNs - this.#groupNs) * newestWeight;
    const nowNs = this.#timed(group);
    this.#groups += 1;
    state.countSpace(this.#groups % exactCountEvery === 0);
    if (errno === 0) {
      state.nidMax = Math.max(state.nidMax, group.nidMax);
      state.blobIdMax = Math.max(state.blobIdMax, group.blobIdMax);
      this.#deferred.removed(group.deferredCount, this.#host.released);
    } else {
      this.#host.failed(-errno || -storeErrnos.EIO);
      for (const txc of txcs) {
        // Also what was refused: it was judged by those before it, which never happened.
        txc.result = -errno;
        // What was to be released is still referred to by what is durable.
        txc.released.clear();
        txc.deferred = [];
      }
    }
    group.txcs = [];
    group.batches.length = 0;
    group.own.clear();
    group.premises.clear();
    group.deferredCount = 0;
    this.#spares.push(group);
    this.#committing -= 1;
    if (this.#mayFollowAtOnce()) {
      this.#begin();
    }
    // What is submitted from the callbacks goes to the device in one batch.
    state.io.cork();
    this.#callsBack = true;
    for (const txc of txcs) {
      this.#host.committed(txc);
    }
    this.#callsBack = false;
    this.#host.settled();
    state.io.uncork();
    state.perf.add(state.perf.kv_final_lat, state.perf.now() - nowNs);
    const { eager, hasWritten, hasStable } = this.#deferred;
    if (this.#queue.length > 0 || (eager && (hasWritten || hasStable))) {
      this.kick();
    } else if (doubtful && !this.#busy && !this.#stopped && state.failed === 0) {
      this.#cancelDoubt = state.clock.at(state.clock.nowNs() + doubtNs, this.#endDoubt);
    }
  };
}
