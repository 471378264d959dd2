/** A history as a page, as Markdown and as JSON. */
import { changeText } from "../recorded-difference.ts";
import { figure } from "../report/html.ts";
import { html, type Markup, nothing, pageOf } from "../report/html-markup.ts";
import { styleSheet } from "../report/html-style.ts";
import { escapeText, fold } from "../report/markdown.ts";
import { pageScript, scriptHash } from "../report/page-script.ts";
import { formatMetric, formatShort, metricHeading } from "../report/units.ts";
import { historyChart } from "./chart.ts";
import type { HistoryChange, HistoryLine, HistoryMetric, HistoryModel } from "./history.ts";

/** Lines are told by what they found: the worst first. */
function worstFirst(lines: readonly HistoryLine[]): readonly HistoryLine[] {
  const weight = (line: HistoryLine) => {
    const last = line.metrics.flatMap((metric) => metric.changes.at(-1)?.verdict ?? []);
    return last.includes("worse") ? 0 : last.length > 0 ? 1 : 2;
  };
  return [...lines].sort((a, b) => weight(a) - weight(b));
}

/** More lines than these are found faster below. */
const mostNamed = 3;

/** What got worse, then what got better, of all lines; or that nothing changed. */
export function historyAnswer({ lines }: HistoryModel): string {
  const sentence = (verdict: HistoryChange["verdict"]) => {
    const found = lines.flatMap((line) => {
      const parts = line.metrics.flatMap(({ metric, changes }) => {
        const last = changes.at(-1);
        return last?.verdict === verdict
          ? [
              `${metricHeading(metric)} ${changeText(last.ratio)} since ${last.started.slice(0, 10)}`,
            ]
          : [];
      });
      return parts.length === 0 ? [] : [`${line.name} (${parts.slice(0, mostNamed).join(", ")})`];
    });
    const left = found.length - mostNamed;
    const more = left > 0 ? ` and ${left} more` : "";
    const shown = found.slice(0, mostNamed).join("; ");
    return found.length === 0 ? "" : `Got ${verdict}: ${shown}${more}.`;
  };
  const parts = [sentence("worse"), sentence("better")].filter((part) => part !== "");
  if (parts.length > 0) {
    return parts.join(" ");
  }
  const results = lines.reduce((sum, line) => sum + line.items, 0);
  return lines.length === 0
    ? "Nothing was measured twice under one label, so there is no history yet."
    : `No change was found in ${lines.length === 1 ? "one measurement" : `${lines.length} measurements`} of ${results} results.`;
}

function ruleText({ minEffect, level }: HistoryModel): string {
  return (
    "Changes are found by E-divisive on logarithms, at least five results on either side, each tested by random orders of " +
    `the results at ${100 * level}% shared among the metrics of a line. Those below ${100 * minEffect}% count as the same.`
  );
}

export async function renderHistoryHtml(model: HistoryModel): Promise<string> {
  const script = pageScript();
  const sections: Markup[] = [];
  for (const line of worstFirst(model.lines)) {
    const sentences = line.answer.map((sentence) => html`<li>${sentence}</li>`);
    sections.push(html`<section>
${await figure(historyChart(line, model.lines.indexOf(line)))}
<ul class="found">
${sentences}
</ul>
${changesTable(line)}
${figuresTable(line)}
</section>`);
  }
  const single =
    model.single.length === 0
      ? nothing
      : html`<p class="note">Measured once so far: ${model.single.join(", ")}.</p>`;
  const body = html`<header><h1>History</h1></header>
<main>
<section class="answer" aria-label="Answer"><p>${historyAnswer(model)}</p></section>
<h2 class="hidden">Measurements</h2>
${sections}
${single}
<h2>Method</h2>
<p>${ruleText(model)} Whether two sets of runs differ, osdyno compare decides.</p>
</main>
<footer>Made by osdyno from run directories and from nothing else.</footer>`;
  return pageOf({
    title: "History - osdyno",
    style: styleSheet(),
    script,
    scriptSource: scriptHash(script),
    body: [body],
  });
}

interface ChangeCells {
  readonly metric: string;
  readonly since: string;
  readonly source: string;
  readonly difference: string;
  readonly interval: string;
  readonly levels: string;
  readonly verdict: string;
  readonly changed: string;
}

function changeCells({ metric, levels, changes }: HistoryMetric): readonly ChangeCells[] {
  return changes.map((change, place) => {
    const value = (at: number) => formatShort(metric, levels[at]?.value ?? Number.NaN);
    return {
      metric: metricHeading(metric),
      since: change.started.slice(0, 16).replace("T", " "),
      source: change.source,
      difference: changeText(change.ratio),
      interval:
        change.low === null || change.high === null
          ? "-"
          : `${changeText(change.low)} to ${changeText(change.high)}`,
      levels: `${value(place)} to ${value(place + 1)}`,
      verdict: change.verdict,
      changed: change.changed.join(", ") || "nothing recorded",
    };
  });
}

function changesTable(line: HistoryLine): Markup {
  const rows = line.metrics.flatMap(changeCells);
  if (rows.length === 0) {
    return nothing;
  }
  const lines = rows.map(
    (
      row,
    ) => html`<tr><th scope="row">${row.metric}</th><td class="text">${row.since}</td><td class="text">${row.source}</td>
<td>${row.difference}</td><td>${row.interval}</td><td>${row.levels}</td><td class="text why"><b>${row.verdict}</b>; then changed: ${row.changed}</td></tr>`,
  );
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Table of changes, scrolls sideways"><table>
<caption class="hidden">Changes of ${line.name}</caption>
<thead><tr><th scope="col" class="text">Metric</th><th scope="col" class="text">Since (UTC)</th><th scope="col" class="text">First result</th>
<th scope="col">Difference</th><th scope="col">Interval</th><th scope="col">Level</th><th scope="col" class="text">Verdict</th></tr></thead>
<tbody>
${lines}
</tbody></table></div>`;
}

interface FigureRow {
  readonly started: string;
  readonly source: string;
  readonly cells: readonly string[];
}

/** Newest first: a row a result. */
function figureRows(line: HistoryLine): readonly FigureRow[] {
  const sources = new Map<string, FigureRow>();
  for (const [place, { metric, points }] of line.metrics.entries()) {
    for (const point of points) {
      const key = `${point.started} ${point.source}`;
      const row = sources.get(key) ?? {
        started: point.started.slice(0, 16).replace("T", " "),
        source: point.source,
        cells: line.metrics.map(() => "-"),
      };
      const cells = row.cells.with(place, formatMetric(metric, point.value));
      sources.set(key, { ...row, cells });
    }
  }
  return [...sources].sort(([a], [b]) => (a < b ? 1 : -1)).map(([, row]) => row);
}

function figuresTable(line: HistoryLine): Markup {
  const rows = figureRows(line);
  const heads = line.metrics.map(
    ({ metric }) => html`<th scope="col">${metricHeading(metric)}</th>`,
  );
  const lines = rows.map(
    ({ started, source, cells }) =>
      html`<tr><th scope="row">${started}</th><td class="text">${source}</td>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`,
  );
  return html`<details><summary>All figures (${rows.length} results)</summary>
<div class="scroll" tabindex="0" role="group" aria-label="Table of figures, scrolls sideways"><table>
<caption class="hidden">Figures of ${line.name}</caption>
<thead><tr><th scope="col" class="text">Started (UTC)</th><th scope="col" class="text">Result</th>${heads}</tr></thead>
<tbody>
${lines}
</tbody></table></div></details>`;
}

export function renderHistoryMarkdown(model: HistoryModel): string {
  const parts = worstFirst(model.lines).map((line) => {
    const changes = line.metrics.flatMap(changeCells);
    const table =
      changes.length === 0
        ? []
        : [
            [
              "| Metric | Since (UTC) | First result | Difference | Interval | Level | Verdict | Then changed |",
              "|---|---|---|---:|---:|---:|---|---|",
              ...changes.map((row) => `| ${reordered(row).map(escapeText).join(" | ")} |`),
            ].join("\n"),
          ];
    const heads = line.metrics.map(({ metric }) => metricHeading(metric));
    const figures = [
      `| Started (UTC) | Result | ${heads.map(escapeText).join(" | ")} |`,
      `|---|---|${heads.map(() => "---:|").join("")}`,
      ...figureRows(line).map(
        ({ started, source, cells }) =>
          `| ${[started, source, ...cells].map(escapeText).join(" | ")} |`,
      ),
    ].join("\n");
    const sentences = line.answer.map((sentence) => `- ${escapeText(sentence)}`).join("\n");
    return [
      `## ${escapeText(line.name)}`,
      sentences,
      ...table,
      fold(`All figures of ${line.items} results`, figures),
    ].join("\n\n");
  });
  const single =
    model.single.length === 0
      ? []
      : [`Measured once so far: ${escapeText(model.single.join(", "))}.`];
  const head = ["# History", `**${escapeText(historyAnswer(model))}**`];
  return `${[...head, ...parts, ...single, ruleText(model)].join("\n\n")}\n`;
}

/** Columns in the order of the Markdown table. */
function reordered(row: ChangeCells): readonly string[] {
  const { metric, since, source, difference, interval, levels, verdict, changed } = row;
  return [metric, since, source, difference, interval, levels, verdict, changed];
}
