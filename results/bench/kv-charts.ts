/** The charts of the key-value stores' bench. */
import type { MedianInterval } from "../stats/order-statistics.ts";
import { barChart } from "./bar-chart.ts";
import type { BenchChart } from "./directory.ts";
import type { KvBench, KvBenchRow } from "./kv.ts";

export function operationText({ operation, depth }: KvBenchRow): string {
  return depth === 1 ? operation : `${operation}, depth ${depth}`;
}

function chart(
  bench: KvBench,
  name: string,
  title: string,
  caption: string,
  value: (row: KvBenchRow) => MedianInterval | null,
): BenchChart {
  const bars = bench.rows.flatMap((row) => {
    const found = value(row);
    return found === null
      ? []
      : [{ implementation: row.store, workload: operationText(row), value: found }];
  });
  return barChart({ name, title, caption }, bars);
}

export function kvCharts(bench: KvBench): BenchChart[] {
  return [
    chart(
      bench,
      "rate",
      "Operations a second",
      "Commits are durable; look-ups and scans come from memory where they can; open: of the whole store.",
      ({ perSecond }) => perSecond,
    ),
    chart(
      bench,
      "cpu",
      "CPU of an operation, us",
      "All threads of the process.",
      ({ cpuUs }) => cpuUs,
    ),
    chart(
      bench,
      "flushes",
      "Flushes of a commit",
      "Commits that wait for each other share one.",
      ({ flushes }) => flushes,
    ),
    chart(
      bench,
      "amplification",
      "Bytes written for each byte committed",
      "Logs, checkpoints, tables and compaction.",
      ({ writeAmplification }) => writeAmplification,
    ),
  ];
}
