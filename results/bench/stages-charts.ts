/** The charts of the stages' bench: what taking them costs, and the rates that it costs of. */
import type { MedianInterval } from "../stats/order-statistics.ts";
import { barChart } from "./bar-chart.ts";
import type { BenchChart } from "./directory.ts";
import type { StagesBench } from "./stages.ts";

function times({ median, low, high, coverage }: MedianInterval, factor: number): MedianInterval {
  return {
    median: median * factor,
    low: low === null ? null : low * factor,
    high: high === null ? null : high * factor,
    coverage,
  };
}

export function stagesCharts(bench: StagesBench): BenchChart[] {
  const costs = bench.rows.flatMap(({ subject, costs: ways }) =>
    ways.map(({ oneIn, share }) => ({
      implementation: oneIn === 1 ? "of all" : `--stages ${oneIn}`,
      workload: subject,
      value: times(share, 100),
    })),
  );
  const rates = bench.rows.map(({ subject, offPerSecond }) => ({
    implementation: subject,
    workload: `depth ${bench.depth}`,
    value: times(offPerSecond, 1e-3),
  }));
  return [
    barChart(
      {
        name: "cost",
        title: "What taking the stages costs, percent of the operations",
        caption:
          "By turns within each run; around zero it is less than what the machine does beside.",
      },
      costs,
    ),
    barChart(
      {
        name: "rate",
        title: "Thousand operations a second without stages",
        caption: "The more there are, the more a stamp weighs.",
      },
      rates,
    ),
  ];
}
