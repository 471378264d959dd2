/** What a bench leaves behind: its directory with the charts, and a table or JSON on stdout. */
import Table from "cli-table3";
import { type BenchDirectoryOptions, writeBenchDirectory } from "../../results/bench/directory.ts";

function tableText([head = [], ...rows]: readonly (readonly string[])[]): string {
  const table = new Table({ head: [...head], style: { head: [], border: [], compact: true } });
  table.push(...rows.map((row) => [...row]));
  return `${table.toString()}\n`;
}

/** Writes the directory and prints the bench. */
export async function publishBench(options: BenchDirectoryOptions, json: boolean): Promise<void> {
  const directory = await writeBenchDirectory(options);
  process.stderr.write(`report: ${directory}/report.html\n`);
  const { document, table, more, method } = options;
  const tables = [table, ...(more ?? [])].map(tableText).join("");
  process.stdout.write(json ? `${JSON.stringify(document, null, 2)}\n` : `${tables}${method}\n`);
}
