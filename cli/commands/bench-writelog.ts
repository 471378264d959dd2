/** `osdyno bench writelog[/NAME]`: what a write log costs beside its device alone. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { checkBenchOut } from "../../results/bench/directory.ts";
import {
  benchWriteLogs,
  type WriteLogBench,
  type WriteLogRow,
} from "../../results/bench/writelog.ts";
import {
  writeLogCharts,
  writeLogNameText,
  writeLogWorkloadText,
} from "../../results/bench/writelog-charts.ts";
import { formatBytes } from "../../results/units.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";
import { type BenchFlags, memoryFolder, onTmpfs, range, wholeNumber } from "./bench-flags.ts";
import { publishBench } from "./bench-output.ts";

const head = [
  "write log",
  "workload",
  "device per s",
  "log per s",
  "log/device",
  "device p50 us",
  "log p50 us",
  "added us",
  "CPU us",
  "bytes/byte",
];

function tableRow(row: WriteLogRow): string[] {
  return [
    writeLogNameText(row),
    writeLogWorkloadText(row),
    range(row.alonePerSecond, 1, 0),
    range(row.logPerSecond, 1, 0),
    range(row.ratio, 1, 2),
    range(row.aloneUs, 1, 1),
    range(row.logUs, 1, 1),
    range(row.addedUs, 1, 1),
    range(row.cpuUs, 1, 1),
    range(row.bytesPerByte, 1, 2),
  ];
}

function methodOf({ rounds, runtimeMs, sizeBytes, seed }: WriteLogBench): string {
  return (
    `${rounds} rounds of ${runtimeMs} ms each, device alone and log by turns; medians` +
    `${rounds < 6 ? "" : " with 95% intervals"}. Log and image of ${formatBytes(sizeBytes)}, the image in ` +
    `memory; a write is durable when it completes. The device alone is written in sequence, the image at ` +
    `random (seed ${seed}); both through the engine path. CPU of the whole process, write-back included.`
  );
}

export async function benchTheWriteLogs(only: string | null, flags: BenchFlags): Promise<void> {
  if (flags.out !== undefined) {
    checkBenchOut(flags.out, "writelog");
  }
  const startedEpochMs = Date.now();
  const interrupts = watchInterrupts();
  const progress = makeProgress(true);
  const parents = [scratchDirectory(), ...(onTmpfs(memoryFolder) ? [memoryFolder] : [])];
  const folders = parents.map((parent) => mkdtempSync(join(parent, "osdyno-bench-")));
  try {
    progress.begin("bench writelog");
    const bench = await benchWriteLogs({
      only,
      rounds: wholeNumber("rounds", flags.rounds ?? "6", 1),
      runtimeMs: wholeNumber("runtime", flags.runtime, 1),
      sizeBytes: wholeNumber("size", flags.size, 8) * 2 ** 20,
      seed: wholeNumber("seed", flags.seed, 0),
      folder: folders[0] as string,
      memoryFolder: folders[1] ?? null,
      signal: interrupts.signal,
      onCell: (done, total, cell) => progress.update(done / total, cell),
    });
    progress.end();
    const rows = bench.rows.map(tableRow);
    const method = methodOf(bench);
    await publishBench(
      {
        out: flags.out,
        hotPath: "writelog",
        startedEpochMs,
        document: bench,
        charts: writeLogCharts(bench),
        table: [head, ...rows],
        method,
      },
      flags.json === true,
    );
  } finally {
    progress.end();
    interrupts.release();
    for (const folder of folders) {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}
