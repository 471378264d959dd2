/** `--output-format normal`: what a person reads at the end of a run. */
import Table from "cli-table3";
import pc from "picocolors";
import type { Direction, TimeKind } from "../workloads/run-outcome.ts";
import type { DiskUtilRecord } from "./disk-util.ts";
import { writtenLine } from "./endurance.ts";
import { directions } from "./fio-record.ts";
import { percentileKey } from "./histogram.ts";
import { jobMetric, percentileSupported } from "./metrics.ts";
import type { JobRecord, OsdynoDirection, OsdynoLatency, RunRecord } from "./run-record.ts";
import { stageLines } from "./stage-text.ts";
import type { SteadyStateRecord } from "./steady-state.ts";
import { thresholdLine } from "./threshold.ts";
import {
  formatBitRates,
  formatBytes,
  formatCount,
  formatNs,
  formatPercent,
  formatRateBinary,
  formatRateDecimal,
} from "./units.ts";

type Colors = ReturnType<typeof pc.createColors>;

export interface NormalOptions {
  /** Default: the terminal's wish (`NO_COLOR`, `FORCE_COLOR`, is stdout a TTY). */
  readonly color?: boolean;
  /** Where the run lies, printed last. */
  readonly directory?: string;
}

/** Whether text for a stream may be coloured. */
export function wantsColor(stream: { readonly isTTY?: boolean }, env = process.env): boolean {
  if ((env["NO_COLOR"] ?? "") !== "") {
    return false;
  }
  return (env["FORCE_COLOR"] ?? "") !== "" || stream.isTTY === true;
}

const tableLook = { head: [], border: [], compact: true, "padding-left": 1, "padding-right": 1 };

/** The whole text, with a newline at its end. */
export function normalOutput(record: RunRecord, options: NormalOptions = {}): string {
  const colors = pc.createColors(options.color ?? wantsColor(process.stdout));
  const lines = [
    headline(record, colors),
    ...(record.state === "partial"
      ? [colors.yellow(`partial: ${record.reason ?? "the run did not end by itself"}`)]
      : []),
    ...latencyTable(record, colors),
    ...healthTable(record, colors),
    ...steadyLines(record),
    ...stageLines(record.jobs),
    ...record.disk_util.map((disk) => diskLine(disk as DiskUtilRecord)),
    processLine(record),
    ...(record.osdyno.endurance === undefined ? [] : [writtenLine(record.osdyno.endurance)]),
    ...notes(record, colors),
    ...(record.osdyno.threshold_results ?? []).map((result) => {
      const line = thresholdLine(result);
      return result.passed ? line : colors.red(line);
    }),
    ...(options.directory === undefined ? [] : [`results: ${options.directory}`]),
  ];
  return `${lines.join("\n")}\n`;
}

/** A job may have a thousand files; the record names them all, the headline a few. */
const headlineTargets = 4;

function shortTarget(target: string): string {
  const targets = target.split(" ");
  const more = targets.length - headlineTargets;
  return more <= 1 ? target : `${targets.slice(0, headlineTargets).join(" ")} and ${more} more`;
}

function headline(record: RunRecord, colors: Colors): string {
  const seconds = (record.runtime_ms / 1000).toFixed(1);
  const facts = [
    shortTarget(record.target),
    `path ${record.path}`,
    `seed ${record.seed}`,
    `${seconds} s`,
  ];
  return `${colors.bold(record.label)}  ${facts.filter((fact) => fact !== "").join(", ")}`;
}

const columns: readonly number[] = [50, 99, 99.9];

function latencyTable(record: RunRecord, colors: Colors): readonly string[] {
  const table = new Table({
    head: ["job", "op", "IOPS", "bandwidth", "time", "p50", "p99", "p99.9", "max"].map((title) =>
      colors.bold(title),
    ),
    colAligns: ["left", "left", "right", "right", "left", "right", "right", "right", "right"],
    style: { ...tableLook, compact: false },
  });
  let rows = 0;
  let unsupported = false;
  for (const job of record.jobs) {
    const shown = directions.filter((direction) => job.osdyno[direction] !== undefined);
    for (const [at, direction] of shown.entries()) {
      const latencies = job.osdyno[direction];
      if (latencies !== undefined) {
        unsupported ||= columns.some((p) => !percentileSupported(latencies.service_ns.N, p));
        table.push(jobRow(job, direction, latencies, at === 0, inBits(record, job)));
        rows += 1;
      }
    }
  }
  if (record.jobs.length === 0) {
    const kept = "no job was recorded; intervals of a killed run are in series.csv.tmp and hist/";
    return [colors.yellow(record.state === "partial" ? kept : "there was nothing to measure")];
  }
  if (rows === 0) {
    return [colors.yellow("no operation completed")];
  }
  const mark = "~ fewer than 10 samples lie beyond this percentile";
  return [table.toString(), ...(unsupported ? [colors.dim(mark)] : [])];
}

const byteRates = (bandwidth: number) => [
  formatRateDecimal(bandwidth),
  formatRateBinary(bandwidth),
];

/** `unit_base=1`. */
function inBits(record: RunRecord, job: JobRecord): boolean {
  const jobs = record.job.resolved as readonly {
    readonly name?: string;
    readonly measures?: { readonly unitBase?: number };
  }[];
  return jobs.find((one) => one.name === job.jobname)?.measures?.unitBase === 1;
}

/** What became of `steadystate`, a line for each job that has one. */
function steadyLines(record: RunRecord): readonly string[] {
  return record.jobs.flatMap((job) => {
    const steady = job["steadystate"] as SteadyStateRecord | undefined;
    if (steady === undefined) {
      return [];
    }
    const { bw_mean: bandwidth, iops_mean: iops } = steady.data;
    const state = steady.attained === 1 ? "attained" : "not attained";
    const means = `${formatCount(iops)} IOPS, ${formatRateDecimal(bandwidth)}`;
    return [
      `steady state of ${job.jobname}: ${state} (${steady.ss}, reached ${steady.criterion}), ${means}`,
    ];
  });
}

function jobRow(
  job: JobRecord,
  direction: Direction,
  latencies: OsdynoDirection,
  first: boolean,
  bits: boolean,
): string[] {
  const clones = job.osdyno.sources.length;
  const depth = Number(job["latency_target"]) > 0 ? `\ndepth ${job["latency_depth"]}` : "";
  const name = first ? `${job.jobname}${clones > 1 ? `\n${clones} jobs` : ""}${depth}` : "";
  const bandwidth = jobMetric(job, `${direction}.bw`) ?? mixedShare(job, latencies, "bw_bytes");
  const iops = jobMetric(job, `${direction}.iops`) ?? mixedShare(job, latencies, "iops");
  // In a closed loop nothing waits for its time: a row of zeros would only distract.
  const closed = job.osdyno.generator.loop === "closed";
  const kinds: readonly TimeKind[] = closed
    ? ["service", "response"]
    : ["service", "wait", "response"];
  const cells = kinds.map((kind) => latencyCells(latencies[`${kind}_ns`]));
  const column = (at: number) => cells.map((row) => row[at] ?? "").join("\n");
  return [
    name,
    direction,
    formatCount(iops),
    (bits ? formatBitRates(bandwidth) : byteRates(bandwidth)).join("\n"),
    kinds.join("\n"),
    column(0),
    column(1),
    column(2),
    column(3),
  ];
}

/**
 * With `unified_rw_reporting=mixed` only the sum has a rate: the direction gets its share of it.
 */
function mixedShare(job: JobRecord, latencies: OsdynoDirection, key: "iops" | "bw_bytes"): number {
  const mixed = job["mixed"] as Readonly<Record<string, number>> | undefined;
  const all = job.osdyno.all?.service_ns.N ?? 0;
  return all === 0 ? 0 : ((mixed?.[key] ?? 0) * latencies.service_ns.N) / all;
}

function latencyCells(latency: OsdynoLatency): readonly string[] {
  const percentiles = columns.map((p) => {
    const value = latency.percentile[percentileKey(p)];
    if (value === undefined) {
      return "-";
    }
    return `${percentileSupported(latency.N, p) ? "" : "~"}${formatNs(value)}`;
  });
  return [...percentiles, formatNs(latency.max)];
}

function healthTable(record: RunRecord, colors: Colors): readonly string[] {
  if (record.jobs.length === 0) {
    return [];
  }
  const table = new Table({
    head: ["job", "CPU per I/O", "errors", "loop", "late", "busy", "hiccups", "generator"].map(
      (title) => colors.bold(title),
    ),
    colAligns: ["left", "right", "right", "left", "right", "right", "right", "left"],
    style: tableLook,
  });
  for (const job of record.jobs) {
    const { generator, counters, cpu } = job.osdyno;
    const faults = [
      ...(generator.overloaded ? ["overloaded"] : []),
      ...(generator.late ? ["late"] : []),
      ...(generator.saturated ? ["saturated"] : []),
    ];
    const errors = (counters["errors"] ?? 0) + (counters["verify_mismatches"] ?? 0);
    table.push([
      job.jobname,
      job.osdyno.all === undefined ? "-" : formatNs(cpu.us_per_io * 1000),
      errors > 0 || job.error !== 0 ? colors.red(String(Math.max(errors, 1))) : "0",
      generator.loop,
      formatPercent(100 * generator.late_share),
      formatPercent(100 * generator.busy_share),
      generator.hiccups.cpus === 0 ? "-" : formatNs(generator.hiccups.p99_9_ns),
      faults.length === 0 ? colors.green("kept up") : colors.yellow(faults.join(", ")),
    ]);
  }
  return [table.toString()];
}

function diskLine(disk: DiskUtilRecord): string {
  const ios = `${formatCount(disk.read_ios)} reads, ${formatCount(disk.write_ios)} writes`;
  return `disk ${disk.name}: ${formatPercent(disk.util)} busy, ${ios}`;
}

function processLine(record: RunRecord): string {
  const { osdyno } = record;
  const cpu = osdyno.process_cpu_user_ns + osdyno.process_cpu_system_ns;
  const each = osdyno.issued_ios === 0 ? "" : ` (${formatNs(cpu / osdyno.issued_ios)} per I/O)`;
  return `process: ${formatNs(cpu)} of CPU${each}, ${formatBytes(osdyno.rss_bytes)} resident`;
}

/** Notes of the jobs, one line each; what several jobs say is said once. */
function notes(record: RunRecord, colors: Colors): readonly string[] {
  const sayers = new Map<string, string[]>();
  for (const job of record.jobs) {
    for (const note of job.osdyno.notes) {
      sayers.set(note, [...(sayers.get(note) ?? []), job.jobname]);
    }
  }
  const lines = [...sayers].map(([note, jobs]) => {
    const everyone = jobs.length === record.jobs.length;
    return `note: ${everyone ? "" : `${[...new Set(jobs)].join(", ")}: `}${note}`;
  });
  const lints = record.job.notes.map(
    (lint) => `note: ${lint.place.file}:${lint.place.line}: ${lint.key}: ${lint.message}`,
  );
  const mismatches = record.jobs.flatMap((job) =>
    (job.osdyno.verify?.mismatches ?? [])
      .slice(0, 3)
      .map(
        (found) =>
          `verify: ${found.file} at ${found.offsetBytes}: ${found.what}, expected ${found.expected}, found ${found.found}`,
      ),
  );
  return [...lines.map(colors.yellow), ...lints, ...mismatches.map(colors.red)];
}
