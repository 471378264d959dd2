/** BlueStore over waltree under random transactions on simulated disks: crashed at every write. */
import { assert } from "../base/assert.ts";
import type { CrashScenario } from "../sim/crashes.ts";
import { waltreeWriteClass } from "../sim/scenario-waltree.ts";
import type { VolatileWrite } from "../sim/volatile-writes.ts";
import type { World } from "../sim/world.ts";
import { labelBytes } from "./bluestore/label.ts";
import { ModelMemo } from "./conformance-model.ts";
import { RandomStoreRun } from "./conformance-random.ts";
import type { StoreSession } from "./conformance-session.ts";
import { storeErrnos } from "./object-store.ts";
import {
  type BlueStoreScenarioOptions,
  idsIn,
  isReported,
  Life,
  type Mark,
  toldOps,
} from "./scenario-life.ts";
import type { Transaction } from "./transaction.ts";

/** Crashes of one history have its transactions in common. */
const memo = new ModelMemo();

interface Expected {
  readonly asked: ReadonlyMap<number, Transaction>;
  readonly acked: ReadonlySet<number>;
  /** Refused by the store as by the model, or for want of space. */
  readonly refused: ReadonlySet<number>;
  readonly lastAsked: number;
  readonly lastAcked: number;
}

function expectation(marks: readonly Mark[]): Expected {
  const asked = new Map<number, Transaction>();
  const refused = new Set<number>();
  const acked = new Set<number>();
  let lastAsked = 0;
  let lastAcked = 0;
  for (const mark of marks) {
    if (mark.kind === "asked") {
      // A later life of the store asks under numbers that a crash made free.
      for (let id = mark.id; id <= lastAsked; id += 1) {
        asked.delete(id);
        refused.delete(id);
        acked.delete(id);
      }
      asked.set(mark.id, mark.transaction);
      lastAsked = mark.id;
    } else if (mark.kind === "acked" && mark.result === 0) {
      lastAcked = mark.id;
      acked.add(mark.id);
    } else if (mark.kind === "acked" && mark.result !== -storeErrnos.EIO) {
      refused.add(mark.id);
      acked.add(mark.id);
    }
  }
  return { asked, acked, refused, lastAsked, lastAcked };
}

/** A run whose model stands at what a store that ended at `id` must hold. */
function runAt(
  session: StoreSession,
  expected: Expected,
  ids: { readonly newest: number; readonly ids: ReadonlySet<number> },
  how: { readonly objects: number; readonly damaged: boolean },
): RandomStoreRun {
  const run = new RandomStoreRun(session, { steps: 0, remountEvery: 0, ...how, memo });
  for (let each = 1; each <= ids.newest; each += 1) {
    const transaction = expected.asked.get(each);
    // Refused for want of space or by a disk that failed, and the crash came before anybody was told.
    const quiet = !expected.acked.has(each) && !ids.ids.has(each);
    if (transaction !== undefined && !expected.refused.has(each) && !quiet) {
      run.model(transaction);
    }
  }
  return run;
}

/** The store was not made yet: it says so, and can be made. */
async function makeAgain(life: Life): Promise<readonly string[]> {
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
  life.checkStructure();
  await life.unmount();
  return [`then: ${found}`];
}

async function check(life: Life, world: World, marks: readonly Mark[]): Promise<readonly string[]> {
  const lies = world.profile?.lies === true;
  const expected = expectation(marks);
  await life.mount();
  const { deferred_replayed: replayed = 0 } = life.store.state.counters;
  life.checkStructure();
  const session = life.session(1 + marks.length);
  const ids = await idsIn(session);
  const id = ids.newest;
  const { lastAcked, lastAsked } = expected;
  assert(
    lies || id >= lastAcked,
    `transaction ${lastAcked} was acknowledged, the store is at ${id}`,
  );
  assert(id <= lastAsked, `the store is at transaction ${id}, which nobody asked for`);
  const run = runAt(session, expected, ids, { objects: life.objects, damaged: lies });
  await run.compare(true);
  await life.drive(run, id + 1, 4, "more");
  if (await life.unmount()) {
    await life.mount();
    await run.compare(false);
    life.checkStructure();
    await life.unmount();
  }
  const found = id >= lastAcked ? "all there" : "the last transactions are gone";
  return [
    run.unreadable > 0 ? "then: damaged data is refused" : `then: ${found}`,
    ...(replayed > 0 ? ["then: deferred writes made again"] : []),
    `then: free space ${freeSource(life, marks)}`,
  ];
}

function freeSource(life: Life, marks: readonly Mark[]): string {
  if (!life.options.allocationFromFile) {
    return "from the bitmap";
  }
  const last = marks.findLast((mark) => mark.kind === "phase");
  return last?.phase === "unmounted" ? "from its record" : "from the objects";
}

async function run(world: World, options: BlueStoreScenarioOptions): Promise<void> {
  const life = new Life(world, options, true);
  try {
    await life.make();
    await life.mount();
    const session = life.session(world.random.fork("data").below(2 ** 40));
    const { objects } = options;
    const each = new RandomStoreRun(session, { steps: 0, remountEvery: 0, objects });
    const half = Math.floor(options.transactions / 2);
    await life.drive(each, 1, half, "first");
    // After a disk that lies a store may not mount again, or with less than it had.
    if (!(await life.unmount()) || world.profile?.lies === true) {
      return;
    }
    await life.mount();
    await life.drive(each, half + 1, options.transactions - half, "second");
    await life.unmount();
  } catch (error) {
    // On a disk that fails, making or mounting may fail: the history ends there.
    if (world.profile === null || !isReported(error)) {
      throw error;
    }
  }
}

async function recover(
  world: World,
  options: BlueStoreScenarioOptions,
  marks: readonly Mark[],
): Promise<readonly string[]> {
  const life = new Life(world, options, false);
  try {
    return marks.some(({ kind }) => kind === "made")
      ? await check(life, world, marks)
      : await makeAgain(life);
  } catch (error) {
    if (world.profile?.lies === true && isReported(error)) {
      return ["then: damage is reported"];
    }
    throw error;
  }
}

export function blueStoreScenario(options: BlueStoreScenarioOptions): CrashScenario {
  return {
    name: options.name,
    describe: options.describe,
    canary: options.canary,
    run: (world) => run(world, options),
    recover: (world, marks) => recover(world, options, marks as readonly Mark[]),
    classify: classOf,
    cover: (marks) => covered(marks as readonly Mark[]),
  };
}

function covered(marks: readonly Mark[]): string[] {
  const names = new Set<string>();
  const open = new Map<number, Transaction>();
  let phase = "making";
  for (const mark of marks) {
    switch (mark.kind) {
      case "did":
        names.add(`after: ${mark.what}`);
        break;
      case "phase":
        phase = mark.phase;
        break;
      case "asked":
        open.set(mark.id, mark.transaction);
        break;
      case "acked":
        open.delete(mark.id);
        if (mark.result === -storeErrnos.ENOSPC) {
          names.add("after: a full device");
        }
        break;
      default:
    }
  }
  names.add(`while: ${phase}`);
  for (const transaction of open.values()) {
    for (let at = 0; at < transaction.count; at += 1) {
      const what = toldOps[transaction.op(at).code];
      if (what !== undefined) {
        names.add(`under way: ${what}`);
      }
    }
  }
  return [...names];
}

function classOf(write: VolatileWrite): string {
  if (write.offsetBytes < labelBytes) {
    return "label";
  }
  return write.data === null ? "trim" : waltreeWriteClass(write, "data");
}
