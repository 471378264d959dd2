/** Where a run may write: files, links and names that mean to deceive. */

import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { exitCodeOf, OsdynoError } from "../../engine/base/error.ts";
import { probeContext, probeDevice } from "../../engine/device/probe.ts";
import { judgeDevice } from "../../workloads/device-verdict.ts";
import {
  judgePath,
  judgeWrites,
  refuseUnsafe,
  type SafetyOptions,
} from "../../workloads/safety.ts";
import { resolveExisting, scratchPlaces, scratchSpace } from "../../workloads/scratch.ts";
import { planOf } from "./probe-plan.ts";

let root: string;
let scratch: string;
let outside: string;
let options: SafetyOptions;
let destroy: SafetyOptions;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "osdyno-safety-"));
  scratch = join(root, "scratch");
  outside = join(root, "outside");
  mkdirSync(scratch);
  mkdirSync(outside);
  options = { destroy: false, scratch: [scratch] };
  destroy = { ...options, destroy: true };
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function file(directory: string, name: string, content = "precious"): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

describe("files", () => {
  test("a file in a scratch place is free, and one that the job creates anywhere", () => {
    const verdict = judgeWrites(
      planOf({ path: file(scratch, "f") }, { path: join(outside, "new") }),
      options,
    );
    expect(verdict.files.map((one) => one.permission)).toEqual(["free", "free"]);
    expect(verdict.allowed).toBe(true);
    expect(() => refuseUnsafe(verdict)).not.toThrow();
  });

  test("an existing file outside is refused in one line, and allowed with --destroy", () => {
    const plan = planOf({ path: file(outside, "f") });
    const verdict = judgeWrites(plan, options);
    expect(verdict.allowed).toBe(false);
    let thrown: unknown;
    try {
      refuseUnsafe(verdict);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(OsdynoError);
    expect(exitCodeOf(thrown)).toBe(4);
    expect((thrown as OsdynoError).line).toMatch(
      /^will not write to .*\/outside\/f: it is an existing file outside the scratch places; give --destroy/,
    );
    expect((thrown as OsdynoError).line).not.toContain("\n");
    expect(judgeWrites(plan, destroy).allowed).toBe(true);
  });

  test("a planner that believes a file to be absent is not believed", () => {
    const path = file(outside, "f");
    const plan = planOf({ path });
    expect(plan.phases[0]?.jobs[0]?.files[0]?.created).toBe(true);
    expect(judgeWrites(plan, options).allowed).toBe(false);
  });

  test("files of an earlier run of the same command are its own", () => {
    const path = file(outside, "f");
    expect(judgePath(path, { ...options, ownFiles: [path] }).permission).toBe("free");
  });

  test("one name among several hard links is not trusted, own or scratch", () => {
    const path = file(outside, "f");
    const name = join(scratch, "innocent");
    linkSync(path, name);
    expect(judgePath(name, options)).toMatchObject({ permission: "needs-destroy", allowed: false });
    expect(judgePath(name, { ...options, ownFiles: [name] }).allowed).toBe(false);
    expect(judgePath(name, destroy).allowed).toBe(true);
  });

  test("symbolic links are judged by what they lead to", () => {
    const target = file(outside, "f");
    const link = join(scratch, "link");
    symlinkSync(target, link);
    expect(judgePath(link, options)).toMatchObject({
      permission: "needs-destroy",
      resolvedPath: resolveExisting(target),
    });
    const inward = join(outside, "inward");
    symlinkSync(file(scratch, "g"), inward);
    expect(judgePath(inward, options).permission).toBe("free");
    const directory = join(scratch, "directory");
    symlinkSync(outside, directory);
    expect(judgePath(join(directory, "f"), options).permission).toBe("needs-destroy");
    expect(judgePath(`${directory}/../outside/f`, options).permission).toBe("needs-destroy");
  });

  test("links that lead nowhere, in circles, or through `..`", () => {
    const dangling = join(scratch, "dangling");
    symlinkSync(join(outside, "later"), dangling);
    expect(judgePath(dangling, options)).toMatchObject({
      permission: "free",
      resolvedPath: join(resolveExisting(outside), "later"),
    });
    const device = join(scratch, "mistyped");
    symlinkSync("/dev/osdyno-no-such-device", device);
    expect(judgePath(device, destroy).permission).toBe("never");
    const [one, two] = [join(scratch, "one"), join(scratch, "two")];
    symlinkSync(one, two);
    symlinkSync(two, one);
    expect(() => judgePath(one, options)).not.toThrow();
  });

  test("a scratch place whose name begins another directory's does not cover it", () => {
    const neighbour = `${scratch}-other`;
    mkdirSync(neighbour);
    expect(judgePath(file(neighbour, "f"), options).permission).toBe("needs-destroy");
  });

  test("a mistyped device name makes no file in /dev, nor in /proc and /sys", () => {
    for (const path of ["/dev/nvm0n1", "/proc/x", "/sys/x"]) {
      expect(judgePath(path, destroy)).toMatchObject({ permission: "never", allowed: false });
    }
  });

  test("directories, other character devices and sockets are never written to", () => {
    expect(judgePath(outside, destroy).permission).toBe("never");
    expect(judgePath("/dev/tty", destroy).permission).toBe("never");
    expect(judgePath("/dev/mem", destroy).permission).toBe("never");
    expect(judgePath("/dev/null", options).permission).toBe("free");
  });

  test("the message says what an image holds", () => {
    const image = file(outside, "osd.img", "bluestore block device\n");
    truncateSync(image, 1 << 20);
    expect(judgePath(image, options).reason).toContain("that holds a Ceph OSD (BlueStore)");
  });
});

describe("what counts as writing", () => {
  test.each(["read", "randread"] as const)("%s needs nothing", (rw) => {
    const plan = planOf({ path: file(outside, "f", "x".repeat(4096)), rw });
    expect(judgeWrites(plan, options)).toEqual({ allowed: true, files: [] });
  });

  test("a mixed job of reads alone needs nothing", () => {
    const path = file(outside, "f", "x".repeat(4096));
    const plan = planOf({ path, rw: "randrw", rwmixread: 100 });
    expect(judgeWrites(plan, options).files).toEqual([]);
  });

  test.each(["write", "randwrite", "trim", "randtrim", "rw", "randrw", "trimwrite"] as const)(
    "%s is judged",
    (rw) => {
      const plan = planOf({ path: file(outside, "f"), rw });
      expect(judgeWrites(plan, options).allowed).toBe(false);
    },
  );

  test("a read job that would lay out a longer file, or remove it at the end, is judged", () => {
    const path = file(outside, "f", "short");
    const layout = planOf({ path, rw: "read", fileBytes: 1 << 20 });
    expect(judgeWrites(layout, options).allowed).toBe(false);
    expect(judgeWrites(planOf({ path, rw: "read", fileBytes: 1 }), options).files).toEqual([]);
    const unlink = planOf({ path, rw: "read", fileBytes: 1, unlink: true });
    expect(judgeWrites(unlink, options).allowed).toBe(false);
  });

  test("targets without a path need nothing", () => {
    const plan = planOf({ path: "null:?service=50us", kind: "synthetic" });
    expect(judgeWrites(plan, options).files).toEqual([]);
  });

  test("one verdict a file, naming all jobs that write; the worst refusal speaks", () => {
    const path = file(outside, "f");
    const plan = planOf({ path }, { path, rw: "trim" }, { path: "/dev/nvm0n1" });
    const verdict = judgeWrites(plan, options);
    expect(verdict.files.map((one) => one.jobs)).toEqual([["job0", "job1"], ["job2"]]);
    expect(() => refuseUnsafe(verdict)).toThrow(/\/dev\/nvm0n1: it does not exist.*\(and 1 more\)/);
  });
});

describe("scratch places", () => {
  test("OSDYNO_SCRATCH, the temporary directory, the run's directory", () => {
    const places = scratchPlaces(outside, { OSDYNO_SCRATCH: scratch, TMPDIR: root });
    expect(places.map((place) => place.path)).toEqual([scratch, root, outside]);
    expect(scratchPlaces(undefined, { OSDYNO_SCRATCH: "" })).toHaveLength(1);
    const [space, absent] = scratchSpace([
      { path: scratch, why: "OSDYNO_SCRATCH" },
      { path: join(root, "absent"), why: "run directory" },
    ]);
    expect(space?.freeBytes).toBeGreaterThan(0);
    expect(absent).toMatchObject({ exists: false, freeBytes: null });
  });

  test("the root directory is no scratch place, however it is written", () => {
    const link = join(root, "slash");
    symlinkSync("/", link);
    for (const path of ["/", "/tmp/..", link]) {
      expect(() => scratchPlaces(undefined, { OSDYNO_SCRATCH: path })).toThrow(/every file/);
    }
  });
});

describe("the disk of the system", () => {
  const context = probeContext();
  const source = context.mounts.find((mount) => mount.mountPoint === "/")?.source ?? "";

  test("is never written to", (test) => {
    if (!source.startsWith("/dev/")) {
      test.skip(`the root file system is on ${source}, which is no device`);
    }
    const verdict = judgePath(source, { ...destroy, scratch: [source, "/dev"] });
    expect(verdict).toMatchObject({ permission: "never", allowed: false });
    expect(verdict.reason).toContain("mounted at /");
    const link = join(scratch, "link");
    symlinkSync(source, link);
    expect(judgePath(link, destroy).permission).toBe("never");
  });
});

describe("devices, by what the probe says of them", () => {
  const blank = {
    ...probeDevice("/dev/null"),
    kind: "disk" as const,
    exclusive: "free" as const,
    signatures: [],
  };
  const holder = { name: "dm-0", kind: "lvm", label: "vg-root" } as const;
  const signature = {
    kind: "partition-table",
    name: "gpt",
    what: "a GPT partition table",
    offsetBytes: 512,
    label: null,
  } as const;

  test.each([
    ["mounted", { mounts: [{ device: "sda1", mountPoint: "/", fsType: "ext4" }] }, "never"],
    ["swap", { swaps: ["sda2"] }, "never"],
    ["held", { holders: [holder] }, "never"],
    ["claimed", { exclusive: "taken" }, "never"],
    ["unreadable", { exclusive: "unknown" }, "never"],
    ["signatures unreadable", { signatures: null }, "never"],
    ["open elsewhere", { writers: ["qemu (pid 1)"] }, "needs-destroy"],
    ["partitioned", { signatures: [signature] }, "needs-destroy"],
    ["blank", {}, "needs-destroy"],
  ] as const)("%s", (_, facts, permission) => {
    expect(judgeDevice({ ...blank, ...facts }, false).permission).toBe(permission);
    // Named as a scratch place, only a blank one becomes free.
    const named = judgeDevice({ ...blank, ...facts }, true).permission;
    expect(named).toBe(Object.keys(facts).length === 0 ? "free" : permission);
  });
});
