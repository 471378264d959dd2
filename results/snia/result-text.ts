/** The end of a test for a terminal: verdicts, and the figures of the standard's tables. */
import Table from "cli-table3";
import { formatBytes } from "../units.ts";
import type { SniaModel } from "./load.ts";
import { tablesOf, verdictLines } from "./tables.ts";

/** Ends without a newline. */
export function sniaText(model: SniaModel): string {
  const { snia } = model;
  const parts = [
    `${model.name}: SNIA PTS ${snia.edition}, ${snia.test}, ${snia.class} class, on ${snia.target}`,
    snia.deviations.length === 0
      ? "conformant as far as can be told from here"
      : `NOT CONFORMANT: ${snia.deviations.join("; ")}`,
    snia.purge_statement,
    ...verdictLines(model),
    ...tablesOf(model).map(({ title, columns, rows }) => {
      const table = new Table({
        head: [...columns],
        style: { head: [], border: [], compact: true },
        colAligns: columns.map((_, place) => (place === 0 ? "left" : "right")),
      });
      table.push(...rows.map((row) => [...row]));
      return `${title}\n${table.toString()}`;
    }),
    `written: ${formatBytes(snia.endurance.written_bytes)}`,
    ...(model.state === "complete" ? [] : [`partial: ${model.reason ?? ""}`]),
  ];
  return parts.join("\n");
}
