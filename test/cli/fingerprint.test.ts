/**
 * `osdyno fingerprint` and `--shape`: what a synthetic device is known to do must stand in its profile, and
 * what a profile says must come out of a run on its shape.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Profile, readProfile } from "../../results/fingerprint/profile.ts";
import { readShape } from "../../workloads/shape-profile.ts";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

function figure(profile: Profile, id: string) {
  const found = profile.figures.find((one) => one.id === id);
  expect(found, id).toBeDefined();
  return found as NonNullable<typeof found>;
}

/** Within a thousandth: the loads end in the middle of what is under way. */
function near(found: number, expected: number): void {
  expect(Math.abs(found / expected - 1)).toBeLessThan(0.001);
}

describe("fingerprint", () => {
  test("of a synthetic device gives the device's own figures, a profile and a portrait", () => {
    const target = "null:?service=50us&channels=8&bw=2g&size=8g";
    const done = place.run(["fingerprint", target, "--out", "p/own.yaml"]);
    expect(done, done.err).toMatchObject({ code: 0 });
    const profile = readProfile(place.path("p/own.yaml"));
    // 50 us each, eight at once, 2 GiB a second.
    near(figure(profile, "read.random.4096.1").iops.median, 20_000);
    near(figure(profile, "write.random.4096.4").iops.median, 80_000);
    near(figure(profile, "read.random.4096.64").iops.median, 160_000);
    near(figure(profile, "read.random.4096.64").latency_ns.mean.median, 400_000);
    near(figure(profile, "read.random.4194304.1").bytes_per_second.median, 2 ** 31);
    expect(profile).toMatchObject({ name: "own", measured: { clock: "virtual" } });
    expect(profile.linux?.io_cost_model).toContain("rrandiops=160000 ");
    expect(done.out).toContain("8.0 times as many");
    const portrait = /portrait: (.*report\.html)/.exec(done.err)?.[1] ?? "";
    const page = readFileSync(place.path(portrait), "utf8");
    expect(page).toContain("modelled");
    expect(page).toContain("160k");
    expect(existsSync(place.path(portrait.replace("report.html", "charts/parallelism.png")))).toBe(
      true,
    );
  });

  test("of a file: what is measured, a shape that is fitted to it, and nothing left behind", () => {
    const args = ["--budget", "1100m", "--size", "64m", "--rounds", "1", "--sample", "5"];
    // What somebody wrote into the profile that is replaced, no measurement knows.
    place.write("disk.yaml", "schema: osdyno-device-1\nendurance: {rated_bytes: 6.0e14} # TBW\n");
    const done = place.run(["fingerprint", ".", "--out", "disk.yaml", ...args]);
    expect(done, done.err).toMatchObject({ code: 0 });
    const profile = readProfile(place.path("disk.yaml"));
    expect(profile.measured).toMatchObject({ clock: "real", region_bytes: 64 << 20 });
    expect(profile.measured.written_bytes).toBeLessThanOrEqual(1100 << 20);
    expect(profile.fit?.points).toBe(profile.figures.length);
    expect(profile.endurance).toEqual({ rated_bytes: 6e14 });
    expect(done.err).toContain("note: endurance: kept from the profile that was there (546 TiB");
    expect(place.files().some((name) => name.includes("osdyno-fingerprint-"))).toBe(false);
    expect(readShape(place.path("disk.yaml"), place.root).shape.kind).toBe("solid");
  });

  test("refuses what has no figures, a file that is not scratch, a budget too small", () => {
    const outcome = (...args: readonly string[]) => {
      const { code, err } = place.run(["fingerprint", ...args]);
      return { code, line: err.trim().split("\n").at(-1) ?? "" };
    };
    expect(outcome("null:")).toMatchObject({
      code: 2,
      line: expect.stringContaining("no figures"),
    });
    expect(outcome("/dev/null")).toMatchObject({ code: 2 });
    expect(outcome("null:?service=1us", "--out", "a.json")).toMatchObject({ code: 2 });
    place.write("worn.yaml", "schema: osdyno-device-1\nendurance: {rated: 600TB}\n");
    expect(outcome("null:?service=1us", "--out", "worn.yaml")).toMatchObject({
      code: 2,
      line: expect.stringMatching(/worn\.yaml.*endurance: is not \{rated_bytes: N\}/),
    });
    writeFileSync(place.path("small"), "x");
    expect(outcome("./small")).toMatchObject({ code: 2, line: expect.stringContaining("1 MiB") });
    expect(outcome("./new", "--budget", "1m")).toMatchObject({
      code: 2,
      line: expect.stringContaining("--budget"),
    });
    expect(existsSync(place.path("new"))).toBe(false);
  });
});

describe("--shape", () => {
  const job = ["--name=s", "--rw=randread", "--time_based", "--no-progress", "--no-report"];

  test("in virtual time gives the figures of the profile, as modelled", () => {
    const args = ["--target=null:", "--shape=hdd-7200", "--clock=virtual", "--runtime=600"];
    const done = place.run(["run", ...job, ...args, "--iodepth=32", "--out=r"]);
    expect(done, done.err).toMatchObject({ code: 0 });
    const record = place.record("r");
    const expected = figure(readProfile(readShape("hdd-7200", "/").file), "read.random.4096.32");
    const found = (record.jobs[0]?.osdyno.read?.service_ns.N ?? 0) / 600;
    expect(Math.abs(found / expected.iops.median - 1)).toBeLessThan(0.1);
    expect(record.chain).toEqual(["shape hdd-7200", "null:"]);
    expect(record.osdyno.counters?.["shape.operations"]).toBeGreaterThan(0);
    expect(JSON.stringify(record)).toContain("modelled: the shape hdd-7200");
  });

  test("in real time makes a file, and a store on one, as slow as the disk", () => {
    const shape = ["--shape=hdd-7200", "--runtime=1", "--iodepth=1", "--size=64m"];
    const raw = place.run(["run", ...job, ...shape, "--filename=f", "--direct=0", "--out=raw"]);
    expect(raw, raw.err).toMatchObject({ code: 0 });
    // Half a turn alone is 4 ms: nothing reads faster, whatever is below.
    expect(place.record("raw").jobs[0]?.osdyno.read?.service_ns.mean).toBeGreaterThan(2e6);
    const target = "--target=store:s.img?size=512m";
    const store = place.run(["run", ...job, ...shape, target, "--rw=randwrite", "--out=store"]);
    expect(store, store.err).toMatchObject({ code: 0 });
    const record = place.record("store");
    expect(record.options?.["bluestore_kvbackend"]).toMatchObject({ value: "waltree" });
    expect(record.options?.["bluestore_kvbackend"]).toMatchObject({ origin: "--shape" });
    expect(record.jobs[0]?.osdyno.write?.service_ns.mean).toBeGreaterThan(2e6);
    expect(record.osdyno.counters?.["shape.operations"]).toBeGreaterThan(0);
  });

  test("is an axis of a sweep", () => {
    const lines = [
      "name: shapes",
      "job: |",
      "  [a]",
      "  rw=randread",
      "  runtime=2",
      "  time_based",
      "targets: ['null:']",
      ...["matrix: {shape: [nvme, sata-ssd]}", "repeat: 1"],
    ];
    place.write("s.yaml", lines.join("\n"));
    const done = place.run(["sweep", "s.yaml", "--clock=virtual", "--out=s", "--no-progress"]);
    expect(done, done.err).toMatchObject({ code: 0 });
    const iops = (name: string) =>
      place.record(`s/points/${name}/1`).jobs[0]?.osdyno.read?.service_ns.N ?? 0;
    expect(iops("nvme")).toBeGreaterThan(1.2 * iops("sata_ssd"));
    expect(place.read("s", "report.html")).toContain("Modelled: the shapes nvme, sata-ssd");
  });

  test("refuses shapes that there are not, and profiles without one", () => {
    const shaped = (name: string) =>
      place.run(["run", ...job, "--target=null:", `--shape=${name}`, "--runtime=1"]);
    expect(shaped("nvm")).toMatchObject({ code: 2, err: expect.stringContaining("nvme") });
    place.write("bare.yaml", "schema: osdyno-device-1\n");
    expect(shaped("bare.yaml")).toMatchObject({
      code: 2,
      err: expect.stringContaining("no shape"),
    });
    place.write("odd.yaml", "shape: {kind: disk, size_bytes: -1}\n");
    expect(shaped("odd.yaml")).toMatchObject({ code: 2, err: expect.stringContaining("shape.") });
  });
});

describe("what a fingerprint is good for", () => {
  test("--capacity prints the line for Ceph, of a store that is gone afterwards", () => {
    const done = place.run(["fingerprint", ".", "--capacity", "--rounds", "2"]);
    expect(done, done.err).toMatchObject({ code: 0 });
    const line = /^ceph config set osd\.N osd_mclock_max_capacity_iops_(hdd|ssd) (\d+\.\d\d)$/m;
    expect(Number(line.exec(done.out)?.[2])).toBeGreaterThan(0);
    expect(place.files()).toEqual([]);
    expect(place.run(["fingerprint", "null:?service=1us", "--capacity"])).toMatchObject({
      code: 2,
    });
  });

  test("of a shaped disk the capacity is the disk's", () => {
    const shaped = ["--shape", "hdd-7200", "--rounds", "1", "--json"];
    const done = place.run(["fingerprint", ".", "--capacity", ...shaped]);
    expect(done, done.err).toMatchObject({ code: 0 });
    const found = JSON.parse(done.out) as { option: string; iops: { median: number } };
    expect(found.option).toBe("osd_mclock_max_capacity_iops_hdd");
    // Far from what any file here does, and within what Ceph believes of a disk.
    expect(found.iops.median).toBeLessThan(5000);
  });

  test("decides the class of a device, newest first, and says so", () => {
    const known = place.run(["devices", "--json"]);
    const { devices } = JSON.parse(known.out) as {
      devices: { path: string; class: string; kind: string }[];
    };
    const args = ["--budget", "1100m", "--size", "64m", "--rounds", "1", "--sample", "2"];
    expect(place.run(["fingerprint", ".", ...args, "--out", "p.yaml"])).toMatchObject({ code: 0 });
    const made = place.read("p.yaml");
    const name = /^ {2}name: (.*)$/m.exec(made)?.[1] ?? "";
    const device = devices.find(({ path, kind }) => path === `/dev/${name}` && kind === "disk");
    if (device === undefined) {
      // A file system in memory has no device.
      return;
    }
    mkdirSync(place.path("profiles/devices"), { recursive: true });
    const turned = made
      .replace(/^class: .*$/m, "class: hdd")
      .replace(/^class_reason: .*$/m, "class_reason: it hums");
    place.write("profiles/devices/own.yaml", turned);
    const again = place.run(["devices", "--json"]);
    const after = (JSON.parse(again.out) as { devices: object[] }).devices.find(
      (one) => (one as { path: string }).path === device.path,
    );
    expect(after).toMatchObject({ class: "hdd", class_reason: "fingerprint own.yaml: it hums" });
  });
});
