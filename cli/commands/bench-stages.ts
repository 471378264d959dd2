/** `osdyno bench stages`: what it costs to take the stages of operations. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Table from "cli-table3";
import { benchStages, type StagesBench, type StagesRow } from "../../results/bench/stages.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";
import { type BenchFlags, range, wholeNumber } from "./bench-flags.ts";

const waysOf = (rows: readonly StagesRow[]) => rows[0]?.costs.map(({ oneIn }) => oneIn) ?? [];

function benchText(bench: StagesBench): string {
  const ways = waysOf(bench.rows).map((oneIn) =>
    oneIn === 1 ? "of all, percent" : `${oneIn}, percent`,
  );
  const table = new Table({
    head: ["on", "kIOPS without", ...ways],
    style: { head: [], border: [], compact: true },
  });
  for (const { subject, offPerSecond, costs } of bench.rows) {
    const shares = costs.map(({ share }) => range(share, 0.01, 2));
    table.push([subject, range(offPerSecond, 1000, 1), ...shares]);
  }
  return [
    table.toString(),
    `What taking the stages costs of the IOPS at depth ${bench.depth}: ${bench.rounds} runs of ${bench.runtimeMs} ms, within ` +
      `each by turns of 20 ms without, of as many as --stages auto takes, and of all; medians${bench.rounds < 6 ? "" : " with 95% intervals"}.`,
    "",
  ].join("\n");
}

export async function benchTheStages(only: string | null, flags: BenchFlags): Promise<void> {
  const interrupts = watchInterrupts();
  const progress = makeProgress(true);
  const folder = mkdtempSync(join(scratchDirectory(), "osdyno-bench-"));
  try {
    progress.begin("bench stages");
    const bench = await benchStages({
      only,
      rounds: wholeNumber("rounds", flags.rounds ?? "6", 1),
      runtimeMs: wholeNumber("runtime", flags.runtime, 200),
      sizeBytes: wholeNumber("size", flags.size, 8) * 2 ** 20,
      seed: wholeNumber("seed", flags.seed, 0),
      folder,
      signal: interrupts.signal,
      onCell: (done, total, cell) => progress.update(done / total, cell),
    });
    progress.end();
    const document = `${JSON.stringify(bench, null, 2)}\n`;
    if (flags.out !== undefined) {
      mkdirSync(flags.out, { recursive: true });
      writeFileSync(join(flags.out, "bench-stages.json"), document);
    }
    process.stdout.write(flags.json === true ? document : benchText(bench));
  } finally {
    progress.end();
    interrupts.release();
    rmSync(folder, { recursive: true, force: true });
  }
}
