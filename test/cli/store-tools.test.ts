/** `osdyno fsck` and `osdyno store`, as a user types them. */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { holdFile } from "../../engine/os/hold.ts";
import { hasRocksdb } from "../conformance/native-store.ts";
import { Workplace } from "./command.ts";

const place = new Workplace();
const kvs = hasRocksdb ? (["waltree", "rocksdb"] as const) : (["waltree"] as const);

beforeAll(() => {
  for (const kv of kvs) {
    const job = ["--name=a", "--rw=randwrite", "--bs=16k", "--size=16m", "--io_size=2m"];
    const target = `store:${kv}?size=96m&object_size=1m&bluestore_kvbackend=${kv}`;
    const made = place.run([
      "run",
      ...job,
      "--no-progress",
      "--target",
      target,
      "--out",
      `r-${kv}`,
    ]);
    expect(made).toMatchObject({ code: 0 });
  }
}, 120_000);
afterAll(() => place.remove());

function json<T>(...args: readonly string[]): T {
  const done = place.run([...args, "--json"]);
  expect(done).toMatchObject({ code: 0, err: "" });
  return JSON.parse(done.out) as T;
}

interface Object {
  readonly name: string;
  readonly sizeBytes: number;
  readonly blobs: readonly { readonly disk: readonly (readonly [number, number])[] }[];
}

describe.each(kvs)(
  "a store whose metadata is in %s",
  (kv) => {
    test("label, dump and list tell what it is and holds", () => {
      const { labels } = json<{ labels: unknown[] }>("store", "label", kv);
      expect(labels).toEqual([expect.objectContaining({ role: "main", kv, sizeBytes: 96 << 20 })]);
      const dump = place.run(["store", "dump", kv]);
      expect(dump.out).toMatch(new RegExp(`^metadata in +${kv}$`, "m"));
      expect(dump.out).toMatch(/^collections +1\.0 1\.1 .*meta$/m);
      expect(dump.out).toMatch(/^ +1 +[\d.]+ MiB +[\d.]+ MiB +0 B +0 B$/m);
      const all = json<{ objects: Object[]; more: boolean }>("store", "list", kv);
      expect(all.objects.map(({ name }) => name)).toContain("volume");
      const some = json<{ objects: Object[]; more: boolean }>(
        "store",
        "list",
        kv,
        "*000?",
        "--limit=2",
      );
      expect([some.objects.length, some.more]).toEqual([2, true]);
      expect(place.run(["store", "list", kv, "volume.*03"]).out).toMatch(
        /volume\.0+3\n1 objects\n$/,
      );
    });

    test("dump of an object shows its extents and blobs; counters have Ceph's names", () => {
      const { objects } = json<{ objects: Object[] }>(
        "store",
        "dump",
        kv,
        "volume.0000000000000001",
      );
      expect(objects).toHaveLength(1);
      expect(objects[0]?.blobs[0]?.disk[0]?.[0]).toBeGreaterThanOrEqual(65_536);
      const text = place.run(["store", "dump", kv, "volume.0000000000000001"]).out;
      expect(text).toMatch(/^offset +length +blob +at$/m);
      expect(text).toContain("crc32c/4096");
      const nobody = place.run(["store", "dump", kv, "nobody"]);
      expect(nobody).toMatchObject({ code: 2, err: `osdyno: ${kv}: no object is called nobody\n` });
      const { counters } = json<{ counters: Record<string, Record<string, unknown>> }>(
        ...["store", "dump", kv, "--counters"],
      );
      expect(counters["bluestore"]?.["allocated"]).toMatchObject({ unit: "bytes" });
    });

    test("kv gives records by prefix, free the free extents", () => {
      const { records } = json<{ records: { prefix: string; key: string }[] }>(
        "store",
        "kv",
        kv,
        "S",
      );
      const keys = records.map(({ key }) => Buffer.from(key, "hex").toString());
      expect(keys).toEqual(["blobid_max", "geometry", "nid_max"]);
      expect(place.run(["store", "kv", kv, "O", "--limit=1"]).out).toMatch(
        /^O {2}\S+o {2}\d+ bytes {2}\S+\n\.\.\. and more \(--limit\)\n$/,
      );
      const unknown = place.run(["store", "kv", kv, "Q"]);
      expect([unknown.code, unknown.err]).toEqual([
        2,
        "osdyno: a store has no records under Q; there are B, C, L, O, S, T, X, b, p\n",
      ]);
      const free = json<{
        freeBytes: number;
        extents: [number, number][];
        fragmentationScore: number;
      }>(...["store", "free", kv]);
      const sum = free.extents.reduce((total, [, length]) => total + length, 0);
      expect([sum, free.fragmentationScore > 0]).toEqual([free.freeBytes, true]);
      expect(place.run(["store", "free", kv]).out).toMatch(
        /^fragmentation score +0\.\d+ \(0 best/m,
      );
    });

    test("fsck: clean; a flipped bit is told with object and offset, by --deep only", () => {
      expect(place.run(["fsck", kv])).toMatchObject({ code: 0, err: "" });
      const { objects } = json<{ objects: Object[] }>(
        "store",
        "dump",
        kv,
        "volume.0000000000000002",
      );
      const at = (objects[0]?.blobs[0]?.disk[0]?.[0] ?? 0) + 1;
      flip(place.path(kv), at);
      expect(place.run(["fsck", kv]).out).toMatch(/\nno errors\n$/);
      const deep = place.run(["fsck", kv, "--deep", "--repair"]);
      expect(deep.code).toBe(1);
      expect(deep.out).toMatch(
        /^error: data: object volume\.0+2: data at offset \d+, on the device at \d+: .* \(cannot be mended\)$/m,
      );
      const report = place.run(["fsck", kv, "--deep", "--json"]);
      expect(report.code).toBe(1);
      expect(JSON.parse(report.out)).toMatchObject({
        deep: true,
        total: 1,
        left: 1,
        errors: [{ kind: "data", object: "volume.0000000000000002", repair: "no" }],
      });
      flip(place.path(kv), at);
      expect(place.run(["fsck", kv, "--deep"])).toMatchObject({ code: 0 });
    });

    test("expand takes what the file has more", () => {
      const free = () => json<{ freeBytes: number }>("store", "free", kv).freeBytes;
      const before = free();
      const grown = place.run(["store", "expand", kv, "--size=160m"]);
      expect(grown).toMatchObject({ code: 0, out: `main ${kv}: 96.0 MiB -> 160 MiB\n` });
      expect(free() - before).toBeGreaterThan(60 << 20);
      expect(place.run(["store", "expand", kv]).out).toBe(`main ${kv}: 160 MiB, as before\n`);
      const smaller = place.run(["store", "expand", kv, "--size=96m"]);
      expect([smaller.code, smaller.err]).toEqual([2, expect.stringContaining("not made smaller")]);
      expect(place.run(["fsck", kv, "--deep"])).toMatchObject({ code: 0 });
    });
  },
  120_000,
);

function flip(path: string, at: number): void {
  const file = openSync(path, "r+");
  const byte = new Uint8Array(1);
  readSync(file, byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 1;
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
}

test("what is no store, not there, or in use", () => {
  place.write("other", new Uint8Array(100_000));
  const commands = [["fsck"], ["store", "label"], ["store", "list"], ["store", "free"]];
  for (const command of commands) {
    expect(place.run([...command, "nowhere"])).toMatchObject({
      code: 2,
      err: "osdyno: nowhere: there is no such file or device\n",
    });
    expect(place.run([...command, "other"])).toMatchObject({
      code: 2,
      err: "osdyno: other: has no object store's label; make a store first\n",
    });
  }
  const hold = holdFile(place.path("waltree"));
  const used = place.run(["fsck", "waltree"]);
  hold.close();
  expect(used).toMatchObject({
    code: 4,
    err: "osdyno: waltree: is in use by another osdyno; end that first\n",
  });
}, 60_000);
