/** The charts of the allocators' bench: time of a pair, memory, fragmentation. */
import { gridInk, keyOf, styled } from "../report/chart-style.ts";
import type { AllocatorBench, AllocatorCell, AllocatorRow } from "./allocator.ts";
import type { BenchChart } from "./directory.ts";

const startText = {
  fresh: "fresh device",
  worn: "worn map",
  aged: "own history",
} as const;

export function sizeText(size: AllocatorCell["size"]): string {
  return size === "random" ? "random" : `${size / 1024} KiB`;
}

function panelText({ cell }: AllocatorRow): string {
  return `${startText[cell.start]}, ${sizeText(cell.size)}`;
}

/** One row of each cell: inside the native code where that can be timed. */
function bestRows(bench: AllocatorBench): readonly AllocatorRow[] {
  const native = new Set(
    bench.rows
      .filter(({ cell }) => cell.side === "native")
      .map(({ cell: { allocator } }) => allocator),
  );
  return bench.rows.filter(({ cell }) => native.has(cell.allocator) === (cell.side === "native"));
}

function timeChart(bench: AllocatorBench): BenchChart {
  const rows = bestRows(bench).map((row) => ({
    allocator: row.cell.allocator,
    panel: panelText(row),
    p50: row.p50Ns.median,
    p99: row.p99Ns.median,
    p999: row.p999Ns.median,
  }));
  const names = [...new Set(rows.map(({ allocator }) => allocator))];
  const scale = colours(names);
  const y = { field: "allocator", type: "nominal", sort: names, title: null };
  const spec = {
    data: { values: rows },
    facet: { field: "panel", type: "nominal", title: null, sort: panelOrder(bench) },
    columns: 3,
    spec: {
      width: 220,
      height: { step: 18 },
      layer: [
        {
          mark: { type: "rule", strokeWidth: 2 },
          encoding: {
            y,
            x: {
              field: "p50",
              type: "quantitative",
              scale: { type: "log" },
              title: "ns, p50 to p99.9",
              axis: { gridColor: gridInk, tickCount: 5, format: "~s" },
            },
            x2: { field: "p999" },
            color: { field: "allocator", type: "nominal", scale, legend: null },
          },
        },
        ...(["p50", "p99", "p999"] as const).map((field) => ({
          mark: { type: "point", filled: field === "p50", size: 45 },
          encoding: {
            y,
            x: { field, type: "quantitative", scale: { type: "log" } },
            color: { field: "allocator", type: "nominal", scale, legend: null },
          },
        })),
      ],
    },
  };
  return {
    name: "time",
    title: "Time of an allocation and a release",
    caption:
      "Filled: median; rings: p99 and p99.9. Inside the native code, plug-ins through the interface; median of the rounds; logarithmic.",
    spec: styled(spec, "Time of an allocation and a release by allocator", "wide"),
  };
}

function colours(names: readonly string[]): object {
  const key = keyOf(names);
  return { domain: key.domain, range: key.colours };
}

function panelOrder(bench: AllocatorBench): string[] {
  return [...new Set(bench.rows.map(panelText))];
}

function barChart(
  bench: AllocatorBench,
  name: "memory" | "fragmentation",
  title: string,
  caption: string,
  value: (row: AllocatorRow) => number,
): BenchChart {
  // The widest difference: after the history of random sizes.
  const rows = bestRows(bench)
    .filter(({ cell }) => cell.size === "random")
    .map((row) => ({
      allocator: row.cell.allocator,
      start: startText[row.cell.start],
      value: value(row),
    }));
  const names = [...new Set(rows.map(({ allocator }) => allocator))];
  const spec = {
    data: { values: rows },
    facet: { field: "start", type: "nominal", title: null, sort: null },
    columns: 3,
    spec: {
      width: 220,
      height: { step: 18 },
      mark: { type: "bar" },
      encoding: {
        y: { field: "allocator", type: "nominal", sort: names, title: null },
        x: { field: "value", type: "quantitative", title, axis: { gridColor: gridInk } },
        color: { field: "allocator", type: "nominal", scale: colours(names), legend: null },
      },
    },
  };
  return { name, title, caption, spec: styled(spec, title, "wide") };
}

export function allocatorCharts(bench: AllocatorBench): BenchChart[] {
  return [
    timeChart(bench),
    barChart(
      bench,
      "memory",
      "Memory of the free map, MiB",
      "After the history of random sizes.",
      (row) => row.memoryBytes / 2 ** 20,
    ),
    barChart(
      bench,
      "fragmentation",
      "Fragmentation score (0 best, 1 worst)",
      "After the history of random sizes, while its last allocations live.",
      (row) => row.fragmentationScore,
    ),
  ];
}
