/** A copy of `array`, twice as long or more, the new part filled with `fill`. */
export function grown<T extends Float64Array | Int32Array | Uint8Array>(
  array: T,
  length: number,
  fill: number,
): T {
  const Made = array.constructor as new (length: number) => T;
  const made = new Made(length);
  made.set(array);
  made.fill(fill, array.length);
  return made;
}

/**
 * A binary heap of clients, small integers, by a number each: the smallest is on top. Clients know their
 * places, so that one can be moved or taken out; nothing is allocated but when it grows.
 */
export class ClientHeap {
  /** By client; meaningful while it is in the heap. */
  key: Float64Array;
  size = 0;
  #clients: Int32Array;
  /** By client: its place; -1: not in the heap. */
  #place: Int32Array;

  constructor(capacity: number) {
    this.key = new Float64Array(capacity);
    this.#clients = new Int32Array(capacity);
    this.#place = new Int32Array(capacity).fill(-1);
  }

  /** Makes room for clients below `capacity`. */
  grow(capacity: number): void {
    this.key = grown(this.key, capacity, 0);
    this.#clients = grown(this.#clients, capacity, 0);
    this.#place = grown(this.#place, capacity, -1);
  }

  /** The client with the smallest number; -1 when empty. */
  top(): number {
    return this.size === 0 ? -1 : (this.#clients[0] as number);
  }

  /** The smallest number; Infinity when empty. */
  topKey(): number {
    return this.size === 0
      ? Number.POSITIVE_INFINITY
      : (this.key[this.#clients[0] as number] as number);
  }

  has(client: number): boolean {
    return (this.#place[client] as number) >= 0;
  }

  /** Puts a client in, or moves it to where its new number belongs. */
  set(client: number, key: number): void {
    let place = this.#place[client] as number;
    if (place < 0) {
      place = this.size;
      this.size += 1;
      this.key[client] = key;
      this.#rise(client, place);
      return;
    }
    const before = this.key[client] as number;
    this.key[client] = key;
    if (key < before) {
      this.#rise(client, place);
    } else if (key > before) {
      this.#sink(client, place);
    }
  }

  /** Takes a client out; nothing happens when it is not in. */
  remove(client: number): void {
    const place = this.#place[client] as number;
    if (place < 0) {
      return;
    }
    this.#place[client] = -1;
    this.size -= 1;
    if (place === this.size) {
      return;
    }
    const last = this.#clients[this.size] as number;
    if (place > 0 && this.#keyAt((place - 1) >> 1) > (this.key[last] as number)) {
      this.#rise(last, place);
    } else {
      this.#sink(last, place);
    }
  }

  #keyAt(place: number): number {
    return this.key[this.#clients[place] as number] as number;
  }

  #rise(client: number, from: number): void {
    const key = this.key[client] as number;
    let hole = from;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = this.#clients[parent] as number;
      if ((this.key[above] as number) <= key) {
        break;
      }
      this.#clients[hole] = above;
      this.#place[above] = hole;
      hole = parent;
    }
    this.#clients[hole] = client;
    this.#place[client] = hole;
  }

  #sink(client: number, from: number): void {
    const key = this.key[client] as number;
    let hole = from;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= this.size) {
        break;
      }
      if (child + 1 < this.size && this.#keyAt(child + 1) < this.#keyAt(child)) {
        child += 1;
      }
      const below = this.#clients[child] as number;
      if ((this.key[below] as number) >= key) {
        break;
      }
      this.#clients[hole] = below;
      this.#place[below] = hole;
      hole = child;
    }
    this.#clients[hole] = client;
    this.#place[client] = hole;
  }
}
