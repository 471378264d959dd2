/** The sweep file in the record of its sweep: what was asked stands there as it was written. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import type { SweepRecord } from "../sweep-record.ts";
import { SweepDocument } from "./document.ts";
import { checked } from "./schema.ts";
import { askedOf } from "./spec.ts";
import { ruleHolds } from "./values.ts";

export type FileRecord = NonNullable<SweepRecord["file"]>;

function sha256Of(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

export function fileRecord(path: string, text: string): FileRecord {
  return { name: basename(path), sha256: sha256Of(text), text };
}

/** One requirement of one point, in a line. */
function requirementText(threshold: string, point: string, because: string, goal: boolean): string {
  return `${point}: ${goal ? "goal " : ""}${threshold}${because === "" ? "" : ` (${because})`}`;
}

/** A name, what the record says of it, and what the file does. */
export type Asked = readonly [name: string, said: unknown, written: unknown];

/**
 * What a record says was asked that its file does not, one line each. `asked` reads the text of the file;
 * empty when they agree, and of records of older versions, which have no file.
 */
export function otherThanFile(
  record: string,
  file: FileRecord | undefined,
  asked: (file: FileRecord) => readonly Asked[],
): readonly string[] {
  if (file === undefined) {
    return [];
  }
  const found = sha256Of(file.text);
  if (found !== file.sha256) {
    return [`${record} file: its checksum is ${file.sha256}, that of its text is ${found}`];
  }
  try {
    return asked(file)
      .filter(([, said, written]) => JSON.stringify(said) !== JSON.stringify(written))
      .map(
        ([key, said, written]) =>
          `${record} ${key}: ${JSON.stringify(said) ?? "none"}, but ${file.name} says ${JSON.stringify(written) ?? "none"}`,
      );
  } catch (error) {
    if (error instanceof OsdynoError) {
      return [`${record} file: ${error.message}`];
    }
    throw error;
  }
}

/** The same of a sweep. */
export function askedOtherwise(sweep: SweepRecord): readonly string[] {
  return otherThanFile("sweep.json", sweep.file, (file) => askedOfSweep(sweep, file));
}

function askedOfSweep(sweep: SweepRecord, file: FileRecord): readonly Asked[] {
  const document = new SweepDocument(file.name, "sweep", {}, file.text);
  const spec = checked(document);
  const required = askedOf(document, spec).flatMap(({ threshold, at, because, goal }) =>
    sweep.points
      .filter(({ parameters }) => ruleHolds(at, parameters))
      .map(({ id }) => requirementText(threshold.text, id, because, goal === true)),
  );
  const judged = (sweep.requirements ?? []).map(({ threshold, point, because, goal }) =>
    requirementText(threshold, point, because, goal === true),
  );
  const { name, question, metrics, min_effect: minEffect } = sweep;
  const pick = spec.pick && { parameter: spec.pick.smallest, within: spec.pick.within };
  return [
    ["name", name, spec.name],
    ["question", question, spec.question.trim()],
    ["metrics", metrics, spec.metrics],
    ["min_effect", minEffect, spec.min_effect],
    ["baseline", sweep.baseline, spec.baseline],
    ["asks", sweep.asks ?? "choice", spec.asks],
    ["steps", sweep.steps?.along, spec.steps],
    ["pick", sweep.pick, pick],
    // Of previews nothing is judged, nor of what ended before its first run.
    ...(sweep.preview || (sweep.state === "partial" && judged.length === 0)
      ? []
      : [["requirements", judged, required] as const]),
  ];
}
