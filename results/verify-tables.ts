/** The tables of a page as a reader sees them, for comparison with what the results give. */
import type { Ledger } from "./verify-ledger.ts";

export interface PageTable {
  readonly title: string;
  /** The last row of its head. */
  readonly columns: readonly string[];
  /** The text of every cell, as escaped as the page has it. */
  readonly rows: readonly (readonly string[])[];
}

function cellsOf(row: string): readonly string[] {
  return [...row.matchAll(/<(t[hd])\b[^>]*>([\s\S]*?)<\/\1>/g)].map(([, , text = ""]) =>
    text.replace(/<[^>]*>/g, "").trim(),
  );
}

function rowsOf(text: string): readonly (readonly string[])[] {
  return [...text.matchAll(/<tr\b[^>]*>([\s\S]*?)<\/tr>/g)].map(([, row = ""]) => cellsOf(row));
}

/** Every table with a caption, in order. */
export function pageTables(page: string): readonly PageTable[] {
  const table =
    /<caption class="hidden">([^<]*)<\/caption>\s*<thead>([\s\S]*?)<\/thead>\s*<tbody>([\s\S]*?)<\/tbody>/g;
  return [...page.matchAll(table)].map(([, title = "", head = "", body = ""]) => ({
    title,
    columns: rowsOf(head).at(-1) ?? [],
    rows: rowsOf(body),
  }));
}

/** Holds every cell of the tables that the results give against the page's table of that title. */
export function checkTables(
  page: string,
  computed: readonly PageTable[],
  ledger: Pick<Ledger, "sameText">,
): void {
  const shown = new Map(pageTables(page).map((table) => [table.title, table]));
  for (const { title, columns, rows } of computed) {
    const published = shown.get(title)?.rows;
    ledger.sameText(`report.html, ${title}, rows`, String(published?.length), String(rows.length));
    for (const [at, row] of rows.entries()) {
      for (const [place, text] of row.entries()) {
        const what = `report.html, ${title}, ${row[0]}, ${columns[place] || "first column"}`;
        ledger.sameText(what, published?.[at]?.[place], text);
      }
    }
  }
}
