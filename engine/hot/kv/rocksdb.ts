/**
 * RocksDB on BlueFS, both on the native side (`native/crates/kv`). Commits go to a native thread that
 * writes together what waits; that they complete in order makes one number tell of all of them, and one
 * wake-up of the event loop serve a whole group.
 */
import { OsdynoError } from "../../base/error.ts";
import { native } from "../../base/native.ts";
import type { Random } from "../../port/random.ts";
import { JoinedBatches, type KvBatch } from "./batch.ts";
import type {
  KeyValueEngine,
  KeyValueStore,
  KvCounters,
  KvDamage,
  KvDevice,
  KvDeviceRole,
  KvEntry,
  KvExtent,
  KvFacts,
  KvFiles,
  KvOpenContext,
} from "./kv.ts";

/** The class of the addon. */
interface NativeSide {
  get(prefix: string, key: Uint8Array): Uint8Array | null;
  scan(prefix: string, from: Uint8Array, to: Uint8Array | undefined, limit: number): Uint8Array;
  scanAround(prefix: string, from: Uint8Array, limit: number): [Uint8Array, Hole[]];
  damage(): string[];
  commit(batches: Uint8Array, premises: Uint8Array | null): number;
  poll(): number;
  failures(): number[];
  recover(): void;
  setWake(callback: () => void): void;
  park(seen: number): void;
  usedExtents(): number[];
  readFile(path: string): Uint8Array | null;
  writeFile(path: string, bytes: Uint8Array): void;
  removeFile(path: string): void;
  counters(): string;
  logLines(): string[];
  setCacheBytes(bytes: number): void;
  tidy(freeBytes: number): number;
  compact(): void;
  close(): number[];
  abandon(): void;
}

/** Keys that cannot be read. */
interface Hole {
  readonly after: Uint8Array;
  readonly before?: Uint8Array | null;
  readonly reason: string;
}

/** WAL, DB and slow device of BlueFS. */
interface Layout {
  readonly devices: readonly ({ readonly path: string; readonly shared: boolean } | null)[];
  readonly roles: readonly KvDeviceRole[];
}

const defaultCacheBytes = 64 << 20;

/** Beyond so much room it is not counted exactly. */
const plentyBytes = 64 << 20;
/** Near the end it is counted again after so many questions. */
const countEvery = 32;
/** Small files that opening writes, the log of BlueFS, and what removes records. */
const leastSpareBytes = 1 << 20;

/** What follows from the devices. */
export interface RocksdbRoom {
  /** Size of the device of its own that tables go to; 0: there is none. */
  readonly dbBytes: number;
  /** Write-ahead logs together at most. */
  readonly logBytes: number;
  /** They lie beside the data, so that one flush serves both. */
  readonly premises: boolean;
}

export class RocksdbStore implements KeyValueStore {
  readonly facts: KvFacts;
  /** In BlueFS. */
  readonly files: KvFiles = {
    read: (path) => told(() => this.#native.readFile(path)) ?? undefined,
    write: (path, bytes) => told(() => this.#native.writeFile(path, bytes)),
    remove: (path) => told(() => this.#native.removeFile(path)),
  };
  readonly #native: NativeSide;
  readonly #roles: readonly KvDeviceRole[];
  readonly #salvage: KvOpenContext["salvage"];
  /** Callbacks of commits from number `#seen` + 1 on, from index `#head` on. */
  #waiting: ((errno: number) => void)[] = [];
  #head = 0;
  #seen = 0;
  /** Numbers and errnos, in turn, of commits that failed and were not called back. */
  #failures: number[] = [];
  #parked = false;
  /** Of a commit on its way to the native side, which copies it: each view costs half a microsecond. */
  readonly #joined = new JoinedBatches();
  #idle: (() => void) | null = null;
  readonly #room: RocksdbRoom;
  /** Space that it holds, on the device of its own and in all, as it was counted last. */
  #ownBytes = 0;
  #heldBytes = 0;
  #questions = 0;

  constructor(
    side: NativeSide,
    roles: readonly KvDeviceRole[],
    growthBytes: number,
    room: RocksdbRoom,
    salvage?: KvOpenContext["salvage"],
  ) {
    this.facts = { name: "rocksdb", durable: true, growthBytes, premises: room.premises };
    this.#native = side;
    this.#roles = roles;
    this.#room = room;
    this.#salvage = salvage;
    for (const reason of salvage === undefined ? [] : side.damage()) {
      salvage?.({ reason });
    }
    side.setWake(this.#wake);
  }

  get(prefix: string, key: Uint8Array): Uint8Array | undefined {
    return told(() => this.#native.get(prefix, key)) ?? undefined;
  }

  scan(
    prefix: string,
    from: Uint8Array,
    to: Uint8Array | undefined,
    limit: number,
  ): readonly KvEntry[] {
    const page =
      this.#salvage === undefined || to !== undefined
        ? told(() => this.#native.scan(prefix, from, to, limit))
        : this.#scanAround(this.#salvage, prefix, from, limit);
    const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
    const entries: KvEntry[] = [];
    let at = 0;
    while (at < page.length) {
      const keyAt = at + 8;
      const valueAt = keyAt + view.getUint32(at, true);
      const end = valueAt + view.getUint32(at + 4, true);
      entries.push({ key: page.subarray(keyAt, valueAt), value: page.subarray(valueAt, end) });
      at = end;
    }
    return entries;
  }

  #scanAround(
    salvage: (damage: KvDamage) => void,
    prefix: string,
    from: Uint8Array,
    limit: number,
  ): Uint8Array {
    const [page, holes] = told(() => this.#native.scanAround(prefix, from, limit));
    for (const { after, before, reason } of holes) {
      salvage({ reason: clearer(reason), keys: { prefix, after, before: before ?? null } });
    }
    return page;
  }

  commit(
    batches: readonly KvBatch[],
    done: (errno: number) => void,
    premises: Uint8Array | null = null,
  ): void {
    this.#native.commit(this.#joined.of(batches), premises);
    this.#await(done);
  }

  #await(done: (errno: number) => void): void {
    this.#waiting.push(done);
    if (!this.#parked) {
      this.#parked = true;
      this.#native.park(this.#seen);
    }
  }

  usedExtents(): readonly KvExtent[] {
    const words = this.#native.usedExtents();
    const extents: KvExtent[] = [];
    for (let at = 0; at < words.length; at += 3) {
      extents.push({
        role: this.#roles[words[at] as number] as KvDeviceRole,
        offsetBytes: words[at + 1] as number,
        lengthBytes: words[at + 2] as number,
      });
    }
    return extents;
  }

  /** Tables of what the logs hold have to be written, and tables anew, piece by piece. */
  roomBytes(mainFreeBytes: number): number {
    const { dbBytes, logBytes } = this.#room;
    const spare = () => logBytes + leastSpareBytes + this.#heldBytes / 8;
    if (mainFreeBytes - spare() >= plentyBytes) {
      return mainFreeBytes - spare();
    }
    if (this.#questions % countEvery === 0) {
      this.#countHeld();
    }
    this.#questions += 1;
    return mainFreeBytes + Math.max(0, dbBytes - this.#ownBytes) - spare();
  }

  /** In turn with commits. What is written anew is what there is space for. */
  makeRoom(mainFreeBytes: number, done: () => void): void {
    this.#countHeld();
    const free = mainFreeBytes + Math.max(0, this.#room.dbBytes - this.#ownBytes);
    this.#native.tidy(free);
    this.#await(() => {
      this.#questions = 0;
      done();
    });
  }

  #countHeld(): void {
    this.#ownBytes = 0;
    this.#heldBytes = 0;
    for (const { role, lengthBytes } of this.usedExtents()) {
      this.#heldBytes += lengthBytes;
      this.#ownBytes += role === "db" ? lengthBytes : 0;
    }
  }

  counters(): KvCounters {
    return JSON.parse(this.#native.counters()) as KvCounters;
  }

  /** Of the block cache. */
  setCacheBytes(bytes: number): void {
    this.#native.setCacheBytes(bytes);
  }

  /** Compacts all of it; blocks the thread. */
  compact(): void {
    told(() => this.#native.compact());
  }

  /** The newest warnings and errors that RocksDB logged. */
  logLines(): readonly string[] {
    return this.#native.logLines();
  }

  async close(): Promise<void> {
    if (this.#head < this.#waiting.length) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    told(() => this.#native.close());
  }

  abandon(): void {
    this.#waiting = [];
    this.#head = 0;
    this.#native.abandon();
  }

  /** A field: the native side refers to it weakly while nobody waits, so this must keep it alive. */
  readonly #wake = (): void => {
    const polled = this.#native.poll();
    const through = polled < 0 ? -polled - 1 : polled;
    if (polled < 0) {
      this.#failures.push(...this.#native.failures());
    }
    while (this.#seen < through) {
      this.#seen += 1;
      const done = this.#waiting[this.#head] as (errno: number) => void;
      this.#head += 1;
      const failed = this.#failures[0] === this.#seen;
      const [, errno = 0] = failed ? this.#failures.splice(0, 2) : [];
      done(errno);
    }
    if (polled < 0) {
      // Whoever goes on now knows of the failure.
      this.#native.recover();
    }
    if (this.#head === this.#waiting.length) {
      this.#waiting = [];
      this.#head = 0;
      this.#parked = false;
      this.#idle?.();
    } else {
      if (this.#head > 1024) {
        this.#waiting.splice(0, this.#head);
        this.#head = 0;
      }
      this.#native.park(this.#seen);
    }
  };
}

/** What RocksDB says of a damaged table, led by what it is about. */
function clearer(reason: string): string {
  const text = reason.replace(/^rocksdb: Corruption: /, "");
  const table = /\b(\S+\.sst)\b/.exec(text)?.[1];
  return table === undefined || text === reason
    ? reason
    : `table file ${table} is damaged: ${text}`;
}

/** Turns what the addon throws into `io`, and what it was told wrongly into `bad-input`. */
function told<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const invalid = error instanceof Error && Reflect.get(error, "code") === "InvalidArg";
    const damaged = /Corruption|damaged|BlueFS: /.test(reason);
    throw new OsdynoError(
      invalid ? "bad-input" : "io",
      `key-value store rocksdb: ${clearer(reason)}`,
      damaged ? { damaged: true } : {},
      error,
    );
  }
}

function pathOf(device: KvDevice, role: KvDeviceRole): string {
  if (device.path === null) {
    throw new OsdynoError(
      "bad-input",
      `key-value store rocksdb works on a file or device, and the ${role} device is neither; use waltree`,
    );
  }
  return device.path;
}

/**
 * The main device is the DB device of BlueFS, or its slow one behind a DB device of its own. An
 * allocator in TypeScript gives no space to native threads: then there is no slow device.
 */
function layoutOf(context: KvOpenContext): Layout {
  const { main, db, wal } = context.devices;
  const own = (device: KvDevice | null, role: KvDeviceRole) =>
    device === null ? null : { path: pathOf(device, role), shared: false };
  const usable = context.readOnly || typeof context.space.handle === "number";
  if (!usable && db === null) {
    throw new OsdynoError(
      "bad-input",
      "key-value store rocksdb shares the device with the store and needs one of the built-in allocators; choose one, give it a DB device of its own, or use waltree",
    );
  }
  const shared = usable ? { path: pathOf(main, "main"), shared: true } : null;
  return {
    devices: [own(wal, "wal"), own(db, "db") ?? shared, db === null ? null : shared],
    roles: ["wal", db === null ? "main" : "db", "main"],
  };
}

/** A tuning parameter that was set, as a number. */
function numberOf(context: KvOpenContext, name: string): number | undefined {
  const value = context.options[name];
  return value === undefined ? undefined : Number(value);
}

function textOf(context: KvOpenContext, name: string, otherwise: string): string {
  const value = context.options[name];
  return value === undefined || value === "" ? otherwise : String(value);
}

/** RocksDB's own options tell the policy how large its levels are. */
function rocksdbNumber(options: string, name: string): number | undefined {
  const found = [...options.matchAll(new RegExp(`(?:^|[,;])\\s*${name}=(\\d+)`, "g"))].at(-1);
  return found === undefined ? undefined : Number(found[1]);
}

/** Tuning of BlueFS by Ceph's names; what is not set is the native side's default. */
function bluefsOf(context: KvOpenContext, options: string): Record<string, unknown> {
  return {
    allocBytes: numberOf(context, "bluefs_alloc_size"),
    sharedAllocBytes: numberOf(context, "bluefs_shared_alloc_size"),
    minFlushBytes: numberOf(context, "bluefs_min_flush_size"),
    logRunwayBytes: numberOf(context, "bluefs_min_log_runway"),
    logGrowthBytes: numberOf(context, "bluefs_max_log_runway"),
    logCompactMinBytes: numberOf(context, "bluefs_log_compact_min_size"),
    logCompactRatio: numberOf(context, "bluefs_log_compact_min_ratio"),
    logCompactSync: context.options["bluefs_compact_log_sync"],
    walRecycleBytes: Math.min(mostRecycledBytes, logLimitBytes(context)),
    buffered: context.options["bluefs_buffered_io"],
    policy: context.options["bluestore_volume_selection_policy"],
    reservedFactor: numberOf(context, "bluestore_volume_selection_reserved_factor"),
    reservedBytes: numberOf(context, "bluestore_volume_selection_reserved"),
    levelBaseBytes: rocksdbNumber(options, "max_bytes_for_level_base"),
    levelMultiplier: rocksdbNumber(options, "max_bytes_for_level_multiplier"),
  };
}

const mostLogBytes = 2 ** 30;
/** Space of ended logs that is kept for the next ones. */
const mostRecycledBytes = 32 * 2 ** 20;

/**
 * Write-ahead logs together, bytes: RocksDB's own limit suits devices of 32 GiB and more; on smaller ones
 * the logs would fill the device before the first table is written.
 */
function logLimitBytes({ devices }: KvOpenContext): number {
  const { main, db, wal } = devices;
  // Tables of as much are written beside the logs, so these count as well with a device of their own.
  const tables = db === null ? main.sizeBytes / 32 : db.sizeBytes / 8;
  const share = wal === null ? tables : Math.min(2 * tables, wal.sizeBytes / 2);
  return Math.min(mostLogBytes, Math.max(2 ** 20, Math.floor(share)));
}

/** A limit of the logs together that was set; the built-in one suits large devices only. */
function setLogLimit(options: string): number | undefined {
  const limit = rocksdbNumber(options, "max_total_wal_size");
  return limit === mostLogBytes || limit === 0 ? undefined : limit;
}

/**
 * RocksDB's options: as set, the annex last. What is not set of the sizes of logs and memtables, or set to
 * what is built in, keeps to the device's size. Throws `bad-input` when logs that were asked for leave no room.
 */
function databaseOptions(context: KvOpenContext, builtIn: string): string {
  const set = textOf(context, "bluestore_rocksdb_options", "");
  const annex = textOf(context, "bluestore_rocksdb_options_annex", "");
  const asked = `${set},${annex}`;
  const parts = [set === "" ? builtIn : set];
  const wanted = setLogLimit(asked);
  const limit = wanted ?? logLimitBytes(context);
  const { main, db } = context.devices;
  if (db === null && 4 * limit > main.sizeBytes) {
    const most = Math.floor(main.sizeBytes / 4);
    throw new OsdynoError(
      "bad-input",
      `bluestore_rocksdb_options: max_total_wal_size=${limit} leaves no room on ${main.path}: its logs and the tables made of them take twice as much, beside the data; give ${most} or less, or none`,
    );
  }
  if (set === "" || rocksdbNumber(asked, "write_buffer_size") === undefined) {
    // A log is preallocated as long as a memtable gets.
    parts.push(`write_buffer_size=${Math.max(2 ** 18, Math.min(2 ** 23, limit / 8))}`);
  }
  if (annex !== "") {
    parts.push(annex);
  }
  // The last one counts.
  parts.push(`max_total_wal_size=${limit}`);
  return parts.join(",");
}

/** Tables are written of all that the logs hold before these go, and a level's are merged beside it. */
function growthOf(context: KvOpenContext, options: string): number {
  return context.devices.db === null ? 2 * logsOf(options) : 0;
}

function logsOf(options: string): number {
  return rocksdbNumber(options, "max_total_wal_size") ?? mostLogBytes;
}

function uuidOf(random: Random): string {
  const word = () => random.bits32().toString(16).padStart(8, "0");
  return `${word()}${word()}${word()}${word()}`;
}

function open(context: KvOpenContext): RocksdbStore {
  const addon = native();
  const text = (name: string) => (addon[name] as () => string)();
  const { handle } = context.space;
  const { db, wal } = context.devices;
  const layout = layoutOf(context);
  const options = databaseOptions(context, text("rocksdbOptions"));
  const spec = {
    devices: layout.devices,
    allocator: typeof handle === "number" ? handle : null,
    create: context.create,
    readOnly: context.readOnly,
    salvage: context.readOnly && context.salvage !== undefined,
    uuid: uuidOf(context.random),
    owner: "0",
    families: textOf(context, "bluestore_rocksdb_cfs", text("rocksdbFamilies")),
    options,
    operators: Object.entries(context.mergeOperators),
    cacheBytes: defaultCacheBytes,
    bloomBits: numberOf(context, "rocksdb_bloom_bits_per_key") ?? 20,
    blockBytes: numberOf(context, "rocksdb_block_size") ?? 4096,
    bluefs: bluefsOf(context, options),
  };
  const Side = addon["NativeKvStore"] as new (spec: string) => NativeSide;
  return new RocksdbStore(
    told(() => new Side(JSON.stringify(spec))),
    layout.roles,
    growthOf(context, options),
    {
      dbBytes: db?.sizeBytes ?? 0,
      logBytes: logsOf(options),
      premises: db === null && wal === null,
    },
    context.readOnly ? context.salvage : undefined,
  );
}

export const rocksdbEngine: KeyValueEngine = {
  hotPath: "kv",
  name: "rocksdb",
  describe: "RocksDB on BlueFS, on the devices of the store",
  get unavailable(): string | null {
    const addon = native();
    const built = (addon["hasRocksdb"] as () => boolean)();
    return built ? null : `not built in; ${(addon["rocksdbHint"] as () => string)()}`;
  },
  uses: "native",
  open: async (context) => open(context),
};
