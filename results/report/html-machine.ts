/** Sections about the machine: generator, device, environment, and how to repeat it all. */
import { gzipSync } from "node:zlib";
import { html, type Markup, nothing } from "./html-markup.ts";
import type { FactGroup, ReportModel, RunSummary } from "./model.ts";
import { formatNs, formatShare } from "./units.ts";

export function healthSection(model: ReportModel): Markup {
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
  const hiccup = model.caveats.some((c) => c.kind === "hiccups");
  const kept = "The load generator was neither late nor saturated, and no arrival was dropped";
  const verdict = bad
    ? "The load generator did not keep up everywhere; see the warnings above."
    : hiccup
      ? `${kept}; but a core was taken away for a while, as told above, and operations of that while may have waited for it.`
      : `${kept}.`;
  return html`<section aria-labelledby="health"><h2 id="health">Generator health</h2>
<p>${verdict}</p>
<details><summary>Each run and its generator (${rows.length} ${rows.length === 1 ? "row" : "rows"})</summary>
<p class="note">Late: sent after it was due although a slot was free. Busy: share of the time in which the
job's thread ran. Backlog: most operations that were due and waited for a slot. Hiccup: a core did not run
although it was ready.</p>
<div class="scroll" tabindex="0" role="group" aria-label="Table of generators, scrolls sideways"><table>
<caption class="hidden">Health of the generator of each run</caption>
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
  const name = run.path === "." ? "this run" : run.path;
  return html`<tr><th scope="row">${name}</th><td class="text">${one.job}</td><td class="text">${one.loop}</td>
${cells.map((cell) => html`<td>${cell}</td>`)}<td class="text">${flags.length === 0 ? "ok" : flags.join(", ")}</td></tr>`;
}

/** What was measured, and how it was driven. */
export function deviceSection(model: ReportModel): Markup {
  if (model.devices.length === 0 && model.settings.length === 0) {
    return nothing;
  }
  const part = (title: string, groups: readonly FactGroup[]) =>
    groups.map((group) => factGroup({ ...group, title: `${title}: ${group.title}` }));
  return html`<section aria-labelledby="device"><h2 id="device">Device and settings</h2>
<div class="env">
${part("Target", model.devices)}
${part("Job", model.settings)}
</div></section>`;
}

export function environmentSection(model: ReportModel): Markup {
  const first = (title: string) => shownFirst.includes(title);
  const groups = model.environment.filter(({ title }) => title !== "devices").flatMap(aside);
  const shown = groups.filter((group) => first(group.title));
  const rest = groups.filter((group) => !first(group.title));
  const more =
    rest.length === 0
      ? nothing
      : html`<details><summary>Everything else recorded of the machine</summary>
<div class="env">
${rest.map(factGroup)}
</div></details>`;
  return html`<section aria-labelledby="environment"><h2 id="environment">Environment</h2>
<details><summary>${inShort(model)}</summary>
<div class="env">
${shown.map(factGroup)}
</div>
${more}
</details>
</section>`;
}

/** The machine in a line: processor, kernel, versions. */
function inShort({ environment }: ReportModel): string {
  const fact = (title: string, name: string) =>
    environment.find((group) => group.title === title)?.facts.find((each) => each.name === name)
      ?.value ?? "";
  const cores = fact("cpu", "cores") || fact("cpu", "online");
  const kernel = fact("kernel", "release") || fact("host", "kernel");
  const parts = [
    [fact("cpu", "model"), cores === "" ? "" : `${cores} ${cores === "1" ? "core" : "cores"}`]
      .filter((part) => part !== "")
      .join(", "),
    kernel === "" ? "" : `Linux ${kernel}`,
    fact("os", "name"),
    fact("versions", "osdyno") === "" ? "" : `osdyno ${fact("versions", "osdyno")}`,
  ].filter((part) => part !== "");
  return parts.length === 0 ? "What was recorded of the machine" : parts.join("; ");
}

/** The long list of CPU mitigations becomes a group of its own. */
function aside(group: FactGroup): readonly FactGroup[] {
  const prefix = "mitigations.";
  const own = group.facts.filter(({ name }) => name.startsWith(prefix));
  const facts = group.facts.filter((fact) => !own.includes(fact));
  const moved = own.map(({ name, value }) => ({ name: name.slice(prefix.length), value }));
  return own.length === 0
    ? [group]
    : [
        { ...group, facts },
        { title: "mitigations", facts: moved },
      ];
}

/** What a reader asks for first. */
const shownFirst = ["cpu", "host", "kernel", "os", "versions"];

/** Titles of the record, as a person writes them. */
const titles: Readonly<Record<string, string>> = {
  cpu: "CPU",
  numa: "NUMA",
  os: "Operating system",
};

function factGroup(group: FactGroup): Markup {
  const facts = group.facts
    .filter((fact) => fact.value !== "")
    .map((fact) => html`<dt>${fact.name}</dt><dd>${fact.value}</dd>`);
  const title = titles[group.title] ?? group.title.replace(/^[a-z]/, (c) => c.toUpperCase());
  return html`<div class="group"><h3>${title}</h3>
<dl class="facts">
${facts}
</dl></div>`;
}

/** Longer job texts are folded. */
const mostOpenLines = 24;

export function repeatSection(model: ReportModel): Markup {
  const data = gzipSync(JSON.stringify(model), { level: 9 }).toString("base64");
  const file = `${model.name.replace(/[^\w.-]+/g, "_")}.json.gz`;
  const lines = model.jobText.split("\n").length;
  const text = html`<pre tabindex="0" data-copy="the job"><code>${model.jobText.trimEnd()}</code></pre>`;
  const what = model.kind === "sweep" ? "The job, as its first point ran" : "The job as run";
  const job =
    model.jobText === ""
      ? nothing
      : lines > mostOpenLines
        ? html`<details><summary>${what} (${lines} lines)</summary>${text}</details>`
        : html`<h3>${what}</h3>${text}`;
  const layers = model.chain.length > 1 ? html` Layers: ${model.chain.join(" > ")}.` : nothing;
  return html`<section aria-labelledby="repeat"><h2 id="repeat">Repeat it</h2>
<p>The same seed (${model.seed}) gives the same operations in the same order.${layers}</p>
<pre tabindex="0" data-copy="the command"><code>${model.repeatCommand}</code></pre>
${job}
<p><a data-model download="${file}" href="data:application/gzip;base64,${data}">Download the data of this report</a>
(JSON, gzip; times in ns, bandwidth in bytes/s).</p>
</section>`;
}
