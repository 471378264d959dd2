/** `osdyno bench kv`: the key-value stores side by side. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { checkBenchOut } from "../../results/bench/directory.ts";
import { benchKeyValue } from "../../results/bench/kv.ts";
import { kvCharts } from "../../results/bench/kv-charts.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";
import { type BenchFlags, wholeNumber } from "./bench-flags.ts";
import { publishBench } from "./bench-output.ts";

/** Of the file, which is sparse: what is not written takes no space. */
const sizeBytes = 4 * 2 ** 30;

export async function benchKv(only: string | null, flags: BenchFlags): Promise<void> {
  if (flags.out !== undefined) {
    checkBenchOut(flags.out, "kv");
  }
  const startedEpochMs = Date.now();
  const interrupts = watchInterrupts();
  const progress = makeProgress(true);
  const folder = mkdtempSync(join(scratchDirectory(), "osdyno-bench-"));
  try {
    progress.begin("bench kv");
    const bench = await benchKeyValue({
      only,
      rounds: wholeNumber("rounds", flags.rounds ?? "6", 1),
      keys: wholeNumber("keys", flags.keys, 1),
      commits: wholeNumber("commits", flags.commits, 8),
      seed: wholeNumber("seed", flags.seed, 0),
      sizeBytes,
      folder,
      signal: interrupts.signal,
      onCell: (done, total, cell) => progress.update(done / total, cell),
    });
    progress.end();
    await publishBench(
      {
        out: flags.out,
        hotPath: "kv",
        startedEpochMs,
        document: bench,
        charts: kvCharts(bench),
      },
      flags.json === true,
    );
  } finally {
    progress.end();
    interrupts.release();
    rmSync(folder, { recursive: true, force: true });
  }
}
