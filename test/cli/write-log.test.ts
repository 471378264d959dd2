/** The write log and the client cache on the command line: as targets, in sweeps' terms, and the tool. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { metric } from "../../results/metrics.ts";
import { launcher, Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const quiet = ["--no-report", "--no-progress"];
const write = ["--name=w", "--rw=randwrite", "--bs=4k", "--size=16m"];
const log = (path: string) => `--set=rbd_persistent_cache_path=${path}`;
const small = "--set=rbd_persistent_cache_size=16m";

function runs(...args: readonly string[]): void {
  const { code, err } = place.run(["run", ...quiet, ...args]);
  expect(code, err).toBe(0);
}

/** A writer on a file, or a store, that is killed when its log holds writes that the image lacks. */
async function killedWriter(logFile: string, ...args: readonly string[]): Promise<void> {
  const job = [...args, ...write, "--time_based", "--runtime=30", "--out=killed"];
  const child = spawn(process.execPath, [launcher, "run", ...quiet, ...job], {
    cwd: place.root,
    env: place.environment(),
    stdio: "ignore",
  });
  let dirty = 0;
  for (let tries = 0; tries < 60 && dirty === 0; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    const { code, out } = place.run(["writelog", "info", logFile, "--json"]);
    dirty = code === 0 && existsSync(place.path("killed")) ? JSON.parse(out).dirtyEntries : 0;
  }
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(dirty).toBeGreaterThan(0);
}

describe("in virtual time", () => {
  const base = "--target=null:?service=2ms&channels=1&size=64m";
  const timed = ["--clock=virtual", "--time_based", "--runtime=1", "--out=r"];

  /** IOPS at depth 1 with this mode on a log of this service time. */
  function iops(mode: string, serviceUs: number, size = "128m"): number {
    const device = log(`null:?service=${serviceUs}us&size=${size}`);
    runs(base, ...write, ...timed, device, `--set=rbd_persistent_cache_mode=${mode}`);
    return metric(place.record("r"), "iops") ?? 0;
  }

  test("the documents' table: 500, 5,000 and 20,000 IOPS without a log, on an SSD, on PMEM", () => {
    expect(iops("disabled", 200)).toBeCloseTo(500, -1);
    expect(place.record("r").chain).toEqual(["null:?service=2ms&channels=1&size=64m"]);
    expect(iops("ssd", 200)).toBeCloseTo(5000, -2);
    expect(place.record("r").chain[0]).toBe("writelog");
    expect(iops("pmem", 50)).toBeCloseTo(20_000, -3);
  });

  test("an operation that comes alone takes as long as the device, through every layer", () => {
    const rated = ["--rate_iops=20", "--size=16m", "--name=w", "--bs=4k"];
    const serviceUs = (rw: string, ...layers: readonly string[]) => {
      const target = "--target=null:?service=2ms&channels=16&size=64m";
      runs(target, ...rated, `--rw=${rw}`, ...timed, ...layers);
      return Math.round((metric(place.record("r"), "service.max") ?? 0) / 1e3);
    };
    expect(serviceUs("randwrite", "--set=rbd_cache_policy=writethrough")).toBe(2000);
    expect(serviceUs("randread", "--set=rbd_cache_policy=writeback")).toBe(2000);
    const device = log("null:?service=300us&size=64m");
    expect(serviceUs("randwrite", device)).toBe(300);
    expect(serviceUs("randread", device)).toBe(2000);
    expect(serviceUs("randwrite", "--set=osd_op_queue=mclock_scheduler")).toBe(2000);
  });

  test("what takes no time at all is reported, too", () => {
    const cache = ["--set=rbd_cache_policy=writeback"];
    const early = "--set=rbd_cache_writethrough_until_flush=false";
    const job = ["--rw=randwrite", "--rate_iops=10", "--bs=4k", "--size=16m", "--name=w"];
    const args = ["run", "--no-progress", ...job, base, ...timed, ...cache, early];
    const { code, err, out } = place.run(args);
    expect(code, err).toBe(0);
    expect(out).not.toContain("stages of w");
    const page = readFileSync(place.path("r/report.html"), "utf8");
    expect(page).not.toMatch(/NaN|Infinity/);
    expect(page).toMatch(/Response max(.|\n)*<td>0 ns/);
  });

  test("limits of what is dirty that cannot be are told with what they act as", () => {
    const cache = ["--set=rbd_cache_policy=writeback", "--set=rbd_cache_max_dirty=64m"];
    const { code, err, out } = place.run(["run", ...quiet, base, ...write, ...timed, ...cache]);
    expect(code, err).toBe(0);
    expect(`${out}${err}`).toContain(
      "rbd_cache_max_dirty=64 MiB acts as 32 MiB, the rbd_cache_size",
    );
  });

  test("a log that is full gives what the base gives, and says that writes waited", () => {
    const full = iops("ssd", 200, "4m");
    expect(full).toBeLessThan(1500);
    const record = place.record("r");
    expect(metric(record, "counter.writelog_throttled")).toBeGreaterThan(0);
  });

  test("a cache answers what it holds at once, and holds no more dirty than it may", () => {
    const policy = "--set=rbd_cache_policy=writeback";
    const limits = ["--set=rbd_cache_size=8m", "--set=rbd_cache_max_dirty=1m"];
    const flushing = "--set=rbd_cache_writethrough_until_flush=false";
    runs(
      base,
      ...write,
      "--bs=4k",
      "--io_size=2m",
      "--clock=virtual",
      "--out=r",
      policy,
      ...limits,
      flushing,
    );
    const record = place.record("r");
    expect(record.chain[0]).toBe("clientcache");
    expect(metric(record, "counter.clientcache_throttled")).toBeGreaterThan(0);
    expect(metric(record, "counter.clientcache_dirty_bytes")).toBe(0);
    expect(metric(record, "response.p50")).toBeLessThan(2e6);
  });
});

describe("on files", () => {
  test("pwl: before a file: verified, opened again, refused before another image while it holds writes", async () => {
    const target = "--target=pwl:w.log+raw:base";
    runs(target, small, ...write, "--verify=crc32c", "--out=r");
    expect(place.record("r").chain).toEqual(["writelog", expect.stringMatching(/^raw:.*base$/)]);
    expect(statSync(place.path("w.log")).size).toBe(16 << 20);
    const info = place.run(["writelog", "info", "w.log"]);
    expect(info.out).toMatch(/mode ssd, 16.0 MiB, shut down clean\nstands before raw:/);

    const said = () => JSON.parse(place.run(["writelog", "info", "w.log", "--json"]).out);
    await killedWriter("w.log", target);
    expect(said().root.clean).toBe(false);
    const other = place.run(["run", ...quiet, "--target=pwl:w.log+raw:other", ...write, "--out=o"]);
    expect(other.code).toBe(4);
    expect(other.err).toMatch(/holds writes of raw:.*base .*osdyno writelog flush/);
    if (said().dirtyEntries > 0) {
      expect(place.run(["writelog", "invalidate", "w.log"]).code).toBe(4);
    }
    rmSync(place.path("base"));
    const anew = place.run(["run", ...quiet, target, ...write, "--out=o"]);
    expect(anew.code).toBe(4);
    expect(anew.err).toMatch(/may hold writes of what stood at .*base before, which is made anew/);
    place.write("base", "");
    truncateSync(place.path("base"), 16 << 20);
    expect(place.run(["writelog", "flush", "w.log"]).out).toMatch(/entries written back to raw:/);
    expect(said()).toMatchObject({ entries: 0, root: { clean: true } });
    // Empty, it is made anew in the size that is asked for; else it stays as it is.
    for (const [size, mib] of [
      ["24m", 24],
      ["8m", 8],
    ] as const) {
      const resized = `--set=rbd_persistent_cache_size=${size}`;
      runs(target, resized, ...write, "--io_size=1m", `--out=${size}`);
      expect(statSync(place.path("w.log")).size).toBe(mib << 20);
    }
    runs(target, ...write, "--io_size=1m", "--out=same");
    expect(said().root.poolBytes).toBe(8 << 20);
  });

  test("before a store: bound to that store, wherever it lies, and to no other at its path", async () => {
    const on = (store: string) => `--target=pwl:s.log+store:${store}`;
    const said = () => place.run(["writelog", "info", "s.log", "--json"]);
    await killedWriter("s.log", on("first.img?size=96m"), small);
    renameSync(place.path("first.img"), place.path("moved.img"));
    runs("--target=store:first.img?size=96m", ...write, "--io_size=1m", "--out=g");
    const other = place.run(["run", ...quiet, on("first.img"), ...write, "--out=o"]);
    expect(other.code).toBe(4);
    expect(other.err).toMatch(/holds writes of store:.*first.img/);
    const lost = place.run(["writelog", "flush", "s.log"]);
    expect(lost.code).toBe(2);
    expect(lost.err).toMatch(/the store that was at .*first.img .*not there any more/);
    runs(on("moved.img"), ...write, "--io_size=1m", "--out=h");
    expect(JSON.parse(said().out)).toMatchObject({ entries: 0, root: { clean: true } });
  });

  test("what a killed writer left is written back by a job that only reads", async () => {
    const target = "--target=pwl:w.log+raw:base";
    await killedWriter("w.log", target, small);
    const before = readFileSync(place.path("base"));
    const read = ["--name=r", "--rw=randread", "--bs=4k", "--size=16m", "--io_size=1m"];
    const dry = place.run(["run", ...quiet, target, ...read, "--dry-run"]);
    expect(dry.out).toMatch(/safety: .*\/base .*allowed\nsafety: .*w.log is a write log: allowed/);
    const { code, err, out } = place.run(["run", ...quiet, target, ...read, "--out=r"]);
    expect(code, err).toBe(0);
    expect(`${err}${out}`).toMatch(/w.log was not shut down: what it holds is written back to/);
    const info = JSON.parse(place.run(["writelog", "info", "w.log", "--json"]).out);
    expect(info).toMatchObject({ entries: 0, root: { clean: true } });
    expect(readFileSync(place.path("base")).equals(before)).toBe(false);
  });

  test("an image is all of its file, whatever part of it a job works on, and may grow", () => {
    place.write("base", "");
    truncateSync(place.path("base"), 32 << 20);
    const target = "--target=pwl:w.log+raw:base";
    const imageBytes = () =>
      JSON.parse(place.run(["writelog", "info", "w.log", "--json"]).out).root.imageBytes as number;
    runs(target, small, ...write, "--io_size=1m", "--out=first");
    expect(imageBytes()).toBe(32 << 20);
    runs(target, ...write, "--size=8m", "--io_size=1m", "--out=smaller");
    expect(imageBytes()).toBe(32 << 20);
    runs(target, ...write, "--size=48m", "--io_size=1m", "--out=larger");
    expect(imageBytes()).toBe(48 << 20);
  });

  test("a log on its own image, by whatever name, is refused before anything is written", () => {
    place.write("precious", "p".repeat(8 << 20));
    linkSync(place.path("precious"), place.path("hard"));
    symlinkSync("precious", place.path("soft"));
    const job = ["--name=r", "--rw=randread", "--bs=4k", "--size=4m"];
    for (const name of ["precious", "hard", "soft", "./precious"]) {
      const { code, err } = place.run([
        "run",
        ...quiet,
        `--target=pwl:${name}+raw:precious`,
        ...job,
      ]);
      expect(code, err).toBe(4);
      expect(err).toMatch(/would overwrite its own image .*precious/);
    }
    for (const target of ["pwl:new+raw:new", "pwl:a.db+store:a.img?bluestore_block_db_path=a.db"]) {
      const { code, err } = place.run([
        "run",
        ...quiet,
        `--target=${target}`,
        ...write,
        "--dry-run",
      ]);
      expect(code, err).toBe(4);
    }
    place.write(
      "two.fio",
      "[global]\nrw=randread\nbs=4k\n[a]\ntarget=raw:precious\n[b]\ntarget=null:?service=1ms&size=1m\n",
    );
    const { code, err } = place.run(["run", ...quiet, "two.fio", log("hard")]);
    expect(code, err).toBe(4);
    expect(readFileSync(place.path("precious"), "utf8")).toBe("p".repeat(8 << 20));
  });

  test.each(["ssd", "pmem"])(
    "a log of mode %s without its roots is not made anew unasked",
    async (mode) => {
      const target = ["--target=pwl:w.log+raw:base", `--set=rbd_persistent_cache_mode=${mode}`];
      runs(...target, small, ...write, "--io_size=1m", "--out=r");
      const file = openSync(place.path("w.log"), "r+");
      writeSync(file, new Uint8Array(8192), 0, 8192, 0);
      closeSync(file);
      const before = readFileSync(place.path("w.log"));
      expect(place.run(["writelog", "info", "w.log"])).toMatchObject({
        code: 2,
        err: expect.stringMatching(/w.log is a write log with both of its roots damaged/),
      });
      const again = place.run(["run", ...quiet, ...target, ...write, "--io_size=1m", "--out=n"]);
      expect(again.code).toBe(4);
      expect(again.err).toMatch(
        /holds records of a write log whose roots are both damaged.*--destroy/,
      );
      expect(readFileSync(place.path("w.log")).equals(before)).toBe(true);
      runs(...target, "--destroy", ...write, "--io_size=1m", "--out=d");
    },
  );

  test("caches before stores and files keep what is verified", () => {
    const mixed = [
      "--name=m",
      "--rw=randrw",
      "--bs=4k",
      "--size=8m",
      "--iodepth=8",
      "--verify=crc32c",
    ];
    for (const [target, policy] of [
      ["raw:base", "writeback"],
      ["store:s.img?size=128m", "writeback"],
      ["raw:base", "writethrough"],
      ["pwl:w.log+raw:base", "writearound"],
    ]) {
      const cache = [`--set=rbd_cache_policy=${policy}`, "--set=rbd_cache_size=2m"];
      runs(`--target=${target}`, ...cache, small, ...mixed, "--out=r");
      expect(place.record("r").chain[0]).toBe("clientcache");
    }
  });

  test("what is no log, or cannot be one, is refused in one line", () => {
    place.write("letter", "Dear Sir");
    const line = (args: readonly string[]) => {
      const { code, err } = place.run(args);
      return { code, err: err.trim().split("\n").at(-1) };
    };
    expect(line(["writelog", "info", "letter"])).toEqual({
      code: 2,
      err: expect.stringMatching(/letter is no write log$/),
    });
    expect(line(["writelog", "flush", "nothing"])).toMatchObject({ code: 2 });
    const bad = (target: string) => line(["run", ...quiet, `--target=${target}`, ...write]);
    expect(bad("pwl:w.log")).toMatchObject({
      code: 2,
      err: expect.stringMatching(/expected pwl:LOG/),
    });
    const text = readFileSync(place.path("letter"), "utf8");
    expect(text).toBe("Dear Sir");
  });
});
