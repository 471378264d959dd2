/** The one conformance suite of op schedulers, beside a plain list of what waits. */
import type { SeededRandom } from "../../base/random.ts";
import { type Check, expect } from "../checks.ts";
import { mclockProfiles, qosPlanOf } from "./qos.ts";
import {
  blankSchedulerOp,
  classPriority,
  cutOffs,
  type OpClass,
  type OpScheduler,
  opClasses,
  opClassNames,
  type SchedulerOp,
  type SchedulerOptions,
} from "./scheduler.ts";
import { clientKey } from "./strict-queue.ts";

export interface SchedulerSubject {
  /** Makes an empty queue; called once or more in a check. */
  readonly create: (options: SchedulerOptions) => OpScheduler;
}

const blockBytes = 4096;
/** A device that does 1,000 small operations a second. */
const capacity = { iops: 1000, bandwidth: 100e6, shards: 1 };
const serviceNs = 1e9 / capacity.iops;

function optionsOf(random: SeededRandom): SchedulerOptions {
  return {
    random: random.fork("draws"),
    cutOff: cutOffs.high,
    plan: qosPlanOf(mclockProfiles.balanced, capacity),
  };
}

function opOf(opClass: OpClass, clientId = 0, costBytes = blockBytes): SchedulerOp {
  const priority = classPriority[opClass];
  return { ...blankSchedulerOp(), opClass, clientId, priority, costBytes };
}

interface Waiting {
  readonly item: number;
  readonly key: number;
  readonly strict: boolean;
}

/** What waits, as a list: slow and plain. */
class Model {
  readonly waiting: Waiting[] = [];
  readonly returned: number[] = [];

  get size(): number {
    return this.waiting.length + this.returned.length;
  }

  /** An operation left the queue: was it one that may? */
  left(item: number): void {
    const back = this.returned.at(-1);
    if (back !== undefined) {
      expect(item === back, `${item} left before ${back}, which had been put back`);
      this.returned.pop();
      return;
    }
    const place = this.waiting.findIndex((each) => each.item === item);
    const found = this.waiting[place];
    expect(found !== undefined, `${item} left, which does not wait`);
    const first = this.waiting.find(({ key }) => key === found.key);
    expect(first === found, `${item} overtook ${first?.item} of the same client`);
    this.waiting.splice(place, 1);
  }
}

/** A queue with its model, and time. */
class Session {
  readonly queue: OpScheduler;
  readonly model = new Model();
  nowNs = 1e9;
  #item = 0;
  readonly #free: number[] = [];

  constructor(queue: OpScheduler) {
    this.queue = queue;
  }

  add(op: SchedulerOp): number {
    const item = this.#free.pop() ?? this.#next();
    expect(this.queue.enqueue(item, op, this.nowNs), "an operation was refused within its limit");
    const strict = op.opClass === opClasses.immediate;
    this.model.waiting.push({ item, key: clientKey(op.opClass, op.clientId), strict });
    this.#sized();
    return item;
  }

  /** Takes one out, waiting for it if need be; -1: none waits. */
  take(): number {
    let item = this.queue.dequeue(this.nowNs);
    if (item < 0 && this.model.size > 0) {
      const { wakeNs } = this.queue;
      expect(
        wakeNs > this.nowNs && Number.isFinite(wakeNs),
        `nothing may run although ${this.model.size} wait; wakeNs is ${wakeNs}, now ${this.nowNs}`,
      );
      this.nowNs = wakeNs;
      item = this.queue.dequeue(this.nowNs);
      expect(item >= 0, "nothing may run at the time that wakeNs gave");
    }
    if (item < 0) {
      expect(this.model.size === 0, `nothing leaves although ${this.model.size} wait`);
      return -1;
    }
    this.model.left(item);
    this.#free.push(item);
    this.#sized();
    return item;
  }

  putBack(item: number): void {
    this.#free.splice(this.#free.indexOf(item), 1);
    this.queue.enqueueFront(item);
    this.model.returned.push(item);
    this.#sized();
  }

  remove(opClass: OpClass, clientId: number): void {
    const key = clientKey(opClass, clientId);
    const wanted = this.model.waiting.filter((each) => each.key === key).map(({ item }) => item);
    const found: number[] = [];
    const count = this.queue.removeClient(opClass, clientId, (item) => found.push(item));
    expect(count === found.length, `removeClient answered ${count} and gave ${found.length}`);
    expect(found.join() === wanted.join(), `removeClient gave ${found}, not ${wanted}`);
    for (const item of found) {
      const place = this.model.waiting.findIndex((each) => each.item === item);
      this.model.waiting.splice(place, 1);
      this.#free.push(item);
    }
    this.#sized();
  }

  #next(): number {
    this.#item += 1;
    return this.#item - 1;
  }

  #sized(): void {
    const { size } = this.queue;
    expect(size === this.model.size, `size is ${size}, ${this.model.size} wait`);
  }
}

const backgroundAndClient = [opClasses.client, opClasses.recovery, opClasses.bestEffort] as const;

function randomHistory(subject: SchedulerSubject, random: SeededRandom): number[] {
  const session = new Session(subject.create(optionsOf(random)));
  const left: number[] = [];
  for (let step = 0; step < 4000; step += 1) {
    session.nowNs += random.below(2 * serviceNs);
    const chosen = random.below(100);
    if (chosen < 50) {
      const opClass = random.below(4) as OpClass;
      const bytes = blockBytes * (1 + random.below(64));
      session.add(opOf(opClass, random.below(5), random.below(8) === 0 ? 0 : bytes));
    } else if (chosen < 97) {
      const item = session.take();
      left.push(item);
      if (item >= 0 && random.below(10) === 0) {
        session.putBack(item);
      }
    } else if (session.model.returned.length === 0) {
      session.remove(random.below(4) as OpClass, random.below(5));
    }
  }
  while (session.model.size > 0) {
    left.push(session.take());
  }
  expect(session.take() === -1, "an empty queue gave something");
  return left;
}

/** Operations served of each class in a time, with all of them always waiting. */
function saturated(
  subject: SchedulerSubject,
  random: SeededRandom,
  seconds: number,
): readonly number[] {
  const session = new Session(subject.create(optionsOf(random)));
  const owner = new Map<number, OpClass>();
  const served = [0, 0, 0];
  const add = (opClass: OpClass) => owner.set(session.add(opOf(opClass)), opClass);
  for (let place = 0; place < 8; place += 1) {
    for (const opClass of backgroundAndClient) {
      add(opClass);
    }
  }
  const endNs = session.nowNs + seconds * 1e9;
  while (session.nowNs < endNs) {
    const item = session.take();
    const opClass = owner.get(item) ?? opClasses.client;
    served[opClass] = (served[opClass] ?? 0) + 1;
    session.nowNs += serviceNs;
    add(opClass);
  }
  return served;
}

/** Whether the scheduler serves `immediate` first; a plain FIFO does not. */
function servesUrgentFirst(subject: SchedulerSubject, random: SeededRandom): boolean {
  const queue = subject.create(optionsOf(random));
  queue.enqueue(0, opOf(opClasses.client), 1e9);
  queue.enqueue(1, opOf(opClasses.immediate), 1e9);
  return queue.dequeue(1e9) === 1;
}

export const schedulerChecks: readonly Check<SchedulerSubject>[] = [
  {
    name: "every operation leaves once, those of a client in order, with removals and returns",
    run: (subject, random) => {
      randomHistory(subject, random);
      return null;
    },
  },
  {
    name: "one seed gives one history",
    run: (subject, random) => {
      const once = randomHistory(subject, random.fork("same"));
      const again = randomHistory(subject, random.fork("same"));
      expect(once.join() === again.join(), "the same calls gave another order");
      return null;
    },
  },
  {
    name: "an empty queue gives nothing and waits for what is added",
    run: (subject, random) => {
      const queue = subject.create(optionsOf(random));
      expect(queue.size === 0 && queue.dequeue(1e9) === -1, "a new queue is not empty");
      expect(queue.wakeNs === Number.POSITIVE_INFINITY, `wakeNs is ${queue.wakeNs}, not Infinity`);
      return null;
    },
  },
  {
    name: "no class starves while others always have something",
    run: (subject, random) => {
      const served = saturated(subject, random, 20);
      for (const opClass of backgroundAndClient) {
        expect((served[opClass] ?? 0) >= 10, `${opClassNames[opClass]} was served ${served} times`);
      }
      return null;
    },
  },
  {
    name: "the device is kept busy while several classes wait",
    run: (subject, random) => {
      const seconds = 5;
      const served = saturated(subject, random, seconds).reduce((sum, each) => sum + each, 0);
      const possible = seconds * capacity.iops;
      expect(served >= possible * 0.99, `${served} of ${possible} operations were served`);
      return null;
    },
  },
  {
    name: "clients of a class share evenly",
    run: (subject, random) => {
      const session = new Session(subject.create(optionsOf(random)));
      const owner = new Map<number, number>();
      const served = [0, 0, 0, 0];
      const add = (id: number) => owner.set(session.add(opOf(opClasses.client, id)), id);
      for (let place = 0; place < 32; place += 1) {
        add(place % 4);
      }
      for (let turn = 0; turn < 4000; turn += 1) {
        const id = owner.get(session.take()) ?? 0;
        served[id] = (served[id] ?? 0) + 1;
        session.nowNs += serviceNs;
        add(id);
      }
      const [least, most] = [Math.min(...served), Math.max(...served)];
      expect(least >= most * 0.95, `four clients alike were served ${served} times`);
      return null;
    },
  },
  {
    name: "immediate operations leave before all others, the oldest first",
    run: (subject, random) => {
      if (!servesUrgentFirst(subject, random)) {
        return "it has no strict queues";
      }
      const session = new Session(subject.create(optionsOf(random)));
      for (let place = 0; place < 40; place += 1) {
        session.add(opOf(random.below(3) as OpClass, random.below(3)));
      }
      const urgent = [0, 1, 2].map((id) => session.add(opOf(opClasses.immediate, id)));
      const left = urgent.map(() => session.take());
      expect(left.join() === urgent.join(), `${left} left before ${urgent}`);
      return null;
    },
  },
  {
    name: "from the cut-off on priorities are strict",
    run: (subject, random) => {
      if (!servesUrgentFirst(subject, random)) {
        return "it has no strict queues";
      }
      const session = new Session(subject.create({ ...optionsOf(random), cutOff: cutOffs.low }));
      session.add({ ...opOf(opClasses.client, 1), priority: 63 });
      const lower = session.add({ ...opOf(opClasses.client, 2), priority: 64 });
      const higher = session.add({ ...opOf(opClasses.client, 3), priority: 120 });
      const left = [session.take(), session.take()];
      expect(left.join() === [higher, lower].join(), `${left} left, not ${[higher, lower]}`);
      return null;
    },
  },
  {
    name: "other reservations are taken while operations wait",
    run: (subject, random) => {
      const session = new Session(subject.create(optionsOf(random)));
      for (let place = 0; place < 60; place += 1) {
        session.add(opOf(random.below(3) as OpClass, random.below(3)));
      }
      session.queue.reconfigure(qosPlanOf(mclockProfiles.high_recovery_ops, capacity));
      while (session.model.size > 0) {
        session.take();
        session.nowNs += serviceNs;
      }
      return null;
    },
  },
];
