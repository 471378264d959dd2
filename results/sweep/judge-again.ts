/** The verdicts of a sweep from its runs, by the rules of this version. */
import { basename } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { metric, metricSupported } from "../metrics.ts";
import type { RunRecord } from "../run-record.ts";
import type { SweepComparison, SweepRecord, SweepRequirement } from "../sweep-record.ts";
import { parseThreshold } from "../threshold.ts";
import { distributionsOf } from "./distributions.ts";
import { fileRecord } from "./file-record.ts";
import { type FiguresOf, type JudgeInput, judge } from "./judge.ts";
import { judgeSteps } from "./judge-steps.ts";
import { type LayerTax, LayerTaxes } from "./layer-tax.ts";
import { judgeRequirements } from "./require.ts";
import type { SweepSpec } from "./spec.ts";
import { levelAt } from "./stop.ts";
import { completeRun } from "./sweep-directory.ts";

/** Runs by point and block. */
type Records = readonly (readonly RunRecord[])[];

export function figuresOf({ points }: SweepRecord, records: Records): FiguresOf {
  const places = new Map(points.map(({ id }, place) => [id, place]));
  return (point, name) =>
    (records[places.get(point) ?? -1] ?? []).map((record) =>
      metricSupported(record, name) ? metric(record, name) : null,
    );
}

export function comparisonsOf(sweep: SweepRecord, figures: FiguresOf): readonly SweepComparison[] {
  return sweep.preview
    ? []
    : judge({ ...judgedOf(sweep, figures), baseline: sweep.baseline ?? null });
}

function judgedOf(sweep: SweepRecord, figures: FiguresOf): Omit<JudgeInput, "baseline"> {
  // The level of the look at which the sweep ended; its usual one where no looks were planned.
  const blocks = Math.max(0, ...sweep.points.map(({ runs }) => runs.length));
  return {
    points: sweep.points,
    metrics: sweep.metrics,
    figures,
    confidence: 1 - levelAt(sweep.looks ?? [], blocks),
    ...(sweep.min_effect === undefined ? {} : { margin: sweep.min_effect }),
  };
}

/** Each value of the parameter that the sweep asks about against the one before it. */
export function stepsOf(sweep: SweepRecord, figures: FiguresOf): readonly SweepComparison[] {
  const { preview, steps, parameters } = sweep;
  if (preview || steps === undefined) {
    return [];
  }
  const { along } = steps;
  return judgeSteps({ ...judgedOf(sweep, figures), along, values: parameters[along] ?? [] });
}

/** What was required of single points, asked of them again. */
export function requirementsOf(
  { points, requirements = [] }: SweepRecord,
  figures: FiguresOf,
): readonly (readonly [SweepRequirement, SweepRequirement | undefined])[] {
  return requirements.map((before) => {
    const { threshold: text, because, point: id } = before;
    const asked = [{ threshold: parseThreshold(text), at: {}, because }];
    const own = points.filter((point) => point.id === id);
    return [before, judgeRequirements(asked, own, figures)[0]] as const;
  });
}

export function layerTaxesOf({ points }: SweepRecord, records: Records): readonly LayerTax[] {
  const taxes = new LayerTaxes(points);
  for (const [place, point] of points.entries()) {
    for (const [block, record] of (records[place] ?? []).entries()) {
      taxes.add(point, block, record);
    }
  }
  return taxes.rows();
}

/** What was said of the machine's noise is not known from the runs: it stays where the verdict does. */
function withNoise(
  comparison: SweepComparison,
  before: SweepComparison | undefined,
): SweepComparison {
  const warning = before?.reason.split("; but ")[1];
  return before?.below_noise === true && before.verdict === comparison.verdict && warning
    ? { ...comparison, reason: `${comparison.reason}; but ${warning}`, below_noise: true }
    : comparison;
}

/** What another sweep file asks of the same points; throws `bad-input` when it has others. */
function askedBy(directory: string, sweep: SweepRecord, by: SweepSpec): SweepRecord {
  const textOf = (value: Readonly<Record<string, readonly string[]>>) =>
    JSON.stringify(Object.entries(value).sort(([a], [b]) => a.localeCompare(b)));
  const values = new Map<string, string[]>();
  for (const { parameters } of by.axes.flatMap((axis) => axis.values)) {
    for (const [name, value] of Object.entries(parameters)) {
      const known = values.get(name) ?? [];
      values.set(name, known.includes(value) ? known : [...known, value]);
    }
  }
  if (textOf(Object.fromEntries(values)) !== textOf(sweep.parameters) || sweep.name !== by.name) {
    const message = `--by ${by.file}: ${sweep.name} in ${directory} was made of other points; name the file of that sweep`;
    throw new OsdynoError("bad-input", message);
  }
  const {
    baseline: _baseline,
    pick: _pick,
    requirements: _requirements,
    steps: before,
    asks: _asks,
    ...rest
  } = sweep;
  const note = `judged by ${basename(by.file)} as it was written after the runs were made`;
  return {
    ...rest,
    question: by.question,
    metrics: by.metrics,
    min_effect: by.minEffect,
    ...(by.baseline === null ? {} : { baseline: by.baseline }),
    ...(by.asks === "effect" ? { asks: by.asks } : {}),
    ...(by.steps === undefined
      ? {}
      : { steps: { along: by.steps, comparisons: before?.comparisons ?? [] } }),
    ...(by.pick === null ? {} : { pick: by.pick }),
    ...(by.text === undefined ? {} : { file: fileRecord(by.file, by.text) }),
    notes: [...(sweep.notes ?? []).filter((each) => each !== note), note],
  };
}

/**
 * The record with everything that follows from its runs made again. @throws OsdynoError `bad-input` when a
 * run is not there, or when it is a record of another kind. `by`: the sweep file that says what is asked now.
 */
export function judgedAgain(
  directory: string,
  before: SweepRecord,
  by: SweepSpec | null = null,
): SweepRecord {
  if (before.snia !== undefined || before.load_curve !== undefined) {
    const message = "is no sweep with a baseline: there is nothing to judge again";
    throw new OsdynoError("bad-input", message, { file: directory });
  }
  const sweep = by === null ? before : askedBy(directory, before, by);
  const records = sweep.points.map(({ runs }) =>
    runs.map((run) => {
      const record = completeRun(directory, run);
      if (record === null) {
        throw new OsdynoError("bad-input", `${run} is not there, or not complete`, {
          file: directory,
        });
      }
      return record;
    }),
  );
  const figures = figuresOf(sweep, records);
  const keyOf = (each: SweepComparison) => `${each.metric} ${each.base} ${each.candidate}`;
  const again = (now: readonly SweepComparison[], then: readonly SweepComparison[]) => {
    const known = new Map(then.map((each) => [keyOf(each), each]));
    return now.map((each) => withNoise(each, known.get(keyOf(each))));
  };
  const { steps } = sweep;
  const judged = {
    ...sweep,
    comparisons: again(comparisonsOf(sweep, figures), sweep.comparisons),
    ...(steps === undefined
      ? {}
      : { steps: { ...steps, comparisons: again(stepsOf(sweep, figures), steps.comparisons) } }),
  };
  return {
    ...judged,
    ...(sweep.layer_tax === undefined ? {} : { layer_tax: layerTaxesOf(sweep, records) }),
    ...(sweep.distributions === undefined
      ? {}
      : { distributions: distributionsOf(directory, judged) }),
    ...(by !== null && by.require.length > 0
      ? { requirements: judgeRequirements(by.require, sweep.points, figures) }
      : {}),
    ...(sweep.requirements === undefined
      ? {}
      : { requirements: requirementsOf(sweep, figures).map(([before, now]) => now ?? before) }),
  };
}
