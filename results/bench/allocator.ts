/**
 * The bench of the allocators: the same seeded histories through each of them, from a fresh device, from
 * the neutral worn map, and from what each has made of a device itself; in rounds of alternating order.
 */
import { cpus, release } from "node:os";
import { assert } from "../../engine/base/assert.ts";
import { OsdynoError } from "../../engine/base/error.ts";
import { native } from "../../engine/base/native.ts";
import { type Allocator, ExtentList } from "../../engine/hot/allocator/allocator.ts";
import {
  type History,
  makeHistory,
  type SizeLaw,
  TypeScriptReplay,
} from "../../engine/hot/allocator/history.ts";
import { NativeAllocator, type NativeReplay } from "../../engine/hot/allocator/native-allocator.ts";
import { type AllocatorKind, allocatorKinds } from "../../engine/hot/allocator/registry.ts";
import { fillFrom, wornMap, wornMapOfSize } from "../../engine/hot/allocator/worn-map.ts";
import type { MedianInterval } from "../stats/order-statistics.ts";
import { overRounds } from "./rounds.ts";

export interface AllocatorBenchOptions {
  /** One allocator by name; `null`: all. */
  readonly only: string | null;
  readonly rounds: number;
  /** Allocation and release pairs that are timed in each measurement. */
  readonly steps: number;
  readonly capacityBytes: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onCell: (done: number, total: number, cell: string) => void;
}

/** What the device looks like when a history begins. */
export const starts = ["fresh", "worn", "aged"] as const;
export type Start = (typeof starts)[number];

/** `native`: timed inside the native code; `typescript`: as a store calls it, the boundary included. */
export type Side = "native" | "typescript";

export interface AllocatorCell {
  readonly allocator: string;
  readonly start: Start;
  /** Bytes, or `random`: powers of two from 4 KiB to 1 MiB, uniform below each. */
  readonly size: SizeLaw;
  readonly side: Side;
}

export interface AllocatorRow {
  readonly cell: AllocatorCell;
  /** Of one allocation and one release, ns. */
  readonly p50Ns: MedianInterval;
  readonly p99Ns: MedianInterval;
  readonly p999Ns: MedianInterval;
  /** Of the map of free space after the history, while its last allocations live. */
  readonly memoryBytes: number;
  readonly freeExtents: number;
  readonly fragmentationScore: number;
  /** Of all extents given, in order: the same in each round and on each machine. */
  readonly resultHash: string;
}

export interface AllocatorBench {
  readonly schema: "osdyno-bench-1";
  readonly hotPath: "allocator";
  readonly rounds: number;
  readonly steps: number;
  readonly capacityBytes: number;
  readonly blockBytes: number;
  readonly seed: number;
  readonly wornFreeExtents: number;
  /** Between two readings of the clock from TypeScript, median; it is in the figures of that side. */
  readonly timerNs: number;
  readonly kernel: string;
  readonly cpu: string;
  readonly rows: readonly AllocatorRow[];
}

const blockBytes = 4096;
const sizes: readonly SizeLaw[] = [4096, 65_536, "random"];

/** Live allocations at a time: with 1 MiB each they take a tenth of the device at most. */
function placesOn(capacityBytes: number): number {
  return Math.max(8, Math.min(100_000, Math.floor(capacityBytes / 10 / 2 ** 20)));
}

interface Sample {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly memoryBytes: number;
  readonly freeExtents: number;
  readonly fragmentationScore: number;
  readonly hash: number;
}

/** Nearest rank. */
function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

/** Fills the device to three quarters with random sizes and replaces as much once. */
function age(allocator: Allocator, options: AllocatorBenchOptions): void {
  const { capacityBytes, seed } = options;
  allocator.release(ExtentList.of([0, capacityBytes]));
  const probe = makeHistory({
    steps: 4096,
    placeCount: 1,
    size: "random",
    unitBytes: blockBytes,
    seed,
  });
  const meanBytes = probe.wants.reduce((sum, want) => sum + want, 0) / probe.wants.length;
  const placeCount = Math.max(1, Math.floor((capacityBytes * 0.75) / meanBytes));
  const history = makeHistory({
    steps: 2 * placeCount,
    placeCount,
    size: "random",
    unitBytes: blockBytes,
    seed: seed + 1,
  });
  replayOf(allocator, "native", placeCount).run(
    history.wants,
    history.places,
    history.unitBytes,
    new Float64Array(history.places.length),
  );
}

/** The aged device is smaller: ageing takes as many steps as the device has extents. */
function capacityAt(start: Start, capacityBytes: number): number {
  const aged = Math.min(capacityBytes, 64 * 2 ** 30);
  return start === "aged" ? aged : capacityBytes;
}

function prepare(kind: AllocatorKind, start: Start, options: AllocatorBenchOptions): Allocator {
  const capacityBytes = capacityAt(start, options.capacityBytes);
  const allocator = kind.create({ capacityBytes, blockBytes });
  if (start === "worn") {
    fillFrom(allocator, wornMap(wornMapOfSize(capacityBytes, options.seed)));
  } else if (start === "aged") {
    age(allocator, { ...options, capacityBytes });
  } else {
    allocator.release(ExtentList.of([0, capacityBytes]));
  }
  return allocator;
}

function replayOf(allocator: Allocator, side: Side, placeCount: number): NativeReplay {
  if (side === "native" && allocator instanceof NativeAllocator) {
    return allocator.replay(placeCount);
  }
  return new TypeScriptReplay(allocator, placeCount, native().nowNs);
}

/** Only what is native can be timed without the boundary. */
function hasSide(allocator: Allocator, side: Side): boolean {
  return side === "typescript" || allocator instanceof NativeAllocator;
}

/** Runs one history and gives everything back, so that the free map is what it was. */
function measure(allocator: Allocator, history: History, side: Side): Sample {
  const replay = replayOf(allocator, side, history.placeCount);
  const spent = new Float64Array(history.places.length);
  replay.run(history.wants, history.places, history.unitBytes, spent);
  const { memoryBytes, freeExtents, fragmentationScore } = allocator.statistics();
  const hash = replay.hash();
  replay.releaseAll();
  // Steps that filled the table released nothing.
  const sorted = spent.subarray(history.placeCount).sort();
  return {
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    p999: percentile(sorted, 0.999),
    memoryBytes,
    freeExtents,
    fragmentationScore,
    hash,
  };
}

function timer(read: () => number): number {
  const gaps = new Float64Array(1001);
  for (let index = 0; index < gaps.length; index += 1) {
    const begun = read();
    gaps[index] = read() - begun;
  }
  return percentile(gaps.sort(), 0.5);
}

function rowOf(cell: AllocatorCell, samples: readonly Sample[]): AllocatorRow {
  const [first] = samples;
  assert(first !== undefined, "a cell of the bench was not measured");
  if (samples.some(({ hash }) => hash !== first.hash)) {
    throw new OsdynoError(
      "verify",
      `allocator ${cell.allocator} gave other extents in another round; it must depend on its history alone`,
    );
  }
  return {
    cell,
    p50Ns: overRounds(samples.map(({ p50 }) => p50)),
    p99Ns: overRounds(samples.map(({ p99 }) => p99)),
    p999Ns: overRounds(samples.map(({ p999 }) => p999)),
    memoryBytes: first.memoryBytes,
    freeExtents: first.freeExtents,
    fragmentationScore: first.fragmentationScore,
    resultHash: first.hash.toString(16).padStart(8, "0"),
  };
}

/** Cells that are measured one after the other on one allocator. */
interface Group {
  readonly kind: AllocatorKind;
  readonly start: Start;
  readonly cells: readonly AllocatorCell[];
}

function sidesOf(kind: AllocatorKind): readonly Side[] {
  const tiny = kind.create({ capacityBytes: 2 ** 20, blockBytes });
  const found = (["native", "typescript"] as const).filter((side) => hasSide(tiny, side));
  tiny.close();
  return found;
}

/** Each side has an allocator of its own, so that both meet the same state at every cell. */
function groupsOf(only: string | null): Group[] {
  const kinds = allocatorKinds().filter(({ name }) => only === null || only === name);
  const sides = new Map(kinds.map((kind) => [kind, sidesOf(kind)]));
  return starts.flatMap((start) =>
    kinds.flatMap((kind) =>
      (sides.get(kind) ?? []).map((side) => ({
        kind,
        start,
        cells: sizes.map((size) => ({ allocator: kind.name, start, size, side })),
      })),
    ),
  );
}

/** In the order of the table: the sides of a cell beside each other. */
function cellsOf(groups: readonly Group[]): AllocatorCell[] {
  const keys = [...new Set(groups.map(({ kind, start }) => `${start} ${kind.name}`))];
  return keys.flatMap((key) => {
    const own = groups.filter(({ kind, start }) => `${start} ${kind.name}` === key);
    return sizes.flatMap((_, place) => own.flatMap(({ cells }) => cells[place] ?? []));
  });
}

/** The boundary changes nothing of what an allocator does. */
function checkSides(rows: readonly AllocatorRow[]): void {
  const hashes = new Map<string, string>();
  for (const { cell, resultHash } of rows) {
    const key = `${cell.allocator} ${cell.start} ${cell.size}`;
    const other = hashes.get(key) ?? resultHash;
    hashes.set(key, resultHash);
    if (other !== resultHash) {
      throw new OsdynoError(
        "verify",
        `allocator ${key}: other extents through the boundary (${resultHash}) than without (${other})`,
      );
    }
  }
}

/** Measures every cell in every round. Throws `verify` when an allocator is not deterministic. */
export async function benchAllocators(options: AllocatorBenchOptions): Promise<AllocatorBench> {
  const groups = groupsOf(options.only);
  const samples = new Map<AllocatorCell, Sample[]>(cellsOf(groups).map((cell) => [cell, []]));
  let done = 0;
  for (let round = 0; round < options.rounds; round += 1) {
    for (const { kind, start, cells } of round % 2 === 0 ? groups : groups.toReversed()) {
      options.onCell(done, groups.length * options.rounds, `${kind.name} ${start}`);
      done += 1;
      // A turn of the event loop, so that an interrupt is seen.
      await new Promise((turn) => setImmediate(turn));
      if (options.signal.aborted) {
        throw new OsdynoError("interrupted", "the bench was stopped");
      }
      const allocator = prepare(kind, start, options);
      const placeCount = placesOn(allocator.capacityBytes);
      for (const cell of cells) {
        const history = makeHistory({
          steps: placeCount + options.steps,
          placeCount,
          size: cell.size,
          unitBytes: blockBytes,
          seed: options.seed,
        });
        // Cursors stay where a history left them, so each cell has its own place in the order.
        samples.get(cell)?.push(measure(allocator, history, cell.side));
      }
      allocator.close();
    }
  }
  const rows = [...samples].map(([cell, measured]) => rowOf(cell, measured));
  checkSides(rows);
  return {
    schema: "osdyno-bench-1",
    hotPath: "allocator",
    rounds: options.rounds,
    steps: options.steps,
    capacityBytes: options.capacityBytes,
    blockBytes,
    seed: options.seed,
    wornFreeExtents: wornMapOfSize(options.capacityBytes).freeExtents,
    timerNs: timer(native().nowNs),
    kernel: release(),
    cpu: cpus()[0]?.model ?? "unknown",
    rows,
  };
}
