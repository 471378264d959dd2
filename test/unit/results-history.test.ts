/** Histories: what is found in series whose truth is known, and that every format tells the same. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { historyChart } from "../../results/history/chart.ts";
import { historyOf } from "../../results/history/history.ts";
import { type HistoryItem, readItems } from "../../results/history/items.ts";
import { readHistory, renderHistory } from "../../results/history/write.ts";
import { renderSvg } from "../../results/report/render.ts";
import { formatMetric, formatShort } from "../../results/report/units.ts";
import { changePoints } from "../../results/stats/change-points.ts";
import { writeFixtureRun } from "./report-fixture.ts";

const plain = { name: "j", rw: "randread", ioengine: "psync", iodepth: 1, numjobs: 1 } as const;

/** Items of one line, a day apart. */
function itemsOf(values: readonly number[], more: Partial<HistoryItem> = {}): HistoryItem[] {
  return values.map((value, place) => {
    const started = new Date(Date.UTC(2026, 0, 1 + place, 3)).toISOString();
    const figures = { iops: { value, low: value, high: value } };
    const facts = { target: "raw:/x", job: "", environment: { kernel: "6.1" } };
    return {
      line: "nightly",
      source: `run-${place}`,
      started,
      runs: 1,
      figures,
      ...facts,
      ...more,
    };
  });
}

/** Normal by twelve uniforms: 1 with a spread of 1%. */
function noisy(random: SeededRandom): number {
  const sum = Array.from({ length: 12 }, () => random.unit()).reduce((a, b) => a + b, 0);
  return 1 + 0.01 * (sum - 6);
}

const found = (values: readonly number[]) => historyOf(itemsOf(values), ["iops"]).lines[0];

describe("a history", () => {
  it("finds when figures got worse, by how much, and what changed then", () => {
    const random = new SeededRandom(5);
    const values = Array.from({ length: 30 }, (_, at) => (at < 18 ? 1000 : 900) * noisy(random));
    const items = itemsOf(values).map((item, at) => ({
      ...item,
      environment: { kernel: at < 18 ? "6.1" : "6.2" },
    }));
    const line = historyOf(items, ["iops"]).lines[0];
    const change = line?.metrics[0]?.changes[0];
    expect(line?.metrics[0]?.changes).toHaveLength(1);
    expect(change).toMatchObject({ at: 18, verdict: "worse", changed: ["kernel (6.1 / 6.2)"] });
    expect(change?.ratio).toBeCloseTo(0.9, 1);
    expect(change?.low).toBeLessThan(0.9 + 0.01);
    expect(change?.high).toBeGreaterThan(0.9 - 0.01);
    expect(line?.answer[0]).toMatch(
      /^IOPS: worse since 2026-01-19 \(run-18\), -\d+\.\d% to \d+, .*kernel/,
    );
  });

  it("knows which way is better", () => {
    const slower = itemsOf([...Array(10).fill(1e6), ...Array(10).fill(2e6)] as number[]);
    const times = slower.map((item) => {
      const { iops } = item.figures;
      return { ...item, figures: iops === undefined ? {} : { "response.p99": iops } };
    });
    const [line] = historyOf(times, ["response.p99"]).lines;
    expect(line?.metrics[0]?.changes).toMatchObject([{ at: 10, verdict: "worse", ratio: 2 }]);
    const [faster] = historyOf(slower, ["iops"]).lines;
    expect(faster?.metrics[0]?.changes).toMatchObject([{ at: 10, verdict: "better" }]);
  });

  it("calls a change below the smallest effect the same", () => {
    const line = found([...Array(10).fill(1000), ...Array(10).fill(1010)] as number[]);
    expect(line?.metrics[0]?.changes).toMatchObject([{ at: 10, verdict: "same" }]);
  });

  it("tells a newest result far from its level, which is no change yet", () => {
    const random = new SeededRandom(6);
    const line = found([...Array.from({ length: 20 }, () => 1000 * noisy(random)), 700]);
    expect(line?.metrics[0]).toMatchObject({ changes: [], outliers: [20] });
    expect(line?.answer[0]).toMatch(/no change in 21 results .*; the newest, 700, lies far/);
  });

  it("looks for no change in a few results, and has no line of a single one", () => {
    expect(found([1, 1, 1, 9, 9, 9])?.answer[0]).toMatch(/changes can be told from 11 on/);
    expect(historyOf(itemsOf([1]), ["iops"])).toMatchObject({ lines: [], single: ["nightly"] });
  });

  it("finds a change without overlap from as many results on as it says, over four metrics", () => {
    const seed = Date.now() % 1e6;
    const random = new SeededRandom(seed);
    const metrics = ["iops", "bw", "response.p50", "response.p99"];
    const series = (results: number) =>
      itemsOf(
        Array.from(
          { length: results },
          (_, at) => (at < Math.floor(results / 2) ? 1000 : 900) * (1 + 0.002 * random.unit()),
        ),
      ).map((item) => ({
        ...item,
        figures: Object.fromEntries(metrics.map((metric) => [metric, item.figures["iops"]])),
      })) as HistoryItem[];
    const [short] = historyOf(series(12), metrics).lines;
    expect(short?.answer[0]).toMatch(/changes can be told from 13 on/);
    for (let round = 0; round < 5; round += 1) {
      const [line] = historyOf(series(13), metrics).lines;
      expect(
        line?.metrics.map(({ changes }) => changes.length),
        `seed ${seed}`,
      ).toEqual([1, 1, 1, 1]);
    }
  });

  it("finds changes where there are none as seldom as its level says", () => {
    const seed = Date.now() % 1e6;
    const random = new SeededRandom(seed);
    const series = 150;
    let wrong = 0;
    for (let round = 0; round < series; round += 1) {
      const line = found(Array.from({ length: 24 }, () => 1000 * noisy(random)));
      wrong += (line?.metrics[0]?.changes.length ?? 0) > 0 ? 1 : 0;
    }
    // 1% of 150; seven or more have a probability below 0.001.
    expect(wrong, `seed ${seed}`).toBeLessThan(7);
  });
});

it("change points are those of the plain computation of energy distances", () => {
  const seed = Date.now() % 1e6;
  const random = new SeededRandom(seed);
  const gap = (a: readonly number[], b: readonly number[]) => {
    const sum = a.flatMap((x) => b.map((y) => Math.abs(x - y))).reduce((s, each) => s + each, 0);
    return sum / (a === b ? Math.max(1, a.length * (a.length - 1)) : a.length * b.length);
  };
  for (let round = 0; round < 20; round += 1) {
    const step = 5 + random.below(10);
    const values = Array.from({ length: 20 }, (_, at) => noisy(random) + (at < step ? 0 : 0.5));
    const strengths = values.map((_, at) => {
      const [left, right] = [values.slice(0, at), values.slice(at)];
      const weight = (left.length * right.length) / values.length;
      const energy = 2 * gap(left, right) - gap(left, left) - gap(right, right);
      return at < 5 || at > 15 ? Number.NEGATIVE_INFINITY : weight * energy;
    });
    const best = strengths.indexOf(Math.max(...strengths));
    expect(changePoints(values), `seed ${seed}`).toContain(best);
  }
});

describe("results on disk", () => {
  let root = "";
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "osdyno-history-"));
    for (const [place, label] of ["a", "a", "b"].entries()) {
      writeFixtureRun(join(root, `r${place}`), {
        label,
        seed: place + 1,
        jobs: [{ ...plain, samples: 1200 }],
      });
    }
    for (const repeat of [1, 2, 3]) {
      const run = { label: "a", seed: 10 + repeat, jobs: [{ ...plain, samples: 1200 }] };
      writeFixtureRun(join(root, "repeats", String(repeat)), run);
    }
    writeFixtureRun(join(root, "cut"), { label: "a", state: "partial", jobs: [{ ...plain }] });
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it("are items by label: runs, and medians of repeats; partial ones are left out", () => {
    const { items, skipped } = readItems([root], ["iops"]);
    expect(items.map(({ line, source, runs }) => [line, source, runs])).toEqual([
      ["a", "r0", 1],
      ["a", "r1", 1],
      ["b", "r2", 1],
      ["a", "repeats", 3],
    ]);
    expect(skipped).toMatchObject([{ why: expect.stringMatching(/^it is partial/) }]);
    const [, , , repeats] = items;
    const { value = 0, low = 0, high = 0 } = repeats?.figures["iops"] ?? {};
    expect(low).toBeLessThan(value);
    expect(high).toBeGreaterThan(value);
  });

  it("read the same in HTML, Markdown, JSON and the chart, to the digit", async () => {
    const metrics = ["iops", "response.p99"];
    const { model } = readHistory([root], metrics, { minEffect: 0.02, level: 0.01 });
    expect(model).toMatchObject({ single: ["b"], lines: [{ name: "a", items: 3 }] });
    expect(JSON.parse(await renderHistory(model, "json"))).toEqual(model);
    const html = await renderHistory(model, "html");
    const md = await renderHistory(model, "md");
    const [line] = model.lines;
    const svg = line === undefined ? "" : await renderSvg(historyChart(line, 0).spec("wide"));
    for (const { metric, points, levels } of line?.metrics ?? []) {
      for (const { value } of points) {
        const text = formatMetric(metric, value);
        for (const page of [html, md, svg]) {
          expect(page).toContain(text);
        }
      }
      const level = formatShort(metric, levels.at(-1)?.value ?? 0);
      expect(html).toContain(`${level} in the middle of 3 results`);
    }
    expect(html).toMatch(/<figure id="history-1">/);
  });

  it("refuse a metric that is none", () => {
    expect(() => readHistory([root], ["iop"], { minEffect: 0, level: 0.01 })).toThrow(
      "no metric 'iop', did you mean 'iops'?",
    );
  });
});
