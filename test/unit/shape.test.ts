/** Shapes against what their parts must give: closed forms, and what each part is there for. */
import { describe, expect, test } from "vitest";
import { validShare } from "../../engine/device/shape-collection.ts";
import { DiskGeometry } from "../../engine/device/shape-disk.ts";
import type { DiskShape, ShapeLaw, SolidShape } from "../../engine/device/shape-spec.ts";
import { type Load, runLoad } from "../../results/fingerprint/load.ts";
import { openVirtual } from "../../results/fingerprint/virtual.ts";
import { readShape } from "../../workloads/shape-profile.ts";

const gib = 2 ** 30;

const law: ShapeLaw = {
  sizes: [{ at: 4096, ns: 10_000 }],
  depths: [],
  usualBytes: 4096,
  spread: [],
  inOrder: [],
  controllerNs: 0,
  bytesPerSecond: 0,
};

const plain: SolidShape = {
  kind: "solid",
  deviceClass: "ssd",
  sizeBytes: gib,
  blockBytes: 64,
  queueDepth: 1024,
  read: law,
  write: law,
  trimNs: 0,
  flushNs: 5000,
  flushes: [],
  fuaNs: 0,
  mix: [],
  cache: null,
  dies: null,
  collection: null,
  lineBytes: 0,
  partialLineNs: 0,
};

const dies = {
  count: 8,
  stripeBytes: 4096,
  pageBytes: 4096,
  readNs: 50_000,
  programNs: 400_000,
  programBytes: 16_384,
  suspendNs: 100_000,
};

const load: Load = {
  writeShare: 0,
  bytes: 4096,
  depth: 1,
  order: "random",
  from: null,
  durability: "none",
  writesPerFlush: 1,
  seed: 11,
};

function run(shape: SolidShape | DiskShape, given: Partial<Load>, ops = 3000, warmOps = 0) {
  const stand = openVirtual({ shape, regionBytes: shape.sizeBytes, hostNs: 0, seed: 5 });
  const result = runLoad(stand, { ...load, ...given }, { warmOps, ns: 1e13, ops, leastOps: ops });
  return { ...result, iops: (result.ops * 1e9) / result.elapsedNs };
}

/** Share by which a figure is off. */
const off = (found: number, expected: number): number => Math.abs(found / expected - 1);

describe("a device without moving parts", () => {
  test("takes its law alone, and no more a second than its controller and its link let through", () => {
    expect(run(plain, {}).meanNs).toBe(10_000);
    const controlled = { ...plain, read: { ...law, controllerNs: 2000 } };
    expect(off(run(controlled, { depth: 64 }).iops, 500_000)).toBeLessThan(0.001);
    const narrow = { ...plain, read: { ...law, bytesPerSecond: 1e9 } };
    expect(off(run(narrow, { bytes: 65_536, depth: 8 }).iops, 1e9 / 65_536)).toBeLessThan(0.001);
  });

  test("of dies that serve one read each, as many go on at once as differ", () => {
    const shape = { ...plain, dies };
    expect(run(shape, {}).meanNs).toBe(60_000);
    // Deep queues keep all busy: eight reads in 50 us.
    const deep = run(shape, { depth: 256 }, 20_000);
    expect(off(deep.iops, 8 / 50e-6)).toBeLessThan(0.03);
    // Two on eight dies meet in one case of eight.
    const two = run(shape, { depth: 2 }, 20_000);
    expect(two.meanNs).toBeGreaterThan(60_000 + 50_000 / 32);
    expect(two.meanNs).toBeLessThan(60_000 + 50_000 / 8);
  });

  test("a law by depth gives its own throughput at every depth, also in between and beyond", () => {
    const depths = [
      { at: 1, ns: 10_000, spread: [] },
      { at: 4, ns: 20_000, spread: [] },
      { at: 64, ns: 160_000, spread: [] },
    ];
    const shape = { ...plain, read: { ...law, depths } };
    expect(off(run(shape, { depth: 4 }).iops, 200_000)).toBeLessThan(0.001);
    expect(off(run(shape, { depth: 16 }).iops, 16e9 / Math.sqrt(20_000 * 160_000))).toBeLessThan(
      0.001,
    );
    expect(off(run(shape, { depth: 256 }).iops, 400_000)).toBeLessThan(0.001);
  });

  test("scatter keeps the mean", () => {
    const spread = [
      [0, 0.2],
      [0.5, 0.7],
      [0.99, 3],
      [1, 40],
    ] as const;
    const found = run({ ...plain, read: { ...law, spread } }, {}, 60_000);
    expect(off(found.meanNs, 10_000)).toBeLessThan(0.03);
    expect(found.quantilesNs[2]).toBeLessThan(8000);
  });

  test("a cache takes writes at once until it is full, then as fast as it drains", () => {
    const cache = { bytes: 64 << 20, drainBytesPerSecond: 200e6 };
    const shape = { ...plain, cache };
    const writes = { writeShare: 1, bytes: 1 << 20, order: "sequential" } as const;
    expect(run(shape, writes, 60).meanNs).toBe(10_000);
    expect(off(run(shape, writes, 500, 200).iops * (1 << 20), 200e6)).toBeLessThan(0.01);
  });

  test("space is won back: full and at random it writes as often as theory says", () => {
    // Fill 1/1.25: valid share v with (v - 1) / ln v = 0.8.
    const v = validShare(0.8);
    expect(off((v - 1) / Math.log(v), 0.8)).toBeLessThan(1e-6);
    const collection = {
      spareShare: 0.25,
      blockBytes: 1 << 20,
      eraseNs: 1e6,
      lowShare: 0.02,
      idleShare: 0.04,
    };
    const small = {
      ...plain,
      sizeBytes: 64 << 20,
      dies,
      collection,
      cache: { bytes: 1 << 20, drainBytesPerSecond: 0 },
    };
    const found = run(small, { writeShare: 1, depth: 32 }, 40_000, 60_000);
    // A block of 1 MiB wins (1 - v) MiB and costs its erasure and v MiB of copies.
    const copyNs =
      ((v * (1 << 20)) / 4096) * dies.readNs + ((v * (1 << 20)) / 16_384) * dies.programNs;
    const wonBytes = (1 - v) * (1 << 20);
    const userNs = (wonBytes / 16_384) * dies.programNs;
    const expected = (dies.count * (wonBytes / 4096) * 1e9) / (userNs + copyNs + 1e6);
    expect(off(found.iops, expected)).toBeLessThan(0.1);
    const fresh = run(small, { writeShare: 1, depth: 32 }, 8000);
    expect(fresh.iops).toBeGreaterThan(3 * found.iops);
  });

  test("lines that are written in part cost a read", () => {
    const shape = { ...plain, lineBytes: 256, partialLineNs: 700 };
    expect(run(shape, { writeShare: 1, bytes: 256 }).meanNs).toBe(10_000);
    const part = run(shape, { writeShare: 1, bytes: 64 });
    expect(part.meanNs).toBe(10_700);
  });

  test("a flush takes what was written since", () => {
    const flushes = [
      { at: 1, ns: 8000 },
      { at: 64, ns: 200_000 },
    ];
    const shape = { ...plain, flushes };
    const flushed = { writeShare: 1, durability: "flush" } as const;
    expect(run(shape, { ...flushed, writesPerFlush: 0 }).meanNs).toBe(5000);
    expect(run(shape, { ...flushed, writesPerFlush: 1 }).meanNs).toBe(8000);
    expect(off(run(shape, { ...flushed, writesPerFlush: 64 }, 50).meanNs, 200_000)).toBeLessThan(
      0.01,
    );
  });
});

describe("a disk that turns", () => {
  const { shape } = readShape("hdd-7200", "/");
  if (shape.kind !== "disk") {
    throw new Error("hdd-7200 is no disk");
  }
  const disk = shape;
  const geometry = new DiskGeometry(disk);

  test("a read at random takes the way, half a turn and the transfer", () => {
    // The mean over all distances d, whose density is 2 (1 - d).
    let seekNs = 0;
    for (let step = 0; step < 1000; step += 1) {
      const d = (step + 0.5) / 1000;
      seekNs += (2 * (1 - d) * geometry.seekNs(0, d * disk.sizeBytes)) / 1000;
    }
    const expected = seekNs + geometry.turnNs / 2 + disk.commandNs + 4096 / 0.18;
    expect(off(run(disk, {}, 4000).meanNs, expected)).toBeLessThan(0.03);
  });

  test("a longer queue is served faster, as far as the disk sees it", () => {
    const rates = [1, 4, 32, 128].map((depth) => run(disk, { depth }, 1500).iops);
    expect(rates[1]).toBeGreaterThan(1.2 * (rates[0] as number));
    expect(rates[2]).toBeGreaterThan(1.5 * (rates[1] as number));
    expect(off(rates[3] as number, rates[2] as number)).toBeLessThan(0.05);
    const blind = { ...disk, queueDepth: 1 };
    expect(off(run(blind, { depth: 32 }, 1500).iops, rates[0] as number)).toBeLessThan(0.05);
  });

  test("reads in order run at the speed of their zone, without a turn between them", () => {
    const stream = { bytes: 1 << 20, order: "sequential", depth: 4 } as const;
    const outer = run(disk, { ...stream, from: 0 }, 300);
    expect(off((outer.bytes * 1e9) / outer.elapsedNs, disk.outerBytesPerSecond)).toBeLessThan(0.02);
    const inner = run(disk, { ...stream, from: 0.97 }, 300);
    expect(off((inner.bytes * 1e9) / inner.elapsedNs, disk.innerBytesPerSecond)).toBeLessThan(0.02);
  });

  test("a flush waits for the cache, which sorts what it holds", () => {
    const flushed = { writeShare: 1, durability: "flush" } as const;
    const one = run(disk, { ...flushed, writesPerFlush: 1 }, 200);
    const many = run(disk, { ...flushed, writesPerFlush: 64 }, 30);
    expect(one.meanNs).toBeGreaterThan(geometry.turnNs / 2);
    // Sixty-four in the order of their places take far less than one by one.
    expect(many.meanNs).toBeLessThan(40 * one.meanNs);
    expect(many.meanNs).toBeGreaterThan(5 * one.meanNs);
  });
});
