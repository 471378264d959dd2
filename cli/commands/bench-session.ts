/** What every bench does around its measuring: refusals first, progress, scratch folders, what it leaves behind. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type BenchDirectoryOptions, checkBenchOut } from "../../results/bench/directory.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";
import { publishBench } from "./bench-output.ts";

/** What a bench measures with. */
export interface BenchSession {
  readonly signal: AbortSignal;
  readonly onCell: (done: number, total: number, cell: string) => void;
  /** Says what is done now. */
  begin(label: string): void;
  /** A new folder in `parent`, which goes away with the bench. */
  folder(parent: string): string;
}

interface Bench<D extends object> {
  readonly hotPath: string;
  readonly out: string | undefined;
  readonly json: boolean;
  readonly measure: (session: BenchSession) => Promise<D>;
  readonly charts: (document: D) => BenchDirectoryOptions["charts"];
}

/** Measures, prints, and keeps it all in `out`, else among the runs. */
export async function runBench<D extends object>(bench: Bench<D>): Promise<void> {
  const { hotPath, out } = bench;
  if (out !== undefined) {
    checkBenchOut(out, hotPath);
  }
  const startedEpochMs = Date.now();
  const interrupts = watchInterrupts();
  const progress = makeProgress(true);
  const folders: string[] = [];
  try {
    progress.begin(`bench ${hotPath}`);
    const document = await bench.measure({
      signal: interrupts.signal,
      onCell: (done, total, cell) => progress.update(done / total, cell),
      begin: (label) => progress.begin(label),
      folder: (parent) => {
        const folder = mkdtempSync(join(parent, "osdyno-bench-"));
        folders.push(folder);
        return folder;
      },
    });
    progress.end();
    const charts = bench.charts(document);
    await publishBench({ out, hotPath, startedEpochMs, document, charts }, bench.json);
  } finally {
    progress.end();
    interrupts.release();
    for (const folder of folders) {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}
