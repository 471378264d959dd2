/** What a bench leaves behind: its directory with the charts, and a table or JSON on stdout. */
import Table from "cli-table3";
import { benchText } from "../../results/bench/bench-text.ts";
import { type BenchDirectoryOptions, writeBenchDirectory } from "../../results/bench/directory.ts";

function tableText([head = [], ...rows]: readonly (readonly string[])[]): string {
  const last = rows.some(([, , , , cell = ""]) => cell.startsWith("not here: "));
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    // Why something is not here is a sentence.
    ...(last ? { colWidths: [null, null, null, null, 40], wordWrap: true } : {}),
  });
  table.push(...rows.map((row) => [...row]));
  return `${table.toString()}\n`;
}

/** The tables of a bench, how it was measured, and what is to be known; or its document. */
export function printBench(hotPath: string, document: object, json: boolean): void {
  const { tables, method, notes } = benchText(hotPath, document);
  const text = [...tables.map(tableText), `${method}\n`, ...notes.map((note) => `note: ${note}\n`)];
  process.stdout.write(json ? `${JSON.stringify(document, null, 2)}\n` : text.join(""));
}

/** Writes the directory and prints the bench. */
export async function publishBench(options: BenchDirectoryOptions, json: boolean): Promise<void> {
  const directory = await writeBenchDirectory(options);
  process.stderr.write(`report: ${directory}/report.html\n`);
  printBench(options.hotPath, options.document, json);
}
