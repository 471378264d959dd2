/** `osdyno bench writelog[/NAME]`: what a write log costs beside its device alone. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { checkBenchOut } from "../../results/bench/directory.ts";
import { benchWriteLogs } from "../../results/bench/writelog.ts";
import { writeLogCharts } from "../../results/bench/writelog-charts.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";
import { type BenchFlags, memoryFolder, onTmpfs, wholeNumber } from "./bench-flags.ts";
import { publishBench } from "./bench-output.ts";

export async function benchTheWriteLogs(only: string | null, flags: BenchFlags): Promise<void> {
  if (flags.out !== undefined) {
    checkBenchOut(flags.out, "writelog");
  }
  const startedEpochMs = Date.now();
  const interrupts = watchInterrupts();
  const progress = makeProgress(true);
  const parents = [scratchDirectory(), ...(onTmpfs(memoryFolder) ? [memoryFolder] : [])];
  const folders = parents.map((parent) => mkdtempSync(join(parent, "osdyno-bench-")));
  try {
    progress.begin("bench writelog");
    const bench = await benchWriteLogs({
      only,
      rounds: wholeNumber("rounds", flags.rounds ?? "6", 1),
      runtimeMs: wholeNumber("runtime", flags.runtime, 1),
      sizeBytes: wholeNumber("size", flags.size, 8) * 2 ** 20,
      seed: wholeNumber("seed", flags.seed, 0),
      folder: folders[0] as string,
      memoryFolder: folders[1] ?? null,
      signal: interrupts.signal,
      onCell: (done, total, cell) => progress.update(done / total, cell),
    });
    progress.end();
    await publishBench(
      {
        out: flags.out,
        hotPath: "writelog",
        startedEpochMs,
        document: bench,
        charts: writeLogCharts(bench),
      },
      flags.json === true,
    );
  } finally {
    progress.end();
    interrupts.release();
    for (const folder of folders) {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}
