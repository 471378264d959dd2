/**
 * Changes of one object's omap that are not committed yet. Laid over what the key-value store has, they
 * give what readers must see; doing them again over a store that has some of them changes nothing.
 */
const kinds = Object.freeze({ set: 0, remove: 1, range: 2 });

interface Change {
  readonly sequence: number;
  readonly kind: 0 | 1 | 2;
  readonly key: string;
  /** End of a range (exclusive). */
  readonly end: string;
  readonly value: Uint8Array | null;
}

/** Keys are complete keys of the store, one character a byte. */
export class PendingOmap {
  #changes: Change[] = [];

  get empty(): boolean {
    return this.#changes.length === 0;
  }

  set(sequence: number, key: string, value: Uint8Array): void {
    this.#changes.push({ sequence, kind: kinds.set, key, end: "", value });
  }

  remove(sequence: number, key: string): void {
    this.#changes.push({ sequence, kind: kinds.remove, key, end: "", value: null });
  }

  removeRange(sequence: number, key: string, end: string): void {
    this.#changes.push({ sequence, kind: kinds.range, key, end, value: null });
  }

  /** The transactions up to `sequence` are committed. */
  committed(sequence: number): void {
    this.#changes = this.#changes.filter((change) => change.sequence > sequence);
  }

  /** What is pending for a key: bytes, `null` = removed, `undefined` = nothing. */
  find(key: string): Uint8Array | null | undefined {
    for (let at = this.#changes.length - 1; at >= 0; at -= 1) {
      const change = this.#changes[at] as Change;
      const hit =
        change.kind === kinds.range ? key >= change.key && key < change.end : key === change.key;
      if (hit) {
        return change.value;
      }
    }
    return undefined;
  }

  /** Applies the changes to a part of the store: keys from `first`, before `end`. */
  overlay(pairs: Map<string, Uint8Array>, first: string, end: string): void {
    for (const change of this.#changes) {
      if (change.kind === kinds.range) {
        for (const key of pairs.keys()) {
          if (key >= change.key && key < change.end) {
            pairs.delete(key);
          }
        }
      } else if (change.key >= first && change.key < end) {
        if (change.value === null) {
          pairs.delete(change.key);
        } else {
          pairs.set(change.key, change.value);
        }
      }
    }
  }
}
