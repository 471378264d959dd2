/** The allocation file: when it is used, when it is not, and what is told of it then. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { KvBatch } from "../../engine/hot/kv/kv.ts";
import {
  allocationFile,
  encodeFree,
  putPieces,
  readKept,
} from "../../engine/store/bluestore/allocation-file.ts";
import type { BlueStore } from "../../engine/store/bluestore/store.ts";
import { hasRocksdb } from "../conformance/native-store.ts";
import {
  apply,
  commit,
  damaged,
  disposeOfStore,
  done,
  expectMended,
  expectWhole,
  fsck,
  id,
  mountAgain,
  object,
  onodeOf,
  pattern,
  shape,
} from "./fsck-fixture.ts";

afterEach(disposeOfStore);

const kvs = hasRocksdb ? (["rocksdb", "waltree"] as const) : (["waltree"] as const);

/** What has no data as the mounted store knows it. */
function unused({ state }: BlueStore): [number, number][] {
  const extents: [number, number][] = [];
  state.allocator.forEachFree((offset, length) => extents.push([offset, length]));
  for (const { role, offsetBytes, lengthBytes } of state.kv.usedExtents()) {
    if (role === "main") {
      extents.push([offsetBytes, lengthBytes]);
    }
  }
  return extents.sort(([a], [b]) => a - b);
}

/** Leaves an allocation file that counts, as if the store had ended cleanly. */
async function leave(store: BlueStore, bytes: Uint8Array): Promise<void> {
  const { kv } = store.state;
  if (kv.files === null) {
    const batch = new KvBatch();
    putPieces(batch, bytes);
    await commit(store, batch);
  } else {
    kv.files.write(allocationFile, bytes);
  }
}

function rightFile(store: BlueStore): Uint8Array {
  const { geometry, mountNumber } = store.opened;
  return encodeFree(geometry, mountNumber, unused(store)).slice();
}

function source({ state }: BlueStore): string {
  const { allocation_file_loaded: loaded, free_space_rebuilt: rebuilt } = state.counters;
  return loaded === 1 && rebuilt === 0 ? "file" : loaded === 0 && rebuilt === 1 ? "objects" : "?";
}

async function end(store: BlueStore, close: () => void): Promise<void> {
  expect(await done<number>((ended) => store.unmount(ended))).toBe(0);
  await nextTurn();
  close();
}

describe.each(kvs)("on %s", (kv) => {
  test("a new store and one that ended cleanly are mounted with it, others with the objects", async () => {
    await damaged(shape(kv, true), (store) => expect(source(store)).toBe("file"));
    let { store, close } = await mountAgain();
    expect(source(store)).toBe("objects");
    expect(store.opened.notes).toEqual([
      expect.stringContaining("free space was found anew from the objects: "),
    ]);
    const before = unused(store).reduce((sum, [, length]) => sum + length, 0);
    for (let round = 0; round < 3; round += 1) {
      await end(store, close);
      expect((await fsck({})).errors).toEqual([]);
      ({ store, close } = await mountAgain());
      expect(source(store)).toBe("file");
      expect(store.opened.notes).toEqual([]);
      expect(unused(store).reduce((sum, [, length]) => sum + length, 0)).toBe(before);
      store.state.allocator.checkInvariants();
      await expectWhole(store);
      await apply(store, (t) => t.write(id, object("plain"), 50, pattern("plain", 200_000)));
      await apply(store, (t) => t.write(id, object("plain"), 0, pattern("plain", 200_000)));
    }
    expect(store.checkStructure()).toEqual([]);
    store.abandon();
    close();
  });

  test.each([
    [
      "a bit of its head",
      (bytes: Uint8Array) => bytes.map((byte, at) => byte ^ (at === 13 ? 1 : 0)),
    ],
    [
      "a bit of its extents",
      (bytes: Uint8Array) => bytes.map((byte, at) => byte ^ (at === 50 ? 4 : 0)),
    ],
    ["its end missing", (bytes: Uint8Array) => bytes.slice(0, -7)],
    ["nothing but a beginning", (bytes: Uint8Array) => bytes.slice(0, 20)],
  ] as const)("damaged, %s: told, not used, mended", async (_name, damage) => {
    await damaged(shape(kv, true), (store) => leave(store, damage(rightFile(store))));
    const { store, close } = await mountAgain();
    expect(source(store)).toBe("objects");
    expect(store.opened.notes).toEqual([
      expect.stringMatching(/the allocation file cannot be used \(the allocation file: .*anew/),
    ]);
    await expectWhole(store);
    await leave(store, damage(rightFile(store)));
    store.abandon();
    await nextTurn();
    close();
    await expectMended("record", /^the allocation file: /);
  });

  test("extents that cannot be are refused though the checksum is right", async () => {
    await damaged(shape(kv, true), async (store) => {
      const { geometry, mountNumber } = store.opened;
      const wrong: [number, number][][] = [
        [[geometry.sizeBytes - 4096, 8192]],
        [
          [1 << 20, 8192],
          [(1 << 20) + 4096, 4096],
        ],
        [[1 << 20, 100]],
      ];
      for (const extents of wrong) {
        await leave(store, encodeFree(geometry, mountNumber, extents));
        expect(readKept(store.state.kv, geometry)).toMatchObject({
          state: "damaged",
          reason: expect.stringContaining("which is no place for them"),
        });
      }
    });
  });

  test("space that it leaves out or gives twice is found and mended", async () => {
    await damaged(shape(kv, true), async (store) => {
      const { geometry, mountNumber } = store.opened;
      const at = onodeOf(store, "plain").map.extents[0]?.blob.diskOffset(0) ?? 0;
      const extents = unused(store).map(([offset, length]): [number, number] =>
        length > 4 << 20 ? [offset + (1 << 20), length - (1 << 20)] : [offset, length],
      );
      extents.push([at, 4096]);
      extents.sort(([a], [b]) => a - b);
      await leave(store, encodeFree(geometry, mountNumber, extents));
    });
    const { errors } = await fsck({});
    expect(errors.map(({ kind }) => kind)).toContain("space");
    await expectMended("leak", /nobody uses them/);
  });
});

test.runIf(hasRocksdb)("without room for it a store ends all the same", async () => {
  await damaged(shape("rocksdb", true), () => {});
  const { store, close } = await mountAgain();
  const { files } = store.state.kv;
  if (files === null) {
    throw new Error("rocksdb has no files");
  }
  Reflect.set(files, "write", () => {
    throw new Error("no space");
  });
  await end(store, close);
  const again = await mountAgain();
  expect(source(again.store)).toBe("objects");
  await expectWhole(again.store);
  again.store.abandon();
  again.close();
});
