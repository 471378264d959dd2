/** The hot paths that have a bench and an exported conformance suite. */
import { allocatorKinds } from "../../engine/hot/allocator/registry.ts";
import { cacheKinds } from "../../engine/hot/cache/registry.ts";
import { checksumKinds } from "../../engine/hot/checksum/registry.ts";
import { clientCacheKinds } from "../../engine/hot/clientcache/registry.ts";
import { compressorKinds } from "../../engine/hot/compressor/registry.ts";
import { blockEngines } from "../../engine/hot/ioengine/registry.ts";
import { keyValueEngines } from "../../engine/hot/kv/registry.ts";
import { schedulerKinds } from "../../engine/hot/scheduler/registry.ts";
import { writeLogKinds } from "../../engine/hot/writelog/registry.ts";
import { cacheBench } from "./cache.ts";
import { checksumBench } from "./checksum.ts";
import { clientCacheBench } from "./clientcache.ts";
import { compressorBench } from "./compressor.ts";
import type { MicroPlan } from "./micro.ts";
import { schedulerBench } from "./scheduler.ts";
import { stageSubjects } from "./stages.ts";

export interface BenchedHotPath {
  readonly name: string;
  readonly describe: string;
  /** What there is to choose from. */
  implementations(): readonly { readonly name: string; readonly describe: string }[];
  /** For those that need the processor alone; `null`: the bench has a module of its own. */
  readonly micro: ((seed: number, only: string | null) => MicroPlan) | null;
}

export const benchedHotPaths: readonly BenchedHotPath[] = [
  {
    name: "ioengine",
    describe:
      "block I/O engines: 4 KiB random reads and writes on a scratch file at depths 1, 16 and 64",
    implementations: blockEngines,
    micro: null,
  },
  {
    name: "checksum",
    describe: "checksums of blobs of 4 and 64 KiB in chunks of 4 KiB, beside ISA-L where it is",
    implementations: checksumKinds,
    micro: checksumBench,
  },
  {
    name: "compressor",
    describe: "compressors of blobs of 4 and 64 KiB, both ways: speed and ratio",
    implementations: compressorKinds,
    micro: compressorBench,
  },
  {
    name: "cache",
    describe: "cache policies on zipf, scan and loop traces: hit ratio and time for each access",
    implementations: cacheKinds,
    micro: cacheBench,
  },
  {
    name: "scheduler",
    describe: "op schedulers with 3, 100 and 1,000 clients: time to enqueue and to dequeue",
    implementations: schedulerKinds,
    micro: schedulerBench,
  },
  {
    name: "kv",
    describe: "key-value stores: fill, overwrite at depths 1, 16 and 64, get, scan, open",
    implementations: keyValueEngines,
    micro: null,
  },
  {
    name: "allocator",
    describe:
      "allocators: 4 KiB, 64 KiB and random sizes on a fresh, a worn and a self-aged device",
    implementations: allocatorKinds,
    micro: null,
  },
  {
    name: "store",
    describe:
      "the object store over each durable key-value store, beside the raw device: 4 KiB overwrites and reads, 4 MiB writes",
    implementations: () => keyValueEngines().filter(({ uses }) => uses !== "none"),
    micro: null,
  },
  {
    name: "writelog",
    describe:
      "write logs beside their device alone: durable writes of 4 KiB at depths 1, 4 and 16, and of 64 KiB",
    implementations: writeLogKinds,
    micro: null,
  },
  {
    name: "clientcache",
    describe:
      "client caches before an image in memory, beside that alone: 4 KiB reads and writes, time for each",
    implementations: clientCacheKinds,
    micro: clientCacheBench,
  },
  {
    name: "stages",
    describe:
      "what the stage breakdown of a run costs at depth 64, switched on and off within runs",
    implementations: () => stageSubjects,
    micro: null,
  },
];
