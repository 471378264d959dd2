/**
 * What a job's loop writes down beside its intervals, and for whom: fio's log files, windows of
 * `bwavgtime` and `iopsavgtime`, samples of `steadystate`. Mirrors `native/crates/device/src/io_log.rs`.
 */
import type { ResolvedJob } from "../job/model.ts";

/** What a window's rows are for. */
export type WindowUse = "bw" | "iops" | "lat" | "bwSample" | "iopsSample" | "steady";

export interface LogWindow {
  readonly lengthNs: number;
  readonly uses: readonly WindowUse[];
}

export interface LogPlan {
  /** A row for each operation. */
  readonly each: boolean;
  readonly windows: readonly LogWindow[];
  /** 0: no histograms. */
  readonly histNs: number;
  readonly histCoarseness: number;
}

/** `log` of a `JobSpec`. */
export interface LogSpec {
  readonly each: boolean;
  readonly windowsNs: readonly number[];
  readonly histNs: number;
  readonly histCoarseness: number;
}

/** The shortest window that the loop keeps. */
const leastWindowNs = 1e6;

/** fio's default of `bwavgtime` and `iopsavgtime`; ours is the interval of the run then. */
const usualWindowNs = 5e8;

/** What has to be written down; null when nothing has. */
export function logPlan(job: ResolvedJob): LogPlan | null {
  const { logs, measures } = job;
  const averaged = logs.averageNs > 0;
  const uses = new Map<number, WindowUse[]>();
  const want = (use: WindowUse, lengthNs: number) => {
    const length = Math.max(lengthNs, leastWindowNs);
    uses.set(length, [...(uses.get(length) ?? []), use]);
  };
  // As in fio: a window that was asked for by itself bounds that of the log.
  const given = (windowNs: number) => windowNs !== usualWindowNs;
  const rateWindow = (windowNs: number) =>
    given(windowNs) ? Math.min(logs.averageNs, windowNs) : logs.averageNs;
  if (averaged && logs.bwPrefix !== null) {
    want("bw", rateWindow(measures.bwWindowNs));
  }
  if (averaged && logs.iopsPrefix !== null) {
    want("iops", rateWindow(measures.iopsWindowNs));
  }
  if (averaged && logs.latPrefix !== null) {
    want("lat", logs.averageNs);
  }
  if (given(measures.bwWindowNs)) {
    want("bwSample", measures.bwWindowNs);
  }
  if (given(measures.iopsWindowNs)) {
    want("iopsSample", measures.iopsWindowNs);
  }
  if (job.steadyState !== null) {
    want("steady", job.steadyState.intervalNs);
  }
  const prefixes = [logs.bwPrefix, logs.iopsPrefix, logs.latPrefix];
  const each = !averaged && prefixes.some((prefix) => prefix !== null);
  const histNs = logs.histPrefix === null ? 0 : logs.histNs;
  if (!each && uses.size === 0 && histNs === 0) {
    return null;
  }
  const windows = [...uses].map(([lengthNs, list]) => ({ lengthNs, uses: list }));
  return { each, windows, histNs, histCoarseness: logs.histCoarseness };
}

export function logSpec(job: ResolvedJob): LogSpec | null {
  const plan = logPlan(job);
  return plan === null
    ? null
    : {
        each: plan.each,
        windowsNs: plan.windows.map((window) => window.lengthNs),
        histNs: plan.histNs,
        histCoarseness: plan.histCoarseness,
      };
}

/** A window of one direction in which something completed. Times are ns since measuring began. */
export interface WindowRow {
  readonly window: LogWindow;
  readonly endNs: number;
  /** Shorter than the window's own length only at the job's end. */
  readonly lengthNs: number;
  /** 0 read, 1 write, 2 trim. */
  readonly direction: number;
  readonly ios: number;
  readonly bytes: number;
  /** Sums and largest values of slat, clat, lat, ns. */
  readonly sumNs: readonly [slat: number, clat: number, lat: number];
  readonly maxNs: readonly [slat: number, clat: number, lat: number];
}

/** A histogram of clat over one window and direction. */
export interface HistogramRow {
  readonly endNs: number;
  readonly direction: number;
  /** Size of the window's last operation. */
  readonly bytes: number;
  readonly counts: Float64Array;
}

/** A buffer as the job handed it over. */
export type LogBuffer =
  | { readonly kind: "each"; readonly rows: Float64Array }
  | { readonly kind: "windows"; readonly rows: readonly WindowRow[] }
  | { readonly kind: "histogram"; readonly row: HistogramRow };

/**
 * Doubles of an operation's row: time of completion, direction, bytes, offset, slat, clat, lat, file.
 */
export const eachColumns = 8;
const windowColumns = 12;

/** Reads a buffer; the first double says what it holds. */
export function readLogBuffer(buffer: Float64Array, plan: LogPlan): LogBuffer {
  const rows = buffer.subarray(1);
  switch (buffer[0]) {
    case 0:
      return { kind: "each", rows };
    case 1: {
      const read: WindowRow[] = [];
      for (let at = 0; at + windowColumns <= rows.length; at += windowColumns) {
        const row = windowRow(rows.subarray(at, at + windowColumns), plan);
        if (row !== null) {
          read.push(row);
        }
      }
      return { kind: "windows", rows: read };
    }
    default: {
      const [endNs = 0, direction = 0, bytes = 0] = rows;
      return { kind: "histogram", row: { endNs, direction, bytes, counts: rows.subarray(3) } };
    }
  }
}

function windowRow(row: Float64Array, plan: LogPlan): WindowRow | null {
  const [index = 0, endNs = 0, lengthNs = 0, direction = 0, ios = 0, bytes = 0, ...times] = row;
  const [slat = 0, clat = 0, lat = 0, slatMax = 0, clatMax = 0, latMax = 0] = times;
  const window = plan.windows[index];
  return window === undefined
    ? null
    : {
        window,
        endNs,
        lengthNs,
        direction,
        ios,
        bytes,
        sumNs: [slat, clat, lat],
        maxNs: [slatMax, clatMax, latMax],
      };
}
