/** What the report of a tuning is drawn from: its record, and the runs as a sweep's report sees them. */
import { join } from "node:path";
import { fileExists, readText } from "../../files.ts";
import { loadReport } from "../../report/load.ts";
import type { Caveat, ReportModel } from "../../report/model.ts";
import { median } from "../problem.ts";
import { defaultId, tunedName } from "../trials.ts";
import { readTuneRecord, recordName } from "../tune-directory.ts";
import type { TuneImportance, TuneRecord } from "../tune-record.ts";
import { answerFileNames, answerName, winnerOf } from "../write-answer.ts";

export interface TuneReport {
  readonly record: TuneRecord;
  /** Every run, those of the confirmation among them. */
  readonly runs: ReportModel;
  readonly caveats: readonly Caveat[];
  /** Files of the answer by name; empty without one. */
  readonly answer: Readonly<Record<string, string>>;
}

export function isTuneDirectory(dir: string): boolean {
  return fileExists(join(dir, recordName));
}

/** Said of sweeps, whose every point must have its runs; a search is meant to leave points early. */
const ofSweeps: readonly Caveat["kind"][] = ["few-runs", "few-samples", "unsteady"];

export function loadTuneReport(dir: string): TuneReport {
  const record = readTuneRecord(dir);
  const runs = loadReport(dir);
  const answer = answerFileNames.flatMap((name) => {
    const file = join(dir, answerName, name);
    return fileExists(file) ? [[name, readText(file)] as const] : [];
  });
  return {
    record,
    runs: { ...runs, answer: record.answer },
    caveats: [
      ...ownCaveats(record),
      ...runs.caveats.filter(({ kind }) => !ofSweeps.includes(kind)),
    ],
    answer: Object.fromEntries(answer),
  };
}

function ownCaveats({ trials, steps, goals, limits }: TuneRecord): readonly Caveat[] {
  const failed = trials.filter(({ failed: why }) => why !== undefined);
  const [first] = failed;
  const [goal] = goals;
  const references = steps.flatMap(({ why, figures }) =>
    why === "reference" && goal !== undefined ? (figures?.[goal.metric] ?? []) : [],
  );
  return [
    ...(first === undefined
      ? []
      : [
          {
            kind: "note",
            weight: "mind",
            text: `${failed.length} of ${trials.length} configurations could not run; the first: ${first.failed}`,
          } as const,
        ]),
    ...driftOf(references),
    ...memoryOf([...goals.map(({ metric }) => metric), ...limits]),
  ];
}

/** All configurations run in one process. */
function memoryOf(metrics: readonly string[]): readonly Caveat[] {
  const text =
    "Resident memory is that of the whole process, which keeps what earlier runs took: of two equal configurations the later one may have more. A limit on it refuses rather too much than too little; store_memory_bytes is what the store alone holds.";
  return metrics.some((metric) => metric.startsWith("rss_bytes"))
    ? [{ kind: "note", weight: "mind", text }]
    : [];
}

/** A share of the default's own figures beyond which the machine was not the same all the time. */
const muchDrift = 0.1;

/** The default's first runs against its last ones. */
function driftOf(references: readonly number[]): readonly Caveat[] {
  const half = Math.floor(references.length / 2);
  if (half < 2) {
    return [];
  }
  const change = median(references.slice(-half)) / median(references.slice(0, half)) - 1;
  const text =
    `The default's own runs changed by ${(100 * change).toFixed(0)}% from the first half of the search to the ` +
    "second: the machine was not the same all the time. The confirmation, in pairs, is not touched by it.";
  return Math.abs(change) < muchDrift ? [] : [{ kind: "changed-host", weight: "mind", text }];
}

/** One parameter of the winner. */
export interface Setting {
  readonly name: string;
  /** As the default has it. */
  readonly standard: string;
  readonly tuned: string;
  /** Of the first goal. */
  readonly importance: TuneImportance | null;
}

export function settingsOf(record: TuneRecord): readonly Setting[] {
  const winner = winnerOf(record);
  const standard = record.trials.find(({ id }) => id === defaultId)?.parameters ?? {};
  const [goal] = record.goals;
  return Object.entries(winner?.parameters ?? {}).map(([name, tuned]) => ({
    name,
    standard: standard[name] ?? record.standard[name] ?? "as it is",
    tuned,
    importance:
      record.importance.find((each) => each.parameter === name && each.metric === goal?.metric) ??
      null,
  }));
}

/** Comparisons of the first winner with the default. */
export function winnersComparisons({ comparisons }: TuneRecord) {
  return comparisons.filter(({ candidate }) => candidate === tunedName);
}
