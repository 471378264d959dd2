/** The tables of a bench and how it was measured, from its document alone: for a terminal, a page, a check. */

import type { MedianInterval } from "../stats/order-statistics.ts";
import { formatBytes } from "../units.ts";
import type { AllocatorBench, AllocatorRow } from "./allocator.ts";
import { sizeText } from "./allocator-charts.ts";
import type { IoEngineBench, IoEngineRow } from "./ioengine.ts";
import { engineText } from "./ioengine-charts.ts";
import type { KvBench, KvBenchRow } from "./kv.ts";
import type { MicroBench } from "./micro.ts";
import { microColumns, microText } from "./micro-columns.ts";
import { range } from "./rounds.ts";
import type { StagesBench, StagesRow } from "./stages.ts";
import type { StoreBench, StoreRow } from "./store.ts";
import { workloadText } from "./store-charts.ts";
import type { MountRow } from "./store-mount.ts";
import type { WriteLogBench, WriteLogRow } from "./writelog.ts";
import { writeLogNameText, writeLogWorkloadText } from "./writelog-charts.ts";

export type BenchTable = readonly (readonly string[])[];

export interface BenchText {
  /** Rows, the head first. */
  readonly tables: readonly BenchTable[];
  /** How it was measured: a sentence or two. */
  readonly method: string;
  readonly notes: readonly string[];
}

const allocatorHead = [
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

function allocatorRow(row: AllocatorRow): string[] {
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

function allocatorMethod(bench: AllocatorBench): string {
  return (
    `${bench.rounds} rounds, order alternating; medians${bench.rounds < 6 ? "" : " with 95% intervals"} ` +
    `of ${bench.steps} pairs of an allocation and a release, on ${formatBytes(bench.capacityBytes)} in ` +
    `${formatBytes(bench.blockBytes)} blocks (aged: 64 GiB at most); worn: half full, ` +
    `${bench.wornFreeExtents} free extents, seed ${bench.seed}. Side native: timed inside the native code; ` +
    `typescript: through the interface, two readings of the clock (${bench.timerNs} ns) included.`
  );
}

const kvHead = [
  "store",
  "operation",
  "depth",
  "per second",
  "CPU us each",
  "flushes",
  "bytes/byte",
];

function orDash(value: MedianInterval | null, digits: number): string {
  return value === null ? "-" : range(value, 1, digits);
}

function kvRow(row: KvBenchRow): string[] {
  return [
    row.store,
    row.operation,
    String(row.depth),
    orDash(row.perSecond, 0),
    orDash(row.cpuUs, 2),
    orDash(row.flushes, 3),
    orDash(row.writeAmplification, 2),
  ];
}

function kvMethod(bench: KvBench): string {
  const missing = bench.missing.map(({ store, reason }) => ` Not here: ${store}: ${reason}.`);
  return (
    `${bench.rounds} rounds, order alternating; medians${bench.rounds < 6 ? "" : " with 95% intervals"}. ` +
    `${bench.keys} keys, ${bench.commits} commits each (an eighth at depth 1), seed ${bench.seed}; a commit ` +
    `sets a 420-byte value, merges one bit, adds and drops a log entry. CPU of the whole process; flushes, ` +
    `and bytes to the device for each byte committed.${missing.join("")}`
  );
}

const storeHead = [
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

function storeRow(row: StoreRow): string[] {
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

function storeSize({ storeBytes }: StoreBench): string {
  return storeBytes === undefined ? "" : ` (stores of ${formatBytes(storeBytes)})`;
}

function storeMethod(bench: StoreBench): string {
  return (
    `${bench.rounds} rounds of ${bench.runtimeMs} ms each, raw file and store by turns; medians` +
    `${bench.rounds < 6 ? "" : " with 95% intervals"}. ${formatBytes(bench.sizeBytes)} on each${storeSize(bench)}, direct I/O by ` +
    `io_uring; raw writes with O_DSYNC, the store's are durable when they complete; metadata cached, ` +
    `data not; crc32c; small overwrites where each unit was overwritten before. CPU of the whole process on the store, of the job's thread on the raw file.` +
    `${bench.settings.length === 0 ? "" : ` Set: ${bench.settings.join(", ")}.`}`
  );
}

const writeLogHead = [
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

function writeLogRow(row: WriteLogRow): string[] {
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

function writeLogMethod({ rounds, runtimeMs, sizeBytes, seed }: WriteLogBench): string {
  return (
    `${rounds} rounds of ${runtimeMs} ms each, device alone and log by turns; medians` +
    `${rounds < 6 ? "" : " with 95% intervals"}. Log and image of ${formatBytes(sizeBytes)}, the image in ` +
    `memory; a write is durable when it completes. The device alone is written in sequence, the image at ` +
    `random (seed ${seed}); both through the engine path. CPU of the whole process, write-back included.`
  );
}

const waysOf = (rows: readonly StagesRow[]) => rows[0]?.costs.map(({ oneIn }) => oneIn) ?? [];

function stagesTable(bench: StagesBench): BenchTable {
  const ways = waysOf(bench.rows).map((oneIn) =>
    oneIn === 1 ? "of all, percent" : `${oneIn}, percent`,
  );
  const rows = bench.rows.map(({ subject, offPerSecond, costs }) => [
    subject,
    range(offPerSecond, 1000, 1),
    ...costs.map(({ share }) => range(share, 0.01, 2)),
  ]);
  return [["on", "kIOPS without", ...ways], ...rows];
}

function stagesMethod(bench: StagesBench): string {
  return (
    `What taking the stages costs of the IOPS at depth ${bench.depth}: ${bench.rounds} runs of ${bench.runtimeMs} ms, within ` +
    `each by turns of 20 ms without, of as many as --stages auto takes, and of all; medians${bench.rounds < 6 ? "" : " with 95% intervals"}.`
  );
}

const engineHead = [
  "engine",
  "on",
  "operation",
  "depth",
  "kIOPS",
  "CPU us/IO",
  "service p50 us",
  "p99 us",
];

function engineRow({ cell, figures, reason }: IoEngineRow): string[] {
  const engine = engineText(cell);
  const where = cell.target === "none" ? "-" : `${cell.target}${cell.direct ? ", direct" : ""}`;
  const head = [engine, where, cell.operation, String(cell.depth)];
  if (figures === null) {
    return [...head, `not here: ${reason}`, "", "", ""];
  }
  return [
    ...head,
    range(figures.iops, 1000, 1),
    range(figures.cpuUsPerIo, 1, 2),
    range(figures.serviceP50Ns, 1000, 2),
    range(figures.serviceP99Ns, 1000, 1),
  ];
}

function engineMethod(bench: IoEngineBench): string {
  return (
    `${bench.rounds} rounds of ${bench.runtimeMs} ms each, order alternating; medians${bench.rounds < 6 ? "" : " with 95% intervals"}. ` +
    `${formatBytes(bench.blockBytes)} on ${formatBytes(bench.sizeBytes)}; CPU of the job's thread.`
  );
}

function microTable(bench: MicroBench): BenchTable {
  const columns = microColumns(bench);
  const rows = bench.rows.map((row) => [
    row.implementation,
    row.workload,
    ...columns.map((column) => microText(column.value(row), column.digits)),
  ]);
  return [["implementation", "workload", ...columns.map(({ title }) => title)], ...rows];
}

function microMethod(bench: MicroBench): string {
  return (
    `${bench.rounds} rounds of ${bench.runtimeMs} ms each, order alternating; medians${bench.rounds < 6 ? "" : " with 95% intervals"}. ` +
    `Seed ${bench.seed}, results ${bench.resultHash}. ${bench.cpu}, Linux ${bench.kernel}.`
  );
}

function storeText(bench: StoreBench): BenchText {
  const missing = bench.missing.map(({ store, reason }) => ` Not here: ${store}: ${reason}.`);
  const mounts = bench.mounts.map(mountRow);
  return {
    tables: [
      [storeHead, ...bench.rows.map(storeRow)],
      ...(mounts.length === 0 ? [] : [[mountHead, ...mounts]]),
    ],
    method: `${storeMethod(bench)}${missing.join("")}`,
    notes: [],
  };
}

/** The text of a bench of that name; `document` is what its `bench-HOTPATH.json` holds. */
export function benchText(hotPath: string, document: object): BenchText {
  switch (hotPath) {
    case "allocator": {
      const bench = document as AllocatorBench;
      const table = [allocatorHead, ...bench.rows.map(allocatorRow)];
      return { tables: [table], method: allocatorMethod(bench), notes: [] };
    }
    case "kv": {
      const bench = document as KvBench;
      const table = [kvHead, ...bench.rows.map(kvRow)];
      return { tables: [table], method: kvMethod(bench), notes: [] };
    }
    case "store":
      return storeText(document as StoreBench);
    case "writelog": {
      const bench = document as WriteLogBench;
      const table = [writeLogHead, ...bench.rows.map(writeLogRow)];
      return { tables: [table], method: writeLogMethod(bench), notes: [] };
    }
    case "stages": {
      const bench = document as StagesBench;
      return { tables: [stagesTable(bench)], method: stagesMethod(bench), notes: [] };
    }
    case "ioengine": {
      const bench = document as IoEngineBench;
      const table = [engineHead, ...bench.rows.map(engineRow)];
      const notes = [...new Set(bench.rows.flatMap((row) => row.notes))];
      return { tables: [table], method: engineMethod(bench), notes };
    }
    default: {
      const bench = document as MicroBench;
      return { tables: [microTable(bench)], method: microMethod(bench), notes: bench.notes };
    }
  }
}
