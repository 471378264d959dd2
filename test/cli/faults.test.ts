/** Disks that are full or fail, files that vanish: state partial, the reason, exit 1, data kept. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, truncateSync, writeSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Done, idleJob, until, Workplace } from "./command.ts";

let place: Workplace;
let undo: (() => void)[];
beforeEach(() => {
  place = new Workplace();
  undo = [];
});
afterEach(() => {
  for (const step of undo.reverse()) {
    step();
  }
  place.remove();
});

const environment = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };

function system(command: string, ...args: readonly string[]) {
  return spawnSync(command, args, { env: environment, encoding: "utf8" });
}

/** Exit 1, the reason on stderr's last line and in run.json, and what was measured. */
function endedPartial({ code, out, err }: Done, reason: RegExp, run = "r"): void {
  expect(err).toMatch(new RegExp(`\nresults: ${run}\nosdyno: [^\n]+\n$`));
  expect(err.trimEnd().split("\n").at(-1)).toMatch(reason);
  expect(code).toBe(1);
  const record = place.record(run);
  expect(record.state).toBe("partial");
  expect(record.reason).toMatch(reason);
  expect(out).toContain("partial: ");
  expect(record.osdyno.totals.all?.ios).toBeGreaterThan(0);
}

const engines = ["psync", "io_uring"];
const paths = ["native", "engine"];
const everyWay = engines.flatMap((engine) => paths.map((path) => [engine, path] as const));

describe.each(paths)("--path %s", (path) => {
  test("a target that fails now and then", () => {
    const job = ["--name=e", "--target=null:?service=10us&error_rate=0.01", "--size=1m"];
    const done = place.run(["run", ...job, "--loops=1000", "--out=r", `--path=${path}`]);
    endedPartial(done, /job e: read of 4096 bytes at \d+ of .*: Input\/output error \(EIO\)$/);
    expect(place.record("r").jobs[0]?.error).toBe(5);
    expect(place.run(["results", "verify", "r"]).code).toBe(0);
  });

  test.each([
    [
      "is cut short",
      () => truncateSync(place.path("data"), 4096),
      /job f: read of .*: end of file/,
    ],
    ["is removed", () => rmSync(place.path("data")), /data was removed while the run used it$/],
  ])("a file that %s while it is read", async (_what, harm, reason) => {
    place.write("data", new Uint8Array(1 << 20));
    const job = ["--name=f", "--filename=data", "--rw=randread", "--time_based", "--runtime=600"];
    const feed = ["--live=live", "--interval=50"];
    const going = place.start(["run", ...job, ...feed, "--out=r", `--path=${path}`]);
    await until(`it reads (${going.err()})`, () => {
      return place.exists("live") && /"ios":[1-9]/.test(place.read("live"));
    });
    harm();
    endedPartial(await going.done, reason);
  });
});

test("a phase that cannot start does not cost those before it", async () => {
  place.write("one", new Uint8Array(1 << 20));
  place.write("two", new Uint8Array(1 << 20));
  const first = ["--name=a", "--filename=one", "--time_based", "--runtime=2"];
  const second = ["--name=b", "--stonewall", "--filename=two"];
  const going = place.start([
    "run",
    ...first,
    ...second,
    "--out=r",
    "--live=live",
    "--interval=50",
  ]);
  await until("the first phase runs", () => {
    return place.exists("live") && /"ios":[1-9]/.test(place.read("live"));
  });
  rmSync(place.path("two"));
  endedPartial(await going.done, /two was removed while the run used it$|job b: .*two/);
  expect(place.record("r").jobs.map((job) => job.jobname)).toEqual(["a"]);
});

/** Why no file system can be mounted here; empty when it can. */
const noMount = process.getuid?.() === 0 ? "" : "(mounting needs root)";

describe.skipIf(noMount !== "")(`full disks ${noMount}`, () => {
  const tmpfs = (name: string, size: string) => {
    mkdirSync(place.path(name));
    const made = system("mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", place.path(name));
    expect(made.stderr).toBe("");
    // Lazily: the kernel may still be closing what an io_uring had open.
    undo.push(() => system("umount", "-l", place.path(name)));
  };

  test("no room for results at all: nothing is run, nothing is left", () => {
    tmpfs("tiny", "512k");
    const { code, out, err } = place.run(["run", ...idleJob("--out=tiny/r")]);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toMatch(/osdyno: cannot write results to tiny\/r: no space left .*\(ENOSPC\)\n$/);
    expect(place.files()).toEqual(["tiny"]);
  });

  test("results that outgrow their disk: the run ends in order, its summary is there", () => {
    tmpfs("tiny", "1200k");
    const job = ["--name=n", "--target=null:", "--size=1m", "--time_based", "--runtime=2"];
    const done = place.run(["run", ...job, "--numjobs=8", "--interval=10", "--out=tiny/r"]);
    endedPartial(done, /results are incomplete: cannot write .*no space left/, "tiny/r");
    expect(place.files().filter((name) => name.endsWith(".tmp"))).toEqual([]);
    const listed = place.run(["results", "ls", "--root", "tiny"]);
    expect(listed.out).toMatch(/r +│ run +│ partial/);
  });

  test("a layout that does not fit is known before it is begun", () => {
    tmpfs("tiny", "4m");
    const job = ["run", "--name=l", "--filename=tiny/data", "--rw=randread"];
    const { code, err } = place.run([...job, "--size=8m"]);
    expect(err).toMatch(/^osdyno: .*8388608 bytes long, the whole file system has 4194304/);
    expect(code).toBe(2);
    place.write("tiny/other", new Uint8Array(2 << 20));
    const full = place.run([...job, "--size=3m"]);
    expect(full.err).toMatch(/^osdyno: no space left for the layout in .*2097152 are free/);
    expect(full.code).toBe(1);
    expect(place.files()).toEqual(["tiny", "tiny/other"]);
  });

  test.each(everyWay)("writes that fill the disk, %s, --path %s", (engine, path) => {
    tmpfs("tiny", "4m");
    place.write("tiny/other", new Uint8Array(2 << 20));
    const job = ["--name=w", "--filename=tiny/data", "--rw=write", "--size=3m"];
    const way = [`--ioengine=${engine}`, `--path=${path}`];
    const done = place.run(["run", ...job, ...way, "--out=r"]);
    endedPartial(done, /job w: write of 4096 bytes at 2097152 of .*data: No space left .*ENOSPC/);
    expect(place.record("r").osdyno.totals.write?.bytes).toBe(2 << 20);
  });
});

describe.skipIf(noMount !== "")(`devices that fail ${noMount}`, () => {
  const loop = (): string => {
    place.write("disk", "");
    truncateSync(place.path("disk"), 16 << 20);
    const made = system("losetup", "-f", "--show", place.path("disk"));
    expect(made.stderr).toBe("");
    const device = made.stdout.trim();
    undo.push(() => system("losetup", "-d", device));
    return device;
  };
  const job = (device: string, engine: string, path: string) => [
    "run",
    ...["--name=d", `--filename=${device}`, "--direct=1", "--bs=4k", "--out=r"],
    ...[`--ioengine=${engine}`, "--iodepth=4", `--path=${path}`],
  ];

  test.each(everyWay)("a backing file cut short, %s, --path %s", async (engine, path) => {
    const device = loop();
    const endless = ["--rw=randread", "--time_based", "--runtime=600"];
    const feed = ["--live=live", "--interval=50"];
    const going = place.start([...job(device, engine, path), ...endless, ...feed]);
    await until(`it reads (${going.err()})`, () => {
      return place.exists("live") && /"ios":[1-9]/.test(place.read("live"));
    });
    truncateSync(place.path("disk"), 4096);
    endedPartial(await going.done, /job d: read of 4096 bytes at \d+ of \/dev\/loop\d+: .*EIO/);
  });

  test("the second half of a device answers EIO", (context) => {
    const device = loop();
    const name = `osdyno-fault-${process.pid}`;
    const half = (8 << 20) / 512;
    const table = `0 ${half} linear ${device} 0\n${half} ${half} error\n`;
    if (system("dmsetup", "create", name, "--table", table).status !== 0) {
      context.skip("dmsetup is not installed or the kernel has no device mapper");
    }
    undo.push(() => system("dmsetup", "remove", name));
    const done = place.run([...job(`/dev/mapper/${name}`, "io_uring", "native"), "--rw=read"]);
    endedPartial(done, /read of 4096 bytes at \d+ of .*: Input\/output error \(EIO\)$/);
    expect(place.record("r").osdyno.totals.read?.bytes).toBeGreaterThanOrEqual((8 << 20) - 16384);
  });
});

describe.each(paths)("corruption found by verification, --path %s", (path) => {
  const verify = ["--name=v", "--filename=data", "--size=1m", "--verify=crc32c", `--path=${path}`];
  const damagedAt = 77 * 4096 + 1234;

  test("a flipped byte: exit 1, the file and the offset", () => {
    const written = place.run(["run", ...verify, "--rw=randwrite", "--out=w"]);
    expect(written.code).toBe(0);
    const checked = place.run(["run", ...verify, "--rw=read", "--out=c", "--no-report"]);
    expect(checked.code).toBe(0);
    expect(place.record("c").jobs[0]?.osdyno.verify).toMatchObject({ checkedBlocks: 256 });
    const file = openSync(place.path("data"), "r+");
    writeSync(file, new Uint8Array([0x5a, 0xa5]), 0, 2, damagedAt);
    closeSync(file);
    const { code, err } = place.run(["run", ...verify, "--rw=read", "--out=r"]);
    const where = `the first in ${place.path("data")} at ${77 * 4096}`;
    expect(err).toContain(`osdyno: job v: verification found 1 wrong block(s); ${where} (crc: `);
    expect(code).toBe(1);
    // The measuring came to its end: the run is complete, the data is wrong.
    expect(place.record("r").state).toBe("complete");
    expect(place.record("r").jobs[0]?.osdyno.verify).toMatchObject({
      mismatchCount: 1,
      mismatches: [{ file: place.path("data"), offsetBytes: 77 * 4096, lengthBytes: 4096 }],
    });
    const fatal = ["run", ...verify, "--rw=read", "--verify_fatal=1", "--out=f", "--no-report"];
    const stopped = place.run(fatal);
    expect(stopped.err).toContain(`at ${77 * 4096} of ${place.path("data")}`);
    expect(stopped.code).toBe(1);
    expect(place.record("f").state).toBe("partial");
  });
});
