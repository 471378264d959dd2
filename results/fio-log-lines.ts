/** Lines of fio's log files: columns, units and rounding as fio 3.33 writes them. */
import type { ResolvedJob } from "../workloads/job/model.ts";
import type { LogRules } from "../workloads/job/rules.ts";
import type { HistogramRow, WindowRow } from "../workloads/runner/log-plan.ts";

export type LogName = "bw" | "iops" | "lat" | "slat" | "clat" | "clat_hist";

/** `PREFIX_bw.1.log`; without a number when all jobs share the file. */
export function logFileName(prefix: string, name: LogName, job: number, perJob: boolean): string {
  return `${prefix}_${name}${perJob ? `.${job}` : ""}.log`;
}

/**
 * The logs that a job writes, with the prefix of each. A time that is not measured (`disable_clat`)
 * has no log, as in fio.
 */
export function logsOf({
  logs: rules,
  measures,
}: Pick<ResolvedJob, "logs" | "measures">): readonly (readonly [LogName, string])[] {
  const names: (readonly [LogName, string | null])[] = [
    ["bw", rules.bwPrefix],
    ["iops", rules.iopsPrefix],
    ["lat", measures.lat ? rules.latPrefix : null],
    ["slat", measures.slat ? rules.latPrefix : null],
    ["clat", measures.clat ? rules.latPrefix : null],
    ["clat_hist", rules.histPrefix],
  ];
  return names.flatMap(([name, prefix]) => (prefix === null ? [] : [[name, prefix] as const]));
}

const realtimeClass = 1;

/** What is the same on every line of a job. */
export interface LineStyle {
  readonly rules: LogRules;
  /** Added to every time, ms: 0, or when measuring began since 1970. */
  readonly epochMs: number;
  readonly ioPriority: { readonly class: number; readonly level: number } | null;
}

function priorityText({ rules, ioPriority }: LineStyle): string {
  if (!rules.prio) {
    return ioPriority?.class === realtimeClass ? "1" : "0";
  }
  const value = ioPriority === null ? 0 : (ioPriority.class << 13) | ioPriority.level;
  return `0x${value.toString(16).padStart(4, "0")}`;
}

const timeText = (ns: number, style: LineStyle) => String(style.epochMs + Math.floor(ns / 1e6));

/** One operation. `row` has the columns of `log-plan.ts`. */
export function eachLine(name: LogName, row: Float64Array, style: LineStyle): string {
  const [endNs = 0, direction = 0, bytes = 0, offset = 0, slat = 0, clat = 0, lat = 0] = row;
  const value = {
    // Bytes over the operation's own time, in kB/s of 1000 bytes: fio's unit here, and only here.
    bw: clat === 0 ? 0 : Math.floor((bytes * 1e6) / clat),
    iops: 1,
    lat,
    slat,
    clat,
    clat_hist: 0,
  }[name];
  const columns = [timeText(endNs, style), String(value)];
  if (style.rules.windowValue === "both") {
    columns.push(String(value));
  }
  columns.push(String(direction), String(bytes));
  if (style.rules.offset) {
    columns.push(String(offset));
  }
  columns.push(priorityText(style));
  if (style.rules.issueTime) {
    columns.push(String(endNs - lat));
  }
  return columns.join(", ");
}

/** Average and largest value of a window, as each log holds them. */
function windowValues(name: LogName, row: WindowRow): readonly [average: number, max: number] {
  const seconds = row.lengthNs / 1e9;
  if (name === "bw" || name === "iops") {
    const amount = name === "bw" ? row.bytes / 1024 : row.ios;
    const rate = seconds === 0 ? 0 : Math.floor(amount / seconds);
    return [rate, rate];
  }
  const place = { slat: 0, clat: 1, lat: 2, clat_hist: 1 }[name] as 0 | 1 | 2;
  return [Math.round(row.sumNs[place] / row.ios), row.maxNs[place]];
}

/** One window: block size and offset are 0, as in fio. */
export function windowLine(name: LogName, row: WindowRow, style: LineStyle): string {
  const [average, max] = windowValues(name, row);
  const { windowValue, offset, issueTime } = style.rules;
  const values = windowValue === "both" ? [average, max] : [windowValue === "max" ? max : average];
  const columns = [timeText(row.endNs, style), ...values.map(String), String(row.direction), "0"];
  if (offset) {
    columns.push("0");
  }
  columns.push(priorityText(style));
  if (issueTime) {
    columns.push("0");
  }
  return columns.join(", ");
}

/** One window's histogram: counts of this window only. */
export function histogramLine(row: HistogramRow, style: LineStyle): string {
  const head = [timeText(row.endNs, style), String(row.direction), String(row.bytes)];
  return `${head.join(", ")}, ${row.counts.join(", ")}`;
}
