/** The parts of an op stream's specification that only some jobs ask for: order, zones, trims, content, checks. */
import type { ResolvedJob } from "../job/model.ts";
import { blockLimits, directionsOf, sizesOf } from "../job-reach.ts";
import type { PlannedJob } from "../plan-model.ts";
import type {
  CheckFilesSpec,
  ContentSpec,
  DedupeSpec,
  OrderSpec,
  StreamSpec,
  VerifySpec,
} from "./native-spec.ts";

/** fio walks zones only with one file open at a time: with several it drops them. */
export function walksZones(job: ResolvedJob, files: number): boolean {
  return job.zones !== null && (files === 1 || job.fileRules.openFiles === 1);
}

function orderSpec(job: ResolvedJob, files: number): OrderSpec {
  const { order } = job;
  return {
    identical: order.sequencer === "identical",
    sizesByRandomness: order.sizesAreSequentialRandom,
    unalignedSizes: order.unalignedSizes,
    lfsr: order.generator === "lfsr",
    fileService: job.fileRules.service,
    openFiles: job.fileRules.openFiles < files ? job.fileRules.openFiles : 0,
  };
}

/** Seed of the working set that all jobs share. */
const globalSetSeed = 0x05d9_0e5e;

function dedupeSpec(job: PlannedJob): DedupeSpec | null {
  const { content } = job.resolved;
  if (content.dedupePercent === 0) {
    return null;
  }
  const bytes = job.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const piece = sizesOf(job.resolved.blockSizes[1]).min;
  const share = content.dedupeWorkingSetPercent / 100;
  const pieces = Math.max(1, Math.floor((bytes * share) / piece));
  return {
    percent: content.dedupePercent,
    workingSet: content.dedupeMode === "working_set" ? pieces : 0,
    setSeed: content.dedupeGlobal ? globalSetSeed : job.seed,
  };
}

function contentSpec(job: PlannedJob): ContentSpec {
  const { content, zeroBuffers, refillBuffers, verify } = job.resolved;
  return {
    pattern: content.pattern,
    patternOffsets: content.patternOffsets,
    compressChunkBytes: content.compressChunkBytes,
    scramble: content.scramble && !zeroBuffers && !refillBuffers && verify === null,
    dedupe: dedupeSpec(job),
  };
}

function verifySpec(job: ResolvedJob): VerifySpec | null {
  const { verify } = job;
  if (verify === null) {
    return null;
  }
  const { intervalBytes: interval, saveState: _save, loadState: _load, ...rule } = verify;
  // A job that only reads has nothing to wait for.
  return { ...rule, interval, backlog: directionsOf(job).write ? rule.backlog : 0 };
}

/** What fio does with the keys beyond the plain stream, for one planned job. */
export function streamRules(
  job: PlannedJob,
): Pick<StreamSpec, "order" | "zones" | "trims" | "data" | "regions"> {
  const { resolved } = job;
  const zoned = walksZones(resolved, job.files.length);
  const { zeroBuffers: zero, refillBuffers: refill, bufferCompressPercent } = resolved;
  return {
    // Zones are walked through the whole file or device, as in fio; size= only limits the bytes.
    regions: job.files.map((file) => ({
      offset: file.offsetBytes,
      size: zoned ? wholeOf(job.resolved, file) : file.sizeBytes,
    })),
    order: orderSpec(resolved, job.files.length),
    zones: zoned ? resolved.zones : null,
    trims: resolved.verify === null ? null : resolved.trims,
    data: {
      zero,
      refill,
      compressPercent: bufferCompressPercent,
      content: contentSpec(job),
      verify: verifySpec(resolved),
    },
  };
}

/**
 * Files that verification leaves or finds, in the current directory as with fio. A state is kept of
 * writes to files, devices and stores, and looked for where `verify_state_load` asks for it.
 */
export function checkFilesSpec(job: PlannedJob): CheckFilesSpec {
  const { verify, name } = job.resolved;
  const kept = job.files.some(
    ({ kind }) => kind === "file" || kind === "block" || kind === "store",
  );
  const writes = directionsOf(job.resolved).write && verify?.only !== true;
  const wanted = verify?.loadState === true || (verify?.saveState === true && writes);
  const state = `local-${name.replaceAll("/", "_")}-${job.index}-verify.state`;
  return { folder: "", state: kept && wanted ? state : null, load: verify?.loadState === true };
}

function wholeOf(job: ResolvedJob, file: PlannedJob["files"][number]): number {
  const rest = file.fileBytes - file.offsetBytes;
  return rest - (rest % blockLimits(job).min);
}
