/** The charts of the block I/O engines' bench: rate, CPU and service time of an operation. */
import type { MedianInterval } from "../stats/order-statistics.ts";
import { barChart } from "./bar-chart.ts";
import type { BenchChart } from "./directory.ts";
import type { IoEngineBench, IoEngineCell, IoEngineFigures } from "./ioengine.ts";

export function engineText({ engine, mode }: IoEngineCell): string {
  return mode === "" ? engine : `${engine} ${mode}`;
}

const places = { file: "on a file", tmpfs: "on tmpfs", none: "on nothing" } as const;

export function engineWorkloadText({ operation, depth, target }: IoEngineCell): string {
  return `${operation}, depth ${depth}, ${places[target]}`;
}

function chart(
  bench: IoEngineBench,
  head: Omit<BenchChart, "spec">,
  value: (figures: IoEngineFigures) => MedianInterval,
  unit: number,
): BenchChart {
  const of = ({ median, low, high, coverage }: MedianInterval): MedianInterval => ({
    coverage,
    median: median / unit,
    low: low === null ? null : low / unit,
    high: high === null ? null : high / unit,
  });
  const bars = bench.rows.flatMap(({ cell, figures }) =>
    figures === null
      ? []
      : [
          {
            implementation: engineText(cell),
            workload: engineWorkloadText(cell),
            value: of(value(figures)),
          },
        ],
  );
  return barChart(head, bars);
}

export function ioEngineCharts(bench: IoEngineBench): BenchChart[] {
  return [
    chart(
      bench,
      {
        name: "rate",
        title: "Thousand operations a second",
        caption:
          "4 KiB at random; direct where the file system takes it. On nothing: engines without a file.",
      },
      ({ iops }) => iops,
      1000,
    ),
    chart(
      bench,
      {
        name: "cpu",
        title: "CPU of an operation, us",
        caption: "Of the job's thread; a kernel's polling thread is not in it.",
      },
      ({ cpuUsPerIo }) => cpuUsPerIo,
      1,
    ),
    chart(
      bench,
      {
        name: "service",
        title: "Median service time, us",
        caption: "From handing an operation over to its completion.",
      },
      ({ serviceP50Ns }) => serviceP50Ns,
      1000,
    ),
    chart(
      bench,
      { name: "tail", title: "Service time of the slowest hundredth, us", caption: "p99." },
      ({ serviceP99Ns }) => serviceP99Ns,
      1000,
    ),
  ];
}
