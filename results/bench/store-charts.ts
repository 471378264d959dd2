/** The charts of the store's bench: share of the raw device, CPU, flushes, bytes written. */
import type { MedianInterval } from "../stats/order-statistics.ts";
import { barChart } from "./bar-chart.ts";
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
  const bars = bench.rows.map((row) => ({
    implementation: row.kv,
    workload: workloadText(row),
    value: value(row),
  }));
  return barChart({ name, title, caption }, bars);
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
