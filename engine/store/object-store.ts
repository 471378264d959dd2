/** The interface of object stores. */
import type { Arena } from "../port/block-device.ts";
import { errnos } from "../port/block-device.ts";
import type { CollectionId } from "./collection.ts";
import type { ObjectName } from "./object-name.ts";
import type { NamedBytes, Transaction } from "./transaction.ts";

/** errno values that a store's callbacks carry, negated. */
export const storeErrnos = Object.freeze({
  ...errnos,
  ENOENT: 2,
  EEXIST: 17,
  EFBIG: 27,
  ENOTEMPTY: 39,
});

/** Objects are at most this long, as in Ceph. */
export const maxObjectBytes = 2 ** 32 - 1;

/** 0 or a count of bytes, or a negative errno. */
export type Done = (result: number) => void;
/** A result that is there only with errno 0. */
export type DoneWith<T> = (errno: number, value: T | null) => void;

export interface ObjectStat {
  readonly sizeBytes: number;
  readonly expectedObjectBytes: number;
  readonly expectedWriteBytes: number;
  /** Bits of `allocHints`. */
  readonly hints: number;
}

/** What to read of an object's omap: certain keys, or at most `max` pairs from `first` (inclusive). */
export type OmapQuery =
  | { readonly keys: readonly string[] }
  | { readonly first: string; readonly max: number };

export interface OmapAnswer {
  readonly header: Uint8Array;
  /** In the order of the keys by code points. */
  readonly pairs: ReadonlyMap<string, Uint8Array>;
  /** There are more pairs beyond the last one. */
  readonly more: boolean;
}

/** Objects of a collection from `first` (inclusive), before `end`, at most `max`. */
export interface ListQuery {
  readonly first: ObjectName | null;
  readonly end: ObjectName | null;
  readonly max: number;
}

export interface ListAnswer {
  /** In the order of `compareObjects`. */
  readonly objects: readonly ObjectName[];
  /** Where to go on; `null` at the end. */
  readonly next: ObjectName | null;
}

export interface CollectionInfo {
  readonly id: CollectionId;
  readonly bits: number;
}

/** Bytes of a store; those of its key-value part count as used and not as stored. */
export interface StoreUsage {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Space that data takes on the device. */
  readonly allocatedBytes: number;
  /** Bytes that objects refer to, holes and padding not counted. */
  readonly storedBytes: number;
  /** Of these, what is compressed: before compression, and the space that it takes. */
  readonly compressedOriginalBytes: number;
  readonly compressedAllocatedBytes: number;
}

/** What is read into a slot. */
export interface SlotRange {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly slot: number;
  /** Of the operation that it is for (`BlockOp.trace`). */
  readonly trace?: number;
}

/**
 * Collections of objects with data, attributes and omap.
 *
 * Order: the transactions of a collection take effect, become durable and call back in the order of
 * their submission; one that names two collections is in the order of both. A read sees every
 * transaction that was submitted before on its collection. A transaction that is refused (negative
 * errno) has changed nothing; its callback comes in its turn, too.
 *
 * Callbacks may come from within the call, except `submit`'s. No method throws for an operating error.
 */
export interface ObjectStore {
  /** Where slots for `writeSlot` and `readSlot` live; `null`: the store takes no slots (EINVAL). */
  readonly arena: Arena | null;
  /** Calls back once the transaction is durable (0), or is refused. */
  submit(transaction: Transaction, done: Done): void;
  /** Reads into `into`; bytes read, fewer at the object's end, or a negative errno (ENOENT, EIO). */
  read(
    collection: CollectionId,
    object: ObjectName,
    offsetBytes: number,
    into: Uint8Array,
    done: Done,
  ): void;
  /** As `read`, to the start of a slot that is lent until the callback. */
  readSlot(collection: CollectionId, object: ObjectName, range: SlotRange, done: Done): void;
  stat(collection: CollectionId, object: ObjectName, done: DoneWith<ObjectStat>): void;
  attrs(collection: CollectionId, object: ObjectName, done: DoneWith<NamedBytes>): void;
  omap(
    collection: CollectionId,
    object: ObjectName,
    query: OmapQuery,
    done: DoneWith<OmapAnswer>,
  ): void;
  list(collection: CollectionId, query: ListQuery, done: DoneWith<ListAnswer>): void;
  /** Every collection, sorted by id; sees what was submitted before. */
  collections(done: DoneWith<readonly CollectionInfo[]>): void;
  usage(): StoreUsage;
  /** Calls back when all that was submitted is durable and no background work is left. */
  flush(done: Done): void;
  /** Ends cleanly: flushes, then lets go of the device; nothing may be submitted afterwards. */
  unmount(done: Done): void;
}
