/**
 * Units of objects overwritten many at a time, as clients of a volume do it: crashed at every write. The
 * transactions are of one collection, so that a crash leaves what some of them, from the first on, come to.
 */
import { assert } from "../base/assert.ts";
import type { SeededRandom } from "../base/random.ts";
import type { CrashScenario } from "../sim/crashes.ts";
import type { World } from "../sim/world.ts";
import { firstDifference, type StoreSession } from "./conformance-session.ts";
import { storeErrnos } from "./object-store.ts";
import { blueStoreScenario } from "./scenario-bluestore.ts";
import { type BlueStoreScenarioOptions, Life } from "./scenario-life.ts";
import { expectation, type Mark } from "./scenario-marks.ts";
import {
  checkAfterCrash,
  checkStructure,
  isReported,
  type StoreLife,
  sessionOf,
} from "./scenario-recovery.ts";
import { opCodes, Transaction } from "./transaction.ts";

const collection = "1.0";
const unit = 4096;
const units = 16;
const names = ["a", "b"] as const;
type Name = (typeof names)[number];
/** Under way at once, at most. */
const depth = 8;

/** What the objects hold; empty: there are none yet. */
type Model = Map<Name, Uint8Array>;

function contentOf(id: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => (id * 31 + at * (1 + (id % 7))) & 255);
}

/** The first makes the objects; of the others most overwrite one unit, some more, some with zeroes. */
function transactionOf(session: StoreSession, random: SeededRandom, id: number): Transaction {
  if (id === 1) {
    const made = new Transaction().createCollection(collection, 0);
    for (const name of names) {
      made.write(collection, session.object(name), 0, contentOf(id, units * unit));
    }
    return made;
  }
  const object = session.object(names[random.below(names.length)] as Name);
  const kind = random.below(16);
  const count = kind === 0 ? 2 + random.below(3) : 1;
  // Some units are overwritten again while they are still on their way.
  const at = random.below(3) === 0 ? random.below(3) : random.below(units - count + 1);
  return kind === 1 || kind === 2
    ? new Transaction().zero(collection, object, at * unit, unit)
    : new Transaction().write(collection, object, at * unit, contentOf(id, count * unit));
}

function apply(session: StoreSession, model: Model, transaction: Transaction): void {
  for (let index = 0; index < transaction.count; index += 1) {
    const { code, object, offsetBytes, lengthBytes, data } = transaction.op(index);
    const name = names.find((each) => object !== null && session.object(each).name === object.name);
    if (name === undefined) {
      continue;
    }
    const bytes = model.get(name) ?? new Uint8Array(units * unit);
    model.set(name, bytes);
    if (code === opCodes.write && data !== null) {
      bytes.set(data, offsetBytes);
    } else {
      bytes.fill(0, offsetBytes, offsetBytes + lengthBytes);
    }
  }
}

/** A store whose marks can be made from here. */
export interface MarkedLife extends StoreLife {
  mark(mark: Mark): void;
}

async function drive(
  life: MarkedLife,
  session: StoreSession,
  { from, count, random }: { from: number; count: number; random: SeededRandom },
): Promise<void> {
  let open = 0;
  let failed = false;
  for (let id = from; id < from + count && !failed; id += 1) {
    const transaction = transactionOf(session, random, id);
    life.mark({ kind: "asked", id, transaction });
    open += 1;
    const premised = life.store.state.counters.kv_premised;
    life.store.submit(transaction, (result) => {
      open -= 1;
      failed ||= result !== 0;
      life.mark({ kind: "acked", id, result });
      if (life.store.state.counters.kv_premised > premised) {
        life.mark({ kind: "did", what: "commits that stand on data that is not flushed" });
      }
    });
    while (open >= (id === 1 ? 1 : 1 + random.below(depth))) {
      await life.turn();
    }
  }
  while (open > 0) {
    await life.turn();
  }
}

/** Makes a store and uses it in two lives; in one only on disks that lie or have failed. */
export async function overwriteUnits(
  life: MarkedLife,
  { transactions, random, lies }: { transactions: number; random: SeededRandom; lies: boolean },
): Promise<void> {
  await life.make();
  await life.mount();
  const session = sessionOf(life, 1);
  const half = Math.floor(transactions / 2);
  await drive(life, session, { from: 1, count: half, random });
  if (!(await life.unmount()) || lies) {
    return;
  }
  await life.mount();
  await drive(life, session, { from: half + 1, count: transactions - half, random });
  await life.unmount();
}

async function run(world: World, options: BlueStoreScenarioOptions): Promise<void> {
  const life = new Life(world, options, true);
  const { transactions } = options;
  const random = world.random.fork("overwrites");
  try {
    await overwriteUnits(life, { transactions, random, lies: world.profile?.lies === true });
  } catch (error) {
    if (world.profile === null || !isReported(error)) {
      throw error;
    }
  }
}

/** Whether an object is as in the model; what disks that lie have damaged, and is refused, passes. */
async function isAs(session: StoreSession, name: Name, bytes: Uint8Array | null, lies: boolean) {
  const object = session.object(name);
  const found = await session.statErrno(collection, object);
  if (bytes === null || found !== 0) {
    return (lies && found === -storeErrnos.EIO) || (bytes === null) === (found !== 0);
  }
  const step = lies ? unit : bytes.length;
  for (let at = 0; at < bytes.length; at += step) {
    const read = await session.tryRead(collection, object, at, step);
    const right = read === null ? lies : firstDifference(read, bytes.subarray(at, at + step)) < 0;
    if (!right) {
      return false;
    }
  }
  return true;
}

async function holds(session: StoreSession, model: Model, lies: boolean): Promise<boolean> {
  for (const name of names) {
    if (!(await isAs(session, name, model.get(name) ?? null, lies))) {
      return false;
    }
  }
  return true;
}

/** The last transaction that took effect; `null`: what is there is not what any of them left. */
async function newestIn(
  session: StoreSession,
  marks: readonly Mark[],
  lies: boolean,
): Promise<{ readonly newest: number; readonly model: Model } | null> {
  const { asked, refused, lastAcked, lastAsked } = expectation(marks);
  const model: Model = new Map();
  for (let id = 0; id <= lastAsked; id += 1) {
    const transaction = asked.get(id);
    if (transaction !== undefined && !refused.has(id)) {
      apply(session, model, transaction);
    }
    if ((lies || id >= lastAcked) && (await holds(session, model, lies))) {
      return { newest: id, model };
    }
  }
  return null;
}

async function recover(
  world: World,
  options: BlueStoreScenarioOptions,
  marks: readonly Mark[],
): Promise<readonly string[]> {
  const lies = world.profile?.lies === true;
  const life = new Life(world, options, false);
  try {
    return await checkOverwritten(life, marks, world.random.fork("more"), lies);
  } catch (error) {
    if (lies && isReported(error)) {
      return ["then: damage is reported"];
    }
    throw error;
  }
}

/** As `checkAfterCrash`, after `overwriteUnits`. */
export async function checkOverwritten(
  life: MarkedLife,
  marks: readonly Mark[],
  random: SeededRandom,
  lies: boolean,
): Promise<readonly string[]> {
  if (!marks.some(({ kind }) => kind === "made")) {
    return await checkAfterCrash(life, marks, lies);
  }
  const checks = async () => {
    const { total, errors } = await life.fsck();
    assert(lies || total === 0, `fsck finds ${total} problems: ${errors[0]?.message}`);
  };
  const fsckFirst = marks.length % 2 === 0;
  if (fsckFirst) {
    await checks();
  }
  await life.mount();
  await checkStructure(life);
  const session = sessionOf(life, 1);
  const found = await newestIn(session, marks, lies);
  const { lastAcked, lastAsked } = expectation(marks);
  assert(
    found !== null,
    `the store differs from what transactions ${lastAcked} to ${lastAsked} left, of which the first was acknowledged`,
  );
  const counters = life.store.state.kv.counters();
  const torn = counters["groundless_records"] ?? counters["bluefs_groundless_records"] ?? 0;
  await drive(life, session, { from: found.newest + 1, count: 12, random });
  if ((await life.unmount()) && !fsckFirst) {
    await checks();
  }
  return [
    found.newest > lastAcked ? "then: more than was acknowledged" : "then: all there",
    ...(torn > 0 ? ["then: the data of the last commit was missing, and it with that"] : []),
  ];
}

/** As `blueStoreScenario`, with these transactions. */
export function overwriteScenario(options: BlueStoreScenarioOptions): CrashScenario {
  return {
    ...blueStoreScenario(options),
    run: (world) => run(world, options),
    recover: (world, marks) => recover(world, options, marks as readonly Mark[]),
  };
}
