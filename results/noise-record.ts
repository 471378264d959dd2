/**
 * The noise floor of a machine as `osdyno calibrate --noise` leaves it in `results/noise.json`, where sweeps
 * and comparisons look for it. It acts only where the runs were made on the machine it was measured on.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { metricFacts } from "./metrics.ts";
import { runsRoot } from "./run-directory.ts";
import type { RunRecord } from "./run-record.ts";
import { type Noise, noiseFloor } from "./stats/noise.ts";

export const noiseSchema = "osdyno-noise-1";

/** Relative to the directory in which the command runs, as the runs are. */
export const noisePath: string = join(dirname(runsRoot), "noise.json");

/** What tells machines apart: names, not settings. */
export interface NoiseMachine {
  readonly host: string | null;
  readonly cpu: string | null;
  readonly kernel: string | null;
}

export interface NoiseMetric extends Noise {
  /** Smallest effects, as shares, found with a chance of 80% by so many runs a side. */
  readonly detectable: Readonly<Record<string, number>>;
  /** In the order in which they were measured. */
  readonly figures: readonly number[];
}

export interface NoiseCase {
  readonly name: string;
  readonly args: readonly string[];
  /** As the runs had it, to know it again. */
  readonly job: string;
  readonly metrics: Readonly<Record<string, NoiseMetric>>;
}

export interface NoiseRecord {
  readonly schema: typeof noiseSchema;
  /** ISO 8601. */
  readonly measured: string;
  readonly machine: NoiseMachine;
  readonly repeat: number;
  readonly cases: readonly NoiseCase[];
}

export function machineOf({ environment }: Pick<RunRecord, "environment">): NoiseMachine {
  const part = (name: string) => (environment[name] ?? {}) as Readonly<Record<string, unknown>>;
  const text = (value: unknown) => (typeof value === "string" ? value : null);
  return {
    host: text(part("os")["host"]),
    cpu: text(part("cpu")["model"]),
    kernel: text(part("kernel")["release"]),
  };
}

/** What was measured; null when nothing was, or what is there is something else. */
export function readNoise(path: string = noisePath): NoiseRecord | null {
  try {
    const record = JSON.parse(readFileSync(path, "utf8")) as NoiseRecord;
    return record.schema === noiseSchema && Array.isArray(record.cases) ? record : null;
  } catch {
    return null;
  }
}

/** Whether a run was made where the noise was measured. */
export function isOf(noise: NoiseRecord, record: Pick<RunRecord, "environment">): boolean {
  const { host, cpu } = machineOf(record);
  return host === noise.machine.host && cpu === noise.machine.cpu;
}

/** The run-to-run variation that counts for a metric. */
export interface Floor {
  readonly metric: string;
  readonly variation: number;
  readonly name: string;
}

/**
 * The variation for a metric of runs of this job: of the same job if it was measured, else of the one that
 * varied least, since no other can be known to vary less than that. Null: the metric was not measured.
 */
export function floorOf({ cases }: NoiseRecord, metric: string, job: string): Floor | null {
  const same = cases.filter((each) => each.job === job && each.metrics[metric] !== undefined);
  const known = (same.length > 0 ? same : cases).flatMap(({ name, metrics }) => {
    const found = metrics[metric];
    return found === undefined ? [] : [{ metric, name, variation: found.variation_of_neighbours }];
  });
  return known.toSorted((a, b) => a.variation - b.variation)[0] ?? null;
}

const percent = (share: number) => `${Number((100 * share).toPrecision(2))}%`;

/** Why a difference is not to be believed yet: it is no larger than those between equal runs; null: it is. */
export function noiseWarning(floor: Floor | null, ratio: number, runs: number): string | null {
  if (floor === null || runs < 2) {
    return null;
  }
  const least = noiseFloor(floor.variation, runs);
  const effect = Math.abs(ratio - 1);
  const label = metricFacts(floor.metric)?.label ?? floor.metric;
  return effect >= least
    ? null
    : `${label}: ${percent(effect)} is below the noise floor of this machine, ${percent(least)} at ${runs} runs a side (${floor.name})`;
}
