/** `osdyno bench` of the hot paths that need the processor alone. */
import { resolve } from "node:path";
import Table from "cli-table3";
import { type MicroBench, type MicroPlan, runMicroBench } from "../../results/bench/micro.ts";
import { microColumns, microText, writeMicroBench } from "../../results/bench/micro-report.ts";
import { runDirectoryName, runsRoot } from "../../results/run-directory.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";

export interface MicroBenchFlags {
  readonly rounds: number;
  readonly runtimeMs: number;
  readonly seed: number;
  readonly out: string | undefined;
  readonly json: boolean;
}

function microBenchText(bench: MicroBench, directory: string): string {
  const columns = microColumns(bench);
  const table = new Table({
    head: ["implementation", "workload", ...columns.map(({ title }) => title)],
    style: { head: [], border: [], compact: true },
  });
  for (const row of bench.rows) {
    const figures = columns.map((column) => microText(column.value(row), column.digits));
    table.push([row.implementation, row.workload, ...figures]);
  }
  return [
    table.toString(),
    `${bench.rounds} rounds of ${bench.runtimeMs} ms each, order alternating; medians${
      bench.rounds < 6 ? "" : " with 95% intervals"
    }. Seed ${bench.seed}, results ${bench.resultHash}.`,
    ...bench.notes.map((note) => `note: ${note}`),
    `report: ${directory}/report.html`,
    "",
  ].join("\n");
}

/** Measures a plan, prints it and keeps it in `--out`, else among the runs. */
export async function microBench(plan: MicroPlan, flags: MicroBenchFlags): Promise<void> {
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
    const name = runDirectoryName(Date.now(), `bench-${plan.hotPath}`);
    const directory = resolve(flags.out ?? `${runsRoot}/${name}`);
    await writeMicroBench(directory, bench);
    process.stdout.write(
      flags.json ? `${JSON.stringify(bench, null, 2)}\n` : microBenchText(bench, directory),
    );
  } finally {
    progress.end();
    interrupts.release();
  }
}
