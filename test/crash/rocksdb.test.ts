/**
 * BlueStore on RocksDB, power cut at any place of a recording: every write and flush of every device,
 * by the store and by RocksDB's own threads, any part of what no flush made durable kept, torn. What is
 * left is laid out in files, mounted, compared and used; some of that is recorded and cut off as well.
 */
import { afterAll, describe, expect, it } from "vitest";
import { hasRocksdb, NativeStorePlace } from "../conformance/native-store.ts";
import { type CutShape, Cutting, memory } from "./cutting.ts";
import { campaign, patienceMs, seed } from "./explore.ts";
import { recordStore } from "./recorded-store.ts";

/** Of all shapes together. */
const totalPoints = campaign ? 1_000 : 100;
const transactions = 200;

const usual = { kv: "rocksdb", objects: 8, filledBytes: 0, overwrites: false } as const;
/** Much metadata, so that RocksDB has to write tables. */
const small = { shardMaxBytes: 200, shardTargetBytes: 100, shardMinBytes: 30 };
const shapes: readonly CutShape[] = [
  { ...usual, name: "rocksdb", options: small },
  { ...usual, name: "rocksdb, units overwritten", overwrites: true, options: small },
  {
    ...usual,
    name: "rocksdb on a device that gets full",
    mainBytes: 64 << 20,
    objects: 24,
    filledBytes: 51 << 20,
    options: { allocationFromFile: false },
  },
  {
    ...usual,
    name: "rocksdb on devices of its own, bitmap freelist, deferred writes, compressed",
    separate: true,
    options: {
      allocationFromFile: false,
      preferDeferredBytes: 65536,
      deferredBatchOps: 4,
      maxDeferIntervalNs: 2e6,
      compressionMode: "force",
      compressionAlgorithm: "lz4",
      ...small,
    },
  },
];

describe.skipIf(!hasRocksdb)("BlueStore on RocksDB", () => {
  const places: NativeStorePlace[] = [];
  afterAll(() => {
    for (const place of places) {
      place.dispose();
    }
  });
  const rounds = campaign ? 5 : 1;
  const points = Math.ceil(totalPoints / shapes.length / rounds);

  it.each(shapes)(
    `$name: survives ${points * rounds} power cuts, from seed ${seed}`,
    async (shape) => {
      const coverage = new Map<string, number>();
      let events = 0;
      for (let round = 0; round < rounds; round += 1) {
        const place = new NativeStorePlace(shape, seed + round, memory);
        places.push(place);
        const history = await recordStore(place, {
          seed: seed + round,
          objects: shape.objects,
          filledBytes: shape.filledBytes,
          overwrites: shape.overwrites,
          transactions,
        });
        events += history.events.length;
        const cutting = new Cutting(shape, history);
        for (let point = 0; point < points; point += 1) {
          await cutting.cut(point, points);
        }
        for (const [name, times] of cutting.coverage) {
          coverage.set(name, (coverage.get(name) ?? 0) + times);
        }
      }
      const rows = [...coverage].sort().map(([name, times]) => `${name} ${times}`);
      process.stdout.write(
        `${shape.name}: ${points * rounds} power cuts, ${events} events: ${rows.join(", ")}\n`,
      );
      expect([...coverage.keys()]).toEqual(
        expect.arrayContaining(["then: all there", "unflushed: main", "again while recovering"]),
      );
      if (shape.overwrites) {
        expect([...coverage.keys()]).toContain(
          "after: commits that stand on data that is not flushed",
        );
      }
      if (shape.filledBytes > 0) {
        expect([...coverage.keys()]).toContain("after: a full device");
      }
    },
    patienceMs,
  );
});
