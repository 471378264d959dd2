/**
 * fio's job files and command-line jobs, with fio's precedence:
 *
 * - Options before the first `--name` are defaults: of the command-line jobs and of the first job
 *   file, whose own values win. Command-line jobs come before those of files.
 * - Each later file starts from plain defaults, and its first job waits for those before (stonewall).
 * - Ours: without any `--name`, options after a job file override the value in every job; options
 *   without any file and name are one job called `osdyno`.
 */
import { OsdynoError } from "../../engine/base/error.ts";
import { argumentOptions, type JobInput } from "./arguments.ts";
import { copyDraft, type Draft, newDraft } from "./draft.ts";
import type { JobEnvironment } from "./environment.ts";
import { expand } from "./expansion.ts";
import { GivenValue } from "./given-value.ts";
import { mostClones } from "./key.ts";
import { findKey, requireKey } from "./key-lookup.ts";
import { readSections } from "./lexer.ts";
import type { JobOption, JobSection, ParsedJobs, ResolvedJob } from "./model.ts";
import { badInput, commandLine, Notes, type Place, shown } from "./place.ts";
import { resolveJob } from "./resolve.ts";

export interface ParseOptions {
  /** `--section`: only these, beside global ones. */
  readonly sections?: readonly string[];
  /** `--target`: where every job runs, whatever it says itself. */
  readonly target?: string | null;
}

/** Name of the job that options without file and `--name` make. */
const implicitName = "osdyno";

/** An override replaces these as well, or it would have no effect or contradict them. */
const replacedBy: Readonly<Record<string, readonly string[]>> = {
  bs: ["bsrange", "bssplit"],
  bsrange: ["bssplit"],
  bssplit: ["bsrange"],
  rate: ["rate_iops"],
  rate_iops: ["rate"],
  direct: ["buffered"],
  buffered: ["direct"],
  rwmixread: ["rwmixwrite"],
  rwmixwrite: ["rwmixread"],
};

/** Throws `bad-input` for the first thing that is wrong, with file and line. */
export function parseJobs(
  inputs: readonly JobInput[],
  environment: JobEnvironment,
  options: ParseOptions = {},
): ParsedJobs {
  return new Parser(environment, options).parse(inputs);
}

class Parser {
  readonly #environment: JobEnvironment;
  readonly #wanted: readonly string[];
  readonly #target: string | null;
  readonly #notes = new Notes();
  readonly #sections: JobSection[] = [];
  readonly #jobs: ResolvedJob[] = [];
  #clones = 0;

  constructor(environment: JobEnvironment, options: ParseOptions) {
    this.#environment = environment;
    this.#wanted = options.sections ?? [];
    this.#target = options.target ?? null;
  }

  parse(inputs: readonly JobInput[]): ParsedJobs {
    const files = inputs.filter((input) => input.kind === "file");
    const { before, after } = argumentsAround(inputs);
    const named = [...before, ...after].some((option) => option.key === "name");
    const overriding = files.length > 0 && !named;
    const arguments_ = overriding ? before : [...before, ...after];
    const overrides = overriding ? after : [];
    let base = newDraft();
    if (files.length === 0 && !named && arguments_.length > 0) {
      this.#implicitJob(arguments_);
    } else {
      this.#argumentJobs(arguments_, base);
    }
    const fallbacks = this.#sections.flatMap((section) => section.options);
    for (const [index, file] of files.entries()) {
      if (index > 0) {
        base = newDraft();
        this.#noteForgotten(
          fallbacks.filter(() => overriding),
          file.name,
        );
      }
      this.#file(file, base, index > 0, overrides);
    }
    if (overriding) {
      this.#noteHidden(fallbacks);
    }
    this.#checkSections(files);
    this.#checkWaits();
    return {
      jobs: this.#jobs,
      globals: new Map(
        this.#sections
          .filter((section) => section.kind === "global")
          .flatMap((section) => section.options.map((option) => [option.key, option.value ?? ""])),
      ),
      sections: this.#sections,
      notes: this.#notes.list,
      text: this.#text(files, overrides),
    };
  }

  /** Command-line sections: defaults up to the first name, then a job or `--name=global` each. */
  #argumentJobs(options: readonly JobOption[], base: Draft): void {
    let start = 0;
    while (start < options.length) {
      let end = start + 1;
      while (end < options.length && options[end]?.key !== "name") {
        end++;
      }
      const section = options.slice(start, end);
      const first = section[0];
      start = end;
      if (first?.key !== "name") {
        this.#global("global", commandLine, section, base);
        continue;
      }
      const name = first.value ?? "";
      if (name.startsWith("global")) {
        this.#global("global", commandLine, section.slice(1), base);
      } else if (this.#wanted.length === 0 || this.#wanted.includes(name)) {
        const draft = copyDraft(base);
        this.#job({ name, source: commandLine, place: first.place }, section.slice(1), draft);
      }
    }
  }

  #implicitJob(options: readonly JobOption[]): void {
    const place = options[0]?.place ?? { file: commandLine, line: 1 };
    const section = { name: implicitName, source: commandLine, place };
    this.#notes.add(place, "name", `options without --name make one job called ${implicitName}`);
    this.#job(section, options, newDraft());
  }

  #file(
    file: JobInput & { kind: "file" },
    base: Draft,
    later: boolean,
    overrides: readonly JobOption[],
  ): void {
    const { name, text } = file;
    let stonewall = later;
    const raw = readSections(name, text, this.#wanted, this.#environment, this.#notes);
    if (raw.length === 0 && this.#wanted.length === 0) {
      const state = text.trim() === "" ? "the job file is empty" : "the job file has no section";
      throw badInput({ file: name, line: 1 }, `${state}: a job begins with [name]`);
    }
    const replaced = new Set(
      overrides.flatMap((option) => [option.key, ...(replacedBy[option.key] ?? [])]),
    );
    for (const section of raw) {
      const options = section.lines
        .map((line) => optionOf(expand(line, this.#environment, this.#notes), line.place))
        .filter((option) => !replaced.has(option.key));
      if (section.kind === "global") {
        this.#global(section.name, name, options, base);
        continue;
      }
      const draft = copyDraft(base);
      draft.stonewall ||= stonewall;
      stonewall = false;
      const place = section.place;
      this.#job({ name: section.name, source: name, place }, [...options, ...overrides], draft);
    }
  }

  #global(name: string, source: string, options: readonly JobOption[], base: Draft): void {
    const applied = this.#apply(options, base, source !== commandLine);
    this.#sections.push({ kind: "global", name, source, options: applied });
  }

  #job(
    section: { readonly name: string; readonly source: string; readonly place: Place },
    options: readonly JobOption[],
    draft: Draft,
  ): void {
    const { name, source, place } = section;
    draft.name = name;
    const applied = this.#apply(options, draft, source !== commandLine);
    this.#clones += draft.numjobs;
    if (this.#clones > mostClones) {
      throw badInput(place, `the jobs make more than ${mostClones} clones together`);
    }
    const given = new Map(applied.map((option) => [option.key, option.value ?? ""]));
    this.#jobs.push(
      resolveJob({ draft, place, given, notes: this.#notes, target: this.#target ?? draft.target }),
    );
    this.#sections.push({ kind: "job", name, source, options: applied });
  }

  /** Applies options, those of a file by fio's priority, and gives them back in that order. */
  #apply(options: readonly JobOption[], draft: Draft, sorted: boolean): JobOption[] {
    const priorityOf = (option: JobOption) => findKey(option.key)?.priority ?? 0;
    const ordered = sorted
      ? options.toSorted((a, b) => priorityOf(b) - priorityOf(a))
      : [...options];
    for (const option of ordered) {
      const key = requireKey(option.key, option.place);
      if (key.noEffect !== undefined) {
        this.#notes.add(option.place, key.name, `${key.name} has no effect: ${key.noEffect}`);
      }
      key.apply(draft, new GivenValue(option, draft.kbBase, this.#environment, this.#notes));
      draft.places.set(key.name, option.place);
    }
    return ordered;
  }

  /** As in fio, what stands before the first job file does not reach the later ones. */
  #noteForgotten(fallbacks: readonly JobOption[], file: string): void {
    for (const option of fallbacks) {
      this.#notes.add(
        option.place,
        option.key,
        `--${option.key} stands before the job files and reaches only the first, not ${file}, as in fio; put it after them to override in every job`,
      );
    }
  }

  #noteHidden(fallbacks: readonly JobOption[]): void {
    for (const option of fallbacks) {
      const hiding = this.#sections
        .filter((section) => section.source !== commandLine)
        .flatMap((section) => section.options)
        .find((candidate) => candidate.key === option.key && option.key !== "filename");
      if (hiding !== undefined) {
        const { file, line } = hiding.place;
        this.#notes.add(
          option.place,
          option.key,
          `--${option.key} stands before the job file and is only a default: ${file}:${line} wins, as in fio; put it after the file to override`,
        );
      }
    }
  }

  #checkSections(files: readonly { readonly name: string }[]): void {
    for (const name of this.#wanted) {
      if (!this.#sections.some((section) => section.kind === "job" && section.name === name)) {
        throw new OsdynoError("bad-input", `--section=${shown(name)}: there is no such section`);
      }
    }
    const first = files[0];
    if (this.#jobs.length === 0) {
      throw first === undefined
        ? new OsdynoError("bad-input", "no jobs: give a job file, or --name=JOB and options")
        : badInput({ file: first.name, line: 1 }, "only [global] sections: a job needs [name]");
    }
  }

  /** A job may wait for one before it only, else both would wait for ever. */
  #checkWaits(): void {
    for (const [index, job] of this.#jobs.entries()) {
      const { waitFor } = job.ends;
      if (waitFor !== null && !this.#jobs.slice(0, index).some(({ name }) => name === waitFor)) {
        throw badInput(
          job.place,
          `wait_for=${shown(waitFor)}: no job of that name stands before ${shown(job.name)}`,
        );
      }
    }
  }

  #text(files: readonly { readonly text: string }[], overrides: readonly JobOption[]): string {
    const arguments_ = this.#sections
      .filter((section) => section.source === commandLine)
      .map((section) => [`[${section.name}]`, ...section.options.map(written), ""].join("\n"));
    const overridden = overrides.map((option) => `; overridden: ${written(option)}\n`).join("");
    return [...arguments_, ...files.map((file) => file.text), overridden]
      .filter((part) => part !== "")
      .join("\n");
  }
}

function written(option: JobOption): string {
  return option.value === null ? option.key : `${option.key}=${option.value}`;
}

/** `key=value` or a bare word; the key under its own name, not an alias. */
function optionOf(text: string, place: Place): JobOption {
  const equals = text.indexOf("=");
  const name = (equals < 0 ? text : text.slice(0, equals)).trim();
  return {
    key: findKey(name)?.name ?? name,
    value: equals < 0 ? null : text.slice(equals + 1),
    place,
  };
}

/** Options before the first job file and after it. */
function argumentsAround(inputs: readonly JobInput[]): {
  readonly before: JobOption[];
  readonly after: JobOption[];
} {
  const before: JobOption[] = [];
  const after: JobOption[] = [];
  let seenFile = false;
  let count = 0;
  for (const input of inputs) {
    if (input.kind === "file") {
      seenFile = true;
    } else {
      (seenFile ? after : before).push(...argumentOptions(input.args, count));
      count += input.args.length;
    }
  }
  return { before, after };
}
