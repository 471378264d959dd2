/**
 * The memory of a mounted store: how much onodes, data and the key-value store's cache may have. With
 * autotuning their sum follows what the process has mapped, their shares what is young in them; without,
 * both are as configured. Everything happens in passing: as long as nothing uses the store, no timer runs.
 */
import {
  type AutotuneOptions,
  autotuneDefaults,
  balance,
  type CacheShare,
  cacheBounds,
  type TunedCache,
  tuneMemory,
  wantsByAge,
} from "../../hot/cache/autotune.ts";
import type { CachePolicy } from "../../hot/cache/cache.ts";
import type { KeyValueStore } from "../../hot/kv/kv.ts";
import type { CancelTimer, Clock } from "../../port/clock.ts";
import type { MemoryMeter } from "../../port/memory-meter.ts";

/** How a store uses memory; names in Ceph's options beside. */
export interface MemoryOptions extends AutotuneOptions {
  /** `bluestore_cache_autotune` */
  readonly autotune: boolean;
  /** `osd_memory_target_cgroup_limit_ratio`; 0: the limit of the control group does not matter. */
  readonly limitRatio: number;
  /** `bluestore_cache_meta_ratio`, `_kv_ratio`, `_kv_onode_ratio`; data has the rest. */
  readonly metaRatio: number;
  readonly kvRatio: number;
  readonly kvOnodeRatio: number;
  /** `bluestore_cache_size`: all caches, without autotuning. */
  readonly cacheBytes: number;
  /** `osd_memory_cache_resize_interval`; 0: never. */
  readonly resizeNs: number;
  /** `bluestore_cache_autotune_interval` */
  readonly balanceNs: number;
  /** `bluestore_cache_age_bin_interval` */
  readonly ageBinNs: number;
  /** `bluestore_cache_trim_interval`; 0: with every operation. */
  readonly trimNs: number;
  /** `osd_num_cache_shards` */
  readonly shards: number;
}

/** What the tuner works on. */
export interface MemoryHost {
  readonly clock: Clock;
  readonly kv: KeyValueStore;
  readonly onodes: CachePolicy;
  readonly buffers: CachePolicy;
  /** Null: the process is thought to be `osd_memory_base` and the caches. */
  readonly meter: MemoryMeter | null;
  /** Caches shrink to what they may hold now. */
  readonly trim: () => void;
}

/** Caches of these sizes, kept to them with every operation. */
export function fixedCaches(metaBytes: number, dataBytes: number, kvBytes: number): MemoryOptions {
  const cacheBytes = metaBytes + dataBytes + kvBytes;
  return {
    ...autotuneDefaults,
    autotune: false,
    limitRatio: 0,
    metaRatio: cacheBytes === 0 ? 0 : metaBytes / cacheBytes,
    kvRatio: cacheBytes === 0 ? 0 : kvBytes / cacheBytes,
    kvOnodeRatio: 0,
    cacheBytes,
    resizeNs: 0,
    balanceNs: 0,
    ageBinNs: 0,
    trimNs: 0,
    shards: 1,
  };
}

/** Bins of age that a policy tells apart: after a long rest more need not be shifted. */
const mostShifts = 721;

/** Something done at intervals, counted from when it is first asked for. */
class Interval {
  readonly #everyNs: number;
  #lastNs: number;

  constructor(everyNs: number, nowNs: number) {
    this.#everyNs = everyNs;
    this.#lastNs = nowNs;
  }

  get nextNs(): number {
    return this.#everyNs > 0 ? this.#lastNs + this.#everyNs : Number.POSITIVE_INFINITY;
  }

  /** How often it has come due since the last call. */
  due(nowNs: number): number {
    const count = this.#everyNs > 0 ? Math.floor((nowNs - this.#lastNs) / this.#everyNs) : 0;
    this.#lastNs += count * this.#everyNs;
    return count;
  }
}

export class StoreMemory {
  readonly options: MemoryOptions;
  /** What the caches may hold now. */
  metaBytes = 0;
  dataBytes = 0;
  /** The key-value store's cache, that of onodes' records included. */
  kvBytes = 0;
  /** The target as the control group allows it. */
  readonly targetBytes: number;
  /** All caches together, by autotuning. */
  tunedBytes = 0;
  /** When it was last looked at. */
  mappedBytes = 0;
  shares: readonly CacheShare[] = [];
  readonly #host: MemoryHost;
  readonly #trims: Interval;
  readonly #resizes: Interval;
  readonly #balances: Interval;
  readonly #ageBins: Interval;
  #timer: CancelTimer | null = null;
  #stopped = false;

  constructor(host: MemoryHost, options: MemoryOptions) {
    this.#host = host;
    this.options = options;
    const { meter, clock } = host;
    const none = Number.POSITIVE_INFINITY;
    const limit = options.limitRatio > 0 ? (meter?.limitBytes() ?? none) : none;
    this.targetBytes = Math.min(options.osd_memory_target, limit * (options.limitRatio || 1));
    const nowNs = clock.nowNs();
    const tunes = options.autotune;
    this.#trims = new Interval(options.trimNs, nowNs);
    this.#ageBins = new Interval(tunes ? options.ageBinNs : 0, nowNs);
    this.#resizes = new Interval(tunes ? options.resizeNs : 0, nowNs);
    this.#balances = new Interval(tunes ? options.balanceNs : 0, nowNs);
    if (tunes) {
      this.tunedBytes = cacheBounds(this.#autotuneOptions).maxBytes;
      this.#balance();
    } else {
      this.#fix();
    }
  }

  get #autotuneOptions(): AutotuneOptions {
    return { ...this.options, osd_memory_target: this.targetBytes };
  }

  /** The store is used: brings its caches to their size, at once or within the interval. */
  used(): void {
    if (this.options.trimNs === 0) {
      this.#host.trim();
    }
    if (this.#timer === null && !this.#stopped) {
      const dues = [this.#trims, this.#ageBins, this.#resizes, this.#balances];
      const nextNs = Math.min(...dues.map((due) => due.nextNs));
      if (Number.isFinite(nextNs)) {
        this.#timer = this.#host.clock.at(nextNs, this.#tick);
      }
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.();
    this.#timer = null;
  }

  readonly #tick = (): void => {
    this.#timer = null;
    const { clock, onodes, buffers } = this.#host;
    const nowNs = clock.nowNs();
    const shifts = Math.min(mostShifts, this.#ageBins.due(nowNs));
    for (let shift = 0; shift < shifts; shift += 1) {
      onodes.shiftAgeBins();
      buffers.shiftAgeBins();
    }
    const before = this.tunedBytes;
    if (this.#resizes.due(nowNs) > 0) {
      this.#resize();
    }
    // What is to be given back is not put off.
    if (this.#balances.due(nowNs) > 0 || this.tunedBytes < before) {
      this.#balance();
    }
    if (this.#trims.due(nowNs) > 0 || this.tunedBytes < before) {
      this.#host.trim();
    }
  };

  /** Shares as configured. A key-value store that holds everything in memory anyhow has none of this. */
  #fix(): void {
    const { cacheBytes, metaRatio, kvRatio, kvOnodeRatio } = this.options;
    const bytes = (ratio: number): number => Math.round(cacheBytes * Math.max(0, ratio));
    this.metaBytes = bytes(metaRatio);
    this.dataBytes = bytes(1 - metaRatio - kvRatio - kvOnodeRatio);
    this.#setKv(bytes(kvRatio + kvOnodeRatio));
  }

  #balance(): void {
    const { onodes, buffers } = this.#host;
    const { metaRatio, kvRatio, kvOnodeRatio } = this.options;
    const dataRatio = Math.max(0, 1 - metaRatio - kvRatio - kvOnodeRatio);
    const kv = kvCacheBytes(this.#host.kv);
    const all = metaRatio + dataRatio + (kv === null ? 0 : kvRatio + kvOnodeRatio);
    const caches: TunedCache[] = [
      { name: "meta", ratio: metaRatio / (all || 1), wants: wantsByAge(onodes) },
      { name: "data", ratio: dataRatio / (all || 1), wants: wantsByAge(buffers) },
    ];
    if (kv !== null) {
      // It does not tell how old what it holds is: all of it counts as young, as in Ceph before age bins.
      caches.push({ name: "kv", ratio: (kvRatio + kvOnodeRatio) / (all || 1), wants: [0, kv] });
    }
    this.shares = balance(this.tunedBytes, caches);
    const room = (name: string) =>
      this.shares.find((share) => share.name === name)?.committedBytes ?? 0;
    this.metaBytes = room("meta");
    this.dataBytes = room("data");
    this.#setKv(room("kv"));
  }

  #setKv(bytes: number): void {
    this.kvBytes = kvCacheBytes(this.#host.kv) === null ? 0 : bytes;
    this.#host.kv.setCacheBytes(bytes);
  }

  #resize(): void {
    const options = this.#autotuneOptions;
    this.mappedBytes = this.#mapped();
    const bounds = cacheBounds(options);
    this.tunedBytes = tuneMemory(this.tunedBytes, this.mappedBytes, this.targetBytes, bounds);
  }

  #mapped(): number {
    const { meter, onodes, buffers, kv } = this.#host;
    const caches = onodes.stats.bytes + buffers.stats.bytes + (kvCacheBytes(kv) ?? 0);
    return meter?.mappedBytes() ?? this.options.osd_memory_base + caches;
  }
}

/** What the key-value store's cache holds; null: it has none. */
function kvCacheBytes(kv: KeyValueStore): number | null {
  for (const [name, value] of Object.entries(kv.counters())) {
    if (/(^|_)cache_bytes_now$/.test(name)) {
      return value;
    }
  }
  return null;
}
