/** The write log and the client cache on the command line: as targets, in sweeps' terms, and the tool. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from "node:fs";
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

    const job = [target, ...write, "--time_based", "--runtime=30", "--out=k"];
    const child = spawn(process.execPath, [launcher, "run", ...quiet, ...job], {
      cwd: place.root,
      env: place.environment(),
      stdio: "ignore",
    });
    const said = () => JSON.parse(place.run(["writelog", "info", "w.log", "--json"]).out);
    let dirty = 0;
    for (let tries = 0; tries < 60 && dirty === 0; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      dirty = existsSync(place.path("k")) ? (said().dirtyEntries as number) : 0;
    }
    child.kill("SIGKILL");
    await once(child, "exit");
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
    const job = [
      on("first.img?size=96m"),
      small,
      ...write,
      "--time_based",
      "--runtime=30",
      "--out=f",
    ];
    const child = spawn(process.execPath, [launcher, "run", ...quiet, ...job], {
      cwd: place.root,
      env: place.environment(),
      stdio: "ignore",
    });
    const said = () => place.run(["writelog", "info", "s.log", "--json"]);
    let dirty = 0;
    for (let tries = 0; tries < 60 && dirty === 0; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      const { code, out } = said();
      dirty = code === 0 ? (JSON.parse(out).dirtyEntries as number) : 0;
    }
    child.kill("SIGKILL");
    await once(child, "exit");
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
