/** The charts of the store's bench: share of the raw device, CPU, flushes, bytes written. */
import { gridInk, ink, keyOf, styled } from "../report/chart-style.ts";
import type { MedianInterval } from "../statistics.ts";
import type { BenchChart } from "./directory.ts";
import type { StoreBench, StoreRow } from "./store.ts";

export function workloadText({ workload }: StoreRow): string {
  return `${workload.name}, depth ${workload.depth}`;
}

function chart(
  bench: StoreBench,
  name: string,
  title: string,
  caption: string,
  value: (row: StoreRow) => MedianInterval,
): BenchChart {
  const rows = bench.rows.map((row) => {
    const { median, low, high } = value(row);
    return {
      kv: row.kv,
      workload: workloadText(row),
      median,
      low: low ?? median,
      high: high ?? median,
      text: median.toPrecision(3),
    };
  });
  const key = keyOf([...new Set(rows.map(({ kv }) => kv))]);
  const scale = { domain: key.domain, range: key.colours };
  const y = { field: "kv", type: "nominal", sort: null, title: null };
  const spec = {
    data: { values: rows },
    facet: { row: { field: "workload", type: "nominal", sort: null, title: null } },
    spec: {
      width: 480,
      height: { step: 20 },
      layer: [
        {
          mark: { type: "bar" },
          encoding: {
            y,
            x: { field: "median", type: "quantitative", title, axis: { gridColor: gridInk } },
            color: { field: "kv", type: "nominal", scale, legend: null },
          },
        },
        {
          mark: { type: "rule", color: ink },
          encoding: { y, x: { field: "low", type: "quantitative" }, x2: { field: "high" } },
        },
        {
          mark: { type: "text", align: "left", dx: 6, color: ink, fontSize: 10 },
          encoding: { y, x: { field: "high", type: "quantitative" }, text: { field: "text" } },
        },
      ],
    },
    resolve: { scale: { x: "independent" } },
  };
  return { name, title, caption, spec: styled(spec, title, "wide") };
}

export function storeCharts(bench: StoreBench): BenchChart[] {
  return [
    chart(
      bench,
      "ratio",
      "Operations of the store for each of the raw device",
      "Both in the same round, one after the other; writes durable on both.",
      ({ ratio }) => ratio,
    ),
    chart(
      bench,
      "cpu",
      "CPU of an operation, us",
      "All threads of the process, the job's own work included.",
      ({ cpuUs }) => cpuUs,
    ),
    chart(
      bench,
      "flushes",
      "Flushes of an operation",
      "Of the store and its key-value store; a write with FUA counts as one.",
      ({ flushes }) => flushes,
    ),
    chart(
      bench,
      "amplification",
      "Bytes written for each byte of the job",
      "Data, deferred writes and the key-value store.",
      ({ writeAmplification }) => writeAmplification,
    ),
  ];
}
