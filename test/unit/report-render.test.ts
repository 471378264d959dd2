import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporarySuffix } from "../../results/growing-file.ts";
import {
  logDomain,
  logTicks,
  panelGrid,
  placeLabels,
  roomyLabels,
} from "../../results/report/chart-style.ts";
import { chartsOf } from "../../results/report/charts.ts";
import { textWidth } from "../../results/report/fonts.ts";
import { loadReport } from "../../results/report/load.ts";
import type { ReportModel } from "../../results/report/model.ts";
import { renderSvg } from "../../results/report/render.ts";
import { formatNs } from "../../results/report/units.ts";
import { renderReport, writeReport } from "../../results/report/write.ts";
import { sealName } from "../../results/seal.ts";
import { writeFixtureRun, writeFixtureSweep } from "./report-fixture.ts";

let root = "";
let sweep: ReportModel;
const run = {
  name: "<b>&j</b>",
  rw: "randread",
  ioengine: "io_uring",
  iodepth: 8,
  numjobs: 1,
  samples: 2000,
} as const;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "osdyno-report-"));
  const dir = join(root, "sweep");
  writeFixtureSweep(dir, { preview: true, repeat: 1, depths: [1, 4], samples: 1500 });
  sweep = loadReport(dir);
  writeFixtureRun(join(root, "run"), { label: "a <script> | `b`", jobs: [run] });
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

/** Accessible labels of the marks of a chart. */
function labelsOf(svg: string): string[] {
  return [
    ...svg.matchAll(/role="img"[^>]*aria-label="([^"]*)"|aria-label="([^"]*)" role="img"/g),
  ].map((match) => match[1] ?? match[2] ?? "");
}

async function svgOf(model: ReportModel, name: string): Promise<string> {
  const chart = chartsOf(model).find((one) => one.name === name);
  if (chart === undefined) {
    throw new Error(`no chart ${name}`);
  }
  return await renderSvg(chart.spec("wide"));
}

describe("charts", () => {
  it("draw every point of IOPS against latency with its own figures", async () => {
    const labels = labelsOf(await svgOf(sweep, "iops-latency"));
    expect(labels).toHaveLength(2 * sweep.entries.length);
    for (const entry of sweep.entries) {
      const p99 = entry.metrics["response.p99"]?.value ?? 0;
      const own = labels.filter((label) => label.startsWith(`${entry.facet}, ${entry.label}:`));
      expect(own.some((label) => label.endsWith(`response p99 ${formatNs(p99)}`))).toBe(true);
    }
  });

  it("name percentiles on the HDR scale and units on every axis", async () => {
    const plot = await svgOf(sweep, "percentiles");
    for (const text of ["50%", "90%", "99%", "Percentile (HDR scale)"]) {
      expect(plot).toContain(`>${text}<`);
    }
    expect(plot).toMatch(/>\d+ (\u00b5s|ms)</);
    expect(await svgOf(sweep, "time")).toContain(">Time since the run's start (s)<");
  });

  it("shade the warm-up", async () => {
    const svg = await svgOf(sweep, "time");
    expect(svg).toContain('fill="#e8e8e8"');
    const dir = join(root, "cold");
    writeFixtureRun(dir, { jobs: [run] });
    expect(await svgOf(loadReport(dir), "time")).not.toContain('fill="#e8e8e8"');
  });

  it("tell series apart without colour", async () => {
    const svg = await svgOf(sweep, "iops-latency");
    const marks = [...svg.matchAll(/<path [^>]*role="img"[^>]*>/g)].map((match) => match[0]);
    const shapeOf = (engine: string) =>
      new Set(
        marks
          .filter((mark) => mark.includes(`${engine},`))
          .map((mark) => / d="([^"]*)"/.exec(mark)?.[1]),
      );
    expect(shapeOf("psync").size).toBe(1);
    expect(shapeOf("psync")).not.toEqual(shapeOf("io_uring"));
  });

  it("are the same bytes every time", async () => {
    expect(await svgOf(sweep, "comparison")).toBe(await svgOf(sweep, "comparison"));
  });

  it("are left out without operations", () => {
    expect(chartsOf({ ...sweep, entries: [], timeLines: [] })).toEqual([]);
  });
});

describe("axes", () => {
  it("give round ticks within the domain and not too many", () => {
    for (const [low, high] of [
      [1, 10],
      [3.2, 4.1],
      [20, 9_000_000],
      [1e3, 3.6e12],
    ] as const) {
      const ticks = logTicks(low, high, 8);
      expect(ticks.length).toBeLessThanOrEqual(8);
      expect(ticks.every((tick) => tick >= low && tick <= high)).toBe(true);
    }
    expect(logTicks(9, 1100, 6)).toEqual([10, 30, 100, 300, 1000]);
  });

  it("have room around a single value", () => {
    const [low, high] = logDomain([100]);
    expect(low).toBeLessThan(100);
    expect(high).toBeGreaterThan(100);
    expect(logDomain([])).toEqual([1, 10]);
  });

  it("panels of all combinations stand in rows and columns that mean something", () => {
    const panel = (facet: string, series: string) => ({ facet, series, name: `${facet}${series}` });
    const grid = ["r", "w", "d"].flatMap((facet) => ["1", "2"].map((own) => panel(facet, own)));
    expect(panelGrid(grid, "wide")).toEqual({
      names: ["r1", "w1", "d1", "r2", "w2", "d2"],
      most: 3,
    });
    expect(panelGrid(grid, "phone").names).toEqual(["r1", "r2", "w1", "w2", "d1", "d2"]);
    expect(panelGrid(grid.slice(1), "wide").names).toEqual(["r2", "w1", "w2", "d1", "d2"]);
    const four = ["r", "w"].flatMap((facet) => ["1", "2", "3", "4"].map((s) => panel(facet, s)));
    expect(panelGrid(four, "wide").most).toBe(4);
  });

  it("find a place for a label clear of marks, lines and other labels, or none", () => {
    const at = (x: number, y: number, text = "16") => ({ panel: "", x, y, text });
    const place = (labels: ReturnType<typeof at>[], lines: ReturnType<typeof at>[] = []) =>
      placeLabels(labels, labels, lines, 200, 100);
    expect(place([at(50, 50)])).toEqual([{ x: 50, y: 38 }]);
    // At the top there is room beside it only.
    const [top] = place([at(50, 8)]);
    expect(top?.x).toBeGreaterThan(55);
    // A line upwards is avoided, another panel is not.
    const upwards = [10, 20, 30, 40].map((y) => at(50, y));
    expect(place([at(50, 50)], upwards)[0]?.x).not.toBe(50);
    const elsewhere = upwards.map((each) => ({ ...each, panel: "other" }));
    expect(place([at(50, 50)], elsewhere)).toEqual([{ x: 50, y: 38 }]);
    const crowd = Array.from({ length: 40 }, (_, n) => at(50 + (n % 8) * 4, 50 + (n >> 3) * 4));
    const found = place(crowd).filter((each) => each !== null);
    expect(found.length).toBeLessThan(crowd.length);
    for (const [index, one] of found.entries()) {
      for (const other of found.slice(0, index)) {
        expect(Math.abs(one.x - other.x) >= 13 || Math.abs(one.y - other.y) >= 12).toBe(true);
      }
    }
  });

  it("leave out labels that would touch", () => {
    const at = (x: number, y: number) => ({ panel: "p", x, y });
    const [a, b, c] = [at(0, 0), at(5, 3), at(40, 0)];
    expect([...roomyLabels([a, b, c], 20, 10)]).toEqual([a, c]);
  });

  it("know the widths of DejaVu Sans", () => {
    // All digits are 1303 of 2048 units wide, which the font's own table says.
    expect(textWidth("0123456789", 2048, false)).toBe(13030);
    expect(textWidth("\u00b5s", 11, false)).toBeGreaterThan(textWidth("s", 11, false));
    expect(textWidth("wide", 11, true)).toBeGreaterThan(textWidth("wide", 11, false));
  });
});

describe("documents", () => {
  it("HTML fetches nothing and escapes what users name", async () => {
    const page = await renderReport(loadReport(join(root, "run")), "html");
    expect(page).toContain("a &lt;script&gt; | `b`");
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page).not.toContain("<b>&j</b>");
    const urls = [...page.matchAll(/(?:src|href)="([^"]{0,40})/g)].map((match) => match[1] ?? "");
    expect(urls.filter((url) => !url.startsWith("#") && !url.startsWith("data:"))).toEqual([]);
    expect(page).not.toMatch(/@import|url\(/);
    expect(page).toContain("Content-Security-Policy");
    expect(page).toContain("&#39;profiles/jobs/a b.fio&#39;");
  });

  it("HTML carries the whole model for download", async () => {
    const page = await renderReport(sweep, "html");
    const data = /href="data:application\/gzip;base64,([^"]+)"/.exec(page)?.[1] ?? "";
    expect(JSON.parse(gunzipSync(Buffer.from(data, "base64")).toString("utf8"))).toEqual(
      JSON.parse(JSON.stringify(sweep)),
    );
  });

  it("HTML has a table with headers for every row and column", async () => {
    const page = await renderReport(sweep, "html");
    expect(page.match(/<th scope="rowgroup"/g)).toHaveLength(3);
    const body = page.slice(page.indexOf('id="figures"'), page.indexOf('id="charts"'));
    expect(body.match(/<th scope="row"/g)).toHaveLength(sweep.entries.length);
    expect(page.match(/<figure/g)).toHaveLength(chartsOf(sweep).length);
    expect(page.match(/<figcaption/g)).toHaveLength(chartsOf(sweep).length);
  });

  it("Markdown escapes pipes and keeps its tables square", async () => {
    const text = await renderReport(loadReport(join(root, "run")), "md");
    expect(text).toContain("# a \\<script\\> \\| \\`b\\`");
    const tables = text.split("\n\n").filter((block) => block.startsWith("|"));
    expect(tables.length).toBeGreaterThan(0);
    for (const table of tables) {
      const rows = table.split("\n");
      const cells = rows.map((row) => row.replaceAll("\\|", "").split("|").length);
      expect(new Set(cells).size, table).toBe(1);
    }
    expect(text).toContain("osdyno run 'profiles/jobs/a b.fio' --seed 7");
  });

  it("JSON is the model", async () => {
    expect(JSON.parse(await renderReport(sweep, "json")).schema).toBe("osdyno-report-1");
  });
});

describe("files", () => {
  it("go into the results directory, which stays sealed", async () => {
    const dir = join(root, "run");
    const written = await writeReport(dir);
    expect(written.files).toEqual([join(dir, "report.html")]);
    const seal = JSON.parse(readFileSync(join(dir, sealName), "utf8"));
    expect(Object.keys(seal.files)).toContain("report.html");
  });

  it("do not hide that the run was changed after it was sealed", async () => {
    const dir = join(root, "changed");
    writeFixtureRun(dir, { jobs: [run] });
    const before = JSON.parse(readFileSync(join(dir, sealName), "utf8")).files["run.json"];
    appendFileSync(join(dir, "run.json"), " ");
    await writeReport(dir);
    const after = JSON.parse(readFileSync(join(dir, sealName), "utf8")).files["run.json"];
    expect(after).toBe(before);
  });

  it("PNG and SVG: one file per chart, with a title", async () => {
    const out = join(root, "charts");
    const png = await writeReport(join(root, "run"), { format: "png", out });
    expect(png.files.length).toBe(chartsOf(loadReport(join(root, "run"))).length);
    for (const file of png.files) {
      expect(readFileSync(file).subarray(1, 4).toString("latin1")).toBe("PNG");
    }
    const svg = await writeReport(join(root, "run"), { format: "svg", out });
    expect(readFileSync(svg.files[0] ?? "", "utf8")).toContain("IOPS against response time");
  });

  it("are refused where a directory or file stands in the way", async () => {
    const dir = join(root, "run");
    await expect(writeReport(dir, { out: root })).rejects.toMatchObject({ code: "bad-input" });
    const file = join(dir, "run.json");
    await expect(writeReport(dir, { format: "png", out: file })).rejects.toMatchObject({
      code: "bad-input",
    });
    expect(existsSync(join(root, "charts"))).toBe(true);
    const left = readdirSync(root, { recursive: true }).filter((name) =>
      String(name).endsWith(temporarySuffix),
    );
    expect(left).toEqual([]);
  });
});

describe("what was asked", () => {
  it("is read from the job's keys, or from its description", () => {
    const model = loadReport(join(root, "run"));
    expect(model.question).toBe(
      "How many IOPS does the target reach, and how long do operations take, with 4 KiB randread, 8 outstanding?",
    );
    const dir = join(root, "described");
    writeFixtureRun(dir, { jobs: [run] });
    const file = join(dir, "run.json");
    const record = JSON.parse(readFileSync(file, "utf8"));
    record.jobs[0].desc = "Is it quick?";
    writeFileSync(file, JSON.stringify(record));
    expect(loadReport(dir).question).toBe("Is it quick?");
  });

  it("a single run says on how little it rests", () => {
    const caveat = loadReport(join(root, "run")).caveats.find((one) => one.kind === "few-runs");
    expect(caveat?.text).toMatch(/one run of [\d.k]+ operations, in which IOPS changed by/);
  });
});
