/** Checks a kept bench: its medians against its rounds, its page and its files against its document. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { benchText } from "./bench/bench-text.ts";
import { tableMarkup } from "./bench/directory.ts";
import type { KeptBench } from "./bench/kept.ts";
import { escapeHtml } from "./report/html-markup.ts";
import { medianInterval } from "./stats/order-statistics.ts";
import { checkSeal, type Verification } from "./verify.ts";
import { Ledger } from "./verify-ledger.ts";

type Fields = Readonly<Record<string, unknown>>;

const figures = ["median", "low", "high", "coverage"] as const;

/** Every median of rounds in a document, wherever it stands; answers how many have no rounds. */
function checkMedians(value: unknown, where: string, ledger: Ledger): number {
  if (typeof value !== "object" || value === null) {
    return 0;
  }
  const fields = value as Fields;
  if (typeof fields["median"] !== "number" || !("coverage" in fields)) {
    return Object.entries(fields).reduce(
      (sum, [name, each]) => sum + checkMedians(each, `${where}.${name}`, ledger),
      0,
    );
  }
  const { rounds } = fields;
  if (!Array.isArray(rounds) || rounds.length === 0) {
    return 1;
  }
  const computed = medianInterval(rounds.map(Number));
  for (const name of figures) {
    ledger.sameText(`${where}.${name}`, String(fields[name]), String(computed[name]));
  }
  return 0;
}

/** The page's tables are those that the document gives. */
function checkPage({ directory, hotPath, document }: KeptBench, ledger: Ledger): void {
  const path = join(directory, "report.html");
  if (!existsSync(path)) {
    ledger.notes.push("report.html is absent: there is no page to be checked");
    return;
  }
  const page = readFileSync(path, "utf8");
  const { tables, method, notes } = benchText(hotPath, document);
  for (const [index, table] of tables.entries()) {
    ledger.numbers += table.slice(1).reduce((sum, row) => sum + row.length, 0);
    if (!page.includes(tableMarkup(table).text)) {
      ledger.disagreements.push(
        `report.html: table ${index + 1} is not what bench-${hotPath}.json gives`,
      );
    }
  }
  for (const text of [method, ...notes]) {
    if (!page.includes(escapeHtml(text))) {
      ledger.disagreements.push(`report.html: it does not say what the document does: ${text}`);
    }
  }
}

/** Of a bench that `keptBench` found. */
export function verifyBench(bench: KeptBench): Verification {
  const { directory, hotPath, document } = bench;
  const ledger = new Ledger();
  const filesChecked = checkSeal(directory, ledger);
  const without = checkMedians(document, `bench-${hotPath}.json`, ledger);
  if (without > 0) {
    ledger.notes.push(
      `${without} medians stand without the figures of their rounds: they cannot be made again`,
    );
  }
  checkPage(bench, ledger);
  return {
    directory,
    state: "complete",
    filesChecked,
    numbersChecked: ledger.numbers,
    disagreements: ledger.disagreements,
    notes: ledger.notes,
  };
}
