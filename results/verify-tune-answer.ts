/**
 * Checks what a tuning leaves for others to use: that its search went from run to run as its method, its seed and
 * its figures say, that the winner's settings are those of its runs, and that the files of `answer/` say these.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { findOption } from "../engine/options/registry.ts";
import { completeRun } from "./sweep/sweep-directory.ts";
import { nextStep } from "./tune/next-step.ts";
import type { Problem } from "./tune/problem.ts";
import { methods } from "./tune/search.ts";
import { keyOf } from "./tune/space.ts";
import type { TunedSettings, TuneRecord, TuneTrial } from "./tune/tune-record.ts";
import {
  answerFileNames,
  answerFiles,
  answerName,
  optionValue,
  winnerOf,
} from "./tune/write-answer.ts";
import type { Ledger } from "./verify-ledger.ts";

/** As the search saw it before a step: with the trials that had come up, in their order. */
function before(record: TuneRecord, steps: number): TuneRecord {
  const trials: TuneTrial[] = [];
  for (const { trial: id } of record.steps.slice(0, steps)) {
    const trial = record.trials.find((each) => each.id === id);
    if (trial !== undefined && !trials.includes(trial)) {
      trials.push(trial);
    }
  }
  return { ...record, trials, steps: record.steps.slice(0, steps) };
}

const choiceText = (choice: readonly number[] | null) =>
  choice === null ? "the default" : keyOf(choice);

/** Goes through the search again; after the first step that is another one all others are, so it ends there. */
export function checkSearch(problem: Problem, record: TuneRecord, ledger: Ledger): void {
  const { steps, repeat, state, budget } = record;
  const method = methods.find((each) => each === record.method);
  if (method === undefined || repeat === undefined) {
    ledger.notes.push(
      "the record does not say what decides the order of the search: it is taken as it is",
    );
    return;
  }
  const found = ledger.disagreements.length;
  for (const [place, { trial: id, why }] of steps.entries()) {
    const what = `tune.json steps.${place}`;
    const next = nextStep(problem, before(record, place), method, repeat);
    if (next === null) {
      ledger.sameText(`${what}, the search`, "goes on", "has ended");
      return;
    }
    const choice = record.trials.find((each) => each.id === id)?.choice ?? null;
    ledger.sameText(`${what}.trial`, id, next.trial);
    ledger.sameText(`${what}, its choice`, choiceText(choice), choiceText(next.choice));
    ledger.sameText(`${what}.why`, why, next.why);
    if (ledger.disagreements.length > found) {
      return;
    }
  }
  // With a budget of time nobody knows later when it was over.
  if (state === "complete" && budget.seconds === null) {
    const next = nextStep(problem, record, method, repeat);
    ledger.sameText("tune.json, the search", "has ended", next === null ? "has ended" : "goes on");
  }
}

/** What was measured with the winner's options; each run had all of them. */
function checkSettings(
  directory: string,
  record: TuneRecord,
  { trial: id, settings }: TunedSettings,
  ledger: Ledger,
): void {
  const winner = winnerOf(record);
  ledger.sameText("tune.json tuned.trial", id, winner?.id ?? "none");
  for (const [name, value] of Object.entries(settings)) {
    const named = winner?.parameters[name];
    if (named !== undefined && named !== "-") {
      ledger.sameText(`tune.json tuned.settings.${name}`, value, named);
    }
  }
  const runs = record.steps.filter(({ trial }) => trial === winner?.id);
  const run = runs.map((step) => completeRun(directory, step.run)).find((each) => each !== null);
  for (const [name, value] of Object.entries(settings)) {
    const option = findOption(name);
    const had = option === undefined ? undefined : run?.options[option.name]?.value;
    if (option !== undefined && had !== undefined) {
      const read = (text: string) => String(optionValue(option, text));
      const what = `tune.json tuned.settings.${name}, as its run had it`;
      ledger.sameText(what, read(value), read(had));
    }
  }
}

/** Lines that a machine reads, also where they are commented out since nothing is in force. */
const counts = (line: string) =>
  !line.startsWith("#") || /^# (\[\w+\]|\w+ = |ceph config set )/.test(line);

/** Words of comments may be others in another version: their numbers may not. */
function essence(text: string): readonly string[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => (counts(line) ? line : `# ${line.match(/\d+(\.\d+)?/g)?.join(" ") ?? ""}`));
}

function checkText(what: string, published: string, computed: string, ledger: Ledger): void {
  const [said, found] = [essence(published), essence(computed)];
  for (let at = 0; at < Math.max(said.length, found.length); at += 1) {
    ledger.sameText(`${what}, line ${at + 1}`, said[at], found[at] ?? "nothing");
  }
}

/** Settings of an older record, where every parameter is called by what it sets. */
function oldSettings(record: TuneRecord): TunedSettings | null {
  const winner = winnerOf(record);
  const all = Object.entries(winner?.parameters ?? {}).filter(([, value]) => value !== "-");
  return winner === null || !all.every(([name]) => findOption(name) !== undefined)
    ? null
    : { trial: winner.id, settings: Object.fromEntries(all), profile: {} };
}

/** Files of `answer/`, also where somebody put them beside the record to publish them. */
export function checkAnswerFiles(directory: string, record: TuneRecord, ledger: Ledger): number {
  const tuned = record.tuned ?? oldSettings(record);
  const places = [join(directory, answerName), directory];
  const there = answerFileNames.flatMap((name) =>
    places
      .map((place) => ({ name, path: join(place, name) }))
      .filter(({ path }) => existsSync(path)),
  );
  if (tuned === null) {
    if (there.length > 0) {
      ledger.notes.push(
        `files of ${answerName}/ are taken as they are: the record does not say what they are made of`,
      );
    }
    return 0;
  }
  checkSettings(directory, record, tuned, ledger);
  const texts = answerFiles({ ...record, tuned });
  let checked = 0;
  for (const { name, path } of there) {
    const computed = texts[name];
    if (name === "profile.yaml" && record.tuned === undefined) {
      ledger.notes.push(`${name} is taken as it is: the record does not say what it is made of`);
    } else if (computed !== undefined) {
      const where = path.startsWith(join(directory, answerName)) ? `${answerName}/${name}` : name;
      checkText(where, readFileSync(path, "utf8"), computed, ledger);
      checked += 1;
    }
  }
  const gone = answerFileNames.filter((name) => !there.some((each) => each.name === name));
  if (gone.length > 0) {
    ledger.notes.push(`${gone.join(", ")}: not there`);
  }
  return checked;
}
