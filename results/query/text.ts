/** Answers of a query as CSV (RFC 4180), JSON and a table for a terminal. */
import Table from "cli-table3";
import type { QueryResult } from "./query.ts";

type Answer = Pick<QueryResult, "columns" | "rows">;

/** A field of CSV; in quotes where a reader would take it apart. */
export function csvField(value: string | number | null): string {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A header line and a line a row, each ended by a newline. Numbers keep every digit. */
export function csvText({ columns, rows }: Answer): string {
  return [columns, ...rows].map((row) => `${row.map(csvField).join(",")}\n`).join("");
}

/** An array with an object a row. */
export function jsonText({ columns, rows }: Answer): string {
  const objects = rows.map((row) =>
    Object.fromEntries(columns.map((name, place) => [name, row[place] ?? null])),
  );
  return `${JSON.stringify(objects, null, 2)}\n`;
}

export function tableText({ columns, rows }: Answer): string {
  const numeric = columns.map((_, place) => rows.every((row) => typeof row[place] !== "string"));
  const table = new Table({
    head: [...columns],
    colAligns: numeric.map((right) => (right ? "right" : "left")),
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    table.push(row.map((value) => (value === null ? "" : String(value))));
  }
  return `${table.toString()}\n${rows.length} ${rows.length === 1 ? "row" : "rows"}\n`;
}
