/**
 * `--output-format json` and `json+`: fio's document, in fio's layout, with ours under `osdyno`.
 */
import type { RunRecord } from "./run-record.ts";

/** Keys whose numbers fio prints with six decimals; everything else is an integer. */
const decimalKeys: ReadonlySet<string> = new Set([
  "iops",
  "mean",
  "stddev",
  "bw_agg",
  "bw_mean",
  "bw_dev",
  "iops_mean",
  "iops_stddev",
  "usr_cpu",
  "sys_cpu",
  "latency_percentile",
  "util",
  "aggr_util",
  "max_deviation",
  "slope",
]);

/** Objects whose numbers are all shares in percent. */
const shareObjects: ReadonlySet<string> = new Set([
  "iodepth_level",
  "iodepth_submit",
  "iodepth_complete",
  "latency_ns",
  "latency_us",
  "latency_ms",
]);

/** fio 3.33 prints these three objects' bins only where the job asks for the percentiles. */
const latencyObjects: ReadonlySet<string> = new Set(["slat_ns", "clat_ns", "lat_ns"]);

/**
 * The run as one JSON document, ending with a newline.
 * @param bins `json+`: with the bins of the latencies that have percentiles
 */
export function fioDocument(record: RunRecord, bins: boolean): string {
  const globals = record["global options"];
  const document = {
    "fio version": record["fio version"],
    timestamp: record.timestamp,
    timestamp_ms: record.timestamp_ms,
    time: record.time,
    // fio leaves the key out when no global section set anything.
    ...(Object.keys(globals).length === 0 ? {} : { "global options": globals }),
    jobs: record.jobs.map((job) => withBins(withoutEmptyOptions(job), bins)),
    // As in fio: no disk, no key.
    ...(record.disk_util.length === 0 ? {} : { disk_util: record.disk_util.map(fioDisk) }),
    osdyno: {
      schema: record.schema,
      state: record.state,
      ...(record.reason === undefined ? {} : { reason: record.reason }),
      label: record.label,
      seed: record.seed,
      path: record.path,
      target: record.target,
      started: record.started,
      ...record.osdyno,
    },
  };
  return `${layout(document, "", "")}\n`;
}

/** A document of fio's client (`merge.ts`), in the same layout. */
export function clientDocument(document: Readonly<Record<string, unknown>>, bins: boolean): string {
  const { client_stats: clients, disk_util: disks, osdyno, ...head } = document;
  const shown = {
    ...head,
    client_stats: (clients as readonly unknown[]).map((job) => withBins(job, bins)),
    disk_util: (disks as readonly unknown[]).map(fioDisk),
    osdyno,
  };
  return `${layout(shown, "", "")}\n`;
}

/** fio leaves the key out of a job to which its own section gives nothing. */
function withoutEmptyOptions(job: RunRecord["jobs"][number]): unknown {
  const { "job options": options, ...rest } = job;
  return Object.keys((options ?? {}) as object).length === 0 ? rest : job;
}

/** A copy in which bins stand where fio prints them, and nowhere else. */
function withBins(value: unknown, bins: boolean): unknown {
  if (Array.isArray(value)) {
    return value.map((inner) => withBins(inner, bins));
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (key === "osdyno") {
        return [key, inner];
      }
      const distribution = typeof inner === "object" && inner !== null && !Array.isArray(inner);
      if (latencyObjects.has(key) && distribution) {
        const { bins: counts, ...rest } = inner as Record<string, unknown>;
        const shown = bins && "percentile" in rest && counts !== undefined;
        return [key, shown ? { ...rest, bins: counts } : rest];
      }
      return [key, withBins(inner, bins)];
    }),
  );
}

/** fio 3.33 has no sectors; strict readers of its disks keep working without them. */
function fioDisk(disk: unknown): unknown {
  const { read_sectors: _read, write_sectors: _write, ...rest } = disk as Record<string, unknown>;
  return rest;
}

/**
 * Two-space indent and a blank on both sides of the colon, as fio lays JSON out.
 * @param shares the value lies in an object whose numbers are all percentages
 */
function layout(value: unknown, key: string, indent: string, shares = false): string {
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    // Lists hold whole numbers, whatever their key says elsewhere.
    const items = value.map((item) => `${inner}${layout(item, "", inner)}`);
    return items.length === 0 ? "[]" : `[\n${items.join(",\n")}\n${indent}]`;
  }
  if (typeof value === "object" && value !== null) {
    const items = Object.entries(value).map(([name, item]) => {
      const text =
        key === "osdyno" || (key === "data" && typeof item === "number")
          ? plainLayout(item, inner)
          : layout(item, name, inner, shareObjects.has(key));
      return `${inner}${JSON.stringify(name)} : ${text}`;
    });
    return items.length === 0 ? "{}" : `{\n${items.join(",\n")}\n${indent}}`;
  }
  if (typeof value === "number" && (shares || decimalKeys.has(key))) {
    return value.toFixed(6);
  }
  return JSON.stringify(value);
}

/** Ours keeps every digit, so that a program reads the same numbers as from `run.json`. */
function plainLayout(value: unknown, indent: string): string {
  return JSON.stringify(value, null, 2).replaceAll("\n", `\n${indent}`);
}
