/** `osdyno bench` of the hot paths that need the processor alone. */
import { checkBenchOut } from "../../results/bench/directory.ts";
import { type MicroPlan, runMicroBench } from "../../results/bench/micro.ts";
import { microCharts } from "../../results/bench/micro-charts.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";
import { publishBench } from "./bench-output.ts";

export interface MicroBenchFlags {
  readonly rounds: number;
  readonly runtimeMs: number;
  readonly seed: number;
  readonly out: string | undefined;
  readonly json: boolean;
}

/** Measures a plan, prints it and keeps it in `--out`, else among the runs. */
export async function microBench(plan: MicroPlan, flags: MicroBenchFlags): Promise<void> {
  if (flags.out !== undefined) {
    checkBenchOut(flags.out, plan.hotPath);
  }
  const startedEpochMs = Date.now();
  const interrupts = watchInterrupts();
  const progress = makeProgress(true);
  try {
    progress.begin(`bench ${plan.hotPath}`);
    const bench = await runMicroBench(plan, {
      rounds: flags.rounds,
      runtimeMs: flags.runtimeMs,
      seed: flags.seed,
      signal: interrupts.signal,
      onCell: (done, total, cell) => progress.update(done / total, cell),
    });
    progress.end();
    await publishBench(
      {
        out: flags.out,
        hotPath: plan.hotPath,
        startedEpochMs,
        document: bench,
        charts: microCharts(bench),
      },
      flags.json,
    );
  } finally {
    progress.end();
    interrupts.release();
  }
}
