/** What a tuning says was asked, held to the file that it was made from. */
import { type Asked, type FileRecord, otherThanFile } from "../sweep/file-record.ts";
import { givenFlag } from "../sweep/given-flag.ts";
import { rulesOf } from "../sweep/spec.ts";
import { rangeValues } from "../sweep/values.ts";
import { type CheckedTune, checkedTune } from "./schema.ts";
import { goalsOf, openTune } from "./spec.ts";
import type { TuneRecord } from "./tune-record.ts";

/** One line each; empty when they agree, and of records of older versions, which have no file. */
export function tuneAskedOtherwise(record: TuneRecord): readonly string[] {
  return otherThanFile("tune.json", record.file, (file) => askedOf(record, file));
}

type Values = CheckedTune["space"][string];

/** Of a range all that it goes through, of named settings their names. */
function valuesOf(values: Values): readonly string[] {
  if (Array.isArray(values)) {
    return values;
  }
  const range = values as { readonly from?: unknown };
  return typeof range.from === "string"
    ? rangeValues(values as Parameters<typeof rangeValues>[0])
    : Object.keys(values);
}

/** As the record has them: nothing where the file says nothing. */
function choicesOf({ when, exclude }: CheckedTune): TuneRecord["rules"] {
  return Object.keys(when).length + exclude.length === 0
    ? undefined
    : {
        when: Object.fromEntries(Object.entries(when).map(([name, rule]) => [name, rulesOf(rule)])),
        exclude: exclude.map(rulesOf),
      };
}

function askedOf(record: TuneRecord, file: FileRecord): readonly Asked[] {
  const document = openTune(file.name, file.text);
  const tune = checkedTune(document);
  const goals = goalsOf(document, tune);
  const limits = tune.subject_to.map((text) => text.trim());
  const { runs = null, time = null } = tune.budget as { runs?: number; time?: number };
  const given = (flag: string) => givenFlag(record.command, flag);
  const space = Object.entries(tune.space).map(([name, values]): Asked => {
    const written = valuesOf(values);
    // Plug-ins of the command line come after the file's own values.
    return [`space ${name}`, record.space[name]?.values.slice(0, written.length), written];
  });
  return [
    ["name", record.name, tune.name],
    ["question", record.question, tune.question.trim()],
    ["goals", record.goals, goals],
    ["limits", record.limits, limits],
    ["baseline", record.baseline, tune.baseline],
    ["planned pairs", record.planned.pairs, tune.confirm.pairs],
    ["repeat", record.repeat, tune.repeat],
    ["budget runs", record.budget.runs, runs],
    ...space,
    ["rules", record.rules, choicesOf(tune)],
    ...(given("method") ? [] : [["method", record.method, tune.method] as const]),
    ...(given("budget") ? [] : [["budget seconds", record.budget.seconds, time] as const]),
    ...(given("seed") ? [] : [["seed", record.seed, tune.seed] as const]),
  ];
}
