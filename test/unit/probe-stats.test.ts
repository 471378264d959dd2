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
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkoutCommit, collectEnvironment } from "../../results/environment.ts";
import {
  DeviceSampler,
  type DeviceSnapshot,
  parseCpuLine,
  parseDiskStat,
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
    disks: new Map(counters === null ? [] : [[name, counters]]),
    cpu: null,
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
