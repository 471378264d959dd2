/**
 * Clients and servers of the dmClock project's simulations, in virtual time: clients that send at a goal
 * rate within a window, servers of a fixed rate behind the scheduler that `osd_op_queue` selects.
 */
import { SeededRandom } from "../../engine/base/random.ts";
import { MclockScheduler } from "../../engine/hot/scheduler/mclock.ts";
import type { ClientQos } from "../../engine/hot/scheduler/qos.ts";
import { openScheduler } from "../../engine/hot/scheduler/registry.ts";
import { type AtLimit, blankSchedulerOp, cutOffs } from "../../engine/hot/scheduler/scheduler.ts";
import { ServiceTracker } from "../../engine/hot/scheduler/service-tracker.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";

export interface ClientGroup {
  readonly count: number;
  readonly startS?: number;
  readonly ops?: number;
  /** Servers that each of them uses. */
  readonly servers?: number;
  readonly iopsGoal: number;
  readonly window: number;
  readonly qos: ClientQos;
  readonly cost?: number;
}

export interface Scenario {
  readonly servers: number;
  readonly serverIops: number;
  readonly atLimit: AtLimit;
  readonly clients: readonly ClientGroup[];
  readonly seconds: number;
  readonly seed: number;
}

class Client {
  readonly id: number;
  readonly group: ClientGroup;
  readonly tracker = new ServiceTracker("orig");
  readonly random: SeededRandom;
  sent = 0;
  inFlight = 0;
  nextNs: number;
  armed = false;

  constructor(id: number, group: ClientGroup, random: SeededRandom) {
    this.id = id;
    this.group = group;
    this.random = random;
    this.nextNs = (group.startS ?? 0) * 1e9;
  }
}

/** Runs a scenario; answers completions by client, second by second. */
export class MclockWorld {
  readonly completed: number[][] = [];
  /** Over all servers. */
  readonly counts = { reservation: 0, weight: 0, limitBreaks: 0 };
  readonly #scenario: Scenario;
  readonly #clock = new VirtualClock();
  readonly #clients: Client[] = [];
  readonly #servers: { readonly queue: MclockScheduler; busy: boolean; wakesNs: number }[] = [];
  readonly #owner: Client[] = [];
  readonly #free: number[] = [];
  readonly #op = blankSchedulerOp();

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    const random = new SeededRandom(scenario.seed);
    const clientOverrides = new Map<number, ClientQos>();
    for (const group of scenario.clients) {
      for (let place = 0; place < group.count; place += 1) {
        const id = this.#clients.length;
        this.#clients.push(new Client(id, group, random.fork(`client ${id}`)));
        clientOverrides.set(id, group.qos);
        this.completed.push(new Array<number>(scenario.seconds).fill(0));
      }
    }
    const plain = { reservation: 0, weight: 1, limit: 0 };
    for (let server = 0; server < scenario.servers; server += 1) {
      const queue = openScheduler("mclock_scheduler", {
        random: random.fork(`server ${server}`),
        cutOff: cutOffs.high,
        atLimit: scenario.atLimit,
        plan: { costPerIo: 1, client: plain, recovery: plain, bestEffort: plain, clientOverrides },
      });
      if (!(queue instanceof MclockScheduler)) {
        throw new Error("mclock_scheduler names another class");
      }
      this.#servers.push({ queue, busy: false, wakesNs: Number.POSITIVE_INFINITY });
    }
  }

  run(): this {
    for (const client of this.#clients) {
      this.#arm(client);
    }
    this.#clock.advanceTo(this.#scenario.seconds * 1e9);
    for (const { queue } of this.#servers) {
      const { reservation, weight, limitBreaks } = queue.stats;
      this.counts.reservation += reservation;
      this.counts.weight += weight;
      this.counts.limitBreaks += limitBreaks;
    }
    return this;
  }

  /** Completions a second of a client between two times. */
  rate(client: number, fromS: number, toS: number): number {
    const seconds = this.completed[client]?.slice(fromS, toS) ?? [];
    return seconds.reduce((sum, each) => sum + each, 0) / (toS - fromS);
  }

  #arm(client: Client): void {
    if (!client.armed) {
      client.armed = true;
      this.#clock.at(Math.max(client.nextNs, this.#clock.nowNs()), () => {
        client.armed = false;
        this.#send(client);
      });
    }
  }

  /** Sends what the goal and the window allow; a full window waits for an answer. */
  #send(client: Client): void {
    const {
      window,
      ops = Number.POSITIVE_INFINITY,
      iopsGoal,
      servers = 1,
      cost = 1,
    } = client.group;
    const nowNs = this.#clock.nowNs();
    if (client.sent >= ops || client.inFlight >= window) {
      return;
    }
    if (client.nextNs > nowNs) {
      this.#arm(client);
      return;
    }
    client.nextNs = nowNs + 1e9 / iopsGoal;
    client.sent += 1;
    client.inFlight += 1;
    const server = (client.id + client.random.below(servers)) % this.#servers.length;
    const shares = client.tracker.request(server, nowNs);
    const item = this.#free.pop() ?? this.#owner.length;
    this.#owner[item] = client;
    const op = this.#op;
    op.clientId = client.id;
    op.costBytes = cost;
    op.delta = shares.delta;
    op.rho = shares.rho;
    this.#servers[server]?.queue.enqueue(item, op, nowNs);
    this.#serve(server);
    this.#arm(client);
  }

  #serve(place: number): void {
    const server = this.#servers[place];
    if (server === undefined || server.busy) {
      return;
    }
    const nowNs = this.#clock.nowNs();
    const item = server.queue.dequeue(nowNs);
    if (item < 0) {
      const { wakeNs } = server.queue;
      if (wakeNs < server.wakesNs) {
        server.wakesNs = wakeNs;
        this.#clock.at(wakeNs, () => {
          server.wakesNs = Number.POSITIVE_INFINITY;
          this.#serve(place);
        });
      }
      return;
    }
    const byReservation = server.queue.servedByReservation;
    server.busy = true;
    this.#clock.at(nowNs + 1e9 / this.#scenario.serverIops, () => {
      server.busy = false;
      this.#complete(item, place, byReservation);
      this.#serve(place);
    });
  }

  #complete(item: number, server: number, byReservation: boolean): void {
    const client = this.#owner[item] as Client;
    this.#free.push(item);
    const nowNs = this.#clock.nowNs();
    const row = this.completed[client.id] as number[];
    const second = Math.min(Math.floor(nowNs / 1e9), row.length - 1);
    row[second] = (row[second] ?? 0) + 1;
    client.inFlight -= 1;
    client.tracker.completed(server, byReservation, client.group.cost ?? 1, nowNs);
    this.#send(client);
  }
}
