/** `osdyno bench allocator[/NAME]`. */
import { benchAllocators } from "../../results/bench/allocator.ts";
import { allocatorCharts } from "../../results/bench/allocator-charts.ts";
import { type BenchFlags, wholeNumber } from "./bench-flags.ts";
import { runBench } from "./bench-session.ts";

export async function benchAllocator(only: string | null, flags: BenchFlags): Promise<void> {
  const asked = {
    only,
    rounds: wholeNumber("rounds", flags.rounds ?? "3", 1),
    steps: wholeNumber("steps", flags.steps, 1),
    capacityBytes: wholeNumber("capacity", flags.capacity, 1) * 2 ** 30,
    seed: wholeNumber("seed", flags.seed, 0),
  };
  await runBench({
    hotPath: "allocator",
    out: flags.out,
    json: flags.json === true,
    measure: ({ signal, onCell }) => benchAllocators({ ...asked, signal, onCell }),
    charts: allocatorCharts,
  });
}
