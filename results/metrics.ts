/**
 * Metrics by the names of `cli.md`: their values in a run, units, and which way is better. Whatever
 * compares, charts or judges runs asks here, so that a name means one thing everywhere.
 */
import { nearestName } from "../engine/base/nearest-name.ts";
import type { Direction } from "../workloads/run-outcome.ts";
import { type DirectionPrefix, type FioTime, fioStatistic, isFioTime } from "./fio-times.ts";
import { percentileKey } from "./histogram.ts";
import { totalsNamed } from "./parts.ts";
import type {
  JobRecord,
  OsdynoDirection,
  OsdynoLatency,
  OsdynoTotals,
  RunRecord,
} from "./run-record.ts";
import {
  parseStageMetric,
  type StageMetric,
  stageLabel,
  stageMetricNames,
  stageSamples,
  stageValue,
} from "./stage-metrics.ts";
import { storeCounter, storeFigure } from "./store-metrics.ts";
import {
  formatBandwidth,
  formatBytes,
  formatCount,
  formatFigure,
  formatNs,
  formatPercent,
  type UnitFamily,
} from "./units.ts";

export type MetricUnit = "1/s" | "bytes/s" | "ns" | "us" | "bytes" | "ratio" | "1";

export interface MetricFacts {
  readonly unit: MetricUnit;
  /** Which way is better; `none` when it depends on the question. */
  readonly better: "higher" | "lower" | "none";
  readonly label: string;
}

type OurTime = "service" | "wait" | "response";

/** Metrics without directions; the last ones are of object stores. */
const plainMetrics = [
  "cpu_us_per_io",
  "flushes_per_io",
  "rss_bytes",
  "store_memory_bytes",
  "write_amplification",
  "write_amplification.data",
  "write_amplification.deferred",
  "write_amplification.kv",
  "fragmentation",
  "alloc_ns.p50",
  "alloc_ns.p99",
  "cache_hit_ratio",
] as const;
/** Of classes of operations. */
const classes = ["client", "recovery", "best_effort", "immediate"] as const;
/** Of the capacity, and of what was served. */
const shareMetrics: readonly string[] = ["share", "served"].flatMap((of) =>
  classes.map((name) => `${of}.${name}`),
);
type PlainMetric = (typeof plainMetrics)[number];

/** A metric of one job or class: `response.p99@client`. */
interface PartMetric {
  readonly kind: "part";
  readonly name: string;
  readonly of: ParsedRate | ParsedLatency;
}
interface ParsedRate {
  readonly kind: "rate";
  readonly of: "iops" | "bw";
  readonly direction: DirectionPrefix;
}
interface ParsedLatency {
  readonly kind: "latency";
  readonly time: OurTime | FioTime;
  readonly statistic: "mean" | "max" | "min" | number;
  readonly direction: DirectionPrefix;
}

/** A metric's name taken apart. */
export type ParsedMetric =
  | PartMetric
  | ParsedRate
  | ParsedLatency
  | { readonly kind: "plain"; readonly name: PlainMetric }
  | { readonly kind: "share"; readonly of: "share" | "served"; readonly name: string }
  | { readonly kind: "stage"; readonly stage: StageMetric; readonly direction: DirectionPrefix }
  | { readonly kind: "counter"; readonly name: string };

const prefixPattern = /^(read|write|trim)\.(.+)$/;
const latencyPattern =
  /^(service|wait|response|clat|lat|slat)\.(mean|max|min|p(?:100|[0-9]{1,2}(?:\.[0-9]+)?))$/;

/** Null for a name that is no metric. */
export function parseMetric(name: string): ParsedMetric | null {
  const part = splitPart(name);
  if (part !== null) {
    const of = parseMetric(part.metric);
    const known = of?.kind === "rate" || (of?.kind === "latency" && !isFioTime(of.time));
    return known ? { kind: "part", name: part.part, of: of as PartMetric["of"] } : null;
  }
  const prefix = prefixPattern.exec(name);
  const direction = (prefix?.[1] ?? "all") as DirectionPrefix;
  const rest = prefix?.[2] ?? name;
  if (rest === "iops" || rest === "bw") {
    return { kind: "rate", of: rest, direction };
  }
  const latency = latencyPattern.exec(rest);
  if (latency !== null) {
    const time = latency[1] as OurTime | FioTime;
    const text = latency[2] ?? "";
    const statistic = text.startsWith("p") ? Number(text.slice(1)) : (text as "mean");
    return { kind: "latency", time, statistic, direction };
  }
  const stage = parseStageMetric(rest);
  if (stage !== null) {
    return { kind: "stage", stage, direction };
  }
  if (prefix !== null) {
    return null;
  }
  const plain = plainMetrics.find((each) => each === name);
  if (plain !== undefined) {
    return { kind: "plain", name: plain };
  }
  const share = shareMetrics.find((each) => each === name);
  if (share !== undefined) {
    const [of, opClass] = share.split(".") as ["share" | "served", string];
    return { kind: "share", of, name: opClass };
  }
  return name.startsWith("counter.") ? { kind: "counter", name: name.slice(8) } : null;
}

/** `response.p99@client` taken apart; null for a metric of the whole run. */
export function splitPart(name: string): { readonly metric: string; readonly part: string } | null {
  const at = name.indexOf("@");
  const [metric, part] = [name.slice(0, at), name.slice(at + 1)];
  // What stands behind a counter is a store.
  return at <= 0 || part === "" || metric.startsWith("counter.") ? null : { metric, part };
}

/** Facts of a metric; null when the name is none. */
export function metricFacts(name: string): MetricFacts | null {
  const parsed = parseMetric(name);
  if (parsed === null) {
    return null;
  }
  switch (parsed.kind) {
    case "part": {
      const facts = metricFacts(splitPart(name)?.metric ?? "");
      return facts === null
        ? null
        : { ...facts, label: `${facts.label} of ${parsed.name.replaceAll("_", " ")}` };
    }
    case "rate":
      return parsed.of === "iops"
        ? { unit: "1/s", better: "higher", label: labelOf(parsed.direction, "IOPS") }
        : { unit: "bytes/s", better: "higher", label: labelOf(parsed.direction, "bandwidth") };
    case "latency":
      return {
        unit: "ns",
        better: "lower",
        label: labelOf(parsed.direction, `${parsed.time} time ${statisticName(parsed.statistic)}`),
      };
    case "plain":
      return plainFacts[parsed.name];
    case "share":
      return shareFacts(parsed.of, parsed.name);
    case "stage": {
      const label = labelOf(parsed.direction, stageLabel(parsed.stage));
      return parsed.stage.figure === "share"
        ? { unit: "ratio", better: "none", label }
        : { unit: "ns", better: "lower", label };
    }
    case "counter":
      return { unit: "1", better: "none", label: `counter ${parsed.name}` };
  }
}

function shareFacts(of: "share" | "served", name: string): MetricFacts {
  const what = name.replace("_", " ");
  return {
    unit: "ratio",
    // The others are what a client's share is taken from; more of them is what one may want or not.
    better: of === "share" && name === "client" ? "higher" : "none",
    label:
      of === "share" ? `share of ${what} in the capacity` : `part of ${what} in what is served`,
  };
}

function shareOf({ osdyno }: RunRecord, of: "share" | "served", name: string): number | null {
  const { share, served, shares } = osdyno;
  // Runs made before capacities were known have the part of what was served only, as `shares`.
  const old = served === undefined ? shares : undefined;
  return (of === "share" ? (share ?? old) : (served ?? old))?.[name] ?? null;
}

/** A part of the write amplification; the three make up the whole. */
const amplified = (what: string): MetricFacts => ({
  unit: "1",
  better: "lower",
  label: `bytes to the device per byte written: ${what}`,
});

const plainFacts: Readonly<Record<PlainMetric, MetricFacts>> = {
  cpu_us_per_io: { unit: "us", better: "lower", label: "CPU per I/O" },
  rss_bytes: { unit: "bytes", better: "lower", label: "resident memory" },
  store_memory_bytes: {
    unit: "bytes",
    better: "lower",
    label: "memory held by the store's caches and key-value store",
  },
  flushes_per_io: { unit: "1", better: "lower", label: "flushes per I/O" },
  write_amplification: {
    unit: "1",
    better: "lower",
    label: "bytes to the device per byte written",
  },
  "write_amplification.data": amplified("data, directly"),
  "write_amplification.deferred": amplified("deferred writes, in place"),
  "write_amplification.kv": amplified("key-value store, its log with deferred writes among it"),
  fragmentation: { unit: "1", better: "lower", label: "fragmentation score of free space" },
  "alloc_ns.p50": { unit: "ns", better: "lower", label: "time of an allocation p50" },
  "alloc_ns.p99": { unit: "ns", better: "lower", label: "time of an allocation p99" },
  cache_hit_ratio: { unit: "ratio", better: "higher", label: "hits of the data cache" },
};

const everyDirection: readonly Direction[] = ["read", "write", "trim"];

function directionsOf(direction: DirectionPrefix): readonly Direction[] {
  return direction === "all" ? everyDirection : [direction];
}

function labelOf(direction: DirectionPrefix, text: string): string {
  return direction === "all" ? text : `${direction} ${text}`;
}

function statisticName(statistic: "mean" | "max" | "min" | number): string {
  return typeof statistic === "number" ? `p${statistic}` : statistic;
}

/** Names to suggest and list; percentiles stand for their family. */
export const metricNames: readonly string[] = [
  "iops",
  "bw",
  ...["service", "wait", "response"].flatMap((time) =>
    ["p50", "p90", "p99", "p99.9", "p99.99", "mean", "max"].map((part) => `${time}.${part}`),
  ),
  ...["clat", "lat", "slat"].flatMap((time) =>
    ["p50", "p99", "p99.9", "mean", "max"].map((part) => `${time}.${part}`),
  ),
  ...plainMetrics,
  ...shareMetrics,
];

/** The known metric nearest to a mistyped one, with its direction kept; null when none is near. */
export function nearestMetric(name: string): string | null {
  const part = splitPart(name);
  if (part !== null) {
    const near = metricFacts(part.metric) === null ? nearestMetric(part.metric) : null;
    return near === null ? null : `${near}@${part.part}`;
  }
  const prefix = prefixPattern.exec(name);
  const found = nearestName(prefix?.[2] ?? name, [...metricNames, ...stageMetricNames]);
  return found === null ? null : prefix === null ? found : `${prefix[1]}.${found}`;
}

/**
 * Value of a metric in a run, in its unit; over all jobs of the run, whose distributions are
 * merged, never averaged. Null when the run has none: no such direction, nothing completed, a
 * percentile that was not asked for (`percentile_list`), or an unknown name.
 */
export function metric(record: RunRecord, name: string): number | null {
  const parsed = parseMetric(name);
  if (parsed === null) {
    return null;
  }
  switch (parsed.kind) {
    case "part": {
      const totals = totalsNamed(record, parsed.name);
      return totals === null ? null : totalFigure(totals, parsed.of);
    }
    case "rate":
      return totalFigure(record.osdyno.totals, parsed);
    case "latency":
      return isFioTime(parsed.time)
        ? fioStatistic(record.jobs, parsed.time, parsed.direction, parsed.statistic)
        : totalFigure(record.osdyno.totals, parsed);
    case "plain":
      return plainMetric(record, parsed.name);
    case "share":
      return shareOf(record, parsed.of, parsed.name);
    case "stage":
      return stageValue(record.jobs, directionsOf(parsed.direction), parsed.stage);
    case "counter":
      return runCounter(record, parsed.name);
  }
}

function totalFigure(totals: OsdynoTotals, of: ParsedRate | ParsedLatency): number | null {
  const total = totals[of.direction];
  if (of.kind === "rate") {
    return total === undefined ? null : of.of === "iops" ? total.iops : total.bw_bytes;
  }
  return isFioTime(of.time) ? null : statisticOf(total, of.time, of.statistic);
}

/** The same for one job record: one job, or a group that reports as one. */
export function jobMetric(job: JobRecord, name: string): number | null {
  const parsed = parseMetric(name);
  if (parsed === null) {
    return null;
  }
  switch (parsed.kind) {
    case "rate":
      return jobRate(job, parsed.of, parsed.direction);
    case "latency":
      if (isFioTime(parsed.time)) {
        return fioStatistic([job], parsed.time, parsed.direction, parsed.statistic);
      }
      return statisticOf(job.osdyno[parsed.direction], parsed.time, parsed.statistic);
    case "plain":
      if (parsed.name === "cpu_us_per_io") {
        return job.osdyno.all === undefined ? null : job.osdyno.cpu.us_per_io;
      }
      return parsed.name === "flushes_per_io" ? flushesPerIo([job]) : null;
    case "share":
    case "part":
      return null;
    case "stage":
      return stageValue([job], directionsOf(parsed.direction), parsed.stage);
    case "counter":
      return sumCounter([job], parsed.name);
  }
}

/** Samples beyond a percentile below which its figure is noise. */
const leastBeyond = 10;

/**
 * Whether at least 10 of `sampleCount` samples lie beyond the percentile; tables mark it if not.
 */
export function percentileSupported(sampleCount: number, percentile: number): boolean {
  // The tolerance keeps 99.9 of 10000, whose rest is not exact in binary.
  // The hundredth is the maximum, which is known of any sample.
  return percentile === 100 || sampleCount * (1 - percentile / 100) >= leastBeyond - 1e-6;
}

/** The same for a metric of a run; metrics that are no percentile are always supported. */
export function metricSupported(record: RunRecord, name: string): boolean {
  const parsed = parseMetric(name);
  if (parsed?.kind === "stage" && typeof parsed.stage.figure === "number") {
    const { stage, direction } = parsed;
    const samples = stageSamples(record.jobs, directionsOf(direction), stage);
    return percentileSupported(samples, stage.figure as number);
  }
  const of = parsed?.kind === "part" ? parsed.of : parsed;
  if (of?.kind !== "latency" || typeof of.statistic !== "number") {
    return true;
  }
  const totals = parsed?.kind === "part" ? totalsNamed(record, parsed.name) : record.osdyno.totals;
  return percentileSupported(totals?.[of.direction]?.service_ns.N ?? 0, of.statistic);
}

/** A metric's value for a person, in the unit that suits its size. */
export function formatMetric(name: string, value: number): string {
  switch (metricFacts(name)?.unit) {
    case "ns":
      return formatNs(value);
    case "us":
      return formatNs(value * 1000);
    case "bytes/s":
      return formatBandwidth(value);
    case "bytes":
      return formatBytes(value);
    case "ratio":
      return formatPercent(100 * value);
    case "1":
      return formatFigure(value);
    default:
      return formatCount(value);
  }
}

/** Family of units that a threshold on the metric is written in. */
export function unitFamily(name: string): UnitFamily {
  switch (metricFacts(name)?.unit) {
    case "ns":
      return "time";
    case "bytes/s":
      return "byteRate";
    case "bytes":
      return "bytes";
    default:
      return "count";
  }
}

function statisticOf(
  latencies: OsdynoDirection | undefined,
  time: OurTime,
  statistic: "mean" | "max" | "min" | number,
): number | null {
  const record: OsdynoLatency | undefined = latencies?.[`${time}_ns`];
  if (record === undefined || record.N === 0) {
    return null;
  }
  if (typeof statistic !== "number") {
    return record[statistic];
  }
  if (statistic === 100) {
    return record.max;
  }
  return record.percentile[percentileKey(statistic)] ?? null;
}

function jobRate(job: JobRecord, of: "iops" | "bw", direction: DirectionPrefix): number | null {
  if (job.osdyno[direction] === undefined) {
    return null;
  }
  const key = of === "iops" ? "iops" : "bw_bytes";
  const rate = (name: string) =>
    (job[name] as Readonly<Record<string, number>> | undefined)?.[key] ?? null;
  if (direction !== "all") {
    return rate(direction);
  }
  const parts = ["read", "write", "trim"].map(rate).filter((part) => part !== null);
  return parts.length === 0 ? rate("mixed") : parts.reduce((sum, part) => sum + part, 0);
}

function plainMetric(record: RunRecord, name: PlainMetric): number | null {
  const { osdyno } = record;
  switch (name) {
    case "cpu_us_per_io":
      return osdyno.issued_ios === 0
        ? null
        : (osdyno.process_cpu_user_ns + osdyno.process_cpu_system_ns) / 1000 / osdyno.issued_ios;
    case "rss_bytes":
      return osdyno.rss_bytes;
    case "flushes_per_io":
      return storeFigure(osdyno.counters ?? {}, name) ?? flushesPerIo(record.jobs);
    default:
      return storeFigure(osdyno.counters ?? {}, name);
  }
}

/** Of the stores and layers, or of all jobs together. */
function runCounter({ osdyno, target, jobs }: RunRecord, name: string): number | null {
  return storeCounter(osdyno.counters ?? {}, name, target) ?? sumCounter(jobs, name);
}

function flushesPerIo(jobs: readonly JobRecord[]): number | null {
  const ios = sumCounter(jobs, "ios") ?? 0;
  return ios === 0 ? null : (sumCounter(jobs, "flushes") ?? 0) / ios;
}

function sumCounter(jobs: readonly JobRecord[], name: string): number | null {
  const values = jobs
    .map((job) =>
      Object.hasOwn(job.osdyno.counters, name) ? job.osdyno.counters[name] : undefined,
    )
    .filter((value) => value !== undefined);
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0);
}
