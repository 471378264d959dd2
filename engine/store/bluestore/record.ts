/** Reading a record, and telling whose it is. */
import { OsdynoError } from "../../base/error.ts";
import type { KeyValueStore } from "../../hot/kv/kv.ts";
import type { Transaction } from "../transaction.ts";

/** The value of a key; an error of the key-value store says whose record it is. */
export function recordOf(
  kv: KeyValueStore,
  prefix: string,
  key: Uint8Array,
  what: string,
): Uint8Array | undefined {
  try {
    return kv.get(prefix, key);
  } catch (error) {
    if (error instanceof OsdynoError && error.code === "io") {
      throw new OsdynoError("io", `${what}: ${error.message}`, error.context, error);
    }
    throw error;
  }
}

/** What a transaction is about, for messages. */
export function firstObject(transaction: Transaction): string {
  for (let at = 0; at < transaction.count; at += 1) {
    const { object } = transaction.op(at);
    if (object !== null) {
      return `object ${object.name}`;
    }
  }
  return "a transaction";
}
