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
import { renderSvg } from "../report/render.ts";
import { runDirectoryName, runsRoot } from "../run-directory.ts";
import { sealName, sealRun } from "../seal.ts";
import { writeWhole } from "../whole-file.ts";

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
  /** Rows of the table, the head first. */
  readonly table: readonly (readonly string[])[];
  /** Further tables, as that one. */
  readonly more?: readonly (readonly (readonly string[])[])[];
  /** How it was measured: a sentence or two. */
  readonly method: string;
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
  const own = ["charts", "report.html", sealName, `bench-${hotPath}.json`];
  const foreign = names.find((name) => !own.includes(name));
  if (foreign !== undefined) {
    throw new OsdynoError(
      "bad-input",
      `--out ${out} holds ${foreign}, which is not of a bench of ${hotPath}; name another directory`,
    );
  }
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function tableOf(table: readonly (readonly string[])[]): string {
  const [head = [], ...rows] = table;
  const cells = (row: readonly string[], tag: string) =>
    `<tr>${row.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("")}</tr>`;
  return `<div class="wide"><table><thead>${cells(head, "th")}</thead><tbody>
${rows.map((row) => cells(row, "td")).join("\n")}
</tbody></table></div>`;
}

function page(options: BenchDirectoryOptions, svgs: readonly string[]): string {
  const { hotPath, charts, table, more = [], method } = options;
  const figures = charts.map(
    ({ title, caption }, index) =>
      `<figure><h2>${escaped(title)}</h2>${svgs[index]}<figcaption>${escaped(caption)}</figcaption></figure>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>osdyno bench ${escaped(hotPath)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{font:16px/1.5 "DejaVu Sans",sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
svg{max-width:100%;height:auto}figure{margin:2rem 0}table{border-collapse:collapse;font-size:.85rem}
th,td{padding:.2rem .6rem;border-bottom:1px solid #d9d9d9;text-align:right}
th:first-child,td:first-child{text-align:left}.wide{overflow-x:auto}</style></head>
<body><h1>osdyno bench ${escaped(hotPath)}</h1><p>${escaped(method)}</p>
${figures.join("\n")}
${[table, ...more].map(tableOf).join("\n")}</body></html>
`;
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
  writeWhole(join(directory, `${label}.json`), `${JSON.stringify(whole, null, 2)}\n`);
  const svgs: string[] = [];
  for (const { name, spec } of charts) {
    const svg = await renderSvg(spec);
    svgs.push(svg);
    writeWhole(join(directory, "charts", `${name}.svg`), svg);
  }
  writeWhole(join(directory, "report.html"), page(options, svgs));
  sealRun(directory);
  return directory;
}
