/**
 * The one conformance suite of `Allocator`: named checks, free of any test framework, so that vitest and
 * the command line run the same. A check throws with one line; its seed reproduces it.
 */
import { SeededRandom } from "../../base/random.ts";
import { type Allocator, allocateAll, ExtentList } from "./allocator.ts";
import { BlockModel, ConformanceFailure, expect } from "./conformance-model.ts";
import type { AllocatorKind } from "./registry.ts";
import { fragmentationScore } from "./score.ts";

export interface ConformanceResult {
  readonly check: string;
  readonly outcome: "passed" | "failed";
  /** What failed. */
  readonly reason: string;
}

const blockBytes = 4096;

/** The allocator under test and the model, in step. */
class Session {
  readonly allocator: Allocator;
  readonly model: BlockModel;
  readonly random: SeededRandom;
  /** What is allocated: pairs. */
  readonly live: [number, number][] = [];
  readonly #list = new ExtentList();

  constructor(kind: AllocatorKind, blocks: number, seed: number) {
    this.allocator = kind.create({ capacityBytes: blocks * blockBytes, blockBytes });
    this.model = new BlockModel(blocks * blockBytes, blockBytes);
    this.random = new SeededRandom(seed).fork(`${kind.name} ${blocks}`);
  }

  free(offset: number, length: number): void {
    this.allocator.release(ExtentList.of([offset, length]));
    this.model.set(offset, length, true);
  }

  /** Returns what was taken; compares it with what the model says can be had. */
  allocate(want: number, unit: number, maxExtent: number, hint: number): number {
    const list = this.#list;
    list.clear();
    // What stands in the list before must stay there.
    list.push(7, 9);
    const usable = this.model.usableBytes(unit);
    const said = this.allocator.allocate(want, unit, maxExtent, hint, list);
    expect(list.offsetBytes(0) === 7 && list.lengthBytes(0) === 9, "the list was not appended to");
    const taken = this.model.take(list, 1, unit, maxExtent);
    expect(taken === said, `allocate returned ${said} and gave ${taken} bytes`);
    const due = Math.min(want, usable);
    expect(
      taken === due,
      `${want} bytes in pieces of ${unit} wanted, ${usable} to be had, ${taken} given`,
    );
    this.#keep(list, 1);
    return taken;
  }

  allocateWhole(want: number, unit: number): void {
    const list = this.#list;
    list.clear();
    const usable = this.model.usableBytes(unit);
    const done = allocateAll(this.allocator, want, unit, 0, 0, list);
    expect(done === usable >= want, `all of ${want} bytes: ${done}, ${usable} to be had`);
    this.model.take(list, 0, unit, 0);
    this.#keep(list, 0);
  }

  #keep(list: ExtentList, first: number): void {
    for (let index = first; index < list.count; index += 1) {
      this.live.push([list.offsetBytes(index), list.lengthBytes(index)]);
    }
  }

  /** Releases up to `count` live extents in one batch, some of them in part. */
  releaseSome(count: number): void {
    const list = this.#list;
    list.clear();
    for (let each = 0; each < count && this.live.length > 0; each += 1) {
      const index = this.random.below(this.live.length);
      const [offset, length] = this.live[index] as [number, number];
      this.live[index] = this.live.at(-1) as [number, number];
      this.live.pop();
      const blocks = length / blockBytes;
      const from = this.random.below(3) === 0 ? this.random.below(blocks) : 0;
      const to = this.random.below(3) === 0 ? from + 1 + this.random.below(blocks - from) : blocks;
      list.push(offset + from * blockBytes, (to - from) * blockBytes);
      if (from > 0) {
        this.live.push([offset, from * blockBytes]);
      }
      if (to < blocks) {
        this.live.push([offset + to * blockBytes, (blocks - to) * blockBytes]);
      }
    }
    this.allocator.release(list);
    for (let index = 0; index < list.count; index += 1) {
      this.model.set(list.offsetBytes(index), list.lengthBytes(index), true);
    }
  }

  refuses(act: () => void, what: string): void {
    let refused = false;
    try {
      act();
    } catch {
      refused = true;
    }
    expect(refused, `${what} was not refused`);
  }

  compare(): void {
    this.allocator.checkInvariants();
    const expected = this.model.extents();
    let index = 0;
    this.allocator.forEachFree((offset, length) => {
      const [dueOffset, dueLength] = expected[index] ?? [];
      expect(
        offset === dueOffset && length === dueLength,
        `free extent ${index} is ${offset}+${length}, not ${dueOffset}+${dueLength}`,
      );
      index += 1;
    });
    expect(index === expected.length, `${index} free extents, not ${expected.length}`);
    const free = this.allocator.freeBytes();
    expect(free === this.model.freeBytes(), `${free} bytes free, not ${this.model.freeBytes()}`);
  }

  compareStatistics(): void {
    const said = this.allocator.statistics();
    const lengths = this.model.extents().map(([, length]) => length);
    const blocks = this.model.freeBytes() / blockBytes;
    const simple = blocks < 2 ? 0 : (lengths.length - 1) / (blocks - 1);
    const score = fragmentationScore(lengths);
    const near = (one: number, other: number) => Math.abs(one - other) < 1e-9;
    expect(said.freeExtents === lengths.length, `statistics: ${said.freeExtents} free extents`);
    const largest = lengths.reduce((most, length) => Math.max(most, length), 0);
    expect(said.largestFreeBytes === largest, `statistics: longest is ${said.largestFreeBytes}`);
    expect(near(said.fragmentation, simple), `statistics: fragmentation ${said.fragmentation}`);
    expect(near(said.fragmentationScore, score), `statistics: score ${said.fragmentationScore}`);
    expect(said.memoryBytes >= 0, `statistics: memory ${said.memoryBytes}`);
  }
}

function fillsInParts(session: Session): void {
  const blocks = session.model.blockCount;
  session.compare();
  // Every other block, then the gaps, so that each release joins two neighbours.
  for (const first of [0, 1]) {
    for (let block = first; block < blocks; block += 2) {
      session.free(block * blockBytes, blockBytes);
    }
    session.compare();
  }
  session.compareStatistics();
  session.allocator.removeFree(ExtentList.of([0, blockBytes], [8 * blockBytes, 2 * blockBytes]));
  session.model.set(0, blockBytes, false);
  session.model.set(8 * blockBytes, 2 * blockBytes, false);
  session.compare();
}

/** Allocates until nothing is left, in each unit, and gives all of it back. */
function fullDevice(session: Session): void {
  session.free(0, session.model.blockCount * blockBytes);
  for (const unit of [blockBytes, 4 * blockBytes, 16 * blockBytes]) {
    let rounds = 0;
    while (session.allocate(3 * unit, unit, 0, 0) > 0) {
      rounds += 1;
    }
    expect(rounds > 0, "nothing was allocated of an empty device");
    expect(session.allocate(unit, unit, 0, 0) === 0, "a full device gave space");
    session.compare();
    while (session.live.length > 0) {
      session.releaseSome(64);
    }
    session.compare();
  }
  expect(session.model.extents().length === 1, "the device is not one free extent again");
}

function refusals(session: Session): void {
  const { allocator } = session;
  const capacity = session.model.blockCount * blockBytes;
  session.free(4 * blockBytes, 8 * blockBytes);
  const request = (want: number, unit: number, what: string) =>
    session.refuses(() => allocator.allocate(want, unit, 0, 0, new ExtentList()), what);
  request(0, blockBytes, "a request of nothing");
  request(blockBytes, 2 * blockBytes, "a request below its unit");
  request(blockBytes, blockBytes / 2, "a unit below the block");
  request(3 * blockBytes, 3 * blockBytes, "a unit that is no power of two");
  for (const [offset, length, what] of [
    [4, 1, "of what is free"],
    [2, 3, "whose end is free"],
    [11, 2, "whose begin is free"],
    [2, 12, "with free space within"],
    [0, 0, "of nothing"],
    [capacity / blockBytes, 1, "beyond the device"],
  ] as const) {
    const extent = ExtentList.of([offset * blockBytes, length * blockBytes]);
    session.refuses(() => allocator.release(extent), `a release ${what}`);
    session.compare();
  }
  for (const [offset, length, what] of [
    [1, 1, "of what is in use"],
    [2, 3, "whose begin is in use"],
    [11, 2, "whose end is in use"],
  ] as const) {
    const extent = ExtentList.of([offset * blockBytes, length * blockBytes]);
    session.refuses(() => allocator.removeFree(extent), `taking out an extent ${what}`);
    session.compare();
  }
}

/** Weighted random events: mostly small requests and releases, now and then a large one or a flood. */
function randomEvents(session: Session, steps: number): void {
  const { random, model } = session;
  const blocks = model.blockCount;
  const gap = 1 + random.below(blocks - 2);
  session.free((gap + 1) * blockBytes, (blocks - gap - 1) * blockBytes);
  session.free(0, gap * blockBytes);
  for (let step = 0; step < steps; step += 1) {
    const drawn = random.below(100);
    const unit = blockBytes * ([1, 1, 1, 4, 16][random.below(5)] as number);
    const units = 1 + random.below([2, 8, 40][random.below(3)] as number);
    if (drawn < 45) {
      const maxExtent = [0, 0, unit, 6 * blockBytes][random.below(4)] as number;
      const hint = random.below(3) === 0 ? random.below(blocks) * blockBytes : 0;
      session.allocate(units * unit, unit, maxExtent, hint);
    } else if (drawn < 52) {
      session.allocateWhole(units * unit, unit);
    } else if (drawn < 54) {
      session.allocate((1 + random.below(blocks)) * blockBytes, blockBytes, 0, 0);
    } else if (drawn < 92) {
      session.releaseSome(1 + random.below(4));
    } else if (drawn < 95) {
      session.releaseSome(session.live.length >> 1);
    } else {
      takeOut(session);
    }
    session.compare();
    if (step % 16 === 0) {
      session.compareStatistics();
    }
  }
}

/** Takes a part of a free extent out, as a store does that replays a log. */
function takeOut({ allocator, model, random, live }: Session): void {
  const free = model.extents();
  const chosen = free[random.below(Math.max(1, free.length))];
  if (chosen !== undefined) {
    const [offset, length] = chosen;
    const from = random.below(length / blockBytes);
    const count = 1 + random.below(length / blockBytes - from);
    const extent: [number, number] = [offset + from * blockBytes, count * blockBytes];
    allocator.removeFree(ExtentList.of(extent));
    model.set(...extent, false);
    live.push(extent);
  }
}

/** An allocation and a release of more extents than travel in one batch. */
function manyExtents(session: Session): void {
  const blocks = session.model.blockCount;
  for (let block = 0; block < blocks; block += 2) {
    session.free(block * blockBytes, blockBytes);
  }
  session.allocate((blocks / 2) * blockBytes, blockBytes, 0, 0);
  session.compare();
  session.releaseSome(blocks);
  session.compare();
}

export interface ConformanceCheck {
  readonly name: string;
  readonly blocks: number;
  run(session: Session): void;
}

export const conformanceChecks: readonly ConformanceCheck[] = [
  { name: "is filled block by block", blocks: 1500, run: fillsInParts },
  { name: "gives all there is and takes it back", blocks: 1600, run: fullDevice },
  { name: "refuses what is no request and no extent", blocks: 64, run: refusals },
  { name: "thousands of extents in one request", blocks: 10_000, run: manyExtents },
  {
    name: "random events on a small device",
    blocks: 160,
    run: (session) => randomEvents(session, 1500),
  },
  {
    name: "random events on a larger device",
    blocks: 3000,
    run: (session) => randomEvents(session, 600),
  },
];

/** Runs one check; what the allocator throws by itself counts as failed, too. */
export function runCheck(
  kind: AllocatorKind,
  check: ConformanceCheck,
  seed: number,
): ConformanceResult {
  let session: Session | null = null;
  try {
    session = new Session(kind, check.blocks, seed);
    check.run(session);
    return { check: check.name, outcome: "passed", reason: "" };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const reason = error instanceof ConformanceFailure ? message : `it threw: ${message}`;
    return { check: check.name, outcome: "failed", reason: `${reason} (seed ${seed})` };
  } finally {
    session?.allocator.close();
  }
}

/** The whole suite. */
export function runConformance(kind: AllocatorKind, seed: number): ConformanceResult[] {
  return conformanceChecks.map((check) => runCheck(kind, check, seed));
}
