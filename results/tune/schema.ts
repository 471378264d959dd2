/** The keys of a tune file: those of a sweep file that say what is measured, and those of the search. */
import { z } from "zod";
import type { SweepDocument } from "../sweep/document.ts";
import { type CheckedSweep, checkedAs, scalar, sweepSchema, time } from "../sweep/schema.ts";
import { methods } from "./search.ts";

const { shape } = sweepSchema;
const names = z.union([z.string().transform((name) => [name]), z.array(z.string()).min(1)]);
const runs = z.number().int().min(1).max(100_000);

/** Pairs of runs below which nothing is decided. */
const leastPairs = 6;

const tuneSchema = z.strictObject({
  name: shape.name,
  question: shape.question,
  job: shape.job,
  targets: z.array(z.string()).length(1, "a tuning has one target").optional(),
  set: shape.set,
  preset: shape.preset,
  device_class: shape.device_class,
  shape: shape.shape,
  generator_cpus: shape.generator_cpus,
  target_cpus: shape.target_cpus,
  plugins: shape.plugins,
  prepare: shape.prepare,
  space: shape.matrix,
  host: shape.host,
  when: shape.when,
  exclude: shape.exclude,
  objective: z
    .strictObject({ maximise: names.optional(), minimise: names.optional() })
    .refine(
      ({ maximise = [], minimise = [] }) => [1, 2].includes(maximise.length + minimise.length),
      {
        message: "give one or two metrics under maximise: and minimise:",
      },
    ),
  subject_to: z.array(z.string()).default([]),
  metrics: z.array(z.string()).default([]),
  baseline: z.record(z.string(), scalar).default({}),
  budget: z
    .union([
      runs.transform((count) => ({ runs: count })),
      time.transform((seconds) => ({ time: seconds })),
      z.strictObject({ runs: runs.optional(), time: time.optional() }),
    ])
    .default({ runs: 80 }),
  method: z.enum(methods).default("model"),
  repeat: z.number().int().min(1).max(100).default(1),
  confirm: z
    .strictObject({
      pairs: z
        .number()
        .int()
        .min(leastPairs, `an interval at 95% needs ${leastPairs} pairs`)
        .max(1000)
        .default(10),
      candidates: z.number().int().min(1).max(10).default(1),
    })
    .default({ pairs: 10, candidates: 1 }),
  min_effect: shape.min_effect,
  seed: z.number().int().min(0).default(1),
});

export type CheckedTune = z.infer<typeof tuneSchema>;

export function checkedTune(document: SweepDocument): CheckedTune {
  const needs = "name:, job:, space: and objective:";
  return checkedAs(document, tuneSchema, { kind: "tuning", needs });
}

/** What of a tuning is a sweep: its points and what is measured at each. */
export function sweepOf(tune: CheckedTune, metrics: readonly string[]): CheckedSweep {
  const { name, question, job, targets, set, preset, device_class, plugins, prepare } = tune;
  return {
    ...{ name, question, job, set, plugins, targets, preset, device_class, prepare },
    shape: tune.shape,
    generator_cpus: tune.generator_cpus,
    target_cpus: tune.target_cpus,
    matrix: tune.space,
    host: tune.host,
    zip: [],
    when: tune.when,
    exclude: tune.exclude,
    repeat: 1,
    metrics: [...metrics],
    min_effect: tune.min_effect,
    require: [],
    goal: [],
    asks: "choice",
    preview: false,
  };
}
