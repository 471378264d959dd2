/**
 * The answer as files for others to use: a fragment of `ceph.conf`, `ceph config set` lines, and a sweep file
 * that measures the tuned configuration against the default again. Where the default was not beaten, the
 * lines are there as comments and say so.
 */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import type { OptionDefinition, OptionLayer, OptionValue } from "../../engine/options/option.ts";
import { findOption } from "../../engine/options/registry.ts";
import { parseOptionValue } from "../../engine/options/value.ts";
import { fillIn } from "../sweep/values.ts";
import { writeWhole } from "../whole-file.ts";
import { brokenLimits } from "./answer.ts";
import type { TuneRequest } from "./request.ts";
import { changedOf } from "./standard.ts";
import { defaultId, defaultPoint, pointOf, settingsOf, sideName, tunedName } from "./trials.ts";
import type { TunedSettings, TuneRecord, TuneTrial } from "./tune-record.ts";

export const answerName = "answer";
export const answerFileNames = ["ceph.conf", "ceph-config-set.sh", "profile.yaml"] as const;

/** Which of Ceph's processes reads an option of a layer. */
const sections: Readonly<Record<OptionLayer, "osd" | "client" | "mon" | "mds" | "global">> = {
  store: "osd",
  scheduler: "osd",
  osd: "osd",
  qos: "client",
  clientcache: "client",
  writelog: "client",
  rbd: "client",
  rados: "client",
  messenger: "global",
  mon: "mon",
  mds: "mds",
  log: "global",
};

const takesEffect: Readonly<Record<OptionDefinition["change"], string>> = {
  runtime: "",
  startup: "after a restart",
  create: "only where an OSD or image is made anew",
};

export interface TunedOption {
  readonly name: string;
  readonly value: OptionValue;
  readonly section: string;
  /** When a change takes effect; empty: at once. */
  readonly note: string;
}

/** As Ceph reads it; the name of a plug-in that is not loaded, as whoever checks an answer has it, stays text. */
export function optionValue(option: OptionDefinition, text: string): OptionValue {
  try {
    return parseOptionValue(option, text);
  } catch {
    return text;
  }
}

/** Options among settings, with their values as Ceph reads them: bytes, seconds, true or false. */
export function tunedOptions(settings: Readonly<Record<string, string>>): readonly TunedOption[] {
  return Object.entries(settings).flatMap(([name, text]) => {
    const option = findOption(name);
    if (option === undefined) {
      return [];
    }
    const value = optionValue(option, text);
    const note = takesEffect[option.change];
    return [{ name: option.name, value, section: sections[option.layer], note }];
  });
}

const lines = (parts: readonly string[]) => `${parts.join("\n")}\n`;
const comment = (texts: readonly string[]) => texts.map((text) => `# ${text}`);

export function cephConf(
  options: readonly TunedOption[],
  head: readonly string[],
  valid: boolean,
): string {
  const names = [...new Set(options.map(({ section }) => section))];
  const off = valid ? "" : "# ";
  const body = names.flatMap((section) => [
    "",
    `${off}[${section}]`,
    ...options
      .filter((each) => each.section === section)
      .flatMap(({ name, value, note }) => [
        ...(note === "" ? [] : [`# ${note}:`]),
        `${off}${name} = ${value}`,
      ]),
  ]);
  return lines([...comment(head), ...body]);
}

export function cephCommands(
  options: readonly TunedOption[],
  head: readonly string[],
  valid: boolean,
): string {
  const off = valid ? "" : "# ";
  const body = options.map(({ name, value, section, note }) => {
    const who = section === "global" ? "global" : section;
    const quoted = /^[\w.+-]+$/.test(String(value)) ? String(value) : `'${value}'`;
    return `${off}ceph config set ${who} ${name} ${quoted}${note === "" ? "" : `  # ${note}`}`;
  });
  return lines(["#!/bin/sh", ...comment(head), ...body]);
}

/** A sweep file of the default and the tuned configuration, with everything that both share. */
function profileOf(
  { tune, base }: TuneRequest,
  tuned: ReturnType<typeof pointOf>,
): TunedSettings["profile"] {
  const { sweep, confirm } = tune;
  const settings = settingsOf(tune, tuned);
  const standard = defaultPoint(tune, base.variables);
  const { target } = base.settings;
  const filled = fillIn(sweep.job.text, tuned.parameters);
  // A job that mentions a parameter has no place for two values of it: the tuned one alone is kept.
  const alone = filled !== sweep.job.text;
  const given = (name: string, value: string | null | undefined) =>
    value === null || value === undefined ? {} : { [name]: value };
  const { prepare } = sweep;
  return {
    name: `${sweep.name}-${tunedName}`,
    question: "Is the tuned configuration still better than the default here?",
    job: filled.endsWith("\n") ? filled : `${filled}\n`,
    ...(target !== null
      ? { targets: [target] }
      : sweep.targets.length === 0
        ? {}
        : { targets: [...sweep.targets] }),
    ...given("preset", sweep.preset),
    ...given("device_class", sweep.deviceClass),
    ...given("shape", sweep.shape),
    ...given("generator_cpus", sweep.generatorCpus),
    ...given("target_cpus", sweep.targetCpus),
    ...plugInsOf(tune, base, settings),
    ...(Object.keys(sweep.set).length === 0 ? {} : { set: sweep.set }),
    ...(prepare === null
      ? {}
      : { prepare: { fill: `${Number((100 * prepare.fill).toPrecision(6))}%`, age: prepare.age } }),
    metrics: [...sweep.metrics],
    repeat: confirm.pairs,
    matrix: {
      [sideName]: {
        ...(alone ? {} : { [defaultId]: settingsOf(tune, standard) }),
        [tunedName]: settings,
      },
    },
    ...(alone ? {} : { baseline: { [sideName]: defaultId } }),
  };
}

/** Those of the file, and of the command line those that the winner uses. */
function plugInsOf(
  { sweep }: TuneRequest["tune"],
  { settings: { plugIns = [] } }: TuneRequest["base"],
  settings: Readonly<Record<string, string>>,
) {
  const used = plugIns.filter(({ name }) => Object.values(settings).includes(name));
  const all = [...new Set([...sweep.plugins, ...used.map(({ file }) => resolve(file))])];
  return all.length === 0 ? {} : { plugins: all };
}

/** What the record keeps of the first winner; null without one. */
export function tunedOf(request: TuneRequest, record: TuneRecord): TunedSettings | null {
  const { tune, base } = request;
  const winner = winnerOf(record);
  if (winner === null || winner.choice === null) {
    return null;
  }
  const tuned = pointOf(tune, winner.choice, tunedName, base.variables);
  const settings = settingsOf(tune, tuned);
  return { trial: winner.id, settings, profile: profileOf(request, tuned) };
}

/** The configuration that the answer is about; null while none leads. */
export function winnerOf({ trials, chosen, leading }: TuneRecord): TuneTrial | null {
  const [id] = [...chosen, ...leading];
  return trials.find((trial) => trial.id === id) ?? null;
}

/** Every file of `answer/` with its text, from the record alone; none without a winner. */
export function answerFiles(
  record: TuneRecord,
): Readonly<Partial<Record<(typeof answerFileNames)[number], string>>> {
  const { tuned } = record;
  if (tuned === undefined) {
    return {};
  }
  const { settings, profile } = tuned;
  const options = tunedOptions(changedOf(settings, record.standard));
  const confirmed = record.confirmed.find(({ configuration }) => configuration === tunedName);
  const broken = brokenLimits(record, tunedName).length > 0;
  const valid = confirmed?.verdict === "better" && !broken;
  const others = Object.entries(settings).filter(([name]) => findOption(name) === undefined);
  const head = [
    `osdyno tune ${record.name}: ${record.answer[0] ?? ""}`,
    ...(valid ? [] : ["The default was not shown to be beaten: nothing here is in force."]),
    ...(others.length === 0
      ? []
      : [`No options of Ceph: ${others.map(([name, value]) => `${name}=${value}`).join(", ")}.`]),
  ];
  return {
    "ceph.conf": cephConf(options, head, valid),
    "ceph-config-set.sh": cephCommands(options, head, valid),
    "profile.yaml": `${lines(comment(head))}${stringify(profile, { lineWidth: 100 })}`,
  };
}

/** Writes `answer/`; nothing without a winner. */
export function writeAnswer(directory: string, record: TuneRecord): void {
  const files = Object.entries(answerFiles(record));
  const folder = join(directory, answerName);
  if (files.length > 0) {
    mkdirSync(folder, { recursive: true });
  }
  for (const [name, text] of files) {
    writeWhole(join(folder, name), text);
  }
}
