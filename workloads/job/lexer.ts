/**
 * Job files as lines and sections: comments, section headers, includes. Rules measured with fio 3.33
 * are named where they surprise.
 */
import { dirname, isAbsolute, join, normalize } from "node:path";
import { type JobEnvironment, jobFileLimitBytes } from "./environment.ts";
import { badInput, type Notes, type Place, shown } from "./place.ts";

/** An option line with comments and blanks cut, before any expansion. */
export interface OptionLine {
  readonly text: string;
  readonly place: Place;
}

export interface RawSection {
  readonly kind: "global" | "job";
  readonly name: string;
  readonly place: Place;
  readonly lines: readonly OptionLine[];
}

/** fio reads a line into 8192 bytes and would take the rest for a line of its own. */
const longestLine = 8191;
const longestSectionName = 255;
const deepestInclude = 32;
const mostSections = 10_000;
const mostSectionOptions = 10_000;
/** A small file that includes a large one many times must not fill the memory. */
const mostIncludedBytes = 16 * jobFileLimitBytes;

interface Reading {
  readonly environment: JobEnvironment;
  readonly notes: Notes;
  includedBytes: number;
}

/**
 * Sections of one job file in order, `include`d lines in place.
 * @param wanted sections to keep beside global ones (`--section`); empty keeps all
 */
export function readSections(
  file: string,
  text: string,
  wanted: readonly string[],
  environment: JobEnvironment,
  notes: Notes,
): RawSection[] {
  const reading: Reading = { environment, notes, includedBytes: 0 };
  const sections: RawSection[] = [];
  let lines: OptionLine[] | null = null;
  let skipping = false;
  for (const line of optionLines(file, text, notes)) {
    if (line.text.startsWith("[")) {
      const section = openSection(line, notes);
      skipping = section.kind === "job" && wanted.length > 0 && !wanted.includes(section.name);
      lines = [];
      if (!skipping) {
        sections.push({ ...section, lines });
      }
      if (sections.length > mostSections) {
        throw badInput(line.place, `more than ${mostSections} sections in one job file`);
      }
    } else if (skipping) {
    } else if (lines === null) {
      throw badInput(
        line.place,
        `option ${shown(line.text)} stands before the first section: write [global] or [name] above it`,
      );
    } else if (line.text.startsWith("include")) {
      include(line, [normalize(file)], reading, lines);
    } else {
      addLine(line, lines);
    }
  }
  return sections;
}

function openSection(line: OptionLine, notes: Notes): Omit<RawSection, "lines"> {
  const inner = line.text.slice(1, 1 + longestSectionName);
  if (inner === "") {
    throw badInput(line.place, "a section needs a name: [name]");
  }
  // fio drops the last character, whatever it is.
  const name = inner.slice(0, -1);
  if (name === "") {
    throw badInput(line.place, "a section needs a name: [name]");
  }
  if (!inner.endsWith("]") || name.includes("]")) {
    const meant = inner.endsWith("]") ? name : (inner.split("]")[0] ?? inner);
    notes.add(
      line.place,
      "section",
      `fio drops the last character of a section line, so this section is named ${shown(name)}; [${meant}] alone on the line was probably meant`,
    );
  }
  const kind = name.startsWith("global") ? "global" : "job";
  if (kind === "global" && name !== "global") {
    notes.add(
      line.place,
      "section",
      `[${name}] begins with "global", so fio takes it for a [global] section, not for a job`,
    );
  }
  return { kind, name, place: line.place };
}

function addLine(line: OptionLine, lines: OptionLine[]): void {
  if (lines.length === mostSectionOptions) {
    throw badInput(line.place, `more than ${mostSectionOptions} options in one section`);
  }
  lines.push(line);
}

/** Adds the lines of an included file to those of the section. */
function include(
  line: OptionLine,
  chain: readonly string[],
  reading: Reading,
  lines: OptionLine[],
): void {
  // As in fio, the name starts after the seven letters and one more character.
  const name = line.text.slice("include".length + 1);
  if (name === "") {
    throw badInput(line.place, "include needs a file name");
  }
  const { path, text } = findIncluded(name, line.place, reading.environment);
  if (chain.includes(path)) {
    throw badInput(line.place, `include ${shown(name)} goes in a circle: the file includes itself`);
  }
  if (chain.length >= deepestInclude) {
    throw badInput(line.place, `includes nest deeper than ${deepestInclude} files`);
  }
  reading.includedBytes += text.length;
  if (reading.includedBytes > mostIncludedBytes) {
    throw badInput(line.place, `included files add up to more than ${mostIncludedBytes >> 20} MiB`);
  }
  for (const inner of optionLines(path, text, reading.notes)) {
    if (inner.text.startsWith("[")) {
      throw badInput(inner.place, "an included file may hold options only, no [section]");
    }
    if (inner.text.startsWith("include")) {
      include(inner, [...chain, path], reading, lines);
    } else {
      addLine(inner, lines);
    }
  }
}

/** As given first, then relative to the including file. */
function findIncluded(name: string, place: Place, environment: JobEnvironment) {
  const candidates = [normalize(name)];
  if (!isAbsolute(name)) {
    candidates.push(join(dirname(place.file), name));
  }
  for (const path of candidates) {
    const text = environment.readJobFile(path);
    if (text !== null) {
      return { path, text };
    }
  }
  throw badInput(place, `included file ${shown(name)} does not exist`);
}

function* optionLines(file: string, text: string, notes: Notes): Generator<OptionLine> {
  if (text.length > jobFileLimitBytes) {
    throw badInput({ file, line: 1 }, "larger than 1 MiB: not a job file");
  }
  let line = 0;
  for (const raw of text.split("\n")) {
    line++;
    const place = { file, line };
    if (raw.includes("\0")) {
      throw badInput(place, "not a text file (holds a zero byte)");
    }
    if (raw.length > longestLine) {
      throw badInput(place, `the line is longer than ${longestLine} characters`);
    }
    const cut = cutLine(raw, place, notes);
    if (cut !== "") {
      yield { text: cut, place };
    }
  }
}

/** Cuts the line at the first `;` or `#`, wherever it stands: fio has no escape for them. */
function cutLine(raw: string, place: Place, notes: Notes): string {
  let start = 0;
  while (start < raw.length && isBlank(raw, start)) {
    start++;
  }
  const found = raw.slice(start).search(/[;#]/);
  if (found < 0) {
    return trimmed(raw, start, raw.length);
  }
  const end = start + found;
  const kept = trimmed(raw, start, end);
  if (kept !== "" && !isBlank(raw, end - 1)) {
    const lost = trimmed(raw, end, raw.length);
    notes.add(
      place,
      kept.split("=")[0] ?? "",
      `fio cuts the line at "${raw[end]}", so ${shown(lost)} is lost and the option reads ${shown(kept)}`,
    );
  }
  return kept;
}

function trimmed(text: string, start: number, end: number): string {
  let last = end;
  while (last > start && isBlank(text, last - 1)) {
    last--;
  }
  return text.slice(start, last);
}

/** Blanks and control characters, which fio skips alike. */
function isBlank(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return code <= 32 || code === 127;
}
