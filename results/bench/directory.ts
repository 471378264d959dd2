/**
 * The directory of a bench: `bench-HOTPATH.json` with the machine, the charts, a page of its own, and
 * `verify.json` with the hash of each file.
 */
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { TopLevelSpec } from "vega-lite";
import { OsdynoError } from "../../engine/base/error.ts";
import { collectEnvironment } from "../environment.ts";
import { makeFolders } from "../make-folders.ts";
import { html, Markup, pageOf } from "../report/html-markup.ts";
import { styleSheet } from "../report/html-style.ts";
import { renderInline, renderSvg } from "../report/render.ts";
import { runDirectoryName, runsRoot } from "../run-directory.ts";
import { sealName, sealRun } from "../seal.ts";
import { writeWhole } from "../whole-file.ts";
import { type BenchTable, benchText } from "./bench-text.ts";

export interface BenchChart {
  /** File name without `.svg`. */
  readonly name: string;
  readonly title: string;
  readonly caption: string;
  readonly spec: TopLevelSpec;
}

export interface BenchDirectoryOptions {
  /** This very directory, new, empty or of an earlier bench; else one is made under `results/runs`. */
  readonly out: string | undefined;
  readonly hotPath: string;
  readonly startedEpochMs: number;
  readonly document: object;
  readonly charts: readonly BenchChart[];
}

/** Name of the document in its directory. */
export function benchFile(hotPath: string): string {
  return `bench-${hotPath}.json`;
}

/** Refuses a directory that holds anything but an earlier bench of this hot path. */
export function checkBenchOut(out: string, hotPath: string): void {
  let names: string[];
  try {
    names = readdirSync(out);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return;
    }
    throw new OsdynoError("bad-input", `--out ${out} is not a directory; name another`);
  }
  const own = ["charts", "report.html", sealName, benchFile(hotPath)];
  const foreign = names.find((name) => !own.includes(name));
  if (foreign !== undefined) {
    throw new OsdynoError(
      "bad-input",
      `--out ${out} holds ${foreign}, which is not of a bench of ${hotPath}; name another directory`,
    );
  }
}

/** A table of the page; what is checked against the document is this very text. */
export function tableMarkup([head = [], ...rows]: BenchTable): Markup {
  const [first = "", ...others] = head;
  const heads = [
    html`<th scope="col" class="text">${first}</th>`,
    ...others.map((cell) => html`<th scope="col">${cell}</th>`),
  ];
  const lines = rows.map(([name = "", ...cells]) => {
    const rest = cells.map((cell) => html`<td>${cell}</td>`);
    return html`<tr><th scope="row">${name}</th>${rest}</tr>`;
  });
  return html`<div class="scroll"><table><thead><tr>${heads}</tr></thead>
<tbody>${lines}</tbody></table></div>`;
}

function page(
  { hotPath, document, charts }: BenchDirectoryOptions,
  svgs: readonly string[],
): string {
  const { tables, method, notes } = benchText(hotPath, document);
  const figures = charts.map(
    ({ title, caption }, index) => html`<figure><h2>${title}</h2>
<div class="chart">${new Markup(svgs[index] ?? "")}</div><figcaption>${caption}</figcaption></figure>`,
  );
  const list = notes.map((note) => html`<li>${note}</li>`);
  return pageOf({
    title: `osdyno bench ${hotPath}`,
    style: styleSheet(),
    script: "",
    scriptSource: "'none'",
    body: [
      html`<header><h1>osdyno bench ${hotPath}</h1>
<p class="meta">${method}</p>
<ul>${list}</ul></header>
<main>
${figures}
${tables.map(tableMarkup)}
</main>`,
    ],
  });
}

/** Writes all of it; returns the directory. */
export async function writeBenchDirectory(options: BenchDirectoryOptions): Promise<string> {
  const { out, hotPath, startedEpochMs, document, charts } = options;
  const label = `bench-${hotPath}`;
  const directory = resolve(out ?? join(runsRoot, runDirectoryName(startedEpochMs, label)));
  makeFolders(join(directory, "charts"));
  const environment = await collectEnvironment([]);
  const started = new Date(startedEpochMs).toISOString();
  const whole = { ...document, started, environment };
  writeWhole(join(directory, benchFile(hotPath)), `${JSON.stringify(whole, null, 2)}\n`);
  const svgs: string[] = [];
  for (const { name, spec } of charts) {
    svgs.push(await renderInline(spec));
    writeWhole(join(directory, "charts", `${name}.svg`), await renderSvg(spec));
  }
  writeWhole(join(directory, "report.html"), page(options, svgs));
  sealRun(directory);
  return directory;
}
