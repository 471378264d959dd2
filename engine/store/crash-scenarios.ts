/** The scenarios of object stores that `osdyno simulate` knows. */
import { opKinds } from "../port/block-device.ts";
import type { CrashScenario } from "../sim/crashes.ts";
import { type PlantedBug, plantedBugs } from "./planted-bugs.ts";
import { blueStoreScenario } from "./scenario-bluestore.ts";
import { overwriteScenario } from "./scenario-overwrite.ts";

/** What scenarios have unless they say otherwise. */
export const usualScenario = {
  canary: false,
  bug: null,
  separate: false,
  logBytes: 512 << 10,
  transactions: 60,
  sizeBytes: 12 << 20,
  fua: true,
  faults: [],
  allocator: "hybrid",
  objects: 6,
  filledBytes: 0,
  options: {},
};

/** Small limits, so that a short history has many shards and batches. */
const small = {
  shardMaxBytes: 200,
  shardTargetBytes: 100,
  shardMinBytes: 30,
  metaCacheBytes: 4000,
};

const overwrites = {
  ...usualScenario,
  transactions: 120,
  fua: false,
  logBytes: 256 << 10,
  allocator: "first-fit",
  options: small,
};

/** One for each bug that crashes bring to light; a blind checksum takes a disk that loses data. */
function plantedScenarios(): readonly CrashScenario[] {
  return (Object.entries(plantedBugs) as [PlantedBug, string][])
    .filter(([bug]) => bug !== "blind-checksum" && bug !== "lost-premises")
    .map(([bug, what]) =>
      blueStoreScenario({
        ...usualScenario,
        name: `bluestore-${bug}`,
        describe: `a planted bug that MUST be found: ${what}`,
        canary: true,
        bug,
        fua: false,
        options: {
          preferDeferredBytes: 65536,
          deferredBatchOps: 4,
          maxDeferIntervalNs: 2e6,
          allocationFromFile: bug === "stale-file",
        },
      }),
    );
}

export const storeScenarios: readonly CrashScenario[] = [
  blueStoreScenario({
    ...usualScenario,
    name: "bluestore",
    describe:
      "BlueStore over waltree, as on a solid-state disk; large writes are durable by themselves",
    options: { durableWriteBytes: 16384 },
  }),
  blueStoreScenario({
    ...usualScenario,
    name: "bluestore-deferred",
    describe:
      "BlueStore with deferred writes and the bitmap freelist, on a disk that knows flushes only",
    fua: false,
    allocator: "bitmap",
    logBytes: 96 << 10,
    options: {
      ...small,
      preferDeferredBytes: 65536,
      deferredBatchOps: 4,
      maxDeferIntervalNs: 2e6,
      allocationFromFile: false,
    },
  }),
  blueStoreScenario({
    ...usualScenario,
    name: "bluestore-compressed",
    describe: "BlueStore with compressed blobs and small shards; written data stays in the cache",
    allocator: "avl",
    options: {
      ...small,
      compressionMode: "force",
      compressionAlgorithm: "lz4",
      bufferedWrite: true,
      durableWriteBytes: 8192,
    },
  }),
  blueStoreScenario({
    ...usualScenario,
    name: "bluestore-full",
    describe: "BlueStore on a disk that gets full and is told what space is free",
    transactions: 100,
    sizeBytes: 9 << 20,
    allocator: "btree",
    objects: 20,
    filledBytes: 6700 << 10,
    options: { allocationFromFile: false, discard: true },
  }),
  blueStoreScenario({
    ...usualScenario,
    name: "bluestore-separate",
    describe: "BlueStore with the key-value store's log and tables on disks of their own",
    separate: true,
    logBytes: 96 << 10,
    allocator: "stupid",
    options: { ...small, allocationFromFile: false },
  }),
  overwriteScenario({
    ...overwrites,
    name: "bluestore-overwrite",
    describe: "units overwritten many at a time; commits share their flush with the data",
  }),
  overwriteScenario({
    ...overwrites,
    name: "bluestore-overwrite-sums",
    describe: "the same with other checksums, a small log, and space trimmed when it becomes free",
    logBytes: 96 << 10,
    allocator: "hybrid",
    options: { ...overwrites.options, checksumType: "xxhash64", discard: true },
  }),
  overwriteScenario({
    ...overwrites,
    name: "bluestore-lost-premises",
    describe: `a planted bug that MUST be found: ${plantedBugs["lost-premises"]}`,
    canary: true,
    bug: "lost-premises",
  }),
  blueStoreScenario({
    ...usualScenario,
    name: "bluestore-canary",
    describe: "a planted bug that MUST be found: every third flush is missing",
    canary: true,
    fua: false,
    faults: Array.from({ length: 60 }, (_, index) => ({
      effect: "lost" as const,
      kinds: [opKinds.flush],
      nth: 3 * (index + 1),
    })),
  }),
  ...plantedScenarios(),
];
