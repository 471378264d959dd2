/** Latency over time: the counts, the figures that the page takes from them, and what is marked. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { emptyHistogram } from "../../results/histogram.ts";
import { chartsOf } from "../../results/report/charts.ts";
import { bucketOf, bucketStart, HeatGrid } from "../../results/report/heat-grid.ts";
import { loadReport } from "../../results/report/load.ts";
import { decodeMarks, markCode } from "../../results/report/mark-codes.ts";
import type { HeatMap, ReportModel } from "../../results/report/model.ts";
import { renderInline, renderSvg } from "../../results/report/render.ts";
import { formatNs } from "../../results/report/units.ts";
import { formatCount, formatRateBinary, formatRateDecimal } from "../../results/units.ts";
import { writeFixtureRun } from "./report-fixture.ts";

/** Modules of the page's script, which is plain JavaScript. */
async function pageModule(name: string) {
  return await import(new URL(`../../results/report/page/${name}.js`, import.meta.url).href);
}

let root = "";
let stalled: ReportModel;
const reader = { name: "j", rw: "randread", ioengine: "io_uring", iodepth: 8, numjobs: 1 } as const;

function made(name: string, run: Parameters<typeof writeFixtureRun>[1]): string {
  const dir = join(root, name);
  writeFixtureRun(dir, run);
  return dir;
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "osdyno-heat-"));
  const job = { ...reader, rate: 1000, stall: true, samples: 8000, rampMs: 500 };
  stalled = loadReport(made("stalled", { jobs: [job] }));
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

function total(map: Pick<HeatMap, "columns">): number {
  return map.columns.flat().reduce((sum, n, index) => sum + (index % 2 === 1 ? n : 0), 0);
}

describe("the grid", () => {
  const interval = fc.record({
    values: fc.array(fc.integer({ min: 1, max: 3_000_000_000 }), { maxLength: 20 }),
    lengthMs: fc.constantFrom(99.98, 100, 100.02),
  });

  it("loses no operation however often it widens or is merged", () => {
    fc.assert(
      fc.property(
        fc.array(interval, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 2, max: 12 }),
        (intervals, most) => {
          const grids = [new HeatGrid(most), new HeatGrid(2 * most)];
          const expected = new Map<number, number>();
          intervals.forEach(({ values, lengthMs }, index) => {
            const histogram = emptyHistogram();
            for (const value of values) {
              histogram.recordValue(value);
              const bucket = bucketOf(histogram.medianEquivalentValue(value));
              expected.set(bucket, (expected.get(bucket) ?? 0) + 1);
            }
            grids[index % 2]?.add(index * 100, lengthMs, histogram);
          });
          const [first, second] = grids;
          expect(first?.toColumns()?.columns.length ?? 0).toBeLessThanOrEqual(most);
          const sum = new HeatGrid(Number.POSITIVE_INFINITY);
          for (const grid of [first, second]) {
            if (grid !== undefined) {
              sum.merge(grid);
            }
          }
          const found = new Map<number, number>();
          for (const column of sum.toColumns()?.columns ?? []) {
            for (let i = 0; i < column.length; i += 2) {
              const bucket = column[i] ?? -1;
              found.set(bucket, (found.get(bucket) ?? 0) + (column[i + 1] ?? 0));
            }
          }
          expect(found).toEqual(expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("counts what completes after the last interval as part of it", () => {
    const grid = new HeatGrid(20);
    const histogram = emptyHistogram();
    histogram.recordValue(5000);
    for (const [start, length] of [
      [0, 100],
      [100, 100],
      [200, 0.02],
    ] as const) {
      grid.add(start, length, histogram);
    }
    expect(grid.toColumns()?.columns).toEqual([
      [bucketOf(5000), 1],
      [bucketOf(5000), 2],
    ]);
  });

  it("puts a latency into the bucket whose bounds hold it", () => {
    for (const ns of [1, 2, 13_000, 1_000_000, 999_999_999, 3.6e12]) {
      const bucket = bucketOf(ns);
      expect(bucketStart(bucket)).toBeLessThanOrEqual(ns * (1 + 1e-9));
      expect(bucketStart(bucket + 1)).toBeGreaterThan(ns);
    }
  });

  it("holds every operation of a run and its warm-up, column by column", () => {
    const map = stalled.heatMaps.find((one) => one.kind === "response");
    expect(map?.columnMs).toBe(250);
    expect(map?.columns).toHaveLength(40);
    expect(total(map ?? { columns: [] })).toBeGreaterThan(stalled.entries[0]?.samples ?? 0);
    // The device stands still from 4 s to 5 s.
    expect(map?.columns.slice(16, 20)).toEqual([[], [], [], []]);
    expect(map?.columns[20]?.length).toBeGreaterThan(0);
  });
});

describe("a part of the time", () => {
  it("has the percentiles of its own intervals, to the width of a bucket", async () => {
    const { metricsOf, wholeColumns } = await pageModule("figures");
    const [entry] = stalled.entries;
    const [from, to] = wholeColumns(stalled, 1010, 2990);
    expect([from, to]).toEqual([1000, 3000]);
    const metrics = metricsOf(stalled, entry, 500, 10_000);
    for (const name of ["response.p50", "response.p99", "service.p50", "service.p99"]) {
      const whole = entry?.metrics[name]?.value ?? 0;
      expect(metrics.get(name) / whole, name).toBeGreaterThan(0.91);
      expect(metrics.get(name) / whole, name).toBeLessThan(1.1);
    }
    expect(metrics.get("samples")).toBe(
      total({
        columns: (stalled.heatMaps[0]?.columns ?? []).slice(2),
      }),
    );
    const still = metricsOf(stalled, entry, 4000, 5000);
    expect(still.get("iops")).toBe(0);
    expect(still.has("response.p50")).toBe(false);
  });

  it("shows no percentile that fewer than 10 operations lie beyond", async () => {
    const { metricsOf } = await pageModule("figures");
    const metrics = metricsOf(stalled, stalled.entries[0], 1000, 1250);
    expect(metrics.get("samples")).toBe(200);
    expect(metrics.has("response.p90")).toBe(true);
    expect(metrics.has("response.p99")).toBe(false);
  });

  it("is written as the whole run is", async () => {
    const format = await pageModule("format");
    for (const value of [0, 1, 7.25, 99.96, 999.7, 1023.9, 12_345, 999_949, 1e6, 1.5e9, 7.1e12]) {
      expect(format.formatNs(value)).toBe(formatNs(value));
      expect(format.formatCount(value)).toBe(formatCount(value));
      expect(format.formatDecimalRate(value)).toBe(formatRateDecimal(value));
      expect(format.formatBinaryRate(value)).toBe(formatRateBinary(value));
    }
  });
});

describe("the heat map", () => {
  const chart = (model: ReportModel, name: string) =>
    chartsOf(model).find((one) => one.name === name);

  it("stands for response and, in an open loop, for service time", async () => {
    const svg = await renderInline(chart(stalled, "heat")?.spec("wide") as never);
    expect(svg).toContain(">Response time<");
    expect(svg).toContain(">Service time<");
    expect(svg).toContain("Operations in a cell of 0.25 s x 19%");
    expect(svg.match(/data-frame=/g)).toHaveLength(2);
    const closed = loadReport(made("closed", { jobs: [reader] }));
    const one = await renderInline(chart(closed, "heat")?.spec("phone") as never);
    expect(one.match(/data-frame=/g)).toHaveLength(1);
    expect(one).toContain("0.25 s x 41%");
  });

  it("draws cells of one step as one path", async () => {
    const svg = await renderInline(chart(stalled, "heat")?.spec("wide") as never);
    const cells = svg.match(/<path d="M[^"]*" fill="#[0-9a-f]{6}"\/>/g) ?? [];
    expect(cells.length).toBeGreaterThan(3);
    expect(cells.length).toBeLessThan(20);
    expect(svg.length).toBeLessThan(100_000);
  });

  it("is left out without histograms", () => {
    const dir = made("bare", { jobs: [reader] });
    rmSync(join(dir, "hist"), { recursive: true });
    expect(chart(loadReport(dir), "heat")).toBeUndefined();
  });
});

describe("silences and steady state", () => {
  it("a silence is found, named in the answer and marked in the chart", async () => {
    expect(stalled.timeLines[0]?.stalls).toEqual([{ startMs: 4000, endMs: 5000 }]);
    expect(stalled.answer[1]).toMatch(/^Nothing completed for 1 s \(from 4 s to 5 s\)/);
    expect(stalled.answer[1]).toContain("service p99");
    const time = chartsOf(stalled).find((one) => one.name === "time");
    const svg = await renderSvg(time?.spec("wide") as never);
    expect(svg).toContain(">nothing completed for 1 s<");
    const calm = loadReport(made("calm", { jobs: [{ ...reader, rate: 1000 }] }));
    expect(calm.timeLines[0]?.stalls).toEqual([]);
    expect(calm.answer.join(" ")).not.toContain("Nothing completed");
  });

  it("the window in which fio's rule held is marked, and one never attained is a warning", async () => {
    const dir = made("steady", { jobs: [reader] });
    const file = join(dir, "run.json");
    const record = JSON.parse(readFileSync(file, "utf8"));
    const withState = (steadystate: unknown) => {
      record.jobs[0].steadystate = steadystate;
      writeFileSync(file, JSON.stringify(record));
      return loadReport(dir);
    };
    const held = withState({ ss: "iops:10.000000%", duration: 4, attained: 1 });
    expect(held.timeLines[0]?.steady).toEqual({ startMs: 6000, endMs: 10_000 });
    const time = chartsOf(held).find((one) => one.name === "time");
    expect(time?.caption).toContain("steady state");
    record.jobs[0].osdyno.steady = { attained: true, start_ms: 2000, end_ms: 5000, iops: 4321 };
    const exact = withState(record.jobs[0].steadystate);
    expect(exact.timeLines[0]?.steady).toEqual({ startMs: 2000, endMs: 5000, iops: 4321 });
    expect(exact.answer.join(" ")).toContain("attained from 2 s to 5 s, at 4.32k IOPS in all");
    const drawn = await renderSvg(
      chartsOf(exact)
        .find((one) => one.name === "time")
        ?.spec("wide") as never,
    );
    expect(drawn).toContain(">steady state<");
    const heat = chartsOf(exact).find((one) => one.name === "heat");
    expect(heat?.caption).toContain("The bar along the top is the steady state.");
    delete record.jobs[0].osdyno.steady;
    const never = withState({ ss: "iops:10.000000%", duration: 4, attained: 0 });
    expect(never.timeLines[0]?.steady).toBeNull();
    expect(never.caveats.map((caveat) => caveat.kind)).toContain("unsteady");
    expect(stalled.timeLines[0]?.steady).toBeNull();
  });
});

it("codes of marks become attributes in the page and vanish elsewhere", () => {
  const code = markCode({ entry: 3, name: "psync", kind: "p99", tip: "what is read" });
  const svg = `<path aria-label="${code}" role="graphics-symbol" aria-roledescription="point" d="M0,0"/>`;
  expect(decodeMarks(svg, true)).toBe(
    '<path data-e="3" data-n="psync" data-k="p99" role="img" aria-label="what is read" d="M0,0"/>',
  );
  expect(decodeMarks(svg, false)).toBe('<path role="img" aria-label="what is read" d="M0,0"/>');
  const bare = markCode({ entry: -1, name: "psync" });
  expect(decodeMarks(`<path aria-label="${bare}" role="x" d=""/>`, true)).toBe(
    '<path data-n="psync" d=""/>',
  );
});
