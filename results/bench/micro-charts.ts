/** The charts of a micro bench: one of each column. */
import type { TopLevelSpec } from "vega-lite";
import { formWidth, ink, palette, styled } from "../report/chart-style.ts";
import type { BenchChart } from "./directory.ts";
import type { MicroBench } from "./micro.ts";
import { type MicroColumn, microColumns } from "./micro-columns.ts";

function chart(bench: MicroBench, column: MicroColumn): TopLevelSpec {
  const rows = bench.rows.flatMap((row) => {
    const value = column.value(row);
    return value === null
      ? []
      : [
          {
            implementation: row.implementation,
            workload: row.workload,
            median: value.median,
            low: value.low ?? value.median,
            high: value.high ?? value.median,
            text: value.median.toFixed(column.digits),
          },
        ];
  });
  const workloads = [...new Set(rows.map(({ workload }) => workload))];
  const scale = column.most === null ? {} : { scale: { domain: [0, column.most] } };
  const y = { field: "implementation", type: "nominal", sort: null, title: null };
  const spec = {
    data: { values: rows },
    facet: { row: { field: "workload", type: "nominal", sort: workloads, title: null } },
    spec: {
      width: formWidth.wide * 0.6,
      height: { step: 18 },
      layer: [
        {
          mark: { type: "bar", color: palette[0] },
          encoding: {
            y,
            x: { field: "median", type: "quantitative", title: column.title, ...scale },
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
  return styled(spec, `${bench.hotPath}: ${column.title}`, "wide");
}

export function microCharts(bench: MicroBench): BenchChart[] {
  return microColumns(bench).map((column) => ({
    name: column.key,
    title: column.title,
    caption:
      "Medians of the rounds; the line is the 95% interval where there are 6 rounds or more.",
    spec: chart(bench, column),
  }));
}
