/** `osdyno bench kv`: the key-value stores side by side. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { checkBenchOut } from "../../results/bench/directory.ts";
import { benchKeyValue, type KvBench, type KvBenchRow } from "../../results/bench/kv.ts";
import { kvCharts } from "../../results/bench/kv-charts.ts";
import type { MedianInterval } from "../../results/stats/order-statistics.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";
import { type BenchFlags, range, wholeNumber } from "./bench-flags.ts";
import { publishBench } from "./bench-output.ts";

/** Of the file, which is sparse: what is not written takes no space. */
const sizeBytes = 4 * 2 ** 30;

const head = ["store", "operation", "depth", "per second", "CPU us each", "flushes", "bytes/byte"];

function text(value: MedianInterval | null, digits: number): string {
  return value === null ? "-" : range(value, 1, digits);
}

function tableRow(row: KvBenchRow): string[] {
  return [
    row.store,
    row.operation,
    String(row.depth),
    text(row.perSecond, 0),
    text(row.cpuUs, 2),
    text(row.flushes, 3),
    text(row.writeAmplification, 2),
  ];
}

function methodOf(bench: KvBench): string {
  const missing = bench.missing.map(({ store, reason }) => ` Not here: ${store}: ${reason}.`);
  return (
    `${bench.rounds} rounds, order alternating; medians${bench.rounds < 6 ? "" : " with 95% intervals"}. ` +
    `${bench.keys} keys, ${bench.commits} commits each (an eighth at depth 1), seed ${bench.seed}; a commit ` +
    `sets a 420-byte value, merges one bit, adds and drops a log entry. CPU of the whole process; flushes, ` +
    `and bytes to the device for each byte committed.${missing.join("")}`
  );
}

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
    const rows = bench.rows.map(tableRow);
    const method = methodOf(bench);
    await publishBench(
      {
        out: flags.out,
        hotPath: "kv",
        startedEpochMs,
        document: bench,
        charts: kvCharts(bench),
        table: [head, ...rows],
        method,
      },
      flags.json === true,
    );
  } finally {
    progress.end();
    interrupts.release();
    rmSync(folder, { recursive: true, force: true });
  }
}
