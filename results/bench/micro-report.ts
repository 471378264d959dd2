/** A micro bench as a directory: its document, its charts, and one page that holds both. */
import { join } from "node:path";
import { makeFolders } from "../make-folders.ts";
import { type Form, formWidth, ink, styled } from "../report/chart-style.ts";
import { html, Markup, pageOf } from "../report/html-markup.ts";
import { styleSheet } from "../report/html-style.ts";
import { renderSvg } from "../report/render.ts";
import type { MedianInterval } from "../stats/order-statistics.ts";
import { writeWhole } from "../whole-file.ts";
import type { MicroBench, MicroRow } from "./micro.ts";

/** A figure of each row, in the unit it is read in. */
export interface MicroColumn {
  readonly key: string;
  readonly title: string;
  readonly digits: number;
  /** Where the axis ends; `null`: where the figures do. */
  readonly most: number | null;
  value(row: MicroRow): MedianInterval | null;
}

const exact = (value: number): MedianInterval => ({
  median: value,
  low: null,
  high: null,
  coverage: null,
});

function scaled(value: MedianInterval, scale: number): MedianInterval {
  const { median, low, high, coverage } = value;
  return {
    median: median * scale,
    low: low === null ? null : low * scale,
    high: high === null ? null : high * scale,
    coverage,
  };
}

/** The columns that a bench has figures for. */
export function microColumns(bench: MicroBench): MicroColumn[] {
  const columns: MicroColumn[] = [
    {
      key: "ns",
      title: "ns per operation",
      digits: 1,
      most: null,
      value: ({ nsPerOperation }) => nsPerOperation,
    },
  ];
  if (bench.rows.some(({ bytesPerSecond }) => bytesPerSecond !== null)) {
    columns.push({
      key: "rate",
      title: "GB/s",
      digits: 2,
      most: null,
      value: ({ bytesPerSecond }) =>
        bytesPerSecond === null ? null : scaled(bytesPerSecond, 1e-9),
    });
  }
  for (const name of new Set(bench.rows.flatMap(({ facts }) => Object.keys(facts)))) {
    columns.push({
      key: name,
      title: name.replaceAll("_", " "),
      digits: 3,
      most: 1,
      value: ({ facts }) => (facts[name] === undefined ? null : exact(facts[name])),
    });
  }
  return columns;
}

/** `median [low, high]`. */
export function microText(value: MedianInterval | null, digits: number): string {
  if (value === null) {
    return "";
  }
  const { median, low, high } = value;
  const interval =
    low === null || high === null ? "" : ` [${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
  return `${median.toFixed(digits)}${interval}`;
}

function chart(bench: MicroBench, column: MicroColumn, form: Form) {
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
      width: formWidth[form] * 0.6,
      height: { step: 18 },
      layer: [
        {
          mark: { type: "bar", color: "#3d9bd6" },
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
  return styled(spec, `${bench.hotPath}: ${column.title}`, form);
}

function page(
  bench: MicroBench,
  columns: readonly MicroColumn[],
  charts: readonly Markup[],
): string {
  const head = columns.map(({ title }) => html`<th scope="col">${title}</th>`);
  const rows = bench.rows.map((row) => {
    const cells = columns.map(
      (column) => html`<td>${microText(column.value(row), column.digits)}</td>`,
    );
    return html`<tr><th scope="row">${row.implementation}</th><td>${row.workload}</td>${cells}</tr>`;
  });
  const notes = bench.notes.map((note) => html`<li>${note}</li>`);
  return pageOf({
    title: `bench ${bench.hotPath} - osdyno`,
    style: styleSheet(),
    script: "",
    scriptSource: "'none'",
    body: [
      html`<header><h1>Bench of ${bench.hotPath}</h1>
<p class="meta">${bench.rounds} rounds of ${bench.runtimeMs} ms each, order alternating; medians with 95% intervals where there are 6 rounds or more. Seed ${bench.seed}, results ${bench.resultHash}. ${bench.cpu}, Linux ${bench.kernel}.</p>
<ul>${notes}</ul></header>
<main>
<div class="scroll"><table>
<thead><tr><th scope="col">Implementation</th><th scope="col">Workload</th>${head}</tr></thead>
<tbody>${rows}</tbody></table></div>
${charts}
</main>`,
    ],
  });
}

/** Writes the directory, making it if need be. */
export async function writeMicroBench(directory: string, bench: MicroBench): Promise<void> {
  const charts = join(directory, "charts");
  makeFolders(charts);
  const columns = microColumns(bench);
  const drawn: Markup[] = [];
  for (const column of columns) {
    const svg = await renderSvg(chart(bench, column, "wide"));
    writeWhole(join(charts, `${column.key}.svg`), svg);
    drawn.push(html`<figure><figcaption>${column.title}</figcaption>${new Markup(svg)}</figure>`);
  }
  writeWhole(join(directory, "report.html"), page(bench, columns, drawn));
  writeWhole(join(directory, `bench-${bench.hotPath}.json`), `${JSON.stringify(bench, null, 2)}\n`);
}
