/** Conformance of `ObjectStore`: what was written is what is read, however it came there. */
import { expect, expectEqual, firstDifference, type StoreSession } from "./conformance-session.ts";
import { snapHead } from "./object-name.ts";
import { storeErrnos } from "./object-store.ts";
import { Transaction } from "./transaction.ts";

const { ENOENT } = storeErrnos;
export const id = "1.0";

export async function makeCollection(session: StoreSession): Promise<void> {
  await session.apply((t) => t.createCollection(id, 0));
}

export function named(key: string, value: Uint8Array): Map<string, Uint8Array> {
  return new Map([[key, value.slice(0, 100)]]);
}

export async function dataReadBack(session: StoreSession): Promise<null> {
  await makeCollection(session);
  const object = session.object("data");
  const model = new Uint8Array(1_500_000);
  let size = 0;
  for (const [offset, length] of [
    [0, 4096],
    [4096, 1],
    [100, 200],
    [8191, 2],
    [65536, 65536],
    [200_000, 100_001],
    [4000, 200],
    [300_001, 9],
    [0, 1_200_000],
    [700_000, 5],
  ] as const) {
    const data = session.bytes(length);
    model.set(data, offset);
    size = Math.max(size, offset + length);
    await session.apply((t) => t.write(id, object, offset, data));
    const got = await session.read(id, object, 0, model.length);
    expectEqual(got.length, size, "bytes read at the object's end");
    const different = firstDifference(got, model.subarray(0, size));
    expect(different < 0, `byte ${different} differs after a write of ${length} at ${offset}`);
  }
  const tail = await session.read(id, object, size - 3, 100);
  expect(firstDifference(tail, model.subarray(size - 3, size)) < 0, "the tail differs");
  expectEqual((await session.read(id, object, size, 100)).length, 0, "bytes beyond the end");
  return null;
}

export async function holesAreZero(session: StoreSession): Promise<null> {
  await makeCollection(session);
  const object = session.object("holes");
  await session.apply((t) => t.write(id, object, 100_000, session.bytes(10)));
  const hole = await session.read(id, object, 0, 100_000);
  expect(hole.length === 100_000 && hole.every((byte) => byte === 0), "a hole is not zero");
  await session.apply((t) => t.write(id, object, 0, session.bytes(50_000)));
  await session.apply((t) => t.zero(id, object, 5, 20_000));
  const zeroed = await session.read(id, object, 5, 20_000);
  expect(
    zeroed.every((byte) => byte === 0),
    "a zeroed range is not zero",
  );
  await session.apply((t) => t.truncate(id, object, 10).truncate(id, object, 40_000));
  const grown = await session.read(id, object, 10, 50_000);
  expectEqual(grown.length, 39_990, "bytes after growing by truncate");
  expect(
    grown.every((byte) => byte === 0),
    "what truncate cut off came back",
  );
  await session.apply((t) => t.zero(id, object, 39_990, 20));
  expectEqual((await session.stat(id, object)).sizeBytes, 40_010, "the size after zero");
  return null;
}

export async function visibleAtOnce(session: StoreSession): Promise<null> {
  await makeCollection(session);
  const object = session.object("barrier");
  const data = session.bytes(50_000);
  const patch = session.bytes(777);
  const calls: number[] = [];
  const first = new Transaction().write(id, object, 0, data).omapSet(id, object, named("a", data));
  const second = new Transaction().write(id, object, 1234, patch);
  session.store.submit(first, () => calls.push(1));
  session.store.submit(second, () => calls.push(2));
  const got = await session.read(id, object, 0, data.length);
  data.set(patch, 1234);
  const wanted = data.slice();
  // The first transaction's data was lent until its callback: only compare what it had then.
  expect(firstDifference(got, wanted) < 0, "a read does not see what was submitted before it");
  const answer = await session.omap(id, object, { keys: ["a", "b"] });
  expectEqual([...answer.pairs.keys()].join(), "a", "keys of an omap that is under way");
  await session.flush();
  expectEqual(calls.join(), "1,2", "the order of the callbacks");
  return null;
}

export async function clonesAreApart(session: StoreSession): Promise<null> {
  await makeCollection(session);
  const head = session.object("clone", { snap: snapHead });
  const snap = session.object("clone", { snap: 4 });
  const data = session.bytes(200_000);
  await session.apply((t) => t.write(id, head, 0, data).omapSet(id, head, named("k", data)));
  await session.apply((t) => t.clone(id, head, snap));
  const patch = session.bytes(5000);
  await session.apply((t) => t.write(id, head, 1000, patch).omapClear(id, head));
  await session.apply((t) => t.truncate(id, head, 100_000));
  const kept = await session.read(id, snap, 0, 300_000);
  expect(firstDifference(kept, data) < 0, "a clone changed with its origin");
  expectEqual((await session.omap(id, snap, { keys: ["k"] })).pairs.size, 1, "omap of a clone");
  await session.apply((t) => t.remove(id, snap));
  const changed = data.slice(0, 100_000);
  changed.set(patch, 1000);
  const left = await session.read(id, head, 0, 300_000);
  expect(firstDifference(left, changed) < 0, "the origin changed when its clone went");
  const moved = session.object("moved");
  await session.apply((t) => t.rename(id, head, moved));
  const renamed = await session.read(id, moved, 0, 300_000);
  expect(firstDifference(renamed, changed) < 0, "a rename changed the data");
  expectEqual(await session.statErrno(id, head), -ENOENT, "stat of the old name");
  return null;
}

export async function slots(session: StoreSession): Promise<string | null> {
  const { arena } = session.store;
  if (arena === null) {
    return "the store takes no slots";
  }
  await makeCollection(session);
  const object = session.object("slots");
  const slot = arena.slotCount - 1;
  const bytes = arena.bytes.subarray(slot * arena.slotBytes, (slot + 1) * arena.slotBytes);
  for (const [offset, length] of [
    [0, 4096],
    [0, arena.slotBytes],
    [3, 1000],
    [arena.slotBytes, arena.slotBytes],
  ] as const) {
    const data = session.bytes(length);
    bytes.set(data);
    await session.apply((t) => t.writeSlot(id, object, offset, length, slot));
    bytes.fill(0x5a);
    const got = await session.wait<number>((done) =>
      session.store.readSlot(id, object, { offsetBytes: offset, lengthBytes: length, slot }, done),
    );
    expectEqual(got, length, "bytes read into a slot");
    const different = firstDifference(bytes.subarray(0, length), data);
    expect(different < 0, `byte ${different} of ${length} at ${offset} differs in a slot`);
  }
  return null;
}
