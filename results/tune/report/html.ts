/** The report of a tuning as one HTML file, in the house's page. */

import { differenceText, intervalText } from "../../recorded-difference.ts";
import { effectsChart } from "../../report/chart-effects.ts";
import type { Chart } from "../../report/charts.ts";
import { figure } from "../../report/html.ts";
import {
  deviceSection,
  environmentSection,
  healthSection,
  repeatSection,
} from "../../report/html-machine.ts";
import { html, type Markup, nothing, pageOf } from "../../report/html-markup.ts";
import { styleSheet } from "../../report/html-style.ts";
import type { ReportModel } from "../../report/model.ts";
import { pageScript, scriptHash } from "../../report/page-script.ts";
import { formatMetric, formatSeconds, formatShort, metricHeading } from "../../report/units.ts";
import type { SweepComparison } from "../../sweep-record.ts";
import { percentOf, settingsText } from "../answer.ts";
import { confirmName } from "../tune-directory.ts";
import type { TuneRecord } from "../tune-record.ts";
import { goalsChart } from "./chart-goals.ts";
import { importanceChart } from "./chart-importance.ts";
import { traceChart } from "./chart-trace.ts";
import { settingsOf, type TuneReport } from "./load.ts";

/** Charts in the order of the page. */
export function tuneCharts({ record, runs }: TuneReport): readonly Chart[] {
  const charts = [
    effectsChart(ofConfirmation(runs)),
    traceChart(record),
    importanceChart(record),
    goalsChart(record),
  ];
  return charts.filter((chart) => chart !== null);
}

/** The runs as the chart of effects sees them: the configurations of the confirmation, by their names. */
function ofConfirmation(runs: ReportModel): ReportModel {
  const prefix = `${confirmName}-`;
  const entries = runs.entries
    .filter(({ point }) => point.startsWith(prefix))
    .map((entry) => ({ ...entry, label: entry.point.slice(prefix.length), facet: "" }));
  return { ...runs, entries };
}

/** Draws the whole page. Deterministic: the same results give the same bytes. */
export async function renderTuneHtml(report: TuneReport): Promise<string> {
  const { record, runs } = report;
  const figures: Markup[] = [];
  for (const chart of tuneCharts(report)) {
    figures.push(await figure(chart));
  }
  const script = pageScript();
  const body = html`<a class="skip" href="#charts">Skip to the charts</a>
${header(report)}
<main>
<section class="answer" aria-label="Answer">
${record.answer.map((sentence) => html`<p>${sentence}</p>`)}
</section>
${caveats(report)}
${settings(record)}
${files(report)}
${verdicts(record)}
${
  figures.length === 0
    ? nothing
    : html`<section aria-labelledby="charts"><h2 id="charts">Charts</h2>
${figures}
</section>`
}
${trials(record)}
${method(record)}
${healthSection(runs)}
${deviceSection(runs)}
${environmentSection(runs)}
${repeatSection(runs)}
</main>
<footer>Made by osdyno from the files of this directory and from nothing else.</footer>`;
  return pageOf({
    title: `${record.name} - osdyno tuning`,
    style: styleSheet(),
    script,
    scriptSource: scriptHash(script),
    body: [body],
  });
}

/** The tables that are made of the record alone, as the page has them. */
export function recordTables(record: TuneRecord): string {
  return html`${settings(record)}${verdicts(record)}${trials(record)}`.text;
}

function header({ record, runs }: TuneReport): Markup {
  const badge = record.state === "partial" ? html`<span class="badge">partial</span>` : nothing;
  const question =
    record.question === "" ? nothing : html`<p class="question">${record.question}</p>`;
  const started = runs.started.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC");
  return html`<header>
<h1>${record.name}${badge}</h1>
${question}
<p class="meta">tuning, ${runs.runs.length} runs, ${formatSeconds(runs.seconds)} of measuring, started ${started}; target ${runs.target}</p>
</header>`;
}

function caveats({ caveats: all }: TuneReport): Markup {
  if (all.length === 0) {
    return nothing;
  }
  const items = all.map(({ weight, text }) =>
    weight === "serious"
      ? html`<li class="serious"><b>Warning.</b> ${text}</li>`
      : html`<li>${text}</li>`,
  );
  return html`<section aria-labelledby="sure"><h2 id="sure">How sure</h2>
<ul class="caveats">
${items}
</ul></section>`;
}

/** Headings of columns that hold words. */
const texts = ["Configuration", "Settings", "Verdict"];

/** A table that scrolls sideways on a phone. */
function table(name: string, heads: readonly string[], rows: readonly Markup[]): Markup {
  const [first = "", ...more] = heads;
  const head = more.map((title) =>
    texts.includes(title)
      ? html`<th scope="col" class="text">${title}</th>`
      : html`<th scope="col">${title}</th>`,
  );
  return html`<div class="scroll" tabindex="0" role="group" aria-label="${name}, scrolls sideways"><table class="long">
<caption class="hidden">${name}</caption>
<thead><tr><th scope="col" class="text">${first}</th>${head}</tr></thead>
<tbody>
${rows}
</tbody></table></div>`;
}

function settings(record: TuneRecord): Markup {
  const own = settingsOf(record);
  if (own.length === 0) {
    return nothing;
  }
  const rows = own.map(({ name, standard, tuned, importance }) => {
    const share =
      importance === null
        ? ["-", "-", "-"]
        : [
            `${percentOf(importance.share.value)} (${percentOf(importance.share.low)} to ${percentOf(importance.share.high)})`,
            `${importance.best} (${percentOf(importance.chance)})`,
            `${importance.effect.value.toFixed(2)} (${importance.effect.low.toFixed(2)} to ${importance.effect.high.toFixed(2)})`,
          ];
    const found =
      standard === tuned ? html`<td>${tuned}</td>` : html`<td class="best">${tuned}</td>`;
    return html`<tr><th scope="row">${name}</th><td>${standard}</td>${found}${share.map((text) => html`<td>${text}</td>`)}</tr>`;
  });
  const heads = [
    "Parameter",
    "Default",
    "Found",
    "Share of the differences",
    "Best value (how likely)",
    "Best against worst",
  ];
  return html`<section aria-labelledby="settings"><h2 id="settings">The configuration found</h2>
<p class="note">Shares and best values are those of the model over the whole space, each with its 95% interval; a
value whose share begins at nothing may be left at its default.</p>
${table("Settings of the configuration found", heads, rows)}</section>`;
}

function files({ answer }: TuneReport): Markup {
  const parts = Object.entries(answer).map(
    ([name, text]) => html`<details><summary>${name}</summary>
<pre tabindex="0" data-copy="${name}"><code>${text.trimEnd()}</code></pre></details>`,
  );
  return parts.length === 0
    ? nothing
    : html`<section aria-labelledby="files"><h2 id="files">To take along</h2>
<p class="note">The same files are in <code>answer/</code>: a fragment of ceph.conf, commands for a running cluster,
and a sweep file that measures the configuration against the default again.</p>
${parts}</section>`;
}

/** The ratio of a comparison; where a figure is 0, the difference with its sign and unit. */
export function ratioTexts(each: SweepComparison): {
  readonly ratio: string;
  readonly interval: string;
} {
  const { ratio, low, high } = each;
  const told = intervalText(each, formatShort);
  return ratio === null
    ? { ratio: differenceText(each, formatShort), interval: told ?? "-" }
    : {
        ratio: ratio.toFixed(3),
        interval:
          told === null || low === null || high === null
            ? "-"
            : `${low.toFixed(3)} to ${high.toFixed(3)}`,
      };
}

function verdicts(record: TuneRecord): Markup {
  if (record.comparisons.length === 0) {
    return nothing;
  }
  const rows = record.comparisons.map((each) => {
    const { metric, candidate, p, verdict } = each;
    const { ratio, interval } = ratioTexts(each);
    return html`<tr><th scope="row">${metricHeading(metric)}</th><td class="text">${candidate}</td><td>${ratio}</td>
<td>${interval}</td><td>${p.toPrecision(2)}</td><td class="text"><b>${verdict}</b></td></tr>`;
  });
  const reasons = record.comparisons.map(({ metric, candidate, reason, runs_needed: needed }) => {
    const more = needed === null ? "" : `; ${needed} pairs would decide`;
    return html`<li>${metricHeading(metric)}, ${candidate}: ${reason}${more}</li>`;
  });
  const kept = record.kept.map(
    ({ configuration, limit, kept: good, runs, median }) =>
      html`<tr><th scope="row">${limit}</th><td class="text">${configuration}</td><td>${good} of ${runs}</td>
<td>${median === null ? "-" : formatMetric(limit.split(/[\s<>=]/)[0] ?? "", median)}</td></tr>`,
  );
  const limits =
    kept.length === 0
      ? nothing
      : html`<h3>Limits in the fresh runs</h3>
${table("Limits", ["Limit", "Configuration", "Kept", "Median"], kept)}`;
  return html`<section aria-labelledby="verdicts"><h2 id="verdicts">Confirmation</h2>
<p class="note">${record.planned.pairs} blocks of fresh runs, which the search has not seen, each with the default and the
found configuration in random order. Ratio of the found one to the default with its 95% interval.</p>
${table("Verdicts of the confirmation", ["Metric", "Configuration", "Ratio", "Interval", "p", "Verdict"], rows)}
<ul>
${reasons}
</ul>
${limits}</section>`;
}

function trials(record: TuneRecord): Markup {
  const { metrics, beliefs, goals } = record;
  const rows = record.trials.map((trial) => {
    const belief = beliefs.find((each) => each.trial === trial.id);
    const runs = record.steps.filter((step) => step.trial === trial.id).length;
    const figures = metrics.map((metric) => {
      const value = belief?.figures[metric] ?? null;
      return html`<td>${value === null ? "-" : formatMetric(metric, value)}</td>`;
    });
    const expected = goals.map(({ metric }) => {
      const own = belief?.expected[metric];
      const text =
        own === undefined
          ? "-"
          : `${formatMetric(metric, own.value)} (${formatMetric(metric, own.low)} to ${formatMetric(metric, own.high)})`;
      return html`<td>${text}</td>`;
    });
    const state =
      trial.failed !== undefined
        ? `could not run: ${trial.failed}`
        : belief?.keeps === false
          ? "breaks a limit"
          : record.front.includes(trial.id)
            ? "on the front"
            : "";
    return html`<tr><th scope="row">${trial.id}</th><td class="text">${settingsText(trial.parameters, record.standard)}</td><td>${runs}</td>${figures}${expected}<td class="text">${state}</td></tr>`;
  });
  const heads = [
    ...["Configuration", "Settings", "Runs"],
    ...metrics.map(metricHeading),
    ...goals.map(({ metric }) => `${metricHeading(metric)}, believed`),
    "",
  ];
  return html`<section aria-labelledby="trials"><h2 id="trials">Every configuration that was tried</h2>
<details><summary>${rows.length} configurations</summary>
${table("Configurations tried", heads, rows)}</details></section>`;
}

/** How the search was made, in words. */
export function methodText(record: TuneRecord): readonly string[] {
  const { method: name, seed, noise, budget, steps, spent_seconds: spent } = record;
  const budgets = [
    ...(budget.runs === null ? [] : [`${budget.runs} runs`]),
    ...(budget.seconds === null ? [] : [formatSeconds(budget.seconds)]),
  ];
  const noises = Object.entries(noise).map(
    ([metric, share]) => `${metricHeading(metric)} ${percentOf(share)}`,
  );
  return [
    methodWords[name] ?? "",
    `Seed ${seed}; budget ${budgets.join(", ")}; ${steps.length} runs before the confirmation; ${formatSeconds(spent)} in all.`,
    ...(noises.length === 0
      ? []
      : [`Runs of one configuration differ by (standard deviation): ${noises.join(", ")}.`]),
  ].filter((text) => text !== "");
}

const methodWords: Readonly<Record<string, string>> = {
  model:
    "A Latin hypercube first; then at each step the configuration with the largest expected improvement under a Gaussian process of each goal and limit; in the end repeats of those that may be the best.",
  grid: "Every configuration of the space, in random order.",
  random: "Configurations at random.",
  lhs: "A Latin hypercube: each value of each parameter as often as every other.",
  halving:
    "Successive halving: many configurations with few runs, the best third of them with three times as many, until one is left.",
};

function method(record: TuneRecord): Markup {
  return html`<section aria-labelledby="method"><h2 id="method">How it was searched</h2>
${methodText(record).map((text) => html`<p>${text}</p>`)}</section>`;
}
