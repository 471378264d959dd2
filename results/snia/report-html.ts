/** The standard's report as one HTML file that needs nothing beside it. */
import type { Chart } from "../report/charts.ts";
import { escapeHtml, html, Markup, nothing, pageOf } from "../report/html-markup.ts";
import { styleSheet } from "../report/html-style.ts";
import type { FactGroup } from "../report/model.ts";
import { scriptHash } from "../report/page-script.ts";
import { renderInline } from "../report/render.ts";
import { sniaCharts } from "./charts.ts";
import { lightInk } from "./charts-grid.ts";
import { headLines, headline } from "./head.ts";
import type { SniaModel } from "./load.ts";
import { type SniaTable, tablesOf, verdictLines, verificationTables } from "./tables.ts";

const ownStyle = `
.stamp{border:2px solid var(--warn);background:var(--warnground);color:var(--warn);padding:.6rem 1rem;border-radius:6px}
.stamp b{letter-spacing:.06em}
@media (prefers-color-scheme:dark){.chart [fill="${lightInk}"]{fill:#10131a}}
`;

/** Of tests that look for none there is nothing to be said. */
function steadySection(model: SniaModel): Markup {
  const tables = verificationTables(model);
  return tables.length === 0
    ? nothing
    : html`<section aria-labelledby="steady"><h2 id="steady">Steady state</h2>
${tables.map(tableMarkup)}
</section>`;
}

/** Draws the whole page. Deterministic: the same model gives the same bytes. */
export async function renderSniaHtml(model: SniaModel): Promise<string> {
  const figures: Markup[] = [];
  for (const chart of sniaCharts(model)) {
    figures.push(await figure(chart));
  }
  const { snia } = model;
  const partial = model.state === "partial" ? html`<span class="badge">partial</span>` : nothing;
  const body = html`<header>
<h1>${model.name}${partial}</h1>
${model.question === "" ? nothing : html`<p class="question">${model.question}</p>`}
<p class="meta">${headline(model)}</p>
</header>
<main>
${stamp(model)}
<section class="answer" aria-label="Answer">
${verdictLines(model).map((line) => html`<p>${line}</p>`)}
<p>${snia.purge_statement}</p>
${model.reason === null ? nothing : html`<p>Partial: ${model.reason}</p>`}
</section>
<section aria-labelledby="figures"><h2 id="figures">Figures</h2>
${tablesOf(model).map(tableMarkup)}
</section>
${steadySection(model)}
<section aria-labelledby="charts"><h2 id="charts">Charts</h2>
${figures}
</section>
<section aria-labelledby="head"><h2 id="head">Test and device</h2>
<div class="env">
${[...headLines(model), ...model.devices].map(facts)}
</div></section>
<section aria-labelledby="environment"><h2 id="environment">Environment</h2>
<details><summary>Everything recorded of the machine</summary>
<div class="env">
${model.environment.map(facts)}
</div></details></section>
<section aria-labelledby="repeat"><h2 id="repeat">Repeat it</h2>
<pre tabindex="0"><code>${model.command.join(" ")}</code></pre></section>
</main>
<footer>Made by osdyno from the files of this directory and from nothing else.</footer>`;
  return pageOf({
    title: `${model.name} - osdyno SNIA PTS report`,
    style: `${styleSheet()}${ownStyle}`,
    script: "",
    scriptSource: scriptHash(""),
    body: [body],
  });
}

function stamp({ snia }: SniaModel): Markup {
  return snia.deviations.length === 0
    ? html`<p class="note">Conformant to SNIA PTS ${snia.edition} as far as can be told from here.</p>`
    : html`<div class="stamp" role="note"><b>NOT CONFORMANT</b> to SNIA PTS ${snia.edition}: ${snia.deviations.join("; ")}.</div>`;
}

function tableMarkup(table: SniaTable): Markup {
  const [first = "", ...rest] = table.columns;
  const rows = table.rows.map(([name = "", ...cells]) => {
    return html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`;
  });
  return html`<h3>${table.title}</h3>
<p class="note">${table.note}</p>
<div class="scroll" tabindex="0" role="group" aria-label="${table.title}, scrolls sideways"><table>
<caption class="hidden">${table.title}</caption>
<thead><tr><th scope="col" class="text">${first}</th>${rest.map((title) => html`<th scope="col">${title}</th>`)}</tr></thead>
<tbody>
${rows}
</tbody></table></div>`;
}

async function figure(chart: Chart): Promise<Markup> {
  const classed = (svg: string, form: string) =>
    new Markup(
      svg
        .replace("<svg ", `<svg role="img" aria-label="${escapeHtml(chart.title)}" `)
        .replace('class="marks"', `class="${form}"`),
    );
  const wide = await renderInline(chart.spec("wide"));
  const phone = await renderInline(chart.spec("phone"));
  return html`<figure id="${chart.name}">
<h3>${chart.title}</h3>
<div class="chart">
${classed(wide, "wide")}
${classed(phone, "phone")}
</div>
<figcaption>${chart.caption}</figcaption>
</figure>`;
}

function facts(group: FactGroup): Markup {
  const rows = group.facts
    .filter(({ value }) => value !== "")
    .map(({ name, value }) => html`<dt>${name}</dt><dd>${value}</dd>`);
  return html`<div class="group"><h3>${group.title}</h3>
<dl class="facts">
${rows}
</dl></div>`;
}
