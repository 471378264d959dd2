/** `osdyno run` on an object store, as a user types it. */
import { statSync, truncateSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const common = ["run", "--no-report", "--no-progress", "--out=r"];
const fill = ["--name=fill", "--rw=randwrite", "--bs=4k", "--size=2m", "--iodepth=16"];

describe("store:PATH", () => {
  test("a job file runs unchanged; a second run finds its data there", () => {
    const target = `--target=store:${place.path("s.img")}?size=256m`;
    const wrote = place.run([...common, target, ...fill, "--verify=crc32c", "--do_verify=0"]);
    expect(wrote.err).not.toContain("osdyno:");
    expect(wrote.code).toBe(0);
    expect(place.record("r").jobs[0]).toMatchObject({ write: { total_ios: 512 } });
    const check = [...fill, "--verify=crc32c", "--verify_only"];
    const found = place.run([...common, `--target=store:${place.path("s.img")}`, ...check]);
    expect(found.err).not.toContain("osdyno:");
    expect(found.code).toBe(0);
    expect(place.record("r").target).toBe(`store:${place.path("s.img")}`);
  });

  test("without size= it is as large as the job needs, with room for metadata", () => {
    const { code } = place.run([...common, "--target=store:s.img", "--name=a", "--size=96m"]);
    expect(code).toBe(0);
    const more = place.run([...common, "--target=store:s.img", "--name=a", "--size=200m"]);
    expect(more.code).toBe(2);
    expect(more.err).toMatch(/the volume of store:.* has \d+ bytes, the job wants 209715200/);
  });

  test("a file that is something else needs --destroy, and so does a store made anew", () => {
    place.write("s.img", "not a store");
    truncateSync(place.path("s.img"), 1 << 20);
    const { code, err } = place.run([...common, "--target=store:s.img", ...fill]);
    expect(code).toBe(4);
    expect(err).toMatch(
      /^osdyno: will not write to .*s\.img: .*holds no object store; give --destroy/m,
    );
    const made = place.run([...common, "--target=store:s.img?size=128m", "--destroy", ...fill]);
    expect(made.code).toBe(0);
    expect(statSync(place.path("s.img")).size).toBe(128 * 2 ** 20);
    for (const [query, why] of [
      ["size=256m", "size=268435456 makes it anew"],
      ["fresh=1", "fresh= makes it anew"],
    ] as const) {
      const again = [...common, `--target=store:s.img?${query}`, ...fill];
      const refused = place.run(again);
      expect(refused.code).toBe(4);
      expect(refused.err).toContain(why);
      expect(place.run([...again, "--destroy"]).code).toBe(0);
    }
  });

  test("what is read and was never written is laid out first, once", () => {
    const read = ["--name=r", "--rw=randread", "--bs=64k", "--size=6m", "--offset=1m"];
    const target = "--target=store:s.img?size=128m&object_size=2m";
    expect(place.run([...common, target, ...read]).code).toBe(0);
    const { counters } = place.record("r").osdyno;
    // Nothing reads as a hole, and what was laid out is not counted as the job's.
    expect(counters).toMatchObject({ "bluestore.stored": 6 << 20, "bdev.write_bytes": 0 });
    expect(place.run([...common, target, ...read, "--size=7m"]).code).toBe(0);
    expect(place.record("r").osdyno.counters).toMatchObject({ "bluestore.stored": 7 << 20 });
  });

  test("what a store was made with holds, whatever is set later", () => {
    expect(place.run([...common, "--target=store:s.img?size=128m", ...fill]).code).toBe(0);
    const late = "--set=bluestore_min_alloc_size=64K";
    const asIs = place.run([...common, "--target=store:s.img", late, ...fill]);
    expect(asIs.out).toContain(
      "bluestore_min_alloc_size=65536 has no effect: the store was made with 4096",
    );
    expect(place.record("r").options).toMatchObject({
      bluestore_min_alloc_size: { value: "4096", origin: "the store" },
      bluestore_kvbackend: { value: "waltree", origin: "the store" },
      object_size: { value: "4194304", origin: "the store" },
    });
    const other = place.run([...common, "--target=store:s.img?object_size=1m", ...fill]);
    expect(other.code).toBe(2);
    expect(other.err).toContain("has object_size=4194304, not 1048576");
  });

  test("counters of the store and metrics made of them are recorded and can be thresholds", () => {
    const { code, err } = place.run([
      ...common,
      "--target=store:s.img?size=256m",
      "--threshold=write_amplification > 1",
      ...["data", "deferred", "kv"].map((part) => `--threshold=write_amplification.${part} >= 0`),
      "--threshold=flushes_per_io < 1.5",
      "--threshold=counter.bluestore.free_bytes_below_4m >= 0",
      "--threshold=fragmentation < 1",
      "--threshold=alloc_ns.p50 > 0ns",
      "--threshold=alloc_ns.p99 < 1s",
      "--threshold=cache_hit_ratio >= 0",
      "--threshold=counter.volume.writes >= 512",
      "--threshold=rss_bytes > 1MiB",
      "--threshold=store_memory_bytes > 4KiB",
      "--threshold=store_memory_bytes < 64MiB",
      "--threshold=cpu_us_per_io > 0",
      ...fill,
      "--name=back",
      "--rw=read",
      "--bs=4k",
      "--size=2m",
      "--stonewall",
    ]);
    expect(err).not.toMatch(/osdyno:|MISSED/);
    expect(code).toBe(0);
    const { osdyno, jobs } = place.record("r");
    expect(osdyno.counters).toMatchObject({
      "volume.writes": 512,
      "volume.write_bytes": 2 << 20,
      "volume.read_bytes": 2 << 20,
      "bluestore.txc": 512,
    });
    const amplified = (osdyno.threshold_results ?? [])
      .filter(({ metric }) => metric.startsWith("write_amplification"))
      .map(({ value }) => value ?? Number.NaN);
    const [whole = Number.NaN, ...parts] = amplified;
    expect(parts.length).toBe(3);
    expect(parts.reduce((sum, part) => sum + part, 0)).toBeCloseTo(whole, 9);
    // New data goes to its place at once, and its metadata to the key-value store.
    expect(parts[0]).toBeGreaterThanOrEqual(1);
    expect(parts[2]).toBeGreaterThan(0);
    // What is the store's and not a job's stands once, for all jobs.
    expect(jobs[0]?.osdyno.counters).not.toHaveProperty("volume.writes");
    expect(place.run(["results", "verify", "r"]).code).toBe(0);
  });

  test("options come from presets, the target and --set, in this order, and are recorded", () => {
    const { code, out, err } = place.run([
      ...common,
      "--target=store:s.img?size=256m&bluestore_csum_type=none&bluestore_max_blob_size=128K",
      "--preset=documents-source",
      "--set=bluestore_csum_type=xxhash64",
      "--set=journal_dio=true",
      "--device-class=hdd",
      "--ioengine=psync",
      ...fill,
    ]);
    expect(err).not.toContain("osdyno:");
    expect(code).toBe(0);
    const { options, chain, environment, jobs } = place.record("r");
    expect(options).toMatchObject({
      bluestore_csum_type: { value: "xxhash64", origin: "--set" },
      bluestore_max_blob_size: { value: "131072", origin: "target" },
      bluestore_min_alloc_size: { value: "65536", origin: "preset documents-source" },
      bluestore_throttle_cost_per_io: { value: "670000", origin: "default" },
    });
    expect(chain).toHaveLength(1);
    expect(environment["devices"]).toMatchObject([
      { device_class: "hdd", class_reason: "--device-class" },
    ]);
    expect(jobs[0]?.osdyno.notes).toEqual(
      expect.arrayContaining([
        "journal_dio=true has no effect: FileStore is retired",
        expect.stringMatching(
          /^preset documents-source: nothing here is acted on by .*osd_op_queue/,
        ),
      ]),
    );
    expect(err).toContain("ioengine=psync is not used: the job runs on store:");
    expect(out).toContain("journal_dio=true has no effect");
  });

  test.each([
    [["--target=store:x?size=128m", "--set=osd_max_backfills=2"], "acts on OSDs"],
    [["--target=store:x?size=128m", "--set=bluestore_csum_typ=none"], "did you mean"],
    [["--target=store:x?size=128m", "--nice=5"], "one thread for all jobs: leave it out"],
    [["--target=null:", "--set=bluestore_csum_type=none"], "acts on the object store"],
    [["--target=store:x?size=128m", "--set=bluestore_csum_type"], "expected NAME=VALUE"],
    [["--target=store:x?size=128m", "--device-class=tape"], "choose hdd, ssd, nvme, pmem"],
    [["--target=store:x?size=128m", "--preset=mine"], "there is no preset mine"],
  ])("%s is bad input", (args, message) => {
    const { code, err } = place.run([...common, ...args, ...fill]);
    expect(err).toContain(message);
    expect(code).toBe(2);
    expect(place.files()).toEqual([]);
  });

  test.each([
    ["store:", "a path must follow store:"],
    ["store:x?bluestore_alocator=avl", "did you mean bluestore_allocator?"],
    ["store:x?osd_max_backfills=2", "acts on OSDs"],
    ["store:x?size=1k", "size=1k: must be"],
    ["store:x?size", "expected NAME=VALUE"],
  ])("%s is bad input", (target, message) => {
    const { code, err } = place.run([...common, `--target=${target}`, ...fill]);
    expect(err).toContain(message);
    expect(code).toBe(2);
    expect(place.files()).toEqual([]);
  });
});
