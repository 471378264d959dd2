/** Runs with a warm-up in virtual time agree with their raw data: what ends on a border, and clones in a group. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { performRun } from "../../results/perform.ts";
import { parseSeries } from "../../results/series.ts";
import { verifyRun } from "../../results/verify.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";

const root = mkdtempSync(join(tmpdir(), "osdyno-ramp-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

async function run(service: string, ...keys: readonly string[]) {
  count += 1;
  const target = `null:?service=${service}&size=64m`;
  const text = ["[a]", "bs=4k", "size=64m", "time_based", ...keys, ""].join("\n");
  const parsed = parseJobs([{ kind: "file", name: "job", text }], hostEnvironment(), {
    sections: [],
    target,
  });
  const { record, failure, directory } = await performRun({
    parsed,
    directory: join(root, String(count)),
    settings: {
      ...{ command: ["osdyno", "run"], label: "ramp", target, path: "engine", clock: "virtual" },
      ...{ seed: 5, destroy: false, live: null, report: false, intervalMs: 100, thresholds: [] },
      ...{ workingDirectory: root, signal: new AbortController().signal },
    },
    events: { layout() {}, progress() {}, note() {} },
  });
  expect(failure).toBeNull();
  return { record, directory, disagreements: verifyRun(directory).disagreements };
}

test("operations that end on the very border of the last interval keep their bytes", async () => {
  // 50 ms each from 0 on: the last two end with the run, at 1.1 s.
  const { record, directory, disagreements } = await run(
    "50ms",
    ...["rw=randwrite", "iodepth=2", "ramp_time=100ms", "runtime=1"],
  );
  expect(disagreements).toEqual([]);
  const points = parseSeries(readFileSync(join(directory, "series.csv"), "utf8"));
  const last = points.at(-1);
  expect(last?.timeMs).toBe(points.at(-2)?.timeMs);
  expect(last?.iops).toBeGreaterThan(0);
  expect(record.osdyno.totals.write?.bytes).toBe((record.osdyno.totals.write?.ios ?? 0) * 4096);
});

test.each([
  ["group_reporting", "fsync=4", "numjobs=2", "ramp_time=100ms"],
  ["group_reporting", "numjobs=3", "ramp_time=777ms"],
  ["numjobs=3", "ramp_time=130ms"],
])("clones that waited in the warm-up: %s, %s, %s", async (...keys) => {
  const { disagreements } = await run("50ms", "rw=randwrite", "iodepth=7", "runtime=1", ...keys);
  expect(disagreements).toEqual([]);
});
