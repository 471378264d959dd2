/**
 * The bench of the client caches: the same seeded operations through each, and straight to the image, which
 * is in memory and answers at once. What a cache saves of a slower image is a matter of its hit ratio; what
 * is measured here is what it costs.
 */
import { assert } from "../../engine/base/assert.ts";
import { OsdynoError } from "../../engine/base/error.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import { blankOp } from "../../engine/device/op-table.ts";
import { type ClientCacheKind, clientCacheKinds } from "../../engine/hot/clientcache/registry.ts";
import { clientCacheDefaults } from "../../engine/hot/clientcache/tuning.ts";
import { openBlockDevice } from "../../engine/hot/ioengine/registry.ts";
import { RealClock } from "../../engine/os/clock.ts";
import {
  type BlockDevice,
  type BlockOp,
  type OpKind,
  opKinds,
} from "../../engine/port/block-device.ts";
import type { MicroCell, MicroPlan, MicroSubject } from "./micro.ts";

/** Of each batch. */
const operations = 20_000;
const depth = 8;
/** Of the image, for the cache's own work. */
const spare = 32;
const blockBytes = 4096;
const imageBytes = 256 << 20;
/** As librbd has it by default. */
const cacheBytes = clientCacheDefaults.sizeBytes;

interface Workload {
  readonly name: string;
  readonly areaBytes: number;
  /** Of a hundred operations. */
  readonly writes: number;
  readonly order: "random" | "sequential";
}

export const clientCacheWorkloads: readonly Workload[] = [
  { name: "reads that hit", areaBytes: cacheBytes / 2, writes: 0, order: "random" },
  { name: "reads, 1 in 4 hits", areaBytes: 4 * cacheBytes, writes: 0, order: "random" },
  { name: "reads in sequence", areaBytes: imageBytes, writes: 0, order: "sequential" },
  { name: "writes again and again", areaBytes: cacheBytes / 4, writes: 100, order: "random" },
  { name: "reads and writes, 7 to 3", areaBytes: 4 * cacheBytes, writes: 30, order: "random" },
];

type Counts = Readonly<Record<string, number>>;

function traceOf(seed: number, { name, areaBytes, writes, order }: Workload) {
  const random = new SeededRandom(seed).fork(name);
  const blocks = areaBytes / blockBytes;
  const at = (number: number) => (order === "sequential" ? number % blocks : random.below(blocks));
  return {
    block: Int32Array.from({ length: operations }, (_, number) => at(number)),
    kind: Uint8Array.from({ length: operations }, () =>
      random.below(100) < writes ? opKinds.write : opKinds.read,
    ),
  };
}

/** Operations on a device that needs no turn of the event loop, several at once. */
class Driver {
  readonly #device: BlockDevice;
  readonly #op = blankOp();
  readonly #free = Array.from({ length: depth }, (_, slot) => slot);

  constructor(device: BlockDevice) {
    this.#device = device;
  }

  /** Number `first` to before `end`, to their end; `done` is told of each with the bytes of its slot. */
  run(
    first: number,
    end: number,
    fill: (op: BlockOp, number: number, bytesAt: number) => void,
    done?: (bytesAt: number) => void,
  ): void {
    const device = this.#device;
    const { slotBytes } = device.arena;
    const { tag, result } = device.completions;
    const free = this.#free;
    const op = this.#op;
    let sent = first;
    for (let ended = first; ended < end; ) {
      while (sent < end && free.length > 0) {
        op.slot = free.pop() as number;
        op.tag = op.slot;
        fill(op, sent, op.slot * slotBytes);
        sent += 1;
        assert(device.submit(op), "a device takes as many operations as it is deep");
      }
      device.commit();
      const count = device.poll(depth);
      for (let each = 0; each < count; each += 1) {
        assert((result[each] as number) >= 0, "an operation of the bench failed");
        done?.((tag[each] as number) * slotBytes);
        free.push(tag[each] as number);
      }
      ended += count;
    }
  }
}

function openDevice(kind: ClientCacheKind | null, clock: RealClock) {
  const image = openBlockDevice("memory", {
    write: true,
    depth: depth + spare,
    slotBytes: 128 << 10,
    sizeBytes: imageBytes,
  });
  if (kind === null) {
    return { device: image, counters: () => ({}) };
  }
  const cache = kind.open({ image, clock, tuning: clientCacheDefaults });
  if (cache instanceof Promise) {
    throw new OsdynoError(
      "bad-input",
      `client cache ${kind.name} does not open at once; the bench needs that`,
    );
  }
  return { device: cache, counters: () => cache.counters() };
}

function hitRatio(before: Counts, after: Counts): Readonly<Record<string, number>> {
  const sum = (name: string) => (after[name] ?? 0) - (before[name] ?? 0);
  const reads = sum("clientcache_reads");
  return reads === 0 ? {} : { hit_ratio: sum("clientcache_read_hits") / reads };
}

function subjectOf(kind: ClientCacheKind | null, workload: Workload, seed: number): MicroSubject {
  const { block, kind: kinds } = traceOf(seed, workload);
  const clock = new RealClock();
  const { device, counters } = openDevice(kind, clock);
  const driver = new Driver(device);
  const { bytes } = device.arena;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const go = (op: BlockOp, number: number, bytesAt: number) => {
    op.kind = kinds[number] as OpKind;
    op.offsetBytes = (block[number] as number) * blockBytes;
    op.lengthBytes = blockBytes;
    if (op.kind === opKinds.write) {
      words[bytesAt / 4] = number;
    }
  };
  const read = (op: BlockOp, number: number) => {
    op.kind = opKinds.read;
    op.offsetBytes = (block[number] as number) * blockBytes;
    op.lengthBytes = blockBytes;
  };
  // A flush ends writing through. Then the cache is filled.
  driver.run(0, 1, (op) => {
    op.kind = opKinds.flush;
    op.offsetBytes = 0;
    op.lengthBytes = 0;
  });
  driver.run(0, operations, read);
  const before = counters();
  driver.run(0, operations, go);
  const facts = hitRatio(before, counters());
  return {
    operations,
    run: () => driver.run(0, operations, go),
    facts,
    // What is read in the end, block by block in their order.
    result: () => {
      const found = new Int32Array(512);
      for (let number = 0; number < found.length; number += 1) {
        driver.run(number, number + 1, read, (bytesAt) => {
          found[number] = words[bytesAt / 4] as number;
        });
      }
      return new Uint8Array(found.buffer);
    },
    close: () => {
      device.close();
      clock.close();
    },
  };
}

/** `only`: one cache; `null`: all, and the image without one. */
export function clientCacheBench(seed: number, only: string | null): MicroPlan {
  const kinds = clientCacheKinds().filter(({ name }) => only === null || only === name);
  const cells: MicroCell[] = clientCacheWorkloads.flatMap((workload) =>
    [null, ...kinds].map((kind) => ({
      implementation: kind?.name ?? "no cache",
      workload: workload.name,
      operationBytes: 0,
      prepare: () => subjectOf(kind, workload, seed),
    })),
  );
  const notes = [
    `4 KiB each, ${depth} at once, through the block device interface; caches of ${cacheBytes >> 20} MiB with librbd's defaults`,
    "the image is memory and answers at once: what is measured is what a cache costs, not what it saves",
  ];
  return { hotPath: "clientcache", cells, notes };
}
