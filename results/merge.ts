/**
 * `osdyno results merge`: fio JSON documents and run directories as one document, in the form of
 * fio's client: each job with where it ran, then all of them as one.
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import type { Direction, TimeKind } from "../workloads/run-outcome.ts";
import { fioVersionText } from "./assemble.ts";
import { directions } from "./fio-record.ts";
import { emptyHistogram, type Histogram, percentileKey, valueAt } from "./histogram.ts";
import { readHistogramLogFile } from "./histogram-log.ts";
import { type FioJob, type Losses, mergeJobs } from "./merge-jobs.ts";
import { addMoments, deviationOf, momentsOf } from "./merge-latency.ts";
import type { OsdynoLatency, RunRecord } from "./run-record.ts";
import { readRun } from "./run-schema.ts";
import { mergeStages, type OsdynoStages } from "./stages.ts";
import { runPaths } from "./store.ts";

/** One document to be merged. */
interface Source {
  /** As named by the user. */
  readonly name: string;
  readonly host: string;
  readonly globals: Readonly<Record<string, string>>;
  readonly jobs: readonly FioJob[];
  readonly disks: readonly unknown[];
  readonly run: { readonly directory: string; readonly record: RunRecord } | null;
}

export const mergeSchemaName = "osdyno-merge-1";

/**
 * The values at the top of a text, as written one after the other (`--status-interval`) and with
 * notes before them; throws `bad-input` for text that is none.
 */
export function jsonValues(text: string, name: string): readonly unknown[] {
  const values: unknown[] = [];
  let at = text.search(/^[{[]/m);
  while (at >= 0) {
    const end = endOfValue(text, at);
    try {
      values.push(JSON.parse(text.slice(at, end)));
    } catch (error) {
      throw new OsdynoError("bad-input", `${name}: it cannot be read as JSON`, {}, error);
    }
    const next = text.slice(end).search(/^[{[]/m);
    at = next < 0 ? -1 : end + next;
  }
  if (values.length === 0) {
    throw new OsdynoError("bad-input", `${name}: it holds no JSON document`);
  }
  return values;
}

/** Just behind the value that begins at `start`; the text's end when it does not close. */
function endOfValue(text: string, start: number): number {
  let depth = 0;
  let quoted = false;
  for (let at = start; at < text.length; at += 1) {
    const sign = text[at];
    if (quoted) {
      if (sign === "\\") {
        at += 1;
      } else if (sign === '"') {
        quoted = false;
      }
    } else if (sign === '"') {
      quoted = true;
    } else if (sign === "{" || sign === "[") {
      depth += 1;
    } else if (sign === "}" || sign === "]") {
      depth -= 1;
      if (depth === 0) {
        return at + 1;
      }
    }
  }
  return text.length;
}

function sourceOfDocument(name: string, document: unknown): Source {
  const {
    jobs,
    client_stats: clients,
    ...rest
  } = document as {
    readonly jobs?: readonly FioJob[];
    readonly client_stats?: readonly FioJob[];
    readonly disk_util?: readonly unknown[];
    readonly "global options"?: Readonly<Record<string, string>>;
  };
  const list = jobs ?? clients?.filter((job) => job["jobname"] !== "All clients");
  if (!Array.isArray(list) || list.length === 0) {
    throw new OsdynoError("bad-input", `${name}: no fio document (it has no jobs)`);
  }
  return {
    name,
    host: name,
    globals: rest["global options"] ?? {},
    jobs: list,
    disks: rest.disk_util ?? [],
    run: null,
  };
}

function sourceOfRun(directory: string): Source {
  const record = readRun(directory);
  const system = record.environment["os"] as { readonly host?: string } | undefined;
  const host = system?.host ?? directory;
  const { jobs, disk_util: disks } = record;
  const globals = record["global options"];
  return { name: directory, host, globals, jobs, disks, run: { directory, record } };
}

function sourcesOf(path: string): readonly Source[] {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) {
    throw new OsdynoError("bad-input", `${path}: there is no such file or directory`);
  }
  if (found.isDirectory()) {
    return runPaths(path).map(sourceOfRun);
  }
  // Documents of one run follow each other while it goes on: the last holds all of it.
  const last = jsonValues(readFileSync(path, "utf8"), path).at(-1);
  return Array.isArray(last)
    ? last.map((document) => sourceOfDocument(path, document))
    : [sourceOfDocument(path, last)];
}

/** A job as a client's element: without what only a local document has, with where it ran. */
function clientElement(job: FioJob, source: Source): FioJob {
  const { eta: _eta, elapsed: _elapsed, osdyno: _ours, hostname, port, ...rest } = job;
  return { ...rest, hostname: hostname ?? source.host, port: port ?? 0 };
}

const kinds: readonly TimeKind[] = ["service", "wait", "response"];

/** Histograms of ours over several runs, merged without loss. */
class MergedTimes {
  private readonly parts = new Map<string, { histogram: Histogram; published: OsdynoLatency[] }>();

  addRun(directory: string, record: RunRecord): void {
    for (const job of record.jobs) {
      for (const direction of directions) {
        for (const kind of kinds) {
          const published = job.osdyno[direction]?.[`${kind}_ns`];
          if (published !== undefined && published.N > 0) {
            const part = this.part(direction, kind);
            part.published.push(published);
            for (const source of job.osdyno.sources) {
              addLog(
                join(directory, "hist", `${source}.${direction}.${kind}.hlog`),
                part.histogram,
              );
            }
          }
        }
      }
    }
  }

  private part(direction: Direction, kind: TimeKind) {
    const key = `${direction}.${kind}`;
    const part = this.parts.get(key) ?? { histogram: emptyHistogram(), published: [] };
    this.parts.set(key, part);
    return part;
  }

  totals(): Readonly<Record<string, Readonly<Record<string, OsdynoLatency>>>> {
    return Object.fromEntries(
      directions.flatMap((direction) => {
        const records = kinds.flatMap((kind) => {
          const part = this.parts.get(`${direction}.${kind}`);
          return part === undefined
            ? []
            : [[`${kind}_ns`, summary(part.histogram, part.published)] as const];
        });
        return records.length === 0 ? [] : [[direction, Object.fromEntries(records)]];
      }),
    );
  }
}

function addLog(path: string, into: Histogram): void {
  for (const { warmup, histogram } of readHistogramLogFile(path)) {
    if (!warmup && histogram.totalCount > 0) {
      into.add(histogram);
    }
  }
}

/** Percentiles of the merged histogram; extremes, mean and deviation of the exact totals. */
function summary(histogram: Histogram, published: readonly OsdynoLatency[]): OsdynoLatency {
  const moments = published.map(momentsOf).reduce(addMoments, { N: 0, mean: 0, squares: 0 });
  const min = Math.min(...published.map((one) => one.min));
  const max = Math.max(...published.map((one) => one.max));
  const asked = new Set(published.flatMap((one) => Object.keys(one.percentile).map(Number)));
  const percentile = Object.fromEntries(
    [...asked]
      .sort((a, b) => a - b)
      .map((p) => [percentileKey(p), valueAt(histogram, p, { min, max })]),
  );
  const { mean } = moments;
  return { N: histogram.totalCount, min, max, mean, stddev: deviationOf(moments), percentile };
}

/** Where the time of all clients' operations went; nothing where no run took stages. */
function stagesOf(runs: readonly { readonly record: RunRecord }[]): { stages?: OsdynoStages } {
  const all = runs.flatMap(({ record }) => record.jobs.flatMap((job) => job.osdyno.stages ?? []));
  const stages = mergeStages(all);
  return stages === null ? {} : { stages };
}

/** The one document, and what could not be merged: lines for the user. */
export interface MergedDocument {
  readonly document: Readonly<Record<string, unknown>>;
  readonly notes: readonly string[];
}

/**
 * Merges files of fio's JSON and run directories (each with all of its runs). Throws `bad-input` for
 * what is neither. Ours is beside fio's when every source is a run directory.
 * @param nowMs the document's time
 */
export function mergeResults(paths: readonly string[], nowMs: number): MergedDocument {
  const sources = paths.flatMap(sourcesOf);
  const losses: Losses = [];
  const elements = sources.flatMap((source) =>
    source.jobs.map((job) => clientElement(job, source)),
  );
  const all = mergeJobs(elements, losses);
  const last = elements.at(-1);
  const [first] = sources;
  const same = sources.every(
    (source) => JSON.stringify(source.globals) === JSON.stringify(first?.globals),
  );
  const globals = same ? (first?.globals ?? {}) : {};
  const runs = sources.flatMap(({ run }) => (run === null ? [] : [run]));
  const times = new MergedTimes();
  if (runs.length === sources.length) {
    for (const { directory, record } of runs) {
      times.addRun(directory, record);
    }
  }
  const ours = {
    schema: mergeSchemaName,
    sources: sources.map((source) => source.name),
    ...(runs.length === sources.length ? { totals: times.totals(), ...stagesOf(runs) } : {}),
  };
  return {
    document: {
      "fio version": fioVersionText,
      timestamp: Math.floor(nowMs / 1000),
      time: new Date(nowMs).toUTCString(),
      ...(Object.keys(globals).length === 0 ? {} : { "global options": globals }),
      client_stats: [...elements, { ...all, hostname: last?.["hostname"], port: last?.["port"] }],
      disk_util: sources.flatMap((source) => source.disks),
      osdyno: ours,
    },
    notes: losses.map(
      (what) =>
        `${what} of all clients has no percentiles: a source has no bins; make it with --output-format=json+`,
    ),
  };
}
