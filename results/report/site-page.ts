/** The page of one directory for a site, whatever it holds, and what the list says of it. */
import { basename, join, resolve } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { fileExists } from "../files.ts";
import { portraitPage, portraitText } from "../fingerprint/portrait.ts";
import { type Profile, readProfile } from "../fingerprint/profile.ts";
import { testTitle } from "../snia/head.ts";
import { holdsSnia, loadSnia, type SniaModel } from "../snia/load.ts";
import { renderSniaHtml } from "../snia/report-html.ts";
import { verdictLines } from "../snia/tables.ts";
import { renderTuneHtml } from "../tune/report/html.ts";
import { isTuneDirectory, loadTuneReport } from "../tune/report/load.ts";
import { renderHtml } from "./html.ts";
import { type KeptPage, keptPage } from "./kept-page.ts";
import { loadReport } from "./load.ts";
import type { ReportModel } from "./model.ts";

/** What the list says of a report. */
export interface SiteFacts {
  /** The directory's own name. */
  readonly source: string;
  readonly started: string;
  readonly name: string;
  readonly question: string | null;
  readonly kind: ReportModel["kind"];
  /** What it is, where its kind does not say it: `SNIA PTS latency test, 46 runs, not conformant`. */
  readonly what?: string;
  readonly runs: number;
  readonly target: string;
  readonly answer: string;
  readonly state: ReportModel["state"];
  readonly warnings: number;
}

export interface SitePage {
  readonly facts: SiteFacts;
  readonly page: () => Promise<string>;
  /** Its figures are those of repeated runs, which a history compares. */
  readonly comparable: boolean;
}

export const profileName = "profile.yaml";

function runsText(count: number): string {
  return `${count} ${count === 1 ? "run" : "runs"}`;
}

function factsOf(model: ReportModel): SiteFacts {
  const { source, started, name, question, kind, target, state, answer, caveats, runs } = model;
  return {
    ...{ source, started, name, question, kind, target, state, runs: runs.length },
    ...(model.loadCurve === undefined ? {} : { what: `response curve, ${runsText(runs.length)}` }),
    answer: answer[0] ?? "",
    warnings: caveats.filter((caveat) => caveat.weight === "serious").length,
  };
}

function sniaFacts(model: SniaModel): SiteFacts {
  const { name, question, state, started, source, snia } = model;
  const stamp = snia.deviations.length === 0 ? "" : ", NOT CONFORMANT";
  const title = testTitle(snia.test);
  return {
    ...{ source, started, name, state, kind: "sweep", target: snia.target, warnings: 0 },
    question: question === "" ? null : question,
    what: `SNIA PTS ${snia.edition} ${title}, ${runsText(snia.runs.length)}${stamp}`,
    runs: snia.runs.length,
    answer: verdictLines(model).join(" "),
  };
}

function profileFacts(dir: string, profile: Profile): SiteFacts {
  const { name, device, measured } = profile;
  const [answer = ""] = portraitText(profile);
  const modelled = measured.clock === "virtual" ? ", modelled" : "";
  return {
    ...{ source: basename(resolve(dir)), started: measured.at, name, answer, state: "complete" },
    ...{ kind: "run", runs: 1, target: device.path, question: null, warnings: 0 },
    what: `fingerprint of a device${modelled}`,
  };
}

/** The page as it was kept; its figures are in no run that a history could read. */
function keptOf(kept: KeptPage): SitePage {
  const { html, tuning, ...facts } = kept;
  const what = `${tuning ? "tuning" : "sweep"}, ${runsText(kept.runs)}; the page as it was kept, its runs are not there`;
  return { facts: { ...facts, kind: "sweep", what }, page: async () => html, comparable: false };
}

/** @throws OsdynoError `bad-input` when `dir` holds nothing that can be shown */
export function sitePageOf(dir: string): SitePage {
  try {
    return drawnPageOf(dir);
  } catch (error) {
    const kept = error instanceof OsdynoError && error.code === "bad-input" ? keptPage(dir) : null;
    if (kept === null) {
      throw error;
    }
    return keptOf(kept);
  }
}

function drawnPageOf(dir: string): SitePage {
  if (holdsSnia(dir)) {
    const model = loadSnia(dir);
    return { facts: sniaFacts(model), page: () => renderSniaHtml(model), comparable: false };
  }
  if (isTuneDirectory(dir)) {
    const tuning = loadTuneReport(dir);
    const facts = factsOf(tuning.runs);
    const what = `tuning, ${runsText(facts.runs)}`;
    return { facts: { ...facts, what }, page: () => renderTuneHtml(tuning), comparable: false };
  }
  if (!fileExists(join(dir, "sweep.json")) && fileExists(join(dir, profileName))) {
    const profile = readProfile(join(dir, profileName));
    const facts = profileFacts(dir, profile);
    return { facts, page: () => portraitPage(profile), comparable: false };
  }
  const model = loadReport(dir);
  return { facts: factsOf(model), page: () => renderHtml(model), comparable: true };
}
