/**
 * Ceph's weighted priority queue. From the cut-off on the highest priority is served first. Below it a
 * priority is drawn in proportion to its number, and inside it the clients take turns; an operation that
 * is drawn is taken the less likely the more it costs (the dearest seen: one time in ten), else it is
 * drawn again. Source: the documentation of `osd_op_queue` and the papers on lottery scheduling it rests
 * on (C. Waldspurger, W. Weihl, OSDI 1994).
 */
import type { Random } from "../../port/random.ts";
import { grown } from "./client-heap.ts";
import { ItemLinks, ItemList } from "./item-lists.ts";
import {
  type OpClass,
  type OpScheduler,
  opClasses,
  type SchedulerOp,
  type SchedulerOptions,
  type SchedulerStats,
} from "./scheduler.ts";
import { clientKey, StrictQueue } from "./strict-queue.ts";

/** Ceph's `osd_op_pq_min_cost` and `osd_op_pq_max_tokens_per_priority`. */
const defaultCost = { minBytes: 64 * 1024, maxBytes: 4 * 1024 * 1024 };

/** A client's queue in the ring of its priority. */
interface Turn {
  key: number;
  readonly list: ItemList;
  next: Turn;
  before: Turn;
}

/** One priority below the cut-off: clients take turns. */
class Priority {
  readonly number: number;
  /** Whose turn it is. */
  turn: Turn | null = null;
  readonly #turns = new Map<number, Turn>();
  readonly #links: ItemLinks;
  readonly #spare: Turn[] = [];

  constructor(number: number, links: ItemLinks) {
    this.number = number;
    this.#links = links;
  }

  push(item: number, key: number): void {
    const turn = this.#turns.get(key) ?? this.#join(key);
    turn.list.push(item);
  }

  shift(): number {
    const turn = this.turn;
    if (turn === null) {
      return -1;
    }
    const item = turn.list.shift();
    this.turn = turn.next;
    if (turn.list.first < 0) {
      this.#leave(turn);
    }
    return item;
  }

  remove(key: number, removed: (item: number) => void): number {
    const turn = this.#turns.get(key);
    if (turn === undefined) {
      return 0;
    }
    const count = turn.list.removeWhere(() => true, removed);
    this.#leave(turn);
    return count;
  }

  /** At the end of the round: behind whoever had the last turn. */
  #join(key: number): Turn {
    const turn = this.#spare.pop() ?? this.#make();
    turn.key = key;
    this.#turns.set(key, turn);
    const first = this.turn;
    if (first === null) {
      turn.next = turn;
      turn.before = turn;
      this.turn = turn;
    } else {
      turn.next = first;
      turn.before = first.before;
      first.before.next = turn;
      first.before = turn;
    }
    return turn;
  }

  #make(): Turn {
    const made = { key: 0, list: new ItemList(this.#links) } as Turn;
    made.next = made;
    made.before = made;
    return made;
  }

  #leave(turn: Turn): void {
    this.#turns.delete(turn.key);
    this.#spare.push(turn);
    if (turn.next === turn) {
      this.turn = null;
      return;
    }
    turn.before.next = turn.next;
    turn.next.before = turn.before;
    if (this.turn === turn) {
      this.turn = turn.next;
    }
  }
}

export class WpqScheduler implements OpScheduler {
  readonly wakeNs = Number.POSITIVE_INFINITY;
  readonly #strict = new StrictQueue();
  readonly #links = new ItemLinks();
  readonly #random: Random;
  readonly #cutOff: number;
  readonly #minBytes: number;
  readonly #maxBytes: number;
  readonly #byNumber: (Priority | null)[] = new Array<Priority | null>(256).fill(null);
  /** Priorities that have something. */
  readonly #filled: Priority[] = [];
  #cost = new Float64Array(64);
  #dearest = 0;
  #size = 0;
  #strictCount = 0;
  #weightCount = 0;

  constructor({ random, cutOff, wpqCost = defaultCost }: SchedulerOptions) {
    this.#random = random;
    this.#cutOff = cutOff;
    this.#minBytes = wpqCost.minBytes;
    this.#maxBytes = Math.max(wpqCost.minBytes, wpqCost.maxBytes);
  }

  get size(): number {
    return this.#strict.size + this.#size;
  }

  get stats(): SchedulerStats {
    const [strict, weight] = [this.#strictCount, this.#weightCount];
    return { strict, reservation: 0, weight, limitBreaks: 0, rejected: 0 };
  }

  enqueue(item: number, op: SchedulerOp): boolean {
    const key = clientKey(op.opClass, op.clientId);
    if (op.opClass === opClasses.immediate || op.priority >= this.#cutOff) {
      this.#strict.push(item, op.opClass === opClasses.immediate ? 255 : op.priority, key);
      return true;
    }
    if (item >= this.#cost.length) {
      this.#cost = grown(this.#cost, Math.max(item + 1, this.#cost.length * 2), 0);
    }
    const cost = Math.min(Math.max(op.costBytes, this.#minBytes), this.#maxBytes);
    this.#cost[item] = cost;
    this.#dearest = Math.max(this.#dearest, cost);
    this.#priority(op.priority).push(item, key);
    this.#size += 1;
    return true;
  }

  enqueueFront(item: number): void {
    this.#strict.unshift(item);
  }

  dequeue(): number {
    if (this.#strict.size > 0) {
      this.#strictCount += 1;
      return this.#strict.shift();
    }
    if (this.#size === 0) {
      return -1;
    }
    const priority = this.#filled.length === 1 ? (this.#filled[0] as Priority) : this.#draw();
    const item = priority.shift();
    this.#size -= 1;
    this.#weightCount += 1;
    this.#clearIfEmpty(priority);
    return item;
  }

  removeClient(opClass: OpClass, clientId: number, removed: (item: number) => void): number {
    const key = clientKey(opClass, clientId);
    let count = 0;
    for (const priority of [...this.#filled]) {
      count += priority.remove(key, removed);
      this.#clearIfEmpty(priority);
    }
    this.#size -= count;
    return count + this.#strict.removeClient(key, removed);
  }

  /** Nothing here has a reservation: weights are the priorities. */
  reconfigure(): void {}

  /** Priority 0 counts as 1: it would never be drawn. */
  #priority(wanted: number): Priority {
    const number = Math.max(1, wanted);
    let priority = this.#byNumber[number] ?? null;
    if (priority === null) {
      priority = new Priority(number, this.#links);
      this.#byNumber[number] = priority;
    }
    if (priority.turn === null) {
      this.#filled.push(priority);
    }
    return priority;
  }

  /**
   * Drawing again until one is taken comes to one draw, in proportion to number times the chance of being
   * taken.
   */
  #draw(): Priority {
    const filled = this.#filled;
    let sum = 0;
    for (let place = 0; place < filled.length; place += 1) {
      sum += this.#chance(filled[place] as Priority);
    }
    let ticket = this.#random.unit() * sum;
    for (let place = 0; place < filled.length - 1; place += 1) {
      ticket -= this.#chance(filled[place] as Priority);
      if (ticket < 0) {
        return filled[place] as Priority;
      }
    }
    return filled.at(-1) as Priority;
  }

  #chance({ number, turn }: Priority): number {
    const cost = this.#cost[turn?.list.first ?? 0] as number;
    return number * (this.#dearest - 0.9 * cost);
  }

  #clearIfEmpty(priority: Priority): void {
    if (priority.turn !== null) {
      return;
    }
    const place = this.#filled.indexOf(priority);
    if (place >= 0) {
      this.#filled[place] = this.#filled.at(-1) as Priority;
      this.#filled.pop();
    }
    if (this.#filled.length === 0) {
      this.#dearest = 0;
    }
  }
}
