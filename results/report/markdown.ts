/** The report as Markdown, for pull requests and mails: the answer open, the rest folded. */

import { enduranceText } from "./endurance-facts.ts";
import {
  distributionTitle,
  quantileHeads,
  quantileNote,
  quantileRows,
  shownDistributions,
} from "./html-quantiles.ts";
import { layerTaxMarkdown } from "./layer-tax-text.ts";
import { noiseSentences } from "./method.ts";
import type { FactGroup, ReportModel } from "./model.ts";
import { stageMarkdown } from "./stage-table.ts";
import { type Cell, markText, type Table, tableOf } from "./table.ts";
import { formatSeconds } from "./units.ts";
import { requirementRows, stepGroups, type VerdictGroup, verdictGroups } from "./verdict-rows.ts";

/** Columns that fit beside each other in a pull request; all of them stand in a fold. */
const narrow = ["iops", "bw", "response.p50", "response.p99", "response.p99.9", "cpu_us_per_io"];

export function renderMarkdown(model: ReportModel): string {
  const [first = "", ...rest] = model.answer;
  const parts = [
    `# ${escapeText(model.name)}`,
    model.question === null ? "" : `*${escapeText(model.question)}*`,
    `**${escapeText(first)}**`,
    escapeText(rest.join(" ")),
    caveatList(model),
    requirements(model),
    verdicts(model),
    figures(model),
    layerTaxMarkdown(model, escapeText),
    stages(model),
    quantiles(model),
    methodFold(model),
    "## Repeat it",
    fenced(model.repeatCommand, "sh"),
    `Seed ${model.seed}. Target \`${model.target.replaceAll("`", "'")}\`. Started ${model.started}; ${formatSeconds(model.seconds)} of measuring in ${model.runs.length} ${model.runs.length === 1 ? "run" : "runs"}${model.endurance === undefined ? "" : `; ${enduranceText(model.endurance)}`}.`,
    model.jobText === "" ? "" : fold("The job", fenced(model.jobText.trimEnd(), "ini")),
    factFold("Device and settings", [...model.devices, ...model.settings]),
    factFold("Environment", model.environment),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

/** What Markdown or HTML would read as markup. */
export function escapeText(text: string): string {
  return text.replace(/[\\`*_<>|[\]~#]/g, (char) => `\\${char}`).replaceAll("\n", " ");
}

export function fenced(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((match) => match[0].length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}

/** Markdown inside is read as Markdown only after an empty line. */
export function fold(title: string, content: string): string {
  const safe = title.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c] ?? c);
  return `<details>\n<summary>${safe}</summary>\n\n${content}\n\n</details>`;
}

function stages(model: ReportModel): string {
  const tables = stageMarkdown(model, escapeText);
  return tables === "" ? "" : fold("Where the time went, by layer and stage", tables);
}

function caveatList(model: ReportModel): string {
  const serious = model.caveats.filter((caveat) => caveat.weight === "serious");
  const others = model.caveats.filter((caveat) => caveat.weight !== "serious");
  const warnings = serious
    .map((caveat) => `> **Warning:** ${escapeText(caveat.text)}`)
    .join("\n>\n");
  const rest = others.map((caveat) => `- ${escapeText(caveat.text)}`).join("\n");
  const title = `How sure: ${others.length} ${others.length === 1 ? "thing" : "things"} to know before using the figures`;
  return [warnings, rest === "" ? "" : fold(title, rest)]
    .filter((part) => part !== "")
    .join("\n\n");
}

function figures(model: ReportModel): string {
  const table = tableOf(model);
  const places = table.metrics.map((_, place) => place);
  const shown = places.filter((place) => {
    const metric = table.metrics[place] ?? "";
    return narrow.includes(metric) || model.metrics.includes(metric);
  });
  const note = table.hasWeak ? "`-`: fewer than 10 samples beyond the percentile." : "";
  const marked = table.groups.some(({ rows }) =>
    rows.some(({ cells }) => cells.some((cell) => cell.mark !== "")),
  );
  const bold = marked ? `Bold: ${markText}.` : "";
  const notes = [bold, note].filter((text) => text !== "").join(" ");
  const all =
    shown.length < places.length ? fold("All figures", tablesText(table, places, true)) : "";
  const parts = ["## Figures", tablesText(table, shown, false), notes, all];
  return parts.filter((part) => part !== "").join("\n\n");
}

/** A table per question, which its first heading names; `all` with both forms of a bandwidth. */
function tablesText(table: Table, places: readonly number[], all: boolean): string {
  const columns = places.map((place) => escapeText(table.columns[place] ?? ""));
  const tables = table.groups.map((group) => {
    const lines = [
      `| ${escapeText(group.title)} | ${columns.join(" | ")} |`,
      `|:---|${places.map(() => "---:|").join("")}`,
    ];
    for (const row of group.rows) {
      const cells = places.map((place) => cellText(row.cells[place], all));
      lines.push(`| ${unbroken(escapeText(row.label))} | ${cells.join(" | ")} |`);
    }
    return lines.join("\n");
  });
  return tables.join("\n\n");
}

/** A figure and its unit, or the words of a name, stay on one line. */
function unbroken(text: string): string {
  return text.replaceAll(" ", "\u00a0");
}

/** The range of repeats goes below its figure, so that columns stay narrow. */
function cellText(cell: Cell | undefined, all: boolean): string {
  const [figure = "", binary] = (cell?.text ?? "").split(/ \((.*)\)/);
  const marked = cell === undefined || cell.mark === "" ? figure : `**${figure}**`;
  const below = [all ? (binary ?? "") : "", cell?.range ?? ""].filter((part) => part !== "");
  const whole = (part: string) => part.split(" to ").map(unbroken).join(" to ");
  return [marked, ...below].map(whole).join("<br>");
}

function requirements(model: ReportModel): string {
  const rows = requirementRows(model).map((row) => {
    const { name, verdict, threshold, median, interval, because } = row;
    const cells = [name, verdict, threshold, median, interval, because].map(escapeText);
    return `| ${cells.with(1, `**${verdict}**`).join(" | ")} |`;
  });
  const head = [
    "| Configuration | Verdict | Required | Median | Interval | Why it is required |",
    "|---|---|---|---:|---:|---|",
  ];
  return rows.length === 0 ? "" : ["## Requirements\n", ...head, ...rows].join("\n");
}

function verdicts(model: ReportModel): string {
  const [first, ...rest] = verdictGroups(model);
  const names = rest.map(({ heading }) => heading).join(", ");
  const steps = stepGroups(model);
  const parts = [
    first === undefined ? "" : verdictText(first),
    rest.length === 0 ? "" : fold(`Verdicts: ${names}`, rest.map(verdictText).join("\n\n")),
    steps === null ? "" : fold(steps.title, steps.groups.map(verdictText).join("\n\n")),
  ].filter((part) => part !== "");
  return parts.length === 0 ? "" : ["## Verdicts", ...parts].join("\n\n");
}

function verdictText({ heading, rows }: VerdictGroup): string {
  const lines = rows.map((row) => {
    const { candidate, verdict, difference, interval, medians, p, base, why } = row;
    const cells = [candidate, verdict, difference, interval, medians, p, base, why];
    return `| ${cells.map(escapeText).with(1, `**${verdict}**`).join(" | ")} |`;
  });
  return [
    `| ${escapeText(heading)} | Verdict | Difference | Interval | Medians | p | Compared with | Why |`,
    "|---|---|---:|---:|---:|---:|---|---|",
    ...lines,
  ].join("\n");
}

function methodFold(model: ReportModel): string {
  const lines = [...noiseSentences(model), ...model.method].map((line) => `- ${escapeText(line)}`);
  return fold("Noise and method", lines.join("\n"));
}

function quantiles({ distributions }: ReportModel): string {
  const shown = shownDistributions(distributions);
  const heads = ["Response time", ...quantileHeads];
  const tables = shown.map((each) => {
    const rows = quantileRows(each).map((cells) => `| ${cells.map(escapeText).join(" | ")} |`);
    const lines = [`| ${heads.join(" | ")} |`, "|---|---:|---:|---:|---|", ...rows];
    return fold(distributionTitle(each), lines.join("\n"));
  });
  return shown.length === 0
    ? ""
    : `## Response times as distributions\n\n${quantileNote(distributions.length, shown.length)}\n\n${tables.join("\n\n")}`;
}

function factFold(title: string, groups: readonly FactGroup[]): string {
  const lines = groups.map((group) => {
    const facts = group.facts
      .filter((fact) => fact.value !== "")
      .map((fact) => `${fact.name}: ${fact.value}`)
      .join("; ");
    return `- **${escapeText(group.title)}**: ${escapeText(facts)}`;
  });
  return lines.length === 0 ? "" : fold(title, lines.join("\n"));
}
