/**
 * The clients of a dmClock queue, or of several that share one device and keep one account of each client,
 * in typed arrays; records of clients that left are used again.
 */
import { assert } from "../../base/assert.ts";
import { ClientHeap, grown } from "./client-heap.ts";
import type { ClientQos } from "./qos.ts";

const nothingYet = Number.NEGATIVE_INFINITY;

/** Nanoseconds that one cost unit takes at this rate; 0 stands for no rate. */
function inverse(rate: number): number {
  return rate === 0 ? 0 : 1e9 / rate;
}

export class DmClockClients {
  /** Nanoseconds for one cost unit by reservation, weight and limit; 0: there is none. */
  reservationInverse: Float64Array;
  weightInverse: Float64Array;
  limitInverse: Float64Array;
  /** Tags of the last request that got any, and when it came. */
  previousReservation: Float64Array;
  previousWeight: Float64Array;
  previousLimit: Float64Array;
  previousArrival: Float64Array;
  /** Added to the weight tags of a client that was away. */
  weightShift: Float64Array;
  delta: Float64Array;
  rho: Float64Array;
  /** When a request of the client last got tags; decides when it is idle and when it is forgotten. */
  lastTagged: Float64Array;
  /** 1 also where there is no client. */
  idle: Uint8Array;
  /** Requests that wait, in all queues together. */
  waiting: Int32Array;
  /** By queue: the reservation tag that it served last; Infinity once none was due. */
  readonly #dueNs: number[] = [];
  readonly #byId = new Map<number, number>();
  #ids: Float64Array;
  #free: Int32Array;
  #freeCount: number;
  #capacity: number;

  constructor(capacity = 16) {
    const doubles = () => new Float64Array(capacity);
    this.#capacity = capacity;
    this.reservationInverse = doubles();
    this.weightInverse = doubles();
    this.limitInverse = doubles();
    this.previousReservation = doubles();
    this.previousWeight = doubles();
    this.previousLimit = doubles();
    this.previousArrival = doubles();
    this.weightShift = doubles();
    this.delta = doubles();
    this.rho = doubles();
    this.lastTagged = doubles();
    this.idle = new Uint8Array(capacity).fill(1);
    this.waiting = new Int32Array(capacity);
    this.#ids = doubles();
    this.#free = Int32Array.from({ length: capacity }, (_, at) => capacity - 1 - at);
    this.#freeCount = capacity;
  }

  /** A further queue of these clients; its number. */
  join(): number {
    return this.#dueNs.push(Number.POSITIVE_INFINITY) - 1;
  }

  /** Notes the reservation tag that a queue served; Infinity: none was due. */
  noteDue(queue: number, tagNs: number): void {
    this.#dueNs[queue] = tagNs;
  }

  /** The oldest reservation tag that a queue served last: how far reservations are behind. */
  oldestDueNs(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (let queue = 0; queue < this.#dueNs.length; queue += 1) {
      oldest = Math.min(oldest, this.#dueNs[queue] as number);
    }
    return oldest;
  }

  get capacity(): number {
    return this.#capacity;
  }

  /** Clients that are known. */
  get size(): number {
    return this.#byId.size;
  }

  /** The record of a client; -1: it is not known. */
  find(id: number): number {
    return this.#byId.get(id) ?? -1;
  }

  idOf(client: number): number {
    return this.#ids[client] as number;
  }

  records(): IterableIterator<number> {
    return this.#byId.values();
  }

  add(id: number, qos: ClientQos, nowNs: number): number {
    if (this.#freeCount === 0) {
      this.#grow();
    }
    this.#freeCount -= 1;
    const client = this.#free[this.#freeCount] as number;
    this.#byId.set(id, client);
    this.#ids[client] = id;
    this.previousReservation[client] = nothingYet;
    this.previousWeight[client] = nothingYet;
    this.previousLimit[client] = nothingYet;
    this.previousArrival[client] = nothingYet;
    this.weightShift[client] = 0;
    this.delta[client] = 0;
    this.rho[client] = 0;
    this.lastTagged[client] = nowNs;
    this.idle[client] = 1;
    this.waiting[client] = 0;
    this.setQos(client, qos);
    return client;
  }

  setQos(client: number, { reservation, weight, limit }: ClientQos): void {
    assert(
      reservation >= 0 && weight >= 0 && limit >= 0 && (reservation > 0 || weight > 0),
      "a dmClock client needs a reservation or a weight above 0",
    );
    this.reservationInverse[client] = inverse(reservation);
    this.weightInverse[client] = inverse(weight);
    this.limitInverse[client] = inverse(limit);
  }

  /** Forgets a client that has nothing queued. */
  remove(client: number): void {
    this.#byId.delete(this.#ids[client] as number);
    this.idle[client] = 1;
    this.#free[this.#freeCount] = client;
    this.#freeCount += 1;
  }

  /**
   * Marks clients idle that were away for long, and forgets those that were for longer, `most` of them;
   * whether that was all.
   */
  retire(nowNs: number, idleAgeNs: number, eraseAgeNs: number, most: number): boolean {
    let erased = 0;
    for (const client of this.records()) {
      const awayNs = nowNs - (this.lastTagged[client] as number);
      if (this.waiting[client] !== 0 || awayNs < idleAgeNs) {
        continue;
      }
      if (awayNs >= eraseAgeNs && erased < most) {
        this.remove(client);
        erased += 1;
      } else {
        this.idle[client] = 1;
      }
    }
    return erased < most;
  }

  #grow(): void {
    const before = this.#capacity;
    const capacity = before * 2;
    this.#capacity = capacity;
    this.reservationInverse = grown(this.reservationInverse, capacity, 0);
    this.weightInverse = grown(this.weightInverse, capacity, 0);
    this.limitInverse = grown(this.limitInverse, capacity, 0);
    this.previousReservation = grown(this.previousReservation, capacity, 0);
    this.previousWeight = grown(this.previousWeight, capacity, 0);
    this.previousLimit = grown(this.previousLimit, capacity, 0);
    this.previousArrival = grown(this.previousArrival, capacity, 0);
    this.weightShift = grown(this.weightShift, capacity, 0);
    this.delta = grown(this.delta, capacity, 0);
    this.rho = grown(this.rho, capacity, 0);
    this.lastTagged = grown(this.lastTagged, capacity, 0);
    this.idle = grown(this.idle, capacity, 1);
    this.waiting = grown(this.waiting, capacity, 0);
    this.#ids = grown(this.#ids, capacity, 0);
    this.#free = grown(this.#free, capacity, 0);
    for (let client = capacity - 1; client >= before; client -= 1) {
      this.#free[this.#freeCount] = client;
      this.#freeCount += 1;
    }
  }
}

/** What one queue has waiting of each client, by the client's record. */
export class WaitingClients {
  first: Int32Array;
  last: Int32Array;
  queued: Int32Array;
  /** Heads by reservation tag, those over their limit by limit tag, the others by weight tag. */
  readonly byReservation: ClientHeap;
  readonly byLimit: ClientHeap;
  readonly ready: ClientHeap;
  /** Those over their limit, by weight tag; used when limits may be broken. */
  readonly overLimit: ClientHeap;

  constructor(capacity: number) {
    this.first = new Int32Array(capacity).fill(-1);
    this.last = new Int32Array(capacity).fill(-1);
    this.queued = new Int32Array(capacity);
    this.byReservation = new ClientHeap(capacity);
    this.byLimit = new ClientHeap(capacity);
    this.ready = new ClientHeap(capacity);
    this.overLimit = new ClientHeap(capacity);
  }

  /** Makes room for records below `capacity`. */
  fit(capacity: number): void {
    if (capacity <= this.first.length) {
      return;
    }
    this.first = grown(this.first, capacity, -1);
    this.last = grown(this.last, capacity, -1);
    this.queued = grown(this.queued, capacity, 0);
    this.byReservation.grow(capacity);
    this.byLimit.grow(capacity);
    this.ready.grow(capacity);
    this.overLimit.grow(capacity);
  }
}
