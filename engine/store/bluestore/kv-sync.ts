/**
 * The commits: takes all transactions that are ready, flushes the device if they wrote to it, and gives
 * their batches to the key-value store in one commit. While that runs the next ones gather.
 */
import type { ExtentList } from "../../hot/allocator/allocator.ts";
import { KvBatch } from "../../hot/kv/kv.ts";
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

export class KvSync implements IoOwner {
  readonly #state: StoreState;
  readonly #deferred: DeferredQueue;
  readonly #host: KvSyncHost;
  #queue: Txc[] = [];
  #group: Txc[] = [];
  #flushing: DeferredRecord[] = [];
  readonly #batches: KvBatch[] = [];
  readonly #own = new KvBatch();
  /** The next group begins when the device has discarded what the last one released. */
  waitsForDiscard = false;
  #busy = false;
  #armed = false;
  #stopped = false;
  /** When the group began, and when its commit did, ns. */
  #beganNs = 0;
  #flushedNs = 0;
  #nidMax = 0;
  #blobIdMax = 0;
  #groups = 0;

  constructor(state: StoreState, deferred: DeferredQueue, host: KvSyncHost) {
    this.#state = state;
    this.#deferred = deferred;
    this.#host = host;
  }

  get idle(): boolean {
    return !this.#busy && this.#queue.length === 0;
  }

  add(txc: Txc): void {
    this.#queue.push(txc);
    this.kick();
  }

  /** Begins on the next turn, so that what completes together is committed together. */
  kick(): void {
    if (!this.#armed && !this.#busy && !this.#stopped) {
      this.#armed = true;
      this.#state.clock.at(this.#state.clock.nowNs(), this.#begin);
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  readonly #begin = (): void => {
    this.#armed = false;
    if (this.#busy || this.#stopped) {
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
    if (this.#queue.length === 0 && !eager) {
      this.#host.settled();
      return;
    }
    this.#busy = true;
    this.#group = this.#queue;
    this.#queue = [];
    // Commits may be durable without a flush of the device (FUA): what deferred writes did is not.
    let flush = this.#deferred.hasWritten;
    const { perf } = this.#state;
    this.#beganNs = perf.now();
    this.#flushedNs = this.#beganNs;
    for (const txc of this.#group) {
      txc.state = txcStates.kvSubmitted;
      perf.add(perf.state_kv_queued_lat, this.#beganNs - txc.sinceNs);
      txc.sinceNs = this.#beganNs;
      flush ||= txc.hadIo;
    }
    this.#enter(flush ? perf.stages.flush : perf.stages.kvCommit, this.#beganNs);
    if (this.#state.failed !== 0) {
      this.#ended(-this.#state.failed);
      return;
    }
    this.#flushing = this.#deferred.takeWritten();
    if (flush) {
      this.#state.counters.flushes += 1;
      this.#state.io.flush(this, 0);
      this.#state.io.commit();
    } else {
      this.#commit();
    }
  };

  /** The data is on the device for good. */
  ioDone(result: number): void {
    if (result < 0) {
      this.#ended(-result);
      return;
    }
    const { perf } = this.#state;
    this.#flushedNs = perf.now();
    perf.add(perf.kv_flush_lat, this.#flushedNs - this.#beganNs);
    this.#enter(perf.stages.kvCommit, this.#flushedNs);
    this.#deferred.madeStable(this.#flushing);
    this.#flushing = [];
    this.#commit();
  }

  /** Those of the group that are traced go over to a stage. */
  #enter(stage: number, nowNs: number): void {
    const { clock } = this.#state.perf.stages;
    for (const { trace } of this.#group) {
      clock.enter(trace, stage, nowNs);
    }
  }

  #commit(): void {
    const state = this.#state;
    const own = this.#own;
    own.clear();
    for (const { sequence } of this.#deferred.takeStable()) {
      own.remove(prefixes.deferred, u64Key(sequence));
    }
    this.#raiseLimits();
    this.#batches.length = 0;
    if (own.count > 0) {
      this.#batches.push(own);
    }
    for (const { batch } of this.#group) {
      if (batch.count > 0) {
        this.#batches.push(batch);
      }
    }
    if (this.#batches.length === 0) {
      this.#ended(0);
      return;
    }
    state.counters.kv_groups += 1;
    state.counters.kv_batches += this.#batches.length;
    state.kv.commit(this.#batches, this.#ended);
  }

  /** Numbers of objects and blobs are given out up to a limit that is durable before they are used. */
  #raiseLimits(): void {
    const state = this.#state;
    const { nidPrealloc, blobIdPrealloc } = state.options;
    this.#nidMax = state.nidMax;
    this.#blobIdMax = state.blobIdMax;
    if (state.nid + nidPrealloc / 2 > this.#nidMax) {
      this.#nidMax = state.nid + nidPrealloc;
    }
    if (state.blobId + blobIdPrealloc / 2 > this.#blobIdMax) {
      this.#blobIdMax = state.blobId + blobIdPrealloc;
    }
    if (this.#nidMax !== state.nidMax || this.#blobIdMax !== state.blobIdMax) {
      saveIdLimits(this.#own, this.#nidMax, this.#blobIdMax);
    }
  }

  /** The group's commit has ended, now: the time, ns. */
  #timed(group: readonly Txc[]): number {
    const { perf } = this.#state;
    const nowNs = perf.now();
    perf.add(perf.kv_commit_lat, nowNs - this.#flushedNs);
    perf.add(perf.kv_sync_lat, nowNs - this.#beganNs);
    for (const txc of group) {
      perf.add(perf.state_kv_commiting_lat, nowNs - txc.sinceNs);
      txc.sinceNs = nowNs;
      perf.stages.clock.enter(txc.trace, perf.stages.kvDone, nowNs);
    }
    return nowNs;
  }

  readonly #ended = (errno: number): void => {
    const state = this.#state;
    const group = this.#group;
    this.#group = [];
    const nowNs = this.#timed(group);
    this.#groups += 1;
    state.countSpace(this.#groups % exactCountEvery === 0);
    if (errno === 0) {
      state.nidMax = Math.max(state.nidMax, this.#nidMax);
      state.blobIdMax = Math.max(state.blobIdMax, this.#blobIdMax);
      this.#deferred.removed(this.#host.released);
    } else {
      this.#host.failed(-errno || -storeErrnos.EIO);
      for (const txc of group) {
        // Also what was refused: it was judged by those before it, which never happened.
        txc.result = -errno;
        // What was to be released is still referred to by what is durable.
        txc.released.clear();
        txc.deferred = [];
      }
    }
    this.#batches.length = 0;
    // What is submitted from the callbacks goes to the device in one batch.
    state.io.cork();
    for (const txc of group) {
      this.#host.committed(txc);
    }
    this.#busy = false;
    this.#host.settled();
    state.io.uncork();
    state.perf.add(state.perf.kv_final_lat, state.perf.now() - nowNs);
    const { eager, hasWritten, hasStable } = this.#deferred;
    if (this.#queue.length > 0 || (eager && (hasWritten || hasStable))) {
      this.kick();
    }
  };
}
