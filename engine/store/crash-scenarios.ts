/** The scenarios of object stores that `osdyno simulate` knows. */
import { opKinds } from "../port/block-device.ts";
import type { CrashScenario } from "../sim/crashes.ts";
import { blueStoreScenario } from "./scenario-bluestore.ts";

const usual = {
  canary: false,
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

export const storeScenarios: readonly CrashScenario[] = [
  blueStoreScenario({
    ...usual,
    name: "bluestore",
    describe: "BlueStore over waltree, as on a solid-state disk",
  }),
  blueStoreScenario({
    ...usual,
    name: "bluestore-deferred",
    describe:
      "BlueStore with deferred writes and the bitmap freelist, on a disk that knows flushes only",
    fua: false,
    allocator: "bitmap",
    options: {
      ...small,
      preferDeferredBytes: 65536,
      deferredBatchOps: 4,
      maxDeferIntervalNs: 2e6,
      allocationFromFile: false,
    },
  }),
  blueStoreScenario({
    ...usual,
    name: "bluestore-compressed",
    describe: "BlueStore with compressed blobs and small shards",
    allocator: "avl",
    options: { ...small, compressionMode: "force", compressionAlgorithm: "lz4" },
  }),
  blueStoreScenario({
    ...usual,
    name: "bluestore-full",
    describe: "BlueStore on a disk that gets full",
    transactions: 100,
    sizeBytes: 9 << 20,
    allocator: "btree",
    objects: 20,
    filledBytes: 6700 << 10,
    options: { allocationFromFile: false },
  }),
  blueStoreScenario({
    ...usual,
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
];
