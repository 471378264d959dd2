/** `osdyno bench kv`: the key-value stores side by side. */
import { benchKeyValue } from "../../results/bench/kv.ts";
import { kvCharts } from "../../results/bench/kv-charts.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { type BenchFlags, wholeNumber } from "./bench-flags.ts";
import { runBench } from "./bench-session.ts";

/** Of the file, which is sparse: what is not written takes no space. */
const sizeBytes = 4 * 2 ** 30;

export async function benchKv(only: string | null, flags: BenchFlags): Promise<void> {
  const asked = {
    only,
    rounds: wholeNumber("rounds", flags.rounds ?? "6", 1),
    keys: wholeNumber("keys", flags.keys, 1),
    commits: wholeNumber("commits", flags.commits, 8),
    seed: wholeNumber("seed", flags.seed, 0),
    sizeBytes,
  };
  await runBench({
    hotPath: "kv",
    out: flags.out,
    json: flags.json === true,
    measure: ({ signal, onCell, folder }) =>
      benchKeyValue({ ...asked, folder: folder(scratchDirectory()), signal, onCell }),
    charts: kvCharts,
  });
}
