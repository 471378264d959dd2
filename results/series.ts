/** `series.csv`: one line per interval, job and direction. */
import type { Direction, IntervalRow } from "../workloads/run-outcome.ts";
import type { MachineSample } from "../workloads/runner/device-stats.ts";

export const seriesColumns = [
  "time_ms",
  "job",
  "direction",
  "iops",
  "bw_bytes",
  "service_p50_ns",
  "service_p99_ns",
  "response_p50_ns",
  "response_p99_ns",
  "response_max_ns",
  "inflight",
  "cpu_user_pct",
  "cpu_sys_pct",
  "dev_util_pct",
  "dev_read_ios",
  "dev_write_ios",
] as const;

/** Rates of an interval in their own units, per second. */
export function intervalRates(row: IntervalRow): { iops: number; bwBytes: number } {
  // What ends on the very border of an interval counts in one that has no length; its bytes must not be lost.
  const perSecond = 1e9 / Math.max(row.lengthNs, 1);
  return { iops: row.ios * perSecond, bwBytes: row.bytes * perSecond };
}

const short = (value: number | null) => (value === null ? "" : String(Number(value.toFixed(2))));

/**
 * One line. Rates keep every digit: verification takes the exact bytes of the interval from their
 * ratio. Latencies of an interval without operations are empty, not zero.
 */
export function seriesLine(job: string, row: IntervalRow, machine: MachineSample | null): string {
  const { iops, bwBytes } = intervalRates(row);
  const latency = (ns: number) => (row.ios === 0 ? "" : String(ns));
  return [
    String(Number((row.endNs / 1e6).toFixed(3))),
    job,
    row.direction,
    String(iops),
    String(bwBytes),
    latency(row.serviceP50Ns),
    latency(row.serviceP99Ns),
    latency(row.responseP50Ns),
    latency(row.responseP99Ns),
    latency(row.responseMaxNs),
    String(row.inflight),
    short(machine?.cpuUserPct ?? null),
    short(machine?.cpuSysPct ?? null),
    short(machine?.devUtilPct ?? null),
    short(machine?.devReadIos ?? null),
    short(machine?.devWriteIos ?? null),
  ].join(",");
}

/** A line read back; null where the field is empty. */
export interface SeriesPoint {
  readonly timeMs: number;
  readonly job: string;
  readonly direction: Direction;
  readonly iops: number;
  readonly bwBytes: number;
  readonly serviceP50Ns: number | null;
  readonly serviceP99Ns: number | null;
  readonly responseP50Ns: number | null;
  readonly responseP99Ns: number | null;
  readonly responseMaxNs: number | null;
  readonly inflight: number;
  readonly machine: MachineSample;
}

/** Parses `series.csv`; a line without all columns (the end of a crashed run) is left out. */
export function parseSeries(text: string): readonly SeriesPoint[] {
  const points: SeriesPoint[] = [];
  for (const line of text.split("\n").slice(1)) {
    const fields = line.split(",");
    if (fields.length !== seriesColumns.length) {
      continue;
    }
    const number = (at: number) => (fields[at] === "" ? null : Number(fields[at]));
    points.push({
      timeMs: number(0) ?? 0,
      job: fields[1] ?? "",
      direction: fields[2] as Direction,
      iops: number(3) ?? 0,
      bwBytes: number(4) ?? 0,
      serviceP50Ns: number(5),
      serviceP99Ns: number(6),
      responseP50Ns: number(7),
      responseP99Ns: number(8),
      responseMaxNs: number(9),
      inflight: number(10) ?? 0,
      machine: {
        cpuUserPct: number(11),
        cpuSysPct: number(12),
        devUtilPct: number(13),
        devReadIos: number(14),
        devWriteIos: number(15),
      },
    });
  }
  return points;
}
