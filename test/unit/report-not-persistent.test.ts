/** What a run wrote to memory is told beside its configuration, and is no durable storage. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadReport } from "../../results/report/load.ts";
import { tableOf } from "../../results/report/table.ts";
import { writeFixtureSweep } from "./report-fixture.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "osdyno-memory-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const disk = { path: "/data/f", kind: "file", file_system: "ext4" };
const tmpfs = { path: "/dev/shm/log", kind: "file", file_system: "tmpfs" };

interface Changed {
  readonly devices: readonly unknown[];
  readonly chain?: readonly string[];
  readonly target?: string;
  readonly log?: string;
}

/** Two points, `psync` and `io_uring`; the figures of the second are four in a hundred better. */
function sweep(change: (engine: string) => Changed, workload: "write" | "read" = "write") {
  const verdict = {
    metric: "iops",
    base: `${workload}-psync-1`,
    candidate: `${workload}-io_uring-1`,
    verdict: "better",
    ratio: 1.04,
    low: 1.03,
    high: 1.05,
    p: 0.001,
    p_adjusted: 0.001,
    runs_needed: null,
  };
  writeFixtureSweep(root, {
    preview: false,
    repeat: 2,
    depths: [1],
    workloads: 2,
    comparisons: [verdict],
  });
  const file = join(root, "sweep.json");
  const record = JSON.parse(readFileSync(file, "utf8"));
  record.points = record.points.filter((point: { id: string }) => point.id.startsWith(workload));
  record.baseline = { ioengine: "psync" };
  writeFileSync(file, JSON.stringify(record));
  for (const { id, runs } of record.points as { id: string; runs: string[] }[]) {
    for (const run of runs) {
      const path = join(root, run, "run.json");
      const own = JSON.parse(readFileSync(path, "utf8"));
      const { devices, chain, target, log } = change(id.split("-")[1] ?? "");
      own.environment.devices = devices;
      own.chain = chain ?? own.chain;
      own.target = target ?? own.target;
      own.options = log === undefined ? {} : { rbd_persistent_cache_path: { value: log } };
      writeFileSync(path, JSON.stringify(own));
    }
  }
  expect(existsSync(file)).toBe(true);
  return loadReport(root);
}

const caveatOf = (model: ReturnType<typeof loadReport>) =>
  model.caveats.find(({ kind }) => kind === "not-persistent");

test("a log in memory is told in the answer, the table, the caveats and the method", () => {
  const model = sweep((engine) =>
    engine === "io_uring"
      ? { devices: [disk, tmpfs], chain: ["writelog", "raw:/data/f"], log: "/dev/shm/log" }
      : // An option that no layer uses names a place that nothing is written to.
        { devices: [disk], chain: ["raw:/data/f"], log: "null:?service=10us" },
  );
  expect(model.answer[0]).toContain("io_uring (in memory) is better than psync");
  const labels = tableOf(model).groups.flatMap(({ rows }) => rows.map(({ label }) => label));
  expect(labels.filter((label) => label.includes("(in memory)"))).toHaveLength(1);
  expect(caveatOf(model)).toMatchObject({
    weight: "serious",
    text: expect.stringMatching(
      /1 of 2 configurations.*the write log \/dev\/shm\/log is in memory \(tmpfs\); nothing there survives a power loss/,
    ),
  });
  expect(model.method.join(" ")).toContain("lost with the power");
});

test.each([
  ["a store's file on tmpfs", { devices: [tmpfs], target: "store:/dev/shm/log" }, /store's file/],
  ["a synthetic target", { devices: [], chain: ["null:?service=1ms"] }, /target is a synthetic/],
  ["the memory engine", { devices: [], target: "memory:" }, /ioengine=memory/],
  [
    "a synthetic log",
    { devices: [disk], chain: ["writelog", "raw:/data/f"], log: "null:?service=1us" },
    /write log is a synthetic device/,
  ],
])("%s of all points marks none of them", (_, changed, words) => {
  const model = sweep(() => changed);
  expect(caveatOf(model)?.text).toMatch(words);
  expect(caveatOf(model)?.text).not.toContain("configurations");
  expect(model.entries.every(({ label }) => !label.includes("memory"))).toBe(true);
});

test("what only reads, and what lies on a disk, promises nothing that it does not keep", () => {
  expect(caveatOf(sweep(() => ({ devices: [tmpfs] }), "read"))).toBeUndefined();
  expect(caveatOf(sweep(() => ({ devices: [disk] })))).toBeUndefined();
});
