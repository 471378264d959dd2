/** One figure, one text: HTML, Markdown, JSON and CSV of a report agree to the digit. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { differenceText, intervalText } from "../../results/recorded-difference.ts";
import { gridOf } from "../../results/report/chart-grid.ts";
import { chartsOf } from "../../results/report/charts.ts";
import { renderCsv } from "../../results/report/csv.ts";
import { loadReport } from "../../results/report/load.ts";
import type { ReportModel } from "../../results/report/model.ts";
import { renderSvg } from "../../results/report/render.ts";
import { tableOf } from "../../results/report/table.ts";
import { formatMetric, formatShort, metricHeading } from "../../results/report/units.ts";
import { verdictGroups } from "../../results/report/verdict-rows.ts";
import { renderReport } from "../../results/report/write.ts";
import type { SweepComparison, SweepRecord } from "../../results/sweep-record.ts";
import { cellsOf, dataInside } from "../../results/verify-report.ts";
import { writeFixtureSweep } from "./report-fixture.ts";

let root = "";
let model: ReportModel;
let html = "";
let markdown = "";
let json: ReportModel;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "osdyno-formats-"));
  const dir = join(root, "sweep");
  writeFixtureSweep(dir, {
    preview: false,
    repeat: 3,
    depths: [1, 4],
    samples: 1500,
    workloads: 2,
  });
  const file = join(dir, "sweep.json");
  const sweep = JSON.parse(readFileSync(file, "utf8")) as SweepRecord;
  const comparisons: SweepComparison[] = ["iops", "response.p99"].flatMap((metric) =>
    ["read", "write"].map((load, place) => ({
      ...{ metric, base: `${load}-psync-4`, candidate: `${load}-io_uring-4`, p: 0.0123 },
      ...{ ratio: 1.0834 - place / 7, low: 1.0512 - place / 7, high: 1.1188 - place / 7 },
      ...{ verdict: place === 0 ? "better" : "worse", reason: "so it is", runs_needed: null },
    })),
  );
  const required = {
    ...{ threshold: "iops > 1k", metric: "iops", point: "read-psync-1", because: "for <fun>" },
    ...{ median: 12_345.6, low: 12_000.4, high: 13_000.2, verdict: "met" },
  };
  writeFileSync(file, JSON.stringify({ ...sweep, comparisons, requirements: [required] }));
  model = loadReport(dir);
  html = await renderReport(model, "html");
  markdown = await renderReport(model, "md");
  json = JSON.parse(await renderReport(model, "json")) as ReportModel;
}, 60_000);

afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Cells of all Markdown tables by the label of the row; figures only, without ranges and marks. */
function markdownCells(): ReadonlyMap<string, readonly string[]> {
  const rows = new Map<string, readonly string[]>();
  for (const line of markdown.split("\n").filter((each) => each.startsWith("| "))) {
    const [, label = "", ...cells] = line
      .replaceAll("\u00a0", " ")
      .replaceAll("\\", "")
      .split(" | ");
    const key = `${line.split(" | ")[0]?.slice(2)}`.replaceAll("\u00a0", " ").replaceAll("\\", "");
    rows.set(key, [...(rows.get(key) ?? []), label, ...cells]);
  }
  return rows;
}

describe("figures", () => {
  it("are the same in the page, in Markdown and in JSON", () => {
    const cells = cellsOf(html);
    const rows = markdownCells();
    const { metrics } = tableOf(model);
    let seen = 0;
    for (const [at, entry] of json.entries.entries()) {
      const own = rows.get(entry.label) ?? [];
      for (const metric of metrics.filter((name) => name !== "samples")) {
        const figure = entry.metrics[metric];
        if (figure?.solid !== true) {
          continue;
        }
        const text = formatMetric(metric, figure.value).replace(/ \(.*\)$/, "");
        const shown = cells.get(`${at} ${metric === "bw" ? "bw.decimal" : metric}`);
        expect(shown, `${entry.id} ${metric}`).toBe(text);
        const plain = own.map((cell) => cell.replace(/<br>.*/, "").replaceAll("*", ""));
        expect(plain, `${entry.id} ${metric}`).toContain(text);
        seen += 1;
      }
    }
    expect(seen).toBeGreaterThan(8 * 5);
  });

  it("are in JSON, in the page's own data and in CSV to the last digit", () => {
    const inside = dataInside(html);
    expect(inside?.entries).toEqual(json.entries);
    expect(json).toEqual(JSON.parse(JSON.stringify(model)));
    const [head = "", ...lines] = renderCsv(model).trimEnd().split("\n");
    const columns = head.split(",");
    expect(columns.slice(-3)).toEqual(["workload", "ioengine", "outstanding"]);
    let at = 0;
    for (const entry of json.entries) {
      for (const [metric, { value, low, high, values }] of Object.entries(entry.metrics)) {
        // Only labels hold commas, and those stand in quotes.
        const fields = (lines[at] ?? "").replace(/"[^"]*"/g, "quoted").split(",");
        const of = (name: string) => fields[columns.indexOf(name)];
        expect([of("point"), of("metric")]).toEqual([entry.point, metric]);
        expect([of("median"), of("low"), of("high")]).toEqual([value, low, high].map(String));
        expect(of("values")).toBe(values.join(" "));
        at += 1;
      }
    }
    expect(lines).toHaveLength(at);
  });
});

it("verdicts and requirements read the same everywhere", () => {
  const groups = verdictGroups(json);
  expect(groups.map((group) => group.heading)).toEqual(json.metrics.map(metricHeading));
  const text = html.replaceAll("&gt;", ">").replaceAll("&lt;", "<");
  for (const each of json.comparisons) {
    const difference = differenceText(each);
    const interval = intervalText(each);
    const figure = (value: number | undefined) => formatShort(each.metric, value ?? Number.NaN);
    const medians = `${figure(each.candidate_median)} against ${figure(each.base_median)}`;
    const [own, against] = [figure(each.candidate_median), `against ${figure(each.base_median)}`];
    expect(text).toContain(
      `<b>${each.verdict}</b></td>\n<td data-l="Difference">${difference} <small>${interval}</small></td>` +
        `<td data-l="Medians">${own} <small> ${against}</small></td>`,
    );
    expect(markdown).toContain(
      `| **${each.verdict}** | ${difference} | ${interval} | ${medians} | 0.0123 |`,
    );
  }
  const [required] = json.requirements;
  expect(formatMetric("iops", required?.median ?? 0)).toBe("12.3k");
  expect(text).toContain('<td data-l="Median">12.3k</td><td data-l="Interval">12.0k to 13.0k</td>');
  expect(markdown).toContain("| **met** | iops \\> 1k | 12.3k | 12.0k to 13.0k | for \\<fun\\> |");
});

describe("the page", () => {
  it("answers first, then gives verdicts, figures, charts, method and how to repeat it", () => {
    const order = ['class="answer"', 'id="verdicts"', 'id="figures"', 'id="charts"', 'id="method"'];
    const places = [...order, 'id="repeat"'].map((part) => html.indexOf(part));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(places[0]).toBeGreaterThan(0);
  });

  it("says how equal runs differed and how the figures came about", () => {
    const [iops] = json.noise;
    expect(iops).toMatchObject({ metric: "iops", configurations: 8, runs: 3 });
    expect(iops?.worstSpread).toBeGreaterThanOrEqual(iops?.spread ?? 1);
    expect(html).toContain("IOPS: equal runs differed by ");
    expect(json.method.join(" ")).toMatch(/ran 3 times, once in each of 3 blocks/);
    for (const sentence of json.method) {
      expect(markdown.replaceAll("\\", "")).toContain(sentence);
    }
  });
});

describe("a map of two parameters", () => {
  const grid = (values: readonly string[]) => {
    const parameters = { a: values, b: ["1k", "2k", "4k"] };
    const entries = values.flatMap((a, x) =>
      parameters.b.map((b, y) => {
        const [base] = model.entries;
        const value = 1000 * (x + 1) + y;
        const figure = { value, low: value, high: value, values: [value], solid: true };
        const id = `${a}-${b}`;
        return { ...base, id, point: id, parameters: { a, b }, metrics: { iops: figure } };
      }),
    );
    return { ...model, parameters, entries, metrics: ["iops"], comparisons: [] } as ReportModel;
  };

  it("has a cell with its figure for each combination, numbers in their order", async () => {
    const own = grid(["16", "2", "128"]);
    expect(gridOf(own)).toMatchObject({ x: { name: "a", values: ["2", "16", "128"] } });
    const chart = chartsOf(own).find(({ name }) => name === "grid");
    expect(chart?.title).toBe("b by a");
    const svg = chart === undefined ? "" : await renderSvg(chart.spec("wide"));
    for (const entry of own.entries) {
      const { a, b } = entry.parameters;
      const value = entry.metrics["iops"]?.value ?? 0;
      expect(svg).toContain(`aria-label="a ${a}, b ${b}: IOPS ${formatMetric("iops", value)}"`);
      expect(svg).toContain(`>${formatMetric("iops", value)}</text>`);
    }
  });

  it("is left out for one parameter, and where combinations are missing", () => {
    expect(gridOf(grid(["1", "2"]))).toBeNull();
    const whole = grid(["1", "2", "3"]);
    const few = { ...whole, entries: whole.entries.filter((_, at) => at % 2 === 0).slice(0, 4) };
    expect(gridOf(few)).toBeNull();
  });
});

it("a distribution rises from its fastest to its slowest hundredth", () => {
  for (const { cdf, spectrum } of json.entries) {
    const shares = cdf.map(([share]) => share);
    const times = cdf.map(([, ns]) => ns);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    const median = cdf.find(([share]) => share === 0.5)?.[1] ?? 0;
    const around = spectrum.response.filter(([rest]) => rest > 1.7 && rest < 2.4);
    expect(around.some(([, ns]) => Math.abs(ns / median - 1) < 0.3)).toBe(true);
    expect(shares.at(-1)).toBeGreaterThanOrEqual(0.99);
  }
});
