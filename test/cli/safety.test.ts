/** Safety on real block devices: loops over files, mounted, formatted, stacked. Needs root. */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { deviceFactsOf, probeDevice } from "../../engine/device/probe.ts";
import { planRun } from "../../workloads/planner.ts";
import { judgePath, judgeWrites, refuseUnsafe } from "../../workloads/safety.ts";
import { parseText } from "../unit/job-support.ts";
import { planOf } from "../unit/probe-plan.ts";

const mib = 1024 * 1024;
const environment = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };

function run(command: string, ...args: readonly string[]) {
  return spawnSync(command, args, { env: environment, encoding: "utf8" });
}

function must(command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = run(command, ...args);
  expect(status, `${command} ${args.join(" ")}: ${stderr}`).toBe(0);
  return stdout.trim();
}

/** Why loop devices cannot be made here; empty when they can. */
function loopTrouble(): string {
  if (process.getuid?.() !== 0) {
    return "loop devices need root";
  }
  const probe = run("losetup", "-f");
  return probe.status === 0 ? "" : `losetup does not work here: ${probe.stderr}`;
}
const trouble = loopTrouble();

describe.skipIf(trouble !== "")(`block devices ${trouble}`, () => {
  let root: string;
  let undo: (() => void)[];

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "osdyno-loops-"));
    undo = [];
  });
  afterEach(() => {
    for (const step of undo.reverse()) {
      step();
    }
    rmSync(root, { recursive: true, force: true });
  });

  function loopDevice(name = "disk.img", sizeBytes = 64 * mib): string {
    const image = join(root, name);
    writeFileSync(image, "");
    truncateSync(image, sizeBytes);
    const device = must("losetup", "-f", "--show", image);
    undo.push(() => run("losetup", "-d", device));
    return device;
  }

  function mountAt(device: string): string {
    const place = join(root, "mnt");
    mkdirSync(place);
    must("mount", device, place);
    undo.push(() => run("umount", place));
    return place;
  }

  const careful = { destroy: false, scratch: [tmpdir()] };
  const bold = { destroy: true, scratch: [tmpdir()] };

  test("a blank one: --destroy, or named as a scratch place", () => {
    const device = loopDevice();
    expect(probeDevice(device)).toMatchObject({
      kind: "loop",
      sizeBytes: 64 * mib,
      exclusive: "free",
      signatures: [],
      mounts: [],
      loopBacking: join(root, "disk.img"),
    });
    expect(deviceFactsOf(probeDevice(device)).blockBytes).toBeGreaterThanOrEqual(512);
    expect(judgePath(device, careful).permission).toBe("needs-destroy");
    expect(judgePath(device, bold).allowed).toBe(true);
    expect(judgePath(device, { ...careful, scratch: [device] }).permission).toBe("free");
    expect(judgePath(device, { ...careful, scratch: ["/dev"] }).permission).toBe("needs-destroy");
  });

  test("a formatted one, and a link to it from a scratch place: only with --destroy", () => {
    const device = loopDevice();
    must("mkfs.ext4", "-q", "-L", "precious", device);
    const link = join(root, "harmless-name");
    symlinkSync(device, link);
    for (const path of [device, link]) {
      const plan = planOf({ path, kind: "block" });
      expect(() => refuseUnsafe(judgeWrites(plan, careful))).toThrow(
        /it bears an ext4 file system \("precious"\); give --destroy/,
      );
      expect(judgeWrites(plan, bold).allowed).toBe(true);
      const read = planOf({ path, kind: "block", rw: "randread" });
      expect(judgeWrites(read, careful).allowed).toBe(true);
    }
  });

  test("a mounted one: not even with --destroy; its backing file neither", () => {
    const device = loopDevice();
    must("mkfs.ext4", "-q", device);
    const place = mountAt(device);
    expect(probeDevice(device).exclusive).toBe("taken");
    const plan = planOf({ path: device, kind: "block" });
    expect(() => refuseUnsafe(judgeWrites(plan, bold))).toThrow(
      `will not write to ${device}: it is mounted at ${place} (ext4); unmount it first`,
    );
    const backing = judgePath(join(root, "disk.img"), bold);
    expect(backing).toMatchObject({ permission: "never", reason: expect.stringMatching(/loop/) });
  });

  test("one that a trace writes to is judged as the job's own", () => {
    const device = loopDevice();
    must("mkfs.ext4", "-q", device);
    const place = mountAt(device);
    const trace = join(root, "trace");
    const { jobs } = parseText(`[a]\nread_iolog=${trace}\n`);
    const verdictOn = (action: string) => {
      writeFileSync(trace, `fio version 3 iolog\n1 ${device} ${action} 4096 4096\n`);
      const plan = planRun(jobs, { target: null, path: "native", seed: null, directory: root });
      return judgeWrites(plan, bold);
    };
    for (const action of ["write", "trim"]) {
      expect(() => refuseUnsafe(verdictOn(action))).toThrow(
        `will not write to ${device}: it is mounted at ${place} (ext4); unmount it first`,
      );
    }
    expect(verdictOn("read")).toEqual({ allowed: true, files: [] });
  });

  test("a file system mounted inside a scratch place is not scratch; new files on it are", () => {
    const device = loopDevice();
    must("mkfs.ext4", "-q", device);
    const place = mountAt(device);
    const path = join(place, "old");
    writeFileSync(path, "old");
    expect(judgePath(path, careful).permission).toBe("needs-destroy");
    expect(judgePath(path, { ...careful, scratch: [tmpdir(), place] }).permission).toBe("free");
    expect(judgePath(join(place, "new"), careful).permission).toBe("free");
    expect(probeDevice(path)).toMatchObject({ kind: "file", file: { fsType: "ext4" } });
    expect(`/dev/${probeDevice(path).block?.name}`).toBe(device);
  });

  test("a bind mount of a precious file into a scratch place does not make it scratch", () => {
    const precious = join(root, "precious");
    const scratch = join(root, "scratch");
    mkdirSync(scratch);
    writeFileSync(precious, "precious");
    writeFileSync(join(scratch, "name"), "");
    must("mount", "--bind", precious, join(scratch, "name"));
    undo.push(() => run("umount", join(scratch, "name")));
    const verdict = judgePath(join(scratch, "name"), { destroy: false, scratch: [scratch] });
    expect(verdict).toMatchObject({ permission: "needs-destroy", allowed: false });
  });

  test("one in use as swap: never", (context) => {
    const device = loopDevice();
    must("mkswap", device);
    expect(judgePath(device, careful).reason).toContain("a swap area");
    if (run("swapon", device).status !== 0) {
      context.skip("swapon does not work here");
    }
    undo.push(() => run("swapoff", device));
    expect(judgePath(device, bold).reason).toMatch(/serves as swap|is held/);
    expect(judgePath(device, bold).permission).toBe("never");
  });

  test("one that another loop stands on: never", () => {
    const device = loopDevice();
    const upper = must("losetup", "-f", "--show", device);
    undo.push(() => run("losetup", "-d", upper));
    expect(judgePath(device, bold)).toMatchObject({
      permission: "never",
      reason: `is held by ${upper.slice("/dev/".length)} (loop)`,
    });
    expect(judgePath(upper, bold).allowed).toBe(true);
  });

  test("a physical volume of LVM: only with --destroy", (context) => {
    if (run("sh", "-c", "command -v pvcreate").status !== 0) {
      context.skip("pvcreate is not installed");
    }
    const device = loopDevice();
    must("pvcreate", "-ff", "-y", device);
    expect(judgePath(device, careful).reason).toBe("bears an LVM physical volume");
  });

  test("one that device mapper holds: never; the device on it can be written", (context) => {
    const device = loopDevice();
    const name = `osdyno-test-${process.pid}`;
    const sectors = (64 * mib) / 512;
    if (run("dmsetup", "create", name, "--table", `0 ${sectors} linear ${device} 0`).status !== 0) {
      context.skip("dmsetup is not installed or the kernel has no device mapper");
    }
    undo.push(() => run("dmsetup", "remove", name));
    expect(judgePath(device, bold)).toMatchObject({ permission: "never" });
    expect(judgePath(device, bold).reason).toContain(name);
    expect(judgePath(`/dev/mapper/${name}`, bold).allowed).toBe(true);
  });

  test("partitions: the disk is refused while one of them is mounted", (context) => {
    const device = loopDevice();
    const table = spawnSync("sfdisk", ["-q", device], {
      env: environment,
      input: "label: gpt\n,16M\n,\n",
    });
    expect(table.status).toBe(0);
    expect(judgePath(device, careful).reason).toContain("a GPT partition table");
    // Without udev nobody reads the table anew: partx tells the kernel.
    const part = `${device}p1`;
    if (run("partx", "-u", device).status !== 0 || run("mkfs.ext4", "-q", part).status !== 0) {
      context.skip("partitions of loop devices do not show up here");
    }
    undo.push(() => run("partx", "-d", device));
    expect(probeDevice(part)).toMatchObject({ kind: "partition", sizeBytes: 16 * mib });
    expect(judgePath(part, bold).allowed).toBe(true);
    mountAt(part);
    expect(judgePath(part, bold).permission).toBe("never");
    expect(judgePath(device, bold).reason).toMatch(/is in use: .*p1 is mounted at/);
    expect(judgePath(`${device}p2`, bold).allowed).toBe(true);
  });

  test("one that another process has open for writing: only with --destroy", () => {
    const device = loopDevice();
    const holder = openSync(device, "r+");
    try {
      // Our own descriptor does not count; a child that inherits it does.
      expect(judgePath(device, careful).reason).toContain("blank");
      const script =
        'import { judgePath } from "./workloads/safety.ts";' +
        `console.log(judgePath(${JSON.stringify(device)}, {destroy: false, scratch: []}).reason)`;
      const child = spawnSync(process.execPath, ["--input-type=module-typescript", "-e", script], {
        encoding: "utf8",
      });
      expect(child.stdout).toMatch(/is open for writing in .*\(pid \d+\)/);
    } finally {
      closeSync(holder);
    }
  });
});
