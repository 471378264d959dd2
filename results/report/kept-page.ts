/**
 * A report whose runs are gone, or were never published beside it: the page that was kept is all that can be
 * shown, and what a list says of it is read from that page and from the record beside it.
 */
import { readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileExists } from "../files.ts";
import type { SweepRecord } from "../sweep-record.ts";
import type { TuneRecord } from "../tune/tune-record.ts";
import { unescapeHtml } from "./html-markup.ts";

const pageName = "report.html";

/** A page of ours with what its head says. */
export interface KeptPage {
  readonly html: string;
  readonly source: string;
  readonly name: string;
  readonly question: string | null;
  readonly state: "complete" | "partial";
  readonly tuning: boolean;
  readonly runs: number;
  readonly started: string;
  readonly target: string;
  /** The first sentence. */
  readonly answer: string;
  readonly warnings: number;
}

const plain = (markup: string) => unescapeHtml(markup.replace(/<[^>]*>/g, ""));

function recordOf<T>(file: string): T | null {
  try {
    return fileExists(file) ? (JSON.parse(readFileSync(file, "utf8")) as T) : null;
  } catch {
    return null;
  }
}

/** Null where there is no page, or none that osdyno drew of the record beside it. */
export function keptPage(dir: string): KeptPage | null {
  const file = join(dir, pageName);
  const tune = recordOf<TuneRecord>(join(dir, "tune.json"));
  const record = tune ?? recordOf<SweepRecord>(join(dir, "sweep.json"));
  if (record === null || !fileExists(file)) {
    return null;
  }
  const html = readFileSync(file, "utf8");
  const title = /<h1>([^<]*)/.exec(html)?.[1];
  const meta = /<p class="meta">(.*?)<\/p>/s.exec(html)?.[1] ?? "";
  const [, day, time] = /started (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? UTC/.exec(meta) ?? [];
  const answer = /<section class="answer"[^>]*>\s*<p>(.*?)<\/p>/s.exec(html)?.[1];
  const runs = Number(/(\d+) runs/.exec(meta)?.[1] ?? (/\bone run\b/.test(meta) ? 1 : Number.NaN));
  const ours = title !== undefined && plain(title) === record.name;
  if (!ours || day === undefined || answer === undefined || !Number.isInteger(runs)) {
    return null;
  }
  return {
    html,
    source: basename(resolve(dir)),
    name: record.name,
    question: record.question ?? null,
    state: record.state === "partial" ? "partial" : "complete",
    tuning: tune !== null,
    runs,
    started: `${day}T${time}Z`,
    target: plain(/; target (.*)$/s.exec(meta)?.[1] ?? ""),
    answer: plain(answer),
    warnings: html.match(/<li class="serious">/g)?.length ?? 0,
  };
}
