/** All that a mounted store counts, by section and under Ceph's names where Ceph counts it too. */
import { assert } from "../../base/assert.ts";
import type { PerfCounters, PerfSection, PerfValue } from "../../base/perf-counters.ts";
import type { KeyValueStore } from "../../hot/kv/kv.ts";
import type { StoreUsage } from "../object-store.ts";
import type { DeferredQueue } from "./deferred.ts";
import type { Pipeline } from "./pipeline.ts";
import type { StoreState } from "./state.ts";

/** A throttle that holds transactions back. */
export interface ThrottlePicture {
  readonly name: "bluestore_throttle_bytes" | "bluestore_throttle_deferred_bytes";
  readonly heldBytes: number;
  readonly mostBytes: number;
  /** Transactions that it let in, and their bytes. */
  readonly entered: number;
  readonly enteredBytes: number;
}

const counted: Readonly<Record<string, readonly [unit: string, description: string]>> = {
  txc: ["transactions", "submitted"],
  write_big: ["writes", "of whole units"],
  write_big_bytes: ["bytes", "written in whole units"],
  write_big_blobs: ["blobs", "made or filled by writes of whole units"],
  write_big_deferred: ["writes", "of whole units that went through the log"],
  write_small: ["writes", "of less than a unit"],
  write_small_bytes: ["bytes", "written in less than a unit"],
  write_small_unused: ["writes", "into parts of a blob that were never used"],
  write_small_deferred: ["writes", "of less than a unit that went through the log"],
  write_small_pre_read: ["reads", "of what a write had to be merged with"],
  write_small_new: ["writes", "of less than a unit to a new blob"],
  issued_deferred_writes: ["writes", "put into the log to be made in place later"],
  issued_deferred_write_bytes: ["bytes", "put into the log to be written in place later"],
  deferred_replayed: ["writes", "of the log made in place by the mount"],
  allocation_file_loaded: ["mounts", "that took the free space from the allocation file"],
  free_space_rebuilt: ["mounts", "that found the free space anew from the objects"],
  compress_success_count: ["blobs", "kept compressed"],
  compress_rejected_count: ["blobs", "that compression did not make small enough"],
  gc_merged: ["bytes", "rewritten to free partly used compressed blobs"],
  onode_reshard: ["maps", "of extents cut into other shards"],
  onode_shard_hits: ["shards", "of extent maps found in memory"],
  onode_shard_misses: ["shards", "of extent maps loaded"],
  read_eio: ["reads", "that failed for good, and damaged records"],
  reads_with_retries: ["reads", "that were right only when repeated"],
  csum_errors: ["reads", "with a wrong checksum"],
  kv_groups: ["commits", "of the key-value store"],
  kv_batches: ["transactions", "in the commits of the key-value store"],
  kv_premised: [
    "commits",
    "of the key-value store that shared their flush with the data of small writes",
  ],
  flushes: ["flushes", "of the device before commits"],
  discard_waits: ["commits", "that waited for the device to discard released space"],
};

function counter(value: number, unit: string, description: string): PerfValue {
  return { kind: "counter", unit, description, value };
}

function gauge(value: number, unit: string, description: string): PerfValue {
  return { kind: "gauge", unit, description, value };
}

/** Lengths of free extents that the histogram of free space is told for. */
const freeLengths = Object.freeze({
  "16k": 16 << 10,
  "64k": 64 << 10,
  "256k": 256 << 10,
  "1m": 1 << 20,
  "4m": 4 << 20,
});

/** How much of the free space lies in short extents: number and bytes of those below each length. */
function freeHistogram(state: StoreState): PerfSection {
  const lengths = Object.values(freeLengths);
  const counts = lengths.map(() => 0);
  const bytes = lengths.map(() => 0);
  state.allocator.forEachFree((_, lengthBytes) => {
    for (let at = lengths.length - 1; at >= 0 && lengthBytes < (lengths[at] as number); at -= 1) {
      counts[at] = (counts[at] as number) + 1;
      bytes[at] = (bytes[at] as number) + lengthBytes;
    }
  });
  const values: Record<string, PerfValue> = {};
  for (const [at, name] of Object.keys(freeLengths).entries()) {
    const what = `of free space shorter than ${name}`;
    values[`free_extents_below_${name}`] = gauge(counts[at] as number, "extents", what);
    values[`free_bytes_below_${name}`] = gauge(bytes[at] as number, "bytes", `in extents ${what}`);
  }
  return values;
}

/** Counters of the store itself. */
function own(state: StoreState, usage: StoreUsage, deferred: DeferredQueue): PerfSection {
  const { counters, onodes, buffers, blockBytes } = state;
  const values: Record<string, PerfValue> = { ...state.perf.pictures() };
  for (const [name, [unit, description]] of Object.entries(counted)) {
    values[name] = counter(counters[name] ?? 0, unit, `${unit} ${description}`);
  }
  const statistics = state.allocator.statistics();
  const meta = onodes.policy.stats;
  const data = buffers.policy.stats;
  return {
    ...values,
    space_wait: state.perf.waits.space.picture("transactions that had to wait for space"),
    submitted_deferred_writes: counter(
      deferred.ops,
      "writes",
      "sent in place from the log, after joining neighbours",
    ),
    submitted_deferred_write_bytes: counter(
      deferred.opBytes,
      "bytes",
      "written in place from the log",
    ),
    allocated: gauge(usage.allocatedBytes, "bytes", "space of data on the device"),
    stored: gauge(usage.storedBytes, "bytes", "data that objects refer to"),
    compressed_original: gauge(
      usage.compressedOriginalBytes,
      "bytes",
      "compressed data, as it was",
    ),
    compressed_allocated: gauge(
      usage.compressedAllocatedBytes,
      "bytes",
      "space of compressed data",
    ),
    total: gauge(usage.totalBytes, "bytes", "size of the store"),
    free: gauge(usage.freeBytes, "bytes", "space that writes may still take"),
    alloc_unit: gauge(state.unitBytes, "bytes", "bluestore_min_alloc_size"),
    fragmentation_micros: gauge(
      Math.round(statistics.fragmentation * 1e6),
      "millionths",
      "(free extents - 1) / (free units - 1)",
    ),
    fragmentation_score: gauge(
      statistics.fragmentationScore,
      "ratio",
      "of free space by Ceph 17's formula over bytes: 0 is best, 1 is worst",
    ),
    free_extents: gauge(statistics.freeExtents, "extents", "of free space"),
    largest_free_extent: gauge(statistics.largestFreeBytes, "bytes", "in the largest free extent"),
    ...freeHistogram(state),
    allocator_memory: gauge(statistics.memoryBytes, "bytes", "of memory for the map of free space"),
    onodes: gauge(meta.entries, "onodes", "in memory"),
    onode_bytes: gauge(meta.bytes, "bytes", "of onodes in memory, estimated"),
    pinned_onodes: gauge(onodes.pinned, "onodes", "in use by transactions and reads"),
    onode_hits: counter(meta.hits, "look-ups", "of onodes that were in memory"),
    onode_misses: counter(meta.misses, "look-ups", "of onodes that were not in memory"),
    onode_evictions: counter(meta.evictions, "onodes", "let go to make room"),
    buffers: gauge(data.entries, "blocks", "of data in memory"),
    buffer_bytes: gauge(data.bytes, "bytes", "of data in memory"),
    buffer_hit_bytes: counter(data.hits * blockBytes, "bytes", "read from memory"),
    buffer_miss_bytes: counter(data.misses * blockBytes, "bytes", "not found in memory"),
    buffer_evictions: counter(data.evictions, "blocks", "of data let go to make room"),
  };
}

function device(state: StoreState): PerfSection {
  const { reads, readBytes, writes, writtenBytes, flushes, readErrors } = state.io.counters;
  const { durableWrites } = state.io.counters;
  const { discards, discardedBytes } = state.io.counters;
  return {
    reads: counter(reads, "operations", "reads of the store itself from its main device"),
    read_bytes: counter(readBytes, "bytes", "read by the store itself"),
    writes: counter(writes, "operations", "data writes, direct and deferred"),
    write_bytes: counter(writtenBytes, "bytes", "of data written, direct and deferred"),
    durable_writes: counter(durableWrites, "operations", "data writes durable by themselves (FUA)"),
    flushes: counter(flushes, "operations", "flushes of the main device by the store itself"),
    discards: counter(discards, "operations", "trims of space that became free"),
    discard_bytes: counter(discardedBytes, "bytes", "trimmed on the device"),
    read_errors: counter(readErrors, "operations", "reads that the device failed"),
  };
}

/** BlueFS counters whose name in Ceph is another. */
const bluefsNames: Readonly<Record<string, string>> = {
  log_bytes: "logged_bytes",
  log_transactions: "log_write_count",
};

/** What counters of key-value stores mean, without prefix and `_now`. */
const kvMeanings: Readonly<Record<string, string>> = {
  logged_bytes: "written to the log of BlueFS, padding included",
  log_write_count: "transactions of the log of BlueFS",
  log_compactions: "rewrites of the log of BlueFS",
  bytes_written_wal: "written to write-ahead logs, padding and rewritten tails included",
  bytes_written_sst: "written to other files",
  read_bytes: "read from the devices",
  written_bytes: "written to the devices",
  flushes: "flushes of the devices",
  memtable_flushes: "memtables written as tables",
  memtable_flush_bytes: "of tables that memtables became",
  wal_recycled_bytes: "of extents that one write-ahead log handed on to the next",
  spilled_bytes: "of space given on a slower device than meant",
  spilled_held_bytes: "of files that are on a slower device than meant",
  wal_used_bytes: "in use on the WAL device",
  db_used_bytes: "in use on the DB device",
  slow_used_bytes: "in use on the main device",
  commits: "asked for by the store",
  commit_groups: "written together",
  batch_bytes: "of operations in commits",
  sync_ns: "spent in commits, by the thread that writes them",
  keys: "keys in memory",
  bytes: "of keys and values in memory",
};

function unitOf(name: string): string {
  if (name.endsWith("_ns")) {
    return "ns";
  }
  return /(^|_)bytes(_|$)|_capacity$/.test(name) ? "bytes" : "operations";
}

/** `bluefs`, and what the key-value store above it counts. Each MUST have a name of its own. */
export function keyValueCounters(kv: KeyValueStore): Record<string, PerfSection> {
  const sections: Record<string, Record<string, PerfValue>> = { [kv.facts.name]: {} };
  for (const [given, value] of Object.entries(kv.counters())) {
    const section = given.startsWith("bluefs_") ? "bluefs" : kv.facts.name;
    const now = given.endsWith("_now");
    const bare = given.replace(/_now$/, "").replace(new RegExp(`^(bluefs|${kv.facts.name})_`), "");
    const name = section === "bluefs" ? (bluefsNames[bare] ?? bare) : bare;
    const meaning = kvMeanings[name] ?? bare.replaceAll("_", " ");
    sections[section] ??= {};
    assert(!Object.hasOwn(sections[section], name), "two counters of a key-value store, one name");
    sections[section][name] = (now ? gauge : counter)(value, unitOf(bare), meaning);
  }
  return sections;
}

function throttle(state: StoreState, picture: ThrottlePicture): PerfSection {
  const { heldBytes, mostBytes, entered, enteredBytes } = picture;
  const values: PerfSection = {
    val: gauge(heldBytes, "bytes", "held now"),
    max: gauge(mostBytes, "bytes", "from which on transactions wait"),
    get: counter(entered, "transactions", "let in"),
    get_sum: counter(enteredBytes, "bytes", "let in"),
  };
  const wait = state.perf.waits[picture.name];
  return { ...values, wait: wait.picture("transactions that had to wait for it") };
}

/** The division of memory: all caches, and each by the priority of what it got memory for. */
function memory(state: StoreState): Record<string, PerfSection> {
  const { memory, onodes, buffers } = state;
  const caches = onodes.policy.stats.bytes + buffers.policy.stats.bytes;
  const sections: Record<string, PerfSection> = {
    "bluestore-pricache": {
      target_bytes: gauge(memory.targetBytes, "bytes", "osd_memory_target, as far as allowed"),
      mapped_bytes: gauge(memory.mappedBytes, "bytes", "of the process, at the last look"),
      cache_bytes: gauge(memory.tunedBytes, "bytes", "that caches may have; 0: not tuned"),
      held_bytes: gauge(caches, "bytes", "that onodes and data have"),
      meta_bytes: gauge(memory.metaBytes, "bytes", "that onodes may have"),
      data_bytes: gauge(memory.dataBytes, "bytes", "that data may have"),
      kv_bytes: gauge(memory.kvBytes, "bytes", "that the key-value store's cache may have"),
    },
  };
  for (const { name, byPriority, bytes, committedBytes } of memory.shares) {
    const values: Record<string, PerfValue> = {};
    for (const [priority, got] of byPriority.entries()) {
      values[`pri${priority}_bytes`] = gauge(got, "bytes", `given at priority ${priority}`);
    }
    values["reserved_bytes"] = gauge(committedBytes - bytes, "bytes", "room to grow");
    values["committed_bytes"] = gauge(committedBytes, "bytes", "that it may have");
    sections[`bluestore-pricache:${name}`] = values;
  }
  return sections;
}

/**
 * A picture of every counter. It asks the allocator for its statistics, which takes time in the number of
 * free extents: not for every operation.
 */
export function storePerfCounters(
  state: StoreState,
  usage: StoreUsage,
  pipeline: Pipeline,
): PerfCounters {
  const named = pipeline
    .throttles()
    .map((each) => [`throttle-${each.name}`, throttle(state, each)] as const);
  return {
    bluestore: own(state, usage, pipeline.deferred),
    ...Object.fromEntries(named),
    ...memory(state),
    bdev: device(state),
    ...keyValueCounters(state.kv),
  };
}
