/** Reads a sweep file: YAML, checked against its schema, errors with file and line. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { OsdynoError } from "../../engine/base/error.ts";
import { nearestName } from "../../engine/base/nearest-name.ts";

const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);
/** Job keys and values that one named value of an axis sets together. */
const settings = z.record(z.string(), scalar);
const axis = z.union([z.array(scalar).min(1), z.record(z.string(), settings)]);

const sweepSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "use letters, digits, '.', '_' and '-'"),
  question: z.string().default(""),
  job: z.string(),
  targets: z.array(z.string()).min(1).optional(),
  matrix: z.record(z.string(), axis).default({}),
  exclude: z.array(z.record(z.string(), scalar)).default([]),
  repeat: z.number().int().min(1).max(1000).default(1),
  metrics: z.array(z.string()).min(1).default(["iops", "response.p99"]),
  baseline: z.record(z.string(), scalar).optional(),
  preview: z.boolean().default(false),
});

/** Keys of `cli.md` that belong to parts that are not there yet. */
const laterKeys: Readonly<Record<string, string>> = {
  shape: "the synthetic device as a wrapper",
  prepare: "filling and ageing of stores",
  host: "host knobs",
};

/** One axis: its values by name, each with the job keys that it sets. */
export interface SweepAxis {
  readonly name: string;
  /** Where it stands in the sweep file. */
  readonly line: number;
  readonly values: readonly {
    readonly name: string;
    readonly settings: Readonly<Record<string, string>>;
  }[];
}

export interface SweepSpec {
  readonly file: string;
  readonly name: string;
  readonly question: string;
  /** Where the job's text stands, and the text. */
  readonly job: {
    readonly name: string;
    readonly text: string;
    /** Of a job within the sweep file: the line before its first one. */
    readonly inlineAfter: number | null;
  };
  readonly targets: readonly string[];
  readonly targetsLine: number;
  readonly axes: readonly SweepAxis[];
  readonly exclude: readonly Readonly<Record<string, string>>[];
  readonly repeat: number;
  readonly metrics: readonly string[];
  readonly baseline: Readonly<Record<string, string>> | null;
  readonly preview: boolean;
}

const profiles = fileURLToPath(new URL("../../profiles", import.meta.url));

/** A file named in a sweep: relative to the sweep's file, else among the profiles. */
function findJob(name: string, sweepFile: string): string {
  const places = [resolve(dirname(sweepFile), name), join(profiles, name)];
  const found = places.find(existsSync);
  if (found === undefined) {
    throw new OsdynoError("bad-input", `job ${name} not found (looked for ${places.join(", ")})`, {
      file: sweepFile,
    });
  }
  return found;
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const words: Readonly<Record<string, string>> = {
      ENOENT: "no such sweep file",
      EISDIR: "this is a directory, not a sweep file",
    };
    throw new OsdynoError("bad-input", words[code ?? ""] ?? `cannot be read (${code})`, { file });
  }
}

/** An axis that is mentioned as `${name}` is a variable; any other list is a job key's values. */
function axisOf(
  name: string,
  values: z.infer<typeof axis>,
  mentions: string,
  line: number,
): SweepAxis {
  if (Array.isArray(values)) {
    const variable = mentions.includes(`\${${name}}`);
    return {
      name,
      line,
      values: values.map((value) => ({ name: value, settings: variable ? {} : { [name]: value } })),
    };
  }
  return {
    name,
    line,
    values: Object.entries(values).map(([value, set]) => ({ name: value, settings: set })),
  };
}

/** Reads and checks a sweep file; throws `bad-input` with file and line. */
export function readSweep(path: string): SweepSpec {
  const file = resolve(path);
  const text = read(file);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineOf = (offset: number | undefined) =>
    offset === undefined ? {} : { line: lines.linePos(offset).line };
  const syntax = document.errors[0];
  if (syntax !== undefined) {
    throw new OsdynoError("bad-input", syntax.message, { file: path, ...lineOf(syntax.pos[0]) });
  }
  const lineAt = (...keys: string[]): number => {
    const node = document.getIn(keys, true) as { range?: [number] } | undefined;
    return lines.linePos(node?.range?.[0] ?? 0).line;
  };
  const refuse = (keys: readonly PropertyKey[], message: string): never => {
    const node = document.getIn(keys as string[], true) as { range?: [number] } | undefined;
    throw new OsdynoError("bad-input", message, { file: path, ...lineOf(node?.range?.[0]) });
  };
  const raw: unknown = document.toJS();
  if (raw === null || typeof raw !== "object") {
    throw new OsdynoError("bad-input", "the sweep is empty; it needs name:, job: and matrix:", {
      file: path,
    });
  }
  for (const key of Object.keys(raw)) {
    if (key in laterKeys) {
      refuse([key], `${key}: ${laterKeys[key]} is not in this version`);
    }
    if (!(key in sweepSchema.shape)) {
      const guess = nearestName(key, Object.keys(sweepSchema.shape));
      refuse([key], `${key}: no such key${guess === null ? "" : `; did you mean ${guess}?`}`);
    }
  }
  const checked = sweepSchema.safeParse(raw);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    const keys = issue?.path ?? [];
    return refuse(keys, `${keys.join(".") || "sweep"}: ${issue?.message ?? "not valid"}`);
  }
  const spec = checked.data;
  const inline = spec.job.includes("\n") || spec.job.trimStart().startsWith("[");
  const jobFile = inline ? null : findJob(spec.job, file);
  const job =
    jobFile === null
      ? { name: `${path} job`, text: spec.job, inlineAfter: lineAt("job") }
      : { name: jobFile, text: read(jobFile), inlineAfter: null };
  const mentions = JSON.stringify([job.text, spec.matrix, spec.targets]);
  return {
    file: path,
    name: spec.name,
    question: spec.question,
    job,
    targets: spec.targets ?? [],
    targetsLine: lineAt("targets"),
    axes: Object.entries(spec.matrix).map(([name, values]) =>
      axisOf(name, values, mentions, lineAt("matrix", name)),
    ),
    exclude: spec.exclude,
    repeat: spec.repeat,
    metrics: spec.metrics,
    baseline: spec.baseline ?? null,
    preview: spec.preview,
  };
}
