/** Jobs as a command line, as fio's `--showcmd`, but quoted so that a shell gives the same jobs. */
import { findKey } from "./key-lookup.ts";
import type { JobOption, JobSection, ParsedJobs } from "./model.ts";
import { commandLine } from "./place.ts";

/** One line for command-line jobs, then one for each job file. */
export function showcmd(parsed: ParsedJobs): string {
  const fromArguments = parsed.sections.filter((section) => section.source === commandLine);
  const files = [...new Set(parsed.sections.map((section) => section.source))].filter(
    (source) => source !== commandLine,
  );
  const lines: string[] = [];
  if (files.length === 0 || fromArguments.some((section) => section.kind === "job")) {
    lines.push(lineOf(fromArguments, []));
  }
  for (const [index, file] of files.entries()) {
    // Options before the first name are defaults of the first file as well, of the others not.
    const inherited = index > 0 ? [] : fromArguments.filter((section) => section.kind === "global");
    const sections = parsed.sections.filter((section) => section.source === file);
    lines.push(
      lineOf(
        sections,
        inherited.flatMap((section) => section.options),
      ),
    );
  }
  return lines.map((line) => `${line}\n`).join("");
}

function lineOf(sections: readonly JobSection[], inherited: readonly JobOption[]): string {
  const options = [...inherited, ...sections.flatMap((section) => section.options)];
  // fio refuses our own keys, so such a line is one for us.
  const words = [options.some(isOwn) ? "osdyno run" : "fio"];
  words.push(...inherited.map(argumentOf));
  for (const [index, section] of sections.entries()) {
    if (section.kind === "job") {
      words.push(`--name=${quote(section.name)}`);
    } else if (index > 0) {
      // fio leaves this out, and the pasted line would give the options to the job before.
      words.push("--name=global");
    }
    words.push(...section.options.map(argumentOf));
  }
  return words.join(" ");
}

function isOwn(option: JobOption): boolean {
  return findKey(option.key)?.own === true;
}

function argumentOf(option: JobOption): string {
  return option.value === null ? `--${option.key}` : `--${option.key}=${quote(option.value)}`;
}

/** Left alone when a shell would. */
function quote(text: string): string {
  return /^[\w@%+=:,./-]*$/.test(text) && text !== "" ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
