/**
 * The server side of dmClock: requests of many clients, each with a reservation, a weight and a limit.
 * Sources: A. Gulati, A. Merchant, P. Varman, "mClock: Handling Throughput Variability for Hypervisor IO
 * Scheduling", OSDI 2010; Ceph's dmClock library for what the paper leaves open (delayed tags, costs,
 * idle clients, limit modes).
 *
 * Tags are nanoseconds. A request's tag is the later of its arrival and the client's previous tag plus
 * (cost + what was served elsewhere) at the client's rate. Served is the smallest reservation tag that is
 * due, else the smallest weight tag among clients within their limits. Nothing is allocated per request.
 *
 * One addition: where the reservations together are more than the device does, their tags fall behind
 * time, every arrival is later than its client's last tag, and the order would be that of arrival. So as
 * long as only reservations are served, an arrival counts as no later than the tag served last: then they
 * shrink in proportion.
 *
 * Several queues may have their clients in common: the shards of one device. Then each client has one
 * reservation, weight and limit on all of them together and one row of tags, from which the first request
 * in each queue takes the next: what a queue serves of a client the others need not, exactly as dmClock's
 * delta and rho tell servers of each other.
 */
import { assert } from "../../base/assert.ts";
import { grown } from "./client-heap.ts";
import { DmClockClients, WaitingClients } from "./dmclock-clients.ts";
import type { ClientQos } from "./qos.ts";
import type { AtLimit } from "./scheduler.ts";

export interface DmClockOptions {
  /** Of queues that share a device and each client's reservation, weight and limit; default: of this one. */
  readonly clients?: DmClockClients;
  /** Of a client that is new. */
  readonly qosOf: (client: number) => ClientQos;
  /** It is asked anew for every request: for clients whose figures change by themselves. */
  readonly dynamic?: boolean;
  readonly atLimit?: AtLimit;
  readonly rejectThresholdNs?: number;
  readonly anticipationNs?: number;
  /** Tags of a request are made when it becomes its client's first (default), or when it comes. */
  readonly delayedTags?: boolean;
  /** A client without requests for this long is idle, and for that long forgotten. */
  readonly idleAgeNs?: number;
  readonly eraseAgeNs?: number;
  readonly checkPeriodNs?: number;
  /** Clients forgotten in one check; when there are more, the next check comes soon. */
  readonly eraseMax?: number;
}

/** Ceph's constants: 300 s, 600 s, 60 s, 2000 clients, then again in 5 s. */
const defaults = { idleAgeNs: 300e9, eraseAgeNs: 600e9, checkPeriodNs: 60e9, eraseMax: 2000 };
const checkSoonNs = 5e9;

/** The later of both; of a client whose first tag this is, its arrival. */
function tagOf(nextNs: number, fromNs: number, arrivalNs: number): number {
  const tag = Math.max(nextNs, fromNs);
  return tag === Number.NEGATIVE_INFINITY ? arrivalNs : tag;
}

export class DmClockQueue {
  /** Requests that wait. */
  size = 0;
  wakeNs = Number.POSITIVE_INFINITY;
  /** Of the last request that `pull` gave: its phase (`reservation` else weight) and its client. */
  pulledReservation = false;
  pulledClient = -1;
  reservationCount = 0;
  weightCount = 0;
  limitBreaks = 0;
  rejected = 0;
  readonly #clients: DmClockClients;
  /** Its number among the queues of these clients. */
  readonly #number: number;
  readonly #here: WaitingClients;
  readonly #options: DmClockOptions;
  readonly #delayed: boolean;
  readonly #allow: boolean;
  readonly #reject: boolean;
  readonly #idleAgeNs: number;
  readonly #eraseAgeNs: number;
  readonly #checkPeriodNs: number;
  readonly #anticipationNs: number;
  #checkNs = Number.POSITIVE_INFINITY;
  #capacity = 64;
  /** By request. */
  #next = new Int32Array(64);
  #cost = new Float64Array(64);
  #arrival = new Float64Array(64);
  #rho = new Float64Array(64);
  #reservation = new Float64Array(64);
  #weight = new Float64Array(64);
  #limit = new Float64Array(64);

  constructor(options: DmClockOptions) {
    this.#options = options;
    this.#clients = options.clients ?? new DmClockClients();
    this.#number = this.#clients.join();
    this.#here = new WaitingClients(this.#clients.capacity);
    this.#delayed = options.delayedTags ?? true;
    this.#allow = options.atLimit === "allow";
    this.#reject = options.atLimit === "reject";
    assert(!(this.#reject && this.#delayed), "refusing at the limit needs tags that are immediate");
    this.#idleAgeNs = options.idleAgeNs ?? defaults.idleAgeNs;
    this.#eraseAgeNs = options.eraseAgeNs ?? defaults.eraseAgeNs;
    this.#checkPeriodNs = options.checkPeriodNs ?? defaults.checkPeriodNs;
    this.#anticipationNs = options.anticipationNs ?? 0;
    assert(
      this.#eraseAgeNs >= this.#idleAgeNs && this.#idleAgeNs > this.#checkPeriodNs,
      "dmClock's ages must be: forgotten >= idle > check period",
    );
  }

  /** Clients that are known, idle ones included. */
  get clientCount(): number {
    return this.#clients.size;
  }

  /** Whether the client counts as idle; `null`: it is not known. */
  isIdle(id: number): boolean | null {
    const client = this.#clients.find(id);
    return client < 0 ? null : this.#clients.idle[client] === 1;
  }

  /** Adds a request; `false`: refused at the limit. `cost` MUST be above 0. */
  add(item: number, id: number, cost: number, nowNs: number, delta = 0, rho = 0): boolean {
    assert(cost > 0, "a dmClock request costs more than 0");
    if (nowNs >= this.#checkNs) {
      this.#check(nowNs);
    }
    const clients = this.#clients;
    const client = this.#clientOf(id, nowNs);
    const here = this.#here;
    here.fit(clients.capacity);
    if (clients.idle[client] === 1) {
      this.#welcome(client, nowNs);
    }
    if (item >= this.#capacity) {
      this.#grow(item + 1);
    }
    this.#next[item] = -1;
    this.#cost[item] = cost;
    this.#arrival[item] = nowNs;
    const head = here.queued[client] === 0;
    if (head || !this.#delayed) {
      this.#tag(item, client, nowNs, delta, rho);
      if (
        this.#reject &&
        (this.#limit[item] as number) > nowNs + (this.#options.rejectThresholdNs ?? 0)
      ) {
        this.rejected += 1;
        return false;
      }
    }
    if (head) {
      here.first[client] = item;
    } else {
      this.#next[here.last[client] as number] = item;
    }
    here.last[client] = item;
    here.queued[client] = (here.queued[client] as number) + 1;
    clients.waiting[client] = (clients.waiting[client] as number) + 1;
    clients.delta[client] = delta;
    clients.rho[client] = rho;
    this.size += 1;
    if (head) {
      this.#placeHead(client, nowNs);
    }
    return true;
  }

  /** The request to serve now; -1: none, `wakeNs` says until when. */
  pull(nowNs: number): number {
    const { byReservation, byLimit, ready, overLimit } = this.#here;
    if (nowNs >= this.#checkNs) {
      this.#check(nowNs);
    }
    if (byReservation.topKey() <= nowNs) {
      this.#clients.noteDue(this.#number, byReservation.topKey());
      return this.#serve(byReservation.top(), true, nowNs);
    }
    this.#clients.noteDue(this.#number, Number.POSITIVE_INFINITY);
    while (byLimit.topKey() <= nowNs) {
      const client = byLimit.top();
      byLimit.remove(client);
      overLimit.remove(client);
      ready.set(client, this.#weightKey(client));
    }
    if (ready.size > 0) {
      return this.#serve(ready.top(), false, nowNs);
    }
    if (this.#allow && overLimit.size > 0) {
      this.limitBreaks += 1;
      return this.#serve(overLimit.top(), false, nowNs);
    }
    if (this.#allow && byReservation.size > 0) {
      this.limitBreaks += 1;
      return this.#serve(byReservation.top(), true, nowNs);
    }
    this.wakeNs = Math.min(byReservation.topKey(), byLimit.topKey());
    return -1;
  }

  /** Takes out all that a client has waiting, oldest first; returns the number. */
  removeClient(id: number, removed: (item: number) => void): number {
    const { waiting } = this.#clients;
    const client = this.#clients.find(id);
    const here = this.#here;
    here.fit(this.#clients.capacity);
    if (client < 0) {
      return 0;
    }
    const count = here.queued[client] as number;
    for (let item = here.first[client] as number; item >= 0; item = this.#next[item] as number) {
      removed(item);
    }
    here.queued[client] = 0;
    here.first[client] = -1;
    here.last[client] = -1;
    waiting[client] = (waiting[client] as number) - count;
    this.#unplace(client);
    this.#left(count);
    return count;
  }

  /**
   * Takes out the requests for which `wanted` holds, those of each client oldest first (or newest first),
   * and returns their number; the others keep their order.
   */
  removeWhere(
    wanted: (item: number, client: number) => boolean,
    nowNs: number,
    newestFirst = false,
  ): number {
    const clients = this.#clients;
    const here = this.#here;
    here.fit(clients.capacity);
    let count = 0;
    for (const client of clients.records()) {
      const items: number[] = [];
      for (let at = here.first[client] as number; at >= 0; at = this.#next[at] as number) {
        items.push(at);
      }
      const id = clients.idOf(client);
      const gone = new Set<number>();
      for (const item of newestFirst ? items.toReversed() : items) {
        if (wanted(item, id)) {
          gone.add(item);
        }
      }
      if (gone.size > 0) {
        count += gone.size;
        this.#relink(client, items, gone, nowNs);
      }
    }
    this.#left(count);
    return count;
  }

  /** Asks for the figures of every client again; they hold for tags that are made from now on. */
  updateClients(): void {
    for (const client of this.#clients.records()) {
      this.#clients.setQos(client, this.#options.qosOf(this.#clients.idOf(client)));
    }
  }

  #clientOf(id: number, nowNs: number): number {
    const clients = this.#clients;
    const known = clients.find(id);
    if (known < 0) {
      if (this.#checkNs === Number.POSITIVE_INFINITY) {
        this.#checkNs = nowNs + this.#checkPeriodNs;
      }
      return clients.add(id, this.#options.qosOf(id), nowNs);
    }
    if (this.#options.dynamic === true) {
      clients.setQos(known, this.#options.qosOf(id));
    }
    return known;
  }

  /**
   * A client that was away competes from where the others are: its tags start anew, at the smallest
   * weight tag there is, so that it neither starves them nor is starved.
   */
  #welcome(client: number, nowNs: number): void {
    const clients = this.#clients;
    const { idle, previousWeight, weightShift } = clients;
    const { queued, first } = this.#here;
    let lowest = Number.POSITIVE_INFINITY;
    for (let other = 0; other < idle.length; other += 1) {
      if (idle[other] === 0) {
        // With delayed tags the last tag made is that of the first request.
        const ofHead = !this.#delayed && queued[other] !== 0;
        const tag = (
          ofHead ? this.#weight[first[other] as number] : previousWeight[other]
        ) as number;
        const shifted = tag + (weightShift[other] as number);
        if (shifted < lowest && shifted > Number.NEGATIVE_INFINITY) {
          lowest = shifted;
        }
      }
    }
    previousWeight[client] = Number.NEGATIVE_INFINITY;
    weightShift[client] = lowest === Number.POSITIVE_INFINITY ? 0 : lowest - nowNs;
    idle[client] = 0;
  }

  #tag(item: number, client: number, nowNs: number, delta: number, rho: number): void {
    const clients = this.#clients;
    const { previousReservation, previousWeight, previousLimit } = clients;
    const arrivalNs = this.#arrival[item] as number;
    const fromNs = this.#startOf(item, client);
    const cost = this.#cost[item] as number;
    const byReservation = clients.reservationInverse[client] as number;
    let tag = Number.POSITIVE_INFINITY;
    if (byReservation > 0) {
      const next = (previousReservation[client] as number) + byReservation * (rho + cost);
      tag = tagOf(next, Math.min(fromNs, clients.oldestDueNs()), arrivalNs);
      previousReservation[client] = tag;
    }
    this.#reservation[item] = tag;
    const byWeight = clients.weightInverse[client] as number;
    tag = Number.POSITIVE_INFINITY;
    if (byWeight > 0) {
      const next = (previousWeight[client] as number) + byWeight * (delta + cost);
      tag = tagOf(next, fromNs, arrivalNs);
      previousWeight[client] = tag;
    }
    this.#weight[item] = tag;
    const byLimit = clients.limitInverse[client] as number;
    tag = Number.NEGATIVE_INFINITY;
    if (byLimit > 0) {
      const next = (previousLimit[client] as number) + byLimit * (delta + cost);
      tag = tagOf(next, fromNs, arrivalNs);
      previousLimit[client] = tag;
    }
    this.#limit[item] = tag;
    this.#rho[item] = rho;
    clients.previousArrival[client] = arrivalNs;
    clients.lastTagged[client] = nowNs;
  }

  /** The time that a request's tags begin at unless its client's last ones lead beyond that. */
  #startOf(item: number, client: number): number {
    const { previousArrival, waiting } = this.#clients;
    if (this.#here.queued[client] === 0 && (waiting[client] as number) > 0) {
      // It is the first here, but its client was not away: it waits in other queues.
      return Number.NEGATIVE_INFINITY;
    }
    const arrivalNs = this.#arrival[item] as number;
    const anticipatedNs = arrivalNs - this.#anticipationNs;
    return anticipatedNs < (previousArrival[client] as number) ? anticipatedNs : arrivalNs;
  }

  #weightKey(client: number): number {
    const head = this.#here.first[client] as number;
    const shift = this.#clients.weightShift[client] as number;
    return (this.#weight[head] as number) + shift;
  }

  /** Puts a client where its first request belongs. */
  #placeHead(client: number, nowNs: number): void {
    const { byReservation, byLimit, ready, overLimit, first } = this.#here;
    const head = first[client] as number;
    const reservationNs = this.#reservation[head] as number;
    if (reservationNs < Number.POSITIVE_INFINITY) {
      byReservation.set(client, reservationNs);
    } else {
      byReservation.remove(client);
    }
    // Without a weight it is served by reservation only.
    if (this.#weight[head] === Number.POSITIVE_INFINITY) {
      byLimit.remove(client);
      ready.remove(client);
    } else if ((this.#limit[head] as number) <= nowNs) {
      byLimit.remove(client);
      overLimit.remove(client);
      ready.set(client, this.#weightKey(client));
    } else {
      ready.remove(client);
      byLimit.set(client, this.#limit[head] as number);
      if (this.#allow) {
        overLimit.set(client, this.#weightKey(client));
      }
    }
  }

  #unplace(client: number): void {
    const { byReservation, byLimit, ready, overLimit } = this.#here;
    byReservation.remove(client);
    byLimit.remove(client);
    ready.remove(client);
    overLimit.remove(client);
  }

  #serve(client: number, byReservation: boolean, nowNs: number): number {
    const clients = this.#clients;
    const here = this.#here;
    const item = here.first[client] as number;
    const next = this.#next[item] as number;
    here.first[client] = next;
    here.queued[client] = (here.queued[client] as number) - 1;
    clients.waiting[client] = (clients.waiting[client] as number) - 1;
    this.#left(1);
    if (next >= 0 && this.#delayed) {
      const { delta, rho } = clients;
      this.#tag(next, client, nowNs, delta[client] as number, rho[client] as number);
    }
    if (byReservation) {
      this.reservationCount += 1;
    } else {
      this.weightCount += 1;
      this.#giveBack(client, (this.#cost[item] as number) + (this.#rho[item] as number));
    }
    if (next < 0) {
      here.last[client] = -1;
      this.#unplace(client);
    } else {
      this.#placeHead(client, nowNs);
    }
    this.pulledReservation = byReservation;
    this.pulledClient = clients.idOf(client);
    return item;
  }

  /** So many requests are no longer here. */
  #left(count: number): void {
    this.size -= count;
    if (this.size === 0) {
      this.#clients.noteDue(this.#number, Number.POSITIVE_INFINITY);
    }
  }

  /** What was served by weight does not use up the reservation. */
  #giveBack(client: number, cost: number): void {
    const clients = this.#clients;
    const byNs = (clients.reservationInverse[client] as number) * cost;
    if (byNs === 0) {
      return;
    }
    clients.previousReservation[client] = (clients.previousReservation[client] as number) - byNs;
    for (
      let item = this.#here.first[client] as number;
      item >= 0;
      item = this.#next[item] as number
    ) {
      this.#reservation[item] = (this.#reservation[item] as number) - byNs;
      if (this.#delayed) {
        return;
      }
    }
  }

  #relink(client: number, items: readonly number[], gone: Set<number>, nowNs: number): void {
    const clients = this.#clients;
    const here = this.#here;
    const kept = items.filter((item) => !gone.has(item));
    const newHead = kept[0] !== items[0];
    here.first[client] = kept[0] ?? -1;
    here.last[client] = kept.at(-1) ?? -1;
    here.queued[client] = kept.length;
    clients.waiting[client] = (clients.waiting[client] as number) - gone.size;
    for (const [place, item] of kept.entries()) {
      this.#next[item] = kept[place + 1] ?? -1;
    }
    const head = kept[0];
    if (head === undefined) {
      this.#unplace(client);
    } else if (newHead) {
      if (this.#delayed) {
        const { delta, rho } = clients;
        this.#tag(head, client, nowNs, delta[client] as number, rho[client] as number);
      }
      this.#placeHead(client, nowNs);
    }
  }

  /** Lets go of clients that were away for long. */
  #check(nowNs: number): void {
    const most = this.#options.eraseMax ?? defaults.eraseMax;
    const all = this.#clients.retire(nowNs, this.#idleAgeNs, this.#eraseAgeNs, most);
    this.#checkNs = nowNs + (all ? this.#checkPeriodNs : checkSoonNs);
  }

  #grow(items: number): void {
    let capacity = this.#capacity;
    while (capacity < items) {
      capacity *= 2;
    }
    this.#capacity = capacity;
    this.#next = grown(this.#next, capacity, 0);
    this.#cost = grown(this.#cost, capacity, 0);
    this.#arrival = grown(this.#arrival, capacity, 0);
    this.#rho = grown(this.#rho, capacity, 0);
    this.#reservation = grown(this.#reservation, capacity, 0);
    this.#weight = grown(this.#weight, capacity, 0);
    this.#limit = grown(this.#limit, capacity, 0);
  }
}
