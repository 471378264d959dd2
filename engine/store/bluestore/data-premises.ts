/**
 * Small writes that commits stand on without a flush of their own: what transactions under way wrote, and
 * its crc32c, by which it can be told after a crash that it reached the device. That must stay as it is until
 * a later commit is durable: a transaction that gives up space which another one that is under way has
 * written makes its group flush first.
 */
import type { ExtentList } from "../../hot/allocator/allocator.ts";
import type { ChecksumFunction } from "../../hot/checksum/checksum.ts";
import { openChecksum } from "../../hot/checksum/registry.ts";
import { readU32 } from "../../hot/kv/page.ts";
import type { Premises } from "../../hot/kv/premises.ts";
import type { StoreState } from "./state.ts";
import type { Txc } from "./txc.ts";

const sumName = "crc32c";
/** A transaction that writes more flushes: sums would take longer. */
const writtenMost = 16 << 10;
/** Units that a transaction gives up are looked at one by one; one that gives up more flushes. */
const releasedUnitsMost = 64;

export class DataPremises {
  /** The key-value store takes premises. */
  readonly possible: boolean;
  readonly #unitBytes: number;
  /** Units that transactions under way wrote to, by how many. */
  readonly #fresh = new Map<number, number>();
  readonly #sums: ChecksumFunction;
  /** The store's own checksums are the same. */
  readonly #sameSums: boolean;
  readonly #sum = new Uint8Array(4);

  constructor({ kv, unitBytes, checksum }: StoreState) {
    this.possible = kv.facts.premises === true;
    this.#unitBytes = unitBytes;
    this.#sameSums = checksum.name === sumName;
    this.#sums = openChecksum(sumName);
  }

  /** The transaction, all that it does, writes one unit in place of the one `before`; `sums`: the store's own. */
  overwrote(txc: Txc, before: number, sums: Uint8Array, bytes: Uint8Array, disk: number): void {
    if (this.possible && !this.#fresh.has(before)) {
      this.#turn(txc, 1);
      txc.premised = true;
      txc.premises.add(
        disk,
        this.#unitBytes,
        this.#sameSums ? readU32(sums, 0) : this.#sumOf(bytes),
      );
    }
  }

  /** The transaction has been applied, and its writes are on their way. */
  applied(txc: Txc): void {
    if (!this.possible || txc.deferred.length > 0 || bytesOf(txc) > writtenMost) {
      return;
    }
    this.#turn(txc, 1);
    if (this.#givesUpFresh(txc.released)) {
      this.#turn(txc, -1);
      return;
    }
    txc.premised = true;
    if (txc.unflushed) {
      for (const { offsetBytes, bytes } of txc.writes) {
        txc.premises.add(offsetBytes, bytes.length, this.#sumOf(bytes));
      }
    }
  }

  #sumOf(bytes: Uint8Array): number {
    this.#sums.checksum(bytes, bytes.length, this.#sum);
    return readU32(this.#sum, 0);
  }

  #givesUpFresh(released: ExtentList): boolean {
    let units = 0;
    for (let index = 0; index < released.count; index += 1) {
      const start = released.offsetBytes(index);
      const end = start + released.lengthBytes(index);
      for (let at = start - (start % this.#unitBytes); at < end; at += this.#unitBytes) {
        units += 1;
        if (units > releasedUnitsMost || this.#fresh.has(at)) {
          return true;
        }
      }
    }
    return false;
  }

  /** Counts the units that it wrote to in or out. */
  #turn({ writes, unflushed }: Txc, by: 1 | -1): void {
    if (!unflushed) {
      return;
    }
    const unitBytes = this.#unitBytes;
    for (const { offsetBytes, bytes } of writes) {
      const end = offsetBytes + bytes.length;
      for (let at = offsetBytes - (offsetBytes % unitBytes); at < end; at += unitBytes) {
        const count = (this.#fresh.get(at) ?? 0) + by;
        if (count > 0) {
          this.#fresh.set(at, count);
        } else {
          this.#fresh.delete(at);
        }
      }
    }
  }

  /** Whether these can be committed before the device was flushed. */
  suffice(txcs: readonly Txc[]): boolean {
    for (const { premised, unflushed, released, deferred } of txcs) {
      const nothing = !unflushed && released.count === 0 && deferred.length === 0;
      if (!(premised || nothing)) {
        return false;
      }
    }
    return this.possible;
  }

  gather(txcs: readonly Txc[], into: Premises): void {
    for (const { premises } of txcs) {
      into.append(premises);
    }
  }

  /** The transaction has ended, well or badly. */
  ended(txc: Txc): void {
    if (txc.premised) {
      this.#turn(txc, -1);
    }
  }
}

/** Bytes that are not durable by themselves, and are written with a flush. */
function bytesOf({ writes, unflushed }: Txc): number {
  let sum = 0;
  if (unflushed) {
    for (const { bytes } of writes) {
      sum += bytes.length;
    }
  }
  return sum;
}
