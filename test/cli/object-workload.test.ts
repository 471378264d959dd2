/** `osdyno run` with io_unit=object, as a user types it. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const common = ["run", "--no-report", "--no-progress", "--out=r"];
const ops = ["get", "put", "overwrite", "delete", "omap"] as const;

describe("io_unit=object", () => {
  test("does each kind by its share, verified, and tells each by itself", () => {
    place.write(
      "o.fio",
      [
        "[global]",
        `target=store:${place.path("o.img")}?size=256m&bluestore_kvbackend=waltree`,
        "io_unit=object",
        "rw=randrw",
        "bssplit=4k/50:10000/30:64k/20",
        "nrfiles=200",
        "iodepth=16",
        "verify=crc32c",
        "[mix]",
        "object_mix=get:40,put:20,overwrite:15,delete:10,omap:15",
        "random_distribution=zipf:1.1",
        "number_ios=3000",
        "io_size=1g",
        "[read]",
        "stonewall",
        "rw=read",
        "number_ios=200",
      ].join("\n"),
    );
    const { code, err } = place.run([...common, "o.fio"]);
    expect(err).not.toContain("osdyno:");
    expect(code).toBe(0);
    const { jobs, osdyno } = place.record("r");
    const counters = osdyno.counters as Record<string, number>;
    const of = (name: string): number => counters[`objects.${name}`] as number;
    expect(ops.reduce((sum, op) => sum + of(op), 0)).toBe(3200);
    const [mix, read] = jobs as unknown as {
      read: { total_ios: number; io_bytes: number };
      write: { total_ios: number; io_bytes: number };
      trim: { total_ios: number };
    }[];
    expect((mix?.read.total_ios ?? 0) + (read?.read.total_ios ?? 0)).toBe(of("get"));
    expect((mix?.read.io_bytes ?? 0) + (read?.read.io_bytes ?? 0)).toBe(of("get_bytes"));
    expect(mix?.write.total_ios).toBe(of("put") + of("overwrite") + of("omap"));
    expect(mix?.write.io_bytes).toBe(of("put_bytes") + of("overwrite_bytes") + of("omap_bytes"));
    expect(mix?.trim.total_ios).toBe(of("delete"));
    expect(of("put") / 3000).toBeGreaterThan(0.15);
    expect(of("put") / 3000).toBeLessThan(0.25);
    for (const op of ops) {
      expect(of(`${op}_lat.count`), op).toBeGreaterThan(0);
      expect(of(`${op}_lat.p99_ns`), op).toBeGreaterThanOrEqual(of(`${op}_lat.p50_ns`));
    }
    expect(of("verified")).toBeGreaterThan(1000);
    expect(of("verify_mismatches")).toBe(0);
    // The objects are there for a later run.
    const again = place.run([
      ...common,
      `--target=store:${place.path("o.img")}`,
      ...["--name=a", "--io_unit=object", "--rw=randread", "--bs=4k", "--nrfiles=200"],
    ]);
    expect(again.code).toBe(0);
    expect(place.record("r").jobs[0]).toMatchObject({ read: { total_ios: 200 } });
  });

  test.each([
    ["get:60,put:15,delete:15,omap:10", false, [45, 60]],
    ["get:60,put:5,delete:35", true, [0, 20]],
  ])("with object_mix=%s the objects get fewer: %s", (mix, told, [least, most]) => {
    const { code, out } = place.run([
      ...common,
      "--target=store:o.img?size=96m&bluestore_kvbackend=waltree",
      ...["--name=a", "--io_unit=object", "--rw=randrw", "--bs=4k", "--nrfiles=60", "--iodepth=8"],
      ...[
        `--object_mix=${mix}`,
        "--number_ios=200",
        "--io_size=1g",
        "--random_distribution=zipf:1.1",
      ],
    ]);
    expect(code).toBe(0);
    expect(/note: object_mix deletes more \(35%\) than it puts \(5%\): [^\n]*/.test(out)).toBe(
      told,
    );
    const { objects } = JSON.parse(place.run(["store", "list", "o.img", "--json"]).out) as {
      objects: readonly { pool: number; sizeBytes: number }[];
    };
    const sizes = objects.filter(({ pool }) => pool === 2).map(({ sizeBytes }) => sizeBytes);
    expect(sizes.length).toBeGreaterThanOrEqual(least as number);
    expect(sizes.length).toBeLessThanOrEqual(most as number);
    expect(Math.min(...sizes, 4096)).toBe(4096);
  });

  test("on other targets it is refused with one line", () => {
    const job = ["--name=a", "--io_unit=object", "--size=1m"];
    for (const target of [[], ["--target=null:"], [`--target=raw:${place.path("f")}`]]) {
      const { code, err } = place.run([...common, ...target, ...job]);
      expect(code).toBe(2);
      expect(err.trim().split("\n").at(-1)).toMatch(
        /^osdyno: .*io_unit=object works on a target store:PATH/,
      );
    }
    expect(place.files()).toEqual([]);
  });
});
