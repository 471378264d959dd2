/** Job records of fio as one record: the `All clients` of fio's client, which ran side by side. */
import type { FioDirection } from "./fio-record.ts";
import { deviationOf, mergeFioLatency } from "./merge-latency.ts";
import type { FioLatency } from "./run-record.ts";

export type FioJob = Readonly<Record<string, unknown>>;

const directionKeys = ["read", "write", "trim", "mixed"] as const;
const latencyKeys = ["slat_ns", "clat_ns", "lat_ns"] as const;

const numberOf = (value: unknown) => (typeof value === "number" ? value : 0);
const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

/** What could not be merged, one line each. */
export type Losses = string[];

/** Rates that ran side by side: everything adds, squared deviations too, as in fio. */
function addedRate(
  parts: readonly FioDirection[],
  keys: readonly [
    min: keyof FioDirection,
    max: keyof FioDirection,
    mean: keyof FioDirection,
    deviation: keyof FioDirection,
    samples: keyof FioDirection,
  ],
) {
  const filled = parts.filter((part) => numberOf(part[keys[4]]) > 0);
  const sum = (key: keyof FioDirection) => total(filled.map((part) => numberOf(part[key])));
  const samples = sum(keys[4]);
  const squares = total(
    filled.map((part) => numberOf(part[keys[3]]) ** 2 * Math.max(0, numberOf(part[keys[4]]) - 1)),
  );
  const deviation = deviationOf({ N: samples, mean: 0, squares });
  return { min: sum(keys[0]), max: sum(keys[1]), mean: sum(keys[2]), deviation, samples };
}

function mergedDirection(
  name: string,
  parts: readonly FioDirection[],
  losses: Losses,
): FioDirection {
  const sum = (key: keyof FioDirection) => total(parts.map((part) => numberOf(part[key])));
  const runtime = Math.max(0, ...parts.map((part) => part.runtime));
  const bytes = sum("io_bytes");
  const ios = sum("total_ios");
  const perSecond = (amount: number) => (runtime === 0 ? 0 : (amount * 1000) / runtime);
  const latency = (key: (typeof latencyKeys)[number]) => {
    const merged = mergeFioLatency(parts.map((part) => part[key]));
    if (merged.lostPercentiles) {
      losses.push(`${name} ${key}`);
    }
    return merged.latency;
  };
  const bw = addedRate(parts, ["bw_min", "bw_max", "bw_mean", "bw_dev", "bw_samples"]);
  const iops = addedRate(parts, [
    "iops_min",
    "iops_max",
    "iops_mean",
    "iops_stddev",
    "iops_samples",
  ]);
  const kib = perSecond(bytes) / 1024;
  return {
    io_bytes: bytes,
    io_kbytes: Math.floor(bytes / 1024),
    bw_bytes: Math.floor(perSecond(bytes)),
    bw: Math.floor(kib),
    iops: perSecond(ios),
    runtime,
    total_ios: ios,
    short_ios: sum("short_ios"),
    drop_ios: sum("drop_ios"),
    slat_ns: latency("slat_ns"),
    clat_ns: latency("clat_ns"),
    lat_ns: latency("lat_ns"),
    bw_min: bw.min,
    bw_max: bw.max,
    bw_agg: kib === 0 ? 0 : Math.min(100, (100 * bw.mean) / kib),
    bw_mean: bw.mean,
    bw_dev: bw.deviation,
    bw_samples: bw.samples,
    iops_min: iops.min,
    iops_max: iops.max,
    iops_mean: iops.mean,
    iops_stddev: iops.deviation,
    iops_samples: iops.samples,
  };
}

const iosOf = (job: FioJob) =>
  total(
    (job["mixed"] !== undefined && job["read"] === undefined
      ? (["mixed"] as const)
      : (["read", "write", "trim"] as const)
    ).map((key) => numberOf((job[key] as FioDirection | undefined)?.total_ios)),
  );

/** Shares in percent, each record's weighted by what it is a share of. */
function weighted(jobs: readonly FioJob[], key: string, weights: readonly number[]) {
  const objects = jobs.map((job) => (job[key] ?? {}) as Readonly<Record<string, number>>);
  const all = total(weights);
  const names = [...new Set(objects.flatMap((object) => Object.keys(object)))];
  return Object.fromEntries(
    names.map((name) => {
      const sum = total(objects.map((object, at) => (object[name] ?? 0) * (weights[at] ?? 0)));
      return [name, all === 0 ? 0 : sum / all];
    }),
  );
}

/** `All clients`, in fio's order of keys. */
export function mergeJobs(jobs: readonly FioJob[], losses: Losses): FioJob {
  const directions = Object.fromEntries(
    directionKeys.flatMap((key) => {
      const parts = jobs.flatMap((job) =>
        job[key] === undefined ? [] : [job[key] as FioDirection],
      );
      return parts.length === 0 ? [] : [[key, mergedDirection(key, parts, losses)]];
    }),
  );
  const { mixed, ...separate } = directions;
  const syncs = jobs.flatMap((job) =>
    job["sync"] === undefined ? [] : [job["sync"] as { readonly lat_ns?: FioLatency }],
  );
  const sync = mergeFioLatency(
    syncs.flatMap(({ lat_ns: lat }) => (lat === undefined ? [] : [lat])),
  );
  const sum = (key: string) => total(jobs.map((job) => numberOf(job[key])));
  const runtimes = jobs.map((job) => numberOf(job["job_runtime"]));
  const cpu = (key: string) =>
    total(runtimes) === 0
      ? 0
      : total(jobs.map((job, at) => numberOf(job[key]) * (runtimes[at] ?? 0))) / total(runtimes);
  const ios = jobs.map(iosOf);
  const shares = (key: string) => ({ [key]: weighted(jobs, key, ios) });
  return {
    jobname: "All clients",
    groupid: 0,
    error: jobs.map((job) => numberOf(job["error"])).find((error) => error !== 0) ?? 0,
    ...separate,
    ...(syncs.length === 0 ? {} : { sync: { total_ios: sync.latency.N, lat_ns: sync.latency } }),
    ...(mixed === undefined ? {} : { mixed }),
    job_runtime: total(runtimes),
    usr_cpu: cpu("usr_cpu"),
    sys_cpu: cpu("sys_cpu"),
    ctx: sum("ctx"),
    majf: sum("majf"),
    minf: sum("minf"),
    ...shares("iodepth_level"),
    ...shares("iodepth_submit"),
    ...shares("iodepth_complete"),
    ...shares("latency_ns"),
    ...shares("latency_us"),
    ...shares("latency_ms"),
  };
}
