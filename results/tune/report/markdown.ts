/** The report of a tuning as Markdown: the answer open, the rest folded. */

import { escapeText, fenced, fold } from "../../report/markdown.ts";
import { formatMetric, formatSeconds, metricHeading } from "../../report/units.ts";
import { percentOf, settingsText } from "../answer.ts";
import type { TuneRecord } from "../tune-record.ts";
import { methodText, ratioTexts } from "./html.ts";
import { settingsOf, type TuneReport } from "./load.ts";

function tableText(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escapeText).join(" | ")} |`;
  return [line(heads), `|${heads.map(() => "---|").join("")}`, ...rows.map(line)].join("\n");
}

export function renderTuneMarkdown({ record, runs, caveats, answer }: TuneReport): string {
  const [first = "", ...rest] = record.answer;
  const languages: Readonly<Record<string, string>> = {
    "ceph.conf": "ini",
    "ceph-config-set.sh": "sh",
    "profile.yaml": "yaml",
  };
  const parts = [
    `# ${escapeText(record.name)}`,
    record.question === "" ? "" : `*${escapeText(record.question)}*`,
    `**${escapeText(first)}**`,
    ...rest.map(escapeText),
    caveats
      .map(
        ({ weight, text }) => `- ${weight === "serious" ? "**Warning:** " : ""}${escapeText(text)}`,
      )
      .join("\n"),
    settingsTable(record),
    verdictsTable(record),
    "## To take along",
    ...Object.entries(answer).map(([name, text]) =>
      fold(name, fenced(text.trimEnd(), languages[name] ?? "")),
    ),
    "## Every configuration that was tried",
    fold(`${record.trials.length} configurations`, trialsTable(record)),
    "## How it was searched",
    ...methodText(record).map(escapeText),
    "## Repeat it",
    fenced(runs.repeatCommand, "sh"),
    `Target \`${runs.target.replaceAll("`", "'")}\`. Started ${runs.started}; ${formatSeconds(runs.seconds)} of measuring in ${runs.runs.length} runs.`,
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function settingsTable(record: TuneRecord): string {
  const own = settingsOf(record);
  if (own.length === 0) {
    return "";
  }
  const rows = own.map(({ name, standard, tuned, importance }) => [
    ...[name, standard, tuned],
    ...(importance === null
      ? ["-", "-"]
      : [
          `${percentOf(importance.share.value)} (${percentOf(importance.share.low)} to ${percentOf(importance.share.high)})`,
          importance.best,
        ]),
  ]);
  const heads = ["Parameter", "Default", "Found", "Share of the differences", "Best value"];
  return `## The configuration found\n\n${tableText(heads, rows)}`;
}

function verdictsTable(record: TuneRecord): string {
  if (record.comparisons.length === 0) {
    return "";
  }
  const rows = record.comparisons.map((each) => [
    metricHeading(each.metric),
    each.candidate,
    ratioTexts(each).ratio,
    ratioTexts(each).interval,
    `${each.verdict}: ${each.reason}`,
  ]);
  const heads = ["Metric", "Configuration", "Ratio", "Interval", "Verdict"];
  const kept = record.kept.map(
    ({ configuration, limit, kept: good, runs }) =>
      `- ${escapeText(`${limit}: ${configuration} kept it in ${good} of ${runs} fresh runs`)}`,
  );
  const text = `${record.planned.pairs} blocks of fresh runs with the default and the found configuration in random order.`;
  return ["## Confirmation", text, tableText(heads, rows), kept.join("\n")]
    .filter((part) => part !== "")
    .join("\n\n");
}

function trialsTable(record: TuneRecord): string {
  const rows = record.trials.map(({ id, parameters, failed }) => {
    const belief = record.beliefs.find(({ trial }) => trial === id);
    const runs = record.steps.filter(({ trial }) => trial === id).length;
    const figures = record.metrics.map((metric) => {
      const value = belief?.figures[metric] ?? null;
      return value === null ? "-" : formatMetric(metric, value);
    });
    const state =
      failed !== undefined ? "could not run" : belief?.keeps === false ? "breaks a limit" : "";
    return [id, settingsText(parameters, record.standard), String(runs), ...figures, state];
  });
  return tableText(["", "Settings", "Runs", ...record.metrics.map(metricHeading), ""], rows);
}
