/**
 * The one conformance suite of `ObjectStore`: named checks, free of any test framework. A check throws
 * with one line; its seed reproduces it.
 */
import {
  clonesAreApart,
  dataReadBack,
  holesAreZero,
  id,
  makeCollection,
  named,
  slots,
  visibleAtOnce,
} from "./conformance-data.ts";
import { RandomStoreRun } from "./conformance-random.ts";
import {
  expect,
  expectEqual,
  firstDifference,
  type StoreHarness,
  StoreSession,
  type StoreSubject,
} from "./conformance-session.ts";
import { compareObjects, type ObjectName } from "./object-name.ts";
import { maxObjectBytes, storeErrnos } from "./object-store.ts";
import type { Transaction } from "./transaction.ts";

export type { StoreHarness, StoreSubject } from "./conformance-session.ts";

export interface StoreCheck {
  readonly name: string;
  /** Throws what is wrong, or returns why the check does not apply; `null`: it holds. */
  run(session: StoreSession): Promise<string | null>;
}

const { ENOENT, EEXIST, EINVAL, EFBIG, ENOTEMPTY, ENOSPC } = storeErrnos;
async function errnosOfOperations(session: StoreSession): Promise<null> {
  const object = session.object("one");
  const other = session.object("two");
  const check = async (fill: (t: Transaction) => void, errno: number): Promise<void> => {
    expectEqual(await session.submit(fill), errno === 0 ? 0 : -errno, "result of a transaction");
  };
  await check((t) => t.touch(id, object), ENOENT);
  expectEqual(await session.statErrno(id, object), -ENOENT, "stat in a missing collection");
  await makeCollection(session);
  await check((t) => t.createCollection(id, 0), EEXIST);
  await check((t) => t.createCollection("1.1", 1), EEXIST);
  await check((t) => t.createCollection("no id", 0), EINVAL);
  await check((t) => t.createCollection("3.4", 2), EINVAL);
  expectEqual(await session.statErrno(id, object), -ENOENT, "stat of a missing object");
  await check((t) => t.remove(id, object), ENOENT);
  await check((t) => t.truncate(id, object, 5), ENOENT);
  await check((t) => t.setAttrs(id, object, new Map()), ENOENT);
  await check((t) => t.omapClear(id, object), ENOENT);
  await check((t) => t.clone(id, object, other), ENOENT);
  await check((t) => t.touch(id, session.object("elsewhere", { pool: 2 })), EINVAL);
  await check((t) => t.touch(id, object), 0);
  await check((t) => t.clone(id, object, object), EINVAL);
  await check((t) => t.write(id, object, maxObjectBytes - 1, new Uint8Array(2)), EFBIG);
  await check((t) => t.zero(id, object, -1, 2), EINVAL);
  await check((t) => t.writeSlot(id, object, 0, 4096, 1_000_000), EINVAL);
  await check((t) => t.touch(id, other).rename(id, object, other), EEXIST);
  expectEqual(await session.statErrno(id, other), -ENOENT, "what a refused transaction made");
  await check((t) => t.removeCollection(id), ENOTEMPTY);
  await check((t) => t.remove(id, object).removeCollection(id).touch(id, object), ENOENT);
  expectEqual(await session.statErrno(id, object), 0, "stat after a refused transaction");
  await check((t) => t.remove(id, object).removeCollection(id), 0);
  expectEqual((await session.collections()).length, 0, "collections that are left");
  return null;
}

async function omapRanges(session: StoreSession): Promise<null> {
  await makeCollection(session);
  const object = session.object("omap");
  const keys = Array.from({ length: 50 }, (_, index) => `k${String(index).padStart(2, "0")}`);
  const pairs = new Map(keys.map((key) => [key, session.bytes(20)]));
  pairs.set("\u00ff", session.bytes(3)).set("", session.bytes(4));
  const header = session.bytes(33);
  await session.apply((t) => t.touch(id, object).omapSetHeader(id, object, header));
  await session.apply((t) => t.omapSet(id, object, pairs));
  const some = await session.omap(id, object, { first: "k10", max: 5 });
  expectEqual([...some.pairs.keys()].join(), "k10,k11,k12,k13,k14", "a part of the omap");
  expect(some.more && firstDifference(some.header, header) < 0, "the header or `more` is wrong");
  await session.apply((t) => t.omapRemoveRange(id, object, "k05", "k40"));
  await session.apply((t) => t.omapRemove(id, object, ["k00", "missing"]));
  const rest = await session.omap(id, object, { first: "", max: 100 });
  const left = ["", ...keys.slice(1, 5), ...keys.slice(40), "\u00ff"];
  expectEqual([...rest.pairs.keys()].join(), left.join(), "keys that are left");
  expectEqual(rest.more, false, "`more` at the end");
  await session.apply((t) => t.omapClear(id, object));
  const gone = await session.omap(id, object, { first: "", max: 100 });
  expect(gone.pairs.size === 0 && gone.header.length === 0, "omapClear left something");
  return null;
}

async function lists(session: StoreSession): Promise<null> {
  await makeCollection(session);
  const objects: ObjectName[] = [];
  for (let index = 0; index < 60; index += 1) {
    const pool = index % 10 === 0 ? -3 : 1;
    objects.push(session.object(`o${index}`, { pool, hash: session.random.bits32() }));
  }
  await session.apply((t) => {
    for (const object of objects) {
      t.touch(id, object);
    }
  });
  objects.sort(compareObjects);
  const answer = await session.list(id, { max: 20 });
  expectEqual(text(answer.objects), text(objects.slice(0, 20)), "the first twenty objects");
  expect(
    answer.next !== null && compareObjects(answer.next, objects[20] as ObjectName) === 0,
    "next",
  );
  const range = await session.list(id, { first: objects[7] ?? null, end: objects[12] ?? null });
  expectEqual(text(range.objects), text(objects.slice(7, 12)), "a range of objects");
  await session.apply((t) => t.splitCollection(id, "1.1"));
  const even = objects.filter(({ hash }) => hash % 2 === 0);
  const odd = objects.filter(({ hash }) => hash % 2 === 1);
  expectEqual(text((await session.list(id)).objects), text(even), "one half after a split");
  expectEqual(text((await session.list("1.1")).objects), text(odd), "the other half");
  await session.apply((t) => t.mergeCollection("1.1", id));
  expectEqual(text((await session.list(id)).objects), text(objects), "all after a merge");
  return null;
}

function text(objects: readonly ObjectName[]): string {
  return objects.map(({ name }) => name).join();
}

async function fullDevice(session: StoreSession): Promise<null> {
  await makeCollection(session);
  const kept = session.object("kept");
  const data = session.bytes(500_000);
  await session.apply((t) => t.write(id, kept, 0, data));
  const before = session.store.usage();
  const piece = session.bytes(1_000_000);
  let written = 0;
  let result = 0;
  for (; result === 0; written += 1) {
    expect(written * piece.length < 2 * session.subject.sizeBytes, "the store never becomes full");
    const object = session.object(`fill ${written}`);
    result = await session.submit((t) => t.write(id, object, 0, piece));
  }
  expectEqual(result, -ENOSPC, "result of a write to a full store");
  const share = ((written - 1) * piece.length) / session.subject.sizeBytes;
  expect(share > 0.6, `the store was full with ${share} of its size`);
  const last = session.object(`fill ${written - 1}`);
  expectEqual(await session.statErrno(id, last), -ENOENT, "stat of what was refused");
  const whole = await session.read(id, kept, 0, data.length);
  expect(firstDifference(whole, data) < 0, "data changed when the store became full");
  await session.apply((t) => t.setAttrs(id, kept, named("name", data)));
  for (let index = 0; index < written - 1; index += 1) {
    const object = session.object(`fill ${index}`);
    await session.apply((t) => t.remove(id, object));
  }
  await session.flush();
  const after = session.store.usage();
  expectEqual(after.allocatedBytes, before.allocatedBytes, "allocated bytes after removal");
  await session.apply((t) => t.write(id, session.object("again"), 0, piece));
  return null;
}

async function remounts(session: StoreSession): Promise<string | null> {
  await makeCollection(session);
  const object = session.object("kept");
  const data = session.bytes(300_000);
  const patch = session.bytes(3000);
  for (const clean of [true, false]) {
    await session.apply((t) => t.write(id, object, 0, data).omapSet(id, object, named("k", data)));
    await session.apply((t) => t.write(id, object, 5001, patch));
    await session.apply((t) => t.setAttrs(id, object, named("attribute", data)));
    if (!(await session.harness.remount(clean))) {
      return "the store is gone with its process";
    }
    const wanted = data.slice();
    wanted.set(patch, 5001);
    const got = await session.read(id, object, 0, 400_000);
    const different = firstDifference(got, wanted);
    expect(different < 0, `byte ${different} differs after a remount, clean: ${clean}`);
    const omap = await session.omap(id, object, { first: "", max: 10 });
    expectEqual([...omap.pairs.keys()].join(), "k", "omap after a remount");
    expectEqual((await session.attrs(id, object)).size, 1, "attributes after a remount");
    await session.harness.check();
  }
  return null;
}

async function randomRun(session: StoreSession): Promise<null> {
  await new RandomStoreRun(session, { steps: 60, remountEvery: 10, objects: 12 }).run();
  return null;
}

export const storeChecks: readonly StoreCheck[] = [
  { name: "data is read back at every offset and length", run: dataReadBack },
  { name: "holes, zeroed and cut off ranges read as zeroes", run: holesAreZero },
  { name: "operations that cannot be done are refused whole", run: errnosOfOperations },
  { name: "reads see what was submitted before them", run: visibleAtOnce },
  { name: "clones and renamed objects are independent", run: clonesAreApart },
  { name: "omap keys, ranges and header", run: omapRanges },
  { name: "objects are listed in order, collections split and merge", run: lists },
  { name: "slots are written from and read into", run: slots },
  { name: "a full store refuses writes and takes them again", run: fullDevice },
  { name: "what is durable survives clean and unclean ends", run: remounts },
  { name: "random transactions agree with the model", run: randomRun },
];

/** Runs one check on a fresh store; the reason why it does not apply, or `null`. Throws what is wrong. */
export async function runStoreCheck(
  subject: StoreSubject,
  check: StoreCheck,
  seed: number,
): Promise<string | null> {
  const harness: StoreHarness = await subject.create(seed);
  const session = new StoreSession(subject, harness, seed);
  try {
    return await check.run(session);
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`${subject.name}: ${check.name}: seed ${seed}: ${reason}`, { cause: error });
  } finally {
    await harness.close();
  }
}
