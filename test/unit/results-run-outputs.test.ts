/** What a run of the real loop writes beside its intervals: logs, samples, steady state, status. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { FioDirection } from "../../results/fio-record.ts";
import { performRun, type RunSettings } from "../../results/perform.ts";
import type { RunRecord } from "../../results/run-record.ts";
import { readRun } from "../../results/run-schema.ts";
import type { SteadyStateRecord } from "../../results/steady-state.ts";
import { verifyRun } from "../../results/verify.ts";
import { parseText } from "./job-support.ts";

const root = mkdtempSync(join(tmpdir(), "osdyno-run-outputs-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const quiet = { layout() {}, progress() {}, note() {} };

async function run(name: string, lines: readonly string[], changes: Partial<RunSettings> = {}) {
  const directory = join(root, name);
  return await performRun({
    parsed: parseText(
      [
        "[j]",
        "target=null:?service=200us&jitter=exp",
        "size=16m",
        "time_based",
        "runtime=1",
        ...lines,
      ].join("\n"),
    ),
    directory,
    events: quiet,
    settings: {
      command: ["test"],
      label: name,
      target: null,
      path: "native",
      seed: 7,
      destroy: false,
      live: null,
      report: false,
      thresholds: [],
      intervalMs: 100,
      workingDirectory: root,
      signal: new AbortController().signal,
      ...changes,
    },
  });
}

const table = (path: string) =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split(", ").map(Number));

const iosOf = (record: RunRecord, direction: string) =>
  (record.jobs[0]?.[direction] as FioDirection | undefined)?.total_ios ?? 0;

for (const path of ["native", "engine"] as const) {
  test(`${path}: every measured operation is a line, and every line an operation`, async () => {
    const { record, failure } = await run(
      `each-${path}`,
      ["rw=randrw", "iodepth=4", "ioengine=io_uring", "ramp_time=300ms", "write_lat_log=e"],
      { path },
    );
    expect(failure).toBeNull();
    const logs = join(root, `each-${path}`, "logs");
    expect(readdirSync(logs).sort()).toEqual(["e_clat.1.log", "e_lat.1.log", "e_slat.1.log"]);
    const rows = table(join(logs, "e_clat.1.log"));
    const measured = iosOf(record, "read") + iosOf(record, "write");
    // Operations that complete within a turn of the warm-up's end may count on either side.
    expect(Math.abs(rows.length - measured)).toBeLessThanOrEqual(8);
    expect(rows.every((row, at) => at === 0 || (row[0] ?? 0) >= (rows[at - 1]?.[0] ?? 0))).toBe(
      true,
    );
    const slat = table(join(logs, "e_slat.1.log"));
    const lat = table(join(logs, "e_lat.1.log"));
    expect(
      rows.every((row, at) => (row[1] ?? 0) + (slat[at]?.[1] ?? 0) === (lat[at]?.[1] ?? 0)),
    ).toBe(true);
    expect(verifyRun(join(root, `each-${path}`)).disagreements).toEqual([]);
  });
}

test("windows and histograms add up to what was measured", async () => {
  const { record } = await run("windows", [
    "rw=randread",
    "write_hist_log=w",
    "write_bw_log=w",
    "write_iops_log=w",
    "log_avg_msec=100",
    "log_hist_msec=100",
    "iopsavgtime=50",
  ]);
  const logs = join(root, "windows", "logs");
  const total = iosOf(record, "read");
  const counts = table(join(logs, "w_clat_hist.1.log"));
  expect(counts.every((row) => row.length === 3 + 1856)).toBe(true);
  const counted = counts.flatMap((row) => row.slice(3)).reduce((sum, count) => sum + count, 0);
  expect(counted).toBe(total);
  const read = record.jobs[0]?.["read"] as FioDirection;
  // 50 ms windows over a second, one of which may be cut off by the end.
  expect(read.iops_samples).toBeGreaterThanOrEqual(19);
  expect(read.bw_samples).toBeLessThanOrEqual(10);
  expect(table(join(logs, "w_iops.1.log")).length).toBeGreaterThanOrEqual(19);
  expect(table(join(logs, "w_bw.1.log")).length).toBeLessThanOrEqual(10);
});

test("steadystate ends the job, and only that one", async () => {
  const { record } = await run("steady", [
    "rw=randread",
    "runtime=30",
    "ss=iops:99%",
    "ss_dur=1",
    "[other]",
    "target=null:?service=200us",
    "size=16m",
    "rw=randread",
    "time_based",
    "runtime=2",
  ]);
  const steady = record.jobs[0]?.["steadystate"] as SteadyStateRecord;
  expect(steady).toMatchObject({ ss: "iops:99.000000%", duration: 1, attained: 1 });
  const own = record.jobs[0]?.osdyno.steady;
  expect(own).toMatchObject({ attained: true });
  expect((own?.end_ms ?? 0) - (own?.start_ms ?? 0)).toBeCloseTo(1000, 6);
  expect(Math.floor(own?.iops ?? 0)).toBe(steady.data.iops_mean);
  expect(own?.end_ms).toBeLessThanOrEqual(record.runtime_ms);
  expect(record.jobs[1]?.osdyno.steady).toBeUndefined();
  expect(record.jobs[0]?.["job_runtime"]).toBeLessThan(20_000);
  expect(record.jobs[1]?.["steadystate"]).toBeUndefined();
  expect(record.jobs[1]?.["job_runtime"]).toBeGreaterThanOrEqual(1990);
  expect(record.state).toBe("complete");
  expect(verifyRun(join(root, "steady")).disagreements).toEqual([]);
});

test("status: records so far, each with more, all readable", async () => {
  const shown: RunRecord[] = [];
  const status = { everyMs: 250, show: (record: RunRecord) => shown.push(record) };
  const { record } = await run("status", ["rw=randread"], { status });
  expect(shown.length).toBeGreaterThanOrEqual(2);
  const counts = [...shown, record].map((one) => iosOf(one, "read"));
  expect(counts).toEqual([...counts].sort((a, b) => a - b));
  expect(counts[0]).toBeGreaterThan(0);
  expect(shown.every((one) => one.state === "partial")).toBe(true);
  const depths = shown.at(-1)?.jobs[0]?.["iodepth_level"] as Record<string, number>;
  expect(depths["1"]).toBeGreaterThan(0);
  expect(shown.at(-1)?.jobs[0]?.["job_runtime"]).toBeGreaterThan(0);
});

test("latencies that the job disables are left out of fio's records, not of ours", async () => {
  const keys = ["rw=randread", "disable_clat=1", "disable_slat=1", "write_lat_log=d"];
  const { record } = await run("disabled", keys);
  const read = record.jobs[0]?.["read"] as FioDirection;
  expect([read.clat_ns.N, read.slat_ns.N]).toEqual([0, 0]);
  expect(read.lat_ns.N).toBe(read.total_ios);
  expect(readdirSync(join(root, "disabled", "logs"))).toEqual(["d_lat.1.log"]);
  expect(record.jobs[0]?.osdyno.read?.service_ns.N).toBe(read.total_ios);
  expect(verifyRun(join(root, "disabled")).disagreements).toEqual([]);
  expect(readRun(join(root, "disabled")).state).toBe("complete");
});

test("stats=0 keeps a job out of the records", async () => {
  const { record } = await run("stats", [
    "rw=randread",
    "stats=0",
    "[seen]",
    "target=null:",
    "size=1m",
    "rw=read",
  ]);
  expect(record.jobs.map((job) => job.jobname)).toEqual(["seen"]);
  expect(verifyRun(join(root, "stats")).disagreements).toEqual([]);
});
