/** In order of arrival, whatever the class: the baseline that other schedulers are measured against. */
import { grown } from "./client-heap.ts";
import { ItemLinks, ItemList } from "./item-lists.ts";
import type { OpClass, OpScheduler, SchedulerOp, SchedulerStats } from "./scheduler.ts";
import { clientKey } from "./strict-queue.ts";

export class FifoScheduler implements OpScheduler {
  size = 0;
  readonly wakeNs = Number.POSITIVE_INFINITY;
  readonly #list = new ItemList(new ItemLinks());
  #client = new Float64Array(64);
  #served = 0;

  get stats(): SchedulerStats {
    return { strict: 0, reservation: 0, weight: this.#served, limitBreaks: 0, rejected: 0 };
  }

  enqueue(item: number, op: SchedulerOp): boolean {
    if (item >= this.#client.length) {
      this.#client = grown(this.#client, Math.max(item + 1, this.#client.length * 2), 0);
    }
    this.#client[item] = clientKey(op.opClass, op.clientId);
    this.#list.push(item);
    this.size += 1;
    return true;
  }

  enqueueFront(item: number): void {
    this.#list.unshift(item);
    this.#served -= 1;
    this.size += 1;
  }

  dequeue(): number {
    const item = this.#list.shift();
    if (item >= 0) {
      this.size -= 1;
      this.#served += 1;
    }
    return item;
  }

  removeClient(opClass: OpClass, clientId: number, removed: (item: number) => void): number {
    const key = clientKey(opClass, clientId);
    const count = this.#list.removeWhere((item) => this.#client[item] === key, removed);
    this.size -= count;
    return count;
  }

  /** Nothing here has a reservation. */
  reconfigure(): void {}
}
