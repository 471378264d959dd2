/** Figures of the standard's tables, from the files of a run. */
import { join } from "node:path";
import { fileExists, listFolder } from "../files.ts";
import { readHistogramLogFile } from "../histogram-log.ts";
import { percentileSupported } from "../metrics.ts";
import type { JobRecord, RunRecord } from "../run-record.ts";
import { sniaPercentiles } from "./cells.ts";
import type { CellFigures, SniaRun } from "./record.ts";

/**
 * How long the threads of a cell took, side by side: fio's `job_runtime` is the sum of their times, the
 * runtime of a direction that of the thread it took longest.
 */
function secondsOf(job: JobRecord): number {
  const mean = Number(job["job_runtime"] ?? 0) / Math.max(1, job.osdyno.sources.length);
  const own = ["read", "write", "trim"].map((direction) => {
    const record = job[direction] as { readonly runtime?: number } | undefined;
    return record?.runtime ?? 0;
  });
  return Math.max(mean, ...own) / 1000;
}

/** Bytes of all directions. */
function bytesOf(job: JobRecord): number {
  return ["read", "write", "trim"].reduce((sum, direction) => {
    const record = job[direction] as { readonly io_bytes?: number } | undefined;
    return sum + (record?.io_bytes ?? 0);
  }, 0);
}

function figuresOf(job: JobRecord): CellFigures {
  const all = job.osdyno.all?.response_ns;
  const ios = all?.N ?? 0;
  const percentile: Record<string, number> = {};
  for (const each of sniaPercentiles) {
    const value = all?.percentile[each.toFixed(6)];
    if (value !== undefined && percentileSupported(ios, each)) {
      percentile[each.toFixed(6)] = value;
    }
  }
  const seconds = secondsOf(job);
  // Over the cell's own time: rates of directions are over theirs, and the rare one's would count too much.
  const rate = (amount: number) => (seconds > 0 ? amount / seconds : 0);
  return {
    cell: job.jobname,
    ios,
    iops: rate(ios),
    bw_bytes: rate(bytesOf(job)),
    latency_mean_ns: all?.mean ?? 0,
    latency_max_ns: all?.max ?? 0,
    percentile,
  };
}

/** Bytes that the jobs of a run wrote. */
export function writtenBytes(record: RunRecord): number {
  return record.osdyno.totals.write?.bytes ?? 0;
}

/** What is recorded of a run; its cells took their time one after the other. */
export function measuredOf(
  record: RunRecord,
): Pick<SniaRun, "started" | "seconds" | "written_bytes" | "cells"> {
  return {
    started: record.started,
    seconds: record.jobs.reduce((sum, job) => sum + secondsOf(job), 0),
    written_bytes: writtenBytes(record),
    cells: record.jobs.map(figuresOf),
  };
}

/** What happened in one interval of a run, all threads and directions together. */
export interface Sample {
  /** Since the run's start, s. */
  readonly startSeconds: number;
  readonly lengthSeconds: number;
  readonly ios: number;
  readonly iops: number;
  readonly meanNs: number;
  readonly maxNs: number;
}

/** A shorter interval is no sample: the last one, in which the bytes or the time came to their end. */
export const wholeShare = 0.9;

/**
 * What the end of a run is: `apart`, no sample, since it was not measured as long as one; `within`, part of
 * the last sample, for counting all that was done.
 */
export type RunEnd = "apart" | "within";

interface Sums {
  start: number;
  length: number;
  ios: number;
  iops: number;
  sumNs: number;
  maxNs: number;
  /** Threads that were at work all through it. */
  readonly jobs: Set<string>;
}

/** The intervals of one thread and direction. */
function* intervalsOf(directory: string, name: string) {
  for (const { histogram, startSeconds, lengthSeconds } of readHistogramLogFile(
    join(directory, name),
  )) {
    const ios = histogram.totalCount;
    yield {
      ...{ startSeconds, lengthSeconds, ios },
      sumNs: ios === 0 ? 0 : histogram.mean * ios,
      maxNs: ios === 0 ? 0 : histogram.maxValue,
    };
  }
}

/**
 * The intervals of a run in order, of the jobs whose names begin with `cell`; those in which all its threads
 * were at work from their beginning to their end, unless its end counts `within` the last one.
 */
export function samplesOf(
  runDirectory: string,
  sampleSeconds: number,
  cell: string,
  end: RunEnd,
): readonly Sample[] {
  const directory = join(runDirectory, "hist");
  const names = fileExists(directory) ? listFolder(directory) : [];
  const samples = new Map<number, Sums>();
  const jobs = new Set<string>();
  const stumps: { readonly place: number; ios: number; sumNs: number; maxNs: number }[] = [];
  for (const name of names) {
    const job = /^(.*)\.(?:read|write)\.response\.hlog$/.exec(name)?.[1];
    if (job === undefined || job.replace(/\.\d+$/, "") !== cell) {
      continue;
    }
    jobs.add(job);
    for (const interval of intervalsOf(directory, name)) {
      const { startSeconds: start, lengthSeconds: length } = interval;
      const place = Math.round(start / sampleSeconds);
      if (length < wholeShare * sampleSeconds) {
        stumps.push({ ...interval, place: Math.max(0, place - 1) });
        continue;
      }
      const empty = { start, length, ios: 0, iops: 0, sumNs: 0, maxNs: 0, jobs: new Set<string>() };
      const sums = samples.get(place) ?? empty;
      samples.set(place, sums);
      sums.jobs.add(job);
      addTo(sums, interval, length);
    }
  }
  const last = Math.max(0, ...samples.keys());
  for (const stump of end === "within" ? stumps : []) {
    const sums = samples.get(Math.min(stump.place, last));
    if (sums !== undefined) {
      addTo(sums, stump, sums.length);
    }
  }
  return [...samples.entries()]
    .filter(([, sample]) => end === "within" || sample.jobs.size === jobs.size)
    .sort(([a], [b]) => a - b)
    .map(([, { start, length, ios, iops, sumNs, maxNs }]) => ({
      ...{ startSeconds: start, lengthSeconds: length, ios, iops },
      ...{ meanNs: ios === 0 ? 0 : sumNs / ios, maxNs },
    }));
}

function addTo(
  sums: Sums,
  { ios, sumNs, maxNs }: { readonly ios: number; readonly sumNs: number; readonly maxNs: number },
  lengthSeconds: number,
): void {
  sums.ios += ios;
  sums.iops += ios / lengthSeconds;
  sums.sumNs += sumNs;
  sums.maxNs = Math.max(sums.maxNs, maxNs);
}
