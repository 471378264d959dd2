/**
 * Checks a page against the results by drawing it again: every text of it, those of its charts among them, and
 * the lines of the charts. The same results give the same bytes, so that nothing else can be changed unseen.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import { fileExists } from "./files.ts";
import { unescapeHtml } from "./report/html-markup.ts";
import { renamedDrawing } from "./report/write.ts";
import type { Verification } from "./verify.ts";
import { Ledger } from "./verify-ledger.ts";

const pageName = "report.html";
/** More of one kind are the same difference again. */
const mostTold = 5;

interface Page {
  /** What a reader sees or hears, in order. */
  readonly texts: readonly string[];
  /** By chart: its drawing without texts. */
  readonly charts: ReadonlyMap<string, string>;
  readonly script: string;
  readonly style: string;
}

const between = (page: string, pattern: RegExp) => pattern.exec(page)?.[1] ?? "";

function partsOf(page: string): Page {
  const body = page
    .replace(/<style>[\s\S]*?<\/style>/, "")
    .replace(/<script[^>]*>[\s\S]*?<\/script>/g, "")
    .replace(/ href="data:[^"]*"/g, "");
  const charts = [...body.matchAll(/<figure id="([^"]*)">([\s\S]*?)<\/figure>/g)];
  return {
    texts: [...body.matchAll(/>([^<]+)|(?:aria-label|title|data-[a-z]+)="([^"]*)"/g)]
      .map(([, text = "", label = ""]) =>
        (text === "" ? label : text).replaceAll(/\s+/g, " ").trim(),
      )
      .filter((text) => text !== ""),
    charts: new Map(
      charts.map(([, name = "", drawing = ""]) => [name, drawing.replaceAll(/>[^<]+</g, "><")]),
    ),
    script: [...page.matchAll(/<script[^>]*>[\s\S]*?<\/script>/g)].join("\n"),
    style: between(page, /<style>([\s\S]*?)<\/style>/),
  };
}

/** Texts of one page that the other has less often. */
function surplus(of: readonly string[], over: readonly string[]): readonly string[] {
  const left = new Map<string, number>();
  for (const text of over) {
    left.set(text, (left.get(text) ?? 0) + 1);
  }
  return of.filter((text) => {
    const count = left.get(text) ?? 0;
    left.set(text, count - 1);
    return count <= 0;
  });
}

function checkTexts(published: readonly string[], drawn: readonly string[], ledger: Ledger): void {
  ledger.numbers += drawn.filter((text) => /\d/.test(text)).length;
  const told: string[] = [];
  if (published.length === drawn.length) {
    for (const [place, text] of drawn.entries()) {
      if (published[place] !== text) {
        told.push(`${pageName}: published '${published[place]}', the results give '${text}'`);
      }
    }
  } else {
    const more = surplus(published, drawn).map((text) => `'${text}' is not of these results`);
    const fewer = surplus(drawn, published).map((text) => `'${text}' of the results is not in it`);
    told.push(...[...more, ...fewer].map((line) => `${pageName}: ${line}`));
  }
  ledger.disagreements.push(...told.slice(0, mostTold));
  if (told.length > mostTold) {
    ledger.disagreements.push(`${pageName}: ${told.length - mostTold} more texts differ`);
  }
}

function checkPage(published: string, drawn: string, ledger: Ledger): void {
  const [theirs, ours] = [partsOf(published), partsOf(drawn)];
  checkTexts(theirs.texts, ours.texts, ledger);
  for (const name of new Set([...theirs.charts.keys(), ...ours.charts.keys()])) {
    if (theirs.charts.get(name) !== ours.charts.get(name)) {
      ledger.disagreements.push(
        `${pageName}: the chart ${name} is not drawn as the results give it`,
      );
    }
  }
  if (theirs.script !== ours.script) {
    const what = "its script is not the one of this version: what it shows cannot be known";
    ledger.disagreements.push(`${pageName}: ${what}`);
  }
  if (theirs.style !== ours.style) {
    ledger.notes.push(`${pageName}: its style is not the one of this version`);
  }
  if (ledger.disagreements.length > 0) {
    ledger.notes.push(
      `${pageName}: a page that another version drew differs as well; osdyno report DIR draws it again`,
    );
  }
}

/** The page of a directory of results; null when there is none. */
async function verifyPage(directory: string): Promise<Verification | null> {
  const file = join(directory, pageName);
  if (!fileExists(file)) {
    return null;
  }
  const ledger = new Ledger();
  const published = readFileSync(file, "utf8");
  try {
    // Where a run has no label, its page bears the name that its directory had.
    const name = unescapeHtml(between(published, /<h1>([^<]*)/));
    const drawn = await renamedDrawing(directory, name).html();
    if (drawn === published) {
      ledger.numbers += partsOf(drawn).texts.filter((text) => /\d/.test(text)).length;
    } else {
      checkPage(published, drawn, ledger);
    }
  } catch (error) {
    if (!(error instanceof OsdynoError)) {
      throw error;
    }
    ledger.notes.push(`${pageName}: not checked, it cannot be drawn again: ${error.line}`);
  }
  return {
    directory: file,
    state: "complete",
    filesChecked: 1,
    numbersChecked: ledger.numbers,
    disagreements: ledger.disagreements,
    notes: ledger.notes,
  };
}

/** The pages of a directory, and of the confirmation of a tuning. */
export async function verifyPages(directory: string): Promise<readonly Verification[]> {
  const found: Verification[] = [];
  for (const place of [directory, join(directory, "confirm")]) {
    const page = await verifyPage(place);
    found.push(...(page === null ? [] : [page]));
  }
  return found;
}
