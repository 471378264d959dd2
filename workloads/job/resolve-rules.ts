/** From a draft's rules to a job's: what fio adjusts between its options, and what contradicts itself. */
import type { Draft } from "./draft.ts";
import type { BlockSizeRule, PerDirection, ResolvedJob } from "./model.ts";
import { badInput } from "./place.ts";
import { placeOf, type Resolving } from "./resolving.ts";
import type { LogRules, VerifyRule } from "./rules.ts";

type Rules = Pick<
  ResolvedJob,
  | "startDelayMaxNs"
  | "thinktimeSpinNs"
  | "thinktimeCounts"
  | "thinktimeIoNs"
  | "rateIgnoresThinktime"
  | "rateFloor"
  | "latencyTarget"
  | "queue"
  | "engineOptions"
  | "commandPriority"
  | "order"
  | "zones"
  | "flow"
  | "syncs"
  | "content"
  | "trims"
  | "fileRules"
  | "ends"
  | "steadyState"
  | "replay"
  | "logs"
  | "measures"
  | "host"
>;

type Direction = 0 | 1 | 2;

/** Everything of `rules.ts` but the verification. Throws `bad-input` at the key that is wrong. */
export function resolveRules(resolving: Resolving, uses: readonly Direction[]): Rules {
  const { draft } = resolving;
  const { pace, flow } = draft;
  return {
    startDelayMaxNs: Math.max(draft.startDelayNs, pace.startDelayMaxNs),
    thinktimeSpinNs: Math.min(pace.spinNs, draft.thinktimeNs),
    thinktimeCounts: pace.counts,
    thinktimeIoNs: pace.ioNs,
    rateIgnoresThinktime: pace.ignoreThinktime,
    rateFloor: resolveRateFloor(resolving),
    latencyTarget: resolveLatencyTarget(resolving),
    queue: resolveQueue(draft, uses),
    engineOptions: draft.engineOptions,
    commandPriority: resolveCommandPriority(draft),
    order: draft.order,
    zones: resolveZones(resolving),
    flow: flow.weight === 0 ? null : flow,
    syncs: draft.syncs,
    content: resolveContent(resolving),
    trims: draft.trims.percent === 0 ? null : resolveTrims(draft),
    fileRules: resolveFiles(draft),
    ends: draft.ends,
    steadyState: draft.steadyState.durationNs === 0 ? null : draft.steadyState,
    replay: resolveReplay(resolving),
    logs: resolveLogs(draft),
    measures: draft.measures,
    host: resolveHost(draft),
  };
}

function resolveRateFloor(resolving: Resolving): ResolvedJob["rateFloor"] {
  const { draft } = resolving;
  const { floorBytes: bytes, floorIops: iops, cycleNs } = draft.pace;
  if (bytes.some((rate) => rate > 0) && iops.some((rate) => rate > 0)) {
    throw badInput(
      placeOf(resolving, "rate_iops_min", "rate_min"),
      "rate_min and rate_iops_min exclude each other: keep one",
    );
  }
  for (const index of [0, 1, 2] as const) {
    const [rate, count] = [draft.rate[index], draft.rateIops[index]];
    if ((rate > 0 && rate < bytes[index]) || (count > 0 && count < iops[index])) {
      throw badInput(
        placeOf(resolving, "rate_min", "rate_iops_min"),
        "the least rate is above the rate itself",
      );
    }
  }
  return { bytes, iops, cycleNs };
}

function resolveLatencyTarget(resolving: Resolving): ResolvedJob["latencyTarget"] {
  const { latencyTarget } = resolving.draft;
  if (latencyTarget.targetNs === 0) {
    return null;
  }
  // Without a window every completion decides, as in fio.
  return latencyTarget.windowNs === 0 ? { ...latencyTarget, windowNs: 1 } : latencyTarget;
}

function resolveQueue(draft: Draft, uses: readonly Direction[]): ResolvedJob["queue"] {
  const { queue, iodepth, replay } = draft;
  const within = (value: number) => (value === 0 ? iodepth : Math.min(value, iodepth));
  // Nothing can overlap in a job that only reads, or that has one operation in flight.
  const overlapping = uses.some((index) => index > 0) && iodepth > 1;
  return {
    ...queue,
    submitBatch: within(queue.submitBatch),
    completeMin: Math.min(queue.completeMin, iodepth),
    completeMax: Math.max(queue.completeMin, queue.completeMax),
    low: within(queue.low),
    serializeOverlap:
      queue.serializeOverlap &&
      (overlapping || queue.submitMode === "offload" || replay.paths.length > 0),
  };
}

function resolveCommandPriority(draft: Draft): ResolvedJob["commandPriority"] {
  const { percent, class: classes, level, splits } = draft.commandPriority;
  if (percent.every((share) => share === 0) && splits.every((split) => split.length === 0)) {
    return null;
  }
  // Without a class fio means real time: a priority that is not asked for would be none.
  const shareOf = (index: 0 | 1) => ({
    percent: percent[index],
    class: classes[index] || 1,
    level: level[index],
  });
  return { shares: [shareOf(0), shareOf(1)], splits };
}

function resolveZones(resolving: Resolving): ResolvedJob["zones"] {
  const { mode, sizeBytes, rangeBytes, skipBytes } = resolving.draft.zones;
  const place = placeOf(resolving, "zonemode", "zonesize");
  if (mode === "none" && sizeBytes > 0) {
    throw badInput(place, "zonesize needs zonemode=strided");
  }
  if (mode === "strided" && sizeBytes === 0) {
    throw badInput(place, "zonemode=strided needs zonesize=");
  }
  if (sizeBytes === 0) {
    return null;
  }
  const range = rangeBytes === 0 ? sizeBytes : rangeBytes;
  if (range < sizeBytes) {
    throw badInput(place, `zonerange of ${range} bytes is smaller than zonesize of ${sizeBytes}`);
  }
  return { sizeBytes, rangeBytes: range, skipBytes };
}

function resolveContent(resolving: Resolving): ResolvedJob["content"] {
  const { draft } = resolving;
  const { content } = draft;
  if (content.dedupePercent > 0 && content.dedupeMode === "working_set") {
    if (!draft.places.has("size") && draft.size === null) {
      throw badInput(placeOf(resolving, "dedupe_mode"), "dedupe_mode=working_set needs size=");
    }
    if (content.dedupePercent + content.dedupeWorkingSetPercent > 100) {
      throw badInput(
        placeOf(resolving, "dedupe_percentage"),
        `dedupe_percentage=${content.dedupePercent} leaves no room for a working set of ${content.dedupeWorkingSetPercent}%: their sum must be at most 100`,
      );
    }
  }
  return { ...content, scramble: content.scramble && content.pattern.length === 0 };
}

function resolveTrims(draft: Draft): ResolvedJob["trims"] {
  const { trims } = draft;
  return { ...trims, backlogBatch: trims.backlogBatch || trims.backlog };
}

function resolveFiles(draft: Draft): ResolvedJob["fileRules"] {
  const { fileRules } = draft;
  const count = draft.filenames.length > 0 ? draft.filenames.length : draft.nrfiles;
  return {
    ...fileRules,
    openFiles: fileRules.openFiles === 0 ? count : Math.min(fileRules.openFiles, count),
    invalidate: fileRules.invalidate && !fileRules.preRead,
  };
}

/** What a trace decides, as in fio. */
const decidedByTrace = [
  ...["rw", "bs", "bsrange", "bssplit", "blockalign", "bs_unaligned", "size", "filesize", "offset"],
  ...[
    "offset_increment",
    "rwmixread",
    "rwmixwrite",
    "rate",
    "rate_iops",
    "rate_process",
    "arrival",
  ],
  ...["random_distribution", "percentage_random", "norandommap", "random_generator", "nrfiles"],
  ...["fsync", "fdatasync", "file_service_type", "zonemode"],
] as const;

function resolveReplay(resolving: Resolving): ResolvedJob["replay"] {
  const { mergePath, mergeScalars, mergeIterations, ...replay } = resolving.draft.replay;
  const { places } = resolving.draft;
  if (replay.paths.length === 0) {
    for (const [key, place] of places) {
      if (key.startsWith("replay_") || key.startsWith("merge_blktrace_")) {
        resolving.notes.add(
          place,
          key,
          `${key} has no effect without read_iolog: there is no trace`,
        );
      }
    }
    return null;
  }
  if (places.has("thinktime")) {
    throw badInput(
      placeOf(resolving, "thinktime"),
      "thinktime= with read_iolog= is known to fio, not supported here; leave one of them out",
    );
  }
  for (const key of decidedByTrace) {
    const place = places.get(key);
    if (place !== undefined) {
      resolving.notes.add(place, key, `${key} has no effect with read_iolog: the trace decides`);
    }
  }
  const counts = [mergeScalars.length, mergeIterations.length];
  if (mergePath !== null && counts.some((count) => count > 0 && count !== replay.paths.length)) {
    throw badInput(
      placeOf(resolving, "merge_blktrace_scalars", "merge_blktrace_iters"),
      `there must be one number for each of the ${replay.paths.length} traces`,
    );
  }
  const all = (values: readonly number[], otherwise: number) =>
    values.length > 0 ? values : replay.paths.map(() => otherwise);
  const merge =
    mergePath === null
      ? null
      : {
          path: mergePath,
          scalarsPercent: all(mergeScalars, 100),
          iterations: all(mergeIterations, 1),
        };
  return { ...replay, merge };
}

function resolveLogs(draft: Draft): LogRules {
  const { bw, lat, iops, hist, ...logs } = draft.logs;
  // A bare word means the job's own name.
  const prefix = (text: string | null) => (text === "" ? (draft.name ?? "") : text);
  return {
    ...logs,
    bwPrefix: prefix(bw),
    latPrefix: prefix(lat),
    iopsPrefix: prefix(iops),
    histPrefix: prefix(hist),
    // As in fio, a trace that is replayed is not written again.
    iologPath: draft.replay.paths.length > 0 ? null : logs.iologPath,
  };
}

function resolveHost(draft: Draft): ResolvedJob["host"] {
  const { prioClass, prioLevel, ...host } = draft.host;
  const given = ["prio", "prioclass"].some((key) => draft.places.has(key));
  // Source: ioprio_set(2). A level without a class is one of best effort, as fio makes it.
  const ioPriority = given ? { class: prioClass === 0 ? 2 : prioClass, level: prioLevel } : null;
  return { ...host, ioPriority };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function sizesOf(rule: BlockSizeRule): number[] {
  switch (rule.kind) {
    case "fixed":
      return [rule.bytes];
    case "range":
      return [rule.min, rule.max];
    case "split":
      return rule.entries.map((entry) => entry.bytes);
  }
}

/** Bytes that carry a header of their own: what was asked for if it divides every size, else the most that does. */
export function verifyInterval(
  asked: number,
  sizes: PerDirection<BlockSizeRule>,
  uses: readonly Direction[],
): number {
  const all = uses.flatMap((index) => sizesOf(sizes[index]));
  const common = all.reduce(greatestCommonDivisor, 0);
  return asked > 0 && common % asked === 0 ? asked : common;
}

/** The part of the verification beyond kind and pattern. */
export function resolveChecks(
  draft: Draft,
  sizes: PerDirection<BlockSizeRule>,
  uses: readonly Direction[],
): Omit<VerifyRule, "kind" | "pattern" | "patternOffsets" | "fatal" | "readBack"> {
  const { checks } = draft;
  return {
    ...checks,
    intervalBytes: verifyInterval(checks.intervalBytes, sizes, uses),
    backlogBatch: checks.backlogBatch === 0 ? checks.backlog : checks.backlogBatch,
  };
}
