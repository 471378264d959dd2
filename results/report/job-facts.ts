/** What a run's job was, read from `job.resolved` of run.json with tolerance for older records. */
import type { Direction } from "../../workloads/run-outcome.ts";
import type { RunRecord } from "../run-record.ts";
import { formatBytes } from "./units.ts";

export interface JobFacts {
  readonly rw: string;
  readonly ioengine: string;
  /** Operations outstanding at most over all clones. */
  readonly outstanding: number;
  /** The schedule that its operations keep; null in a closed loop. */
  readonly arrival: (direction: Direction) => ArrivalFacts | null;
  /** `4 KiB`, `4-64 KiB`, `mixed sizes` */
  readonly blockSize: (direction: Direction) => string;
  /** `, O_DSYNC`, or empty when writes may stay in a cache. */
  readonly durability: string;
}

/** What an open loop asks for. */
export interface ArrivalFacts {
  /** Operations a second over all clones; null where it changes while the job runs. */
  readonly rate: number | null;
  /** `Poisson`, `constant`, `bursts`: by which law they arrive. */
  readonly law: string;
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
    arrival: (direction) => arrivalOf(job, direction, numjobs),
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

function arrivalOf(job: Loose, direction: Direction, numjobs: number): ArrivalFacts | null {
  const { replay } = job;
  if (isLoose(replay)) {
    return replay["noStall"] === true ? null : { rate: null, law: "as recorded" };
  }
  const rule = perDirection(job["arrival"], direction);
  if (rule === null) {
    return null;
  }
  const drawn = rule["kind"] === "poisson" || rule["poisson"] === true;
  const law = drawn ? "Poisson" : "constant";
  if (rule["kind"] === "profile") {
    return { rate: null, law: `a profile of rates, ${law}` };
  }
  const asked = numberOf(rule["rate"], 0) * numjobs;
  const rate = rule["byBytes"] === true ? asked / meanBytes(job["blockSizes"], direction) : asked;
  return { rate, law: rule["kind"] === "burst" ? `bursts, ${law}` : law };
}

/** Of one operation; 1 where the record does not say. */
function meanBytes(sizes: unknown, direction: Direction): number {
  const rule = perDirection(sizes, direction);
  const entries = Array.isArray(rule?.["entries"]) ? rule["entries"].filter(isLoose) : [];
  const percent = entries.reduce((sum, each) => sum + numberOf(each["percent"], 0), 0);
  const weighted = entries.reduce(
    (sum, each) => sum + numberOf(each["bytes"], 0) * numberOf(each["percent"], 0),
    0,
  );
  const range = (numberOf(rule?.["min"], 0) + numberOf(rule?.["max"], 0)) / 2;
  const mean = percent > 0 ? weighted / percent : numberOf(rule?.["bytes"], range);
  return mean > 0 ? mean : 1;
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
