/** Our log files beside fio 3.33's: names, number of columns, forms and rounding. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { eachLine, histogramLine, type LogName, windowLine } from "../../results/fio-log-lines.ts";
import { checkLogPaths, FioLogs, logPaths } from "../../results/fio-logs.ts";
import type { PlannedJob } from "../../workloads/plan-model.ts";
import { logPlan, logSpec, readLogBuffer } from "../../workloads/runner/log-plan.ts";
import { jobOf } from "../unit/job-support.ts";

const root = mkdtempSync(join(tmpdir(), "osdyno-fio-logs-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const golden = new URL("fio/logs/", import.meta.url);
const lines = (name: string) => readFileSync(new URL(name, golden), "utf8").trimEnd().split("\n");
const form = (line: string) => line.replace(/0x[0-9a-f]{4}/g, "X").replace(/\d+/g, "N");

const all = ["write_bw_log=x", "write_lat_log=x", "write_iops_log=x", "write_hist_log=x"];
const averaged = ["log_avg_msec=200", "log_hist_msec=200", "log_hist_coarseness=6"];

function planned(index: number, ...options: string[]): PlannedJob {
  const resolved = jobOf("rw=randrw", "size=1m", ...options);
  return {
    resolved,
    jobnum: 0,
    index,
    groupId: 0,
    files: [],
    writes: true,
    iodepth: 1,
    ioBytes: null,
    seed: 1,
  };
}

function style(job: PlannedJob, epochMs = 0) {
  const { logs, host } = job.resolved;
  return { rules: logs, epochMs, ioPriority: host.ioPriority };
}

/** time, direction, bytes, offset, slat, clat, lat, file */
const row = Float64Array.of(58_400_000, 0, 4096, 503_808, 1700, 98_319, 100_379, 0);

test("a line of an operation is fio's", () => {
  const plain = style(planned(0, ...all));
  for (const name of ["bw", "iops", "lat", "slat", "clat"] as const) {
    const ours = form(eachLine(name, row, plain));
    expect(ours).toBe(form(lines(`each_${name}.1.log`)[0] ?? ""));
  }
  // fio wrote these for the same operation: bandwidth in kB/s over clat.
  expect(eachLine("bw", row, plain)).toBe("58, 41660, 0, 4096, 0");
  expect(eachLine("iops", row, plain)).toBe("58, 1, 0, 4096, 0");
  expect(eachLine("clat", row, plain)).toBe("58, 98319, 0, 4096, 0");
  const offset = style(planned(0, ...all, "log_offset=1"));
  expect(form(eachLine("lat", row, offset))).toBe(form(lines("off_lat.1.log")[0] ?? ""));
  expect(eachLine("lat", row, offset)).toBe("58, 100379, 0, 4096, 503808, 0");
  const priority = style(planned(0, ...all, "log_prio=1", "prioclass=1", "prio=3"));
  expect(eachLine("lat", row, priority)).toBe("58, 100379, 0, 4096, 0x2003");
  const issued = style(planned(0, ...all, "log_issue_time=1"), 1000);
  expect(eachLine("lat", row, issued)).toBe("1058, 100379, 0, 4096, 0, 58299621");
});

function windowsOf(job: PlannedJob, ...columns: number[]) {
  const plan = logPlan(job.resolved);
  const read = plan === null ? null : readLogBuffer(Float64Array.of(1, ...columns), plan);
  return read?.kind === "windows" ? read.rows : [];
}

test("a line of a window is fio's: KiB/s, 1/s, mean or largest ns", () => {
  const job = planned(0, ...all, ...averaged, "log_offset=1", "log_prio=1");
  const columns = [0, 200e6, 200e6, 1, 3, 12_288, 10, 100, 110, 5, 60, 65];
  const [window] = windowsOf(job, ...columns);
  if (window === undefined) {
    throw new Error("the window was not read");
  }
  const values = { bw: 60, iops: 15, lat: 37, slat: 3, clat: 33 };
  for (const [name, value] of Object.entries(values)) {
    const line = windowLine(name as LogName, window, style(job));
    expect(form(line)).toBe(form(lines(`avg_${name}.1.log`)[0] ?? ""));
    expect(line).toBe(`200, ${value}, 1, 0, 0, 0x0000`);
  }
  const largest = planned(0, ...all, ...averaged, "log_max_value=1");
  expect(windowLine("lat", window, style(largest))).toBe("200, 65, 1, 0, 0");
  const both = planned(0, ...all, ...averaged, "log_window_value=both");
  expect(windowLine("lat", window, style(both))).toBe("200, 37, 65, 1, 0, 0");
});

test("a line of a histogram has as many columns as fio's", () => {
  const job = planned(0, ...all, ...averaged);
  const counts = new Float64Array(1856 >> 6).fill(1);
  const line = histogramLine({ endNs: 2e8, direction: 1, bytes: 4096, counts }, style(job));
  expect(form(line)).toBe(form(lines("avg_clat_hist.1.log")[0] ?? ""));
  expect(line.startsWith("200, 1, 4096, 1, ")).toBe(true);
});

test("files have fio's names; a job without logs keeps none and costs nothing", () => {
  const names = readdirSync(golden).filter((name) => name.startsWith("each_"));
  const paths = logPaths(planned(0, ...all.map((key) => key.replace("=x", "=each"))), root, false);
  expect(paths.map((path) => path.slice(root.length + 1)).sort()).toEqual(names.sort());
  expect(logPaths(planned(6, "write_bw_log=p/q", "per_job_logs=0"), "/d", false)).toEqual([
    "/d/p/q_bw.log",
  ]);
  expect(logPaths(planned(6, "write_bw_log=p/q"), "/d", true)).toEqual(["/d/q_bw.7.log"]);
  expect(logSpec(planned(0).resolved)).toBeNull();
  expect(() => checkLogPaths([planned(0, "write_bw_log=no/x")], root, [])).toThrow(/no folder/);
  const used = [join(root, "x_bw.1.log")];
  expect(() => checkLogPaths([planned(0, "write_bw_log=x")], root, used)).toThrow(/uses this file/);
});

test("what the loop writes down is what the logs need", () => {
  expect(logSpec(planned(0, ...all).resolved)).toEqual({
    each: true,
    windowsNs: [],
    histNs: 0,
    histCoarseness: 0,
  });
  const some = planned(0, ...all, ...averaged, "bwavgtime=100", "ss=iops:5%", "ss_dur=3");
  expect(logPlan(some.resolved)).toEqual({
    each: false,
    windows: [
      { lengthNs: 1e8, uses: ["bw", "bwSample"] },
      { lengthNs: 2e8, uses: ["iops", "lat"] },
      { lengthNs: 1e9, uses: ["steady"] },
    ],
    histNs: 2e8,
    histCoarseness: 6,
  });
});

test("operations are spilled and become lines at the end; jobs may share a file", () => {
  const directory = mkdtempSync(join(root, "shared-"));
  const scratch = join(directory, "parts.tmp");
  const jobs = [0, 1].map((index) => planned(index, "write_lat_log=s", "per_job_logs=0"));
  const logs = new FioLogs({ jobs, directory, flat: false, scratch });
  for (const job of jobs) {
    logs.begin(job, 0);
  }
  const buffer = new Float64Array(1000 * 8);
  for (let piece = 0; piece < 100; piece += 1) {
    for (let at = 0; at < 1000; at += 1) {
      buffer.set([(piece * 1000 + at) * 1e6, 1, 512, 0, 1, 2, 3, 0], at * 8);
    }
    // The second job's first: files are in the order of jobs all the same.
    logs.add(1 - (piece % 2), { kind: "each", rows: buffer });
  }
  logs.flush();
  expect(logs.close().map((path) => path.slice(directory.length + 1))).toEqual([
    "s_lat.log",
    "s_slat.log",
    "s_clat.log",
  ]);
  expect(logs.problem).toBeNull();
  const text = readFileSync(join(directory, "s_clat.log"), "utf8").trimEnd().split("\n");
  expect(text.length).toBe(100_000);
  // Job 0 had the odd pieces.
  expect([text[0], text[50_000]]).toEqual(["1000, 2, 1, 512, 0", "0, 2, 1, 512, 0"]);
  expect(text.at(-1)).toBe("98999, 2, 1, 512, 0");
  expect(existsSync(scratch)).toBe(false);
});

test("a rate over the rest of a window is no line, a latency is; empty logs exist", () => {
  const directory = mkdtempSync(join(root, "rest-"));
  const job = planned(0, ...all, "log_avg_msec=200");
  const logs = new FioLogs({
    jobs: [job],
    directory,
    flat: true,
    scratch: join(directory, "parts.tmp"),
  });
  logs.begin(job, 0);
  for (const [end, length] of [
    [200e6, 200e6],
    [250e6, 50e6],
  ] as const) {
    const rows = windowsOf(job, 0, end, length, 0, 1, 512, 1, 2, 3, 1, 2, 3);
    logs.add(0, { kind: "windows", rows });
  }
  logs.close();
  const text = (name: string) => readFileSync(join(directory, `x_${name}.1.log`), "utf8");
  expect(text("bw")).toBe("200, 2, 0, 0, 0\n");
  expect(text("clat")).toBe("200, 2, 0, 0, 0\n250, 2, 0, 0, 0\n");
  expect(text("clat_hist")).toBe("");
});

test("a folder that cannot be written is one line, and the rest of the run goes on", () => {
  const job = planned(0, "write_bw_log=x");
  const scratch = join(root, "parts.tmp");
  const logs = new FioLogs({ jobs: [job], directory: "/proc/1", flat: false, scratch });
  logs.begin(job, 0);
  logs.close();
  expect(logs.problem).toMatch(/^log files are incomplete: cannot write \/proc\/1\/x_bw.1.log/);
});
