/** The difference of two configurations as records hold it and tables and sentences say it. */
import { formatMetric } from "./metrics.ts";
import type { Difference, Gap } from "./stats/verdict.ts";

export interface RecordedFigures {
  /** Candidate divided by base; null where a figure is 0. */
  readonly ratio: number | null;
  readonly low: number | null;
  readonly high: number | null;
  /** Candidate less base, in the metric's unit, where there is no ratio. */
  readonly gap?: {
    readonly value: number;
    readonly low: number | null;
    readonly high: number | null;
  };
}

export function asRecorded(found: Difference | Gap): RecordedFigures {
  const { low, high } = found;
  return "ratio" in found
    ? { ratio: found.ratio, low, high }
    : { ratio: null, low: null, high: null, gap: { value: found.gap, low, high } };
}

export interface RecordedDifference extends RecordedFigures {
  readonly metric: string;
  /** Absent in records of older versions, where bounds at the estimate meant that there is no interval. */
  readonly runs?: number;
}

type Format = (metric: string, value: number) => string;

/** `+12.3%`: candidate by base. */
export function changeText(ratio: number): string {
  const percent = (100 * (ratio - 1)).toFixed(1);
  return percent.startsWith("-") ? percent.replace(/^-0\.0$/, "0.0").concat("%") : `+${percent}%`;
}

/** `+1.00 ms`: candidate less base, where a figure of 0 leaves no ratio. */
function gapText(metric: string, value: number, format: Format): string {
  return `${value < 0 ? "-" : "+"}${format(metric, Math.abs(value))}`;
}

/** `+12.3%`, or `-1.00 ms` where there is no ratio. */
export function differenceText(
  { metric, ratio, gap }: RecordedDifference,
  format: Format = formatMetric,
): string {
  return ratio !== null ? changeText(ratio) : gapText(metric, gap?.value ?? 0, format);
}

/** `+10.1% to +14.5%`; null without an interval. */
export function intervalText(
  each: RecordedDifference,
  format: Format = formatMetric,
): string | null {
  const { metric, low, high, gap } = each;
  if (gap !== undefined) {
    return gap.low === null || gap.high === null
      ? null
      : `${gapText(metric, gap.low, format)} to ${gapText(metric, gap.high, format)}`;
  }
  const old = each.runs === undefined && low === high;
  return low !== null && high !== null && !old ? `${changeText(low)} to ${changeText(high)}` : null;
}

/** Whether the candidate's figure is the larger one. */
export function isHigher({ ratio, gap }: RecordedDifference): boolean {
  return ratio !== null ? ratio > 1 : (gap?.value ?? 0) > 0;
}

/** Candidate by base, for ordering: of the medians where the comparison has no ratio. */
export function ratioOf(
  each: RecordedDifference & {
    readonly base_median?: number;
    readonly candidate_median?: number;
  },
): number {
  const { ratio, base_median: base = Number.NaN, candidate_median: candidate = Number.NaN } = each;
  const found = ratio ?? candidate / base;
  return Number.isNaN(found) ? 1 : found;
}
