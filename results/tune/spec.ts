/** Reads a tune file: YAML, checked against its schema, errors with file and line. */
import { OsdynoError } from "../../engine/base/error.ts";
import { findOption } from "../../engine/options/registry.ts";
import { parseOptionValue } from "../../engine/options/value.ts";
import { metricFacts, nearestMetric } from "../metrics.ts";
import type { SweepAxis } from "../sweep/axes.ts";
import { SweepDocument } from "../sweep/document.ts";
import { loadPlugInsOf, type SweepSpec, specOf } from "../sweep/spec.ts";
import { parseThreshold } from "../threshold.ts";
import type { Goal, Limit } from "./problem.ts";
import { type CheckedTune, checkedTune, sweepOf } from "./schema.ts";
import type { Method } from "./search.ts";
import { sizeOf } from "./space.ts";

export interface TuneSpec {
  /** What stands in its file; absent where there is none of its own. */
  readonly text?: string;
  /** What is measured: the axes of the space, one target, the metrics of goals and limits first. */
  readonly sweep: SweepSpec;
  readonly goals: readonly Goal[];
  readonly limits: readonly (Limit & { readonly text: string })[];
  /** What the winner is confirmed against: nothing of the space is set but this. */
  readonly baseline: SweepAxis | null;
  readonly budget: { readonly runs: number | null; readonly seconds: number | null };
  readonly method: Method;
  readonly repeat: number;
  readonly confirm: { readonly pairs: number; readonly candidates: number };
  readonly seed: number;
}

/** `text`: what was read before. Throws `bad-input` with file and line when it is no YAML. */
export function openTune(path: string, text: string | null = null): SweepDocument {
  return new SweepDocument(path, "tuning", { matrix: "space" }, text);
}

/** Loads the plug-ins that a tune file names. Throws `bad-input` with file and line. */
export async function loadTunePlugIns(path: string): Promise<void> {
  const document = openTune(path);
  await loadPlugInsOf(document, sweepOf(checkedTune(document), ["iops"]));
}

/** What is sought, in the order of the file. */
export function goalsOf(document: SweepDocument, { objective }: CheckedTune): Goal[] {
  const { maximise = [], minimise = [] } = objective;
  const of = (direction: Goal["direction"]) => (metric: string) => ({ metric, direction });
  const goals = [...maximise.map(of("maximise")), ...minimise.map(of("minimise"))];
  for (const { metric, direction } of goals) {
    const facts = metricFacts(metric);
    if (facts === null) {
      const guess = nearestMetric(metric);
      const hint = guess === null ? "" : `; did you mean ${guess}?`;
      const what = `objective: ${direction}: no metric ${metric}${hint}`;
      throw document.refusal(["objective", direction], what);
    }
    const { better } = facts;
    const against = direction === "maximise" ? "lower" : "higher";
    if (better === against) {
      throw document.refusal(
        ["objective", direction],
        `objective: ${direction}: of ${metric} ${against} is better; did you mean ${direction === "maximise" ? "minimise" : "maximise"}?`,
      );
    }
  }
  const [first, second] = goals;
  if (first !== undefined && first.metric === second?.metric) {
    throw document.refusal(["objective"], `objective: ${first.metric} is named twice`);
  }
  return goals;
}

function limitsOf(document: SweepDocument, { subject_to: texts }: CheckedTune): TuneSpec["limits"] {
  return texts.map((text, place) => {
    try {
      const { metric, operator, limit } = parseThreshold(text);
      if (limit > 0) {
        return { text: text.trim(), metric, operator, bound: limit };
      }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw document.refusal(["subject_to", place], `subject_to: ${message}`);
    }
    throw document.refusal(["subject_to", place], `subject_to: ${text}: the value must be above 0`);
  });
}

function checkValue(document: SweepDocument, name: string, step: () => unknown): void {
  try {
    step();
  } catch (error) {
    throw error instanceof OsdynoError
      ? document.refusal(["baseline", name], `baseline: ${error.message}`)
      : error;
  }
}

/** The settings of the baseline as an axis of one value. */
function baselineOf(
  document: SweepDocument,
  { baseline }: CheckedTune,
  { axes, job, targets, set }: SweepSpec,
): SweepAxis | null {
  const settings: Record<string, string> = {};
  const mentions = JSON.stringify([job.text, targets, set]);
  for (const [name, value] of Object.entries(baseline)) {
    const axis = axes.find(({ names }) => names.includes(name));
    if (axis === undefined) {
      const what = `baseline: ${name} is not in the space; what every run has stands under set:`;
      throw document.refusal(["baseline", name], what);
    }
    const known = axis.values.find(({ parameters }) => parameters[name] === value);
    const named = axis.values.some((each) => !Object.hasOwn(each.settings, name));
    if (known === undefined && named && !mentions.includes(`\${${name}}`)) {
      throw document.refusal(["baseline", name], `baseline: ${name} has no value ${value}`);
    }
    const option = findOption(name);
    if (option !== undefined && known === undefined) {
      checkValue(document, name, () => parseOptionValue(option, value));
    }
    Object.assign(settings, known?.settings ?? (named ? {} : { [name]: value }));
  }
  for (const name of axes.flatMap(({ names }) => names)) {
    if (mentions.includes(`\${${name}}`) && !Object.hasOwn(baseline, name)) {
      const what = `baseline: ${name} is mentioned as \${${name}}, so the baseline needs a value of it`;
      throw document.refusal(["baseline"], what);
    }
  }
  const names = Object.keys(baseline);
  return names.length === 0
    ? null
    : { names, line: document.line("baseline"), values: [{ parameters: baseline, settings }] };
}

/** Choices up to which a whole grid is listed. */
const mostGrid = 100_000;

/** Reads and checks a tune file; throws `bad-input` with file and line. */
export function readTune(path: string): TuneSpec {
  const document = openTune(path);
  const tune = checkedTune(document);
  const goals = goalsOf(document, tune);
  const limits = limitsOf(document, tune);
  const asked = [...goals, ...limits].map(({ metric }) => metric);
  const metrics = [...new Set([...asked, ...tune.metrics])];
  const sweep = specOf(document, sweepOf(tune, metrics));
  if (sweep.axes.length === 0) {
    const what =
      "space: give at least one option or job key with its values, or a knob under host:";
    throw document.refusal(["space"], what);
  }
  const size = sizeOf(
    sweep.axes.map(({ values }) => ({ name: "", values: values.map(String), at: null })),
  );
  if (tune.method === "grid" && size > mostGrid) {
    const what = `method: grid: the space has ${size} points; at most ${mostGrid}`;
    throw document.refusal(["method"], what);
  }
  const { runs = null, time = null } = tune.budget as { runs?: number; time?: number };
  return {
    text: document.text,
    sweep,
    goals,
    limits,
    baseline: baselineOf(document, tune, sweep),
    budget: { runs, seconds: time },
    method: tune.method,
    repeat: tune.repeat,
    confirm: tune.confirm,
    seed: tune.seed,
  };
}
