/** Damage of every kind is put into a store, found by fsck, mended where it can be, and gone then. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test, vi } from "vitest";
import { KvBatch } from "../../engine/hot/kv/kv.ts";
import { Blob } from "../../engine/store/bluestore/blob.ts";
import { encodeDeferred } from "../../engine/store/bluestore/deferred.ts";
import type { FindingKind } from "../../engine/store/bluestore/fsck/findings.ts";
import { prefixes, u64Key } from "../../engine/store/bluestore/keys.ts";
import { shardKey } from "../../engine/store/bluestore/shards.ts";
import type { BlueStore } from "../../engine/store/bluestore/store.ts";
import { poolKey } from "../../engine/store/bluestore/usage.ts";
import { bytesOfKey, WireWriter } from "../../engine/store/bluestore/wire.ts";
import { hasRocksdb } from "../conformance/native-store.ts";
import {
  apply,
  commit,
  damaged,
  disposeOfStore,
  expectMended,
  firstBlob,
  flip,
  freeExtent,
  fsck,
  id,
  notesOfMount,
  object,
  onodeOf,
  pathOfStore,
  putOnode,
  shape,
} from "./fsck-fixture.ts";

afterEach(disposeOfStore);

const cli = fileURLToPath(new URL("../../cli/osdyno.mjs", import.meta.url));

const kvs = hasRocksdb ? (["waltree", "rocksdb"] as const) : (["waltree"] as const);

type Damage = (store: BlueStore, batch: KvBatch) => KvBatch | undefined;

/** Name, kind, message, what is done to a store with a bitmap freelist. */
const mendable: readonly (readonly [string, FindingKind, RegExp, Damage])[] = [
  [
    "space that is lost",
    "leak",
    /the freelist is wrong about 65536 bytes at \d+: nobody uses them/,
    (store, batch) => {
      const [offset] = freeExtent(store);
      store.state.freelist?.turnOne(batch, offset + (1 << 20), 65_536);
      return batch;
    },
  ],
  [
    "space in use that counts as free",
    "space",
    /the freelist is wrong about 4096 bytes at \d+: they are in use/,
    (store, batch) => {
      const disk = onodeOf(store, "plain").map.extents[0]?.blob.diskOffset(0) ?? 0;
      store.state.freelist?.turnOne(batch, disk, 4096);
      return batch;
    },
  ],
  [
    "usage that is not the sum of the objects",
    "usage",
    /stored bytes are recorded as \d+, objects have \d+/,
    (_store, batch) => {
      batch.merge(prefixes.usage, poolKey(1), new Uint8Array(32).fill(1, 8, 9));
      return batch;
    },
  ],
  [
    "usage of a pool that is not there",
    "usage",
    /pool 77: stored bytes are recorded as 256/,
    (_store, batch) => {
      batch.set(prefixes.usage, poolKey(77), new Uint8Array(32).fill(1, 9, 10));
      return batch;
    },
  ],
  [
    "omap without an object",
    "omap",
    /2 omap keys belong to number 99999, which no object has/,
    (store, batch) => {
      const prefix = new Uint8Array([
        ...bytesOfKey(onodeOf(store, "plain").key.slice(0, 13)),
        ...u64Key(99_999),
      ]);
      for (const mark of [0x2d, 0x2e]) {
        batch.set(prefixes.omap, new Uint8Array([...prefix, mark, 65]), new Uint8Array(3));
      }
      return batch;
    },
  ],
  [
    "a deferred write that cannot be read",
    "deferred",
    /deferred write 1000000: checksum/,
    (_store, batch) => {
      batch.set(prefixes.deferred, u64Key(1_000_000), new Uint8Array(40));
      return batch;
    },
  ],
  [
    "a deferred write to the key-value store's space",
    "deferred",
    /deferred write 1000000: goes to \d+, where no object can have data/,
    (store, batch) => {
      const writer = new WireWriter();
      const [extent] = store.state.kv.usedExtents();
      encodeDeferred(writer, [
        { offsetBytes: extent?.offsetBytes ?? 0, bytes: new Uint8Array(4096) },
      ]);
      batch.set(prefixes.deferred, u64Key(1_000_000), writer.seal(0));
      return batch;
    },
  ],
  [
    "a shared blob without its record",
    "shared blob",
    /shared blob \d+: blobs refer to it, it has no record/,
    (store, batch) => {
      const { shared } = firstBlob(onodeOf(store, "original"));
      batch.remove(prefixes.sharedBlobs, u64Key(shared?.id ?? 0));
      return batch;
    },
  ],
  [
    "a shared blob that counts wrong",
    "shared blob",
    /shared blob \d+: counts \d+\+\d+x3, blobs have \d+\+\d+x2/,
    (store, batch) => {
      const { shared } = firstBlob(onodeOf(store, "original"));
      const [offset, length] = [shared?.map.offsets[0] ?? 0, shared?.map.lengths[0] ?? 0];
      shared?.map.get(offset, length);
      store.state.writeSharedBlob(shared as NonNullable<typeof shared>, batch);
      return batch;
    },
  ],
  [
    "a shared blob that nobody refers to",
    "shared blob",
    /shared blob 9999: counts .*, blobs have $/,
    (store, batch) => {
      const writer = new WireWriter();
      const [offset] = freeExtent(store);
      for (const number of [1, offset / 4096, 2, 1]) {
        writer.varint(number);
      }
      batch.set(prefixes.sharedBlobs, u64Key(9999), writer.seal(0));
      return batch;
    },
  ],
  [
    "a limit of numbers below those in use",
    "number",
    /the limit of object numbers is 1, \d+ is in use/,
    (_store, batch) => {
      const writer = new WireWriter();
      writer.u64(1);
      batch.set(prefixes.super, bytesOfKey("nid_max"), writer.seal(0));
      return batch;
    },
  ],
  [
    "a shard that is not its object's",
    "shard",
    /a shard from 12345 is not its object's/,
    (store, batch) => {
      batch.set(prefixes.onodes, shardKey(onodeOf(store, "sharded"), 12_345), new Uint8Array(9));
      return batch;
    },
  ],
  [
    "a blob that no extent refers to",
    "blob",
    /object sharded: blob 500 has space and no extent refers to it/,
    (store) => {
      const onode = onodeOf(store, "sharded");
      const blob = new Blob();
      blob.logicalBytes = 65_536;
      blob.spanningId = 500;
      blob.setDisk(0, 65_536, freeExtent(store)[0]);
      blob.initUse(4096);
      onode.map.spanning.set(500, blob);
      return putOnode(store, onode);
    },
  ],
  [
    "a blob that counts wrong",
    "blob",
    /object sharded: a blob counts [\d,]+ bytes, extents have/,
    (store) => {
      const onode = onodeOf(store, "sharded");
      const [blob] = onode.map.spanning.values();
      if (blob === undefined) {
        throw new Error("no blob spans shards");
      }
      const unit = blob.used.findIndex((bytes) => bytes > 0);
      blob.used[unit] = (blob.used[unit] ?? 0) + 1;
      return putOnode(store, onode);
    },
  ],
];

test.each(mendable)("%s: found, mended, clean", async (_name, kind, text, damage) => {
  await damaged(shape("waltree", false), async (store) => {
    await commit(store, damage(store, new KvBatch()) ?? new KvBatch());
  });
  await expectMended(kind, text);
});

test.runIf(hasRocksdb)("the same on rocksdb, all at once", async () => {
  await damaged(shape("rocksdb", false), async (store) => {
    for (const [name, , , damage] of mendable) {
      // What changes onodes in memory would be read by others after it.
      if (!name.startsWith("a blob") && !name.includes("counts wrong")) {
        await commit(store, damage(store, new KvBatch()) ?? new KvBatch());
      }
    }
  });
  await expectMended("leak", /nobody uses them/);
});

/** What is told and cannot be mended. */
const lost: readonly (readonly [string, FindingKind, RegExp, Damage])[] = [
  [
    "space of two objects",
    "space",
    /objects (plain, sharded|sharded, plain) use the unit at \d+/,
    (store) => {
      const other = onodeOf(store, "sharded").map.extents[0]?.blob.diskOffset(0) ?? 0;
      const onode = onodeOf(store, "plain");
      onode.map.shards.length = 0;
      const blob = firstBlob(onode);
      blob.setDisk(0, blob.diskLength(0), other);
      return putOnode(store, onode);
    },
  ],
  [
    "an onode that cannot be read",
    "record",
    /^object plain: checksum \w+ is not the stored \w+$/,
    (store, batch) => {
      const { keyBytes } = onodeOf(store, "plain");
      const record = store.state.kv.get(prefixes.onodes, keyBytes)?.slice() as Uint8Array;
      record[7] = (record[7] ?? 0) ^ 4;
      batch.set(prefixes.onodes, keyBytes, record);
      return batch;
    },
  ],
  [
    "a shard that is missing",
    "record",
    /^extents of object sharded from \d+: the record is missing$/,
    (store, batch) => {
      const onode = onodeOf(store, "sharded");
      batch.remove(prefixes.onodes, shardKey(onode, onode.map.shards[1]?.offset ?? 0));
      return batch;
    },
  ],
  [
    "an extent beyond the end",
    "extent",
    /^object compressible: the extent at 0 is beyond the end$/,
    (store) => {
      const onode = onodeOf(store, "compressible");
      onode.sizeBytes = 5;
      return putOnode(store, onode);
    },
  ],
  [
    "sums that are missing",
    "checksum",
    /^object compressible: a blob has 0 bytes of sums, not \d+$/,
    (store) => {
      const onode = onodeOf(store, "compressible");
      firstBlob(onode).sums = new Uint8Array(0);
      return putOnode(store, onode);
    },
  ],
  [
    "two objects of one number",
    "number",
    /number \d+ is object \w+'s, too$/,
    (store) => {
      const onode = onodeOf(store, "compressible");
      onode.nid = onodeOf(store, "plain").nid;
      return putOnode(store, onode);
    },
  ],
  [
    "an object in no collection",
    "collection",
    /^object plain: is in no collection$/,
    (_store, batch) => {
      batch.remove(prefixes.collections, bytesOfKey(id));
      return batch;
    },
  ],
];

test.each(lost)("%s: told, and left as it is", async (_name, kind, text, damage) => {
  await damaged(shape("waltree", false), async (store) => {
    await commit(store, damage(store, new KvBatch()) ?? new KvBatch());
  });
  for (const repair of [false, true]) {
    const { errors, left } = await fsck({ repair });
    const told = errors.find((error) => error.kind === kind && text.test(error.message));
    expect(told, JSON.stringify(errors)).toMatchObject({ repair: "no" });
    expect(left).toBeGreaterThan(0);
  }
});

test("space of an object that cannot be read is not given away", async () => {
  const [, , , damage] = lost[1] as (typeof lost)[number];
  await damaged(shape("waltree", false), async (store) => {
    await commit(store, damage(store, new KvBatch()) ?? new KvBatch());
  });
  const { errors } = await fsck({ repair: true });
  expect(errors.some(({ kind }) => kind === "leak")).toBe(true);
  expect(errors.filter(({ repair }) => repair === "done")).toEqual([]);
});
test.each(["plain", "sharded", "copy", "compressible"] as const)(
  "a bit of the data of object %s: told with object and offset by a deep check only",
  async (name) => {
    let disk = 0;
    let offset = 0;
    await damaged(shape("waltree", true), (store) => {
      const extent = onodeOf(store, name).map.extents.at(-1);
      const inside = Math.floor((extent?.length ?? 0) / 2);
      disk =
        extent?.blob.diskOffsetOf(name === "compressible" ? 9 : extent.blobOffset + inside) ?? 0;
      offset = name === "compressible" ? 0 : (extent?.offset ?? 0) + inside;
    });
    flip(pathOfStore(), disk);
    expect((await fsck({})).errors).toEqual([]);
    const { errors, left } = await fsck({ deep: true, repair: true });
    const concerned = name === "copy" ? ["copy", "original"] : [name];
    expect(errors.map((error) => error.object).sort()).toEqual(concerned);
    for (const error of errors) {
      expect(error).toMatchObject({ kind: "data", repair: "no" });
      expect(error.message).toMatch(
        /^object \w+: data at offset \d+, on the device at \d+: the ch/,
      );
      expect(offset - (error.offsetBytes ?? -1)).toBeGreaterThanOrEqual(0);
      expect(offset - (error.offsetBytes ?? -1)).toBeLessThan(4096);
    }
    expect(left).toBe(concerned.length);
  },
);

test("what the log still has to write is no damage", async () => {
  const how = shape("waltree", false);
  const options = { preferDeferredBytes: 65_536, deferredBatchOps: 1000, maxDeferIntervalNs: 1e12 };
  await damaged({ ...how, options: { ...how.options, ...options } }, async (store) => {
    await apply(store, (t) => t.write(id, object("plain"), 8192, new Uint8Array(4096).fill(7)));
  });
  const report = await fsck({ deep: true });
  expect(report.counts.deferredWrites).toBeGreaterThan(0);
  expect(report.errors).toEqual([]);
});

test.each(kvs)(
  "damage of what the last commit on %s stands on is told, soon after it",
  async (kv) => {
    let disk = 0;
    await damaged(shape(kv, false), async (store) => {
      const { counters } = store.state;
      const before = counters.kv_premised;
      await apply(store, (t) => t.write(id, object("plain"), 0, new Uint8Array(4096).fill(7)));
      expect(counters.kv_premised - before).toBe(1);
      const groups = counters.kv_groups;
      await vi.waitFor(() => expect(counters.kv_groups).toBeGreaterThan(groups), 60_000);
      disk = firstBlob(onodeOf(store, "plain")).diskOffset(0);
    });
    flip(pathOfStore(), disk);
    const { errors } = await fsck({ deep: true });
    expect(errors.map((error) => error.object)).toEqual(["plain"]);
  },
);

test.each(kvs)(
  "a last commit on %s that lost its data in a crash is told by the check and by the mount",
  async (kv) => {
    let disk = 0;
    await damaged(shape(kv, false), async (store) => {
      await apply(store, (t) => t.write(id, object("plain"), 0, new Uint8Array(4096).fill(7)));
      disk = firstBlob(onodeOf(store, "plain")).diskOffset(0);
    });
    flip(pathOfStore(), disk);
    const before = await fsck({ deep: true });
    expect(before.errors).toEqual([]);
    expect(before.notes.join("\n")).toMatch(/^the last commit before the crash is not there/);
    const told = spawnSync(process.execPath, [cli, "fsck", pathOfStore()], { encoding: "utf8" });
    expect([told.status, told.stderr]).toEqual([0, ""]);
    expect(told.stdout).toContain("\nnote: the last commit before the crash is not there");
    expect((await notesOfMount()).join("\n")).toMatch(
      /: the last commit before the crash is not there/,
    );
    expect(await fsck({ deep: true })).toMatchObject({ errors: [], notes: [] });
    expect((await notesOfMount()).join("\n")).not.toMatch(/is not there/);
  },
);

test.each(kvs)("repairs a store on %s whose last commit lost its data", async (kv) => {
  let disk = 0;
  await damaged(shape(kv, false), async (store) => {
    const batch = new KvBatch();
    batch.set(prefixes.usage, poolKey(77), new Uint8Array(32).fill(1, 9, 10));
    await commit(store, batch);
    await apply(store, (t) => t.write(id, object("plain"), 0, new Uint8Array(4096).fill(7)));
    disk = firstBlob(onodeOf(store, "plain")).diskOffset(0);
  });
  flip(pathOfStore(), disk);
  const report = await fsck({ deep: true, repair: true });
  expect(report.errors.length).toBeGreaterThan(0);
  for (const error of report.errors) {
    expect(error).toMatchObject({ kind: "usage", repair: "done" });
  }
  expect(report.notes).toHaveLength(1);
  expect(await fsck({ deep: true })).toMatchObject({ errors: [], notes: [] });
});
