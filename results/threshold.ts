/** Thresholds: `'write.response.p99 < 2ms'`. */
import { OsdynoError } from "../engine/base/error.ts";
import { type JunitCase, junitXml } from "./junit-xml.ts";
import {
  formatMetric,
  metric,
  metricFacts,
  metricSupported,
  nearestMetric,
  unitFamily,
} from "./metrics.ts";
import type { RunRecord, ThresholdResult } from "./run-record.ts";
import { parseFigure, unitExamples } from "./units.ts";

const comparisons = {
  "<": (a: number, b: number) => a < b,
  "<=": (a: number, b: number) => a <= b,
  ">": (a: number, b: number) => a > b,
  ">=": (a: number, b: number) => a >= b,
} as const;

export interface Threshold {
  readonly text: string;
  readonly metric: string;
  readonly operator: keyof typeof comparisons;
  /** In the metric's unit. */
  readonly limit: number;
}

/** Parses one threshold; throws `bad-input` with one line that says what to write instead. */
export function parseThreshold(text: string): Threshold {
  const match = /^\s*([^\s<>=@]+(?:@[^\s<>]+?)?)\s*(<=|>=|<|>)\s*(\S.*?)\s*$/.exec(text);
  if (match === null) {
    throw new OsdynoError(
      "bad-input",
      `threshold '${text}' is not METRIC OP VALUE, e.g. 'write.response.p99 < 2ms'; OP is < <= > >=`,
    );
  }
  const [, name = "", operator = "<", figure = ""] = match;
  if (metricFacts(name) === null) {
    const nearest = nearestMetric(name);
    throw new OsdynoError(
      "bad-input",
      `threshold '${text}': no metric '${name}'${nearest === null ? "" : `, did you mean '${nearest}'?`}`,
    );
  }
  const family = unitFamily(name);
  const limit = parseFigure(figure, family);
  if (limit === null) {
    throw new OsdynoError(
      "bad-input",
      `threshold '${text}': '${figure}' is no value of ${name}; write e.g. ${unitExamples[family]}`,
    );
  }
  return {
    text: text.trim(),
    metric: name,
    operator: operator as Threshold["operator"],
    limit,
  };
}

/** Whether a figure, in the metric's unit, keeps a threshold. */
export function keeps(threshold: Threshold, value: number): boolean {
  return comparisons[threshold.operator](value, threshold.limit);
}

const tooFew = "fewer than 10 samples lie beyond it";

/**
 * Checks a run against a threshold. A metric that the run does not have fails it, and so does a percentile
 * that too few samples lie beyond: nothing was shown.
 */
export function evaluateThreshold(record: RunRecord, threshold: Threshold): ThresholdResult {
  const figure = metric(record, threshold.metric);
  const thin = figure !== null && !metricSupported(record, threshold.metric);
  const value = thin ? null : figure;
  return {
    threshold: threshold.text,
    metric: threshold.metric,
    value,
    passed: value !== null && keeps(threshold, value),
    ...(thin ? { reason: tooFew } : {}),
  };
}

/** Whether a run keeps all of several; null when none is missed, but too few samples tell of some. */
export function keepsAll(record: RunRecord, thresholds: readonly Threshold[]): boolean | null {
  const missed = thresholds
    .map((threshold) => evaluateThreshold(record, threshold))
    .filter(({ passed }) => !passed);
  return missed.length === 0
    ? true
    : missed.every(({ reason }) => reason === tooFew)
      ? null
      : false;
}

/** Parses and evaluates: `checkThreshold(record, 'write.response.p99 < 2ms')`. */
export function checkThreshold(record: RunRecord, text: string): ThresholdResult {
  return evaluateThreshold(record, parseThreshold(text));
}

/** The result in one line for a person. */
export function thresholdLine(result: ThresholdResult): string {
  const why = result.reason === undefined ? "" : `: ${result.reason}`;
  const value =
    result.value === null ? `not measured${why}` : formatMetric(result.metric, result.value);
  return `threshold ${result.passed ? "kept" : "MISSED"}: ${result.threshold} (${value})`;
}

/** Thresholds of runs as JUnit XML: each threshold of each run is a test. */
export function thresholdsJunit(
  runs: readonly { readonly name: string; readonly record: RunRecord }[],
): string {
  const cases = runs.flatMap(({ name, record }) =>
    (record.osdyno.threshold_results ?? []).map((result): JunitCase => {
      const outcome = result.passed ? "passed" : "failed";
      return { name: result.threshold, className: name, outcome, text: thresholdLine(result) };
    }),
  );
  return junitXml("osdyno thresholds", cases);
}
