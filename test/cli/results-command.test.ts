/** `osdyno results` as a user types it: a process of its own, its two streams and its exit code. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { assembleRun } from "../../results/assemble.ts";
import { RunWriter } from "../../results/run-directory.ts";
import { fixtureRun, resolvedJob, startedEpochMs } from "../unit/results-fixture.ts";

const command = fileURLToPath(new URL("../../cli/commands/results.ts", import.meta.url));
const errors = fileURLToPath(new URL("../../engine/base/error.ts", import.meta.url));
/** The command alone, with the edge that `cli/main.ts` gives every command. */
const edge = `
  import { resultsCommand } from ${JSON.stringify(command)};
  import { exitCodeOf } from ${JSON.stringify(errors)};
  try {
    await resultsCommand().parseAsync(process.argv.slice(1), { from: "user" });
  } catch (error) {
    process.stderr.write("osdyno: " + (error.line ?? error.message) + "\\n");
    process.exitCode = exitCodeOf(error);
  }
`;

let root: string;
let run: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "osdyno-cli-results-"));
  const service = Array.from({ length: 1000 }, (_, at) => 1000 * (at + 1));
  const made = fixtureRun([
    [
      {
        resolved: resolvedJob("job"),
        jobnum: 0,
        groupId: 0,
        intervals: { read: [{ lengthNs: 1e9, service }] },
      },
    ],
  ]);
  const writer = RunWriter.create({ label: "fixture", startedEpochMs, plan: made.plan, root });
  for (const { job, row } of made.rows) {
    writer.interval(job, row, null);
  }
  writer.finish(assembleRun(made.input));
  run = writer.directory;
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function osdyno(...args: string[]) {
  const argv = ["--input-type=module", "-e", edge, ...args, "--root", root];
  const done = spawnSync(process.execPath, argv, { encoding: "utf8" });
  return { status: done.status, out: done.stdout, err: done.stderr };
}

test("ls shows the run, as a table and as JSON", () => {
  const { status, out } = osdyno("ls");
  expect(status).toBe(0);
  expect(out).toMatch(/20261121T002630Z-fixture +│ run +│ complete +│ +1 │ 1.00k │ +990 us/);
  expect(JSON.parse(osdyno("ls", "--json").out)).toMatchObject([{ path: run, iops: 1000 }]);
});

test("show prints the table, run.json, or fio's document, and nothing else", () => {
  expect(osdyno("show", "latest").out).toContain(`results: ${run}`);
  const record = JSON.parse(readFileSync(join(run, "run.json"), "utf8")) as object;
  expect(JSON.parse(osdyno("show", "fixture", "--json").out)).toEqual(record);
  const plus = osdyno("show", run, "--output-format", "json+");
  expect(plus.err).toBe("");
  expect(JSON.parse(plus.out)).toMatchObject({
    "fio version": "fio-3.33-osdyno-0.1.0",
    jobs: [{ jobname: "job", read: { total_ios: 1000, clat_ns: { bins: { "1004": 1 } } } }],
  });
  expect(osdyno("show", run, "--output-format", "yaml")).toMatchObject({ status: 2, out: "" });
});

test("verify agrees with an untouched run, and exits 1 for a changed one", () => {
  const fine = osdyno("verify", "latest");
  expect(fine.status).toBe(0);
  expect(fine.out).toMatch(/: agrees \(5 files, \d+ numbers\)/);
  const path = join(run, "series.csv");
  const before = readFileSync(path, "utf8");
  writeFileSync(path, before.replace("4096000", "4096001"));
  const wrong = osdyno("verify", "latest");
  writeFileSync(path, before);
  expect(wrong.status).toBe(1);
  expect(wrong.out).toContain("job read io_bytes: published 4096000, raw data give 4096001");
  expect(wrong.err).toBe("osdyno: 1 of 1 results do not agree with their raw data\n");
});

test("query answers SQL as a table, CSV or JSON; what is no query is one line and exit 2", () => {
  const sql = "SELECT label, iops, response_p99_ns AS p99 FROM runs";
  expect(osdyno("query", sql).out).toMatch(/fixture │ 1000 │ 990\d{3} │?/);
  const [row] = JSON.parse(osdyno("query", sql, "latest", "--json").out) as [{ p99: number }];
  expect(osdyno("query", sql, "--csv").out).toBe(`label,iops,p99\nfixture,1000,${row.p99}\n`);
  const refused = { status: 2, out: "" };
  expect(osdyno("query", "DELETE FROM runs")).toMatchObject(refused);
  expect(osdyno("query", "SELECT nope FROM runs")).toEqual({
    ...refused,
    err: "osdyno: SQL: no such column: nope; results query --help lists the tables and their columns\n",
  });
  expect(osdyno("query", sql, "--csv", "--json").err).toMatch(/exclude each other/);
  expect(osdyno("query", sql, "no-such")).toMatchObject(refused);
});

test("an unknown run is one clear line and exit 2; rm of a foreign directory removes nothing", () => {
  expect(osdyno("show", "no-such")).toEqual({
    status: 2,
    out: "",
    err: `osdyno: no results 'no-such' in ${root}; see osdyno results ls\n`,
  });
  const foreign = join(root, "foreign");
  mkdirSync(foreign);
  expect(osdyno("rm", run, foreign).status).toBe(2);
  expect(readFileSync(join(run, "run.json"), "utf8").length).toBeGreaterThan(0);
  expect(osdyno("rm", run)).toMatchObject({ status: 0, err: `removed ${run}\n` });
  expect(osdyno("ls").out).toContain("no results in");
});
