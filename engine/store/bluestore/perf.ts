/** The times that a store takes of itself, under the names of BlueStore's own counters. */
import { LatencyHistogram, type PerfTime } from "../../base/perf-counters.ts";
import type { StageClock } from "../../device/stages.ts";
import type { Clock } from "../../port/clock.ts";
import { StoreStages } from "./stages.ts";

/** Of what every small write does, only one in so many is timed, and stands for all of them. */
export const timedOneIn = 4;

/** Says which of a sequence are timed. */
class Sampler {
  #seen = 0;

  next(): boolean {
    const timed = this.#seen === 0;
    this.#seen = (this.#seen + 1) % timedOneIn;
    return timed;
  }
}

/** Counters of times by name, and what each means. */
const described = {
  state_prepare_lat: "from the submission of a transaction until its data is on its way",
  state_aio_wait_lat: "until the data of a transaction is on the device",
  state_io_done_lat: "until the transactions before it in its collection are as far",
  state_kv_queued_lat: "until the commit of a group of transactions begins",
  state_kv_commiting_lat: "until the group is durable: flush and commit",
  state_kv_done_lat: "from there until the transaction's turn among its group",
  state_finishing_lat:
    "until its space is given back and the caller is told, the callback before it included",
  state_deferred_queued_lat: "deferred writes: from the commit until they are sent",
  state_deferred_aio_wait_lat: "deferred writes: until they are on the device",
  state_deferred_cleanup_lat: "deferred writes: until their record has gone from the log",
  txc_commit_lat: "transactions: from submission to the callback",
  txc_throttle_lat: "transactions: time held back by the throttle or for space",
  kv_flush_lat: "commits: flush of the device before them",
  kv_commit_lat: "commits: the key-value store's part",
  kv_sync_lat: "commits: flush and commit",
  kv_final_lat: "commits: callbacks and what was released, after them",
  read_lat: "reads: from the call to the callback",
  read_onode_meta_lat: "reads: loading the extents",
  read_wait_aio_lat: "reads: waiting for the device",
  csum_lat: "taking checksums, of which one in four is timed, or verifying them",
  compress_lat: "compressing a blob",
  decompress_lat: "decompressing a blob",
  allocator_lat: "calls of the allocator for space, of which one in four is timed",
  omap_get_values_lat: "reading pairs of an omap",
  clist_lat: "listing objects",
  remove_lat: "removing an object, in its transaction",
  truncate_lat: "truncating an object, in its transaction",
} as const;

export type TimeName = keyof typeof described;

export class StorePerf implements Readonly<Record<TimeName, LatencyHistogram>> {
  readonly state_prepare_lat = new LatencyHistogram();
  readonly state_aio_wait_lat = new LatencyHistogram();
  readonly state_io_done_lat = new LatencyHistogram();
  readonly state_kv_queued_lat = new LatencyHistogram();
  readonly state_kv_commiting_lat = new LatencyHistogram();
  readonly state_kv_done_lat = new LatencyHistogram();
  readonly state_finishing_lat = new LatencyHistogram();
  readonly state_deferred_queued_lat = new LatencyHistogram();
  readonly state_deferred_aio_wait_lat = new LatencyHistogram();
  readonly state_deferred_cleanup_lat = new LatencyHistogram();
  readonly txc_commit_lat = new LatencyHistogram();
  readonly txc_throttle_lat = new LatencyHistogram();
  readonly kv_flush_lat = new LatencyHistogram();
  readonly kv_commit_lat = new LatencyHistogram();
  readonly kv_sync_lat = new LatencyHistogram();
  readonly kv_final_lat = new LatencyHistogram();
  readonly read_lat = new LatencyHistogram();
  readonly read_onode_meta_lat = new LatencyHistogram();
  readonly read_wait_aio_lat = new LatencyHistogram();
  readonly csum_lat = new LatencyHistogram();
  readonly compress_lat = new LatencyHistogram();
  readonly decompress_lat = new LatencyHistogram();
  readonly allocator_lat = new LatencyHistogram();
  readonly omap_get_values_lat = new LatencyHistogram();
  readonly clist_lat = new LatencyHistogram();
  readonly remove_lat = new LatencyHistogram();
  readonly truncate_lat = new LatencyHistogram();
  /** Times that transactions waited, by the throttle that held them first, or for space. */
  readonly waits = {
    bluestore_throttle_bytes: new LatencyHistogram(),
    bluestore_throttle_deferred_bytes: new LatencyHistogram(),
    space: new LatencyHistogram(),
  };
  readonly allocations = new Sampler();
  readonly sums = new Sampler();
  readonly stages = new StoreStages();
  readonly #clock: Clock;
  readonly #enabled: boolean;
  #timing: boolean;

  /** Not `enabled`, no clock is read and no time is kept. */
  constructor(clock: Clock, enabled: boolean) {
    this.#clock = clock;
    this.#enabled = enabled;
    this.#timing = enabled;
  }

  /** Tells the stages of traced operations from now on, which takes readings of the clock. */
  trace(clock: StageClock): void {
    this.stages.attach(clock);
    this.#timing = true;
  }

  /** A traced operation enters a stage now. */
  enter(trace: number, stage: number): void {
    if (trace !== 0) {
      this.stages.clock.enter(trace, stage, this.#clock.nowNs());
    }
  }

  /** For both ends of a time; a read of the clock costs 35 ns. */
  now(): number {
    return this.#timing ? this.#clock.nowNs() : 0;
  }

  add(time: LatencyHistogram, ns: number, times = 1): void {
    if (this.#enabled) {
      time.add(ns, times);
    }
  }

  pictures(): Record<TimeName, PerfTime> {
    const entries = Object.entries(described) as [TimeName, string][];
    return Object.fromEntries(
      entries.map(([name, description]) => [name, this[name].picture(description)]),
    ) as Record<TimeName, PerfTime>;
  }
}
