/** Reads a sweep file: YAML, checked against its schema, errors with file and line. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { OsdynoError } from "../../engine/base/error.ts";
import { nearestName } from "../../engine/base/nearest-name.ts";
import { readJobFile } from "../../workloads/job/host-environment.ts";
import { metricFacts, nearestMetric } from "../metrics.ts";

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
function findJob(name: string, sweepFile: string): string | null {
  const places = [resolve(dirname(sweepFile), name), join(profiles, name)];
  return places.find(existsSync) ?? null;
}

/** A sweep file is not larger than this. */
const mostBytes = 1 << 20;

function read(file: string): string {
  try {
    if (statSync(file).size > mostBytes) {
      throw new OsdynoError("bad-input", "larger than 1 MiB: not a sweep file", { file });
    }
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof OsdynoError) {
      throw error;
    }
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

/** A sweep file as YAML, with the lines of its keys. */
class SweepDocument {
  readonly raw: unknown;
  readonly #path: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;

  constructor(path: string) {
    this.#path = path;
    const options = { lineCounter: this.#lines, prettyErrors: false };
    this.#document = parseDocument(read(path), options);
    const syntax = this.#document.errors[0];
    if (syntax !== undefined) {
      throw this.#at(syntax.pos[0], syntax.message);
    }
    try {
      this.raw = this.#document.toJS();
    } catch (error) {
      // Aliases of aliases that would fill the memory.
      throw this.#at(0, error instanceof Error ? error.message : String(error));
    }
  }

  #at(offset: number, message: string): OsdynoError {
    const { line } = this.#lines.linePos(offset);
    return new OsdynoError("bad-input", message, { file: this.#path, line });
  }

  /** Line of a key, or of the deepest part of it that there is; 1 when there is none. */
  #offset(keys: readonly PropertyKey[]): number {
    let node: unknown = this.#document.contents;
    let offset = 0;
    for (const name of keys) {
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === name);
        const key = pair?.key;
        offset = isScalar(key) ? (key.range?.[0] ?? offset) : offset;
        node = pair?.value;
      } else if (isSeq(node)) {
        node = node.items[Number(name)];
        offset = isNode(node) ? (node.range?.[0] ?? offset) : offset;
      }
    }
    return offset;
  }

  line(...keys: readonly PropertyKey[]): number {
    return this.#lines.linePos(this.#offset(keys)).line;
  }

  /** What is wrong with a key, as an error to throw. */
  refusal(keys: readonly PropertyKey[], message: string): OsdynoError {
    return this.#at(this.#offset(keys), message);
  }
}

type CheckedSweep = z.infer<typeof sweepSchema>;

/** Against the schema; a key that there is not, or not yet, is refused by name. */
function checked(document: SweepDocument): CheckedSweep {
  const { raw } = document;
  if (raw === null || typeof raw !== "object" || Array.isArray(raw)) {
    const what = raw === null || raw === undefined ? "the sweep file is empty" : "this is no sweep";
    throw document.refusal([], `${what}; it needs name:, job: and matrix:`);
  }
  for (const key of Object.keys(raw)) {
    if (Object.hasOwn(laterKeys, key)) {
      throw document.refusal([key], `${key}: not in this version (${laterKeys[key]})`);
    }
    if (!Object.hasOwn(sweepSchema.shape, key)) {
      const guess = nearestName(key, Object.keys(sweepSchema.shape));
      const hint = guess === null ? "" : `; did you mean ${guess}?`;
      throw document.refusal([key], `${key}: no such key${hint}`);
    }
  }
  const result = sweepSchema.safeParse(raw);
  if (!result.success) {
    const issue = result.error.issues[0];
    const keys = issue?.path ?? [];
    const [first = "sweep"] = keys;
    const missing = !Object.hasOwn(raw, first);
    const message = missing ? "is missing; a sweep needs name: and job:" : issue?.message;
    throw document.refusal(keys, `${keys.join(".") || "sweep"}: ${message ?? "not valid"}`);
  }
  return result.data;
}

/** Names of metrics and axes that the sweep refers to. */
function checkNames(document: SweepDocument, spec: CheckedSweep): void {
  for (const [index, name] of spec.metrics.entries()) {
    if (metricFacts(name) === null) {
      const guess = nearestMetric(name);
      const hint = guess === null ? "" : `; did you mean ${guess}?`;
      throw document.refusal(["metrics", index], `metrics: no metric ${name}${hint}`);
    }
  }
  const rules = [
    ...spec.exclude.map((rule, index) => ({ keys: ["exclude", index], rule })),
    ...(spec.baseline === undefined ? [] : [{ keys: ["baseline"], rule: spec.baseline }]),
  ];
  for (const { keys, rule } of rules) {
    const axes = new Set([
      ...Object.keys(spec.matrix),
      ...(keys[0] === "baseline" ? ["target"] : []),
    ]);
    const unknown = Object.keys(rule).find((name) => !axes.has(name));
    if (unknown !== undefined) {
      const where = [...keys, unknown];
      throw document.refusal(where, `${keys[0]}: ${unknown} is not an axis of the matrix`);
    }
  }
}

/** Reads and checks a sweep file; throws `bad-input` with file and line. */
export function readSweep(path: string): SweepSpec {
  const document = new SweepDocument(path);
  const spec = checked(document);
  checkNames(document, spec);
  const inline = spec.job.includes("\n") || spec.job.trimStart().startsWith("[");
  const job = inline
    ? { name: `${path} job`, text: spec.job, inlineAfter: document.line("job") }
    : readJob(document, spec.job, path);
  const mentions = JSON.stringify([job.text, spec.matrix, spec.targets]);
  return {
    file: path,
    name: spec.name,
    question: spec.question,
    job,
    targets: spec.targets ?? [],
    targetsLine: document.line("targets"),
    axes: Object.entries(spec.matrix).map(([name, values]) =>
      axisOf(name, values, mentions, document.line("matrix", name)),
    ),
    exclude: spec.exclude,
    repeat: spec.repeat,
    metrics: spec.metrics,
    baseline: spec.baseline ?? null,
    preview: spec.preview,
  };
}

function readJob(document: SweepDocument, job: string, sweepFile: string): SweepSpec["job"] {
  const file = findJob(job, resolve(sweepFile));
  if (file === null) {
    throw document.refusal(
      ["job"],
      `job: ${job} is neither beside the sweep nor among the profiles`,
    );
  }
  return { name: file, text: readJobFile(file), inlineAfter: null };
}
