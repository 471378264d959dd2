/** From the files of one run to the figures of each job group and direction. */
import type { Direction, TimeKind } from "../../workloads/run-outcome.ts";
import { type Histogram, mergeHistograms } from "../histogram.ts";
import {
  jobMetric,
  metric,
  metricNames,
  metricSupported,
  percentileSupported,
  splitPart,
} from "../metrics.ts";
import type { JobRecord, OsdynoLatency, OsdynoPart, OsdynoTotal } from "../run-record.ts";
import type { HeatGrid } from "./heat-grid.ts";
import type { RunFiles } from "./run-files.ts";

const kinds: readonly TimeKind[] = ["service", "wait", "response"];
const quantiles: readonly (readonly [name: string, percent: number])[] = [
  ["p50", 50],
  ["p90", 90],
  ["p99", 99],
  ["p99.9", 99.9],
  ["p99.99", 99.99],
];
/** Metrics of a run as a whole: neither rates nor latencies, which each direction has. */
const runMetrics = metricNames.filter(
  (name) => !/^(iops|bw|(service|wait|response|clat|lat|slat)\..*)$/.test(name),
);
/** A percentile is a figure only with this many samples beyond it. */
export const samplesBeyond = 10;

/** What one run measured of one job group in one direction. */
export interface Measure {
  readonly direction: Direction;
  readonly samples: number;
  /** Metric name (`iops`, `response.p99`, ...) to figure. */
  readonly figures: ReadonlyMap<string, number>;
  readonly histograms: Readonly<Record<"service" | "response", Histogram | null>>;
  readonly grids: Readonly<Record<"service" | "response", HeatGrid>>;
}

/** Whether a percentile metric has enough samples beyond it; other metrics always do. */
export function isSolid(name: string, samples: number): boolean {
  const percentile = /\.p([0-9.]+)$/.exec(name)?.[1];
  return percentile === undefined || percentileSupported(samples, Number(percentile));
}

export interface MeasureOptions {
  /** Of the heat maps, at most. */
  readonly columns: number;
  /** Further metrics, by any name. */
  readonly asked: readonly string[];
  /** The job or class that the group is, as the record totals it. */
  readonly part: OsdynoPart | undefined;
}

/** Measures one direction of a group of job records of a run; null when nothing was done in it. */
export function measureOf(
  files: RunFiles,
  group: readonly JobRecord[],
  direction: Direction,
  { columns, asked, part }: MeasureOptions,
): Measure | null {
  const records = group.filter((job) => (job.osdyno[direction]?.service_ns.N ?? 0) > 0);
  if (records.length === 0) {
    return null;
  }
  const sources = new Set(records.flatMap((job) => job.osdyno.sources));
  const totals = wholeRun(files, group) ? files.record.osdyno.totals : part?.totals;
  const total = totals?.[direction];
  const figures = new Map<string, number>();
  addRates(figures, records, direction, total);
  const service = files.distribution(sources, direction, "service", columns);
  const response = files.distribution(sources, direction, "response", columns);
  const histograms = { service: service.histogram, response: response.histogram };
  const grids = { service: service.grid, response: response.grid };
  const needsMerge = total === undefined && records.length > 1;
  const wait = needsMerge ? files.histogram(sources, direction, "wait") : null;
  const merged = { ...histograms, wait };
  for (const kind of kinds) {
    const key = `${kind}_ns` as const;
    const own = total === undefined ? records.map((job) => job.osdyno[direction]) : [total];
    addLatency(
      figures,
      kind,
      own.flatMap((one) => one?.[key] ?? []),
      merged[kind],
    );
  }
  addRunFigures(figures, files, group);
  if (part?.kind === "class") {
    // The run's other shares stand in the rows of their own classes.
    for (const name of [...figures.keys()]) {
      if (/^(share|served)\./.test(name) && !name.endsWith(`.${part.name}`)) {
        figures.delete(name);
      }
    }
  }
  const own = asked.filter((name) => {
    const named = splitPart(name)?.part;
    return named === undefined || named === part?.name;
  });
  addAsked(figures, files, group, direction, own);
  const samples = records.reduce((sum, job) => sum + (job.osdyno[direction]?.service_ns.N ?? 0), 0);
  return { direction, samples, figures, histograms, grids };
}

/** Whether the group is all that the run did: then the run's own totals are exact. */
function wholeRun(files: RunFiles, group: readonly JobRecord[]): boolean {
  return files.record.osdyno.totals !== undefined && group.length === files.record.jobs.length;
}

function addRates(
  figures: Map<string, number>,
  records: readonly JobRecord[],
  direction: Direction,
  total: OsdynoTotal | undefined,
): void {
  for (const [name, key] of [
    ["iops", "iops"],
    ["bw", "bw_bytes"],
  ] as const) {
    const rates = records.map((job) => {
      return (job[direction] as Readonly<Record<string, number>> | undefined)?.[key];
    });
    const sum = rates.reduce((a = Number.NaN, b = Number.NaN) => a + b, 0);
    const value = total?.[key] ?? sum;
    if (value !== undefined && Number.isFinite(value)) {
      figures.set(name, value);
    }
  }
}

/**
 * What is not among the usual figures: stages, figures of one direction, other percentiles. A name without a
 * direction is of the entry's own; of another direction it is that entry's.
 */
function addAsked(
  figures: Map<string, number>,
  files: RunFiles,
  group: readonly JobRecord[],
  direction: Direction,
  asked: readonly string[],
): void {
  const [only, ...more] = group;
  for (const name of asked.filter((each) => !figures.has(each))) {
    const prefix = /^(read|write|trim)\./.exec(name)?.[1];
    const full = prefix === undefined ? `${direction}.${name}` : name;
    const value =
      wholeRun(files, group) || splitPart(name) !== null
        ? metric(files.record, full)
        : only === undefined || more.length > 0
          ? null
          : jobMetric(only, full);
    const mine = prefix === undefined || prefix === direction;
    if (mine && value !== null && metricSupported(files.record, full)) {
      figures.set(name, value);
    }
  }
}

/** Figures of the whole run (CPU per I/O, memory, flushes), and the group's counters. */
function addRunFigures(
  figures: Map<string, number>,
  files: RunFiles,
  group: readonly JobRecord[],
): void {
  for (const name of runMetrics) {
    const value = metric(files.record, name);
    if (value !== null) {
      figures.set(name, value);
    }
  }
  for (const job of group) {
    for (const [name, value] of Object.entries(job.osdyno.counters)) {
      const key = `counter.${name}`;
      figures.set(key, (figures.get(key) ?? 0) + value);
    }
  }
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
  const sum = mergeHistograms(histograms.filter((one) => one !== null));
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

/** Of a distribution on a plain scale; the tail has the percentile plot. */
const cdfShares = [
  0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75,
  0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999,
];

/** Shares with the times within which they completed, as far as 10 samples lie on either side. Empty without a histogram. */
export function cdfOf(
  histograms: readonly (Histogram | null)[],
): readonly (readonly [number, number])[] {
  const sum = mergeHistograms(histograms.filter((one) => one !== null));
  const least = samplesBeyond / Math.max(1, sum.totalCount);
  return cdfShares.flatMap((share) =>
    share < least || 1 - share < least
      ? []
      : [[share, sum.getValueAtPercentile(100 * share)] as const],
  );
}
