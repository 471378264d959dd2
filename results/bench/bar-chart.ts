/** Bars with intervals in panels: one panel for each workload, one bar for each implementation. */
import { gridInk, ink, keyOf, styled } from "../report/chart-style.ts";
import type { MedianInterval } from "../stats/order-statistics.ts";
import type { BenchChart } from "./directory.ts";

export interface Bar {
  readonly implementation: string;
  readonly workload: string;
  readonly value: MedianInterval;
}

/** Three digits, as people write them: 0.0123, 41.4k, 2.24M. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  const [factor, suffix] =
    size >= 999.5e6
      ? [1e9, "G"]
      : size >= 999.5e3
        ? [1e6, "M"]
        : size >= 9995
          ? [1e3, "k"]
          : [1, ""];
  const scaled = value / factor;
  const digits = Math.abs(scaled) >= 999.5 ? Math.round(scaled) : Number(scaled.toPrecision(3));
  return `${digits}${suffix}`;
}

export function barChart(head: Omit<BenchChart, "spec">, bars: readonly Bar[]): BenchChart {
  const rows = bars.map(({ implementation, workload, value: { median, low, high } }) => ({
    implementation,
    workload,
    median,
    low: low ?? median,
    high: high ?? median,
    text: shortNumber(median),
    room: Math.max(high ?? median, median) * 1.16,
  }));
  const key = keyOf([...new Set(rows.map(({ implementation }) => implementation))]);
  const scale = { domain: key.domain, range: key.colours };
  const y = { field: "implementation", type: "nominal", sort: null, title: null };
  const { title } = head;
  const spec = {
    data: { values: rows },
    // Over its panel: beside it, long names of low panels overlap.
    facet: {
      row: {
        field: "workload",
        type: "nominal",
        sort: null,
        title: null,
        header: { labelOrient: "top", labelAnchor: "start", labelPadding: 2 },
      },
    },
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
          // Room for the number behind the longest bar.
          mark: { type: "point", opacity: 0 },
          encoding: { y, x: { field: "room", type: "quantitative" } },
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
