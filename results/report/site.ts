/** A folder that can be published: a page that lists many reports, and a copy of each. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { fileExists } from "../files.ts";
import { historyOf } from "../history/history.ts";
import { type HistoryItem, readItems } from "../history/items.ts";
import { renderHistoryHtml } from "../history/page.ts";
import { historyMetrics } from "../history/write.ts";
import { html, type Markup, nothing, pageOf } from "./html-markup.ts";
import { styleSheet } from "./html-style.ts";
import { moduleText, scriptHash } from "./page-script.ts";
import { profileName, type SiteFacts, sitePageOf } from "./site-page.ts";
import { writeAside } from "./write.ts";

const schema = "osdyno-site-1";
/** What the page is made of; a later call adds to it without the old directories. */
const listName = "reports.json";
const folder = "reports";
const historyName = "history.html";

interface SiteEntry extends SiteFacts {
  /** Relative to the page. */
  readonly href: string;
  /** Its figures, for the history of all; absent in what older versions wrote. */
  readonly items?: readonly HistoryItem[];
}

export interface WrittenSite {
  /** Path of the page. */
  readonly index: string;
  readonly added: number;
  readonly total: number;
  /** Directories below a given one that hold results which cannot be read, with the reason. */
  readonly skipped: readonly { readonly dir: string; readonly why: string }[];
}

/**
 * Draws the report of each directory into `out` and lists all that are there, newest first. A directory
 * that holds no results itself stands for those directly below it that do.
 * @throws OsdynoError `bad-input` when a directory holds none, or `out` holds something else; `io`
 */
export async function writeSite(dirs: readonly string[], out: string): Promise<WrittenSite> {
  const before = readList(out);
  const entries = new Map(before.map((entry) => [entry.href, entry]));
  const skipped: { dir: string; why: string }[] = [];
  let added = 0;
  for (const { dir, given } of dirs.flatMap(expand)) {
    try {
      const { facts, page, comparable } = sitePageOf(dir);
      const href = freeHref(facts, entries);
      writeAside(join(out, href), await page());
      const items = comparable ? readItems([dir], historyMetrics).items.map(lean) : [];
      entries.set(href, { href, ...facts, items });
      added += 1;
    } catch (error) {
      if (given || !(error instanceof OsdynoError) || error.code !== "bad-input") {
        throw error;
      }
      skipped.push({ dir, why: error.message });
    }
  }
  const list = [...entries.values()].sort(
    (a, b) => b.started.localeCompare(a.started) || a.href.localeCompare(b.href),
  );
  writeAside(join(out, listName), `${JSON.stringify({ schema, reports: list }, null, 1)}\n`);
  const withHistory = await writeHistory(list, join(out, historyName));
  const index = join(out, "index.html");
  writeAside(index, renderIndex(list, withHistory));
  return { index, added, total: list.length, skipped };
}

/** Of the machine, what is asked for where figures changed. */
const lastingFacts = ["cpu", "kernel", "versions", "os"];

function lean(item: HistoryItem): HistoryItem {
  const facts = Object.entries(item.environment).filter(([name]) => lastingFacts.includes(name));
  const job = createHash("sha256").update(item.job).digest("hex").slice(0, 16);
  return { ...item, job, environment: Object.fromEntries(facts) };
}

/** Levels and changes of what was measured more than once; answers whether there is such a page. */
async function writeHistory(list: readonly SiteEntry[], file: string): Promise<boolean> {
  const model = historyOf(
    list.flatMap((entry) => entry.items ?? []),
    historyMetrics,
  );
  if (model.lines.length === 0) {
    rmSync(file, { force: true });
    return false;
  }
  writeAside(file, await renderHistoryHtml(model));
  return true;
}

/** What an earlier call wrote, without the reports that were deleted since. */
function readList(out: string): readonly SiteEntry[] {
  if (existsSync(out) && !statSync(out).isDirectory()) {
    throw new OsdynoError("bad-input", `--site ${out}: it is a file; a site needs a directory`);
  }
  const file = join(out, listName);
  if (!existsSync(file)) {
    if (existsSync(join(out, "index.html"))) {
      const message = `--site ${out}: its index.html is not ours; name a new directory`;
      throw new OsdynoError("bad-input", message);
    }
    return [];
  }
  let read: unknown;
  try {
    read = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new OsdynoError("bad-input", "is not JSON; remove it to begin anew", { file }, error);
  }
  const { schema: found, reports } = (read ?? {}) as { schema?: unknown; reports?: unknown };
  if (found !== schema || !Array.isArray(reports)) {
    throw new OsdynoError("bad-input", "is not a list of ours; name a new directory", { file });
  }
  return (reports as readonly SiteEntry[]).filter((entry) => existsSync(join(out, entry.href)));
}

const resultFiles = ["run.json", "sweep.json", "tune.json", join("1", "run.json"), profileName];

function holdsResults(dir: string): boolean {
  return resultFiles.some((name) => fileExists(join(dir, name)));
}

interface Found {
  readonly dir: string;
  /** Named by the user, so that a failure is an error and not a note. */
  readonly given: boolean;
}

function expand(dir: string): readonly Found[] {
  if (holdsResults(dir) || !existsSync(dir) || !statSync(dir).isDirectory()) {
    return [{ dir, given: true }];
  }
  const below = readdirSync(dir)
    .map((name) => join(dir, name))
    .filter(holdsResults)
    .sort();
  return below.length === 0
    ? [{ dir, given: true }]
    : below.map((one) => ({ dir: one, given: false }));
}

/** The name of the directory; another report of that name gets a number. */
function freeHref(facts: SiteFacts, entries: ReadonlyMap<string, SiteEntry>): string {
  const name =
    basename(facts.source)
      .replace(/[^\w.-]+/g, "_")
      .replace(/^\.+/, "") || "report";
  for (let number = 1; ; number += 1) {
    const href = `${folder}/${name}${number === 1 ? "" : `-${number}`}.html`;
    const there = entries.get(href);
    if (there === undefined || (there.started === facts.started && there.source === facts.source)) {
      return href;
    }
  }
}

function renderIndex(list: readonly SiteEntry[], withHistory: boolean): string {
  const script = moduleText("site");
  const heads = ["Started (UTC)", "Report", "Target", "Answer", "State"].map((title, index) => {
    const order = index === 0 ? "descending" : "none";
    return html`<th scope="col" class="text" aria-sort="${order}">${title}</th>`;
  });
  const count = `${list.length} ${list.length === 1 ? "report" : "reports"}`;
  const link = withHistory
    ? html`<p><a href="${historyName}">What was measured more than once: levels and changes</a></p>`
    : nothing;
  const body = html`<header><h1>Reports</h1>
<p class="meta">${count} made by osdyno, newest first.</p>${link}</header>
<main>
<h2 class="hidden">All reports</h2>
<table class="site">
<caption class="hidden">Reports with their answers</caption>
<thead><tr>${heads}</tr></thead>
<tbody>
${list.map(rowOf)}
</tbody></table>
</main>
<footer>Each report is one file that needs nothing beside it.</footer>`;
  return pageOf({
    title: "osdyno reports",
    style: styleSheet(),
    script,
    scriptSource: scriptHash(script),
    body: [body],
  });
}

function rowOf(entry: SiteEntry): Markup {
  const started = entry.started.replace("T", " ").replace(/(:\d\d)?(\.\d+)?Z$/, "");
  const usual = {
    sweep: `sweep, ${entry.runs} runs`,
    repeat: `${entry.runs} repeats`,
    run: "one run",
  }[entry.kind];
  const what = entry.what ?? usual;
  const question = entry.question === null ? nothing : html`<small>${entry.question}</small>`;
  const warnings = `${entry.warnings} ${entry.warnings === 1 ? "warning" : "warnings"}`;
  const state =
    entry.warnings === 0 ? html`${entry.state}` : html`${entry.state}<small>${warnings}</small>`;
  return html`<tr><td class="text" data-key="${entry.started}"><time datetime="${entry.started}">${started}</time></td>
<th scope="row"><a href="${encodeURI(entry.href)}">${entry.name}</a><small>${what}</small>${question}</th>
<td class="text target">${entry.target}</td><td class="text">${entry.answer}</td>
<td class="text">${state}</td></tr>`;
}
