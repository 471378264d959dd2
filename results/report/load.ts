/** Reads a results directory (one run, its repeats, or a sweep) into a report model. */

import { basename, join, resolve } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { fileExists, listFolder } from "../files.ts";
import { percentileKey } from "../histogram.ts";
import type { LoadCurve } from "../load-curve/curve.ts";
import { curveSentences } from "../load-curve/curve-text.ts";
import { metric } from "../metrics.ts";
import { othersNotes } from "../others.ts";
import type { JobRecord, RunRecord } from "../run-record.ts";
import { medianInterval } from "../stats/order-statistics.ts";
import { sidesOf } from "../stats/verdict.ts";
import { comparedNotes } from "../sweep/compared-notes.ts";
import { usualMargin } from "../sweep/judge.ts";
import type { SweepComparison, SweepRecord } from "../sweep-record.ts";
import { answerOf } from "./answer.ts";
import { timesAtKept } from "./answer-growth.ts";
import { askedOf } from "./asked.ts";
import { findCaveats } from "./caveats.ts";
import { deviceFacts } from "./device-facts.ts";
import { enduranceFacts, enduranceOf } from "./endurance-facts.ts";
import { type LoadedPoint, makeEntries } from "./entries.ts";
import { changedFacts, factGroups, optionGroups } from "./environment.ts";
import { jobSettings } from "./job-settings.ts";
import { methodOf } from "./method.ts";
import type { Entry, ReportModel, RunSummary } from "./model.ts";
import { noiseOf } from "./noise.ts";
import { markVolatile, persistenceMethod, volatilePoints } from "./not-persistent.ts";
import { type RunFiles, readJson, readRun } from "./run-files.ts";
import { shareLinesOf } from "./share-lines.ts";
import { stageEntriesOf } from "./stage-entries.ts";
import { neverSteady } from "./steady.ts";
import { threadSentences } from "./threads.ts";
import { timeLinesOf } from "./time-lines.ts";
import { formatNs } from "./units.ts";

interface FoundRun {
  /** Relative to the directory reported; `.` for the directory itself. */
  readonly path: string;
  readonly repeat: number;
  readonly files: RunFiles;
}

interface FoundPoint {
  readonly id: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly runs: readonly FoundRun[];
}

/** Runs that sweep.json names and that are not there or not readable, with the reason. */
interface Found {
  readonly points: readonly FoundPoint[];
  readonly lost: readonly string[];
}

/**
 * Reads `dir`: a run directory (run.json), a repeat directory (1/ 2/ ...) or a sweep directory
 * (sweep.json). @throws OsdynoError `bad-input` when it is none of them or holds no readable run.
 */
export function loadReport(dir: string): ReportModel {
  if (fileExists(join(dir, "sweep.json"))) {
    return loadSweep(dir);
  }
  if (fileExists(join(dir, "run.json"))) {
    const run = { path: ".", repeat: 1, files: readRun(dir) };
    return modelOf("run", dir, null, [{ id: "run", parameters: {}, runs: [run] }], []);
  }
  const repeats = fileExists(dir)
    ? listFolder(dir)
        .filter((name) => /^\d+$/.test(name) && fileExists(join(dir, name, "run.json")))
        .sort((a, b) => Number(a) - Number(b))
    : [];
  if (repeats.length === 0) {
    throw new OsdynoError(
      "bad-input",
      "holds no run.json, no sweep.json and no repeats 1/ 2/ ...; give a directory that run or sweep made",
      { file: dir },
    );
  }
  const runs = repeats.map((name, index) => {
    return { path: name, repeat: index + 1, files: readRun(join(dir, name)) };
  });
  return modelOf("repeat", dir, null, [{ id: "run", parameters: {}, runs }], []);
}

function loadSweep(dir: string): ReportModel {
  const file = join(dir, "sweep.json");
  const sweep = readJson(file) as SweepRecord;
  if (!Array.isArray(sweep?.points)) {
    throw new OsdynoError("bad-input", "has no `points`; it is not a sweep.json of osdyno", {
      file,
    });
  }
  const { points, lost } = findPoints(dir, sweep);
  if (points.length === 0) {
    throw new OsdynoError("bad-input", "names no run that is there yet; finish a point first", {
      file,
    });
  }
  return modelOf("sweep", dir, sweep, points, lost);
}

function findPoints(dir: string, sweep: SweepRecord): Found {
  const points: FoundPoint[] = [];
  const lost: string[] = [];
  for (const point of sweep.points) {
    const runs: FoundRun[] = [];
    point.runs.forEach((path, index) => {
      if (fileExists(join(dir, path, "run.json"))) {
        runs.push({ path, repeat: index + 1, files: readRun(join(dir, path)) });
      } else {
        lost.push(`${path}/run.json`);
      }
    });
    if (runs.length > 0) {
      points.push({ id: point.id, parameters: point.parameters, runs });
    }
  }
  return { points, lost };
}

/** Shapes that runs were made on, as their chains name them. */
function shapesOf(found: readonly FoundRun[]): readonly string[] {
  const layers = found.flatMap((run) => run.files.record.chain ?? []);
  const shapes = layers.filter((layer) => layer.startsWith("shape "));
  return [...new Set(shapes.map((layer) => layer.slice("shape ".length)))];
}

function modelOf(
  kind: ReportModel["kind"],
  dir: string,
  sweep: SweepRecord | null,
  points: readonly FoundPoint[],
  lost: readonly string[],
): ReportModel {
  const found = points.flatMap((point) => point.runs);
  const first = found[0]?.files.record;
  if (first === undefined) {
    throw new OsdynoError("bad-input", "holds no run", { file: dir });
  }
  const loaded: readonly LoadedPoint[] = points.map((point) => ({
    id: point.id,
    parameters: point.parameters,
    runs: point.runs.map((run) => run.files),
  }));
  const volatile = volatilePoints(
    loaded.map(({ id, runs: own }) => ({ id, records: own.map(({ record }) => record) })),
  );
  const made = makeEntries(loaded, kind === "sweep", sweep?.metrics ?? []);
  const placed = markVolatile(made, volatile);
  const entries = placed.map((one) => one.entry);
  const runs = points.flatMap((point) => point.runs.map((run) => summaryOf(point.id, run)));
  const timeLines = timeLinesOf(placed, points, kind === "sweep");
  const metrics = sweep?.metrics?.length ? sweep.metrics : ["iops", "response.p99"];
  const preview = sweep?.preview ?? false;
  const state = stateOf(sweep, runs);
  const reason = sweep?.reason ?? runs.find((run) => run.reason !== null)?.reason ?? null;
  const comparisons = withMedians(sweep?.comparisons ?? [], points);
  const missing = [...lost, ...missingOf(found)];
  const targets = found.map((run) => run.files.record.target);
  const words = sweep?.command ?? first.command ?? [];
  const looks = sweep?.looks ?? [];
  const minEffect = sweep?.min_effect ?? usualMargin;
  const seed = sweep?.seed ?? first.seed;
  const endurance = enduranceOf(found.map((run) => run.files.record));
  return {
    schema: "osdyno-report-1",
    kind,
    name: sweep?.name ?? (first.label || basename(resolve(dir))),
    question: sweep === null ? askedOf(first, entries) : (sweep.question ?? null),
    preview,
    state,
    reason,
    metrics,
    parameters: sweep?.parameters ?? {},
    started: [...runs].map((run) => run.started).sort()[0] ?? "",
    seconds: runs.reduce((sum, run) => sum + run.seconds, 0),
    source: basename(resolve(dir)),
    target: [...new Set(targets)].join(", "),
    chain: first.chain ?? [],
    seed,
    entries,
    comparisons,
    ...(sweep?.steps === undefined ? {} : { steps: sweep.steps }),
    minEffect,
    requirements: sweep?.requirements ?? [],
    distributions: sweep?.distributions ?? [],
    runs,
    timeLines,
    heatMaps: placed.flatMap((one) => one.heatMaps),
    shares: shareLinesOf(points),
    stages: stageEntriesOf(placed, points),
    layerTax: sweep?.layer_tax ?? [],
    devices: [
      ...deviceFacts(first.environment, [...new Set(targets)]),
      ...enduranceFacts(endurance.endurance),
    ],
    ...endurance,
    settings: jobSettings(found.map((run) => run.files.record)),
    environment: [
      ...optionGroups(found.map((run) => run.files.record.options)),
      ...factGroups(first.environment),
    ],
    command: commandText(words),
    repeatCommand: commandText(repeatWords(words, sweep === null ? first.seed : sweep.seed)),
    jobText: [...new Set(found.map((run) => run.files.record.job?.text ?? ""))]
      .slice(0, 1)
      .join(""),
    noise: noiseOf(entries, metrics),
    method: [
      ...methodOf({ kind, entries, runs, seed, comparisons, metrics, preview, minEffect }, looks),
      ...persistenceMethod(volatile),
      ...threadSentences(found.map((run) => run.files.record)),
    ],
    caveats: findCaveats({
      state,
      reason,
      preview,
      runs,
      entries,
      timeLines,
      missing,
      unsteady: found.filter((run) => neverSteady(run.files.record)).map((run) => run.path),
      changedFacts: changesOf(sweep, points),
      shapes: shapesOf(found),
      inMemory: { points: volatile, pointCount: points.length },
      notes: sweep === null ? [] : [...(sweep.notes ?? []), ...comparedNotes(sweep)],
    }),
    ...(sweep?.load_curve === undefined ? {} : { loadCurve: sweep.load_curve }),
    answer:
      sweep?.load_curve === undefined
        ? answerOf({
            ...{ state, preview, metrics, entries, comparisons, minEffect, timeLines },
            pick: sweep?.pick ?? null,
            baseline: sweep?.baseline ?? null,
            asks: sweep?.asks ?? "choice",
            ...(sweep?.steps === undefined ? {} : { steps: sweep.steps }),
            requirements: sweep?.requirements ?? [],
            runs,
            layerTax: sweep?.layer_tax ?? [],
          })
        : curveAnswer(sweep.load_curve, state, entries),
  };
}

/** Records of older versions do not hold the medians of what was compared. */
function withMedians(
  comparisons: readonly SweepComparison[],
  points: readonly FoundPoint[],
): readonly SweepComparison[] {
  const figures = (id: string, name: string) =>
    (points.find((point) => point.id === id)?.runs ?? []).map((run) =>
      metric(run.files.record, name),
    );
  return comparisons.map((each) => {
    if (each.base_median !== undefined) {
      return each;
    }
    const ours = figures(each.base, each.metric);
    const sides = sidesOf(ours, figures(each.candidate, each.metric), true);
    const { base, candidate } = sides;
    return base.length === 0
      ? each
      : {
          ...each,
          base_median: medianInterval(base).median,
          candidate_median: medianInterval(candidate).median,
        };
  });
}

/** What a response curve says, of all its operations and of each direction. */
function curveAnswer(
  curve: LoadCurve,
  state: "complete" | "partial",
  entries: readonly Entry[],
): readonly string[] {
  const [first = "", ...rest] = curveSentences(curve, formatNs);
  const label = state === "partial" ? "Partial results: " : "";
  return [`${label}${first}`, ...rest, ...timesAtKept(curve, entries)];
}

/** Where knobs of the host were turned, only runs of one point should have found the same machine. */
function changesOf(sweep: SweepRecord | null, points: readonly FoundPoint[]): readonly string[] {
  const of = (some: readonly FoundPoint[]) =>
    changedFacts(some.flatMap(({ runs }) => runs.map((run) => run.files.record.environment)));
  return sweep?.host_before === undefined
    ? of(points)
    : [...new Set(points.flatMap((point) => of([point])))];
}

function stateOf(sweep: SweepRecord | null, runs: readonly RunSummary[]): "complete" | "partial" {
  const whole = runs.every((run) => run.state === "complete");
  return whole && (sweep === null || sweep.state === "complete") ? "complete" : "partial";
}

function missingOf(found: readonly FoundRun[]): readonly string[] {
  return found.flatMap((run) =>
    run.files.missing.map((name) => (run.path === "." ? name : `${run.path}/${name}`)),
  );
}

function summaryOf(point: string, run: FoundRun): RunSummary {
  const { record } = run.files;
  const cpuShare = record.osdyno.others?.cpu_share;
  return {
    path: run.path,
    point,
    repeat: run.repeat,
    state: record.state === "partial" ? "partial" : "complete",
    reason: record.reason ?? null,
    started: record.started ?? "",
    seconds: (record.runtime_ms ?? 0) / 1000,
    writtenBytes: record.osdyno.totals?.write?.bytes ?? 0,
    errors: errorsOf(record),
    generators: generatorsOf(record.jobs),
    others: othersNotes(record.osdyno.others ?? {}),
    ...(cpuShare === undefined ? {} : { othersCpuShare: cpuShare }),
    course: record.osdyno.course ?? null,
    p99IntervalNs: record.osdyno.totals?.all?.response_interval_ns?.[percentileKey(99)] ?? null,
  };
}

/** Clones of one job with the same health would only repeat it: the worst of each name is kept. */
function generatorsOf(jobs: readonly JobRecord[]): RunSummary["generators"] {
  const worst = new Map<string, RunSummary["generators"][number]>();
  for (const job of jobs) {
    const own = job.osdyno?.generator;
    if (own === undefined) {
      continue;
    }
    const before = worst.get(job.jobname);
    worst.set(
      job.jobname,
      before === undefined
        ? { ...own, job: job.jobname }
        : {
            ...before,
            late: before.late || own.late,
            saturated: before.saturated || own.saturated,
            overloaded: before.overloaded || own.overloaded,
            late_count: before.late_count + own.late_count,
            late_share: Math.max(before.late_share, own.late_share),
            late_max_ns: Math.max(before.late_max_ns, own.late_max_ns),
            dropped_arrivals: before.dropped_arrivals + own.dropped_arrivals,
            backlog_max: Math.max(before.backlog_max, own.backlog_max),
            backlog_end: (before.backlog_end ?? 0) + (own.backlog_end ?? 0),
            busy_share: Math.max(before.busy_share, own.busy_share),
          },
    );
  }
  return [...worst.values()];
}

/** What ended jobs, and what they tolerated or found wrong. */
function errorsOf(record: RunRecord): readonly string[] {
  return record.jobs.flatMap((job) => {
    const failed = job.osdyno?.counters?.["errors"] ?? 0;
    const wrong = job.osdyno?.counters?.["verify_mismatches"] ?? 0;
    const operations = failed === 1 ? "operation" : "operations";
    return [
      ...(job.error === 0 ? [] : [`job ${job.jobname} ended with error ${job.error}`]),
      ...(job.error === 0 && failed > 0
        ? [`${failed} ${operations} of job ${job.jobname} failed, and it went on as it was told to`]
        : []),
      ...(wrong > 0 ? [`job ${job.jobname} read ${wrong} blocks that did not verify`] : []),
    ];
  });
}

/** Without `--out`, which names a directory that exists by now; with the seed that was drawn. */
function repeatWords(words: readonly string[], seed: number | undefined): readonly string[] {
  const kept: string[] = [];
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? "";
    if (word === "--out") {
      i += 1;
    } else if (!word.startsWith("--out=")) {
      kept.push(word);
    }
  }
  const seeded = kept.some((word) => /^--seed(?:=|$)/.test(word));
  return seeded || seed === undefined || kept.length === 0 ? kept : [...kept, `--seed=${seed}`];
}

/** The command as typed in a POSIX shell. */
function commandText(words: readonly string[]): string {
  const quote = (word: string) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
  return words.map(quote).join(" ");
}
