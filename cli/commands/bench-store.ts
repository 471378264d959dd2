/** `osdyno bench store`: what the object store costs beside the raw device. */
import { benchStore } from "../../results/bench/store.ts";
import { storeCharts } from "../../results/bench/store-charts.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { type BenchFlags, wholeNumber } from "./bench-flags.ts";
import { runBench } from "./bench-session.ts";

export async function benchTheStore(only: string | null, flags: BenchFlags): Promise<void> {
  const asked = {
    only,
    rounds: wholeNumber("rounds", flags.rounds ?? "6", 1),
    runtimeMs: wholeNumber("runtime", flags.runtime, 1),
    sizeBytes: wholeNumber("size", flags.size, 8) * 2 ** 20,
    seed: wholeNumber("seed", flags.seed, 0),
    objects: wholeNumber("objects", flags.objects, 0),
    settings: [],
  };
  await runBench({
    hotPath: "store",
    out: flags.out,
    json: flags.json === true,
    measure: ({ signal, onCell, folder }) =>
      benchStore({ ...asked, folder: folder(scratchDirectory()), signal, onCell }),
    charts: storeCharts,
  });
}
