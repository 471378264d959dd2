/** A binary heap: the element that comes first by `before` is on top. */
export class Heap<T> {
  readonly #before: (a: T, b: T) => boolean;
  readonly #elements: T[] = [];

  /** `before` MUST be a strict order; equal elements leave in no particular order. */
  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#elements.length;
  }

  /** The first element, which stays; `undefined` when empty. */
  peek(): T | undefined {
    return this.#elements[0];
  }

  push(element: T): void {
    const elements = this.#elements;
    let hole = elements.length;
    elements.push(element);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = elements[parent] as T;
      if (!this.#before(element, above)) {
        break;
      }
      elements[hole] = above;
      hole = parent;
    }
    elements[hole] = element;
  }

  /** Takes the first element out; `undefined` when empty. */
  pop(): T | undefined {
    const elements = this.#elements;
    const top = elements[0];
    const last = elements.pop();
    if (last === undefined || elements.length === 0) {
      return top;
    }
    const length = elements.length;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= length) {
        break;
      }
      if (child + 1 < length && this.#before(elements[child + 1] as T, elements[child] as T)) {
        child += 1;
      }
      const below = elements[child] as T;
      if (!this.#before(below, last)) {
        break;
      }
      elements[hole] = below;
      hole = child;
    }
    elements[hole] = last;
    return top;
  }

  clear(): void {
    this.#elements.length = 0;
  }
}
