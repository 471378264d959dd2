/** `--parse-only`: the jobs with every value filled in, as text or as one JSON document. */
import type { LintNote, ParsedJobs } from "../workloads/job/model.ts";
import { resolvedToJson } from "../workloads/job/resolved-json.ts";

/** The linter's notes, on stderr. */
export function printNotes(notes: readonly LintNote[]): void {
  for (const { place, message } of notes) {
    process.stderr.write(`note: ${place.file}:${place.line}: ${message}\n`);
  }
}

export function parsedJson(parsed: ParsedJobs): string {
  const document = { jobs: parsed.jobs.map(resolvedToJson), notes: parsed.notes };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** A section for each job, a line for each value: JSON where it has parts. */
export function parsedText(parsed: ParsedJobs): string {
  const sections = parsed.jobs.map((job) => {
    const { name, given: _given, place: _place, ...values } = resolvedToJson(job);
    const lines = Object.entries(values).map(([key, value]) => {
      const text = typeof value === "string" ? value : JSON.stringify(value);
      return `${key} = ${text}\n`;
    });
    return `[${String(name)}]\n${lines.join("")}`;
  });
  return sections.join("\n");
}
