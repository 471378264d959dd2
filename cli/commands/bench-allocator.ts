/** `osdyno bench allocator[/NAME]`. */
import { OsdynoError } from "../../engine/base/error.ts";
import { nearestName } from "../../engine/base/nearest-name.ts";
import { allocatorKinds } from "../../engine/hot/allocator/registry.ts";
import { benchAllocators } from "../../results/bench/allocator.ts";
import { allocatorCharts } from "../../results/bench/allocator-charts.ts";
import { checkBenchOut } from "../../results/bench/directory.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";
import { type BenchFlags, wholeNumber } from "./bench-flags.ts";
import { publishBench } from "./bench-output.ts";

function known(only: string | null): void {
  const names = allocatorKinds().map(({ name }) => name);
  if (only !== null && !names.includes(only)) {
    const guess = nearestName(only, names);
    throw new OsdynoError(
      "bad-input",
      `no allocator is called ${only}${guess === null ? "" : `; did you mean ${guess}?`} (there are ${names.join(", ")})`,
    );
  }
}

export async function benchAllocator(only: string | null, flags: BenchFlags): Promise<void> {
  known(only);
  const rounds = wholeNumber("rounds", flags.rounds ?? "3", 1);
  const steps = wholeNumber("steps", flags.steps, 1);
  const capacityBytes = wholeNumber("capacity", flags.capacity, 1) * 2 ** 30;
  const seed = wholeNumber("seed", flags.seed, 0);
  if (flags.out !== undefined) {
    checkBenchOut(flags.out, "allocator");
  }
  const startedEpochMs = Date.now();
  const interrupts = watchInterrupts();
  const progress = makeProgress(true);
  try {
    progress.begin("bench allocator");
    const bench = await benchAllocators({
      only,
      rounds,
      steps,
      capacityBytes,
      seed,
      signal: interrupts.signal,
      onCell: (done, total, cell) => progress.update(done / total, cell),
    });
    progress.end();
    await publishBench(
      {
        out: flags.out,
        hotPath: "allocator",
        startedEpochMs,
        document: bench,
        charts: allocatorCharts(bench),
      },
      flags.json === true,
    );
  } finally {
    progress.end();
    interrupts.release();
  }
}
