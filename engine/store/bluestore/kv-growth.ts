/** How much more the key-value store holds after a transaction. */
import { opCodes, type Transaction, type TransactionOp } from "../transaction.ts";

/** A record's key and what it is made of beside what was given, roughly. */
const recordBytes = 512;
/** Of data, a unit's place and checksum take this part of its bytes. */
const dataParts = 64;

const removing: ReadonlySet<number> = new Set([
  opCodes.truncate,
  opCodes.remove,
  opCodes.removeAttr,
  opCodes.removeAttrs,
  opCodes.omapRemove,
  opCodes.omapRemoveRange,
  opCodes.omapClear,
  opCodes.removeCollection,
]);

/** Bytes, estimated from above; 0: it only removes, for which there must always be room. */
export function kvGrowthOf(transaction: Transaction): number {
  let bytes = 0;
  for (let at = 0; at < transaction.count; at += 1) {
    const op: TransactionOp = transaction.op(at);
    if (removing.has(op.code)) {
      continue;
    }
    bytes += recordBytes + op.lengthBytes / dataParts;
    for (const [key, value] of op.values) {
      bytes += recordBytes + key.length + value.length;
    }
  }
  return bytes;
}
