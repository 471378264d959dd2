/** The table of figures, shared by the HTML and the Markdown report. */
import { splitPart } from "../metrics.ts";
import { byFacet } from "./answer.ts";
import { provenBest } from "./best.ts";
import type { Entry, MetricValue, ReportModel } from "./model.ts";
import {
  formatCount,
  formatMetric,
  formatShort,
  hasBetter,
  higherIsBetter,
  metricHeading,
} from "./units.ts";

export interface Cell {
  readonly text: string;
  /** From the smallest to the largest repeat; empty for a single run. */
  readonly range: string;
  /** `highest` or `lowest`: shown to be better than all others of its group; empty otherwise. */
  readonly mark: string;
}

export interface TableRow {
  /** Place of its entry in the model. */
  readonly at: number;
  readonly label: string;
  readonly cells: readonly Cell[];
}

export interface TableGroup {
  readonly title: string;
  readonly rows: readonly TableRow[];
}

export interface Table {
  readonly columns: readonly string[];
  /** Metric of each column; `samples` for the last. */
  readonly metrics: readonly string[];
  readonly groups: readonly TableGroup[];
  /** Some cell is empty because too few samples lie beyond it. */
  readonly hasWeak: boolean;
}

const usual = [
  "iops",
  "response.p50",
  "response.p99",
  "response.p99.9",
  "response.max",
  "service.p99",
  "bw",
  "cpu_us_per_io",
];

export function tableOf(model: ReportModel): Table {
  // What was asked for comes first, unless it is what always stands there.
  const isUsual = model.metrics.every((metric) => usual.includes(metric));
  const wanted = [
    ...new Set(isUsual ? [...usual, ...model.metrics] : [...model.metrics, ...usual]),
  ];
  // What was asked of one job stands in that job's rows, in the column that all have.
  const metrics = [...new Set(wanted.map((metric) => splitPart(metric)?.metric ?? metric))].filter(
    (metric) => model.entries.some((entry) => entry.metrics[metric]?.solid === true),
  );
  let hasWeak = false;
  const groups = [...byFacet(model.entries)].map(([facet, entries]) => {
    const best = new Map(metrics.map((metric) => [metric, bestOf(model, entries, metric)]));
    return {
      title: entries[0]?.facetDetail ? `${facet} (${entries[0].facetDetail})` : facet,
      rows: entries.map((entry) => ({
        at: model.entries.indexOf(entry),
        label: `${entry.label}${partialNote(model, entry)}`,
        cells: [
          ...metrics.map((metric) => {
            const value = entry.metrics[metric];
            hasWeak ||= value?.solid === false;
            const word = higherIsBetter(metric) ? "highest" : "lowest";
            return cellOf(metric, value, best.get(metric) === entry ? word : "");
          }),
          plain(formatCount(entry.samples)),
        ],
      })),
    };
  });
  const columns = [...metrics.map(metricHeading), "Samples"];
  return { columns, metrics: [...metrics, "samples"], groups, hasWeak };
}

/** Figures of a run that ended early stand beside whole ones: their row says so. */
function partialNote(model: ReportModel, entry: Entry): string {
  if (model.kind === "run") {
    return "";
  }
  const runs = model.runs.filter((run) => model.kind === "repeat" || run.point === entry.point);
  const cut = runs.filter((run) => run.state === "partial").length;
  if (cut === 0) {
    return "";
  }
  return runs.length === 1 ? " (partial run)" : ` (${cut} of ${runs.length} runs partial)`;
}

function plain(text: string): Cell {
  return { text, range: "", mark: "" };
}

function cellOf(metric: string, value: MetricValue | undefined, mark: string): Cell {
  if (value?.solid !== true) {
    return plain("-");
  }
  const range =
    value.values.length > 1
      ? rangeText(formatShort(metric, value.low), formatShort(metric, value.high))
      : "";
  return { text: formatMetric(metric, value.value), range, mark };
}

/** `12.1 to 13.9 ms`: a unit that both ends share is said once. */
function rangeText(low: string, high: string): string {
  const unit = / \S+$/.exec(low)?.[0] ?? "";
  return unit !== "" && high.endsWith(unit)
    ? `${low.slice(0, -unit.length)} to ${high}`
    : `${low} to ${high}`;
}

/**
 * Only what was asked for is marked, of one job in that job's rows, and only what is better than every other
 * choice.
 */
function bestOf(model: ReportModel, group: readonly Entry[], metric: string): Entry | null {
  const asked = model.metrics.find(
    (name) =>
      name === metric ||
      (splitPart(name)?.metric === metric && group.every((entry) => name in entry.metrics)),
  );
  const choice = group.length > 1 && hasBetter(metric) && asked !== undefined;
  return choice ? provenBest(model, group, asked) : null;
}

/** What a mark means, for the note below a table. */
export const markText = "shown to be better than all others of its group";
