/** The table of a report for a terminal: the same figures as in the HTML and the Markdown. */
import Table from "cli-table3";
import { splitPart } from "../metrics.ts";
import type { ReportModel } from "../report/model.ts";
import { markText, tableOf } from "../report/table.ts";

const usual = [
  "iops",
  "bw",
  "response.p50",
  "response.p99",
  "response.p99.9",
  "cpu_us_per_io",
] as const;

/** The usual columns; where more was asked for, what was asked for. */
function metricsShown({ metrics }: ReportModel): ReadonlySet<string> {
  const names = metrics.map((metric) => splitPart(metric)?.metric ?? metric);
  const plain = names.every((metric) => usual.some((each) => each === metric));
  return new Set(plain ? usual : ["iops", ...names]);
}

/** One block per question asked, one line per configuration. Ends without a newline. */
export function tableText(model: ReportModel): string {
  const { columns, metrics, groups, hasWeak } = tableOf(model);
  const wanted = metricsShown(model);
  const places = metrics.flatMap((name, place) => (wanted.has(name) ? [place] : []));
  const table = new Table({
    head: ["", ...places.map((place) => columns[place] ?? "")],
    style: { head: [], border: [], compact: true },
    colAligns: ["left", ...places.map(() => "right" as const)],
  });
  for (const group of groups) {
    table.push([{ content: group.title, colSpan: places.length + 1 }]);
    for (const row of group.rows) {
      const cells = places.map((place) => {
        const cell = row.cells[place];
        const range = cell === undefined || cell.range === "" ? "" : ` [${cell.range}]`;
        return `${cell?.text ?? ""}${range}${cell?.mark === "" ? "" : " *"}`;
      });
      table.push([`  ${row.label}`, ...cells]);
    }
  }
  const notes = [
    ...model.caveats.filter(({ kind }) => kind === "note").map(({ text }) => `Note: ${text}`),
    ...(groups.some((group) => group.rows.some((row) => row.cells.some((cell) => cell.mark !== "")))
      ? [`* ${markText}`]
      : []),
    ...(hasWeak ? ["- fewer than 10 samples lie beyond this percentile"] : []),
  ];
  return [table.toString(), ...notes].join("\n");
}
