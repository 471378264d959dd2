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
  readonly meanNs: number;
  readonly maxNs: number;
}

/** A shorter interval at the end is no sample: what was under way completes in it. */
const wholeShare = 0.9;

interface Sums {
  start: number;
  length: number;
  ios: number;
  sumNs: number;
  maxNs: number;
}

/**
 * The intervals of a run in order, of the jobs whose names begin with one of `cells`. What completes after
 * the last whole interval was under way in it and counts there.
 */
export function samplesOf(
  runDirectory: string,
  sampleSeconds: number,
  cell: string,
): readonly Sample[] {
  const directory = join(runDirectory, "hist");
  const names = fileExists(directory) ? listFolder(directory) : [];
  const samples = new Map<number, Sums>();
  let last = 0;
  const stumps: { place: number; ios: number; sumNs: number; maxNs: number }[] = [];
  for (const name of names) {
    const job = /^(.*)\.(?:read|write)\.response\.hlog$/.exec(name)?.[1];
    if (job === undefined || job.replace(/\.\d+$/, "") !== cell) {
      continue;
    }
    for (const interval of readHistogramLogFile(join(directory, name))) {
      const { histogram, startSeconds, lengthSeconds } = interval;
      const ios = histogram.totalCount;
      const sumNs = ios === 0 ? 0 : histogram.mean * ios;
      const maxNs = ios === 0 ? 0 : histogram.maxValue;
      const place = Math.round(startSeconds / sampleSeconds);
      if (lengthSeconds < wholeShare * sampleSeconds) {
        stumps.push({ place: Math.max(0, place - 1), ios, sumNs, maxNs });
        continue;
      }
      last = Math.max(last, place);
      const sums = samples.get(place);
      if (sums === undefined) {
        samples.set(place, { start: startSeconds, length: lengthSeconds, ios, sumNs, maxNs });
      } else {
        addTo(sums, ios, sumNs, maxNs);
      }
    }
  }
  for (const { place, ios, sumNs, maxNs } of stumps) {
    const sums = samples.get(Math.min(place, last));
    if (sums !== undefined) {
      addTo(sums, ios, sumNs, maxNs);
    }
  }
  return [...samples.entries()]
    .sort(([a], [b]) => a - b)
    .map(([, { start, length, ios, sumNs, maxNs }]) => ({
      startSeconds: start,
      lengthSeconds: length,
      ios,
      meanNs: ios === 0 ? 0 : sumNs / ios,
      maxNs,
    }));
}

function addTo(sums: Sums, ios: number, sumNs: number, maxNs: number): void {
  sums.ios += ios;
  sums.sumNs += sumNs;
  sums.maxNs = Math.max(sums.maxNs, maxNs);
}
