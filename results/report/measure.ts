/** From the files of one run to the figures of each job group and direction. */
import type { Histogram } from "hdr-histogram-js";
import type { Direction, TimeKind } from "../../workloads/run-outcome.ts";
import type { JobRecord, OsdynoLatency } from "../run-record.ts";
import { emptyHistogram, type RunFiles } from "./run-files.ts";

const kinds: readonly TimeKind[] = ["service", "wait", "response"];
const quantiles: readonly (readonly [name: string, percent: number])[] = [
  ["p50", 50],
  ["p90", 90],
  ["p99", 99],
  ["p99.9", 99.9],
  ["p99.99", 99.99],
];
/** A percentile is a figure only with this many samples beyond it. */
export const samplesBeyond = 10;

/** What one run measured of one job group in one direction. */
export interface Measure {
  readonly direction: Direction;
  readonly samples: number;
  /** Metric name (`iops`, `response.p99`, ...) to figure. */
  readonly figures: ReadonlyMap<string, number>;
  readonly histograms: Readonly<Record<"service" | "response", Histogram | null>>;
}

/** Whether a percentile metric has enough samples beyond it; other metrics always do. */
export function isSolid(metric: string, samples: number): boolean {
  const found = quantiles.find(([name]) => metric.endsWith(`.${name}`));
  return found === undefined || samples * (1 - found[1] / 100) >= samplesBeyond * (1 - 1e-9);
}

/** Measures one direction of a group of job records of a run; null when nothing was done in it. */
export function measureOf(
  files: RunFiles,
  group: readonly JobRecord[],
  direction: Direction,
): Measure | null {
  const records = group.filter((job) => (job.osdyno[direction]?.service_ns.N ?? 0) > 0);
  if (records.length === 0) {
    return null;
  }
  const names = new Set(records.map((job) => job.jobname));
  const figures = new Map<string, number>();
  let iops = 0;
  let bandwidth = 0;
  for (const job of records) {
    const fio = (job[direction] ?? {}) as Readonly<Record<string, unknown>>;
    iops += typeof fio["iops"] === "number" ? fio["iops"] : ownRate(job, direction);
    bandwidth += typeof fio["bw_bytes"] === "number" ? fio["bw_bytes"] : Number.NaN;
  }
  figures.set("iops", iops);
  if (Number.isFinite(bandwidth)) {
    figures.set("bw", bandwidth);
  }
  const histograms: { service: Histogram | null; response: Histogram | null } = {
    service: null,
    response: null,
  };
  for (const kind of kinds) {
    const single = records.length === 1 ? records[0] : undefined;
    const wanted = (job: string) => belongs(job, names);
    const merged =
      kind === "wait" && single !== undefined ? null : files.histogram(wanted, direction, kind);
    if (kind !== "wait") {
      histograms[kind] = merged;
    }
    const latencies = records.flatMap((job) => job.osdyno[direction]?.[`${kind}_ns`] ?? []);
    addLatency(figures, kind, latencies, merged);
  }
  addRunFigures(figures, files, group);
  const samples = records.reduce((sum, job) => sum + (job.osdyno[direction]?.service_ns.N ?? 0), 0);
  return { direction, samples, figures, histograms };
}

/** Operations a second of a record without fio's own figure. */
function ownRate(job: JobRecord, direction: Direction): number {
  const runtimeMs = job["job_runtime"];
  const count = job.osdyno[direction]?.service_ns.N ?? 0;
  return typeof runtimeMs === "number" && runtimeMs > 0 ? (count * 1000) / runtimeMs : 0;
}

/** Figures of the whole run (CPU per I/O, memory), and the group's counters. */
function addRunFigures(
  figures: Map<string, number>,
  files: RunFiles,
  group: readonly JobRecord[],
): void {
  const { jobs, osdyno } = files.record;
  const counts = jobs.flatMap((job) =>
    [job.osdyno.read, job.osdyno.write, job.osdyno.trim].map((d) => d?.service_ns.N ?? 0),
  );
  const ios = counts.reduce((a, b) => a + b, 0);
  const cpuNs = (osdyno?.process_cpu_user_ns ?? 0) + (osdyno?.process_cpu_system_ns ?? 0);
  if (cpuNs > 0 && ios > 0) {
    figures.set("cpu_us_per_io", cpuNs / 1000 / ios);
  }
  if ((osdyno?.rss_bytes ?? 0) > 0) {
    figures.set("rss_bytes", osdyno.rss_bytes);
  }
  for (const job of group) {
    for (const [name, value] of Object.entries(job.osdyno.counters ?? {})) {
      const metric = `counter.${name}`;
      figures.set(metric, (figures.get(metric) ?? 0) + value);
    }
  }
}

/** Clones log under their job's name, or under it with a number behind. */
function belongs(log: string, names: ReadonlySet<string>): boolean {
  return names.has(log) || names.has(log.replace(/[.\-_]\d+$/, ""));
}

/**
 * One record's percentiles are taken as they stand. Those of several come from the merged histogram
 * and are left out without one: percentiles are never averaged.
 */
function addLatency(
  figures: Map<string, number>,
  kind: TimeKind,
  latencies: readonly OsdynoLatency[],
  merged: Histogram | null,
): void {
  const [first] = latencies;
  if (first === undefined) {
    return;
  }
  const count = latencies.reduce((sum, one) => sum + one.N, 0);
  const total = latencies.reduce((sum, one) => sum + one.mean * one.N, 0);
  figures.set(`${kind}.mean`, count === 0 ? 0 : total / count);
  figures.set(`${kind}.max`, Math.max(...latencies.map((one) => one.max)));
  for (const [name, percent] of quantiles) {
    const own = latencies.length === 1 ? first.percentile[percent.toFixed(6)] : undefined;
    const value = own ?? merged?.getValueAtPercentile(percent);
    if (value !== undefined) {
      figures.set(`${kind}.${name}`, value);
    }
  }
}

/**
 * Points of a percentile plot, eight per decade of 1/(1-q), up to the last quantile that still has 10
 * samples beyond it. Empty without a histogram.
 */
export function spectrumOf(
  histograms: readonly (Histogram | null)[],
): readonly (readonly [number, number])[] {
  const sum = emptyHistogram();
  for (const one of histograms) {
    if (one !== null) {
      sum.add(one);
    }
  }
  const limit = sum.totalCount / samplesBeyond;
  const points: [number, number][] = [];
  for (let step = 0; ; step += 1) {
    const oneOverRest = 10 ** (step / 8);
    if (oneOverRest > limit) {
      return points;
    }
    const ns = sum.getValueAtPercentile(100 * (1 - 1 / oneOverRest));
    points.push([Number(oneOverRest.toPrecision(5)), ns]);
  }
}
