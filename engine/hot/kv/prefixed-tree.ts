/** The ordered tree with prefixes and batches on top: what `memory` and `waltree` have in common. */
import { assert } from "../../base/assert.ts";
import { OsdynoError } from "../../base/error.ts";
import { type KvBatch, KvBatchReader, kvKeyLimit, kvOperations, kvPrefixLimit } from "./batch.ts";
import type { KvEntry, KvMergeOperator } from "./kv.ts";
import { mergeValues } from "./merge.ts";
import { OrderedTree } from "./tree.ts";

/** Keys are the prefix, a zero byte, and the key; a prefix ends where a one would follow. */
const separator = 0;
const pastSeparator = 1;
const scratchBytes = kvPrefixLimit + 1 + kvKeyLimit;

export class PrefixedTree {
  readonly tree = new OrderedTree();
  readonly #operators: ReadonlyMap<string, KvMergeOperator>;
  readonly #reader = new KvBatchReader();
  // Two keys in full, so that none is made for a look-up.
  readonly #first = new Uint8Array(scratchBytes);
  readonly #second = new Uint8Array(scratchBytes);

  constructor(operators: Readonly<Record<string, KvMergeOperator>>) {
    this.#operators = new Map(Object.entries(operators));
  }

  get(prefix: string, key: Uint8Array): Uint8Array | undefined {
    return this.tree.get(this.#first, fullKey(this.#first, prefix, key));
  }

  scan(
    prefix: string,
    from: Uint8Array,
    to: Uint8Array | undefined,
    limit: number,
  ): readonly KvEntry[] {
    const entries: KvEntry[] = [];
    if (limit < 1) {
      return entries;
    }
    const skipped = prefix.length + 1;
    const first = fullKey(this.#first, prefix, from);
    const last = endKey(this.#second, prefix, to);
    this.tree.walk(this.#first, first, this.#second, last, (page, index) => {
      const keyAt = page.keyAt(index);
      const valueAt = page.valueAt(index);
      entries.push({
        key: page.bytes.slice(keyAt + skipped, valueAt),
        value: page.bytes.slice(valueAt, valueAt + page.valueBytes(index)),
      });
      return entries.length < limit;
    });
    return entries;
  }

  /**
   * Throws `bad-input` for a batch that cannot be applied: a merge under a prefix without an operator.
   * Checked before anything is written, so that a batch never fails half-way.
   */
  check(batch: KvBatch): void {
    const reader = this.#reader;
    reader.open(batch.bytes);
    while (reader.next()) {
      if (reader.operation === kvOperations.merge && !this.#operators.has(reader.prefix)) {
        throw new OsdynoError("bad-input", `no merge operator for the prefix ${reader.prefix}`);
      }
    }
  }

  /** Applies a batch's records in order. */
  apply(bytes: Uint8Array): void {
    const reader = this.#reader;
    const key = this.#first;
    reader.open(bytes);
    while (reader.next()) {
      const keyBytes = recordKey(key, bytes, reader);
      switch (reader.operation) {
        case kvOperations.set:
          this.tree.set(key, keyBytes, bytes, reader.valueAt, reader.valueBytes);
          break;
        case kvOperations.remove:
          this.tree.remove(key, keyBytes);
          break;
        case kvOperations.merge:
          this.#merge(keyBytes);
          break;
        default: {
          const open = reader.operation === kvOperations.removeFrom;
          const end = endKey(this.#second, reader.prefix, open ? undefined : reader.value);
          this.tree.removeRange(key, keyBytes, this.#second, end);
        }
      }
    }
  }

  #merge(keyBytes: number): void {
    const reader = this.#reader;
    const operator = this.#operators.get(reader.prefix);
    assert(operator !== undefined, "a merge without an operator passed the check");
    const before = this.tree.get(this.#first, keyBytes);
    const merged = mergeValues(operator, before, reader.value);
    this.tree.set(this.#first, keyBytes, merged, 0, merged.length);
  }
}

/** Writes the key in full and returns its length. */
function fullKey(into: Uint8Array, prefix: string, key: Uint8Array): number {
  assert(prefix.length > 0 && prefix.length <= kvPrefixLimit, "a prefix has 1 to 15 characters");
  assert(key.length < kvKeyLimit, "a key has less than 65536 bytes");
  for (let index = 0; index < prefix.length; index += 1) {
    into[index] = prefix.charCodeAt(index);
  }
  into[prefix.length] = separator;
  into.set(key, prefix.length + 1);
  return prefix.length + 1 + key.length;
}

/** The key at which a range ends; without one, where the prefix ends. */
function endKey(into: Uint8Array, prefix: string, to: Uint8Array | undefined): number {
  if (to !== undefined) {
    return fullKey(into, prefix, to);
  }
  const bytes = fullKey(into, prefix, new Uint8Array(0));
  into[bytes - 1] = pastSeparator;
  return bytes;
}

function recordKey(into: Uint8Array, bytes: Uint8Array, reader: KvBatchReader): number {
  const { prefixAt, prefixBytes, keyAt, keyBytes } = reader;
  for (let index = 0; index < prefixBytes; index += 1) {
    into[index] = bytes[prefixAt + index] as number;
  }
  into[prefixBytes] = separator;
  for (let index = 0; index < keyBytes; index += 1) {
    into[prefixBytes + 1 + index] = bytes[keyAt + index] as number;
  }
  return prefixBytes + 1 + keyBytes;
}
