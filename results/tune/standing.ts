/** The table of a search that goes on: the best configurations so far beside the default. */
import Table from "cli-table3";
import { formatMetric, metricFacts } from "../metrics.ts";
import { settingsText } from "./answer.ts";
import { mediansOf } from "./conclude.ts";
import { costOf, feasible } from "./problem.ts";
import { defaultId, limitOf } from "./trials.ts";
import type { TuneRecord } from "./tune-record.ts";

const mostRows = 8;
const mostMetrics = 4;
/** Characters of the settings; all of them stand in the report. */
const mostText = 100;

/** Configurations that keep the limits first, by the first goal's median of their runs. */
export function boardText(record: TuneRecord): string {
  const limits = record.limits.map(limitOf);
  const [goal] = record.goals;
  const rows = record.trials.map((trial) => {
    const runs = record.steps.filter((step) => step.trial === trial.id).map((step) => step.figures);
    const figures = mediansOf(record.metrics, runs);
    const cost = goal === undefined ? null : costOf(goal, figures[goal.metric]);
    return { trial, runs, figures, keeps: feasible(limits, runs), cost: cost ?? Infinity };
  });
  const isDefault = (row: (typeof rows)[number]) => (row.trial.id === defaultId ? 0 : 1);
  rows.sort(
    (a, b) => isDefault(a) - isDefault(b) || Number(b.keeps) - Number(a.keeps) || a.cost - b.cost,
  );
  const names = record.metrics.slice(0, mostMetrics);
  const table = new Table({
    head: ["", "runs", ...names.map((name) => metricFacts(name)?.label ?? name), "", "settings"],
    style: { head: [], border: [], compact: true },
    colAligns: ["left", "right", ...names.map(() => "right" as const), "left", "left"],
  });
  for (const { trial, runs, figures, keeps } of rows.slice(0, mostRows)) {
    const cells = names.map((name) => {
      const value = figures[name] ?? null;
      return value === null ? "-" : formatMetric(name, value);
    });
    const front = record.front.includes(trial.id) ? "not beaten" : "";
    const mark = trial.failed !== undefined ? "failed" : keeps ? front : "breaks a limit";
    const settings = settingsText(trial.parameters, record.standard);
    const shown = settings.length > mostText ? `${settings.slice(0, mostText)}...` : settings;
    table.push([trial.id, String(runs.length), ...cells, mark, shown]);
  }
  const left = rows.length - mostRows;
  return `${table.toString()}${left > 0 ? `\n... and ${left} more` : ""}`;
}
