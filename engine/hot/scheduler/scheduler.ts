/** Op schedulers: which of the operations that wait runs next. */
import type { Random } from "../../port/random.ts";
import type { DmClockClients } from "./dmclock-clients.ts";
import type { QosPlan } from "./qos.ts";

/** Who an operation belongs to; the numbers are those of `BlockOp.opClass`. */
export const opClasses = Object.freeze({
  client: 0,
  recovery: 1,
  bestEffort: 2,
  /** Peering, replica operations: before all others. */
  immediate: 3,
});
export type OpClass = (typeof opClasses)[keyof typeof opClasses];

/** Names by class, as in the job key `op_class` and the metric `share.CLASS`. */
export const opClassNames = Object.freeze(["client", "recovery", "best_effort", "immediate"]);

/** One operation as schedulers see it. The object may be reused as soon as `enqueue` returns. */
export interface SchedulerOp {
  opClass: OpClass;
  /** Within the class; a safe integer from 0. */
  clientId: number;
  /** 0 ... 255. From the cut-off on, and always for `immediate`, it goes into the strict queues. */
  priority: number;
  /** Bytes that it moves; 0 for operations without data. */
  costBytes: number;
  /** dmClock: cost served elsewhere since the last request here, in all and by reservation; 0 with one server. */
  delta: number;
  rho: number;
}

/** What a scheduler did, counted since it was made. */
export interface SchedulerStats {
  /** Served from the strict queues. */
  readonly strict: number;
  /** dmClock's two phases; other schedulers count everything else as `weight`. */
  readonly reservation: number;
  readonly weight: number;
  /** Served although over the limit (`atLimit` allow). */
  readonly limitBreaks: number;
  /** Refused at the limit (`atLimit` reject). */
  readonly rejected: number;
}

/**
 * A queue of operations in time that the caller tells; it reads no clock. Operations are named by
 * numbers of the caller's, small integers from 0 that are distinct while queued. Those of one client
 * of one class and priority MUST leave in the order in which they came.
 */
export interface OpScheduler {
  /** Operations that wait. */
  readonly size: number;
  /** When `dequeue` last gave -1: the time from which to ask again; Infinity: once something is added. */
  readonly wakeNs: number;
  readonly stats: SchedulerStats;
  /** Takes an operation; `false`: refused, its client is over its limit. Times MUST NOT go back. */
  enqueue(item: number, op: SchedulerOp, nowNs: number): boolean;
  /** Takes back what was dequeued and could not start: it leaves next of all. */
  enqueueFront(item: number): void;
  /** The operation that runs next; -1: none may at present. */
  dequeue(nowNs: number): number;
  /** Takes out all that one client of a class has waiting, oldest first, and returns the number. */
  removeClient(opClass: OpClass, clientId: number, removed: (item: number) => void): number;
  /** Takes other reservations, weights and limits; they hold from the next operation of a client on. */
  reconfigure(plan: QosPlan): void;
}

/** What a scheduler may do with a client that is over its limit. */
export type AtLimit = "wait" | "allow" | "reject";

/** What a scheduler is made with; each uses of it what it has to do with. */
export interface SchedulerOptions {
  /** Draws of wpq, and of debug_random once. */
  readonly random: Random;
  /** Priority from which operations go into the strict queues (Ceph: 196 high, 64 low). */
  readonly cutOff: number;
  /** dmClock: reservation, weight and limit of each class, and what an operation costs. */
  readonly plan: QosPlan;
  /** dmClock: queues of one device that share the reservation, weight and limit of each client. */
  readonly sharedClients?: DmClockClients;
  /** Default `wait`, as Ceph's OSD. */
  readonly atLimit?: AtLimit;
  /** With `reject`: how far beyond its limit a client may get, ns; default 0. */
  readonly rejectThresholdNs?: number;
  /** dmClock: a request that comes this much late keeps its client's place, ns; default 0. */
  readonly anticipationNs?: number;
  /** wpq: an operation costs no less and no more than this, bytes. */
  readonly wpqCost?: { readonly minBytes: number; readonly maxBytes: number };
}

/** Queue priorities that Ceph gives to the operations of each class. */
export const classPriority: Readonly<Record<OpClass, number>> = Object.freeze({
  [opClasses.client]: 63,
  [opClasses.recovery]: 5,
  [opClasses.bestEffort]: 5,
  [opClasses.immediate]: 255,
});

/** Ceph's cut-offs by name (`osd_op_queue_cut_off`). */
export const cutOffs = Object.freeze({ low: 64, high: 196 });

/** An operation to be filled and handed on. */
export function blankSchedulerOp(): SchedulerOp {
  return { opClass: 0, clientId: 0, priority: 0, costBytes: 0, delta: 0, rho: 0 };
}
