/** A comparison as a table for a person. */
import Table from "cli-table3";
import { formatMetric, metricFacts } from "../metrics.ts";
import { differenceText, intervalText } from "../recorded-difference.ts";
import { testName } from "../stats/paired.ts";
import { formatNs } from "../units.ts";
import type { CompareDocument, MetricComparison } from "./compare.ts";
import type { DistributionComparison } from "./distributions.ts";

const signed = (ratio: number) => `${ratio < 1 ? "" : "+"}${(100 * (ratio - 1)).toFixed(1)}%`;

function interval({ low, high }: DistributionComparison["quantiles"][number]): string {
  return low === null || high === null ? "-" : `${signed(low)} to ${signed(high)}`;
}

function verdictText(comparison: MetricComparison): string {
  const { verdict, runs_needed: needed, base_runs: base, candidate_runs: candidate } = comparison;
  return needed === null
    ? verdict
    : `${verdict} (needs about ${Math.max(1, needed - Math.min(base, candidate))} more runs a side)`;
}

/** Quantiles of a direction side by side. */
function quantileTable(distribution: DistributionComparison, confidence: number): string {
  const { direction, quantiles, refused, p } = distribution;
  const table = new Table({
    head: [`${direction} response time`, "base", "candidate", "difference", "interval"],
    colAligns: ["left", "right", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const each of quantiles) {
    const { percentile, base_ns: base, candidate_ns: candidate } = each;
    const times = [formatNs(base), formatNs(candidate)];
    table.push([`p${percentile}`, ...times, signed(each.ratio), interval(each)]);
  }
  const chance = p === null ? "" : `; p of one distribution ${p.toPrecision(2)}`;
  const few =
    refused.length === 0
      ? ""
      : `; fewer than 10 samples lie beyond ${refused.map((each) => `p${each}`).join(", ")}`;
  return `${table.toString()}\nof all operations of a side together; ${100 * confidence}% intervals over runs${chance}${few}`;
}

/** The table, then why, what was left out, and what to be careful about. */
export function compareText(document: CompareDocument): string {
  const table = new Table({
    head: ["metric", "base", "candidate", "difference", "interval", "p", "verdict"],
    colAligns: ["left", "right", "right", "right", "right", "right", "left"],
    style: { head: [], border: [], compact: true },
  });
  for (const each of document.comparisons) {
    table.push([
      metricFacts(each.metric)?.label ?? each.metric,
      formatMetric(each.metric, each.base_median),
      formatMetric(each.metric, each.candidate_median),
      differenceText(each),
      intervalText({ ...each, runs: each.base_runs }) ?? "-",
      each.p < 0.0001 ? "<0.0001" : each.p.toFixed(4),
      verdictText(each),
    ]);
  }
  const [first] = document.comparisons;
  const runs =
    first === undefined
      ? []
      : [
          `${first.base_runs} runs against ${first.candidate_runs}${first.paired ? ", in pairs" : ""}; medians, and ` +
            `their ratio (Hodges-Lehmann) with its ${100 * document.confidence}% interval; interval and p by ` +
            `${testName(first.paired, Math.min(first.base_runs, first.candidate_runs))} on logarithms, ` +
            `p adjusted for ${document.comparisons.length} metrics (Holm); differences within ${100 * document.min_effect}% do not count`,
        ];
  return [
    ...(document.comparisons.length > 0 ? [table.toString()] : []),
    ...runs,
    ...document.comparisons.map(
      ({ metric, verdict, reason }) => `${metric}: ${verdict}: ${reason}`,
    ),
    ...(document.distributions ?? []).map((each) => quantileTable(each, document.confidence)),
    ...document.left_out.map(({ metric, reason }) => `${metric}: not compared: ${reason}`),
    ...document.warnings.map((warning) => `warning: ${warning}`),
    "",
  ].join("\n");
}
