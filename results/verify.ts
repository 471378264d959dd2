/**
 * Checks a run directory against itself: files against their hashes, and every published number of
 * `run.json` against the histogram logs and the series it was made of.
 */
import { join } from "node:path";
import type { Direction, TimeKind } from "../workloads/run-outcome.ts";
import { fileExists, packedFacts, readText } from "./files.ts";
import { directions } from "./fio-record.ts";
import {
  emptyHistogram,
  type Histogram,
  lastBucketNs,
  percentileKey,
  valueAt,
} from "./histogram.ts";
import { readHistogramLogFile } from "./histogram-log.ts";
import { platFromHistogram, platIndex, platMiddle, platPercentiles } from "./plat.ts";
import type {
  FioLatency,
  JobRecord,
  OsdynoDirection,
  OsdynoLatency,
  OsdynoTotals,
  RunRecord,
} from "./run-record.ts";
import { readRun } from "./run-schema.ts";
import { type Seal, sealedFiles, sealName, sha256OfFile } from "./seal.ts";
import { parseSeries, type SeriesPoint } from "./series.ts";
import { type SteadyStateRecord, steadyRuleOf, steadyStateRecord } from "./steady-state.ts";
import { checkKilled, wasKilled } from "./verify-killed.ts";
import { Ledger } from "./verify-ledger.ts";
import { checkStages } from "./verify-stages.ts";
import { checkRates, checkThresholds } from "./verify-totals.ts";

export interface Verification {
  readonly directory: string;
  readonly state: "complete" | "partial";
  readonly filesChecked: number;
  /** Published numbers that were computed again. */
  readonly numbersChecked: number;
  /** One line each; empty when everything agrees. */
  readonly disagreements: readonly string[];
  /** What could not be checked, and why. */
  readonly notes: readonly string[];
}

const kinds: readonly TimeKind[] = ["service", "wait", "response"];

/** Throws `bad-input` when the directory holds no readable run. */
export function verifyRun(directory: string): Verification {
  const record = readRun(directory);
  const ledger = new Ledger();
  const filesChecked = checkSeal(directory, ledger);
  if (wasKilled(directory, record)) {
    const left = checkKilled(directory);
    ledger.disagreements.push(...left.disagreements);
    ledger.notes.push(...left.notes);
  } else {
    checkNumbers(directory, record, ledger);
  }
  if (record.state === "partial") {
    ledger.notes.push(`the run is partial: ${record.reason ?? "no reason is given"}`);
  }
  return {
    directory,
    state: record.state,
    filesChecked,
    numbersChecked: ledger.numbers,
    disagreements: ledger.disagreements,
    notes: ledger.notes,
  };
}

function checkNumbers(directory: string, record: RunRecord, ledger: Ledger): void {
  const raw = new RawData(directory, ledger);
  const everything = new Measured();
  const byJob = new Map<JobRecord, Measured>();
  for (const job of record.jobs) {
    const measured = checkJob(job, raw, publishesClat(job, record), ledger);
    checkSteadyState(job, ledger);
    checkStages(job, ledger, packedFacts(directory)?.stages_pooled === true);
    everything.add(measured);
    byJob.set(job, measured);
  }
  checkTotals("run", record.osdyno.totals, record.jobs, everything, ledger);
  checkParts(record, byJob, ledger);
  checkThresholds(record, ledger);
}

/** Every file against its hash in `verify.json`; answers how many there are. */
export function checkSeal(directory: string, ledger: Ledger): number {
  const path = join(directory, sealName);
  if (packedFacts(directory) !== null) {
    // The archive is made of the files that were sealed, and holds others.
    return 0;
  }
  if (!fileExists(path)) {
    ledger.notes.push(`${sealName} is absent: the files cannot be checked against their hashes`);
    return 0;
  }
  let files: Seal["files"];
  try {
    files = (JSON.parse(readText(path)) as Seal).files;
  } catch {
    ledger.disagreements.push(`${sealName} is not readable`);
    return 0;
  }
  for (const [name, hash] of Object.entries(files ?? {})) {
    const file = join(directory, name);
    if (!fileExists(file)) {
      ledger.disagreements.push(`${name}: the file is missing`);
    } else if (sha256OfFile(file) !== hash) {
      ledger.disagreements.push(`${name}: the file was changed after the run (SHA-256 differs)`);
    }
  }
  for (const name of sealedFiles(directory)) {
    if (files?.[name] === undefined) {
      ledger.notes.push(`${name}: added after the run, no hash is known`);
    }
  }
  return Object.keys(files ?? {}).length;
}

/** Histograms and bytes of the measured intervals, per direction. */
class Measured {
  readonly histograms = new Map<string, Histogram>();
  readonly bytes = new Map<Direction, number>();

  histogram(direction: Direction | "all", kind: TimeKind): Histogram {
    const key = `${direction}.${kind}`;
    let histogram = this.histograms.get(key);
    if (histogram === undefined) {
      histogram = emptyHistogram();
      this.histograms.set(key, histogram);
    }
    return histogram;
  }

  add(other: Measured): void {
    for (const direction of [...directions, "all"] as const) {
      for (const kind of kinds) {
        this.histogram(direction, kind).add(other.histogram(direction, kind));
      }
    }
    for (const [direction, bytes] of other.bytes) {
      this.bytes.set(direction, (this.bytes.get(direction) ?? 0) + bytes);
    }
  }
}

/** The files that the numbers come from. */
class RawData {
  private readonly directory: string;
  private readonly ledger: Ledger;
  private readonly series = new Map<string, SeriesPoint[]>();

  constructor(directory: string, ledger: Ledger) {
    this.directory = directory;
    this.ledger = ledger;
    const path = join(directory, "series.csv");
    if (!fileExists(path)) {
      ledger.disagreements.push("series.csv: the file is missing");
      return;
    }
    for (const point of parseSeries(readText(path))) {
      const key = `${point.job}.${point.direction}`;
      const points = this.series.get(key);
      if (points === undefined) {
        this.series.set(key, [point]);
      } else {
        points.push(point);
      }
    }
  }

  /** Adds the measured intervals of one clone and direction. */
  collect(source: string, direction: Direction, into: Measured): void {
    const points = this.series.get(`${source}.${direction}`) ?? [];
    for (const kind of kinds) {
      const name = join("hist", `${source}.${direction}.${kind}.hlog`);
      const path = join(this.directory, name);
      if (!fileExists(path)) {
        if (points.length > 0) {
          this.ledger.disagreements.push(`${name}: the file is missing`);
        }
        continue;
      }
      let at = 0;
      for (const interval of readHistogramLogFile(path)) {
        const point = points[at];
        at += 1;
        if (!interval.warmup && interval.histogram.totalCount > 0) {
          into.histogram(direction, kind).add(interval.histogram);
          into.histogram("all", kind).add(interval.histogram);
          if (kind === "service" && point !== undefined && point.iops > 0) {
            // The ratio of the two rates is the mean size, whatever the interval's length was.
            const bytes = Math.round((point.bwBytes / point.iops) * interval.histogram.totalCount);
            into.bytes.set(direction, (into.bytes.get(direction) ?? 0) + bytes);
          }
        }
      }
      if (at !== points.length) {
        this.ledger.disagreements.push(
          `${name}: ${at} intervals, but series.csv has ${points.length}`,
        );
      }
    }
  }
}

/** Whether fio's clat is published: `disable_clat` leaves it out. */
function publishesClat(job: JobRecord, record: RunRecord): boolean {
  const resolved = record.job.resolved as readonly {
    readonly name?: string;
    readonly measures?: { readonly clat?: boolean };
  }[];
  return resolved.find((one) => one.name === job.jobname)?.measures?.clat !== false;
}

/** fio's object is made of the samples that it lists. */
function checkSteadyState(job: JobRecord, ledger: Ledger): void {
  const steady = job["steadystate"] as SteadyStateRecord | undefined;
  const rule = steady === undefined ? null : steadyRuleOf(steady);
  if (steady === undefined || rule === null) {
    return;
  }
  const { iops, bw, lat_ns: lat } = steady.data;
  const samples = iops.map((value, at) => ({
    iops: value,
    bwBytes: bw[at] ?? 0,
    latNs: lat?.[at] ?? 0,
  }));
  const where = `${job.jobname} steadystate`;
  const computed = steadyStateRecord(rule, samples);
  ledger.same(`${where} iops_mean`, steady.data.iops_mean, computed.data.iops_mean);
  ledger.same(`${where} bw_mean`, steady.data.bw_mean, computed.data.bw_mean);
  // The samples are listed as whole numbers.
  const close = 1 + Math.abs(computed.slope);
  ledger.same(`${where} slope`, steady.slope, computed.slope, close);
  ledger.same(`${where} max_deviation`, steady.max_deviation, computed.max_deviation, 1);
  const own = job.osdyno.steady;
  if (own !== undefined) {
    // The same window, told twice: our means keep what fio's whole numbers drop.
    ledger.same(`${where} iops`, own.iops, computed.data.iops_mean, 2);
    ledger.same(`${where} bw_bytes`, own.bw_bytes, computed.data.bw_mean, 2);
    ledger.same(`${where} attained`, own.attained ? 1 : 0, steady.attained);
  }
}

function checkJob(job: JobRecord, raw: RawData, clat: boolean, ledger: Ledger): Measured {
  const measured = new Measured();
  for (const source of job.osdyno.sources) {
    for (const direction of directions) {
      raw.collect(source, direction, measured);
    }
  }
  for (const direction of directions) {
    const where = `${job.jobname} ${direction}`;
    checkLatencies(where, job.osdyno[direction], direction, measured, ledger);
    const fio = job[direction] as FioNumbers | undefined;
    if (fio !== undefined) {
      checkFio(where, fio, measured.histogram(direction, "service"), clat, ledger);
      ledger.same(`${where} io_bytes`, fio.io_bytes, measured.bytes.get(direction) ?? 0);
    }
  }
  checkLatencies(`${job.jobname} all`, job.osdyno.all, "all", measured, ledger);
  const mixed = job["mixed"] as FioNumbers | undefined;
  if (mixed !== undefined) {
    checkFio(`${job.jobname} mixed`, mixed, measured.histogram("all", "service"), clat, ledger);
  }
  return measured;
}

function checkLatencies(
  where: string,
  published: OsdynoDirection | undefined,
  direction: Direction | "all",
  measured: Measured,
  ledger: Ledger,
): void {
  for (const kind of kinds) {
    const histogram = measured.histogram(direction, kind);
    const record = published?.[`${kind}_ns`];
    if (record !== undefined) {
      checkLatency(`${where} ${kind}_ns`, record, histogram, ledger);
    } else if (histogram.totalCount > 0) {
      ledger.same(`${where} ${kind}_ns N`, undefined, histogram.totalCount);
    }
  }
}

/**
 * Counts and percentiles must agree to the nanosecond; extremes and mean as far as buckets tell.
 */
function checkLatency(
  where: string,
  record: OsdynoLatency,
  histogram: Histogram,
  ledger: Ledger,
): void {
  ledger.same(`${where} N`, record.N, histogram.totalCount);
  if (histogram.totalCount === 0 || record.N === 0) {
    return;
  }
  for (const [key, value] of Object.entries(record.percentile)) {
    ledger.same(`${where} percentile ${key}`, value, valueAt(histogram, Number(key), record));
  }
  const bucketWidth = (ns: number) => histogram.sizeOfEquivalentValueRange(ns);
  const highest = histogram.getValueAtPercentile(100);
  const endless = highest >= lastBucketNs && record.max >= lastBucketNs;
  ledger.same(`${where} max`, endless ? highest : record.max, highest, bucketWidth(highest));
  const lowest = histogram.getValueAtPercentile(0);
  ledger.same(`${where} min`, record.min, lowest, bucketWidth(lowest));
  const mean = histogram.mean;
  if (!endless) {
    ledger.same(`${where} mean`, record.mean, mean, Math.max(1, mean * 0.001));
  }
}

interface FioNumbers {
  readonly io_bytes: number;
  readonly total_ios: number;
  readonly iops: number;
  readonly bw_bytes: number;
  readonly runtime: number;
  readonly slat_ns: FioLatency;
  readonly clat_ns: FioLatency;
  readonly lat_ns: FioLatency;
}

function checkFio(
  where: string,
  fio: FioNumbers,
  service: Histogram,
  clat: boolean,
  ledger: Ledger,
): void {
  ledger.same(`${where} total_ios`, fio.total_ios, service.totalCount);
  ledger.same(`${where} clat_ns N`, fio.clat_ns.N, clat ? service.totalCount : 0);
  if (fio.total_ios > 0) {
    // Runtime is published in whole milliseconds, the rates were made of nanoseconds: one millisecond
    // may have been a few microseconds, and says nothing about the rate.
    const iops = (fio.total_ios * 1000) / fio.runtime;
    const tolerance = fio.runtime > 1 ? iops / fio.runtime + 1e-6 : Number.POSITIVE_INFINITY;
    ledger.same(`${where} iops`, fio.iops, iops, tolerance);
    const bandwidth = (fio.iops * fio.io_bytes) / fio.total_ios;
    ledger.same(`${where} bw_bytes`, fio.bw_bytes, bandwidth, 1 + bandwidth * 1e-9);
  }
  const buckets = clat ? platFromHistogram(service) : [];
  const bins = fio.clat_ns.bins ?? {};
  for (const [index, count] of buckets) {
    ledger.same(`${where} clat_ns bin ${platMiddle(index)}`, bins[platMiddle(index)], count);
  }
  for (const name of ["slat_ns", "clat_ns", "lat_ns"] as const) {
    checkFioPercentiles(`${where} ${name}`, fio[name], ledger);
  }
}

function checkFioPercentiles(where: string, latency: FioLatency, ledger: Ledger): void {
  const { percentile, bins } = latency;
  const buckets = Object.entries(bins ?? {}).map(
    ([middle, count]) => [platIndex(Number(middle)), count] as const,
  );
  const counted = buckets.reduce((sum, [, count]) => sum + count, 0);
  ledger.same(`${where} bins`, latency.N, counted);
  if (percentile !== undefined) {
    for (const [p, value] of platPercentiles(buckets, Object.keys(percentile).map(Number))) {
      ledger.same(`${where} percentile ${p}`, percentile[percentileKey(p)], value);
    }
  }
}

function checkTotals(
  what: string,
  totals: OsdynoTotals,
  jobs: readonly JobRecord[],
  measured: Measured,
  ledger: Ledger,
): void {
  for (const direction of [...directions, "all"] as const) {
    const total = totals[direction];
    checkLatencies(`${what} ${direction}`, total, direction, measured, ledger);
    if (total !== undefined) {
      const which = direction === "all" ? directions : [direction];
      const bytes = which.reduce((sum, one) => sum + (measured.bytes.get(one) ?? 0), 0);
      const operations = measured.histogram(direction, "service").totalCount;
      ledger.same(`${what} ${direction} bytes`, total.bytes, bytes);
      ledger.same(`${what} ${direction} ios`, total.ios, operations);
      checkRates(what, jobs, direction, total, ledger);
    }
  }
}

/** What jobs and classes had of the run, from the records of their jobs. */
function checkParts(
  record: RunRecord,
  byJob: ReadonlyMap<JobRecord, Measured>,
  ledger: Ledger,
): void {
  for (const { kind, name, sources, totals } of record.osdyno.parts ?? []) {
    const own = [...byJob].filter(([job]) =>
      job.osdyno.sources.some((one) => sources.includes(one)),
    );
    const count = own.reduce((sum, [job]) => sum + job.osdyno.sources.length, 0);
    const what = `${kind} ${name}`;
    if (count !== sources.length) {
      ledger.notes.push(
        `${what}: reported in one record with others, so it is not checked by itself`,
      );
      continue;
    }
    const measured = new Measured();
    for (const [, each] of own) {
      measured.add(each);
    }
    const jobs = own.map(([job]) => job);
    checkTotals(what, totals, jobs, measured, ledger);
  }
}
