/**
 * The objects of an object workload on one store: numbered, in a pool of their own beside the volume's.
 * It knows which are there, how long they are, and, when reads are to be verified, sums of what they hold;
 * all as of the last operation that was submitted, which is what the store's reads see.
 */
import { LatencyHistogram, type PerfSection, type PerfValue } from "../../base/perf-counters.ts";
import type { Checksum } from "../../hot/checksum/checksum.ts";
import type { HintTeller } from "../client-hints.ts";
import { type CollectionId, collectionIdOf } from "../collection.ts";
import { type ObjectName, objectName } from "../object-name.ts";
import type { ListAnswer, ObjectStore } from "../object-store.ts";
import { Transaction } from "../transaction.ts";
import { type ObjectOp, objectOps } from "./object-mix.ts";

const pool = 2;
/** Collections are 2 to the power of this: what is in one is done in order. */
const collectionBits = 5;
const listPage = 1000;
/** Objects are numbered below this. */
export const mostObjects = 2 ** 26;
/** Sums are of this many bytes each. */
export const sumChunkBytes = 4096;
const sumBytes = 4;

/** What is counted of one kind of operation. */
export class OpCounts {
  ops = 0;
  bytes = 0;
  readonly latency = new LatencyHistogram();
}

/** What is known of an object's contents. */
interface Contents {
  /** -1: not known, it is from before. */
  sizeBytes: number;
  /** CRC-32C of each `sumChunkBytes`; null: not known. */
  sums: Uint8Array | null;
}

/** What a get will find: the store's reads see all that was submitted before them, and nothing after. */
export interface Expected {
  readonly sizeBytes: number;
  readonly sums: Uint8Array;
  /** The last change of the object before it, and how many had failed by then. */
  readonly change: number;
  readonly failures: number;
}

/** Changes of an object that are under way, oldest first, and how many have failed. */
interface Changes {
  last: number;
  failures: number;
  readonly open: number[];
}

/** Somebody who waits for the changes of an object up to one. */
interface Waiter {
  readonly number: number;
  readonly change: number;
  readonly then: () => void;
}

/** An object was never there, is there, or was deleted. */
const never = 0;
const there = 1;
const deleted = 2;

/** Names lie well spread over the collections. */
function hashOf(index: number): number {
  return Math.imul(index, 0x9e3779b1) >>> 0;
}

export class ObjectSet {
  readonly store: ObjectStore;
  /** Sums are kept: some job verifies. */
  readonly verified: boolean;
  /** Says what is expected of objects; null: nothing is. */
  readonly hints: HintTeller | null;
  readonly counts: Readonly<Record<ObjectOp, OpCounts>>;
  /** Gets that found no object at all; gets verified; those with other contents than were put. */
  missed = 0;
  checked = 0;
  mismatches = 0;
  readonly #checksum: Checksum;
  /** By number: whether it is there. */
  #present = new Uint8Array(1024);
  #deletedCount = 0;
  readonly #contents = new Map<number, Contents>();
  /** Kept when reads are verified, of objects that were changed. */
  readonly #changes = new Map<number, Changes>();
  #change = 0;
  #waiters: Waiter[] = [];
  readonly #names = new Map<number, ObjectName>();
  readonly #collections: readonly CollectionId[];
  presentCount = 0;

  constructor(
    store: ObjectStore,
    checksum: Checksum,
    verified: boolean,
    hints: HintTeller | null = null,
  ) {
    this.store = store;
    this.hints = hints;
    this.verified = verified;
    this.#checksum = checksum;
    this.#collections = Array.from({ length: 2 ** collectionBits }, (_, seed) =>
      collectionIdOf(pool, seed),
    );
    const counts = objectOps.map((op) => [op, new OpCounts()] as const);
    this.counts = Object.fromEntries(counts) as Record<ObjectOp, OpCounts>;
  }

  /** Makes the collections if they are not there, and finds the objects that are. Negative errno or 0. */
  async open(): Promise<number> {
    const known = await new Promise<ReadonlySet<CollectionId>>((resolve) => {
      this.store.collections((_errno, found) =>
        resolve(new Set((found ?? []).map(({ id }) => id))),
      );
    });
    const transaction = new Transaction();
    for (const collection of this.#collections) {
      if (!known.has(collection)) {
        transaction.createCollection(collection, collectionBits);
      }
    }
    if (transaction.count > 0) {
      const made = await new Promise<number>((resolve) => this.store.submit(transaction, resolve));
      if (made < 0) {
        return made;
      }
    }
    for (const collection of this.#collections.filter((each) => known.has(each))) {
      const errno = await this.#find(collection);
      if (errno < 0) {
        return errno;
      }
    }
    return 0;
  }

  async #find(collection: CollectionId): Promise<number> {
    let first: ObjectName | null = null;
    do {
      const query = { first, end: null, max: listPage };
      const [errno, page] = await new Promise<[number, ListAnswer | null]>((resolve) =>
        this.store.list(collection, query, (...answer) => resolve(answer)),
      );
      if (page === null) {
        return errno;
      }
      for (const { name } of page.objects) {
        const number = Number.parseInt(name.slice("object.".length), 16);
        if (Number.isSafeInteger(number) && number < mostObjects) {
          this.#mark(number, there);
          this.#contents.set(number, { sizeBytes: -1, sums: null });
        }
      }
      first = page.next;
    } while (first !== null);
    return 0;
  }

  name(number: number): ObjectName {
    let name = this.#names.get(number);
    if (name === undefined) {
      const text = number.toString(16).padStart(8, "0");
      name = objectName({ pool, hash: hashOf(number), name: `object.${text}` });
      this.#names.set(number, name);
    }
    return name;
  }

  collection(number: number): CollectionId {
    return this.#collections[hashOf(number) % this.#collections.length] as CollectionId;
  }

  has(number: number): boolean {
    return this.#present[number] === there;
  }

  /** The first object that is there from `number` on, within `first` to before `end`, round; -1: none. */
  next(number: number, first: number, end: number): number {
    if (this.presentCount === 0) {
      return -1;
    }
    return this.#nextThatIs(there, number, first, end);
  }

  /** The same of objects that were deleted and not put since. */
  nextDeleted(number: number, first: number, end: number): number {
    return this.#deletedCount === 0 ? -1 : this.#nextThatIs(deleted, number, first, end);
  }

  wasThere(number: number): boolean {
    return (this.#present[number] ?? never) !== never;
  }

  #nextThatIs(state: number, number: number, first: number, end: number): number {
    const behind = this.#present.indexOf(state, number);
    if (behind >= 0 && behind < end) {
      return behind;
    }
    const before = this.#present.indexOf(state, first);
    return before >= 0 && before < end ? before : -1;
  }

  /** -1: not known. */
  sizeBytes(number: number): number {
    return this.#contents.get(number)?.sizeBytes ?? -1;
  }

  #mark(number: number, state: typeof there | typeof deleted): void {
    if (number >= this.#present.length) {
      const grown = new Uint8Array(Math.max(number + 1, 2 * this.#present.length));
      grown.set(this.#present);
      this.#present = grown;
    }
    this.presentCount += Number(state === there) - Number(this.has(number));
    this.#deletedCount += Number(state === deleted) - Number(this.#present[number] === deleted);
    this.#present[number] = state;
  }

  /** The object now holds these bytes and no others. */
  wasPut(number: number, bytes: Uint8Array): void {
    this.#mark(number, there);
    const sums = this.verified ? this.sumsOf(bytes) : null;
    this.#contents.set(number, { sizeBytes: bytes.length, sums });
  }

  /** These bytes were written within the object, from a multiple of `sumChunkBytes` on. */
  wasWritten(number: number, offsetBytes: number, bytes: Uint8Array): void {
    const contents = this.#contents.get(number);
    if (contents === undefined) {
      return;
    }
    const end = offsetBytes + bytes.length;
    const { sizeBytes, sums } = contents;
    if (sizeBytes === 0 && offsetBytes === 0) {
      this.wasPut(number, bytes);
      return;
    }
    const whole = end === sizeBytes || bytes.length % sumChunkBytes === 0;
    if (sums !== null && whole && end <= sizeBytes) {
      // Gets under way look at the sums as they were.
      contents.sums = sums.slice();
      contents.sums.set(this.sumsOf(bytes), (offsetBytes / sumChunkBytes) * sumBytes);
    } else {
      contents.sums = null;
    }
    contents.sizeBytes = sizeBytes < 0 ? -1 : Math.max(sizeBytes, end);
  }

  wasDeleted(number: number): void {
    this.#mark(number, deleted);
    this.#contents.delete(number);
  }

  /** What a get that is submitted now will find; null: not known. */
  expected(number: number): Expected | null {
    const contents = this.#contents.get(number);
    if (contents === undefined || contents.sums === null) {
      return null;
    }
    const { last = 0, failures = 0 } = this.#changes.get(number) ?? {};
    return { sizeBytes: contents.sizeBytes, sums: contents.sums, change: last, failures };
  }

  /** A change that it counted on has failed: what the get should have found is not known. */
  doubtful(number: number, expected: Expected): boolean {
    return (this.#changes.get(number)?.failures ?? 0) !== expected.failures;
  }

  /** Calls back once it is known how the changes ended that a get counts on. */
  whenSettled(number: number, { change }: Expected, then: () => void): void {
    if (this.#settled(number, change)) {
      then();
    } else {
      this.#waiters.push({ number, change, then });
    }
  }

  #settled(number: number, change: number): boolean {
    const first = this.#changes.get(number)?.open[0];
    return first === undefined || first > change;
  }

  /** A change is submitted. What it makes of the object is told by `wasPut` and the like. */
  begins(number: number): void {
    if (this.verified) {
      this.#change += 1;
      const changes = this.#changes.get(number) ?? { last: 0, failures: 0, open: [] };
      changes.last = this.#change;
      changes.open.push(this.#change);
      this.#changes.set(number, changes);
    }
  }

  /** The oldest change under way of the object has ended: they do so in order. */
  ends(number: number, failed: boolean): void {
    if (failed) {
      this.#mark(number, there);
      this.#contents.set(number, { sizeBytes: -1, sums: null });
    }
    const changes = this.#changes.get(number);
    if (changes === undefined) {
      return;
    }
    changes.open.shift();
    changes.failures += failed ? 1 : 0;
    if (this.#waiters.length > 0) {
      const ready = this.#waiters.filter((each) => this.#settled(each.number, each.change));
      this.#waiters = this.#waiters.filter((each) => !ready.includes(each));
      for (const { then } of ready) {
        then();
      }
    }
  }

  sumsOf(bytes: Uint8Array): Uint8Array {
    const chunks = Math.floor(bytes.length / sumChunkBytes);
    const whole = chunks * sumChunkBytes;
    const sums = new Uint8Array(Math.ceil(bytes.length / sumChunkBytes) * sumBytes);
    if (whole > 0) {
      const from = whole === bytes.length ? bytes : bytes.subarray(0, whole);
      this.#checksum.checksum(from, sumChunkBytes, sums.subarray(0, chunks * sumBytes));
    }
    if (whole < bytes.length) {
      const rest = bytes.subarray(whole);
      this.#checksum.checksum(rest, rest.length, sums.subarray(chunks * sumBytes));
    }
    return sums;
  }

  /** Since the set was opened, by kind of operation. */
  counters(): PerfSection {
    const values: Record<string, PerfValue> = {};
    const counter = (value: number, unit: string, description: string): PerfValue => ({
      kind: "counter",
      unit,
      description,
      value,
    });
    for (const op of objectOps) {
      const { ops, bytes, latency } = this.counts[op];
      values[op] = counter(ops, "operations", `${op} of objects`);
      values[`${op}_bytes`] = counter(bytes, "bytes", `moved by ${op}`);
      values[`${op}_lat`] = latency.picture(`${op}: from the submission to the completion`);
    }
    values["get_missed"] = counter(this.missed, "operations", "gets while there was no object");
    values["verified"] = counter(this.checked, "operations", "gets whose contents were verified");
    values["verify_mismatches"] = counter(this.mismatches, "operations", "gets of other contents");
    values["objects"] = {
      kind: "gauge",
      unit: "objects",
      description: "objects that are there",
      value: this.presentCount,
    };
    return values;
  }
}
