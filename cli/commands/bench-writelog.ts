/** `osdyno bench writelog[/NAME]`: what a write log costs beside its device alone. */
import { benchWriteLogs } from "../../results/bench/writelog.ts";
import { writeLogCharts } from "../../results/bench/writelog-charts.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { type BenchFlags, memoryFolder, onTmpfs, wholeNumber } from "./bench-flags.ts";
import { runBench } from "./bench-session.ts";

export async function benchTheWriteLogs(only: string | null, flags: BenchFlags): Promise<void> {
  const asked = {
    only,
    rounds: wholeNumber("rounds", flags.rounds ?? "6", 1),
    runtimeMs: wholeNumber("runtime", flags.runtime, 1),
    sizeBytes: wholeNumber("size", flags.size, 8) * 2 ** 20,
    seed: wholeNumber("seed", flags.seed, 0),
  };
  await runBench({
    hotPath: "writelog",
    out: flags.out,
    json: flags.json === true,
    measure: ({ signal, onCell, folder }) =>
      benchWriteLogs({
        ...asked,
        folder: folder(scratchDirectory()),
        memoryFolder: onTmpfs(memoryFolder) ? folder(memoryFolder) : null,
        signal,
        onCell,
      }),
    charts: writeLogCharts,
  });
}
