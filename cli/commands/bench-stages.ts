/** `osdyno bench stages`: what it costs to take the stages of operations. */
import { benchStages } from "../../results/bench/stages.ts";
import { stagesCharts } from "../../results/bench/stages-charts.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { type BenchFlags, wholeNumber } from "./bench-flags.ts";
import { runBench } from "./bench-session.ts";

export async function benchTheStages(only: string | null, flags: BenchFlags): Promise<void> {
  const asked = {
    only,
    rounds: wholeNumber("rounds", flags.rounds ?? "6", 1),
    runtimeMs: wholeNumber("runtime", flags.runtime, 200),
    sizeBytes: wholeNumber("size", flags.size, 8) * 2 ** 20,
    seed: wholeNumber("seed", flags.seed, 0),
  };
  await runBench({
    hotPath: "stages",
    out: flags.out,
    json: flags.json === true,
    measure: ({ signal, onCell, folder }) =>
      benchStages({ ...asked, folder: folder(scratchDirectory()), signal, onCell }),
    charts: stagesCharts,
  });
}
