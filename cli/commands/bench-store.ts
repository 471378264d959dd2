/** `osdyno bench store`: what the object store costs beside the raw device. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { checkBenchOut } from "../../results/bench/directory.ts";
import { benchStore } from "../../results/bench/store.ts";
import { storeCharts } from "../../results/bench/store-charts.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";
import { type BenchFlags, wholeNumber } from "./bench-flags.ts";
import { publishBench } from "./bench-output.ts";

export async function benchTheStore(only: string | null, flags: BenchFlags): Promise<void> {
  if (flags.out !== undefined) {
    checkBenchOut(flags.out, "store");
  }
  const startedEpochMs = Date.now();
  const interrupts = watchInterrupts();
  const progress = makeProgress(true);
  const folder = mkdtempSync(join(scratchDirectory(), "osdyno-bench-"));
  try {
    progress.begin("bench store");
    const bench = await benchStore({
      only,
      rounds: wholeNumber("rounds", flags.rounds ?? "6", 1),
      runtimeMs: wholeNumber("runtime", flags.runtime, 1),
      sizeBytes: wholeNumber("size", flags.size, 8) * 2 ** 20,
      seed: wholeNumber("seed", flags.seed, 0),
      folder,
      objects: wholeNumber("objects", flags.objects, 0),
      settings: [],
      signal: interrupts.signal,
      onCell: (done, total, cell) => progress.update(done / total, cell),
    });
    progress.end();
    await publishBench(
      {
        out: flags.out,
        hotPath: "store",
        startedEpochMs,
        document: bench,
        charts: storeCharts(bench),
      },
      flags.json === true,
    );
  } finally {
    progress.end();
    interrupts.release();
    rmSync(folder, { recursive: true, force: true });
  }
}
