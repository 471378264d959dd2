/** The portrait of a device: its directory with the profile, the charts, and one page that holds both. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeFolders } from "../make-folders.ts";
import { escapeHtml, html, Markup, nothing, pageOf } from "../report/html-markup.ts";
import { styleSheet } from "../report/html-style.ts";
import { renderInline, renderPng, renderSvg } from "../report/render.ts";
import { sealRun } from "../seal.ts";
import { formatBandwidth, formatBytes, formatCount, formatNs } from "../units.ts";
import { writeWhole } from "../whole-file.ts";
import { kneeOf } from "./io-cost.ts";
import { type PortraitChart, portraitCharts } from "./portrait-charts.ts";
import { type Profile, type ProfileFigure, profileYaml } from "./profile.ts";

const words: Readonly<Record<ProfileFigure["group"], string>> = {
  size: "By size",
  order: "In order",
  depth: "By operations outstanding",
  mix: "Reads and writes together",
  locality: "By distance",
  flush: "Flushes",
};

async function figure(chart: PortraitChart): Promise<Markup> {
  const drawings: Markup[] = [];
  for (const form of ["wide", "phone"] as const) {
    const svg = await renderInline(chart.spec(form));
    const label = `<svg class="${form}" role="img" aria-label="${escapeHtml(chart.title)}" `;
    drawings.push(new Markup(svg.replace("<svg ", label)));
  }
  return html`<figure id="${chart.name}"><h3>${chart.title}</h3>
<div class="chart">${drawings}</div><figcaption>${chart.caption}</figcaption></figure>`;
}

function row(at: ProfileFigure): Markup {
  const { iops, latency_ns: latency, bytes_per_second: rate } = at;
  const time = (ns: number | undefined) => (ns === undefined ? "-" : formatNs(ns));
  const spread = iops.median > 0 ? ((iops.high - iops.low) / iops.median) * 50 : 0;
  return html`<tr><th scope="row">${at.id}</th><td>${formatCount(iops.median)}</td>
<td>${spread.toFixed(1)}%</td><td>${rate.median > 0 ? formatBandwidth(rate.median) : "-"}</td>
<td>${time(latency.mean.median)}</td><td>${time(latency.p50)}</td><td>${time(latency.p99)}</td><td>${at.samples}</td></tr>`;
}

function table(figures: readonly ProfileFigure[]): Markup {
  const titles = ["IOPS", "spread, +-", "bandwidth", "mean", "p50", "p99", "samples"];
  const head = titles.map((title) => html`<th scope="col">${title}</th>`);
  const groups = Object.entries(words).map(([group, title]) => {
    const own = figures.filter((at) => at.group === group);
    return own.length === 0
      ? nothing
      : html`<tbody><tr><th scope="rowgroup" colspan="8">${title}</th></tr>
${own.map(row)}</tbody>`;
  });
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Table of all figures"><table>
<thead><tr><th scope="col" class="text">Point</th>${head}</tr></thead>
${groups}</table></div>`;
}

/** What the device is, in a few sentences. */
export function portraitText(profile: Profile): string[] {
  const { figures, sustained_write: sustained } = profile;
  const at = (id: string) => figures.find((one) => one.id === id);
  const sentences: string[] = [];
  for (const [share, word] of [
    [0, "read"],
    [1, "write"],
  ] as const) {
    const one = at(`${word}.random.4096.1`);
    const most = kneeOf(figures, share);
    if (one !== undefined && most !== null) {
      sentences.push(
        `A random ${word} of 4 KiB takes ${formatNs(one.latency_ns.mean.median)}; ${formatCount(most.iops.median)} a second are done with ${most.depth} outstanding, ${(most.iops.median / one.iops.median).toFixed(1)} times as many as one by one.`,
      );
    }
  }
  const flush = at("flush.after.1");
  if (flush !== undefined) {
    sentences.push(`A flush after a write takes ${formatNs(flush.latency_ns.mean.median)}.`);
  }
  if (sustained !== null) {
    sentences.push(
      sustained.cliff_after_bytes === null
        ? `Writes in order go on at ${formatBandwidth(sustained.last_bytes_per_second)}, with no cliff within ${formatBytes(sustained.written_bytes)}.`
        : `After ${formatBytes(sustained.cliff_after_bytes)} writes in order fall from ${formatBandwidth(sustained.first_bytes_per_second)} to ${formatBandwidth(sustained.last_bytes_per_second)}.`,
    );
  }
  return [...sentences, ...fitSentences(profile.fit)];
}

/** How near the model that stands for the device comes to what was measured of it. */
function fitSentences(fit: Profile["fit"]): readonly string[] {
  if (fit === undefined) {
    return [];
  }
  const { points, within_10_percent: within, beyond } = fit;
  const off = (ratio: number) => Math.max(ratio, 1 / ratio);
  const worst = [...beyond].sort((a, b) => off(b.ratio) - off(a.ratio)).slice(0, 3);
  const names = worst.map(({ id, ratio }) => `${id} (${ratio.toFixed(2)} times)`);
  return [
    within === points
      ? `The shape in the profile gives all ${points} figures to within 10%.`
      : `The shape in the profile gives ${within} of ${points} figures to within 10%; furthest from what was measured: ${names.join(", ")}.`,
  ];
}

function facts(profile: Profile): Markup {
  const { device, measured } = profile;
  const rows: readonly (readonly [string, string])[] = [
    ["Device", `${device.path}${device.model === null ? "" : ` (${device.model})`}`],
    ["Class", `${profile.class}: ${profile.class_reason}`],
    ["Size", formatBytes(device.size_bytes)],
    ["Measured on", `the first ${formatBytes(measured.region_bytes)}`],
    ["Written", formatBytes(measured.written_bytes)],
    ["Through", `${measured.engine}, in ${measured.clock} time`],
    [
      "Rounds",
      `${measured.rounds}, samples of ${formatNs(measured.sample_ns)}, seed ${measured.seed}`,
    ],
    ["Generator", `${formatNs(measured.host_ns_per_operation)} of its own for each operation`],
    ["When", `${measured.at}${measured.host === null ? "" : ` on ${measured.host}`}`],
    ["Kernel", measured.kernel ?? "-"],
  ];
  return html`<dl class="facts">${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

function configuration(profile: Profile): Markup {
  const lines = configurationLines(profile);
  return lines.length === 0
    ? nothing
    : html`<section><h2>For configurations</h2><pre>${lines.join("\n")}</pre></section>`;
}

/** Lines to be copied: Linux's io.cost and Ceph's capacity. */
export function configurationLines({ linux, ceph }: Profile): string[] {
  const capacity = ceph === undefined || ceph === null ? [] : [ceph.command];
  return linux === null
    ? capacity
    : [
        `echo "${linux.io_cost_model}" > /sys/fs/cgroup/io.cost.model`,
        `echo "${linux.io_cost_qos}" > /sys/fs/cgroup/io.cost.qos`,
        ...capacity,
      ];
}

async function page(profile: Profile, charts: readonly PortraitChart[]): Promise<string> {
  const drawn: Markup[] = [];
  for (const chart of charts) {
    drawn.push(await figure(chart));
  }
  const modelled = profile.measured.clock === "virtual";
  const notes = profile.measured.notes.map((note) => html`<li>${note}</li>`);
  return pageOf({
    title: `${profile.name} - osdyno fingerprint`,
    style: styleSheet(),
    script: "",
    scriptSource: "'none'",
    body: [
      html`<header><h1>Portrait of ${profile.name}${modelled ? html`<span class="badge">modelled</span>` : nothing}</h1></header>
<main><section class="answer" aria-label="In short">${portraitText(profile).map((text) => html`<p>${text}</p>`)}</section>
<ul class="caveats">${notes}</ul>
<section><h2>Charts</h2>${drawn}</section>
<section><h2>All figures</h2><p class="note">Medians over the rounds; spread: half the way from the lowest round to the highest.</p>${table(profile.figures)}</section>
${configuration(profile)}
<section><h2>How it was measured</h2>${facts(profile)}</section></main>
<footer>Made by osdyno from profile.yaml beside it.</footer>`,
    ],
  });
}

/** The whole page, which needs nothing beside it. */
export async function portraitPage(profile: Profile): Promise<string> {
  return await page(profile, portraitCharts(profile));
}

/** Writes `profile.yaml`, `report.html` and `charts/` into a directory, made if need be. */
export async function writePortrait(directory: string, profile: Profile): Promise<void> {
  const folder = join(directory, "charts");
  makeFolders(folder);
  const charts = portraitCharts(profile);
  for (const chart of charts) {
    const svg = await renderSvg(chart.spec("wide"));
    writeWhole(join(folder, `${chart.name}.svg`), svg);
    writeFileSync(join(folder, `${chart.name}.png`), renderPng(svg));
  }
  writeWhole(join(directory, "profile.yaml"), profileYaml(profile));
  writeWhole(join(directory, "report.html"), await page(profile, charts));
  sealRun(directory);
}
