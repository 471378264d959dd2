/** JUnit XML, which CI systems read: a suite of cases that pass, fail or are skipped. */

export interface JunitCase {
  readonly name: string;
  readonly className: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** What came out, in a line. */
  readonly text: string;
}

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (found) => escapes[found] ?? found);
}

function caseLine({ name, className, outcome, text }: JunitCase): string {
  const inside = {
    passed: `<system-out>${escaped(text)}</system-out>`,
    failed: `<failure message="${escaped(text)}"/>`,
    skipped: `<skipped message="${escaped(text)}"/>`,
  }[outcome];
  const names = `name="${escaped(name)}" classname="${escaped(className)}"`;
  return `    <testcase ${names}>${inside}</testcase>`;
}

export function junitXml(suite: string, cases: readonly JunitCase[]): string {
  const count = (outcome: JunitCase["outcome"]) =>
    cases.filter((each) => each.outcome === outcome).length;
  const counts = `tests="${cases.length}" failures="${count("failed")}" skipped="${count("skipped")}" errors="0"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts}>`,
    `  <testsuite name="${escaped(suite)}" ${counts}>`,
    ...cases.map(caseLine),
    "  </testsuite>",
    "</testsuites>",
    "",
  ].join("\n");
}
