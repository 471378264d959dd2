/** Bars with intervals in panels: one panel for each workload, one bar for each implementation. */
import { gridInk, ink, keyOf, styled } from "../report/chart-style.ts";
import type { MedianInterval } from "../stats/order-statistics.ts";
import type { BenchChart } from "./directory.ts";

export interface Bar {
  readonly implementation: string;
  readonly workload: string;
  readonly value: MedianInterval;
}

export function barChart(head: Omit<BenchChart, "spec">, bars: readonly Bar[]): BenchChart {
  const rows = bars.map(({ implementation, workload, value: { median, low, high } }) => ({
    implementation,
    workload,
    median,
    low: low ?? median,
    high: high ?? median,
    text: median.toPrecision(3),
  }));
  const key = keyOf([...new Set(rows.map(({ implementation }) => implementation))]);
  const scale = { domain: key.domain, range: key.colours };
  const y = { field: "implementation", type: "nominal", sort: null, title: null };
  const { title } = head;
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
            color: { field: "implementation", type: "nominal", scale, legend: null },
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
  return { ...head, spec: styled(spec, title, "wide") };
}
