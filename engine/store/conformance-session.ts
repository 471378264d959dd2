/** What the conformance checks of object stores work with: one store, time that passes, promises. */
import { SeededRandom } from "../base/random.ts";
import type { CollectionId } from "./collection.ts";
import { type ObjectName, type ObjectNameFields, objectName } from "./object-name.ts";
import {
  type CollectionInfo,
  type DoneWith,
  type ListAnswer,
  type ListQuery,
  type ObjectStat,
  type ObjectStore,
  type OmapAnswer,
  type OmapQuery,
  storeErrnos,
} from "./object-store.ts";
import { type NamedBytes, Transaction } from "./transaction.ts";

/** An empty store of the kind under test, and what a test may do to it. */
export interface StoreHarness {
  /** Changes with `remount`. */
  readonly store: ObjectStore;
  /** Mounts again what is there, after a clean end or without one; `false`: not this kind. */
  remount(clean: boolean): Promise<boolean>;
  /** Lets time pass; everything under way goes on. */
  turn(): Promise<void> | void;
  /** Throws when the store's own structures are not consistent; nothing is under way. */
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface StoreSubject {
  readonly name: string;
  /** Capacity, of which the checks use up to half except where they fill it; at least 16 MiB. */
  readonly sizeBytes: number;
  create(seed: number): Promise<StoreHarness>;
}

/** A check does not hold; the message says what, and how to see it again. */
export class StoreConformanceFailure extends Error {}

/** What was asked for cannot be read, and the store says so: EIO. */
export class Unreadable extends StoreConformanceFailure {}

export function expect(condition: boolean, text: string): asserts condition {
  if (!condition) {
    throw new StoreConformanceFailure(text);
  }
}

export function expectEqual(actual: unknown, wanted: unknown, what: string): void {
  expect(Object.is(actual, wanted), `${what} is ${String(actual)}, not ${String(wanted)}`);
}

/** Index of the first byte that differs; -1: equal. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  // A native comparison first: most are of long arrays that are equal.
  if (Buffer.compare(a, b) === 0) {
    return -1;
  }
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    if (a[index] !== b[index]) {
      return index;
    }
  }
  return length;
}

export class StoreSession {
  readonly harness: StoreHarness;
  readonly subject: StoreSubject;
  readonly random: SeededRandom;

  constructor(subject: StoreSubject, harness: StoreHarness, seed: number) {
    this.subject = subject;
    this.harness = harness;
    this.random = new SeededRandom(seed);
  }

  get store(): ObjectStore {
    return this.harness.store;
  }

  /** A head object of pool 1. */
  object(name: string, fields: Partial<ObjectNameFields> = {}): ObjectName {
    return objectName({ pool: 1, ...fields, name });
  }

  bytes(length: number): Uint8Array {
    const made = new Uint8Array(length);
    for (let at = 0; at < length; at += 4) {
      const word = this.random.bits32();
      made[at] = word;
      made[at + 1] = word >>> 8;
      made[at + 2] = word >>> 16;
      made[at + 3] = word >>> 24;
    }
    return made;
  }

  /** Waits for a callback while time passes. */
  async wait<T>(start: (done: (value: T) => void) => void): Promise<T> {
    let answer: { readonly value: T } | null = null;
    start((value) => {
      answer = { value };
    });
    for (let turns = 0; answer === null; turns += 1) {
      expect(turns < 1_000_000, "a callback does not come");
      await this.harness.turn();
    }
    return (answer as { readonly value: T }).value;
  }

  /** Submits and waits; the result. */
  submit(fill: (transaction: Transaction) => void): Promise<number> {
    const transaction = new Transaction();
    fill(transaction);
    return this.wait((done) => this.store.submit(transaction, done));
  }

  async apply(fill: (transaction: Transaction) => void): Promise<void> {
    expectEqual(await this.submit(fill), 0, "result of a transaction");
  }

  /** `null`: it cannot be read, and the store says so. */
  async tryRead(
    collection: CollectionId,
    object: ObjectName,
    offsetBytes: number,
    lengthBytes: number,
  ): Promise<Uint8Array | null> {
    const into = new Uint8Array(lengthBytes).fill(0xa5);
    const length = await this.wait<number>((done) =>
      this.store.read(collection, object, offsetBytes, into, done),
    );
    if (length === -storeErrnos.EIO) {
      return null;
    }
    expect(length >= 0, `result of a read is ${length}`);
    const beyond = into.subarray(length);
    expect(
      firstDifference(beyond, new Uint8Array(beyond.length).fill(0xa5)) < 0,
      "a read wrote beyond its length",
    );
    return into.subarray(0, length);
  }

  async read(
    collection: CollectionId,
    object: ObjectName,
    offsetBytes: number,
    lengthBytes: number,
  ): Promise<Uint8Array> {
    const found = await this.tryRead(collection, object, offsetBytes, lengthBytes);
    expect(found !== null, `a read gives EIO: ${object.name} from ${offsetBytes}`);
    return found;
  }

  async #value<T>(start: (done: DoneWith<T>) => void, what: string): Promise<T> {
    const { errno, value } = await this.wait<{ errno: number; value: T | null }>((done) =>
      start((errno, value) => done({ errno, value })),
    );
    if (errno === -storeErrnos.EIO) {
      throw new Unreadable(`result of ${what} is EIO`);
    }
    expect(errno === 0 && value !== null, `result of ${what} is ${errno}`);
    return value;
  }

  stat(collection: CollectionId, object: ObjectName): Promise<ObjectStat> {
    return this.#value((done) => this.store.stat(collection, object, done), "stat");
  }

  /** errno of a stat. */
  statErrno(collection: CollectionId, object: ObjectName): Promise<number> {
    return this.wait((done) => this.store.stat(collection, object, done));
  }

  attrs(collection: CollectionId, object: ObjectName): Promise<NamedBytes> {
    return this.#value((done) => this.store.attrs(collection, object, done), "attrs");
  }

  omap(collection: CollectionId, object: ObjectName, query: OmapQuery): Promise<OmapAnswer> {
    return this.#value((done) => this.store.omap(collection, object, query, done), "omap");
  }

  list(collection: CollectionId, query: Partial<ListQuery> = {}): Promise<ListAnswer> {
    const full = { first: null, end: null, max: 1_000_000, ...query };
    return this.#value((done) => this.store.list(collection, full, done), "list");
  }

  collections(): Promise<readonly CollectionInfo[]> {
    return this.#value((done) => this.store.collections(done), "collections");
  }

  async flush(): Promise<void> {
    expectEqual(await this.wait<number>((done) => this.store.flush(done)), 0, "result of a flush");
  }
}
