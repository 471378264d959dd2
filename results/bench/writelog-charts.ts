/** The charts of the write logs' bench: share of the device alone, latency on top of it, CPU. */
import type { MedianInterval } from "../stats/order-statistics.ts";
import { formatBytes } from "../units.ts";
import { barChart } from "./bar-chart.ts";
import type { BenchChart } from "./directory.ts";
import type { WriteLogBench, WriteLogRow } from "./writelog.ts";

export function writeLogWorkloadText({ workload }: WriteLogRow): string {
  return `${formatBytes(workload.blockBytes)} write, depth ${workload.depth}`;
}

export const writeLogNameText = ({ implementation, on }: WriteLogRow): string =>
  `${implementation} on ${on}`;

function chart(
  bench: WriteLogBench,
  name: string,
  title: string,
  caption: string,
  value: (row: WriteLogRow) => MedianInterval,
): BenchChart {
  const bars = bench.rows.map((row) => ({
    implementation: writeLogNameText(row),
    workload: writeLogWorkloadText(row),
    value: value(row),
  }));
  return barChart({ name, title, caption }, bars);
}

export function writeLogCharts(bench: WriteLogBench): BenchChart[] {
  return [
    chart(
      bench,
      "ratio",
      "Writes of the log for each of its device alone",
      "Both in the same round, one after the other; durable on both when they complete.",
      ({ ratio }) => ratio,
    ),
    chart(
      bench,
      "added",
      "What the log adds to the device's median latency, us",
      "Median of the log less median of the device alone, in each round.",
      ({ addedUs }) => addedUs,
    ),
    chart(
      bench,
      "cpu",
      "CPU of a write, us",
      "All threads of the process; write-back and the job's own work included.",
      ({ cpuUs }) => cpuUs,
    ),
  ];
}
