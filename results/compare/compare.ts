/** Compares two sides in several metrics, and says what speaks against believing it. */
import { OsdynoError } from "../../engine/base/error.ts";
import { formatMetric, metric, metricFacts, metricSupported, nearestMetric } from "../metrics.ts";
import { floorOf, isOf, type NoiseRecord, noiseWarning } from "../noise-record.ts";
import { asRecorded, type RecordedFigures } from "../recorded-difference.ts";
import { changedFacts } from "../report/environment.ts";
import { holm } from "../stats/adjust.ts";
import { medianInterval } from "../stats/order-statistics.ts";
import {
  contrastOf,
  type Difference,
  decide,
  type Gap,
  type Sides,
  sidesOf,
  type Verdict,
} from "../stats/verdict.ts";
import type { DistributionComparison } from "./distributions.ts";
import type { Side } from "./sides.ts";

/** What is compared when nobody says. */
export const usualMetrics = ["iops", "bw", "response.p50", "response.p99", "cpu_us_per_io"];

export interface CompareRules {
  readonly confidence: number;
  /** The smallest ratio that matters, as a share. */
  readonly minEffect: number;
  /** Share below which nothing is believed, because the user says so. */
  readonly noiseFloor?: number;
  /** How equal runs of this machine differ, if it was measured: smaller differences are warned of. */
  readonly noise?: NoiseRecord | null;
}

export interface MetricComparison extends RecordedFigures {
  readonly metric: string;
  readonly base: string;
  readonly candidate: string;
  readonly base_median: number;
  readonly candidate_median: number;
  readonly base_runs: number;
  readonly candidate_runs: number;
  readonly paired: boolean;
  /** Of this metric alone, by the test that the interval is of. */
  readonly p_alone: number;
  /** Adjusted for the metrics that were compared (Holm). */
  readonly p: number;
  readonly cliffs_delta: number;
  readonly verdict: Verdict;
  readonly reason: string;
  readonly runs_needed: number | null;
  /** The difference is smaller than those between equal runs of this machine. */
  readonly below_noise?: true;
}

export interface CompareDocument {
  readonly schema: "osdyno-compare-1";
  readonly confidence: number;
  readonly min_effect: number;
  readonly comparisons: readonly MetricComparison[];
  /** Response times as distributions; absent where nobody asked for it. */
  readonly distributions?: readonly DistributionComparison[];
  /** Metrics that could not be compared, and why. */
  readonly left_out: readonly { readonly metric: string; readonly reason: string }[];
  readonly warnings: readonly string[];
}

/** Throws `bad-input` for a name that is no metric. */
export function checkMetrics(names: readonly string[]): void {
  for (const name of names) {
    if (metricFacts(name) === null) {
      const nearest = nearestMetric(name);
      throw new OsdynoError(
        "bad-input",
        `no metric '${name}'${nearest === null ? "" : `, did you mean '${nearest}'?`}`,
      );
    }
  }
}

interface Measured {
  readonly metric: string;
  readonly sides: Sides;
  readonly found: Difference | Gap;
}

const figures = (side: Side, name: string) => side.runs.map(({ record }) => metric(record, name));

/** Why a metric cannot be compared; null: it can. */
function unusable(sides: readonly Side[], name: string): string | null {
  for (const side of sides) {
    if (figures(side, name).every((figure) => figure === null)) {
      return `${side.name} has none`;
    }
    const thin = side.runs.find(({ record }) => !metricSupported(record, name));
    if (thin !== undefined) {
      return `fewer than 10 samples lie beyond it in ${thin.path}`;
    }
  }
  return null;
}

export function compareSides(
  base: Side,
  candidate: Side,
  metrics: readonly string[],
  rules: CompareRules,
): CompareDocument {
  const paired =
    base.sweep !== null &&
    base.sweep === candidate.sweep &&
    base.runs.length === candidate.runs.length;
  const leftOut: { metric: string; reason: string }[] = [];
  const measured: Measured[] = [];
  for (const name of metrics) {
    const reason = unusable([base, candidate], name);
    const sides = sidesOf(figures(base, name), figures(candidate, name), paired);
    const found = reason === null ? contrastOf(sides, paired, rules.confidence) : null;
    if (found === null) {
      leftOut.push({ metric: name, reason: reason ?? "no pair of runs has it" });
    } else {
      measured.push({ metric: name, sides, found });
    }
  }
  const ps = holm(measured.map(({ found }) => found.p));
  const comparisons = measured.map((each, place) =>
    comparisonOf(each, base.name, candidate.name, ps[place] ?? each.found.p, rules),
  );
  const noisy = comparisons.map((each) => warningOfNoise(each, base, rules.noise ?? null));
  return {
    schema: "osdyno-compare-1",
    confidence: rules.confidence,
    min_effect: rules.minEffect,
    comparisons: comparisons.map((each, place) =>
      noisy[place] === null ? each : { ...each, below_noise: true },
    ),
    left_out: leftOut,
    warnings: [...warningsOf(base, candidate), ...noisy.filter((line) => line !== null)],
  };
}

/** Of what is called better or worse although equal runs differ as much here. */
function warningOfNoise(
  { metric: name, ratio, verdict, base_runs: ours, candidate_runs: theirs }: MetricComparison,
  { runs: [first] }: Side,
  noise: NoiseRecord | null,
): string | null {
  const called = verdict === "better" || verdict === "worse";
  if (
    !called ||
    ratio === null ||
    noise === null ||
    first === undefined ||
    !isOf(noise, first.record)
  ) {
    return null;
  }
  const floor = floorOf(noise, name, first.record.job.text);
  return noiseWarning(floor, ratio, Math.min(ours, theirs));
}

function comparisonOf(
  { metric: name, sides: { base, candidate }, found }: Measured,
  baseName: string,
  candidateName: string,
  p: number,
  rules: CompareRules,
): MetricComparison {
  const decision = decide(found, p, {
    confidence: rules.confidence,
    margin: rules.minEffect,
    better: metricFacts(name)?.better ?? "none",
    format: (value) => formatMetric(name, value),
    ...(rules.noiseFloor === undefined ? {} : { noiseFloor: rules.noiseFloor }),
  });
  return {
    metric: name,
    base: baseName,
    candidate: candidateName,
    base_median: medianInterval(base).median,
    candidate_median: medianInterval(candidate).median,
    base_runs: base.length,
    candidate_runs: candidate.length,
    paired: found.paired,
    ...asRecorded(found),
    p_alone: found.p,
    p,
    cliffs_delta: found.cliffsDelta,
    verdict: decision.verdict,
    reason: decision.reason,
    runs_needed: decision.runsNeeded,
  };
}

/** What differs between the sides that was not to be compared, and what is wrong with single runs. */
function warningsOf(base: Side, candidate: Side): string[] {
  const warnings: string[] = [];
  const [first] = base.runs;
  const [other] = candidate.runs;
  if (first !== undefined && other !== undefined) {
    const changed = changedFacts([first.record.environment, other.record.environment]);
    if (changed.length > 0) {
      const some = changed.slice(0, 5).join(", ");
      warnings.push(`the machines or their settings differ: ${some}`);
    }
    if (first.record.job.text !== other.record.job.text) {
      warnings.push("the jobs differ");
    }
  }
  for (const side of [base, candidate]) {
    const partial = side.runs.filter(({ record }) => record.state === "partial").length;
    if (partial > 0) {
      warnings.push(`${side.name}: ${partial} of ${side.runs.length} runs are partial`);
    }
    if ((side.repeated ?? 0) > 0) {
      warnings.push(`${side.name}: a run is named twice; it counts once`);
    }
    const same = new Set(side.runs.map(({ record }) => record.started)).size;
    if (same < side.runs.length) {
      warnings.push(
        `${side.name}: two runs began at the same instant: is one a copy of the other?`,
      );
    }
  }
  const order = orderWarning(base, candidate);
  return order === null ? warnings : [...warnings, order];
}

/** Runs of one side all before those of the other: what drifts meanwhile looks like a difference. */
function orderWarning(base: Side, candidate: Side): string | null {
  const times = ({ runs }: Side) => runs.map(({ record }) => Date.parse(record.started));
  const [ours, theirs] = [times(base), times(candidate)];
  const apart = Math.max(...ours) < Math.min(...theirs) || Math.max(...theirs) < Math.min(...ours);
  return apart && ours.length > 1 && theirs.length > 1
    ? "all runs of one side were made before those of the other: a machine that changed meanwhile looks like a difference; a sweep with both as its points makes them in turn"
    : null;
}
