/** The key-value store below an object store: ordered keys under short prefixes, atomic batches. */
import type { Clock } from "../../port/clock.ts";
import type { DeviceLane } from "../../port/device-lane.ts";
import type { Random } from "../../port/random.ts";
import type { KvBatch } from "./batch.ts";

export { KvBatch } from "./batch.ts";

export interface KvEntry {
  /** Without the prefix. */
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** The devices of a store by their part; the first of `db`, `main` holds what is not in `wal`. */
export type KvDeviceRole = "main" | "db" | "wal";

/** A range of a device. */
export interface KvExtent {
  readonly role: KvDeviceRole;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** One device; what an implementation does not need may be `null`. */
export interface KvDevice {
  /** For native implementations, which open it themselves. */
  readonly path: string | null;
  /** For implementations in TypeScript, which share it with the store. */
  readonly lane: DeviceLane | null;
  readonly sizeBytes: number;
  readonly blockBytes: number;
}

/** Space on the `main` device, shared with the object store. Other devices belong to the key-value store. */
export interface KvSpace {
  /** Extents' lengths are multiples of this, or, where free space is in small pieces, of a block at least. */
  readonly unitBytes: number;
  /** The native allocator behind it, for native implementations; `null`: it is in TypeScript. */
  readonly handle: unknown;
  /** Extents of at least `lengthBytes` in all (a multiple of a block); `undefined`: there is not so much. */
  allocate(lengthBytes: number): readonly KvExtent[] | undefined;
  /** MUST be extents, or parts of extents, that were allocated. */
  release(extents: readonly KvExtent[]): void;
}

/**
 * How a merge combines what is there with what is given. `xor`: byte by byte; `addInt64`: both are
 * arrays of little-endian 64-bit integers, added one by one, wrapping. A shorter operand counts as
 * followed by zeroes.
 */
export type KvMergeOperator = "xor" | "addInt64";

/** What of a store is damaged. */
export interface KvDamage {
  /** Which part, and how, in one line. */
  readonly reason: string;
  /** The keys between which there may be more; absent: it is not about keys. */
  readonly keys?: {
    readonly prefix: string;
    /** The last key before them; empty: there is none. */
    readonly after: Uint8Array;
    /** The first key behind them; `null`: there is none. */
    readonly before: Uint8Array | null;
  };
  /** The same across prefixes: between these two, each `null` where there is none. */
  readonly range?: { readonly from: KvPlace | null; readonly to: KvPlace | null };
  /** What is missing where it cannot be told by keys. */
  readonly hides?: string;
}

/** A key under its prefix. */
export interface KvPlace {
  readonly prefix: string;
  readonly key: Uint8Array;
}

export interface KvOpenContext {
  readonly devices: Readonly<Record<"main", KvDevice>> &
    Readonly<Record<"db" | "wal", KvDevice | null>>;
  /** Makes a new, empty store; else opens the one that is there. */
  readonly create: boolean;
  /** Nothing is written; `commit` gives EROFS (30). */
  readonly readOnly: boolean;
  /**
   * With `readOnly`: damage MAY be told here, each piece once or more, and what it hides be left out by
   * `scan`, where an error would keep from reading the rest. `get` fails all the same.
   */
  readonly salvage?: (damage: KvDamage) => void;
  /**
   * MUST NOT be called before `openKeyValueStore` has returned, but by engines that are `native`: the
   * free space is known only from what the store holds. The caller takes `usedExtents` out of the free space before the first commit.
   *
   * Engines that are `native` need space while they open for writing already (a log that is replayed
   * becomes tables): what is there is first opened with `readOnly`, which needs none; the caller fills
   * the allocator from what it reads, takes `usedExtents` out, closes, and opens again for writing.
   */
  readonly space: KvSpace;
  /** By prefix. */
  readonly mergeOperators: Readonly<Record<string, KvMergeOperator>>;
  /** Tuning parameters by their names, as far as they were set. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly clock: Clock;
  readonly random: Random;
}

export interface KvFacts {
  readonly name: string;
  /** What is committed survives a crash. */
  readonly durable: boolean;
  /**
   * Space of the main device that it may come to need at once, beyond as much again as it has: who
   * shares the device leaves that free. 0 unless it writes ahead more than it holds.
   */
  readonly growthBytes: number;
  /** `commit` takes premises: what it writes lies on the main device too, and shares its flush. */
  readonly premises?: boolean;
}

/** The prefixes `Counters` may carry; all numbers count up from 0 at opening unless they end in `_now`. */
export type KvCounters = Readonly<Record<string, number>>;

/**
 * Whole files beside the keys, for what is written once and read once. Calls block: they are for opening
 * and closing, while no commit is under way.
 */
export interface KvFiles {
  /** `undefined`: there is none. Throws `io`, `damaged: true` in the context where it is damaged. */
  read(path: string): Uint8Array | undefined;
  /**
   * Durable on return, in place of the one that is there. Throws `io`. After that, or a crash, there is
   * either, neither, or a beginning of the new one: what matters MUST be told by the bytes.
   */
  write(path: string, bytes: Uint8Array): void;
  /** Durable on return; one that is not there is no error. Throws `io`. */
  remove(path: string): void;
}

export interface KeyValueStore {
  readonly facts: KvFacts;
  /** `null`: it has keys only. */
  readonly files: KvFiles | null;
  /**
   * The value, which is the caller's; `undefined`: no such key. MUST see every commit whose callback
   * ran, and may see later ones. Throws `io` when the device fails or what it holds cannot be right.
   */
  get(prefix: string, key: Uint8Array): Uint8Array | undefined;
  /**
   * At most `limit` entries from `from` (included) up to `to` (not included; `undefined`: to the end of
   * the prefix), ascending in the order of their bytes as unsigned numbers. Sees what `get` sees.
   */
  scan(
    prefix: string,
    from: Uint8Array,
    to: Uint8Array | undefined,
    limit: number,
  ): readonly KvEntry[];
  /**
   * Commits the batches in order, each whole or not at all. Calls `done` once, later, in the order of
   * the commits: 0 when all are durable, else an errno (28 no space, 5 I/O error, 30 read-only) and none
   * of them has taken effect. Then those asked for meanwhile fail as well: they may build on what has
   * failed. Commits that wait while another is written share its next flush. The batches are lent until
   * then.
   *
   * `premises` (`premises.ts`; lent too, only where the facts say that they are taken): data whose writes
   * have completed and need not be durable. They are when `done` is called. When the store is opened after
   * a crash, the commit is there only if the data is. Commits with premises are written by themselves. Their
   * data MUST stay as it is until a later commit is durable; after that it is not looked at again.
   */
  commit(
    batches: readonly KvBatch[],
    done: (errno: number) => void,
    premises?: Uint8Array | null,
  ): void;
  /** Every extent that it holds on any device, also ones kept in reserve. */
  usedExtents(): readonly KvExtent[];
  /**
   * How many bytes more it can be given, keys and values, and still write what it holds anew, take what
   * removes some of it, and be opened again; below 0: only removals should come. `mainFreeBytes` are free on
   * the main device. Cheap: it is asked before each transaction. Absent: as many as there are.
   */
  roomBytes?(mainFreeBytes: number): number;
  /** Gives back space of records that were removed; calls back, later, when it has, or could not. */
  makeRoom?(mainFreeBytes: number, done: () => void): void;
  counters(): KvCounters;
  /** Memory that it may use to cache what is on the device; all in memory: no effect. */
  setCacheBytes(bytes: number): void;
  /** Waits for commits under way and lets go of its devices; MUST NOT be used afterwards. */
  close(): Promise<void>;
  /**
   * Lets go at once, as the end of the process would: nothing is written any more when it returns, and
   * no commit that is under way calls back.
   */
  abandon(): void;
}

/** One implementation. */
export interface KeyValueEngine {
  readonly hotPath: "kv";
  readonly name: string;
  readonly describe: string;
  /** Why it cannot be used on this machine and what to do; `null`: it can. */
  readonly unavailable: string | null;
  /** Needs a `path` of its devices (`native`) or a `lane` (`lanes`), or neither. */
  readonly uses: "native" | "lanes" | "none";
  /** Throws `bad-input` or `io` with one line; `damaged: true` in the context where that is why. */
  open(context: KvOpenContext): Promise<KeyValueStore>;
}
