/** `--plugin FILE`: implementations of hot paths from modules of the user's, checked and registered. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import { allocatorOfPlugIn } from "../engine/hot/allocator/plug-in.ts";
import { createAllocator, registerAllocator } from "../engine/hot/allocator/registry.ts";
import { cacheOfPlugIn } from "../engine/hot/cache/plug-in.ts";
import { openCache, registerCache } from "../engine/hot/cache/registry.ts";
import { checksumOfPlugIn } from "../engine/hot/checksum/plug-in.ts";
import { openChecksum, registerChecksum } from "../engine/hot/checksum/registry.ts";
import { clientCacheOfPlugIn } from "../engine/hot/clientcache/plug-in.ts";
import { clientCacheKind, registerClientCache } from "../engine/hot/clientcache/registry.ts";
import { compressorOfPlugIn } from "../engine/hot/compressor/plug-in.ts";
import { openCompressor, registerCompressor } from "../engine/hot/compressor/registry.ts";
import { engineOfPlugIn } from "../engine/hot/ioengine/plug-in.ts";
import { openBlockDevice, registerBlockEngine } from "../engine/hot/ioengine/registry.ts";
import { kvEngineOfPlugIn } from "../engine/hot/kv/plug-in.ts";
import { openKeyValueStore, registerKeyValueEngine } from "../engine/hot/kv/registry.ts";
import { schedulerOfPlugIn } from "../engine/hot/scheduler/plug-in.ts";
import { openScheduler, registerScheduler } from "../engine/hot/scheduler/registry.ts";
import { writeLogOfPlugIn } from "../engine/hot/writelog/plug-in.ts";
import { registerWriteLog, writeLogKind } from "../engine/hot/writelog/registry.ts";
import { addChoice } from "../engine/options/value.ts";
import { RealClock } from "../engine/os/clock.ts";
import { type ConformanceReport, conformPlugIn, importPlugIn } from "./bench/conform.ts";

/** A plug-in that takes part in a run, as the run records it. */
export interface LoadedPlugIn {
  readonly file: string;
  readonly sha256: string;
  readonly hot_path: ConformanceReport["hotPath"];
  readonly name: string;
  /** Of the conformance suite that it passed. */
  readonly checks: number;
  readonly seed: number;
}

type Register = (exported: unknown, file: string) => void;

const registers: Readonly<Record<ConformanceReport["hotPath"], Register>> = {
  allocator: (exported, file) =>
    registerAllocator(allocatorOfPlugIn(exported, { create: createAllocator }, file)),
  cache: (exported, file) => {
    const kind = cacheOfPlugIn(exported, { open: openCache }, file);
    registerCache(kind);
    addChoice("rbd_cache_eviction", kind.name);
  },
  checksum: (exported, file) => {
    const kind = checksumOfPlugIn(exported, { open: openChecksum }, {}, file);
    registerChecksum(kind);
    addChoice("bluestore_csum_type", kind.name);
  },
  compressor: (exported, file) => {
    const kind = compressorOfPlugIn(exported, { open: openCompressor }, file);
    registerCompressor(kind);
    addChoice("bluestore_compression_algorithm", kind.name);
  },
  ioengine: (exported, file) => {
    const clock = new RealClock();
    const engine = engineOfPlugIn(exported, { clock, open: openBlockDevice }, file);
    registerBlockEngine(engine);
    addChoice("bdev_ioengine", engine.name);
  },
  kv: (exported, file) =>
    registerKeyValueEngine(kvEngineOfPlugIn(exported, { open: openKeyValueStore }, file)),
  clientcache: (exported, file) => {
    const kind = clientCacheOfPlugIn(exported, { kind: clientCacheKind }, file);
    registerClientCache(kind);
    addChoice("rbd_cache_policy", kind.name);
  },
  writelog: (exported, file) => {
    const kind = writeLogOfPlugIn(exported, { kind: writeLogKind }, file);
    registerWriteLog(kind);
    addChoice("rbd_persistent_cache_mode", kind.name);
  },
  scheduler: (exported, file) => {
    const kind = schedulerOfPlugIn(exported, { open: openScheduler }, file);
    registerScheduler(kind);
    addChoice("osd_op_queue", kind.name);
  },
};

const loaded = new Map<string, LoadedPlugIn>();

/**
 * Loads plug-ins: each must pass the conformance suite of its hot path. Throws `bad-input` with one line
 * for one that does not, that is none, or whose name is taken. A file that was loaded before counts once.
 */
export async function loadPlugIns(files: readonly string[]): Promise<void> {
  for (const given of files) {
    const file = resolve(given);
    if (!loaded.has(file)) {
      loaded.set(file, await loadOne(file));
    }
  }
}

/** What was loaded so far. */
export function loadedPlugIns(): readonly LoadedPlugIn[] {
  return [...loaded.values()];
}

/** Of the conformance suites: what a run refuses, the next one refuses too. */
const seed = 1;

async function loadOne(file: string): Promise<LoadedPlugIn> {
  const report = await conformPlugIn(file, seed, () => {});
  const failed = report.results.find(({ outcome }) => outcome === "failed");
  if (failed !== undefined) {
    const many = report.results.filter(({ outcome }) => outcome === "failed").length;
    const more = many > 1 ? ` (and ${many - 1} more checks; osdyno bench --conform shows all)` : "";
    throw new OsdynoError(
      "bad-input",
      `--plugin ${file}: ${report.hotPath} ${report.name} does not conform: ${failed.check}: ${failed.reason}${more}`,
    );
  }
  registers[report.hotPath](await importPlugIn(file), file);
  return {
    file,
    sha256: createHash("sha256").update(readFileSync(file)).digest("hex"),
    hot_path: report.hotPath,
    name: report.name,
    checks: report.results.filter(({ outcome }) => outcome === "passed").length,
    seed,
  };
}
