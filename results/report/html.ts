/** The report as one HTML file that needs nothing beside it: no network, no script to be read. */
import { type Chart, chartsOf } from "./charts.ts";
import { tooltipScript } from "./html-script.ts";
import { styleSheet } from "./html-style.ts";
import type { FactGroup, ReportModel, RunSummary } from "./model.ts";
import { renderInline } from "./render.ts";
import { type TableGroup, tableOf } from "./table.ts";
import { formatNs, formatSeconds, formatShare, metricHeading } from "./units.ts";

/** Markup that is safe to insert. */
class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Markup | readonly Markup[];

/** Template whose values are escaped unless they are markup themselves. */
function html(strings: TemplateStringsArray, ...values: readonly Part[]): Markup {
  let text = strings[0] ?? "";
  values.forEach((value, index) => {
    text += markupOf(value) + (strings[index + 1] ?? "");
  });
  return new Markup(text);
}

function markupOf(value: Part): string {
  if (value instanceof Markup) {
    return value.text;
  }
  return typeof value === "object" ? value.map((one) => one.text).join("\n") : escapeHtml(value);
}

function escapeHtml(value: string | number): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return String(value).replace(/[&<>"']/g, (char) => entities[char] ?? char);
}

const nothing = new Markup("");

/** Nothing may be fetched, whatever a name in the results contains. */
const policy =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/** Draws the whole page. Deterministic: the same model gives the same bytes. */
export async function renderHtml(model: ReportModel): Promise<string> {
  const figures: Markup[] = [];
  for (const chart of chartsOf(model)) {
    figures.push(await figure(chart));
  }
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="color-scheme" content="light dark">
<title>${model.name} - osdyno report</title>
<style>${new Markup(styleSheet())}</style>
</head>
<body>
<a class="skip" href="#figures">Skip to the figures</a>
${header(model)}
<main>
${answer(model)}
${caveats(model)}
${figuresTable(model)}
<section aria-labelledby="charts"><h2 id="charts">Charts</h2>
<p class="note noprint">Point at a mark to read it; with the keyboard, focus a chart and use the arrow keys.</p>
${figures}
</section>
${verdicts(model)}
${health(model)}
${environment(model)}
${repeat(model)}
</main>
<footer>Made by osdyno from the files of this directory and from nothing else.</footer>
<script>${new Markup(tooltipScript)}</script>
</body>
</html>
`;
  return page.text;
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
<p class="meta">${runs}, ${formatSeconds(model.seconds)} of measuring, started ${started}; target ${model.target}</p>
</header>`;
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
  const head = table.columns.map((title) => html`<th scope="col">${title}</th>`);
  const weak = table.hasWeak
    ? html` A dash stands where fewer than 10 samples lie beyond a percentile.`
    : nothing;
  const ranged = model.entries.some((entry) => entry.replicates > 1)
    ? html` Figures are medians of the repeats; the small ones reach from the smallest to the largest.`
    : nothing;
  return html`<section aria-labelledby="figures"><h2 id="figures">Figures</h2>
<p class="note">Response is completed - intended, service completed - submitted.${ranged}${weak}</p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="figures">
<table>
<caption class="hidden">Figures of each configuration</caption>
<thead><tr><th scope="col" class="text">Configuration</th>${head}</tr></thead>
${table.groups.map((group) => tableBody(group, table.columns.length))}
</table>
</div></section>`;
}

function tableBody(group: TableGroup, columns: number): Markup {
  const rows = group.rows.map((row) => {
    const cells = row.cells.map((cell) => {
      const range = cell.range === "" ? nothing : html`<small>${cell.range}</small>`;
      // The binary form of a bandwidth goes below the decimal one: columns are narrow.
      const [figure = "", other] = cell.text.split(/ (?=\()/);
      const text = other === undefined ? html`${figure}` : html`${figure} <small>${other}</small>`;
      return cell.mark === ""
        ? html`<td>${text}${range}</td>`
        : html`<td class="best">${text}<span class="hidden"> (${cell.mark})</span>${range}</td>`;
    });
    return html`<tr><th scope="row">${row.label}</th>${cells}</tr>`;
  });
  return html`<tbody>
<tr><th scope="rowgroup" colspan="${columns + 1}">${group.title}</th></tr>
${rows}
</tbody>`;
}

async function figure(chart: Chart): Promise<Markup> {
  const wide = await renderInline(chart.spec("wide"));
  const phone = await renderInline(chart.spec("phone"));
  const classed = (svg: string, form: string) =>
    new Markup(
      svg
        .replace("<svg ", `<svg role="group" aria-label="${escapeHtml(chart.title)}" `)
        .replace('class="marks"', `class="${form}"`),
    );
  return html`<figure id="${chart.name}">
<h3>${chart.title}</h3>
<div class="chart" tabindex="0" role="group" aria-label="${chart.title}: chart, arrow keys read its marks">
${classed(wide, "wide")}
${classed(phone, "phone")}
</div>
<figcaption>${chart.caption}</figcaption>
</figure>`;
}

function verdicts(model: ReportModel): Markup {
  if (model.comparisons.length === 0) {
    return nothing;
  }
  const rows = model.comparisons.map((c) => {
    const interval = `${c.low.toFixed(3)} to ${c.high.toFixed(3)}`;
    const more = c.runs_needed === null ? "" : `; ${c.runs_needed} runs a side would decide`;
    return html`<tr><th scope="row">${metricHeading(c.metric)}</th><td class="text">${c.base}</td>
<td class="text">${c.candidate}</td><td>${c.ratio.toFixed(3)}</td><td>${interval}</td><td>${c.p.toPrecision(2)}</td>
<td class="text"><b>${c.verdict}</b>: ${c.reason}${more}</td></tr>`;
  });
  const titles = ["Base", "Candidate", "Ratio", "Interval", "p", "Verdict"];
  const head = titles.map((title) => html`<th scope="col">${title}</th>`);
  return html`<section aria-labelledby="verdicts"><h2 id="verdicts">Verdicts</h2>
<p class="note">Ratio of candidate to base with its confidence interval.</p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="verdicts"><table>
<caption class="hidden">Verdicts of the comparisons</caption>
<thead><tr><th scope="col" class="text">Metric</th>${head}</tr></thead>
<tbody>
${rows}
</tbody></table></div></section>`;
}

function health(model: ReportModel): Markup {
  const rows = model.runs.flatMap((run) => run.generators.map((one) => healthRow(run, one)));
  if (rows.length === 0) {
    return nothing;
  }
  const titles = [
    "Job",
    "Loop",
    "Sent late",
    "Latest",
    "Busy",
    "Backlog",
    "Dropped",
    "Hiccup p99.9",
    "Hiccup max",
    "State",
  ];
  const head = titles.map((title) => html`<th scope="col">${title}</th>`);
  const bad = model.caveats.some((c) => ["late", "saturated", "overloaded"].includes(c.kind));
  const verdict = bad
    ? "The load generator did not keep up everywhere; see the warnings above."
    : "The load generator kept up: it was neither late nor saturated, and no arrival was dropped.";
  return html`<section aria-labelledby="health"><h2 id="health">Generator health</h2>
<p>${verdict}</p>
<details><summary>Each run and its generator (${rows.length} rows)</summary>
<div class="scroll" tabindex="0" role="region" aria-labelledby="health"><table>
<thead><tr><th scope="col" class="text">Run</th>${head}</tr></thead>
<tbody>
${rows}
</tbody></table></div></details></section>`;
}

function healthRow(run: RunSummary, one: RunSummary["generators"][number]): Markup {
  const { hiccups } = one;
  const measured = hiccups.cpus > 0;
  const flags = [
    ...(one.late ? ["late"] : []),
    ...(one.saturated ? ["saturated"] : []),
    ...(one.overloaded ? ["overloaded"] : []),
    ...(run.state === "partial" ? ["partial"] : []),
    ...run.errors,
  ];
  const cells = [
    formatShare(one.late_share),
    one.late_max_ns > 0 ? formatNs(one.late_max_ns) : "-",
    formatShare(one.busy_share),
    one.backlog_max,
    one.dropped_arrivals,
    measured ? formatNs(hiccups.p99_9_ns) : "-",
    measured ? formatNs(hiccups.max_ns) : "-",
  ];
  return html`<tr><th scope="row">${run.path}</th><td class="text">${one.job}</td><td class="text">${one.loop}</td>
${cells.map((cell) => html`<td>${cell}</td>`)}<td class="text">${flags.length === 0 ? "ok" : flags.join(", ")}</td></tr>`;
}

function environment(model: ReportModel): Markup {
  const own = {
    title: "run",
    facts: [
      { name: "target", value: model.target },
      { name: "layers", value: model.chain.join(" > ") },
      { name: "seed", value: String(model.seed) },
    ],
  };
  const first = (title: string) => shownFirst.includes(title);
  const shown = [own, ...model.environment.filter((group) => first(group.title))];
  const rest = model.environment.filter((group) => !first(group.title));
  const more =
    rest.length === 0
      ? nothing
      : html`<details><summary>Everything else recorded of the machine</summary>
<div class="env">
${rest.map(factGroup)}
</div></details>`;
  return html`<section aria-labelledby="environment"><h2 id="environment">Environment</h2>
<div class="env">
${shown.map(factGroup)}
</div>
${more}
</section>`;
}

/** What a reader asks for first. */
const shownFirst = ["devices", "cpu", "host", "kernel", "os", "versions"];

function factGroup(group: FactGroup): Markup {
  const facts = group.facts
    .filter((fact) => fact.value !== "")
    .map((fact) => html`<dt>${fact.name}</dt><dd>${fact.value}</dd>`);
  return html`<div class="group"><h3>${group.title}</h3>
<dl class="facts">
${facts}
</dl></div>`;
}

function repeat(model: ReportModel): Markup {
  const data = Buffer.from(JSON.stringify(model)).toString("base64");
  const file = `${model.name.replace(/[^\w.-]+/g, "_")}.json`;
  const job =
    model.jobText === ""
      ? nothing
      : html`<details><summary>The job as run</summary><pre tabindex="0">${model.jobText}</pre></details>`;
  return html`<section aria-labelledby="repeat"><h2 id="repeat">Repeat it</h2>
<pre tabindex="0"><code>${model.command}</code></pre>
${job}
<p><a download="${file}" href="data:application/json;base64,${data}">Download the data of this report</a>
(JSON; times in ns, bandwidth in bytes/s).</p>
</section>`;
}
