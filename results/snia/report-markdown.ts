/** The standard's report as Markdown. */
import type { FactGroup } from "../report/model.ts";
import { headLines, headline } from "./head.ts";
import type { SniaModel } from "./load.ts";
import { type SniaTable, tablesOf, verdictLines, verificationTables } from "./tables.ts";

export function renderSniaMarkdown(model: SniaModel): string {
  const { snia } = model;
  const parts = [
    `# ${escapeText(model.name)}`,
    model.question === "" ? "" : `*${escapeText(model.question)}*`,
    escapeText(headline(model)),
    snia.deviations.length === 0
      ? `Conformant to SNIA PTS ${snia.edition} as far as can be told from here.`
      : `> **NOT CONFORMANT** to SNIA PTS ${snia.edition}: ${escapeText(snia.deviations.join("; "))}.`,
    ...verdictLines(model).map((line) => `**${escapeText(line)}**`),
    escapeText(snia.purge_statement),
    model.reason === null ? "" : `Partial: ${escapeText(model.reason)}`,
    "## Figures",
    ...tablesOf(model).map(tableText),
    ...(verificationTables(model).length === 0 ? [] : ["## Steady state"]),
    ...verificationTables(model).map(tableText),
    "## Test and device",
    ...[...headLines(model), ...model.devices].map(factsText),
    "## Repeat it",
    `\`\`\`sh\n${model.command.join(" ")}\n\`\`\``,
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function escapeText(text: string): string {
  return text.replace(/[\\`*_<>|[\]~#]/g, (char) => `\\${char}`).replaceAll("\n", " ");
}

function tableText({ title, note, columns, rows }: SniaTable): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escapeText).join(" | ")} |`;
  const rule = `|:---|${columns
    .slice(1)
    .map(() => "---:|")
    .join("")}`;
  const table = [line(columns), rule, ...rows.map(line)].join("\n");
  return `### ${escapeText(title)}\n\n${escapeText(note)}\n\n${table}`;
}

function factsText({ title, facts }: FactGroup): string {
  const lines = facts
    .filter(({ value }) => value !== "")
    .map(({ name, value }) => `- ${escapeText(name)}: ${escapeText(value)}`);
  return `### ${escapeText(title)}\n\n${lines.join("\n")}`;
}
