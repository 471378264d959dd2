/** `osdyno bench kv`: the key-value stores side by side. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Table from "cli-table3";
import { OsdynoError } from "../../engine/base/error.ts";
import { nearestName } from "../../engine/base/nearest-name.ts";
import { keyValueEngine, keyValueEngines } from "../../engine/hot/kv/registry.ts";
import { benchKeyValue, type KvBench, type KvBenchRow } from "../../results/bench/kv.ts";
import type { MedianInterval } from "../../results/statistics.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";

export interface KvBenchFlags {
  readonly rounds: number;
  readonly keys: number;
  readonly commits: number;
  readonly seed: number;
  readonly out?: string;
  readonly json?: true;
}

/** Of the file, which is sparse: what is not written takes no space. */
const sizeBytes = 4 * 2 ** 30;

function range(value: MedianInterval | null, digits: number): string {
  if (value === null) {
    return "-";
  }
  const { median, low, high } = value;
  const interval =
    low === null || high === null ? "" : ` [${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
  return `${median.toFixed(digits)}${interval}`;
}

function tableRow(row: KvBenchRow): string[] {
  return [
    row.store,
    row.operation,
    String(row.depth),
    range(row.perSecond, 0),
    range(row.cpuUs, 2),
    range(row.flushes, 3),
    range(row.writeAmplification, 2),
  ];
}

function benchText(bench: KvBench): string {
  const table = new Table({
    head: [
      "store",
      "operation",
      "depth",
      "per second",
      "CPU us each",
      "flushes each",
      "bytes/byte",
    ],
    style: { head: [], border: [], compact: true },
  });
  table.push(...bench.rows.map(tableRow));
  return [
    table.toString(),
    `${bench.rounds} rounds, order alternating; medians${bench.rounds < 6 ? "" : " with 95% intervals"}. ${bench.keys} keys, ${bench.commits} commits each (an eighth at depth 1), seed ${bench.seed}; a commit sets a 420-byte value, merges one bit, adds and drops a log entry. CPU of the whole process; bytes to the device for each byte committed.`,
    ...bench.missing.map(({ store, reason }) => `not here: ${store}: ${reason}`),
    "",
  ].join("\n");
}

export async function benchKv(only: string | null, flags: KvBenchFlags): Promise<void> {
  if (only !== null) {
    const names = keyValueEngines().map(({ name }) => name);
    const guess = nearestName(only, names);
    if (!names.includes(only)) {
      throw new OsdynoError(
        "bad-input",
        `no key-value store is called ${only}${guess === null ? "" : `; did you mean ${guess}?`} (there are ${names.join(", ")})`,
      );
    }
    keyValueEngine(only);
  }
  const { json, out, ...numbers } = flags;
  const interrupts = watchInterrupts();
  const progress = makeProgress(true);
  const folder = mkdtempSync(join(scratchDirectory(), "osdyno-bench-"));
  try {
    progress.begin("bench kv");
    const document = await benchKeyValue({
      ...numbers,
      only,
      sizeBytes,
      folder,
      signal: interrupts.signal,
      onCell: (done, total, cell) => progress.update(done / total, cell),
    });
    progress.end();
    if (out !== undefined) {
      mkdirSync(out, { recursive: true });
      writeFileSync(join(out, "bench-kv.json"), `${JSON.stringify(document, null, 2)}\n`);
    }
    process.stdout.write(
      json === true ? `${JSON.stringify(document, null, 2)}\n` : benchText(document),
    );
  } finally {
    progress.end();
    interrupts.release();
    rmSync(folder, { recursive: true, force: true });
  }
}
