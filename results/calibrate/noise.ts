/**
 * The noise floor: equal runs, each a process of its own, in randomised blocks over all configurations, so
 * that a drift shows in each of them.
 */
import { OsdynoError } from "../../engine/base/error.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import { metric } from "../metrics.ts";
import { machineOf, type NoiseCase, type NoiseRecord, noiseSchema } from "../noise-record.ts";
import type { RunRecord } from "../run-record.ts";
import { detectable, noiseOf } from "../stats/noise.ts";
import { blocksOf } from "../sweep/points.ts";
import type { CalibrationCase } from "./suite.ts";
import { recordOf } from "./truth.ts";

/** Fewer runs say nothing of how runs differ. */
export const leastRepeats = 4;

const noiseMetrics = ["iops", "bw", "response.p50", "response.p99", "cpu_us_per_io"] as const;
/** Runs a side for which the smallest effect that is found is told. */
export const sidesTold = [6, 10] as const;

type NoiseOrder = Pick<CalibrationCase, "name" | "args">;

function caseOf({ name, args }: NoiseOrder, records: readonly RunRecord[]): NoiseCase {
  const metrics = noiseMetrics.flatMap((each) => {
    const figures = records.map((record) => metric(record, each) ?? 0);
    if (figures.some((figure) => !(figure > 0))) {
      return [];
    }
    const noise = noiseOf(figures);
    const told = sidesTold.map((runs) => [
      String(runs),
      detectable(noise.variation_of_neighbours, runs),
    ]);
    return [[each, { ...noise, detectable: Object.fromEntries(told), figures }] as const];
  });
  const job = records[0]?.job.text ?? "";
  return { name, args, job, metrics: Object.fromEntries(metrics) };
}

/** Measures `repeat` runs of each case. Throws `interrupted` and what a run throws. */
export async function measureNoise(
  cases: readonly NoiseOrder[],
  repeat: number,
  signal: AbortSignal,
  onRun: (done: number, total: number, name: string) => void,
): Promise<NoiseRecord> {
  const random = new SeededRandom(repeat);
  const records: RunRecord[][] = cases.map(() => []);
  const order = blocksOf(cases.length, repeat, () => random.unit()).flat();
  for (const [done, place] of order.entries()) {
    const item = cases[place];
    if (item !== undefined) {
      onRun(done, order.length, item.name);
      records[place]?.push(await recordOf(item.args, signal));
    }
  }
  const [first] = records.flat();
  if (first === undefined) {
    throw new OsdynoError("bad-input", "there is nothing to measure the noise of");
  }
  return {
    schema: noiseSchema,
    measured: new Date().toISOString(),
    machine: machineOf(first),
    repeat,
    cases: cases.map((item, place) => caseOf(item, records[place] ?? [])),
  };
}
