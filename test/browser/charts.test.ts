/** Every kind of chart in Chromium: it is drawn, its axes have units, and no words lie over others. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { historyOf } from "../../results/history/history.ts";
import { readItems } from "../../results/history/items.ts";
import { renderHistoryHtml } from "../../results/history/page.ts";
import { renderHtml } from "../../results/report/html.ts";
import { loadReport } from "../../results/report/load.ts";
import type { Entry, ReportModel } from "../../results/report/model.ts";
import type { SweepComparison } from "../../results/sweep-record.ts";
import { writeFixtureRun } from "../unit/report-fixture.ts";

const executablePath = "/usr/bin/chromium";
const present = existsSync(executablePath);

/** A figure or metric of one value and two repeats around it. */
function figureOf(value: number) {
  const values = [value * 0.97, value, value * 1.04];
  return { value, low: value * 0.97, high: value * 1.04, values, solid: true };
}

/** A sweep of two sizes, three depths and four choices, made from one run's entry. */
function sweepOf(run: ReportModel): ReportModel {
  const [base] = run.entries;
  const kinds = ["2q", "lru", "arc", "s3fifo"];
  const sizes = ["4k", "16k", "64k", "256k"];
  const entries = sizes.flatMap((size, x) =>
    kinds.map((kind, y): Entry => {
      const iops = 40_000 / (x + 1) + 900 * y;
      const point = `${size}-${kind}`;
      const parameters = { cache_size: size, policy: kind };
      return {
        ...(base as Entry),
        ...{ id: `${point}/j/read`, point, parameters, replicates: 3, facet: "4 KiB randread" },
        ...{
          label: `policy=${kind}, cache_size=${size}`,
          series: `policy=${kind}, cache_size=${size}`,
        },
        metrics: {
          iops: figureOf(iops),
          "response.p50": figureOf(1e9 / iops),
          "response.p99": figureOf(4e9 / iops),
          cpu_us_per_io: figureOf(3 + y),
        },
      };
    }),
  );
  const comparisons = sizes.flatMap((size, x) =>
    kinds.slice(1).map((kind, y): SweepComparison => {
      const ratio = 1 + (y - 1) / 10 + x / 50;
      const verdict = (["better", "worse", "same", "unclear"] as const)[(x + y) % 4] ?? "same";
      const sides = { base: `${size}-2q`, candidate: `${size}-${kind}`, metric: "iops" };
      return {
        ...sides,
        ratio,
        low: ratio - 0.03,
        high: ratio + 0.04,
        p: 0.01,
        verdict,
        reason: "r",
        runs_needed: null,
      };
    }),
  );
  return {
    ...run,
    ...{ kind: "sweep", name: "maps", parameters: { cache_size: sizes, policy: kinds } },
    ...{ metrics: ["iops", "response.p99", "cpu_us_per_io"], entries, comparisons },
    ...{ heatMaps: [], timeLines: [] },
    shares: [
      {
        ...{ point: "4k-2q", ofCapacity: true },
        classes: ["client", "recovery"].map((name, at) => ({
          ...{ name, share: at === 0 ? 0.7 : 0.3, reservation: 0.5, limit: at === 0 ? null : 0.6 },
          rows: [1, 2, 3].map((s) => ({ ms: s * 1000, share: at === 0 ? 0.7 : 0.3 })),
        })),
      },
    ],
  } as ReportModel;
}

describe.skipIf(!present)("charts in Chromium", () => {
  let browser: Browser;
  let root = "";
  const urls = new Map<string, string>();

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), "osdyno-charts-"));
    const job = { name: "j", rw: "randread", ioengine: "psync", iodepth: 1, numjobs: 1 } as const;
    const write = async (name: string, page: Promise<string>) => {
      const file = join(root, `${name}.html`);
      writeFileSync(file, await page);
      urls.set(name, pathToFileURL(file).href);
    };
    writeFixtureRun(join(root, "run"), {
      jobs: [{ ...job, rate: 1000, stall: true, rampMs: 1000, samples: 20_000 }],
    });
    const run = loadReport(join(root, "run"));
    await write("run", renderHtml(run));
    await write("maps", renderHtml(sweepOf(run)));
    const [item] = readItems([join(root, "run")], ["iops", "response.p99"]).items;
    const items = Array.from({ length: 24 }, (_, at) => {
      const factor = (at < 14 ? 1 : 0.8) * (1 + (at % 5) / 200);
      const figures = Object.entries(item?.figures ?? {}).map(([name, { value }]) => {
        const own = value * factor;
        return [name, { value: own, low: own * 0.99, high: own * 1.01 }] as const;
      });
      const started = new Date(Date.UTC(2026, 2, 1 + at)).toISOString();
      return item === undefined
        ? []
        : [{ ...item, started, source: `r${at}`, figures: Object.fromEntries(figures) }];
    }).flat();
    await write("history", renderHistoryHtml(historyOf(items, ["iops", "response.p99"])));
    browser = await chromium.launch({
      executablePath,
      args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    });
  }, 180_000);

  afterAll(async () => {
    await browser?.close();
    rmSync(root, { recursive: true, force: true });
  });

  /** Per figure: marks that are seen, the words, and pairs of words that lie over one another. */
  async function look(
    page: Page,
  ): Promise<
    readonly { id: string; marks: number; words: string; over: string[]; wide: boolean }[]
  > {
    await page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })");
    return await page.evaluate(`[...document.querySelectorAll("figure")].map((figure) => {
      const svg = [...figure.querySelectorAll("svg")].find((s) => s.getBoundingClientRect().width > 0);
      const seen = (e) => { const b = e.getBoundingClientRect(); return b.width + b.height > 1; };
      const marks = [...svg.querySelectorAll(".role-mark path, .role-mark line, .role-mark rect")].filter(seen);
      const texts = [...svg.querySelectorAll("text")]
        .filter((t) => t.textContent.trim() !== "" && t.getAttribute("opacity") !== "0")
        .map((t) => ({ words: t.textContent, box: t.getBoundingClientRect() }));
      const over = [];
      for (const [at, a] of texts.entries()) {
        for (const b of texts.slice(0, at)) {
          const x = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
          const y = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
          // Boxes are taller than the letters in them.
          if (x > 2 && y > 0.35 * Math.min(a.box.height, b.box.height)) {
            over.push(a.words + " | " + b.words);
          }
        }
      }
      return {
        id: figure.id, marks: marks.length, over,
        words: texts.map((t) => t.words).join("\\n"),
        wide: svg.getBoundingClientRect().right > document.documentElement.clientWidth + 1,
      };
    })`);
  }

  const time = /\d (?:ns|\u00b5s|ms|s)(?:\n|$)/;
  /** Charts of each page, with what their axes must say. */
  const expected: Readonly<Record<string, Readonly<Record<string, readonly RegExp[]>>>> = {
    run: {
      "iops-latency": [/IOPS \(operations per second\)/, /Response time/, time],
      percentiles: [/Percentile \(HDR scale\)/, /99%/, time],
      distribution: [/Operations completed/, /100%/, /Response time/, time],
      heat: [/Time .*\(s\)/, time],
      time: [/Time since the run's start \(s\)/, /IOPS/, /B\/s/, time],
    },
    maps: {
      effects: [/IOPS, difference/, /[+\u2212-]\d+%/],
      axis: [/cache_size/, /IOPS \(operations per second\)/, /\u00b5s/, /256k/],
      grid: [/cache_size/, /policy/, /Response p99/, /s3fifo/],
      "iops-latency": [/IOPS \(operations per second\)/, /Response time/, time],
      shares: [/Share of the capacity/, /\d%/, /Time .*\(s\)/],
    },
    history: { "history-1": [/Result \(UTC\)/, /2026-03-01/, /worse -\d+\.\d%/, time] },
  };

  for (const [name, figures] of Object.entries(expected)) {
    for (const width of [390, 820, 1440]) {
      it(`all charts of ${name} are whole at ${width} pixels`, async () => {
        const colorScheme = width === 820 ? "dark" : "light";
        const viewport = { width, height: 900 };
        const context = await browser.newContext({ offline: true, viewport, colorScheme });
        const page = await context.newPage();
        await page.goto(urls.get(name) ?? "");
        const found = await look(page);
        expect(found.map(({ id }) => id)).toEqual(expect.arrayContaining(Object.keys(figures)));
        for (const { id, marks, words, over, wide } of found) {
          expect(marks, `marks of ${id}`).toBeGreaterThan(0);
          expect(over, `words over one another in ${id}`).toEqual([]);
          expect(wide, `${id} reaches beyond the screen`).toBe(false);
          for (const pattern of figures[id] ?? []) {
            expect(words, id).toMatch(pattern);
          }
        }
        await context.close();
      });
    }
  }

  it("the pages hold the words of no chart twice", () => {
    for (const url of urls.values()) {
      const page = readFileSync(new URL(url), "utf8");
      const ids = [...page.matchAll(/<figure id="([^"]+)"/g)].map(([, id]) => id);
      expect(new Set(ids).size).toBe(ids.length);
    }
  });
});
