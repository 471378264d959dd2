/**
 * What a cache keeps and what it lets go: the policy alone. The owner holds the entries themselves (onodes,
 * buffers) and finds them by its own index; the policy knows a key, a size and a slot number for each.
 */

/** Chosen by the owner, unique among the entries of a policy. */
export type CacheKey = number | string;

/** Called for an entry that leaves; MUST NOT call the policy. */
export type OnEvict = (key: CacheKey, slot: number, bytes: number) => void;

export interface CacheStats {
  hits: number;
  misses: number;
  evictions: number;
  /** Entries held, pinned ones among them, and their bytes. */
  entries: number;
  bytes: number;
  pinnedBytes: number;
}

/** The policy's lists by name, the entry that would leave first at the end. */
export type CacheSnapshot = Readonly<Record<string, readonly CacheKey[]>>;

/** `hit` MUST NOT allocate: it is called for every use. */
export interface CachePolicy {
  readonly name: string;
  /** Live figures, not a copy. */
  readonly stats: Readonly<CacheStats>;
  /**
   * Adds an entry of 1 to 2^32 - 1 bytes whose key is not held; its slot, which names it until it leaves.
   * Evicts nothing.
   */
  insert(key: CacheKey, bytes: number): number;
  /** An entry was used. */
  hit(slot: number): void;
  /** A look-up found nothing. Counts only; `insert` may follow or not. */
  miss(): void;
  /** An entry's size changed. */
  setBytes(slot: number, bytes: number): void;
  /** The owner drops an entry for good; the policy forgets that it was ever there. */
  remove(slot: number): void;
  /** Keeps an entry from leaving. Counted: as many `unpin` let it go again. */
  pin(slot: number): void;
  /** Undoes one `pin`. The last one MUST NOT make the entry the first to leave if others are not. */
  unpin(slot: number): void;
  /**
   * Evicts until at most `bytes` are held, or only pinned entries are left. `bytes` is also the size that
   * the policy's own proportions go by; it may differ from call to call.
   */
  trimTo(bytes: number, onEvict: OnEvict): void;
  /** Ends an age bin: what was used since the last call counts as one bin older from now on. */
  shiftAgeBins(): void;
  /** Bytes of entries last used from `first` to before `end` bins ago; bin 0 is the running one. */
  bytesOfAge(first: number, end: number): number;
  /** The order of things, for tests and dumps. */
  snapshot(): CacheSnapshot;
}

/** What the policies can be told. Shares are from 0 to 1. */
export interface CacheOptions {
  /** 2q: share of the size for entries used once, `bluestore_2q_cache_kin_ratio`. */
  readonly bluestore_2q_cache_kin_ratio?: number;
  /** 2q: keys remembered after their data went, as a share of the size. */
  readonly bluestore_2q_cache_kout_ratio?: number;
  /** Age bins that are told apart. */
  readonly ageBinCount?: number;
  /** What a plug-in takes beside. */
  readonly [option: string]: unknown;
}
