/** Ceph's mClock scheduler: strict queues for what is urgent, dmClock for clients and background work. */
import { DmClockQueue } from "./dmclock-queue.ts";
import type { ClientQos, QosPlan } from "./qos.ts";
import {
  type OpClass,
  type OpScheduler,
  opClasses,
  type SchedulerOp,
  type SchedulerOptions,
  type SchedulerStats,
} from "./scheduler.ts";
import { clientKey, StrictQueue } from "./strict-queue.ts";

export class MclockScheduler implements OpScheduler {
  wakeNs = Number.POSITIVE_INFINITY;
  readonly #strict = new StrictQueue();
  readonly #queue: DmClockQueue;
  readonly #cutOff: number;
  #plan: QosPlan;
  #strictCount = 0;
  #byReservation = false;

  constructor(options: SchedulerOptions) {
    this.#cutOff = options.cutOff;
    this.#plan = options.plan;
    this.#queue = new DmClockQueue({
      ...(options.sharedClients === undefined ? {} : { clients: options.sharedClients }),
      qosOf: (key) => this.#qosOf(key),
      atLimit: options.atLimit ?? "wait",
      rejectThresholdNs: options.rejectThresholdNs ?? 0,
      anticipationNs: options.anticipationNs ?? 0,
      // What is refused must be known when it comes.
      delayedTags: options.atLimit !== "reject",
    });
  }

  get size(): number {
    return this.#strict.size + this.#queue.size;
  }

  /** Whether the last operation that `dequeue` gave was served by reservation: dmClock's answer to its client. */
  get servedByReservation(): boolean {
    return this.#byReservation;
  }

  get stats(): SchedulerStats {
    const { reservationCount, weightCount, limitBreaks, rejected } = this.#queue;
    return {
      strict: this.#strictCount,
      reservation: reservationCount,
      weight: weightCount,
      limitBreaks,
      rejected,
    };
  }

  enqueue(item: number, op: SchedulerOp, nowNs: number): boolean {
    const key = clientKey(op.opClass, op.clientId);
    if (op.opClass === opClasses.immediate || op.priority >= this.#cutOff) {
      this.#strict.push(item, op.opClass === opClasses.immediate ? 255 : op.priority, key);
      return true;
    }
    const cost = Math.max(op.costBytes, this.#plan.costPerIo);
    return this.#queue.add(item, key, cost, nowNs, op.delta, op.rho);
  }

  enqueueFront(item: number): void {
    this.#strict.unshift(item);
  }

  dequeue(nowNs: number): number {
    if (this.#strict.size > 0) {
      this.#strictCount += 1;
      this.#byReservation = false;
      return this.#strict.shift();
    }
    const item = this.#queue.pull(nowNs);
    this.#byReservation = item >= 0 && this.#queue.pulledReservation;
    if (item < 0) {
      this.wakeNs = this.#queue.wakeNs;
    }
    return item;
  }

  removeClient(opClass: OpClass, clientId: number, removed: (item: number) => void): number {
    const key = clientKey(opClass, clientId);
    return this.#strict.removeClient(key, removed) + this.#queue.removeClient(key, removed);
  }

  reconfigure(plan: QosPlan): void {
    this.#plan = plan;
    this.#queue.updateClients();
  }

  #qosOf(key: number): ClientQos {
    switch (key % 4) {
      case opClasses.client:
        return this.#plan.clientOverrides?.get(Math.floor(key / 4)) ?? this.#plan.client;
      case opClasses.recovery:
        return this.#plan.recovery;
      default:
        return this.#plan.bestEffort;
    }
  }
}
