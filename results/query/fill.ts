/** From directories of results to rows of the tables of `tables.ts`. */
import { basename, join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { fileExists, readText } from "../files.ts";
import { directions } from "../fio-record.ts";
import { jobMetric, metric, metricNames, metricSupported } from "../metrics.ts";
import { repeatsOf, resultsKind } from "../ownership.ts";
import { wholeSeriesName } from "../pack/names.ts";
import type { RunRecord } from "../run-record.ts";
import { readRun } from "../run-schema.ts";
import { parseSeries } from "../series.ts";
import { stageMetricsOf } from "../stage-metrics.ts";
import type { SweepRecord } from "../sweep-record.ts";
import { columnOf, jobStatistics, jobTimes, runMetricColumns } from "./tables.ts";

export type Value = string | number | null;
export type Row = Readonly<Record<string, Value>>;
/** Takes a row of a table; columns that it lacks are null. */
export type Insert = (table: string, row: Row) => void;

/** Where a run belongs. */
interface Place {
  readonly name: string;
  readonly kind: "run" | "repeat" | "sweep";
  readonly sweep: string | null;
  readonly point: string | null;
  readonly repeat: number;
}

export class Filler {
  readonly #insert: Insert;
  readonly #withSeries: boolean;
  readonly skipped: { readonly path: string; readonly why: string }[] = [];
  #runs = 0;

  /** @param withSeries reads `series.csv`, which is most of what there is to read */
  constructor(insert: Insert, withSeries: boolean) {
    this.#insert = insert;
    this.#withSeries = withSeries;
  }

  /** All runs of a directory of results; what cannot be read is left out and listed. */
  add(directory: string): void {
    const name = basename(directory);
    const kind = resultsKind(directory);
    switch (kind) {
      case "run":
        this.#run(directory, { name, kind, sweep: null, point: null, repeat: 1 });
        return;
      case "repeat":
        for (const repeat of repeatsOf(directory)) {
          const place = { name, kind, sweep: null, point: null, repeat: Number(repeat) };
          this.#run(join(directory, repeat), place);
        }
        return;
      case "sweep":
        this.#sweep(directory);
        return;
      default:
        throw new OsdynoError("bad-input", `${directory}: no osdyno results there`);
    }
  }

  #sweep(directory: string): void {
    const sweep = this.#read(directory, () => {
      const read = JSON.parse(readText(join(directory, "sweep.json"))) as SweepRecord;
      return Array.isArray(read.points) ? read : null;
    });
    if (sweep === null) {
      return;
    }
    this.#insert("sweeps", {
      sweep: directory,
      name: sweep.name,
      question: sweep.question,
      state: sweep.state,
      reason: sweep.reason ?? null,
      repeat: sweep.repeat,
      preview: sweep.preview ? 1 : 0,
      seed: sweep.seed ?? null,
    });
    for (const { id, parameters, runs } of sweep.points) {
      const there = runs.filter((run) => fileExists(join(directory, run, "run.json")));
      const text = JSON.stringify(parameters);
      const row = { sweep: directory, point: id, parameters: text, runs: there.length };
      this.#insert("points", row);
      for (const run of there) {
        this.#run(join(directory, run), {
          name: basename(directory),
          kind: "sweep",
          sweep: directory,
          point: id,
          repeat: runs.indexOf(run) + 1,
        });
      }
    }
    for (const { below_noise: _told, gap, ...comparison } of sweep.comparisons ?? []) {
      const apart =
        gap === undefined ? {} : { gap: gap.value, gap_low: gap.low, gap_high: gap.high };
      this.#insert("comparisons", { sweep: directory, ...comparison, ...apart });
    }
  }

  #read<T>(path: string, read: () => T): T | null {
    try {
      return read();
    } catch (error) {
      const why = error instanceof OsdynoError ? error.line : String(error);
      this.skipped.push({ path, why });
      return null;
    }
  }

  #run(path: string, place: Place): void {
    const record = this.#read(path, () => readRun(path));
    if (record === null) {
      return;
    }
    this.#runs += 1;
    const run = this.#runs;
    this.#insert("runs", { run, path, ...place, ...runRow(record) });
    for (const row of jobRows(record)) {
      this.#insert("jobs", { run, ...row });
    }
    for (const [name, value] of metricsOf(record)) {
      const solid = metricSupported(record, name) ? 1 : 0;
      this.#insert("metrics", { run, metric: name, value, solid });
    }
    for (const [name, { value, origin }] of Object.entries(record.options ?? {})) {
      this.#insert("options", { run, name, value, origin });
    }
    for (const [name, value] of flattened(record.environment, "")) {
      this.#insert("facts", { run, name, value });
    }
    if (this.#withSeries) {
      this.#series(run, path);
    }
  }

  #series(run: number, path: string): void {
    const whole = join(path, wholeSeriesName);
    const file = fileExists(whole) ? whole : join(path, "series.csv");
    const points = fileExists(file) ? parseSeries(readText(file)) : [];
    for (const point of points) {
      const { machine } = point;
      this.#insert("series", {
        run,
        time_ms: point.timeMs,
        job: point.job,
        direction: point.direction,
        iops: point.iops,
        bw_bytes: point.bwBytes,
        service_p50_ns: point.serviceP50Ns,
        service_p99_ns: point.serviceP99Ns,
        response_p50_ns: point.responseP50Ns,
        response_p99_ns: point.responseP99Ns,
        response_max_ns: point.responseMaxNs,
        inflight: point.inflight,
        cpu_user_pct: machine.cpuUserPct,
        cpu_sys_pct: machine.cpuSysPct,
        dev_util_pct: machine.devUtilPct,
        dev_read_ios: machine.devReadIos,
        dev_write_ios: machine.devWriteIos,
      });
    }
  }
}

function runRow(record: RunRecord): Row {
  const { osdyno, jobs } = record;
  const flag = (name: "late" | "saturated" | "overloaded") =>
    jobs.some((job) => job.osdyno.generator[name]) ? 1 : 0;
  return {
    label: record.label,
    state: record.state,
    reason: record.reason ?? null,
    started: record.started,
    seconds: record.runtime_ms / 1000,
    seed: record.seed,
    target: record.target,
    chain: record.chain.join(" > "),
    io_path: record.path,
    ...Object.fromEntries(runMetricColumns.map(([column, name]) => [column, metric(record, name)])),
    ios: osdyno.totals.all?.ios ?? 0,
    bytes: osdyno.totals.all?.bytes ?? 0,
    written_bytes: osdyno.totals.write?.bytes ?? 0,
    late: flag("late"),
    saturated: flag("saturated"),
    overloaded: flag("overloaded"),
    errors: jobs.reduce((sum, job) => sum + (job.osdyno.counters["errors"] ?? 0), 0),
    command: record.command.join(" "),
  };
}

function jobRows({ jobs }: RunRecord): readonly Row[] {
  return jobs.flatMap((job) =>
    [...directions, "all" as const].flatMap((direction) => {
      const own = job.osdyno[direction];
      if (own === undefined || own.service_ns.N === 0) {
        return [];
      }
      const prefix = direction === "all" ? "" : `${direction}.`;
      const times = jobTimes.flatMap((time) =>
        jobStatistics.map((each) => {
          const value = jobMetric(job, `${prefix}${time}.${each}`);
          return [columnOf(time, each), value] as const;
        }),
      );
      return [
        {
          job: job.jobname,
          direction,
          iops: jobMetric(job, `${prefix}iops`),
          bw_bytes: jobMetric(job, `${prefix}bw`),
          ios: own.service_ns.N,
          ...Object.fromEntries(times),
        },
      ];
    }),
  );
}

/** Every metric that the run has, with and without a direction. */
function metricsOf(record: RunRecord): readonly (readonly [string, number])[] {
  const counters = new Set([
    ...Object.keys(record.osdyno.counters ?? {}),
    ...record.jobs.flatMap((job) => Object.keys(job.osdyno.counters)),
  ]);
  const present = directions.filter((direction) => record.osdyno.totals[direction] !== undefined);
  const names = [
    ...metricNames,
    ...present.flatMap((direction) => metricNames.map((name) => `${direction}.${name}`)),
    ...stageMetricsOf(record.jobs, directions),
    ...present.flatMap((direction) =>
      stageMetricsOf(record.jobs, [direction]).map((name) => `${direction}.${name}`),
    ),
    ...[...counters].map((name) => `counter.${name}`),
    ...[...new Set((record.osdyno.parts ?? []).map((part) => part.name))].flatMap((part) =>
      metricNames.map((name) => `${name}@${part}`),
    ),
  ];
  return names.flatMap((name) => {
    const value = metric(record, name);
    return value === null ? [] : [[name, value] as const];
  });
}

/** Nested records as names joined with dots. */
function flattened(value: unknown, name: string): readonly (readonly [string, Value])[] {
  if (value !== null && typeof value === "object") {
    const inside = Object.entries(value);
    return inside.flatMap(([key, each]) => flattened(each, name === "" ? key : `${name}.${key}`));
  }
  const plain = typeof value === "string" || typeof value === "number" ? value : null;
  return [[name, plain ?? (value === null || value === undefined ? null : String(value))]];
}
