/** The report as one HTML file that needs nothing beside it: no network, no script to be read. */

import { type Chart, chartsOf } from "./charts.ts";
import { enduranceText } from "./endurance-facts.ts";
import { deviceSection, environmentSection, healthSection, repeatSection } from "./html-machine.ts";
import { escapeHtml, html, Markup, nothing, pageOf, unbroken } from "./html-markup.ts";
import { quantileTables } from "./html-quantiles.ts";
import { styleSheet } from "./html-style.ts";
import { methodSection, verdictSection } from "./html-verdicts.ts";
import { layerTaxSection } from "./layer-tax-text.ts";
import type { ReportModel } from "./model.ts";
import { pageScript, scriptHash } from "./page-script.ts";
import { renderInline } from "./render.ts";
import { stageSection } from "./stage-table.ts";
import { type Cell, markText, type Table, type TableGroup, tableOf } from "./table.ts";
import { formatBytes, formatSeconds } from "./units.ts";

/** Draws the whole page. Deterministic: the same model gives the same bytes. */
export async function renderHtml(model: ReportModel): Promise<string> {
  const figures: Markup[] = [];
  for (const chart of chartsOf(model)) {
    figures.push(await figure(chart));
  }
  const script = pageScript();
  const body = html`<a class="skip" href="#figures">Skip to the figures</a>
${header(model)}
<main>
${answer(model)}
${caveats(model)}
${verdictSection(model)}
${figuresTable(model)}
${figures.length === 0 ? nothing : charts(model, figures)}
${layerTaxSection(model)}
${stageSection(model)}
${quantileTables(model.distributions)}
${methodSection(model)}
${healthSection(model)}
${deviceSection(model)}
${environmentSection(model)}
${repeatSection(model)}
</main>
<footer>Made by osdyno from the files of this directory and from nothing else.</footer>`;
  return pageOf({
    title: `${model.name} - osdyno report`,
    style: styleSheet(),
    script,
    scriptSource: scriptHash(script),
    body: [body],
  });
}

function header(model: ReportModel): Markup {
  const badges = [
    ...(model.preview ? [html`<span class="badge">preview</span>`] : []),
    ...(model.state === "partial" ? [html`<span class="badge">partial</span>`] : []),
  ];
  const runs = model.runs.length === 1 ? "one run" : `${model.runs.length} runs`;
  const started = model.started.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC");
  return html`<header>
<h1>${model.name}${badges}</h1>
${model.question === null ? nothing : html`<p class="question">${model.question}</p>`}
<p class="meta">${runs}, ${formatSeconds(model.seconds)} of measuring${writtenText(model)}, started ${started}; target ${model.target}</p>
</header>`;
}

/** What the jobs of all runs wrote: what a device with a rated endurance had to bear. */
function writtenText({ runs, endurance }: ReportModel): string {
  if (endurance !== undefined) {
    return `, ${enduranceText(endurance)}`;
  }
  const bytes = runs.reduce((sum, run) => sum + run.writtenBytes, 0);
  return bytes === 0 ? "" : `, ${formatBytes(bytes)} written`;
}

function answer(model: ReportModel): Markup {
  const sentences = model.answer.map((sentence) => html`<p>${sentence}</p>`);
  return html`<section class="answer" aria-label="Answer">
${sentences}
</section>`;
}

function caveats(model: ReportModel): Markup {
  if (model.caveats.length === 0) {
    return nothing;
  }
  const items = model.caveats.map((caveat) =>
    caveat.weight === "serious"
      ? html`<li class="serious"><b>Warning.</b> ${caveat.text}</li>`
      : html`<li>${caveat.text}</li>`,
  );
  return html`<section aria-labelledby="sure"><h2 id="sure">How sure</h2>
<ul class="caveats">
${items}
</ul></section>`;
}

function figuresTable(model: ReportModel): Markup {
  const table = tableOf(model);
  const head = table.columns.map((title, index) =>
    table.metrics[index] === "bw"
      ? html`<th scope="col">${title}</th><th scope="col" data-m="bw.binary">${title}, binary</th>`
      : html`<th scope="col">${title}</th>`,
  );
  const weak = table.hasWeak
    ? html` A dash stands where fewer than 10 samples lie beyond a percentile.`
    : nothing;
  const marked = table.groups.some(({ rows }) =>
    rows.some(({ cells }) => cells.some(({ mark }) => mark !== "")),
  )
    ? html` On a green ground: ${markText}.`
    : nothing;
  const repeated = model.entries.some((entry) => entry.replicates > 1);
  const ranged = repeated
    ? html` Figures are medians of the repeats; the small ones reach from the smallest to the largest.`
    : nothing;
  return html`<section aria-labelledby="figures"><h2 id="figures">Figures</h2>
<p class="note">Response time counts from when an operation was due to be sent, service time from when it was
handed to the target; both until it completed.${ranged}${weak}${marked}</p>
<p class="note selected">Now of the selected time only; percentiles to 5%.</p>
<div class="scroll" tabindex="0" role="group" aria-label="Table of figures, scrolls sideways">
<table class="${repeated ? "ranges" : "single"}">
<caption class="hidden">Figures of each configuration</caption>
<thead><tr><th scope="col" class="text">Configuration</th>${head}</tr></thead>
${table.groups.map((group) => tableBody(group, table))}
</table>
</div></section>`;
}

function tableBody(group: TableGroup, table: Table): Markup {
  const columns = table.metrics.length + (table.metrics.includes("bw") ? 1 : 0);
  const rows = group.rows.map((row) => {
    const cells = row.cells.flatMap((cell, index) => {
      const metric = table.metrics[index] ?? "";
      if (metric !== "bw") {
        return [tableCell(cell, cell.text, metric)];
      }
      // Two columns for the two forms: some readers expect MB/s, others MiB/s.
      const [decimal = "", binary = ""] = cell.text.split(/ \((.*)\)/);
      const second = { ...cell, range: "" };
      return [
        tableCell(cell, decimal, "bw.decimal"),
        tableCell(second, binary === "" ? "-" : binary, "bw.binary"),
      ];
    });
    return html`<tr data-e="${row.at}"><th scope="row">${row.label}</th>${cells}</tr>`;
  });
  return html`<tbody>
<tr><th scope="rowgroup" colspan="${columns + 1}">${group.title}</th></tr>
${rows}
</tbody>`;
}

function tableCell(cell: Cell, text: string, metric: string): Markup {
  const range = cell.range === "" ? nothing : html`<small>${unbroken(cell.range)}</small>`;
  return cell.mark === ""
    ? html`<td data-m="${metric}">${text}${range}</td>`
    : html`<td class="best" data-m="${metric}">${text}<span class="hidden"> (${cell.mark})</span>${range}</td>`;
}

function charts(model: ReportModel, figures: readonly Markup[]): Markup {
  const drag =
    model.kind === "sweep"
      ? ""
      : " Drag over a chart of time to select a part of it: table and charts follow.";
  const pick =
    model.entries.length > 1
      ? " Choose a mark to follow its configuration through all charts."
      : "";
  return html`<section aria-labelledby="charts"><h2 id="charts">Charts</h2>
<p class="note noprint script">Point at a mark to read it; with the keyboard, focus a chart and use the
arrow keys.${pick}${drag} Names in a legend hide and show their lines.</p>
${figures}
</section>`;
}

export async function figure(chart: Chart): Promise<Markup> {
  const wide = await renderInline(chart.spec("wide"));
  const phone = await renderInline(chart.spec("phone"));
  const classed = (svg: string, form: string) =>
    new Markup(
      svg
        .replace("<svg ", `<svg role="group" aria-label="${escapeHtml(chart.title)}" `)
        .replace('class="marks"', `class="${form}"`),
    );
  const drawing = html`<div class="chart" tabindex="0" role="group" aria-label="${chart.title}: chart, arrow keys read its marks">
${classed(wide, "wide")}
${classed(phone, "phone")}
</div>
<figcaption>${chart.caption}</figcaption>`;
  return html`<figure id="${chart.name}">
<h3>${chart.title}</h3>
${chart.folded === null ? drawing : html`<details><summary>${chart.folded}</summary>${drawing}</details>`}
</figure>`;
}
