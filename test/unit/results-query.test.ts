/** SQL over results, and what is recomputed of a sweep and its report. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { queryResults } from "../../results/query/query.ts";
import { queryTables, tablesText } from "../../results/query/tables.ts";
import { csvText, jsonText, tableText } from "../../results/query/text.ts";
import { renderHtml } from "../../results/report/html.ts";
import { loadReport } from "../../results/report/load.ts";
import { readRun } from "../../results/run-schema.ts";
import { judge } from "../../results/sweep/judge.ts";
import type { SweepRecord } from "../../results/sweep-record.ts";
import { verifyResults } from "../../results/verify-results.ts";
import { verifySweep } from "../../results/verify-sweep.ts";
import { writeFixtureSweep } from "./report-fixture.ts";

let root = "";
let sweep: SweepRecord;
const file = () => join(root, "sweep", "sweep.json");

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "osdyno-query-"));
  const dir = join(root, "sweep");
  writeFixtureSweep(dir, { preview: false, repeat: 6, depths: [1], samples: 120, workloads: 1 });
  const open = JSON.parse(readFileSync(file(), "utf8")) as SweepRecord;
  const figures = (point: string) =>
    (open.points.find(({ id }) => id === point)?.runs ?? []).map(
      (run) => readRun(join(dir, run)).osdyno.totals.all?.iops ?? null,
    );
  const baseline = { ioengine: "psync" };
  const metrics = ["iops"];
  const comparisons = judge({ points: open.points, metrics, baseline, figures });
  sweep = { ...open, baseline, metrics, comparisons };
  writeFileSync(file(), JSON.stringify(sweep));
  writeFileSync(join(dir, "report.html"), await renderHtml(loadReport(dir)));
}, 60_000);

afterAll(() => rmSync(root, { recursive: true, force: true }));

const ask = (sql: string) => queryResults([join(root, "sweep")], sql);

describe("a query", () => {
  it("answers with the figures of run.json, to the digit", () => {
    const { columns, rows } = ask(
      "SELECT path, iops, response_p99_ns FROM runs ORDER BY point, repeat",
    );
    expect(columns).toEqual(["path", "iops", "response_p99_ns"]);
    expect(rows.length).toBe(12);
    for (const [path, iops, p99] of rows) {
      const { all } = readRun(String(path)).osdyno.totals;
      expect([iops, p99]).toEqual([all?.iops, all?.response_ns.percentile["99.000000"]]);
    }
  });

  it("joins runs with jobs, metrics, series, points and comparisons", () => {
    const [row] = ask(
      "SELECT count(DISTINCT r.run), count(*) FROM runs r JOIN series s USING (run)",
    ).rows;
    expect(row).toEqual([12, 12 * 40]);
    const point = ask(
      "SELECT parameters ->> 'ioengine' AS engine, runs FROM points WHERE point = 'read-psync-1'",
    );
    expect(point.rows).toEqual([["psync", 6]]);
    const found = ask("SELECT candidate, ratio, verdict FROM comparisons ORDER BY candidate");
    const expected = sweep.comparisons.map(({ candidate, ratio, verdict }) => {
      return [candidate, ratio, verdict];
    });
    expect(found.rows).toEqual(expected.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1)));
    const metric =
      "SELECT m.value = r.iops FROM metrics m JOIN runs r USING (run) WHERE m.metric = 'iops'";
    expect(new Set(ask(metric).rows.flat())).toEqual(new Set([1]));
    const model = "SELECT DISTINCT value FROM facts WHERE name = 'cpu.model'";
    expect(ask(model).rows).toEqual([["Imaginary <CPU> 3000"]]);
    const jobs = "SELECT DISTINCT direction FROM jobs ORDER BY 1";
    expect(ask(jobs).rows).toEqual([["all"], ["read"]]);
  });

  it("has every table and column that its help names", () => {
    for (const { name, columns } of queryTables) {
      const names = columns.map((column) => column.name);
      expect(ask(`SELECT ${names.join(", ")} FROM ${name} LIMIT 1`).columns).toEqual(names);
      expect(tablesText()).toContain(`  ${name}: `);
    }
  });

  it("gives the same numbers as table, CSV and JSON", () => {
    const answer = ask("SELECT 'a, \"b\"' AS words, iops, reason FROM runs LIMIT 2");
    const [, ...lines] = csvText(answer).trimEnd().split("\n");
    const objects = JSON.parse(jsonText(answer)) as Record<string, unknown>[];
    for (const [place, row] of answer.rows.entries()) {
      expect(lines[place]).toBe(`"a, ""b""",${row[1]},`);
      expect(objects[place]).toEqual({ words: 'a, "b"', iops: row[1], reason: null });
      expect(tableText(answer)).toContain(String(row[1]));
    }
  });

  it.each([
    ["DROP TABLE runs", /reads only/],
    ["ATTACH 'x.db' AS y", /reads only/],
    ["VACUUM INTO 'x.db'", /reads only/],
    ["PRAGMA query_only = 0", /reads only/],
    ["INSERT INTO runs (run) VALUES (1) RETURNING run", /reads only/],
    ["SELECT 1; SELECT 2", /several statements/],
    ["SELECT 1 AS a, 2 AS a", /two columns of the answer are named a/],
    ["SELEC 1", /^SQL: near "SELEC": syntax error$/],
    ["SELECT nope FROM runs", /no such column: nope; results query --help lists/],
    ["", /contains no statements/],
    ["SELECT 9007199254740993", /too large/],
  ])("%s is refused in one line", (sql, message) => {
    expect(() => ask(sql)).toThrow(message);
  });

  it("takes comments and a semicolon behind a statement", () => {
    expect(ask("SELECT 1 AS one; -- of them\n /* ; */ ").rows).toEqual([[1]]);
  });
});

describe("verification of a sweep", () => {
  const last = () => verifySweep(join(root, "sweep"));

  it("agrees with what nobody touched", () => {
    expect(last()).toMatchObject({ disagreements: [], notes: [], filesChecked: 2 });
    expect(last().numbersChecked).toBeGreaterThan(1000);
  });

  it("finds a comparison that was changed, and a verdict", () => {
    const [first, ...rest] = sweep.comparisons;
    const changed = [{ ...first, low: (first?.low ?? 0) - 1e-6, verdict: "same" }, ...rest];
    writeFileSync(file(), JSON.stringify({ ...sweep, comparisons: changed }));
    const found = last().disagreements.join("\n");
    writeFileSync(file(), JSON.stringify(sweep));
    expect(found).toMatch(/iops read-psync-1 read-io_uring-1 low: published /);
    expect(found).toMatch(/verdict: published 'same', raw data give '/);
    expect(found).toMatch(/report.html comparisons.*low/);
  });

  it("finds a figure of the page that was changed, in its table and in its data", () => {
    const page = join(root, "sweep", "report.html");
    const before = readFileSync(page, "utf8");
    const cell = /<td data-m="iops">([^<]*)/.exec(before)?.[1] ?? "";
    writeFileSync(page, before.replace(`data-m="iops">${cell}`, 'data-m="iops">999k'));
    expect(last().disagreements).toEqual([
      expect.stringMatching(/^report.html, .*, iops: published '999k', raw data give '/),
    ]);
    const swapped = before.replace(/base64,([A-Za-z0-9+/=]+)"/, (_, data: string) => {
      const text = gunzipSync(Buffer.from(data, "base64")).toString();
      const model = JSON.parse(text) as { entries: { metrics: { iops: { value: number } } }[] };
      const [entry] = model.entries;
      if (entry !== undefined) {
        entry.metrics.iops.value += 1;
      }
      return `base64,${gzipSync(JSON.stringify(model)).toString("base64")}"`;
    });
    writeFileSync(page, swapped);
    const found = last().disagreements;
    writeFileSync(page, before);
    expect(found).toEqual([
      expect.stringMatching(/^report.html entries\.0\.metrics\.iops\.value: published /),
    ]);
  });

  it("says that runs are not there instead of agreeing", () => {
    const away = join(root, "away");
    writeFixtureSweep(away, { preview: true, repeat: 1, depths: [1], samples: 40 });
    rmSync(join(away, "points"), { recursive: true });
    expect(verifyResults(away)).toMatchObject([
      { numbersChecked: 0, notes: [expect.stringMatching(/^6 of 6 runs are not there/)] },
    ]);
  });
});
