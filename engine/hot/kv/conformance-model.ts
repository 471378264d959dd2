/** The naive key-value store: a map of texts, sorted whenever order is asked for. */
import type { KvBatch } from "./batch.ts";
import { KvBatchReader, kvOperations } from "./batch.ts";
import type { KvEntry, KvMergeOperator } from "./kv.ts";

/** One character for each byte, so that texts compare as the bytes do. */
function textOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    text += String.fromCharCode(byte);
  }
  return text;
}

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function merged(operator: KvMergeOperator, before: Uint8Array, operand: Uint8Array): Uint8Array {
  const length = Math.max(before.length, operand.length);
  const a = new Uint8Array(Math.ceil(length / 8) * 8);
  const b = a.slice();
  a.set(before);
  b.set(operand);
  if (operator === "xor") {
    return a.map((byte, at) => byte ^ (b[at] as number)).slice(0, length);
  }
  const left = new BigUint64Array(a.buffer);
  const right = new BigUint64Array(b.buffer);
  const sums = left.map((word, at) => BigInt.asUintN(64, word + (right[at] as bigint)));
  return new Uint8Array(sums.buffer).slice(0, length);
}

export class NaiveKeyValueStore {
  readonly #operators: Readonly<Record<string, KvMergeOperator>>;
  readonly #prefixes = new Map<string, Map<string, Uint8Array>>();

  constructor(operators: Readonly<Record<string, KvMergeOperator>>) {
    this.#operators = operators;
  }

  apply(batch: KvBatch): void {
    const reader = new KvBatchReader();
    reader.open(batch.bytes);
    while (reader.next()) {
      const keys = this.#keysOf(reader.prefix);
      const key = textOf(reader.key);
      const value = reader.value.slice();
      switch (reader.operation) {
        case kvOperations.set:
          keys.set(key, value);
          break;
        case kvOperations.remove:
          keys.delete(key);
          break;
        case kvOperations.merge: {
          const before = keys.get(key);
          const operator = this.#operators[reader.prefix] as KvMergeOperator;
          keys.set(key, before === undefined ? value : merged(operator, before, value));
          break;
        }
        default: {
          const open = reader.operation === kvOperations.removeFrom;
          const to = open ? undefined : textOf(value);
          for (const each of [...keys.keys()]) {
            if (each >= key && (to === undefined || each < to)) {
              keys.delete(each);
            }
          }
        }
      }
    }
  }

  get(prefix: string, key: Uint8Array): Uint8Array | undefined {
    return this.#keysOf(prefix).get(textOf(key));
  }

  scan(
    prefix: string,
    from: Uint8Array,
    to: Uint8Array | undefined,
    limit: number,
  ): readonly KvEntry[] {
    const low = textOf(from);
    const high = to === undefined ? undefined : textOf(to);
    return [...this.#keysOf(prefix)]
      .filter(([key]) => key >= low && (high === undefined || key < high))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, limit)
      .map(([key, value]) => ({ key: bytesOf(key), value }));
  }

  get prefixes(): readonly string[] {
    return [...this.#prefixes.keys()];
  }

  /** A copy that goes its own way. */
  clone(): NaiveKeyValueStore {
    const made = new NaiveKeyValueStore(this.#operators);
    for (const [prefix, keys] of this.#prefixes) {
      made.#prefixes.set(prefix, new Map(keys));
    }
    return made;
  }

  #keysOf(prefix: string): Map<string, Uint8Array> {
    let keys = this.#prefixes.get(prefix);
    if (keys === undefined) {
      keys = new Map();
      this.#prefixes.set(prefix, keys);
    }
    return keys;
  }
}
