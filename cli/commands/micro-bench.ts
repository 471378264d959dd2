/** `osdyno bench` of the hot paths that need the processor alone. */
import { type MicroPlan, runMicroBench } from "../../results/bench/micro.ts";
import { microCharts } from "../../results/bench/micro-charts.ts";
import { runBench } from "./bench-session.ts";

export interface MicroBenchFlags {
  readonly rounds: number;
  readonly runtimeMs: number;
  readonly seed: number;
  readonly out: string | undefined;
  readonly json: boolean;
}

/** Measures a plan, prints it and keeps it in `--out`, else among the runs. */
export async function microBench(plan: MicroPlan, flags: MicroBenchFlags): Promise<void> {
  const { rounds, runtimeMs, seed, out, json } = flags;
  await runBench({
    ...{ hotPath: plan.hotPath, out, json },
    measure: ({ signal, onCell }) =>
      runMicroBench(plan, { rounds, runtimeMs, seed, signal, onCell }),
    charts: microCharts,
  });
}
