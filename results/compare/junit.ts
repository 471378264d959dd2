/** A comparison as JUnit XML: each metric is a test, a worse one fails. */
import { type JunitCase, junitXml } from "../junit-xml.ts";
import { differenceText } from "../recorded-difference.ts";
import type { CompareDocument, MetricComparison } from "./compare.ts";

const className = "osdyno.compare";

function caseOf(comparison: MetricComparison): JunitCase {
  const { metric, verdict, reason, ratio } = comparison;
  const size =
    ratio === null ? `difference ${differenceText(comparison)}` : `ratio ${ratio.toPrecision(4)}`;
  const outcome = verdict === "worse" ? "failed" : verdict === "unclear" ? "skipped" : "passed";
  return { name: metric, className, outcome, text: `${verdict}: ${size}, ${reason}` };
}

/** Metrics that could not be compared are skipped; where none could, they fail: nothing was looked at. */
export function junitOf({ comparisons, left_out: leftOut }: CompareDocument): string {
  const outcome = comparisons.length === 0 ? "failed" : "skipped";
  return junitXml("osdyno compare", [
    ...comparisons.map(caseOf),
    ...leftOut.map(({ metric, reason }): JunitCase => {
      return { name: metric, className, outcome, text: `not compared: ${reason}` };
    }),
  ]);
}
