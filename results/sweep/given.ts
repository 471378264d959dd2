/**
 * What a command line adds to its file: flags and keys that decide what the runs are. Runs made with others are no
 * replicates of the same point, so that a command that goes on must have the same.
 */
import { createHash } from "node:crypto";
import { OsdynoError } from "../../engine/base/error.ts";
import type { RunSettings } from "../perform.ts";
import type { FileRecord } from "./file-record.ts";

export interface Given {
  /** As one would type them. */
  readonly flags: readonly string[];
  /** SHA-256 of the job file's text; absent where the job stands in the file itself. */
  readonly job_sha256?: string;
}

/** What a record says was asked, for going on with it. */
interface Asked {
  readonly given?: Given;
  readonly file?: FileRecord;
}

interface Command {
  readonly overrides: readonly string[];
  readonly sections?: readonly string[];
  readonly settings: Omit<RunSettings, "label">;
}

export function givenOf(
  { overrides, sections = [], settings }: Command,
  job: { readonly text: string; readonly inlineAfter: number | null } | null,
): Given {
  const { target, path, clock = "real", stagesOneIn = "auto", stack, plugIns = [] } = settings;
  const usualPath = clock === "virtual" ? "engine" : "native";
  const flag = (name: string, value: string | null | undefined, usual?: string) =>
    value === null || value === undefined || value === usual ? [] : [`--${name}=${value}`];
  const flags = [
    ...overrides,
    ...sections.flatMap((name) => flag("section", name)),
    ...flag("target", target),
    ...flag("path", path, usualPath),
    ...flag("clock", clock, "real"),
    ...flag("stages", stagesOneIn === 0 ? "off" : String(stagesOneIn), "auto"),
    ...(stack?.settings ?? []).flatMap(({ name, value }) => flag("set", `${name}=${value}`)),
    ...flag("preset", stack?.preset),
    ...flag("device-class", stack?.deviceClass),
    ...flag("shape", stack?.shape?.text),
    ...flag("generator-cpus", stack?.cpus?.generator?.text),
    ...flag("target-cpus", stack?.cpus?.target?.text),
    ...plugIns.flatMap(({ name, sha256 }) => flag("plugin", `${name} (${sha256.slice(0, 12)})`)),
  ];
  const inFile = job === null || job.inlineAfter !== null;
  const sha256 = inFile ? {} : { job_sha256: createHash("sha256").update(job.text).digest("hex") };
  return { flags, ...sha256 };
}

const wordsOf = (flags: readonly string[]) =>
  flags.length === 0
    ? "no flags that its runs depend on"
    : flags.map((each) => (/\s|\*|\?|&/.test(each) ? `'${each}'` : each)).join(" ");

/**
 * Throws `bad-input` when a command that is to go on with what `directory` holds would measure something else.
 * Records of older versions do not say what they were begun with.
 */
export function checkGiven(directory: string, known: Asked, now: Asked): void {
  const refuse = (why: string) =>
    new OsdynoError("bad-input", `--resume ${directory}: ${why}, or begin anew with --out`);
  if (known.given !== undefined && now.given !== undefined) {
    const [before, here] = [wordsOf(known.given.flags), wordsOf(now.given.flags)];
    if (before !== here) {
      throw refuse(`it was begun with ${before}, and now there is ${here}; give the same`);
    }
    if (known.given.job_sha256 !== now.given.job_sha256) {
      throw refuse("its job file has changed since; put the job back that it was begun with");
    }
  }
  if (known.file !== undefined && now.file !== undefined && known.file.sha256 !== now.file.sha256) {
    const text = `${now.file.name} has changed since; put back the text that it was begun with, which the record holds`;
    throw refuse(text);
  }
}
