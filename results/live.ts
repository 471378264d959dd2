/**
 * `--live FILE|-`: what a run does, while it does it. One JSON line per interval, or OpenMetrics
 * text that a scraper's file collector reads when FILE ends in `.prom`.
 */
import { closeSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { OsdynoError } from "../engine/base/error.ts";
import type { Direction, IntervalRow } from "../workloads/run-outcome.ts";
import type { MachineSample } from "../workloads/runner/device-stats.ts";
import { temporarySuffix } from "./growing-file.ts";
import { intervalRates } from "./series.ts";

export interface LiveFeed {
  /** @param job the name in `series.csv` (`seriesNames`) */
  interval(job: string, row: IntervalRow, machine: MachineSample | null): void;
  /** After the intervals that ended together. */
  flush(): void;
  close(): void;
}

/** Opens the feed; throws `io` when the file cannot be written. */
export function openLiveFeed(target: string): LiveFeed {
  try {
    return target.endsWith(".prom") ? new OpenMetricsFeed(target) : new JsonLinesFeed(target);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new OsdynoError("io", `--live ${target}: cannot write (${code})`, {}, error);
  }
}

/** One interval of one job and direction, as a JSON line holds it. */
export function liveLine(job: string, row: IntervalRow, machine: MachineSample | null): string {
  const { iops, bwBytes } = intervalRates(row);
  const latency = (ns: number) => (row.ios === 0 ? null : ns);
  return JSON.stringify({
    time_ms: row.endNs / 1e6,
    job,
    direction: row.direction,
    warmup: row.warmup,
    ios: row.ios,
    bytes: row.bytes,
    iops,
    bw_bytes: bwBytes,
    service_p50_ns: latency(row.serviceP50Ns),
    service_p99_ns: latency(row.serviceP99Ns),
    response_p50_ns: latency(row.responseP50Ns),
    response_p99_ns: latency(row.responseP99Ns),
    response_max_ns: latency(row.responseMaxNs),
    inflight: row.inflight,
    cpu_user_pct: machine?.cpuUserPct ?? null,
    cpu_sys_pct: machine?.cpuSysPct ?? null,
    dev_util_pct: machine?.devUtilPct ?? null,
    dev_read_ios: machine?.devReadIos ?? null,
    dev_write_ios: machine?.devWriteIos ?? null,
  });
}

const standardOutput = 1;

class JsonLinesFeed implements LiveFeed {
  private readonly file: number;
  private broken = false;

  constructor(target: string) {
    this.file = target === "-" ? standardOutput : openSync(target, "w");
  }

  interval(job: string, row: IntervalRow, machine: MachineSample | null): void {
    if (this.broken) {
      return;
    }
    try {
      writeSync(this.file, `${liveLine(job, row, machine)}\n`);
    } catch (error) {
      // A pipe that nobody empties for a moment loses this line; any other failure ends the feed.
      // The run goes on: its results do not depend on who watches.
      this.broken = (error as NodeJS.ErrnoException).code !== "EAGAIN";
    }
  }

  flush(): void {}

  close(): void {
    if (this.file !== standardOutput) {
      closeSync(this.file);
    }
  }
}

interface Gauge {
  readonly row: IntervalRow;
  readonly ios: number;
  readonly bytes: number;
}

/** The last interval of every job and direction, and totals since the start. */
class OpenMetricsFeed implements LiveFeed {
  private readonly path: string;
  private readonly gauges = new Map<string, Gauge & { job: string; direction: Direction }>();
  private machine: MachineSample | null = null;

  constructor(path: string) {
    this.path = path;
    this.write();
  }

  interval(job: string, row: IntervalRow, machine: MachineSample | null): void {
    const key = `${job}.${row.direction}`;
    const before = this.gauges.get(key);
    this.gauges.set(key, {
      job,
      direction: row.direction,
      row,
      ios: (before?.ios ?? 0) + row.ios,
      bytes: (before?.bytes ?? 0) + row.bytes,
    });
    this.machine = machine ?? this.machine;
  }

  flush(): void {
    try {
      this.write();
    } catch {
      // As with lines: a full disk under the feed does not end the run.
      rmSync(`${this.path}${temporarySuffix}`, { force: true });
    }
  }

  close(): void {
    this.flush();
  }

  private write(): void {
    writeFileSync(`${this.path}${temporarySuffix}`, this.text());
    renameSync(`${this.path}${temporarySuffix}`, this.path);
  }

  private text(): string {
    const lines: string[] = [];
    const family = (
      name: string,
      type: "gauge" | "counter",
      unit: string,
      help: string,
      samples: readonly string[],
    ) => {
      if (samples.length > 0) {
        lines.push(`# TYPE ${name} ${type}`);
        if (unit !== "") {
          lines.push(`# UNIT ${name} ${unit}`);
        }
        lines.push(`# HELP ${name} ${help}`, ...samples);
      }
    };
    const each = (make: (labels: string, gauge: Gauge) => readonly string[]) =>
      [...this.gauges.values()].flatMap((gauge) =>
        make(`job="${escaped(gauge.job)}",direction="${gauge.direction}"`, gauge),
      );
    family("osdyno_ios", "counter", "", "Operations completed.", [
      ...each((labels, gauge) => [`osdyno_ios_total{${labels}} ${gauge.ios}`]),
    ]);
    family("osdyno_io_bytes", "counter", "bytes", "Bytes transferred.", [
      ...each((labels, gauge) => [`osdyno_io_bytes_total{${labels}} ${gauge.bytes}`]),
    ]);
    family("osdyno_iops", "gauge", "", "Operations per second over the last interval.", [
      ...each((labels, { row }) => [`osdyno_iops{${labels}} ${intervalRates(row).iops}`]),
    ]);
    family("osdyno_latency_seconds", "gauge", "seconds", "Latency over the last interval.", [
      ...each((labels, { row }) => (row.ios === 0 ? [] : latencySamples(labels, row))),
    ]);
    family("osdyno_inflight", "gauge", "", "Operations in flight at the interval's end.", [
      ...each((labels, { row }) => [`osdyno_inflight{${labels}} ${row.inflight}`]),
    ]);
    const busy = this.machine?.devUtilPct ?? null;
    family("osdyno_device_busy_ratio", "gauge", "ratio", "Busy share of the busiest disk.", [
      ...(busy === null ? [] : [`osdyno_device_busy_ratio ${busy / 100}`]),
    ]);
    return `${lines.join("\n")}${lines.length > 0 ? "\n" : ""}# EOF\n`;
  }
}

function latencySamples(labels: string, row: IntervalRow): readonly string[] {
  const sample = (kind: string, quantile: string, ns: number) =>
    `osdyno_latency_seconds{${labels},time="${kind}",quantile="${quantile}"} ${ns / 1e9}`;
  return [
    sample("service", "0.5", row.serviceP50Ns),
    sample("service", "0.99", row.serviceP99Ns),
    sample("response", "0.5", row.responseP50Ns),
    sample("response", "0.99", row.responseP99Ns),
    sample("response", "1", row.responseMaxNs),
  ];
}

function escaped(label: string): string {
  return label.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
