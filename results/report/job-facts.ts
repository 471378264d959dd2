/** What a run's job was, read from `job.resolved` of run.json with tolerance for older records. */
import type { Direction } from "../../workloads/run-outcome.ts";
import type { RunRecord } from "../run-record.ts";
import { formatBytes } from "./units.ts";

export interface JobFacts {
  readonly rw: string;
  readonly ioengine: string;
  /** Operations outstanding at most over all clones. */
  readonly outstanding: number;
  /** Offered operations a second over all clones; null in a closed loop. */
  readonly rate: (direction: Direction) => number | null;
  /** `4 KiB`, `4-64 KiB`, `mixed sizes` */
  readonly blockSize: (direction: Direction) => string;
  /** `, O_DSYNC`, or empty when writes may stay in a cache. */
  readonly durability: string;
}

interface Loose {
  readonly [key: string]: unknown;
}

function isLoose(value: unknown): value is Loose {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function numberOf(value: unknown, otherwise: number): number {
  return typeof value === "number" && Number.isFinite(value) ? value : otherwise;
}

/** Facts of the job with this name; sensible blanks when the record does not have it. */
export function jobFacts(record: RunRecord, name: string): JobFacts {
  const all = record.job?.resolved ?? [];
  const found = all.filter(isLoose).find((job) => job["name"] === name);
  const job: Loose = found ?? fromOptions(record, name);
  const numjobs = numberOf(job["numjobs"], 1);
  return {
    rw: isLoose(job["replay"])
      ? "trace replay"
      : typeof job["rw"] === "string"
        ? job["rw"]
        : "mixed",
    ioengine: elsewhere(job) ?? String(job["ioengine"] ?? "default engine"),
    outstanding: depthOf(job) * numjobs,
    rate: (direction) => rateOf(job, direction, numjobs),
    blockSize: (direction) =>
      isLoose(job["replay"]) ? "" : blockSizeOf(job["blockSizes"], direction),
    durability: isLoose(job["replay"]) ? "" : durabilityOf(job),
  };
}

/** The kind of a target that is no file or device: the job's engine does not act there. */
function elsewhere(job: Loose): string | null {
  const target = job["target"];
  const isElsewhere = typeof target === "string" && !target.startsWith("raw:");
  const scheme = isElsewhere ? (target.split(/[:?]/)[0] ?? target) : null;
  return scheme === "null" ? "null device" : scheme;
}

/** Synchronous engines have one operation outstanding whatever iodepth says. */
function depthOf(job: Loose): number {
  const synchronous = /^(sync|psync|vsync|pvsync2?)$/.test(String(job["ioengine"]));
  return synchronous && elsewhere(job) === null ? 1 : numberOf(job["iodepth"], 1);
}

/** Falls back on fio's `job options`, whose values are text. */
function fromOptions(record: RunRecord, name: string): Loose {
  const own = record.jobs.find((job) => job.jobname === name)?.["job options"];
  const options: Loose = { ...record["global options"], ...(isLoose(own) ? own : {}) };
  return {
    rw: options["rw"] ?? options["readwrite"],
    ioengine: options["ioengine"],
    iodepth: Number(options["iodepth"] ?? 1),
    numjobs: Number(options["numjobs"] ?? 1),
  };
}

function rateOf(job: Loose, direction: Direction, numjobs: number): number | null {
  const rule = perDirection(job["arrival"], direction);
  if (rule === null) {
    return null;
  }
  const rate = numberOf(rule["rate"], 0) * numjobs;
  const size = perDirection(job["blockSizes"], direction);
  return rule["byBytes"] === true ? rate / numberOf(size?.["bytes"], 1) : rate;
}

function perDirection(values: unknown, direction: Direction): Loose | null {
  const index = ["read", "write", "trim"].indexOf(direction);
  const value: unknown = Array.isArray(values) ? values[index] : null;
  return isLoose(value) ? value : null;
}

function blockSizeOf(sizes: unknown, direction: Direction): string {
  const rule = perDirection(sizes, direction);
  if (rule === null) {
    return "";
  }
  if (rule["kind"] === "fixed") {
    return formatBytes(numberOf(rule["bytes"], 0));
  }
  if (rule["kind"] === "range") {
    return `${formatBytes(numberOf(rule["min"], 0))} to ${formatBytes(numberOf(rule["max"], 0))}`;
  }
  return "mixed sizes";
}

function durabilityOf(job: Loose): string {
  if (!/write|rw/.test(String(job["rw"]))) {
    return "";
  }
  if (job["sync"] === "sync" || job["sync"] === "dsync") {
    return job["sync"] === "sync" ? ", O_SYNC" : ", O_DSYNC";
  }
  for (const key of ["fsync", "fdatasync"]) {
    const every = numberOf(job[key], 0);
    if (every > 0) {
      return every === 1 ? `, ${key} each write` : `, ${key} every ${every} writes`;
    }
  }
  return "";
}
