/**
 * Results as they are published: the record and its report, and all runs in one archive that every reader
 * takes as if they lay beside it.
 */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import { OsdynoError } from "../../engine/base/error.ts";
import { archiveName, type PackedFacts, packedName } from "../files.ts";
import { makeFolders } from "../make-folders.ts";
import { isRunDirectory, resultsKind } from "../ownership.ts";
import { writeReport } from "../report/write.ts";
import type { SweepRecord } from "../sweep-record.ts";
import { wholeSeriesName } from "./names.ts";
import { pooledStages } from "./pooled-stages.ts";
import { packReduced, packWhole, recordOf } from "./run-records.ts";
import { packTar } from "./tar.ts";

export interface Packed {
  readonly directory: string;
  readonly runs: number;
  /** Of the archive, and of what it was made of. */
  readonly bytes: number;
  readonly sourceBytes: number;
  readonly leftOut: readonly string[];
}

/** What is published beside the archive. */
const published = /\.(json|html|md|csv|svg|png|conf|yaml|sh)$/;
/** Made anew, or of files that are no more as they were. */
const notTaken = new Set(["verify.json", "report.html", "report.md", "report.json"]);
/** Below a sweep or a tuning: what is known of its runs together. */
const recordNames = ["sweep.json", "tune.json"];
const answerName = "answer";

/** Runs that filled files and stores before anything was measured. */
const preparedName = "prepare";

/** Directories of measured runs below `directory`, relative to it. */
function runsBelow(directory: string): readonly string[] {
  const walk = (at: string): string[] => {
    const here = join(directory, at);
    if (isRunDirectory(here)) {
      return [at];
    }
    return readdirSync(here, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && join(at, entry.name) !== preparedName)
      .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }))
      .flatMap((entry) => walk(join(at, entry.name)));
  };
  return walk(".");
}

function bytesOf(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** Whether only sums of its runs are needed: tests over time and single runs are shown interval by interval. */
function reducible(directory: string): boolean {
  if (resultsKind(directory) !== "sweep") {
    return false;
  }
  const text = readFileSync(join(directory, "sweep.json"), "utf8");
  return (JSON.parse(text) as SweepRecord).snia === undefined;
}

/** Runs of one point lie side by side, in the order of their numbers. */
function pointsOf(runs: readonly string[]): readonly (readonly string[])[] {
  const points = new Map<string, string[]>();
  for (const run of runs) {
    const own = points.get(dirname(run)) ?? [];
    own.push(run);
    points.set(dirname(run), own);
  }
  return [...points.values()].map((own) =>
    own.sort((a, b) => Number(basename(a)) - Number(basename(b))),
  );
}

/** Answers whether the histograms of the stages are pooled. */
function packPoint(
  directory: string,
  runs: readonly string[],
  reduced: boolean,
  files: Map<string, Buffer>,
): boolean {
  const records = runs.map((run) => recordOf(join(directory, run)));
  const pooled = reduced ? pooledStages(records) : null;
  for (const [place, run] of runs.entries()) {
    const to = run.replaceAll("\\", "/");
    const record = pooled?.[place] ?? records[place];
    files.set(to === "." ? "run.json" : `${to}/run.json`, Buffer.from(JSON.stringify(record)));
    if (reduced) {
      packReduced(join(directory, run), to, place === 0, files);
    } else {
      packWhole(join(directory, run), to === "." ? "" : `${to}/`, files);
    }
  }
  return pooled !== null;
}

const leftOut = [
  "histograms of single intervals: response times of each interval are in the classes of heat maps",
  `figures of single intervals of all runs but the first of each point (${wholeSeriesName})`,
  "histograms of stages of single runs: there is one for all runs of each point",
];

function filesOf(directory: string): { files: Map<string, Buffer>; facts: PackedFacts } {
  const runs = runsBelow(directory);
  if (runs.length === 0) {
    throw new OsdynoError("bad-input", "holds no run of ours; name what run, sweep or tune made", {
      file: directory,
    });
  }
  const reduced = reducible(directory);
  const content = new Map<string, Buffer>();
  const pooled = pointsOf(runs).map((point) => packPoint(directory, point, reduced, content));
  const facts: PackedFacts = {
    schema: "osdyno-packed-1",
    runs: runs.length,
    source_bytes: bytesOf(directory),
    left_out: reduced ? leftOut : [],
    stages_pooled: pooled.some((each) => each),
  };
  const text = Buffer.from(`${JSON.stringify(facts, null, 2)}\n`);
  const sorted = [...content].sort(([a], [b]) => bySimilarity(a, b));
  return { files: new Map([[packedName, text], ...sorted]), facts };
}

/** Files of one name together: what they have in common is packed once. */
function bySimilarity(a: string, b: string): number {
  return basename(a).localeCompare(basename(b)) || a.localeCompare(b, "en", { numeric: true });
}

function compressed(files: ReadonlyMap<string, Buffer>): Buffer {
  const { ZSTD_c_compressionLevel: level, ZSTD_c_windowLog: window } = constants;
  const longDistance = constants.ZSTD_c_enableLongDistanceMatching;
  const checksum = constants.ZSTD_c_checksumFlag;
  const params = { [level]: 19, [window]: 27, [longDistance]: 1, [checksum]: 1 };
  return zstdCompressSync(packTar(files), { params });
}

/** Records of parts, e.g. of the confirmation of a tuning, and the files of its answer. */
function copyRecords(directory: string, out: string, own: string): void {
  for (const entry of readdirSync(join(directory, own), { withFileTypes: true })) {
    const name = join(own, entry.name);
    const wanted =
      own === "."
        ? published.test(entry.name) && !notTaken.has(entry.name)
        : isRecord(own, entry.name);
    if (entry.isFile() && wanted) {
      makeFolders(dirname(join(out, name)));
      writeFileSync(join(out, name), readFileSync(join(directory, name)));
    } else if (entry.isDirectory() && own === ".") {
      copyRecords(directory, out, name);
    }
  }
}

function isRecord(folder: string, name: string): boolean {
  return recordNames.includes(name) || (folder === answerName && published.test(name));
}

function checkPlaces(directory: string, out: string): void {
  const kind = resultsKind(directory);
  if (kind === null && !existsSync(join(directory, "tune.json"))) {
    throw new OsdynoError(
      "bad-input",
      "holds no results of ours; name what run, sweep or tune made",
      {
        file: directory,
      },
    );
  }
  if (existsSync(join(directory, archiveName))) {
    throw new OsdynoError("bad-input", "is packed already", { file: directory });
  }
  const inside = relative(resolve(directory), resolve(out));
  if (inside === "" || (!inside.startsWith("..") && inside !== resolve(out))) {
    throw new OsdynoError("bad-input", `--out ${out}: it lies in ${directory}; name another place`);
  }
  if (existsSync(out) && !(statSync(out).isDirectory() && replaceable(out))) {
    throw new OsdynoError(
      "bad-input",
      `--out ${out}: it is there and holds something else; name a new directory`,
    );
  }
}

/** Beside these, there are runs that are nowhere else. */
const ofRuns = ["points", "hist", "series.csv", "confirm"];

/** Empty, or published results, which are made anew. */
function replaceable(out: string): boolean {
  const names = readdirSync(out);
  const known = [archiveName, ...recordNames].some((name) => names.includes(name));
  return names.length === 0 || (known && !names.some((name) => ofRuns.includes(name)));
}

/**
 * Packs the results in `directory` into `out`, whose report is drawn anew from what is packed.
 * @throws OsdynoError `bad-input` when there are none, or `out` holds something else
 */
export async function packResults(directory: string, out: string): Promise<Packed> {
  checkPlaces(directory, out);
  const { files, facts } = filesOf(directory);
  const archive = compressed(files);
  makeFolders(out);
  for (const name of readdirSync(out).filter((one) => published.test(one) || one === archiveName)) {
    rmSync(join(out, name));
  }
  if (resultsKind(directory) !== "run") {
    copyRecords(directory, out, ".");
  }
  writeFileSync(join(out, archiveName), archive);
  await writeReport(out);
  const { runs, source_bytes: sourceBytes, left_out: left } = facts;
  return { directory: out, runs, bytes: archive.length, sourceBytes, leftOut: left };
}
