/** `osdyno bench ioengine`: the block I/O engines side by side. */
import { join } from "node:path";
import { benchIoEngines } from "../../results/bench/ioengine.ts";
import { ioEngineCharts } from "../../results/bench/ioengine-charts.ts";
import { formatBytes } from "../../results/units.ts";
import { writeScratchFile } from "../../workloads/runner/layout.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { type BenchFlags, memoryFolder, onTmpfs, wholeNumber } from "./bench-flags.ts";
import { runBench } from "./bench-session.ts";

export async function benchEngines(only: string | null, flags: BenchFlags): Promise<void> {
  const rounds = wholeNumber("rounds", flags.rounds ?? "6", 1);
  const runtimeMs = wholeNumber("runtime", flags.runtime, 1);
  const sizeBytes = wholeNumber("size", flags.size, 1) * 2 ** 20;
  const maps = only === null || only === "pmem";
  await runBench({
    hotPath: "ioengine",
    out: flags.out,
    json: flags.json === true,
    measure: async ({ signal, onCell, begin, folder }) => {
      const scratch = async (parent: string) => {
        const file = join(folder(parent), "data");
        begin(`writing ${file} (${formatBytes(sizeBytes)})`);
        await writeScratchFile(file, sizeBytes, signal);
        return file;
      };
      const file = await scratch(scratchDirectory());
      const memoryFile = maps && onTmpfs(memoryFolder) ? await scratch(memoryFolder) : null;
      begin("bench ioengine");
      const files = { sizeBytes, file, memoryFile };
      const depths = [1, 16, 64];
      return benchIoEngines({ only, rounds, runtimeMs, ...files, depths, signal, onCell });
    },
    charts: ioEngineCharts,
  });
}
