/** `osdyno calibrate --noise`: what equal runs differ by here, kept where sweeps and comparisons find it. */
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import Table from "cli-table3";
import { OsdynoError } from "../../engine/base/error.ts";
import { leastRepeats, measureNoise, sidesTold } from "../../results/calibrate/noise.ts";
import type { CalibrationCase } from "../../results/calibrate/suite.ts";
import { formatMetric, metricFacts } from "../../results/metrics.ts";
import { type NoiseMetric, type NoiseRecord, noisePath } from "../../results/noise-record.ts";
import { writeWhole } from "../../results/whole-file.ts";
import { writeScratchFile } from "../../workloads/runner/layout.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";

export const usualNoiseRepeats = 10;

export interface NoiseRequest {
  readonly cases: readonly CalibrationCase[];
  readonly repeat: number;
  /** The scratch file of the built-in cases, and its size. */
  readonly file: string;
  readonly fileBytes: number;
  /** Kept there too. */
  readonly out: string | null;
  readonly json: boolean;
}

const percent = (share: number) => `${Number((100 * share).toPrecision(2))}%`;

function row(name: string, of: string, noise: NoiseMetric): string[] {
  const { drift } = noise;
  return [
    name,
    metricFacts(of)?.label ?? of,
    formatMetric(of, noise.median),
    percent(noise.variation),
    percent(noise.variation_of_neighbours),
    drift.p <= 0.05 ? `${drift.share > 0 ? "+" : "-"}${percent(Math.abs(drift.share))}` : "none",
    ...sidesTold.map((runs) => percent(noise.detectable[String(runs)] ?? Number.NaN)),
  ];
}

export function noiseText({ cases, repeat }: NoiseRecord): string {
  const table = new Table({
    head: [
      ...["case", "metric", "median", "runs vary by", "neighbours by", "drift"],
      ...sidesTold.map((runs) => `found by ${runs} a side`),
    ],
    colAligns: ["left", "left", "right", "right", "right", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const { name, metrics } of cases) {
    for (const [place, [of, noise]] of Object.entries(metrics).entries()) {
      table.push(row(place === 0 ? name : "", of, noise));
    }
  }
  const note =
    `${repeat} runs of each, in randomised blocks. Variation: standard deviation between runs, and from each ` +
    "run to the next, which a drift leaves alone. Drift: from the first run to the last, where p <= 0.05. " +
    "Found: the smallest difference that so many runs a side find with a chance of 80%.";
  return `${table.toString()}\n${note}\n`;
}

function keep(record: NoiseRecord, out: string | null): void {
  const text = `${JSON.stringify(record, null, 2)}\n`;
  for (const path of [noisePath, ...(out === null ? [] : [join(out, "noise.json")])]) {
    mkdirSync(dirname(path), { recursive: true });
    writeWhole(path, text);
  }
}

export async function calibrateNoise(request: NoiseRequest): Promise<number> {
  const { cases, repeat, file, fileBytes, out, json } = request;
  if (repeat < leastRepeats) {
    throw new OsdynoError(
      "bad-input",
      `--repeat ${repeat}: of fewer than ${leastRepeats} runs nobody can say how they vary; ${usualNoiseRepeats} are usual`,
    );
  }
  const interrupts = watchInterrupts();
  const progress = makeProgress(true);
  let record: NoiseRecord;
  try {
    if (cases.some(({ args }) => args.includes(`--filename=${file}`))) {
      progress.begin(`writing ${file}`);
      await writeScratchFile(file, fileBytes, interrupts.signal);
    }
    record = await measureNoise(cases, repeat, interrupts.signal, (done, total, name) =>
      progress.begin(`${done + 1}/${total} ${name}`),
    );
  } finally {
    progress.end();
    interrupts.release();
    rmSync(file, { force: true });
  }
  keep(record, out);
  process.stdout.write(json ? `${JSON.stringify(record, null, 2)}\n` : noiseText(record));
  process.stderr.write(`noise floor: ${noisePath}, used by sweep and compare from now on\n`);
  return 0;
}
