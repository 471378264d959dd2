/** Runs of one point as they are packed: what neither a report nor its check needs is left out. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import type { Direction, TimeKind } from "../../workloads/run-outcome.ts";
import { directions } from "../fio-record.ts";
import { eachCount } from "../hdr-payload.ts";
import { addEncoded, emptyHistogram, emptyHistogramText, type Histogram } from "../histogram.ts";
import { warmupTag } from "../histogram-log.ts";
import { bucketOf, bucketStart } from "../report/heat-grid.ts";
import type { JobRecord, RunRecord } from "../run-record.ts";
import { parseSeries, type SeriesPoint, seriesColumns } from "../series.ts";
import { heatFolder, wholeSeriesName } from "./names.ts";

const kinds: readonly TimeKind[] = ["service", "wait", "response"];
const line = /^(Tag=[^,]*,)?([0-9.]+),([0-9.]+),([0-9.]+),(HIST.*)$/;

/** An interval as its line has it. */
interface Interval {
  readonly warmup: boolean;
  readonly start: string;
  readonly length: string;
  readonly payload: string;
}

interface Log {
  readonly head: string;
  readonly intervals: readonly Interval[];
}

function readLog(file: string): Log | null {
  if (!existsSync(file)) {
    return null;
  }
  const lines = readFileSync(file, "latin1").split("\n");
  const at = lines.findIndex((text) => line.test(text));
  const intervals = lines.flatMap((text): Interval[] => {
    const found = line.exec(text);
    const [, tag = "", start = "", length = "", , payload = ""] = found ?? [];
    return found === null ? [] : [{ warmup: tag === `Tag=${warmupTag},`, start, length, payload }];
  });
  return { head: `${lines.slice(0, at < 0 ? lines.length : at).join("\n")}\n`, intervals };
}

function lineOf({ warmup, start, length }: Omit<Interval, "payload">, histogram: Histogram | null) {
  const empty = histogram === null || histogram.totalCount === 0;
  const payload = empty ? emptyHistogramText() : encodeIntoCompressedBase64(histogram);
  const max = empty ? 0 : histogram.maxValue / 1e6;
  return `${warmup ? `Tag=${warmupTag},` : ""}${start},${length},${max.toFixed(3)},${payload}\n`;
}

/** Where the measured part of a log begins, and how long it is, s. */
function measuredSpan(intervals: readonly Interval[]): Omit<Interval, "payload"> {
  const [first] = intervals;
  const end = Math.max(0, ...intervals.map((one) => Number(one.start) + Number(one.length)));
  const start = first?.start ?? "0.000";
  return { warmup: false, start, length: Math.max(0, end - Number(start)).toFixed(3) };
}

/**
 * A log whose warm-up has stamps only, and whose measured part is one interval with `sum`, which may be of
 * several clones; null: another's log has it.
 */
function reducedLog({ head, intervals }: Log, sum: Histogram | null): string {
  const warm = intervals.filter(({ warmup }) => warmup);
  const measured = intervals.filter(({ warmup }) => !warmup);
  const lines = warm.map((each) => lineOf(each, null));
  return [
    head,
    ...lines,
    ...(measured.length === 0 ? [] : [lineOf(measuredSpan(measured), sum)]),
  ].join("");
}

/** The same intervals, each response time as the lowest one of its class in a heat map. */
function heatLog({ head, intervals }: Log): string {
  const table = emptyHistogram();
  const lines = intervals.map((interval) => {
    const classes = emptyHistogram();
    eachCount(interval.payload, (index, count) => {
      const ns = table.medianEquivalentValue(table.valueFromIndex(index));
      classes.recordValueWithCount(inClass(bucketOf(ns)), count);
    });
    return lineOf(interval, classes);
  });
  return [head, ...lines].join("");
}

/** A value that is of this class again when it is read back, as the middle of its bucket. */
function inClass(bucket: number): number {
  const low = Math.ceil(bucketStart(bucket));
  const high = bucketStart(bucket + 1);
  return Math.max(1, Math.round(high > low ? (low + high) / 2 : low));
}

interface Sums {
  ios: number;
  bytes: number;
}

function seriesRow(job: string, direction: Direction, sums: Sums, timeMs: number): string {
  const fields = seriesColumns.map((name) => {
    switch (name) {
      case "time_ms":
        return String(timeMs);
      case "job":
        return job;
      case "direction":
        return direction;
      case "iops":
        return String(sums.ios);
      case "bw_bytes":
        return String(sums.bytes);
      case "inflight":
        return "0";
      default:
        return "";
    }
  });
  return `${fields.join(",")}\n`;
}

/** Of a job record: its clones' logs together at the first of them. */
class JobLogs {
  readonly #directory: string;
  readonly #files: Map<string, Buffer>;
  readonly #to: string;

  constructor(directory: string, to: string, files: Map<string, Buffer>) {
    this.#directory = directory;
    this.#to = to;
    this.#files = files;
  }

  #log(source: string, direction: Direction, kind: TimeKind): Log | null {
    return readLog(join(this.#directory, "hist", `${source}.${direction}.${kind}.hlog`));
  }

  #put(folder: string, name: string, text: string): void {
    this.#files.set(`${this.#to}/${folder}/${name}`, Buffer.from(text, "latin1"));
  }

  /** Answers the rows of `series.csv` that go with the logs. */
  reduce(job: JobRecord, direction: Direction, series: readonly SeriesPoint[]): string {
    const { sources, generator } = job.osdyno;
    const rows: string[] = [];
    const sums = sumsOf(this, job, direction, series);
    let first = true;
    for (const source of sources) {
      for (const kind of kinds) {
        const log = this.#log(source, direction, kind);
        if (log === null) {
          continue;
        }
        const name = `${source}.${direction}.${kind}.hlog`;
        const sum = first ? this.measured(sources, direction, kind) : null;
        this.#put("hist", name, reducedLog(log, sum));
        if (kind === "response" || (kind === "service" && !generator.loop.includes("closed"))) {
          this.#put(heatFolder, name, heatLog(log));
        }
        if (kind === "service") {
          rows.push(...this.#rows(source, direction, log, first ? sums : { ios: 0, bytes: 0 }));
        }
      }
      first = first && this.#log(source, direction, "service") === null;
    }
    return rows.join("");
  }

  #rows(source: string, direction: Direction, { intervals }: Log, sums: Sums): readonly string[] {
    const end = (one: Interval) => Math.round(1000 * (Number(one.start) + Number(one.length)));
    const warm = intervals.filter(({ warmup }) => warmup);
    const last = intervals.findLast(({ warmup }) => !warmup);
    const none = { ios: 0, bytes: 0 };
    return [
      ...warm.map((one) => seriesRow(source, direction, none, end(one))),
      ...(last === undefined ? [] : [seriesRow(source, direction, sums, end(last))]),
    ];
  }

  measured(sources: readonly string[], direction: Direction, kind: TimeKind): Histogram {
    const sum = emptyHistogram();
    for (const source of sources) {
      for (const { warmup, payload } of this.#log(source, direction, kind)?.intervals ?? []) {
        if (!warmup) {
          addEncoded(sum, payload);
        }
      }
    }
    return sum;
  }

  /** Operations of each measured interval of a clone; null where its rows do not fit its log. */
  counts(source: string, direction: Direction): readonly (number | null)[] {
    const log = this.#log(source, direction, "service");
    return (log?.intervals ?? []).map(({ warmup, payload }) => {
      if (warmup) {
        return null;
      }
      let all = 0;
      eachCount(payload, (_, count) => {
        all += count;
      });
      return all;
    });
  }
}

/** Operations and bytes of the measured part, as verification adds them up. */
function sumsOf(
  logs: JobLogs,
  { osdyno }: JobRecord,
  direction: Direction,
  series: readonly SeriesPoint[],
): Sums {
  const sums = { ios: 0, bytes: 0 };
  for (const source of osdyno.sources) {
    const points = series.filter((each) => each.job === source && each.direction === direction);
    for (const [at, count] of logs.counts(source, direction).entries()) {
      const point = points[at];
      if (count !== null && count > 0) {
        sums.ios += count;
        if (point !== undefined && point.iops > 0) {
          sums.bytes += Math.round((point.bwBytes / point.iops) * count);
        }
      }
    }
  }
  return sums;
}

/** Adds a run of which only sums are kept; `whole`: with every interval of its series. */
export function packReduced(
  directory: string,
  to: string,
  whole: boolean,
  files: Map<string, Buffer>,
): void {
  const record = recordOf(directory);
  const text = readFileSync(join(directory, "series.csv"), "utf8");
  const series = parseSeries(text);
  const logs = new JobLogs(directory, to, files);
  const rows = record.jobs.flatMap((job) =>
    directions.map((direction) => logs.reduce(job, direction, series)),
  );
  files.set(`${to}/series.csv`, Buffer.from(`${seriesColumns.join(",")}\n${rows.join("")}`));
  if (whole) {
    files.set(`${to}/${wholeSeriesName}`, Buffer.from(text));
  }
}

/** Adds the files of a run as they are; `to` ends in a slash, or is empty. */
export function packWhole(directory: string, to: string, files: Map<string, Buffer>): void {
  files.set(`${to}series.csv`, readFileSync(join(directory, "series.csv")));
  const hist = join(directory, "hist");
  for (const name of existsSync(hist) ? readdirSync(hist).sort() : []) {
    files.set(`${to}hist/${name}`, readFileSync(join(hist, name)));
  }
}

export function recordOf(directory: string): RunRecord {
  return JSON.parse(readFileSync(join(directory, "run.json"), "utf8")) as RunRecord;
}
