/** What is checked of a store after a crash, in the simulator and on files. */
import { assert } from "../base/assert.ts";
import { OsdynoError } from "../base/error.ts";
import type { FsckReport } from "./bluestore/fsck/fsck.ts";
import type { BlueStoreOptions } from "./bluestore/options.ts";
import type { BlueStore } from "./bluestore/store.ts";
import { ModelMemo } from "./conformance-model.ts";
import { RandomStoreRun } from "./conformance-random.ts";
import { type StoreHarness, StoreSession } from "./conformance-session.ts";
import { expectation, idsIn, type Mark, playUntil } from "./scenario-marks.ts";

/** A store on some disks, from mounting to its end. */
export interface StoreLife {
  readonly name: string;
  readonly objects: number;
  readonly options: BlueStoreOptions;
  /** Of the mounted one. */
  readonly store: BlueStore;
  /**
   * How often its structure is looked at again before a problem counts: threads of a key-value store's
   * own take and give space between one look and the next.
   */
  readonly looks: number;
  make(): Promise<void>;
  mount(): Promise<void>;
  /** A clean end; `false`: the disk had failed before. */
  unmount(): Promise<boolean>;
  /** The deep check, of the store that is not mounted; changes nothing. */
  fsck(): Promise<FsckReport>;
  /** Lets a little time pass. */
  turn(): Promise<void>;
  /** Submits random transactions and marks them, see `Driver`. */
  drive(run: RandomStoreRun, firstId: number, count: number, seed: string): Promise<void>;
}

/** Crashes of one history have its transactions in common. */
const memo = new ModelMemo();

/** What the checks of conformance work with. */
export function sessionOf(life: StoreLife, seed: number): StoreSession {
  const harness: StoreHarness = {
    get store() {
      return life.store;
    },
    remount: async () => false,
    turn: () => life.turn(),
    check: () => checkStructure(life),
    close: async () => {},
  };
  const subject = { name: life.name, sizeBytes: 0, create: async () => harness };
  return new StoreSession(subject, harness, seed);
}

export async function checkStructure(life: StoreLife): Promise<void> {
  for (let looks = 1; ; looks += 1) {
    // What the device is told to discard is nobody's until it has done so: mounting may free some.
    while (life.store.state.discarding > 0) {
      await life.turn();
    }
    const [problem] = life.store.checkStructure();
    if (problem === undefined) {
      return;
    }
    if (looks >= life.looks) {
      throw new Error(`${problem.kind}: ${problem.message}`);
    }
    for (let turns = 0; turns < 200; turns += 1) {
      await life.turn();
    }
  }
}

/** Whether a store tells of damage as it is meant to: in one line. */
export function isReported(error: unknown): error is OsdynoError {
  return error instanceof OsdynoError && !error.message.includes("\n");
}

/** Checks what a crash has left, and that it can be used. Answers with names for the coverage. */
export async function checkAfterCrash(
  life: StoreLife,
  marks: readonly Mark[],
  lies: boolean,
): Promise<readonly string[]> {
  return marks.some(({ kind }) => kind === "made")
    ? await checkRecovered(life, marks, lies)
    : await checkHalfMade(life);
}

/** The store was not made yet: it says so, and can be made. */
async function checkHalfMade(life: StoreLife): Promise<readonly string[]> {
  let found = "made already";
  try {
    await life.mount();
  } catch (error) {
    if (!isReported(error)) {
      throw error;
    }
    found = "not made yet";
    await life.make();
    await life.mount();
  }
  await checkStructure(life);
  await life.unmount();
  return [`then: ${found}`];
}

/**
 * Mounts what a crash has left, compares it with the marks, goes on using it and mounts it again.
 * `lies`: the disks may have lost what was acknowledged, but nothing wrong may be returned.
 */
async function checkRecovered(
  life: StoreLife,
  marks: readonly Mark[],
  lies: boolean,
): Promise<readonly string[]> {
  const expected = expectation(marks);
  // The check looks at what the crash left, or at what was made of it.
  const fsckFirst = marks.length % 2 === 0;
  let found = fsckFirst ? await problems(life, lies) : 0;
  await life.mount();
  const { deferred_replayed: replayed = 0 } = life.store.state.counters;
  const source = freeSource(life);
  await checkStructure(life);
  const session = sessionOf(life, 1 + marks.length);
  const ids = await idsIn(session);
  const id = ids.newest;
  const { lastAcked, lastAsked } = expected;
  assert(
    lies || id >= lastAcked,
    `transaction ${lastAcked} was acknowledged, the store is at ${id}`,
  );
  assert(id <= lastAsked, `the store is at transaction ${id}, which nobody asked for`);
  const { objects } = life;
  const how = { steps: 0, remountEvery: 0, objects, damaged: lies, memo };
  const run = new RandomStoreRun(session, how);
  playUntil(run, expected, ids);
  await run.compare(true);
  const unreadable = run.unreadable > 0;
  assert(!fsckFirst || found > 0 || !unreadable, "the deep check misses what cannot be read");
  await life.drive(run, id + 1, 4, "more");
  if (await life.unmount()) {
    found = fsckFirst ? found : await problems(life, lies);
    await life.mount();
    await run.compare(false);
    await checkStructure(life);
    await life.unmount();
  }
  const state = id >= lastAcked ? "all there" : "the last transactions are gone";
  return [
    unreadable ? "then: damaged data is refused" : `then: ${state}`,
    ...(found > 0 ? ["then: the deep check finds damage"] : []),
    ...(replayed > 0 ? ["then: deferred writes made again"] : []),
    `then: free space ${source}`,
  ];
}

/** What the deep check finds; nothing on disks that do not lie. */
async function problems(life: StoreLife, lies: boolean): Promise<number> {
  const { total, errors } = await life.fsck();
  assert(lies || total === 0, `fsck finds ${total} problems: ${errors[0]?.message}`);
  return total;
}

function freeSource({ options, store }: StoreLife): string {
  if (!options.allocationFromFile) {
    return "from the bitmap";
  }
  const { allocation_file_loaded: loaded = 0 } = store.state.counters;
  return loaded > 0 ? "from the allocation file" : "from the objects";
}
