/** A comparison as JUnit XML, which CI systems read: each metric is a test, a worse one fails. */
import { differenceText } from "../recorded-difference.ts";
import type { CompareDocument, MetricComparison } from "./compare.ts";

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (found) => escapes[found] ?? found);
}

function testCase(comparison: MetricComparison): string {
  const { metric, verdict, reason, ratio } = comparison;
  const name = `name="${escaped(metric)}" classname="osdyno.compare"`;
  const size =
    ratio === null ? `difference ${differenceText(comparison)}` : `ratio ${ratio.toPrecision(4)}`;
  const text = escaped(`${verdict}: ${size}, ${reason}`);
  switch (verdict) {
    case "worse":
      return `    <testcase ${name}><failure message="${text}"/></testcase>`;
    case "unclear":
      return `    <testcase ${name}><skipped message="${text}"/></testcase>`;
    default:
      return `    <testcase ${name}><system-out>${text}</system-out></testcase>`;
  }
}

export function junitOf({ comparisons, left_out: leftOut }: CompareDocument): string {
  const failures = comparisons.filter(({ verdict }) => verdict === "worse").length;
  const unclear = comparisons.filter(({ verdict }) => verdict === "unclear").length;
  const skipped = unclear + leftOut.length;
  const tests = comparisons.length + leftOut.length;
  const counts = `tests="${tests}" failures="${failures}" skipped="${skipped}" errors="0"`;
  const cases = [
    ...comparisons.map(testCase),
    ...leftOut.map(
      ({ metric, reason }) =>
        `    <testcase name="${escaped(metric)}" classname="osdyno.compare"><skipped message="${escaped(reason)}"/></testcase>`,
    ),
  ];
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts}>`,
    `  <testsuite name="osdyno compare" ${counts}>`,
    ...cases,
    "  </testsuite>",
    "</testsuites>",
    "",
  ].join("\n");
}
