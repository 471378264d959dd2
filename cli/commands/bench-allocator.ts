/** `osdyno bench allocator[/NAME]`. */
import { OsdynoError } from "../../engine/base/error.ts";
import { nearestName } from "../../engine/base/nearest-name.ts";
import { allocatorKinds } from "../../engine/hot/allocator/registry.ts";
import {
  type AllocatorBench,
  type AllocatorRow,
  benchAllocators,
} from "../../results/bench/allocator.ts";
import { allocatorCharts, sizeText } from "../../results/bench/allocator-charts.ts";
import { checkBenchOut } from "../../results/bench/directory.ts";
import { formatBytes } from "../../results/units.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";
import { type BenchFlags, range, wholeNumber } from "./bench-flags.ts";
import { publishBench } from "./bench-output.ts";

const head = [
  "allocator",
  "device",
  "size",
  "side",
  "p50 ns",
  "p99 ns",
  "p99.9 ns",
  "MiB",
  "free extents",
  "score",
  "result hash",
];

function tableRow(row: AllocatorRow): string[] {
  const { cell, p50Ns, p99Ns, p999Ns } = row;
  return [
    cell.allocator,
    cell.start,
    sizeText(cell.size),
    cell.side,
    range(p50Ns, 1, 0),
    range(p99Ns, 1, 0),
    range(p999Ns, 1, 0),
    (row.memoryBytes / 2 ** 20).toFixed(1),
    String(row.freeExtents),
    row.fragmentationScore.toFixed(4),
    row.resultHash,
  ];
}

function methodOf(bench: AllocatorBench): string {
  return (
    `${bench.rounds} rounds, order alternating; medians${bench.rounds < 6 ? "" : " with 95% intervals"} ` +
    `of ${bench.steps} pairs of an allocation and a release, on ${formatBytes(bench.capacityBytes)} in ` +
    `${formatBytes(bench.blockBytes)} blocks (aged: 64 GiB at most); worn: half full, ` +
    `${bench.wornFreeExtents} free extents, seed ${bench.seed}. Side native: timed inside the native code; ` +
    `typescript: through the interface, two readings of the clock (${bench.timerNs} ns) included.`
  );
}

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
    const rows = bench.rows.map(tableRow);
    const method = methodOf(bench);
    await publishBench(
      {
        out: flags.out,
        hotPath: "allocator",
        startedEpochMs,
        document: bench,
        charts: allocatorCharts(bench),
        table: [head, ...rows],
        method,
      },
      flags.json === true,
    );
  } finally {
    progress.end();
    interrupts.release();
  }
}
