/** Sections about what was decided, and on which grounds: verdicts, requirements, noise and method. */
import { html, type Markup, nothing } from "./html-markup.ts";
import { noiseSentences } from "./method.ts";
import type { ReportModel } from "./model.ts";
import { requirementRows, stepGroups, type VerdictGroup, verdictGroups } from "./verdict-rows.ts";

/** More rows than these of one metric are folded. */
const mostVerdicts = 12;

export function verdictSection(model: ReportModel): Markup {
  const required = requirementTable(model);
  const steps = stepFold(model);
  const [first, ...rest] = verdictGroups(model);
  if (first === undefined) {
    return model.requirements.length === 0 && steps === nothing
      ? nothing
      : html`<section aria-labelledby="verdicts"><h2 id="verdicts">Verdicts</h2>
${required}
${steps}</section>`;
  }
  const open = first.rows.length <= mostVerdicts;
  const folded = open ? rest : [first, ...rest];
  const count = folded.reduce((sum, group) => sum + group.rows.length, 0);
  const metrics = folded.map((group) => group.heading).join(", ");
  const fold =
    folded.length === 0
      ? nothing
      : html`<details><summary>${open ? "The other" : "All"} verdicts: ${metrics} (${count} rows)</summary>
${verdictTable(folded)}</details>`;
  return html`<section aria-labelledby="verdicts"><h2 id="verdicts">Verdicts</h2>
${required}
<p class="note">Difference of each configuration from what it is compared with, its interval, the medians of both, and p after adjustment.</p>
${open ? verdictTable([first]) : nothing}
${fold}
${steps}</section>`;
}

function stepFold(model: ReportModel): Markup {
  const steps = stepGroups(model);
  const count = steps?.groups.reduce((sum, group) => sum + group.rows.length, 0) ?? 0;
  return steps === null
    ? nothing
    : html`<details><summary>${steps.title} (${count} rows)</summary>
${verdictTable(steps.groups)}</details>`;
}

function verdictTable(groups: readonly VerdictGroup[]): Markup {
  // What was decided stands where a phone shows it without scrolling.
  const titles = ["Verdict", "Difference", "Medians", "p", "Compared with", "Why"];
  const words = new Set(["Verdict", "Compared with", "Why"]);
  const bodies = groups.map(({ heading, rows }) => {
    const lines = rows.map((row) => {
      const { verdict, difference, interval, medians, p, base, why } = row;
      const [own = "", against = ""] = medians.split(/(?= against )/);
      return html`<tr><th scope="row">${row.candidate}</th><td class="text" data-l="Verdict"><b>${verdict}</b></td>
<td data-l="Difference">${difference} <small>${interval}</small></td><td data-l="Medians">${own} <small>${against}</small></td>
<td data-l="p">${p}</td><td class="text" data-l="Compared with">${base}</td><td class="text why" data-l="Why">${why}</td></tr>`;
    });
    return html`<tbody><tr><th scope="rowgroup" colspan="${titles.length + 1}">${heading}</th></tr>
${lines}</tbody>`;
  });
  return tableOf("Verdicts of the comparisons", titles, words, bodies);
}

function requirementTable(model: ReportModel): Markup {
  const rows = requirementRows(model).map(
    ({ name, verdict, threshold, median, interval, because }) =>
      html`<tr><th scope="row">${name}</th><td class="text" data-l="Verdict"><b>${verdict}</b></td>
<td class="text" data-l="Required">${threshold}</td><td data-l="Median">${median}</td><td data-l="Interval">${interval}</td>
<td class="text why" data-l="Why">${because}</td></tr>`,
  );
  const titles = ["Verdict", "Required", "Median", "Interval", "Why it is required"];
  const words = new Set(["Verdict", "Required", "Why it is required"]);
  return rows.length === 0
    ? nothing
    : tableOf("What was required", titles, words, [html`<tbody>${rows}</tbody>`]);
}

function tableOf(
  caption: string,
  titles: readonly string[],
  words: ReadonlySet<string>,
  bodies: readonly Markup[],
): Markup {
  const head = titles.map((title) =>
    words.has(title)
      ? html`<th scope="col" class="text">${title}</th>`
      : html`<th scope="col">${title}</th>`,
  );
  return html`<div class="scroll" tabindex="0" role="group" aria-label="${caption}: table, scrolls sideways"><table class="verdicts">
<caption class="hidden">${caption}</caption>
<thead><tr><th scope="col" class="text">Configuration</th>${head}</tr></thead>
${bodies}
</table></div>`;
}

export function methodSection(model: ReportModel): Markup {
  const lines = [...noiseSentences(model), ...model.method].map((line) => html`<li>${line}</li>`);
  return html`<section aria-labelledby="method"><h2 id="method">Noise and method</h2>
<ul>
${lines}
</ul></section>`;
}
