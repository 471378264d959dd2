/**
 * From a job that replays a trace to its files and what is made of the trace. The files and devices that
 * the trace names are the job's files, so that everything that plans, lays out and judges sees them.
 */
import { join, resolve } from "node:path";
import type { ResolvedJob } from "../job/model.ts";
import type { PlannedFile, PlannedJob } from "../plan-model.ts";
import { blockDeviceBytes, checkFile, lookUp, refuse } from "../planned-path.ts";
import { storeFile } from "../store-plan.ts";
import type { Target } from "../target.ts";
import {
  operationsOf,
  type PlannedTrace,
  type TraceChoice,
  type TraceFacts,
  type TraceFileFacts,
} from "./model.ts";
import { scanAhead, scanTrace } from "./scan.ts";

/** Memory for the buffers of a replay. Reads and writes larger than a buffer are split. */
const buffersBytes = 32 << 20;
const leastSlotBytes = 64 << 10;

/** The inputs of a clone: all of them merged, or one for each clone in turn, as in fio. */
export function traceChoice(job: ResolvedJob, jobnum: number, directory: string): TraceChoice {
  const { replay } = job;
  if (replay === null) {
    throw new TypeError(`job ${job.name} replays nothing`);
  }
  const { paths, merge, skip, scaleDivisor, alignBytes, timeScalePercent } = replay;
  if (paths.includes("-")) {
    refuse(job, "read_iolog=-: a trace is read more than once; save it to a file and name that");
  }
  // A power of two has one bit.
  if (alignBytes !== 0 && 2 ** Math.round(Math.log2(alignBytes)) !== alignBytes) {
    refuse(job, `replay_align=${alignBytes} must be a power of two`);
  }
  const chosen = merge === null ? [jobnum % paths.length] : [...paths.keys()];
  return {
    inputs: chosen.map((index) => ({
      path: resolve(directory, paths[index] ?? ""),
      timePercent: merge?.scalarsPercent[index] ?? 100,
      iterations: merge?.iterations[index] ?? 1,
    })),
    event: replay.event,
    shape: { skip, scaleDivisor, alignBytes, timeScalePercent },
  };
}

/** Looks at every trace that jobs replay, so that planning finds them known. A signal ends it. */
export async function scanTraces(
  jobs: readonly ResolvedJob[],
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  for (const job of jobs.filter(({ replay }) => replay !== null)) {
    const own = Math.min(job.numjobs, job.replay?.merge === null ? job.replay.paths.length : 1);
    for (let jobnum = 0; jobnum < own; jobnum += 1) {
      await scanAhead(traceChoice(job, jobnum, directory), signal);
    }
  }
}

function pathsText(choice: TraceChoice): string {
  return choice.inputs.map(({ path }) => path).join(":");
}

function refuseWhatCannotBe(job: ResolvedJob, choice: TraceChoice, facts: TraceFacts): void {
  const path = pathsText(choice);
  if (operationsOf(facts) === 0) {
    const why = facts.skipped > 0 ? `; replay_skip leaves out all ${facts.skipped}` : "";
    refuse(job, `trace ${path} holds no operation to replay${why}`);
  }
  const far = facts.files.find(({ endBytes }) => endBytes > Number.MAX_SAFE_INTEGER);
  if (far !== undefined) {
    refuse(job, `trace ${path} reaches beyond 2^53 bytes of ${far.name}; use replay_scale=`);
  }
  if (job.verify !== null) {
    refuse(job, "verify= with read_iolog= is known to fio, not supported here; leave verify= out");
  }
  const sum = facts.bytes.reduce((all, bytes) => all + bytes, 0);
  if (sum > Number.MAX_SAFE_INTEGER) {
    refuse(job, `trace ${path} moves more than 2^53 bytes`);
  }
}

/** Devices of block traces have a number only. */
const isNumber = (name: string) => /^\d+,\d+$/.test(name);

/** The path that each name of the trace stands for. */
function pathsOf(
  job: ResolvedJob,
  jobnum: number,
  facts: TraceFacts,
  choice: TraceChoice,
  { target, directory }: { readonly target: Target | null; readonly directory: string },
): string[] {
  const redirect = target?.kind === "raw" ? target.path : job.replay?.redirect;
  if (redirect !== null && redirect !== undefined) {
    return facts.files.map(() => resolve(directory, redirect));
  }
  const folder = job.directories[jobnum % Math.max(1, job.directories.length)];
  const place = (name: string) =>
    resolve(directory, folder === undefined ? name : join(folder, name));
  const byNumber = facts.formats.some((format) => format === "blktrace" || format === "blkparse");
  const devices = byNumber ? facts.files.filter(({ name }) => isNumber(name)) : [];
  const { filenames } = job;
  if (devices.length > 0 && filenames.length !== 1 && filenames.length !== devices.length) {
    const numbers = devices.map(({ name }) => name).join(" ");
    refuse(
      job,
      filenames.length === 0
        ? `trace ${pathsText(choice)} names devices by number only (${numbers}); say where to replay it with replay_redirect= or filename=`
        : `trace ${pathsText(choice)} has ${devices.length} devices (${numbers}), filename= names ${filenames.length}; name one for all, or one for each`,
    );
  }
  return facts.files.map((file) => {
    const index = devices.indexOf(file);
    return place(index < 0 ? file.name : (filenames[index] ?? filenames[0] ?? file.name));
  });
}

const changesFile = ({ operations }: TraceFileFacts) => operations[1] + operations[2] > 0;

/** A trace that is written to while it is read is none. */
function refuseItself(
  job: ResolvedJob,
  choice: TraceChoice,
  byPath: ReadonlyMap<string, readonly TraceFileFacts[]>,
): void {
  const own = choice.inputs.find(({ path }) => byPath.get(path)?.some(changesFile) === true);
  if (own !== undefined) {
    refuse(job, `trace ${own.path} would be written to by its own replay; use replay_redirect=`);
  }
}

/** One file: the whole of what its names in the trace reach. */
function fileAt(
  job: ResolvedJob,
  path: string,
  facts: readonly TraceFileFacts[],
  choice: TraceChoice,
): PlannedFile {
  const end = Math.max(...facts.map(({ endBytes }) => endBytes));
  const found = lookUp(path);
  checkFile(job, path, found);
  const block = found?.isBlockDevice() === true;
  const present = block && found !== null ? blockDeviceBytes(path, found) : 0;
  if (block && end > present) {
    refuse(
      job,
      `trace ${pathsText(choice)} reaches byte ${end} of ${path}, which has ${present}; use replay_scale= or a larger device`,
    );
  }
  return {
    path,
    kind: block ? "block" : "file",
    offsetBytes: 0,
    sizeBytes: end,
    fileBytes: block ? present : end,
    created: found === null,
    access: {
      reads: facts.some(({ operations }) => operations[0] > 0),
      writes: facts.some(changesFile),
    },
  };
}

function syntheticFile(
  job: ResolvedJob,
  target: Target,
  facts: TraceFacts,
  choice: TraceChoice,
): PlannedFile {
  const end = Math.max(...facts.files.map(({ endBytes }) => endBytes));
  if (target.kind === "store") {
    return storeFile(job, target, { unit: 1, start: () => 0, asked: () => end });
  }
  const model = target.kind === "null" ? target.model : null;
  if (model !== null && target.text.includes("size=") && end > model.size) {
    refuse(
      job,
      `trace ${pathsText(choice)} reaches byte ${end}, target ${target.text} has ${model.size}; use replay_scale= or a larger size=`,
    );
  }
  return {
    path: target.text,
    kind: target.kind === "memory" ? "memory" : model === null ? "null" : "synthetic",
    offsetBytes: 0,
    sizeBytes: end,
    fileBytes: end,
    created: false,
  };
}

/** The files of a clone that replays a trace, and the trace. Reads the trace, unless it is known. */
export function planTrace(
  job: ResolvedJob,
  jobnum: number,
  target: Target | null,
  directory: string,
): { readonly files: readonly PlannedFile[]; readonly trace: PlannedTrace } {
  const choice = traceChoice(job, jobnum, directory);
  const facts = scanTrace(choice);
  refuseWhatCannotBe(job, choice, facts);
  const byPath = new Map<string, TraceFileFacts[]>();
  const elsewhere = target !== null && target.kind !== "raw" ? target : null;
  const paths =
    elsewhere === null
      ? pathsOf(job, jobnum, facts, choice, { target, directory })
      : facts.files.map(() => elsewhere.text);
  for (const [index, file] of facts.files.entries()) {
    const path = paths[index] ?? "";
    byPath.set(path, [...(byPath.get(path) ?? []), file]);
  }
  const places = [...byPath.keys()];
  refuseItself(job, choice, byPath);
  const files =
    elsewhere === null
      ? [...byPath].map(([path, own]) => fileAt(job, path, own, choice))
      : [syntheticFile(job, elsewhere, facts, choice)];
  const all = facts.bytes[0] + facts.bytes[1];
  const { ioSize } = job;
  const mostBytes =
    ioSize === null
      ? null
      : ioSize.kind === "bytes"
        ? ioSize.bytes
        : Math.floor((all * ioSize.percent) / 100);
  const spec = {
    ...choice,
    files: facts.files.map(({ name }, index) => ({
      name,
      file: places.indexOf(paths[index] ?? ""),
    })),
    // Without times (version 2 without waits) there is nothing to keep to.
    paced: job.replay?.noStall === false && facts.lastNs > 0,
    passes: job.timeBased ? 0 : job.loops,
    mostOperations: job.numberIos,
    mostBytes,
    operations: operationsOf(facts),
  };
  return { files, trace: { spec, facts } };
}

/** Bytes of a buffer of a replay: the largest read or write, as far as memory allows. */
export function traceSlotBytes({ facts }: PlannedTrace, depth: number): number {
  const most = Math.max(leastSlotBytes, Math.floor(buffersBytes / depth / 4096) * 4096);
  const largest = Math.max(facts.largest[0], facts.largest[1], 512);
  return Math.min(Math.ceil(largest / 512) * 512, most);
}

/** Bytes that a replay reads and writes if nothing ends it earlier. */
export function traceBytes({ spec, facts }: PlannedTrace): number | null {
  const once = facts.bytes[0] + facts.bytes[1];
  const all = once * spec.passes;
  return spec.passes === 0 ? null : Math.min(all, spec.mostBytes ?? all);
}

/** What a reader of the results has to know of a trace, one line each. */
export function traceNotes({ spec, facts }: PlannedTrace, slotBytes: number): string[] {
  const notes: string[] = [];
  const count = operationsOf(facts);
  const seconds = (facts.lastNs / 1e9).toFixed(3);
  const pace = spec.paced
    ? `over ${seconds} s (replay_time_scale=${spec.shape.timeScalePercent})`
    : "as fast as the queue takes them";
  notes.push(`replays ${count} operations of ${pathsText(spec)}, ${pace}`);
  const largest = Math.max(facts.largest[0], facts.largest[1]);
  if (largest > slotBytes) {
    notes.push(
      `reads and writes above ${slotBytes} bytes were split, the largest of the trace has ${largest}; each part counts as an operation`,
    );
  }
  if (facts.wentBack > 0) {
    notes.push(
      `${facts.wentBack} operations of the trace have a time before that of the one before them; they were sent right after it`,
    );
  }
  return notes;
}

/** Traces that a job reads and writes. */
export function traceFiles({ trace, iolog, mergedPath }: PlannedJob): string[] {
  const read = trace?.spec.inputs.map(({ path }) => path) ?? [];
  return [...read, ...[iolog?.path, mergedPath].filter((path) => path !== undefined)];
}
