/** The verdicts of a sweep from its runs, by the rules of this version. */
import { OsdynoError } from "../../engine/base/error.ts";
import { metric, metricSupported } from "../metrics.ts";
import type { RunRecord } from "../run-record.ts";
import type { SweepComparison, SweepRecord, SweepRequirement } from "../sweep-record.ts";
import { parseThreshold } from "../threshold.ts";
import { distributionsOf } from "./distributions.ts";
import { type FiguresOf, judge } from "./judge.ts";
import { type LayerTax, LayerTaxes } from "./layer-tax.ts";
import { judgeRequirements } from "./require.ts";
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
  // The level of the look at which the sweep ended; its usual one where no looks were planned.
  const blocks = Math.max(0, ...sweep.points.map(({ runs }) => runs.length));
  return sweep.preview
    ? []
    : judge({
        points: sweep.points,
        metrics: sweep.metrics,
        baseline: sweep.baseline ?? null,
        figures,
        confidence: 1 - levelAt(sweep.looks ?? [], blocks),
        ...(sweep.min_effect === undefined ? {} : { margin: sweep.min_effect }),
      });
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

/**
 * The record with everything that follows from its runs made again. @throws OsdynoError `bad-input` when a
 * run is not there, or when it is a record of another kind.
 */
export function judgedAgain(directory: string, sweep: SweepRecord): SweepRecord {
  if (sweep.snia !== undefined || sweep.load_curve !== undefined) {
    const message = "is no sweep with a baseline: there is nothing to judge again";
    throw new OsdynoError("bad-input", message, { file: directory });
  }
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
  const known = new Map(sweep.comparisons.map((each) => [keyOf(each), each]));
  const comparisons = comparisonsOf(sweep, figures).map((each) =>
    withNoise(each, known.get(keyOf(each))),
  );
  const judged = { ...sweep, comparisons };
  return {
    ...judged,
    ...(sweep.layer_tax === undefined ? {} : { layer_tax: layerTaxesOf(sweep, records) }),
    ...(sweep.distributions === undefined
      ? {}
      : { distributions: distributionsOf(directory, judged) }),
    ...(sweep.requirements === undefined
      ? {}
      : { requirements: requirementsOf(sweep, figures).map(([before, now]) => now ?? before) }),
  };
}
