/** The keys of a sweep file and the shapes of their values. */
import { z } from "zod";
import { nearestName } from "../../engine/base/nearest-name.ts";
import type { SweepDocument } from "./document.ts";

export const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);
/** Job keys and options with the values that one named value of an axis sets together. */
const settings = z.record(z.string(), scalar);
const range = z.strictObject({
  from: scalar,
  to: scalar,
  step: scalar.optional(),
  factor: z.number().gt(1).optional(),
});
const axis = z.union([z.array(scalar).min(1), range, z.record(z.string(), settings)]);
/** Of a parameter: a value, several, or a comparison such as `< 64k`. */
const rule = z.record(z.string(), z.union([scalar, z.array(scalar).min(1)]));
export const percent = scalar
  .pipe(z.string().regex(/^\d+(\.\d+)?%$/, "give a percentage, e.g. 5%"))
  .transform((text) => Number(text.slice(0, -1)) / 100);
export const time = scalar
  .pipe(z.string().regex(/^\d+(\.\d+)?(s|m|h)$/, "give a time such as 90s, 20m or 2h"))
  .transform(secondsOf);

/** `90s`, `20m`, `2h` in seconds. */
export function secondsOf(text: string): number {
  return Number(text.slice(0, -1)) * { s: 1, m: 60, h: 3600 }[text.slice(-1) as "s" | "m" | "h"];
}

export const sweepSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "use letters, digits, '.', '_' and '-'"),
  question: z.string().default(""),
  job: z.string(),
  targets: z.array(z.string()).min(1).optional(),
  set: settings.default({}),
  preset: z.string().optional(),
  device_class: z.string().optional(),
  shape: z.string().optional(),
  generator_cpus: scalar.optional(),
  target_cpus: scalar.optional(),
  plugins: z.array(z.string()).default([]),
  prepare: z
    .strictObject({
      fill: percent.pipe(z.number().max(0.95, "at most 95%")),
      age: z.number().min(0).max(100).default(0),
      per: z.array(z.string()).default([]),
    })
    .optional(),
  matrix: z.record(z.string(), axis).default({}),
  host: z.record(z.string(), z.union([z.array(scalar).min(1), range, scalar])).default({}),
  zip: z.array(z.record(z.string(), z.array(scalar).min(1))).default([]),
  when: z.record(z.string(), rule).default({}),
  exclude: z.array(rule).default([]),
  repeat: z.number().int().min(1).max(1000).optional(),
  until: z
    .strictObject({
      within: percent.pipe(z.number().gt(0, "give more than 0%: 2%")).optional(),
      decided: z.boolean().default(false),
      max_repeat: z.number().int().min(1).max(1000).default(30),
      time: time.optional(),
    })
    .refine(
      ({ within, decided, time: limit }) => within !== undefined || decided || limit !== undefined,
      "say when to end: within: 2%, decided: true, or time: 20m",
    )
    .optional(),
  min_effect: percent.pipe(z.number().lt(1, "less than 100%")).default(0.02),
  metrics: z.array(z.string()).min(1).default(["iops", "response.p99"]),
  baseline: z.record(z.string(), scalar).optional(),
  steps: z.string().optional(),
  asks: z.enum(["choice", "effect"]).default("choice"),
  pick: z.strictObject({ smallest: z.string(), within: percent }).optional(),
  require: z
    .array(
      z.strictObject({
        threshold: z.string(),
        at: z.record(z.string(), z.union([scalar, z.array(scalar).min(1)])).default({}),
        because: z.string().optional(),
      }),
    )
    .default([]),
  goal: z.array(z.string()).default([]),
  preview: z.boolean().default(false),
});

export type CheckedSweep = z.infer<typeof sweepSchema>;
export type AxisValues = z.infer<typeof axis>;
export type HostValues = CheckedSweep["host"][string];
export type RuleValues = z.infer<typeof rule>;

/** What a kind of file is called, and which keys it cannot be without. */
interface FileKind {
  readonly kind: string;
  readonly needs: string;
}

/** Against the schema of a sweep file. */
export function checked(document: SweepDocument): CheckedSweep {
  return checkedAs(document, sweepSchema, { kind: "sweep", needs: "name:, job: and matrix:" });
}

/** Against a schema; a key that there is not, or not yet, is refused by name. */
export function checkedAs<T extends z.ZodRawShape>(
  document: SweepDocument,
  schema: z.ZodObject<T>,
  { kind, needs }: FileKind,
): z.infer<z.ZodObject<T>> {
  const { raw } = document;
  if (raw === null || typeof raw !== "object" || Array.isArray(raw)) {
    const empty = raw === null || raw === undefined;
    const what = empty ? `the ${kind} file is empty` : `this is no ${kind}`;
    throw document.refusal([], `${what}; it needs ${needs}`);
  }
  for (const key of Object.keys(raw)) {
    if (!Object.hasOwn(schema.shape, key)) {
      const guess = nearestName(key, Object.keys(schema.shape));
      const hint = guess === null ? "" : `; did you mean ${guess}?`;
      throw document.refusal([key], `${key}: no such key${hint}`);
    }
  }
  const result = schema.safeParse(raw);
  if (!result.success) {
    const issue = result.error.issues[0];
    const keys = issue?.path ?? [];
    const [first = kind] = keys;
    const missing = !Object.hasOwn(raw, first);
    const message = missing ? `is missing; a ${kind} needs ${needs}` : wordsOf(issue);
    throw document.refusal(keys, `${keys.join(".") || kind}: ${message}`);
  }
  return result.data;
}

function wordsOf(issue: z.core.$ZodIssue | undefined): string {
  if (issue?.code === "unrecognized_keys") {
    return `no such key: ${issue.keys.join(", ")}`;
  }
  if (issue?.code === "invalid_union" && ["matrix", "space"].includes(String(issue.path[0]))) {
    return "give a list of values, {from, to, step or factor}, or named sets of keys";
  }
  if (issue?.path[0] === "zip") {
    return "give a list of parameters that take their values together, e.g. [{iodepth: [1, 8], bs: [4k, 64k]}]";
  }
  return issue?.message ?? "not valid";
}
