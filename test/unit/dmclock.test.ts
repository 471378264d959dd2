/** The rules of dmClock, one by one (the cases are those that the dmClock project tests). */
import { describe, expect, test } from "vitest";
import { DmClockClients } from "../../engine/hot/scheduler/dmclock-clients.ts";
import { DmClockQueue } from "../../engine/hot/scheduler/dmclock-queue.ts";
import type { ClientQos } from "../../engine/hot/scheduler/qos.ts";
import { ServiceTracker } from "../../engine/hot/scheduler/service-tracker.ts";

const second = 1e9;
const qos = (reservation: number, weight: number, limit: number): ClientQos => ({
  reservation,
  weight,
  limit,
});
const of = (clients: Readonly<Record<number, ClientQos>>) => (id: number) =>
  clients[id] ?? qos(0, 1, 0);

/** Pulls until nothing may run; the clients in order. */
function drain(queue: DmClockQueue, nowNs: number, most = 1000): number[] {
  const clients: number[] = [];
  while (clients.length < most && queue.pull(nowNs) >= 0) {
    clients.push(queue.pulledClient);
  }
  return clients;
}

const count = (clients: readonly number[], id: number) =>
  clients.filter((each) => each === id).length;

describe("serving", () => {
  test("a client without reservation and weight is refused", () => {
    const queue = new DmClockQueue({ qosOf: of({ 1: qos(0, 0, 1) }) });
    expect(() => queue.add(0, 1, 1, second)).toThrow("a reservation or a weight");
    expect(() => queue.add(0, 2, 0, second)).toThrow("costs more than 0");
  });

  test("weights 1 and 2: the second is served twice as often", () => {
    const queue = new DmClockQueue({ qosOf: of({ 1: qos(0, 1, 0), 2: qos(0, 2, 0) }) });
    for (let item = 0; item < 60; item += 1) {
      queue.add(item, 1 + (item % 2), 1, second);
    }
    const served = drain(queue, second, 30);
    expect(count(served, 2)).toBe(20);
    expect(queue.weightCount).toBe(30);
  });

  test("reservations 2 and 1 per second: twice as many by reservation", () => {
    const queue = new DmClockQueue({ qosOf: of({ 1: qos(2, 0, 0), 2: qos(1, 0, 0) }) });
    for (let item = 0; item < 40; item += 1) {
      queue.add(item, 1 + (item % 2), 1, second);
    }
    const served = drain(queue, 5 * second);
    expect(count(served, 1)).toBe(9);
    expect(count(served, 2)).toBe(5);
    expect(queue.reservationCount).toBe(14);
    expect(queue.weightCount).toBe(0);
  });

  test("a reservation is served at its pace, then waited for", () => {
    const queue = new DmClockQueue({ qosOf: of({ 1: qos(4, 0, 0) }) });
    for (let item = 0; item < 3; item += 1) {
      queue.add(item, 1, 1, second);
    }
    expect(drain(queue, second)).toEqual([1]);
    expect(queue.wakeNs).toBe(1.25 * second);
    expect(drain(queue, 1.25 * second)).toEqual([1]);
    expect(drain(queue, 1.5 * second - 1)).toEqual([]);
    expect(drain(queue, 1.5 * second)).toEqual([1]);
    expect(queue.pull(2 * second)).toBe(-1);
    expect(queue.wakeNs).toBe(Number.POSITIVE_INFINITY);
  });

  test("within the limit by weight, then not before the limit says", () => {
    const queue = new DmClockQueue({ qosOf: of({ 1: qos(0, 1, 2), 2: qos(0, 1, 0) }) });
    for (let item = 0; item < 10; item += 1) {
      queue.add(item, 1 + (item % 2), 1, second);
    }
    const served = drain(queue, second);
    expect(count(served, 1)).toBe(1);
    expect(count(served, 2)).toBe(5);
    expect(queue.wakeNs).toBe(1.5 * second);
  });

  test("costs: three at a time is a third as often", () => {
    const queue = new DmClockQueue({ qosOf: of({}) });
    for (let item = 0; item < 80; item += 1) {
      queue.add(item, item % 2, item % 2 === 0 ? 1 : 3, second);
    }
    const served = drain(queue, second, 40);
    expect(count(served, 0)).toBe(30);
    expect(count(served, 1)).toBe(10);
  });

  test("nothing there, and nothing yet", () => {
    const queue = new DmClockQueue({ qosOf: of({ 1: qos(1, 0, 1) }) });
    expect(queue.pull(second)).toBe(-1);
    expect(queue.wakeNs).toBe(Number.POSITIVE_INFINITY);
    queue.add(0, 1, 1, 100 * second);
    expect(queue.pull(99 * second)).toBe(-1);
    expect(queue.wakeNs).toBe(100 * second);
  });

  test("service by weight does not use up the reservation", () => {
    const queue = new DmClockQueue({ qosOf: of({ 1: qos(1, 1, 0), 2: qos(1, 0, 0) }) });
    for (let item = 0; item < 20; item += 1) {
      queue.add(item, 1, 1, second);
    }
    // The first by reservation, ten more by weight within the same second.
    expect(drain(queue, second, 11)).toHaveLength(11);
    expect([queue.reservationCount, queue.weightCount]).toEqual([1, 10]);
    // A second later the next one of the reservation is due all the same.
    queue.pull(2 * second);
    expect(queue.pulledReservation).toBe(true);
  });
});

describe("at the limit", () => {
  test("allow: by weight although over the limit, else by reservation", () => {
    const weights = new DmClockQueue({
      qosOf: of({ 1: qos(0, 1, 1), 2: qos(0, 2, 1) }),
      atLimit: "allow",
    });
    for (let item = 0; item < 30; item += 1) {
      weights.add(item, 1 + (item % 2), 1, second);
    }
    const served = drain(weights, second, 15);
    expect(served).toHaveLength(15);
    expect(count(served, 2)).toBe(10);
    expect(weights.limitBreaks).toBe(13);

    const reserved = new DmClockQueue({ qosOf: of({ 1: qos(1, 0, 1) }), atLimit: "allow" });
    reserved.add(0, 1, 1, second);
    reserved.add(1, 1, 1, second);
    expect(drain(reserved, second)).toEqual([1, 1]);
    expect(reserved.limitBreaks).toBe(1);
    expect(reserved.pulledReservation).toBe(true);
  });

  test("reject: refused when it comes, at once or beyond a threshold", () => {
    const options = { qosOf: of({ 1: qos(0, 1, 1) }), delayedTags: false } as const;
    const strict = new DmClockQueue({ ...options, atLimit: "reject" });
    expect(strict.add(0, 1, 1, second)).toBe(true);
    expect(strict.add(1, 1, 1, second)).toBe(false);
    expect(strict.rejected).toBe(1);
    expect(strict.size).toBe(1);
    const patient = new DmClockQueue({
      ...options,
      atLimit: "reject",
      rejectThresholdNs: 3 * second,
    });
    const taken = [0, 1, 2, 3, 4].map((item) => patient.add(item, 1, 1, second));
    expect(taken).toEqual([true, true, true, true, false]);
    expect(() => new DmClockQueue({ qosOf: of({}), atLimit: "reject" })).toThrow("immediate");
  });

  test("wait: nothing goes beyond the limit, whoever asks how often", () => {
    const queue = new DmClockQueue({ qosOf: of({ 1: qos(0, 1, 10) }) });
    for (let item = 0; item < 40; item += 1) {
      queue.add(item, 1, 1, second);
    }
    let served = 0;
    for (let nowNs = second; nowNs < 2 * second; nowNs += 1e6) {
      served += drain(queue, nowNs).length;
    }
    expect(served).toBe(10);
  });
});

describe("tags", () => {
  test("delayed tags use what the client's latest request says of other servers", () => {
    const gap = (delayedTags: boolean) => {
      const queue = new DmClockQueue({ qosOf: of({ 1: qos(0, 1, 10) }), delayedTags });
      queue.add(0, 1, 1, second, 0, 0);
      queue.add(1, 1, 1, second, 0, 0);
      queue.add(2, 1, 1, second, 4, 0);
      queue.pull(second);
      queue.pull(second);
      return queue.wakeNs - second;
    };
    // Immediate: 1 unit of cost at 10 a second. Delayed: 1 and the 4 served elsewhere.
    expect(gap(false)).toBeCloseTo(0.1 * second, 0);
    expect(gap(true)).toBeCloseTo(0.5 * second, 0);
  });

  test("anticipation: nearly continuous requests keep their pace", () => {
    const late = (anticipationNs: number) => {
      const queue = new DmClockQueue({ qosOf: of({ 1: qos(0, 1, 10) }), anticipationNs });
      queue.add(0, 1, 1, second);
      drain(queue, second);
      // The next one is 50 ms late.
      queue.add(1, 1, 1, second + 150e6);
      drain(queue, second + 150e6);
      queue.add(2, 1, 1, second + 160e6);
      queue.pull(second + 160e6);
      return queue.wakeNs - second;
    };
    expect(late(0)).toBeCloseTo(250e6, 0);
    expect(late(200e6)).toBeCloseTo(200e6, 0);
  });

  test("figures of clients change: when told, or by themselves", () => {
    for (const dynamic of [false, true]) {
      let rate = 1;
      const queue = new DmClockQueue({ qosOf: () => qos(0, 1, rate), dynamic });
      for (let item = 0; item < 100; item += 1) {
        queue.add(item, 1, 1, second);
      }
      expect(drain(queue, second)).toHaveLength(1);
      rate = 10;
      if (dynamic) {
        queue.add(100, 1, 1, second);
      } else {
        queue.updateClients();
      }
      // The tag that was made at the old rate is due at 2 s; from there on ten a second.
      expect(drain(queue, 2 * second)).toHaveLength(1);
      expect(drain(queue, 3 * second)).toHaveLength(10);
    }
  });
});

describe("clients that come and go", () => {
  test("idle after 300 s, forgotten after 600 s, checked every 60 s", () => {
    const queue = new DmClockQueue({ qosOf: of({}) });
    queue.add(0, 1, 1, 0);
    queue.pull(0);
    queue.pull(299 * second);
    expect(queue.isIdle(1)).toBe(false);
    queue.pull(360 * second);
    expect(queue.isIdle(1)).toBe(true);
    queue.pull(599 * second);
    expect(queue.clientCount).toBe(1);
    queue.pull(660 * second);
    expect(queue.isIdle(1)).toBe(null);
    expect(queue.clientCount).toBe(0);
    expect(() => new DmClockQueue({ qosOf: of({}), idleAgeNs: 10 })).toThrow("ages");
  });

  test("at most 2000 are forgotten at once, the rest five seconds later", () => {
    const queue = new DmClockQueue({ qosOf: of({}) });
    for (let id = 0; id < 3000; id += 1) {
      queue.add(0, id, 1, 0);
      queue.pull(0);
    }
    queue.pull(660 * second);
    expect(queue.clientCount).toBe(1000);
    queue.pull(664 * second);
    expect(queue.clientCount).toBe(1000);
    queue.pull(665 * second);
    expect(queue.clientCount).toBe(0);
  });

  test("a client with requests is never forgotten", () => {
    const queue = new DmClockQueue({ qosOf: of({ 1: qos(1e-6, 0, 0) }) });
    queue.add(0, 1, 1, 0);
    queue.add(1, 1, 1, 0);
    queue.pull(0);
    queue.pull(700 * second);
    expect(queue.clientCount).toBe(1);
    expect(queue.pull(1e6 * second)).toBe(1);
  });

  test("one that was away neither starves the others nor is starved", () => {
    const queue = new DmClockQueue({ qosOf: of({}) });
    // Weight tags run far ahead of time: large costs.
    const nowNs = 400 * second;
    for (let item = 0; item < 1000; item += 1) {
      queue.add(item, 1, 1e6, item === 0 ? 0 : nowNs);
      queue.pull(nowNs);
    }
    for (let item = 0; item < 40; item += 1) {
      queue.add(item, 1 + (item % 2), 1e6, nowNs);
    }
    const served = drain(queue, nowNs, 20);
    expect(Math.abs(count(served, 2) - 10)).toBeLessThanOrEqual(1);
  });
});

describe("taking out", () => {
  const filled = () => {
    const queue = new DmClockQueue({ qosOf: of({}) });
    for (let item = 0; item < 12; item += 1) {
      queue.add(item, item % 2, 1, second);
    }
    return queue;
  };

  test("by client, oldest first", () => {
    const queue = filled();
    const gone: number[] = [];
    expect(queue.removeClient(1, (item) => gone.push(item))).toBe(6);
    expect(gone).toEqual([1, 3, 5, 7, 9, 11]);
    expect(queue.size).toBe(6);
    expect(queue.removeClient(77, () => gone.push(-1))).toBe(0);
    expect(drain(queue, second)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test("by request, forwards and backwards; the others keep their order", () => {
    for (const newestFirst of [false, true]) {
      const queue = filled();
      const seen: number[] = [];
      const wanted = (item: number, client: number) => {
        seen.push(item);
        return client === 0 && item % 4 === 0;
      };
      expect(queue.removeWhere(wanted, second, newestFirst)).toBe(3);
      const evens = seen.filter((item) => item % 2 === 0);
      expect(evens).toEqual(newestFirst ? [10, 8, 6, 4, 2, 0] : [0, 2, 4, 6, 8, 10]);
      const left: number[] = [];
      for (let item = queue.pull(second); item >= 0; item = queue.pull(second)) {
        left.push(item);
      }
      expect(left.filter((item) => item % 2 === 0)).toEqual([2, 6, 10]);
      expect(left).toHaveLength(9);
    }
  });
});

describe("the client side", () => {
  test("orig: what others served since the last request here", () => {
    const tracker = new ServiceTracker("orig");
    const ask = (server: number) => ({ ...tracker.request(server, 0) });
    expect(ask(1)).toEqual({ delta: 0, rho: 0 });
    tracker.completed(1, true, 1, 0);
    expect(ask(1)).toEqual({ delta: 0, rho: 0 });
    tracker.completed(2, false, 3, 0);
    tracker.completed(2, true, 2, 0);
    tracker.completed(1, true, 1, 0);
    expect(ask(1)).toEqual({ delta: 5, rho: 2 });
    expect(ask(1)).toEqual({ delta: 0, rho: 0 });
    // Server 2 was first heard of by its answer: since then one unit was served elsewhere.
    expect(ask(2)).toEqual({ delta: 1, rho: 1 });
  });

  test("borrowing: never 0, and what was lent is taken back", () => {
    const tracker = new ServiceTracker("borrowing");
    const ask = (server: number) => ({ ...tracker.request(server, 0) });
    expect(ask(1)).toEqual({ delta: 1, rho: 1 });
    expect(ask(1)).toEqual({ delta: 1, rho: 1 });
    tracker.completed(1, false, 1, 0);
    expect(ask(1)).toEqual({ delta: 1, rho: 1 });
    for (let answer = 0; answer < 6; answer += 1) {
      tracker.completed(2, answer % 2 === 0, 1, 0);
    }
    // Lent: one unit of delta (1 served, 2 said), two of rho (none served, 2 said).
    expect(ask(1)).toEqual({ delta: 5, rho: 1 });
    expect(ask(1)).toEqual({ delta: 1, rho: 1 });
  });

  test("servers that are not used are forgotten after ten minutes", () => {
    const tracker = new ServiceTracker();
    tracker.request(1, 0);
    tracker.request(2, 500 * second);
    tracker.request(2, 801 * second);
    expect(tracker.size).toBe(1);
  });
});

describe("queues that have their clients in common", () => {
  const pair = (clients: Readonly<Record<number, ClientQos>>) => {
    const shared = new DmClockClients();
    return [0, 1].map(() => new DmClockQueue({ qosOf: of(clients), clients: shared })) as [
      DmClockQueue,
      DmClockQueue,
    ];
  };

  test("a reservation and a limit hold on both together", () => {
    const [one, other] = pair({ 1: qos(4, 0, 0), 2: qos(0, 1, 4) });
    for (let item = 0; item < 40; item += 1) {
      (item % 4 < 2 ? one : other).add(item, 1 + (item % 2), 1, second);
    }
    const served = [...drain(one, 2 * second), ...drain(other, 2 * second)];
    expect(count(served, 1)).toBe(5);
    expect(count(served, 2)).toBe(5);
  });

  test("what one queue does not serve of a client is made good in the other", () => {
    const [one, other] = pair({ 1: qos(10, 1, 0), 2: qos(10, 1, 0) });
    let item = 0;
    const served: number[] = [];
    const serve = (queue: DmClockQueue, ids: readonly number[], nowNs: number) => {
      for (const id of ids) {
        queue.add(item, id, 1, nowNs);
        item += 1;
      }
      expect(queue.pull(nowNs)).toBeGreaterThanOrEqual(0);
      served.push(queue.pulledClient);
    };
    // Each queue serves ten a second; in the first only client 2 ever waits.
    for (let tick = 0; tick < 200; tick += 1) {
      const nowNs = (1 + tick / 10) * second;
      serve(one, [2], nowNs);
      serve(other, [1, 2], nowNs);
    }
    expect(count(served, 1) / served.length).toBeCloseTo(0.5, 1);
  });

  test("a client that waits in one queue counts as away in none", () => {
    const shared = new DmClockClients();
    const ages = { idleAgeNs: 10 * second, eraseAgeNs: 20 * second, checkPeriodNs: second };
    const queues = [0, 1].map(
      () => new DmClockQueue({ qosOf: of({}), clients: shared, ...ages }),
    ) as [DmClockQueue, DmClockQueue];
    queues[0].add(0, 1, 1, second);
    queues[1].add(1, 2, 1, second);
    queues[1].pull(2 * second);
    queues[1].pull(60 * second);
    queues[1].pull(62 * second);
    expect(queues[1].isIdle(1)).toBe(false);
    expect(queues[1].isIdle(2)).toBe(null);
    expect(queues[0].pull(62 * second)).toBe(0);
  });
});
