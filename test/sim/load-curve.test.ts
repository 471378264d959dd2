/**
 * Response curves in virtual time on synthetic devices whose theory is known, with the real planner, job
 * loop and statistics: a queue of one server, and a device that stalls.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { measureCurve } from "../../results/load-curve/conduct-curve.ts";
import {
  type CurvePoint,
  curveOf,
  isSaturated,
  kneeOf,
  type LoadCurve,
  nextRate,
} from "../../results/load-curve/curve.ts";
import { curveSentences, curveText } from "../../results/load-curve/curve-text.ts";
import { metric } from "../../results/metrics.ts";
import { performRun, type RunSettings } from "../../results/perform.ts";
import { chartsOf } from "../../results/report/charts.ts";
import { loadReport } from "../../results/report/load.ts";
import { renderSvg } from "../../results/report/render.ts";
import type { SweepRecord } from "../../results/sweep-record.ts";
import { parseThreshold } from "../../results/threshold.ts";
import { verifyResults } from "../../results/verify-results.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";

const campaign = process.env["OSDYNO_CAMPAIGN"] === "1";
const root = mkdtempSync(join(tmpdir(), "osdyno-curve-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const events = { layout() {}, progress() {}, note() {} };

function settingsOf(target: string, thresholds: readonly string[] = []): RunSettings {
  return {
    ...{ command: ["osdyno", "run"], label: "curve", target, path: "engine", clock: "virtual" },
    ...{ seed: 7, destroy: false, live: null, report: false, intervalMs: 1000 },
    thresholds: thresholds.map(parseThreshold),
    ...{ workingDirectory: root, signal: new AbortController().signal },
  };
}

const job = (target: string, text: string) => (keys: readonly string[]) =>
  parseJobs(
    [
      { kind: "file", name: "job", text },
      { kind: "args", args: [...keys] },
    ],
    hostEnvironment(),
    { sections: [], target },
  );

/** As a queue with Poisson arrivals, exponential service of mean 1 ms and one server has it. */
const oneServer = (rate: number): CurvePoint => {
  const mean = rate < 1000 ? 1e9 / (1000 - rate) : 1e12;
  const iops = Math.min(rate, 1000);
  return {
    ...{ id: `r${rate}`, run: "", offered_iops: rate, iops, mean_ns: mean, max_ns: mean },
    ...{
      p50_ns: mean,
      p99_ns: mean,
      p999_ns: mean,
      due_ios: 10 * rate,
      unsent_ios: 0,
      early_ns: mean,
      late_ns: mean,
      saturated: rate >= 1000,
      generator_late: false,
      holds: mean < 4e6,
    },
  };
};

describe("which rates are asked for", () => {
  function walk(thresholds: boolean, point: (rate: number) => CurvePoint): readonly CurvePoint[] {
    const points: CurvePoint[] = [];
    const looked = { capacity: 0, knee: 0, thresholds: 0 };
    for (;;) {
      const next = nextRate({ closedIops: 1000, points, thresholds, looked });
      if (next === null || points.length > 40) {
        return points;
      }
      if (next.why !== "ladder") {
        looked[next.why] += 1;
      }
      points.push(point(next.iops));
    }
  }

  test("tenths up to the first that is not kept up with, then around the knee and the threshold", () => {
    const rates = walk(true, oneServer).map(({ offered_iops: rate }) => rate);
    expect(rates.slice(0, 10)).toEqual([100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]);
    expect(rates[10]).toBe(1050);
    // From 900, which is kept up with, to 1000 there is room for two more.
    expect(rates.slice(11, 13)).toEqual([950, 975]);
    const closer = rates.slice(13, 17);
    expect(Math.min(...closer)).toBeGreaterThan(400);
    expect(Math.max(...closer)).toBeLessThan(600);
    // 4 ms are reached at 750 a second.
    const [last = 0] = rates.slice(-1);
    expect(Math.abs(last - 750)).toBeLessThan(50);
    expect(kneeOf(walk(false, oneServer))?.offered_iops).toBe(500);
  });

  test("beyond the closed loop's rate when all of it is kept up with", () => {
    const rates = walk(false, (rate) => ({
      ...oneServer(rate / 4),
      offered_iops: rate,
      iops: rate,
    }));
    const highest = Math.max(...rates.map(({ offered_iops: rate }) => rate));
    expect(highest).toBeGreaterThan(1300);
    expect(highest).toBeLessThan(1400);
  });

  const capacity = { iops: 1000, ios: 1e6, idleNs: 1e6 };
  const load = {
    ...{ offeredIops: 900, due: 9000, unsent: 0, dropped: 0 },
    ...{ earlyNs: 5e6, lateNs: 5e6, apartNs: 6e9 },
  };
  test.each([
    ["nothing", {}, false],
    ["what is left of 9,000 arrivals, which chance does not excuse", { unsent: 280 }, true],
    ["one arrival dropped", { dropped: 1 }, true],
    ["times that rise by 3% of the time that passes", { lateNs: 5e6 + 0.03 * 6e9 }, true],
    ["times that rise by 1% of it", { lateNs: 5e6 + 0.01 * 6e9 }, false],
    ["a rate close to the closed loop's", { offeredIops: 980 }, true],
    ["that with times as at no load", { offeredIops: 980, lateNs: 1.5e6 }, false],
    ["beyond it, and nothing known of the times", { offeredIops: 1200, lateNs: null }, true],
  ])("saturated by %s", (_, changes, saturated) => {
    expect(isSaturated({ ...load, ...changes }, capacity)).toBe(saturated);
  });

  test("rates that too few samples tell of decide nothing about a threshold", () => {
    const untold = (below: number) => (rate: number) => {
      const { holds: _, ...point } = oneServer(rate);
      return rate < below ? point : oneServer(rate);
    };
    const texts = ["response.p99 < 4ms"];
    const judged = (below: number) =>
      curveOf({ run: "", iops: 1000 }, "poisson", walk(true, untold(below)), texts);
    const highest = judged(350).thresholds?.highest_iops ?? 0;
    expect(Math.abs(highest - 750)).toBeLessThan(50);
    const none = judged(1e9);
    expect(none.thresholds?.highest_iops).toBe(null);
    expect(curveSentences(none).join(" ")).toMatch(/4ms holds is not known of any rate tried/);
    expect(curveText(none)).toMatch(/too few samples for the threshold/);
  });

  test("a curve that was cut off has a knee only where power falls again", () => {
    const cutAt = (highest: number) => {
      const all = [100, 200, 300, 400, 500, 600, 700].filter((rate) => rate <= highest);
      return curveOf({ run: "", iops: 1000 }, "poisson", all.map(oneServer), [], true);
    };
    const short = cutAt(200);
    expect(short).toMatchObject({ knee: null, kept_iops: 200, cut_short: true });
    expect(curveSentences(short)[0]).toBe(
      "The curve ended before a knee was seen: it is at 200 IOPS, the last rate measured, or above.",
    );
    expect(cutAt(700)).toMatchObject({ knee: "r500" });
    expect(curveSentences(cutAt(700))[0]).toMatch(/^The knee is at 500 IOPS/);
    expect(curveSentences(cutAt(0))[0]).toMatch(/^The curve ended before any rate was measured/);
  });

  test("of a rate below two that are kept up with it was a hiccup, of one below one it was not", () => {
    const curve = (bad: readonly number[]) =>
      curveOf(
        { run: "", iops: 1000 },
        "poisson",
        [600, 700, 800, 900, 1000].map((rate) => ({
          ...oneServer(rate),
          saturated: bad.includes(rate),
        })),
        [],
      );
    expect(curve([700, 1000])).toMatchObject({ kept_iops: 900, saturated_iops: 1000 });
    expect(curve([800, 1000])).toMatchObject({ kept_iops: 700, saturated_iops: 800 });
    expect(curve([600, 700, 800, 900, 1000])).toMatchObject({ kept_iops: null, knee: null });
  });
});

/** Devices whose capacity is known, in operations per second, and for how long each rate is measured. */
const known = [
  [100, "service=10ms&channels=1", 5],
  [100, "service=10ms&jitter=exp&channels=1", 60],
  [1000, "service=1ms&channels=1", 5],
  [1000, "service=1ms&jitter=exp&channels=1", 6],
  [4000, "service=1ms&channels=4", 3],
  [4000, "service=1ms&jitter=exp&channels=4", 3],
  [4000, "service=4ms&jitter=uniform&channels=16", 3],
] as const;

test.each(known)(
  "%i a second: %s, rates of %i s: never more is kept up with, and not much less",
  async (...of) => {
    const [truth, device, runtime] = of;
    const seed = campaign ? Math.floor(Math.random() * 2 ** 31) : 7;
    const target = `null:?${device}&size=64m&seed=${seed}`;
    const text = `[c]\nrw=randread\nbs=4k\niodepth=64\nsize=64m\nruntime=${runtime}\ntime_based\n`;
    const { curve, directory } = await measureCurve({
      ...{ name: "known", directory: join(root, device), events, step() {} },
      settings: { ...settingsOf(target), seed },
      parse: job(target, text),
    });
    const kept = curve.kept_iops ?? 0;
    const said = `seed ${seed}: ${kept} of ${truth} kept up with, ${curve.saturated_iops} not`;
    process.stderr.write(`load curve, ${device}, ${runtime} s: ${said}\n`);
    expect(kept, said).toBeLessThanOrEqual(truth);
    // A step of the ladder, and of few operations what chance has to be left.
    const chance = 2 / Math.sqrt(truth * runtime);
    expect(kept, said).toBeGreaterThanOrEqual((0.92 - chance) * truth);
    expect(curveSentences(curve).join(" ")).not.toMatch(/highest rate tried/);
    expect(verifyResults(directory).flatMap(({ disagreements }) => disagreements)).toEqual([]);
    // What grew is hollow in the chart, by the same word.
    const full = curve.points.filter(({ offered_iops: rate }) => rate > truth);
    expect(full.every(({ saturated }) => saturated)).toBe(true);
    // Each arrival is accounted for: it was served, or it waited when the time was up.
    for (const { offered_iops: rate, due_ios: due } of curve.points) {
      expect(Math.abs(due - rate * runtime)).toBeLessThan(5 * Math.sqrt(rate * runtime) + 2);
    }
  },
);

test("a queue of one server: knee at half its rate, percentiles as its theory has them", async () => {
  const target = "null:?service=1ms&jitter=exp&channels=1&size=64m";
  const text = "[q]\nrw=randread\nbs=4k\niodepth=512\nsize=64m\nruntime=100\ntime_based\n";
  const { curve, directory, failure } = await measureCurve({
    ...{ name: "queue", directory: join(root, "queue"), events, step() {} },
    settings: settingsOf(target, ["response.p99 < 12ms"]),
    parse: job(target, text),
  });
  expect(failure).toBeNull();
  expect(Math.abs(curve.closed.iops / 1000 - 1)).toBeLessThan(0.02);
  const knee = curve.points.find(({ id }) => id === curve.knee);
  // Power is flat around its top: 5% less at 390 and 610.
  expect(Math.abs((knee?.offered_iops ?? 0) - 500)).toBeLessThan(120);
  for (const point of curve.points.filter(({ offered_iops: rate }) => rate <= 700)) {
    const mean = 1e9 / (1000 - point.offered_iops);
    expect(Math.abs(point.mean_ns / mean - 1)).toBeLessThan(0.12);
    expect(Math.abs((point.p99_ns ?? 0) / (mean * Math.log(100)) - 1)).toBeLessThan(0.2);
    expect(Math.abs((point.p50_ns ?? 0) / (mean * Math.log(2)) - 1)).toBeLessThan(0.12);
  }
  // p99 = ln(100) / (1000 - rate) is 12 ms at 616 a second.
  expect(Math.abs((curve.thresholds?.highest_iops ?? 0) - 616)).toBeLessThan(60);
  const words = curveSentences(curve).join(" ");
  expect(words).toMatch(/^The knee is at \d+ IOPS/);
  expect(curveText(curve)).toContain(words.split(". ")[0] ?? "");
  const model = loadReport(directory);
  expect(model.answer[0]).toMatch(/^The knee is at/);
  const chart = chartsOf(model).find(({ name }) => name === "load-curve");
  expect(chart).toBeDefined();
  const svg = chart === undefined ? "" : await renderSvg(chart.spec("wide"));
  expect(svg).toContain("knee");
});

/** What `results verify` says of the directory with `sweep.json` changed; it is put back after. */
function tampered(directory: string, change: (curve: LoadCurve) => object): readonly string[] {
  const file = join(directory, "sweep.json");
  const text = readFileSync(file, "utf8");
  const sweep = JSON.parse(text) as SweepRecord;
  writeFileSync(file, JSON.stringify({ ...sweep, load_curve: change(sweep.load_curve ?? none()) }));
  const found = verifyResults(directory).flatMap(({ disagreements }) => disagreements);
  writeFileSync(file, text);
  return found;
}

function none(): never {
  throw new Error("no load curve");
}

test("clones that share a rate reach the end of the ladder, and verify makes the curve again", async () => {
  const target = "null:?service=1ms&jitter=exp&channels=1&size=64m";
  const text = "[m]\nrw=randrw\nbs=4k\niodepth=64\nnumjobs=2\nsize=64m\nruntime=4\ntime_based\n";
  const { curve, directory } = await measureCurve({
    ...{ name: "mix", directory: join(root, "mix"), events, step() {} },
    settings: settingsOf(target, ["response.p90 < 10ms"]),
    parse: job(target, text),
  });
  // What clones and directions round does not end the rise of the rates.
  expect(curve.points.length).toBeGreaterThan(10);
  expect(curve.saturated_iops).not.toBeNull();
  const checked = verifyResults(directory);
  expect(checked.flatMap(({ disagreements }) => disagreements)).toEqual([]);
  expect(checked.map((one) => one.directory)).toContain(join(directory, "points", "closed", "1"));
  const [first, ...rest] = curve.points;
  const faster = { ...curve, points: [{ ...first, p50_ns: (first?.p50_ns ?? 0) / 2 }, ...rest] };
  expect(tampered(directory, () => faster)).toEqual([
    expect.stringMatching(`sweep.json load_curve ${first?.id}.p50_ns: published \\d+`),
  ]);
  const other = curve.points.find(({ id }) => id !== curve.knee)?.id ?? "";
  expect(tampered(directory, (old) => ({ ...old, knee: other })).join()).toContain(
    `load_curve knee: published '${other}', raw data give '${curve.knee}'`,
  );
  const closed = { ...curve.closed, iops: 2 * curve.closed.iops };
  expect(tampered(directory, (old) => ({ ...old, closed })).join()).toContain("closed loop iops");
  const rate = { ...first, offered_iops: (first?.offered_iops ?? 0) + 1 };
  expect(tampered(directory, (old) => ({ ...old, points: [rate, ...rest] })).join()).toContain(
    "offered_iops",
  );
  const highest = { texts: ["response.p90 < 10ms"], highest_iops: 1 };
  expect(tampered(directory, (old) => ({ ...old, thresholds: highest })).join()).toContain(
    "highest rate at which the thresholds hold",
  );
});

test("coordinated omission: 1 s of silence in every 10 s at 1,000 a second is all of p99", async () => {
  const target = "null:?service=50us&stall_at=4s&stall_for=1s&stall_every=10s&size=64m";
  const seconds = 100;
  const text = `[s]\nrw=randread\nbs=4k\niodepth=2048\nsize=64m\nruntime=${seconds}\ntime_based\nrate_iops=1000\n`;
  const { record, failure } = await performRun({
    parsed: job(target, text)([]),
    directory: join(root, "stalls"),
    settings: settingsOf(target),
    events,
  });
  expect(failure).toBeNull();
  // A tenth of the operations are due in a silence, evenly: those that wait longer than t are (1 s - t) / 10 s.
  const waits = (share: number) => 1e9 * (1 - 10 * share) + 50_000;
  for (const [name, share] of [
    ["response.p99", 0.01],
    ["response.p99.9", 0.001],
  ] as const) {
    const found = metric(record, name) ?? 0;
    expect(Math.abs(found / waits(share) - 1), `${name} is ${found} ns`).toBeLessThan(0.02);
  }
  const mean = 50_000 + 1e9 / 20;
  expect(Math.abs((metric(record, "response.mean") ?? 0) / mean - 1)).toBeLessThan(0.02);
  // What a closed loop would have said of the same device: nearly nothing.
  const closed = await performRun({
    parsed: job(
      target,
      text.replace("rate_iops=1000\n", "").replace("2048", "1"),
    )(["--runtime=20"]),
    directory: join(root, "closed"),
    settings: settingsOf(target),
    events,
  });
  expect(metric(closed.record, "response.p99") ?? 0).toBeLessThan(100_000);
});
