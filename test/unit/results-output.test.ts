import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { assembleRun } from "../../results/assemble.ts";
import { openLiveFeed } from "../../results/live.ts";
import { normalOutput, wantsColor } from "../../results/normal-output.ts";
import { type FixtureJob, fixtureRun, resolvedJob } from "./results-fixture.ts";

const ramp = (count: number) => Array.from({ length: count }, (_, at) => 1000 * (at + 1));
const job = (name: string, changes = {}, outcome = {}): FixtureJob => ({
  resolved: resolvedJob(name, changes),
  jobnum: 0,
  groupId: 0,
  intervals: { read: [{ lengthNs: 1e9, service: ramp(2000), wait: ramp(2000) }] },
  outcome,
});
const poisson = { arrival: [{ kind: "poisson", rate: 2000, byBytes: false }, null, null] };

test("the table tells rates, times, marks of thin percentiles, health and notes", () => {
  const error = { errno: 5, message: "read at 8192 of /x: EIO", atNs: 1 };
  const made = fixtureRun([[job("closed"), job("open", poisson, { error })]]);
  const text = normalOutput(assembleRun(made.input), { color: false, directory: "/r" });
  expect(text).toMatch(/closed +│ read +│ 2.00k │ +8.19 MB\/s │ service +│ +1.00 ms │ +1.98 ms │/);
  expect(text).toMatch(/7.81 MiB\/s │ response/);
  expect(text).toMatch(/wait +│ +1.00 ms │ +1.98 ms │ ~2.00 ms │ 2.00 ms/);
  expect(text).toContain("~ fewer than 10 samples lie beyond this percentile");
  expect(text).toContain("note: closed: closed loop: response time is undefined under stalls");
  expect(text).toContain("note: open: ended early: read at 8192 of /x: EIO");
  expect(text).toMatch(/open +│ +\S+ us │ +1 │ poisson 2000\/s/);
  expect(text.endsWith("results: /r\n")).toBe(true);
  expect(text).not.toContain("\u001b");
});

test("what a search for a latency found is in the table and a note: its depth and rate", () => {
  const latencyTarget = { targetNs: 2e6, windowNs: 1e9, percentile: 99, keepRunning: true };
  const { keepRunning: _, ...asked } = latencyTarget;
  const found = job("search", { latencyTarget }, { latencyTarget: { ...asked, depth: 5 } });
  const text = normalOutput(assembleRun(fixtureRun([[found, job("plain")]]).input), {
    color: false,
  });
  expect(text).toMatch(/│ +depth 5 +│/);
  expect(text).toMatch(
    /note: search: latency_target=2.00 ms for 99% of the operations: the search stands at depth 5; 2.00k IOPS over the whole time/,
  );
  expect(text.match(/depth/g)).toHaveLength(3);
});

test("a partial run says so first; a run without operations has no table", () => {
  const partial = { state: "partial", reason: "interrupted by Ctrl-C" } as const;
  const text = normalOutput(assembleRun(fixtureRun([], partial).input), { color: false });
  expect(text.split("\n")[1]).toBe("partial: interrupted by Ctrl-C");
  expect(text).toContain("no job was recorded");
  const idle = fixtureRun([[{ ...job("idle"), intervals: {} }]]);
  expect(normalOutput(assembleRun(idle.input), { color: false })).toContain(
    "no operation completed",
  );
});

test("with one mixed rate the directions share it", () => {
  const both = job("m", { unifiedRwReporting: "mixed" });
  const intervals = { ...both.intervals, write: [{ lengthNs: 1e9, service: ramp(1000) }] };
  const made = fixtureRun([[{ ...both, intervals }]]);
  const text = normalOutput(assembleRun(made.input), { color: false });
  expect(text).toMatch(/read +│ 2.00k/);
  expect(text).toMatch(/write +│ 1.00k/);
});

test("colour follows the terminal, NO_COLOR and FORCE_COLOR", () => {
  expect(wantsColor({ isTTY: true }, {})).toBe(true);
  expect(wantsColor({}, {})).toBe(false);
  expect(wantsColor({ isTTY: true }, { NO_COLOR: "1" })).toBe(false);
  expect(wantsColor({}, { FORCE_COLOR: "1" })).toBe(true);
  const record = assembleRun(fixtureRun([[job("a")]]).input);
  expect(normalOutput(record, { color: true })).toContain("\u001b[");
});

test("--live writes one JSON line per interval", () => {
  const directory = mkdtempSync(join(tmpdir(), "osdyno-live-"));
  const path = join(directory, "live.json");
  const feed = openLiveFeed(path);
  const made = fixtureRun([[job("a")]]);
  for (const { row } of made.rows) {
    feed.interval("a", row, null);
  }
  feed.flush();
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  feed.close();
  rmSync(directory, { recursive: true });
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { time_ms: 1000, job: "a", direction: "read", iops: 2000, ios: 2000, dev_util_pct: null },
  ]);
});

test("a .prom file is whole OpenMetrics text at every moment, with running totals", () => {
  const directory = mkdtempSync(join(tmpdir(), "osdyno-live-"));
  const path = join(directory, "live.prom");
  const feed = openLiveFeed(path);
  expect(readFileSync(path, "utf8")).toBe("# EOF\n");
  const row = fixtureRun([[job("a")]]).rows[0]?.row;
  const machine = { cpuUserPct: 1, cpuSysPct: 1, devUtilPct: 50, devReadIos: 1, devWriteIos: 1 };
  for (let interval = 0; row !== undefined && interval < 3; interval += 1) {
    feed.interval('a"b', row, machine);
    feed.flush();
  }
  const text = readFileSync(path, "utf8");
  feed.close();
  expect(readdirSync(directory)).toEqual(["live.prom"]);
  rmSync(directory, { recursive: true });
  expect(text).toContain('osdyno_ios_total{job="a\\"b",direction="read"} 6000\n');
  expect(text).toContain('osdyno_iops{job="a\\"b",direction="read"} 2000\n');
  expect(text).toContain('time="service",quantile="0.99"} 0.00198\n');
  expect(text).toContain("osdyno_device_busy_ratio 0.5\n");
  expect(text.endsWith("# EOF\n")).toBe(true);
  for (const line of text.trimEnd().split("\n")) {
    expect(line).toMatch(/^(# (TYPE|UNIT|HELP|EOF)|[a-z_]+(\{[^}]*\})? [0-9.e+-]+$)/);
  }
});

test("a feed that cannot be opened is refused in one line", () => {
  expect(() => openLiveFeed("/nonexistent/x.prom")).toThrow(/--live .*cannot write \(ENOENT\)/);
});
