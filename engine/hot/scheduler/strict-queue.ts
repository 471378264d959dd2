/** The queues in front: the highest priority first, in each of them in order of arrival. */
import { grown } from "./client-heap.ts";
import { ItemLinks, ItemList } from "./item-lists.ts";

const priorities = 256;

/** A client of a class as one number: the same id may stand in every class. */
export function clientKey(opClass: number, clientId: number): number {
  return clientId * 4 + opClass;
}

export class StrictQueue {
  size = 0;
  readonly #links = new ItemLinks();
  readonly #lists: readonly ItemList[] = Array.from(
    { length: priorities },
    () => new ItemList(this.#links),
  );
  /** What was put back: it leaves before all priorities. */
  readonly #returned = new ItemList(this.#links);
  #highest = -1;
  /** By operation; -1: put back, nobody's. */
  #client = new Float64Array(64);

  push(item: number, priority: number, client: number): void {
    const place = Math.min(Math.max(priority, 0), priorities - 1);
    this.#note(item, client);
    this.#lists[place]?.push(item);
    this.#highest = Math.max(this.#highest, place);
    this.size += 1;
  }

  /** Puts back what left last. */
  unshift(item: number): void {
    this.#note(item, -1);
    this.#returned.unshift(item);
    this.size += 1;
  }

  /** Takes the first out; -1: none. */
  shift(): number {
    if (this.size === 0) {
      return -1;
    }
    this.size -= 1;
    const returned = this.#returned.shift();
    if (returned >= 0) {
      return returned;
    }
    while ((this.#lists[this.#highest] as ItemList).first < 0) {
      this.#highest -= 1;
    }
    return (this.#lists[this.#highest] as ItemList).shift();
  }

  removeClient(client: number, removed: (item: number) => void): number {
    let count = 0;
    for (let place = this.#highest; place >= 0; place -= 1) {
      const list = this.#lists[place] as ItemList;
      count += list.removeWhere((item) => this.#client[item] === client, removed);
    }
    this.size -= count;
    return count;
  }

  #note(item: number, client: number): void {
    if (item >= this.#client.length) {
      this.#client = grown(this.#client, Math.max(item + 1, this.#client.length * 2), 0);
    }
    this.#client[item] = client;
  }
}
