/** Kernel counters and the machine's environment, checked against what the kernel says elsewhere. */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkoutCommit, collectEnvironment } from "../../results/environment.ts";
import { othersNotes, othersRecord } from "../../results/others.ts";
import {
  DeviceSampler,
  type DeviceSnapshot,
  parseCpuLine,
  parseDiskStat,
  parseProcessIo,
  watchedDisks,
} from "../../workloads/runner/device-stats.ts";

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "osdyno-stats-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const zero = parseDiskStat("0 0 0 0 0 0 0 0 0 0 0");

function snapshot(atMs: number, disk: string, name = "sda"): DeviceSnapshot {
  const counters = parseDiskStat(disk);
  return {
    atMs,
    own: null,
    disks: new Map(counters === null ? [] : [[name, counters]]),
    cpu: null,
    ownCpuMs: 0,
    rssBytes: 0,
  };
}

/** A sampler over one disk that this machine may not have. */
function samplerOver(members: readonly string[] = [], partitions: readonly string[] = []) {
  const sampler = new DeviceSampler([]);
  Object.defineProperty(sampler, "disks", { value: [{ name: "sda", members, partitions }] });
  return sampler;
}

describe("counters", () => {
  test("the fields of a stat file, of old kernels and new", () => {
    const counters = parseDiskStat("  1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n");
    expect(counters).toEqual({
      readIos: 1,
      readMerges: 2,
      readSectors: 3,
      readTicksMs: 4,
      writeIos: 5,
      writeMerges: 6,
      writeSectors: 7,
      writeTicksMs: 8,
      ioTicksMs: 10,
      inQueueMs: 11,
    });
    expect(parseDiskStat("1 2 3 4 5 6 7 8 9 10 11")).toEqual(counters);
    expect(parseDiskStat("")).toBeNull();
    expect(parseDiskStat("1 2 three 4 5 6 7 8 9 10 11")).toBeNull();
  });

  test("the CPU line: guest time is not counted twice", () => {
    const text = "cpu  10 5 20 60 3 1 1 0 7 7\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
    expect(parseCpuLine(text)).toEqual({ user: 15, system: 22, total: 100 });
    expect(parseCpuLine("")).toBeNull();
  });
});

describe("differences", () => {
  test("rates a second, utilisation in percent and never above 100", () => {
    const sampler = samplerOver();
    const before = snapshot(1000, "0 0 0 0 0 0 0 0 0 0 0");
    const after = snapshot(1500, "100 0 0 0 50 0 0 0 0 250 0");
    expect(sampler.machine(before, after)).toEqual({
      cpuUserPct: null,
      cpuSysPct: null,
      devUtilPct: 50,
      devReadIos: 200,
      devWriteIos: 100,
    });
    const busy = snapshot(1500, "0 0 0 0 0 0 0 0 0 504 0");
    expect(sampler.machine(before, busy).devUtilPct).toBe(100);
    expect(sampler.uses(before, after)).toEqual([
      { name: "sda", before: zero, after: after.disks.get("sda"), elapsedMs: 500 },
    ]);
  });

  test("a disk that vanished or began anew", () => {
    const sampler = samplerOver();
    const before = snapshot(0, "100 0 0 0 50 0 0 0 0 250 0");
    expect(sampler.uses(before, snapshot(1000, ""))).toEqual([]);
    expect(sampler.machine(before, snapshot(1000, "")).devUtilPct).toBeNull();
    const anew = sampler.machine(before, snapshot(1000, "0 0 0 0 0 0 0 0 0 0 0"));
    expect(anew).toMatchObject({ devUtilPct: 0, devReadIos: 0, devWriteIos: 0 });
  });

  test("what others moved is the disk's part beyond this process's; a word is said of much", () => {
    const sampler = samplerOver();
    const own = (readBytes: number, writtenBytes: number) => ({ readBytes, writtenBytes });
    const before = { ...snapshot(0, "0 0 0 0 0 0 0 0 0 0 0"), own: own(100, 1000) };
    // 10 MiB read and 30 MiB written in all.
    const after = snapshot(1000, "9 0 20480 0 9 0 61440 0 0 0 0");
    const others = sampler.others(before, { ...after, own: own(100 + 2 ** 20, 1000 + 2 ** 24) });
    const disks = {
      names: ["sda"],
      elapsedMs: 1000,
      movedBytes: 40 * 2 ** 20,
      readBytes: 9 * 2 ** 20,
      writtenBytes: 14 * 2 ** 20,
    };
    expect(others).toEqual({ cpuShare: null, disks });
    expect(othersNotes(othersRecord(others))[0]).toContain(
      "9.00 MiB read and 14.0 MiB written of 40.0 MiB",
    );
    const alone = sampler.others(before, { ...after, own: own(10 * 2 ** 20, 40 * 2 ** 20) });
    expect(alone.disks).toMatchObject({ readBytes: 100, writtenBytes: 0 });
    expect(othersNotes(othersRecord(alone))).toEqual([]);
    expect(sampler.others(snapshot(0, "0 0 0 0 0 0 0 0 0 0 0"), after).disks).toBeNull();
    expect(parseProcessIo("rchar: 1\nread_bytes: 5\nwrite_bytes: 7\n")).toEqual(own(5, 7));
    expect(parseProcessIo("")).toBeNull();
  });

  test("what others had of the CPUs is what this process did not use", () => {
    const sampler = samplerOver();
    const elapsedMs = 1000 / availableParallelism();
    const before = { ...snapshot(0, ""), cpu: { user: 10, system: 10, total: 100 } };
    const after = { ...snapshot(elapsedMs, ""), cpu: { user: 90, system: 30, total: 300 } };
    const share = (ownCpuMs: number) => sampler.others(before, { ...after, ownCpuMs }).cpuShare;
    expect(share(0)).toBe(0.5);
    expect(share(400)).toBeCloseTo(0.1);
    expect(share(900)).toBe(0);
    expect(othersNotes({ cpu_share: 0.5 })[0]).toContain("others had 50.0% of the CPUs");
    expect(othersNotes({ cpu_share: 0.2 })).toEqual([]);
  });

  test("shares of the CPUs", () => {
    const sampler = samplerOver();
    const base = snapshot(0, "");
    const before = { ...base, cpu: { user: 10, system: 10, total: 100 } };
    const after = { ...base, cpu: { user: 60, system: 20, total: 300 } };
    expect(sampler.machine(before, after)).toMatchObject({ cpuUserPct: 25, cpuSysPct: 5 });
    expect(sampler.machine(before, before)).toMatchObject({ cpuUserPct: null, cpuSysPct: null });
  });
});

describe("this machine", () => {
  test("paths lead to whole disks, once each; synthetic targets and memory to none", () => {
    expect(watchedDisks(["null:?service=50us", "/proc/self/mountinfo"])).toEqual([]);
    const here = watchedDisks([join(root, "absent"), root, join(root, "deep/er")]);
    expect(here.length).toBeLessThanOrEqual(1);
  });

  test("writes to a file are counted on its disk, as /proc/diskstats does", (context) => {
    const path = join(root, "file");
    const sampler = new DeviceSampler([path]);
    const disk = sampler.disks[0]?.name;
    if (disk === undefined) {
      context.skip("the temporary directory lies on no disk");
    }
    const before = sampler.snapshot();
    const descriptor = openSync(path, "w");
    for (let block = 0; block < 16; block += 1) {
      writeSync(descriptor, randomBytes(65_536));
      fsyncSync(descriptor);
    }
    closeSync(descriptor);
    const after = sampler.snapshot();
    const use = sampler.uses(before, after).find((one) => one.name === disk);
    const grown = (use?.after.writeSectors ?? 0) - (use?.before.writeSectors ?? 0);
    expect(grown).toBeGreaterThanOrEqual((16 * 65_536) / 512);
    const line = readFileSync("/proc/diskstats", "utf8")
      .split("\n")
      .map((text) => text.trim().split(/\s+/))
      .find((words) => words[2] === disk);
    expect(Number(line?.[9])).toBeGreaterThanOrEqual(use?.after.writeSectors ?? Number.NaN);
    expect(Number(line?.[9])).toBeLessThan((use?.after.writeSectors ?? 0) + 4_000_000);
    expect(after.rssBytes).toBeGreaterThan(1e6);
  });
});

describe("environment", () => {
  test("what every Linux machine tells is there; what is not known is null", async () => {
    const path = join(root, "to-be-made");
    const environment = await collectEnvironment([path, "null:?service=1us", ""]);
    expect(environment.cpu.model).toEqual(expect.any(String));
    expect(environment.cpu.threads).toBeGreaterThan(0);
    expect(environment.memory["total_bytes"]).toBeGreaterThan(1e8);
    expect(environment.kernel.release).toMatch(/^\d+\.\d+/);
    expect(environment.kernel.clock_source).toEqual(expect.any(String));
    expect(environment.versions).toMatchObject({ node: process.version, osdyno: "0.1.0" });
    expect(environment.devices.map((device) => device.path)).toEqual([path]);
    const flat = JSON.stringify(environment);
    expect(flat).not.toContain("undefined");
    expect(JSON.parse(flat)).toEqual(environment);
  });

  test("the commit is git's own, without git", (context) => {
    const git = spawnSync("git", ["rev-parse", "HEAD"], { encoding: "utf8" });
    if (git.status !== 0) {
      context.skip("this is no checkout, or git is not installed");
    }
    expect(checkoutCommit()).toBe(git.stdout.trim());
  });
});
