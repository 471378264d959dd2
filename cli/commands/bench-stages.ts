/** `osdyno bench stages`: what it costs to take the stages of operations. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { checkBenchOut } from "../../results/bench/directory.ts";
import { benchStages } from "../../results/bench/stages.ts";
import { stagesCharts } from "../../results/bench/stages-charts.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";
import { type BenchFlags, wholeNumber } from "./bench-flags.ts";
import { publishBench } from "./bench-output.ts";

export async function benchTheStages(only: string | null, flags: BenchFlags): Promise<void> {
  if (flags.out !== undefined) {
    checkBenchOut(flags.out, "stages");
  }
  const startedEpochMs = Date.now();
  const interrupts = watchInterrupts();
  const progress = makeProgress(true);
  const folder = mkdtempSync(join(scratchDirectory(), "osdyno-bench-"));
  try {
    progress.begin("bench stages");
    const bench = await benchStages({
      only,
      rounds: wholeNumber("rounds", flags.rounds ?? "6", 1),
      runtimeMs: wholeNumber("runtime", flags.runtime, 200),
      sizeBytes: wholeNumber("size", flags.size, 8) * 2 ** 20,
      seed: wholeNumber("seed", flags.seed, 0),
      folder,
      signal: interrupts.signal,
      onCell: (done, total, cell) => progress.update(done / total, cell),
    });
    progress.end();
    await publishBench(
      {
        out: flags.out,
        hotPath: "stages",
        startedEpochMs,
        document: bench,
        charts: stagesCharts(bench),
      },
      flags.json === true,
    );
  } finally {
    progress.end();
    interrupts.release();
    rmSync(folder, { recursive: true, force: true });
  }
}
