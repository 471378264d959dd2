/**
 * `--output-format terse`: fio's semicolon-separated lines, versions 2 to 5, one line per job record.
 * Positions and units were held against fio 3.33: latencies in microseconds, bandwidth in KiB/s.
 */
import type { DiskUtilRecord } from "./disk-util.ts";
import type { FioDirection } from "./fio-record.ts";
import type { FioLatency, JobRecord, RunRecord } from "./run-record.ts";

export const terseVersions = [2, 3, 4, 5] as const;
export type TerseVersion = (typeof terseVersions)[number];

/** fio keeps this many places for percentiles, used or not. */
const percentilePlaces = 20;

/** What a line needs to know of the job beside its record. */
interface TerseJob {
  readonly name: string;
  readonly percentiles: readonly number[];
  readonly clatPercentiles: boolean;
  readonly latPercentiles: boolean;
}

/** All lines of a run, each ending with a newline. */
export function terseOutput(record: RunRecord, version: TerseVersion): string {
  const jobs = record.job.resolved as readonly TerseJob[];
  return record.jobs
    .map((job) => {
      const resolved = jobs.find((candidate) => candidate.name === job.jobname);
      return terseLine(record, job, resolved, version);
    })
    .join("");
}

function terseLine(
  record: RunRecord,
  job: JobRecord,
  resolved: TerseJob | undefined,
  version: TerseVersion,
): string {
  const head = [job.jobname, String(job.groupid), String(job.error)];
  const fields = version === 2 ? ["2", ...head] : [String(version), record["fio version"], ...head];
  for (const direction of directionsOf(job, version)) {
    fields.push(...directionFields(direction, resolved, version));
  }
  fields.push(...jobFields(job));
  if (version > 2) {
    fields.push(...(record.disk_util as readonly DiskUtilRecord[]).flatMap(diskFields));
  }
  const totalErrors = job["total_err"];
  if (totalErrors !== undefined) {
    fields.push(String(totalErrors), String(job["first_error"]));
  }
  const description = job["desc"];
  const line = fields.join(";");
  if (description === undefined) {
    return `${line}\n`;
  }
  // Version 2 ends the line before the description.
  return version === 2 ? `${line}\n;${description}\n` : `${line};${description}\n`;
}

/** The directions in order: version 3 has no trims; one rate over all replaces or follows them. */
function directionsOf(job: JobRecord, version: TerseVersion): readonly FioDirection[] {
  const keys = ["read", "write", ...(version === 3 ? [] : ["trim"]), "mixed"];
  return keys.flatMap((key) => {
    const direction = job[key];
    return direction === undefined ? [] : [direction as FioDirection];
  });
}

const micro = (ns: number) => String(Math.floor(ns / 1000));

function latencyFields(latency: FioLatency): string[] {
  return [
    micro(latency.min),
    micro(latency.max),
    (latency.mean / 1000).toFixed(6),
    (latency.stddev / 1000).toFixed(6),
  ];
}

/** `1.000000%=25` per asked percentile, the rest of the places empty; of `lat` when that is asked. */
function percentileFields(direction: FioDirection, job: TerseJob | undefined): string[] {
  const { lat_ns: lat, clat_ns: clat } = direction;
  const ofLat = job?.latPercentiles ?? false;
  const shown = ofLat ? lat : clat;
  const asked = ofLat || (job?.clatPercentiles ?? true);
  const keys = asked
    ? (job?.percentiles.map((p) => p.toFixed(6)) ?? Object.keys(shown.percentile ?? {}))
    : [];
  const sorted = [...keys].sort((a, b) => Number(a) - Number(b)).slice(0, percentilePlaces);
  const filled = sorted.map((key) => `${key}%=${micro(shown.percentile?.[key] ?? 0)}`);
  return [...filled, ...Array<string>(percentilePlaces - filled.length).fill("0%=0")];
}

function directionFields(
  direction: FioDirection,
  job: TerseJob | undefined,
  version: TerseVersion,
): string[] {
  const fields = [
    String(direction.io_kbytes),
    String(direction.bw),
    String(Math.floor(direction.iops)),
    String(direction.runtime),
    ...latencyFields(direction.slat_ns),
    ...latencyFields(direction.clat_ns),
    ...percentileFields(direction, job),
    ...latencyFields(direction.lat_ns),
    String(direction.bw_min),
    String(direction.bw_max),
    `${direction.bw_agg.toFixed(6)}%`,
    direction.bw_mean.toFixed(6),
    direction.bw_dev.toFixed(6),
  ];
  if (version === 5) {
    fields.push(
      String(direction.bw_samples),
      String(direction.iops_min),
      String(direction.iops_max),
      direction.iops_mean.toFixed(6),
      direction.iops_stddev.toFixed(6),
      String(direction.iops_samples),
    );
  }
  return fields;
}

function jobFields(job: JobRecord): string[] {
  const shares = (key: string) => Object.values(job[key] as Record<string, number>);
  const percent = (value: unknown, digits: number) => `${(value as number).toFixed(digits)}%`;
  const [, ...microseconds] = shares("latency_us");
  return [
    percent(job["usr_cpu"], 6),
    percent(job["sys_cpu"], 6),
    String(job["ctx"]),
    String(job["majf"]),
    String(job["minf"]),
    ...shares("iodepth_level").map((value) => percent(value, 1)),
    percent(shareBelowTwoMicroseconds(job), 2),
    ...microseconds.map((value) => percent(value, 2)),
    ...shares("latency_ms").map((value) => percent(value, 2)),
  ];
}

/** The first of fio's microsecond ranges holds everything below it too. */
function shareBelowTwoMicroseconds(job: JobRecord): number {
  const ns = job["latency_ns"] as Record<string, number>;
  const us = job["latency_us"] as Record<string, number>;
  // Every range that has anything shows at least 0.01%, so the sum can pass the whole.
  const sum = Object.values(ns).reduce((total, share) => total + share, us["2"] ?? 0);
  return Math.min(100, sum);
}

function diskFields(disk: DiskUtilRecord): string[] {
  const own = [
    disk.read_ios,
    disk.write_ios,
    disk.read_merges,
    disk.write_merges,
    disk.read_ticks,
    disk.write_ticks,
    disk.in_queue,
  ];
  return [disk.name, ...own.map(String), `${disk.util.toFixed(2)}%`];
}
