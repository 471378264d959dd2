/** `osdyno bench ioengine`: the block I/O engines side by side. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { checkBenchOut } from "../../results/bench/directory.ts";
import { benchIoEngines } from "../../results/bench/ioengine.ts";
import { ioEngineCharts } from "../../results/bench/ioengine-charts.ts";
import { formatBytes } from "../../results/units.ts";
import { writeScratchFile } from "../../workloads/runner/layout.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";
import { type BenchFlags, memoryFolder, onTmpfs, wholeNumber } from "./bench-flags.ts";
import { publishBench } from "./bench-output.ts";

export async function benchEngines(only: string | null, flags: BenchFlags): Promise<void> {
  if (flags.out !== undefined) {
    checkBenchOut(flags.out, "ioengine");
  }
  const startedEpochMs = Date.now();
  const rounds = wholeNumber("rounds", flags.rounds ?? "6", 1);
  const runtimeMs = wholeNumber("runtime", flags.runtime, 1);
  const sizeBytes = wholeNumber("size", flags.size, 1) * 2 ** 20;
  const interrupts = watchInterrupts();
  const progress = makeProgress(true);
  const folders: string[] = [];
  const scratch = async (parent: string) => {
    const folder = mkdtempSync(join(parent, "osdyno-bench-"));
    folders.push(folder);
    const file = join(folder, "data");
    progress.begin(`writing ${file} (${formatBytes(sizeBytes)})`);
    await writeScratchFile(file, sizeBytes, interrupts.signal);
    return file;
  };
  try {
    const file = await scratch(scratchDirectory());
    const maps = only === null || only === "pmem";
    const memoryFile = maps && onTmpfs(memoryFolder) ? await scratch(memoryFolder) : null;
    progress.begin("bench ioengine");
    const document = await benchIoEngines({
      only,
      rounds,
      runtimeMs,
      sizeBytes,
      file,
      memoryFile,
      depths: [1, 16, 64],
      signal: interrupts.signal,
      onCell: (done, total, cell) => progress.update(done / total, cell),
    });
    progress.end();
    await publishBench(
      {
        out: flags.out,
        hotPath: "ioengine",
        startedEpochMs,
        document,
        charts: ioEngineCharts(document),
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
