/** The report as Markdown, for pull requests and mails. */
import type { ReportModel } from "./model.ts";
import { tableOf } from "./table.ts";
import { formatSeconds } from "./units.ts";

export function renderMarkdown(model: ReportModel): string {
  const [first = "", ...rest] = model.answer;
  const parts = [
    `# ${escapeText(model.name)}`,
    model.question === null ? "" : `*${escapeText(model.question)}*`,
    `**${escapeText(first)}**`,
    escapeText(rest.join(" ")),
    caveatList(model),
    figures(model),
    comparisons(model),
    environment(model),
    "## Repeat it",
    fenced(model.command),
    `Seed ${model.seed}. Started ${model.started}; ${formatSeconds(model.seconds)} of measuring in ${model.runs.length} ${model.runs.length === 1 ? "run" : "runs"}.`,
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

/** What Markdown or HTML would read as markup. */
function escapeText(text: string): string {
  return text.replace(/[\\`*_<>|[\]]/g, (char) => `\\${char}`).replaceAll("\n", " ");
}

function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((match) => match[0].length));
  const fence = "`".repeat(longest + 1);
  return `${fence}sh\n${text}\n${fence}`;
}

function caveatList(model: ReportModel): string {
  if (model.caveats.length === 0) {
    return "";
  }
  const items = model.caveats.map((caveat) => {
    const text = escapeText(caveat.text);
    return caveat.weight === "serious" ? `- **Warning:** ${text}` : `- ${text}`;
  });
  return `## How sure\n\n${items.join("\n")}`;
}

function figures(model: ReportModel): string {
  const table = tableOf(model);
  const head = ["Configuration", ...table.columns];
  const lines = [`| ${head.join(" | ")} |`, `|---|${table.columns.map(() => "---:|").join("")}`];
  for (const group of table.groups) {
    lines.push(`| **${escapeText(group.title)}** |${" |".repeat(table.columns.length)}`);
    for (const row of group.rows) {
      const cells = row.cells.map((cell) => {
        const text = cell.mark === "" ? cell.text : `**${cell.text}**`;
        return cell.range === "" ? text : `${text} (${cell.range})`;
      });
      lines.push(`| ${escapeText(row.label)} | ${cells.join(" | ")} |`);
    }
  }
  const note = table.hasWeak ? "\n\n`-`: fewer than 10 samples beyond the percentile." : "";
  return `## Figures\n\n${lines.join("\n")}${note}`;
}

function comparisons(model: ReportModel): string {
  if (model.comparisons.length === 0) {
    return "";
  }
  const lines = [
    "| Metric | Base | Candidate | Ratio | Interval | Verdict |",
    "|---|---|---|---:|---|---|",
  ];
  for (const c of model.comparisons) {
    const interval = `${c.low.toFixed(3)} to ${c.high.toFixed(3)}`;
    const cells = [c.metric, c.base, c.candidate, c.ratio.toFixed(3), interval, c.verdict];
    lines.push(`| ${cells.map(escapeText).join(" | ")} |`);
  }
  return `## Verdicts\n\n${lines.join("\n")}`;
}

function environment(model: ReportModel): string {
  const groups = model.environment.map((group) => {
    const facts = group.facts.map((fact) => `${fact.name}: ${fact.value}`).join("; ");
    return `- **${escapeText(group.title)}**: ${escapeText(facts)}`;
  });
  const target = `- **target**: ${escapeText(model.target)}`;
  return `## Environment\n\n${[target, ...groups].join("\n")}`;
}
