/** `osdyno bench store`: what the object store costs beside the raw device. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { checkBenchOut } from "../../results/bench/directory.ts";
import { benchStore, type StoreBench, type StoreRow } from "../../results/bench/store.ts";
import { storeCharts, workloadText } from "../../results/bench/store-charts.ts";
import type { MountRow } from "../../results/bench/store-mount.ts";
import { formatBytes } from "../../results/units.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";
import { type BenchFlags, range, wholeNumber } from "./bench-flags.ts";
import { publishBench } from "./bench-output.ts";

const head = [
  "key-value store",
  "workload",
  "raw per s",
  "store per s",
  "store/raw",
  "CPU us",
  "raw CPU us",
  "flushes",
  "bytes/byte",
];

function tableRow(row: StoreRow): string[] {
  return [
    row.kv,
    workloadText(row),
    range(row.rawPerSecond, 1, 0),
    range(row.storePerSecond, 1, 0),
    range(row.ratio, 1, 3),
    range(row.cpuUs, 1, 1),
    range(row.rawCpuUs, 1, 1),
    range(row.flushes, 1, 3),
    range(row.writeAmplification, 1, 2),
  ];
}

const mountHead = [
  "key-value store",
  "objects",
  "after",
  "mount s",
  "CPU s",
  "MiB",
  "MiB, all looked at",
  "of osd_memory_target",
];

function mountRow(row: MountRow): string[] {
  const seen = row.lookedAtBytes;
  return [
    row.kv,
    String(row.objects),
    `${row.end} end`,
    range(row.seconds, 1, 2),
    range(row.cpuSeconds, 1, 2),
    range(row.mountedBytes, 2 ** 20, 0),
    seen === null ? "-" : range(seen, 2 ** 20, 0),
    seen === null ? "-" : (seen.median / row.memoryTargetBytes).toFixed(3),
  ];
}

function methodOf(bench: StoreBench): string {
  return (
    `${bench.rounds} rounds of ${bench.runtimeMs} ms each, raw file and store by turns; medians` +
    `${bench.rounds < 6 ? "" : " with 95% intervals"}. ${formatBytes(bench.sizeBytes)} on each, direct I/O by ` +
    `io_uring; raw writes with O_DSYNC, the store's are durable when they complete; metadata cached, ` +
    `data not; crc32c. CPU of the whole process on the store, of the job's thread on the raw file.` +
    `${bench.settings.length === 0 ? "" : ` Set: ${bench.settings.join(", ")}.`}`
  );
}

export async function benchTheStore(only: string | null, flags: BenchFlags): Promise<void> {
  if (flags.out !== undefined) {
    checkBenchOut(flags.out, "store");
  }
  const startedEpochMs = Date.now();
  const interrupts = watchInterrupts();
  const progress = makeProgress(true);
  const folder = mkdtempSync(join(scratchDirectory(), "osdyno-bench-"));
  try {
    progress.begin("bench store");
    const bench = await benchStore({
      only,
      rounds: wholeNumber("rounds", flags.rounds ?? "6", 1),
      runtimeMs: wholeNumber("runtime", flags.runtime, 1),
      sizeBytes: wholeNumber("size", flags.size, 8) * 2 ** 20,
      seed: wholeNumber("seed", flags.seed, 0),
      folder,
      objects: wholeNumber("objects", flags.objects, 0),
      settings: [],
      signal: interrupts.signal,
      onCell: (done, total, cell) => progress.update(done / total, cell),
    });
    progress.end();
    const rows = bench.rows.map(tableRow);
    const mountRows = bench.mounts.map(mountRow);
    const missing = bench.missing.map(({ store, reason }) => ` Not here: ${store}: ${reason}.`);
    const method = `${methodOf(bench)}${missing.join("")}`;
    await publishBench(
      {
        out: flags.out,
        hotPath: "store",
        startedEpochMs,
        document: bench,
        charts: storeCharts(bench),
        table: [head, ...rows],
        more: mountRows.length === 0 ? [] : [[mountHead, ...mountRows]],
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
