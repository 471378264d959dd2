/** What `osdyno run` refuses to write to (exit 4), and what it does not touch while refusing. */
import { spawnSync } from "node:child_process";
import { linkSync, mkdirSync, statSync, symlinkSync, truncateSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Workplace } from "./command.ts";

let place: Workplace;
let undo: (() => void)[];
beforeEach(() => {
  place = new Workplace();
  undo = [];
  mkdirSync(place.path("scratch"));
});
afterEach(() => {
  for (const step of undo.reverse()) {
    step();
  }
  place.remove();
});

const precious = "what somebody needs".repeat(1000);

/** Only `scratch/` is a scratch place here: neither the folder itself nor the system's temporary one. */
function run(...args: readonly string[]) {
  const scratch = place.path("scratch");
  return place.run(["run", "--name=s", "--bs=4k", "--no-report", ...args], {
    env: { OSDYNO_SCRATCH: scratch, TMPDIR: scratch },
  });
}

/** Refused with one line, and nothing has changed; `--dry-run` says the same. */
function refuses(line: RegExp, ...args: readonly string[]): void {
  const before = place.files();
  const { code, out, err } = run(...args);
  expect(err).toMatch(/^osdyno: will not write to [^\n]+\n$/);
  expect(err).toMatch(line);
  expect({ code, out }).toEqual({ code: 4, out: "" });
  const dry = run(...args, "--dry-run");
  expect(dry.err).toBe(err);
  expect(dry.out).toMatch(/^safety: .*: REFUSED$/m);
  expect(dry.code).toBe(4);
  const document = JSON.parse(run(...args, "--dry-run", "--json").out) as object;
  expect(document).toMatchObject({ safety: { allowed: false } });
  expect(place.files()).toEqual(before);
}

describe("files", () => {
  const writes = ["--rw=randwrite", "--size=8k"];

  test("an existing one outside the scratch places: only with --destroy", () => {
    place.write("letter", precious);
    const outside = /letter: it is an existing file outside the scratch places; give --destroy/;
    refuses(outside, "--filename=letter", ...writes);
    refuses(outside, "--target=raw:letter", ...writes);
    refuses(outside, "--filename=letter", "--rw=randread", "--size=1m");
    refuses(outside, "--filename=letter", "--rw=randread", "--size=8k", "--unlink=1");
    expect(place.read("letter")).toBe(precious);
    expect(run("--filename=letter", "--rw=randread", "--size=8k", "--out=r").code).toBe(0);
    expect(place.read("letter")).toBe(precious);
    expect(run("--filename=letter", ...writes, "--destroy", "--out=r").code).toBe(0);
    expect(place.read("letter")).not.toBe(precious);
  });

  test("a new one anywhere, and one in a scratch place", () => {
    expect(run("--filename=new", ...writes, "--out=r").code).toBe(0);
    // The second run did not create it.
    refuses(/new: it is an existing file outside/, "--filename=new", ...writes);
    place.write("scratch/old", precious);
    expect(run("--filename=scratch/old", ...writes, "--out=r").code).toBe(0);
    // Within one command the replicates may write to what the first of them created.
    expect(run("--filename=again", ...writes, "--repeat=2", "--out=n").code).toBe(0);
  });

  test("links out of a scratch place lead where they lead", () => {
    place.write("letter", precious);
    symlinkSync(place.path("letter"), place.path("scratch", "link"));
    refuses(
      /scratch\/link \(.*letter\): it is an existing file/,
      "--filename=scratch/link",
      ...writes,
    );
    linkSync(place.path("letter"), place.path("scratch", "hard"));
    refuses(/hard: it has 2 names \(hard links\)/, "--filename=scratch/hard", ...writes);
    expect(place.read("letter")).toBe(precious);
    symlinkSync(place.path("nothing"), place.path("scratch", "dangling"));
    expect(run("--filename=scratch/dangling", ...writes, "--out=r").code).toBe(0);
    expect(statSync(place.path("nothing")).size).toBe(8192);
  });

  test("a mistyped device name makes no file", () => {
    refuses(/does not exist, and no device is made there/, "--filename=/dev/nvme77n1", ...writes);
  });
});

const noLoops = process.getuid?.() === 0 ? "" : "(loop devices need root)";

describe.skipIf(noLoops !== "")(`block devices ${noLoops}`, () => {
  const environment = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
  const must = (command: string, ...args: readonly string[]): string => {
    const { status, stdout, stderr } = spawnSync(command, args, {
      env: environment,
      encoding: "utf8",
    });
    expect(status, `${command} ${args.join(" ")}: ${stderr}`).toBe(0);
    return stdout.trim();
  };
  const system = (command: string, ...args: readonly string[]) =>
    spawnSync(command, args, { env: environment });
  const loop = (): string => {
    place.write("disk", "");
    truncateSync(place.path("disk"), 32 << 20);
    const device = must("losetup", "-f", "--show", place.path("disk"));
    undo.push(() => system("losetup", "-d", device));
    return device;
  };
  const writes = ["--rw=randwrite", "--number_ios=10"];

  test("a blank one, one with a file system, a mounted one", () => {
    const device = loop();
    const job = [`--filename=${device}`, ...writes];
    refuses(/is a block device, blank .*, and no scratch place; give --destroy/, ...job);
    refuses(/is a block device, blank/, `--filename=${device}`, "--rw=randtrim", "--number_ios=1");
    expect(run(...job, "--destroy", "--out=r").code).toBe(0);
    must("mkfs.ext4", "-q", "-F", "-L", "precious", device);
    symlinkSync(device, place.path("scratch", "harmless"));
    refuses(/bears an ext4 file system \("precious"\); give --destroy/, ...job);
    const link = ["--filename=scratch/harmless", ...writes];
    refuses(/scratch\/harmless \(\/dev\/loop\d+\): it bears an ext4/, ...link);
    mkdirSync(place.path("mnt"));
    must("mount", device, place.path("mnt"));
    undo.push(() => system("umount", place.path("mnt")));
    const mounted = /is mounted at .*mnt \(ext4\); unmount it first, --destroy does not override/;
    refuses(mounted, ...job);
    refuses(mounted, ...job, "--destroy");
    refuses(mounted, ...link, "--destroy");
    refuses(
      /disk: it is in use as loop\d+; detach it first/,
      "--filename=disk",
      ...writes,
      "--destroy",
    );
    // Reading is harmless.
    const read = ["--rw=randread", "--number_ios=10", "--out=q"];
    expect(run(`--filename=${device}`, ...read).code).toBe(0);
  });

  test("a live feed or a result never goes to a device", () => {
    const device = loop();
    const job = ["--target=null:", "--size=1m"];
    for (const flag of ["live", "output"]) {
      const { code, err } = run(...job, `--${flag}=${device}`);
      expect(err).toBe(`osdyno: --${flag} ${device}: it is a block device; name a file\n`);
      expect(code).toBe(4);
    }
  });
});
