/** What layers cost over each other, of runs whose figures are known. */
import { describe, expect, test } from "vitest";
import { layerSentences } from "../../results/report/answer-layers.ts";
import { addedTitle, layerTaxMarkdown, stacksOf } from "../../results/report/layer-tax-text.ts";
import type { ReportModel } from "../../results/report/model.ts";
import type { RunRecord } from "../../results/run-record.ts";
import { type LayerTax, LayerTaxes } from "../../results/sweep/layer-tax.ts";
import type { Point } from "../../results/sweep/points.ts";

interface Known {
  readonly chain: readonly string[];
  readonly p50: number;
  readonly iops: number;
  readonly cpuUs: number;
  readonly counters?: Readonly<Record<string, number>>;
}

/** A run of one writing job, as far as the tax looks at it. */
function recordOf({ chain, p50, iops, cpuUs, counters = {} }: Known): RunRecord {
  const latency = {
    N: 2000,
    min: p50,
    max: 3 * p50,
    mean: p50,
    stddev: 0,
    percentile: { "50.000000": p50, "99.000000": 2 * p50, "99.900000": 3 * p50 },
  };
  const write = {
    ios: 2000,
    bytes: 2000 * 4096,
    iops,
    bw_bytes: iops * 4096,
    service_ns: latency,
    wait_ns: latency,
    response_ns: latency,
  };
  const process = { process_cpu_user_ns: cpuUs * 1000 * 2000, process_cpu_system_ns: 0 };
  const totals = { write, all: write };
  return {
    chain,
    target: chain.at(-1) ?? "",
    jobs: [],
    osdyno: { ...process, rss_bytes: 0, issued_ios: 2000, totals, counters },
  } as unknown as RunRecord;
}

const point = (id: string, parameters: Readonly<Record<string, string>>): Point => ({
  id,
  parameters,
  settings: {},
  options: {},
  preset: null,
  deviceClass: null,
  target: null,
  shape: null,
});

const raw = point("raw", { target: "raw:f", rbd_cache: "-", iodepth: "1" });
const store = point("store", { target: "store:s", rbd_cache: "-", iodepth: "1" });
const logged = point("log", { target: "pwl:l+store:t", rbd_cache: "false", iodepth: "1" });
const cached = point("cache", { target: "pwl:l+store:t", rbd_cache: "true", iodepth: "1" });
const deep = point("deep", { target: "raw:f", rbd_cache: "-", iodepth: "16" });

/** Block `block` of each: what the machine does to a block, it does to all of its runs. */
function known(block: number): readonly (readonly [Point, Known])[] {
  const slower = 1000 * block;
  const volume = { "volume.write_bytes": 500, "bdev.write_bytes": 1000 };
  const log = {
    writelog_write_bytes: 2000,
    writelog_log_write_bytes: 3000,
    writelog_written_back_bytes: 1000,
  };
  const cache = { clientcache_write_bytes: 4000, clientcache_image_write_bytes: 2000 };
  return [
    [raw, { chain: ["raw:f"], p50: 100_000 + slower, iops: 10_000 - 100 * block, cpuUs: 5 }],
    [
      cached,
      {
        chain: ["clientcache", "writelog", "store:t"],
        p50: 20_000 + slower,
        iops: 40_000 - 400 * block,
        cpuUs: 22,
        counters: { ...volume, ...log, ...cache },
      },
    ],
    [
      store,
      {
        chain: ["store:s"],
        p50: 400_000 + slower + 10 * block,
        iops: 5000 - 50 * block,
        cpuUs: 25,
        counters: volume,
      },
    ],
    [
      logged,
      {
        chain: ["writelog", "store:t"],
        p50: 150_000 + slower,
        iops: 7500 - 75 * block,
        cpuUs: 30,
        counters: { ...volume, ...log },
      },
    ],
    [deep, { chain: ["raw:f"], p50: 300_000, iops: 50_000, cpuUs: 4 }],
  ];
}

function taxes(blocks: number): readonly LayerTax[] {
  const all = new LayerTaxes([raw, cached, store, logged, deep]);
  for (let block = 0; block < blocks; block += 1) {
    for (const [at, figures] of known(block)) {
      all.add(at, block, recordOf(figures));
    }
  }
  return all.rows();
}

const of = (rows: readonly LayerTax[], id: string) =>
  rows.find((row) => row.point === id) as LayerTax;

describe("layer tax", () => {
  test("each layer stands over the one below, and has what it adds with its interval", () => {
    const rows = taxes(6);
    // What has neither layers nor another above it says nothing.
    expect(rows.map((row) => [row.point, row.below, row.added])).toEqual([
      ["raw", null, []],
      ["cache", "log", ["clientcache"]],
      ["store", "raw", ["store"]],
      ["log", "store", ["writelog"]],
    ]);
    expect(of(rows, "raw").added_ns).toBeUndefined();
    // Paired: what slows a block down is in no difference. Six pairs: from the smallest to the largest.
    const added = { median: 300_025, low: 300_000, high: 300_050, runs: 6 };
    expect(of(rows, "store").added_ns?.p50).toEqual(added);
    expect(of(rows, "log").added_ns?.p50?.median).toBe(-250_025);
    expect(of(rows, "cache").added_ns?.p50?.median).toBe(-130_000);
    expect(of(rows, "store").iops_kept).toMatchObject({ runs: 6 });
    expect(of(rows, "store").iops_kept?.median).toBeCloseTo(0.5, 9);
    expect(of(rows, "cache").iops_kept?.median).toBeCloseTo(40 / 7.5, 9);
    expect(of(rows, "store").added_cpu_us?.median).toBeCloseTo(20, 9);
    // 99.9% of 2000 has two samples beyond it.
    expect(Object.keys(of(rows, "store").added_ns ?? {})).toEqual(["p50", "p99"]);
  });

  test("bytes are followed from the jobs to the device", () => {
    const rows = taxes(2);
    const bytes = (id: string) =>
      (of(rows, id).bytes_per_byte ?? []).map(({ into, median }) => [into, median]);
    expect(bytes("raw")).toEqual([["device", 1]]);
    expect(bytes("store")).toEqual([
      ["store", 1],
      ["device", 2],
    ]);
    expect(bytes("cache")).toEqual([
      ["clientcache", 1],
      ["writelog", 0.5],
      ["log device", 0.75],
      ["store", 0.25],
      ["device", 0.5],
    ]);
  });

  test("with few blocks there are no intervals; a missing run leaves its pair out", () => {
    const all = new LayerTaxes([raw, store]);
    const [rawRun, , storeRun] = known(0) as [
      readonly [Point, Known],
      unknown,
      readonly [Point, Known],
    ];
    all.add(raw, 0, recordOf(rawRun[1]));
    all.add(raw, 1, recordOf(rawRun[1]));
    all.add(store, 1, recordOf(storeRun[1]));
    const row = of(all.rows(), "store");
    expect(row.added_ns?.p50).toEqual({ median: 300_000, low: null, high: null, runs: 1 });
    expect(of(all.rows(), "raw").response_ns.p50?.runs).toBe(2);
    const alone = new LayerTaxes([raw, deep]);
    alone.add(raw, 0, recordOf(rawRun[1]));
    alone.add(deep, 0, recordOf(rawRun[1]));
    expect(alone.rows()).toEqual([]);
  });

  test("in words: the stack from below, times and shares with their intervals", () => {
    const rows = taxes(6);
    const stacks = stacksOf(rows);
    expect(stacks.map(({ title }) => title)).toEqual(["iodepth=1, writes"]);
    expect(stacks[0]?.rows.map(addedTitle)).toEqual([
      "raw",
      "+ store",
      "+ writelog",
      "+ clientcache",
    ]);
    const text = layerTaxMarkdown({ layerTax: rows } as unknown as ReportModel, (each) => each);
    expect(text).toContain("## Layer tax");
    expect(text).toMatch(/\| \+ store \| \+300 .s \[\+300 .s, \+300 .s\]/);
    expect(text).toContain("50.0% [50.0%, 50.0%]");
    expect(text).toContain("log device 0.75");
    expect(layerTaxMarkdown({ layerTax: [] } as unknown as ReportModel, (each) => each)).toBe("");
  });

  test("the answer says what each layer adds, and what the runs leave undecided", () => {
    const [sentence, ...others] = layerSentences(taxes(6));
    expect(others).toEqual([]);
    expect(sentence).toMatch(/^With iodepth=1, writes: raw: response p50 \d+ .s, [\d.]+k? IOPS; /);
    expect(sentence).toMatch(/\+ store p50 \+300 .s \(\+300 .s to \+300 .s\), IOPS kept 50.0%/);
    expect(sentence).toContain("IOPS kept 50.0% (50.0% to 50.0%)");
    expect(layerSentences(taxes(2))[0]).toContain("too few runs for an interval");
    const equal = taxes(6).map((tax) =>
      tax.iops_kept === undefined
        ? tax
        : { ...tax, iops_kept: { median: 1.01, low: 0.97, high: 1.04, runs: 6 } },
    );
    expect(layerSentences(equal)[0]).toContain("101.0% (97.0% to 104.0%, undecided)");
    expect(layerSentences([])).toEqual([]);
  });
});
