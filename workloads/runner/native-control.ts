/** From a job's rules to what governs its native loop, and what of it needs that loop. */
import type { ResolvedJob } from "../job/model.ts";
import type { CommandPriority, CommandPrioritySplit } from "../job/rules.ts";
import type { PlannedJob } from "../plan-model.ts";
import type { ControlSpec, PriorityShareSpec } from "./control-spec.ts";

/** fio's batches, when the job file names any: else the loop hands over and reaps as it sees fit. */
function queueOf(job: ResolvedJob): ControlSpec["queue"] {
  const { submitBatch, completeMin, completeMax, low } = job.queue;
  const named = [...job.given.keys()].some((key) => key.startsWith("iodepth_"));
  return named ? { submit: submitBatch, completeMin, completeMax, low } : null;
}

function rateFloorOf({ rateFloor }: ResolvedJob): ControlSpec["rateFloor"] {
  const any = [...rateFloor.bytes, ...rateFloor.iops].some((rate) => rate > 0);
  return any ? rateFloor : null;
}

/** fio's `exitall` holds for every job of the run, each with its own `exit_what`. */
function exitOf(job: PlannedJob, run: readonly PlannedJob[]): ControlSpec["exit"] {
  const { exitAllOnError, exitWhat } = job.resolved.ends;
  return {
    onEnd: run.some(({ resolved }) => resolved.ends.exitAll),
    onError: exitAllOnError,
    what: exitWhat === "stonewall" ? "running" : exitWhat,
    group: job.groupId,
  };
}

/** Jobs of earlier phases have ended anyway. */
function waitForOf(job: PlannedJob, phase: readonly PlannedJob[]): number[] {
  const { waitFor } = job.resolved.ends;
  const own = phase.indexOf(job);
  return phase.flatMap((other, place) =>
    waitFor !== null && place < own && other.resolved.name === waitFor ? [place] : [],
  );
}

function sharesOf(
  share: CommandPriority,
  splits: readonly CommandPrioritySplit[],
): PriorityShareSpec[] {
  if (splits.length > 0) {
    return splits.map((split) => ({ ...split }));
  }
  return share.percent > 0 ? [{ ...share, bytes: 0 }] : [];
}

function commandPriorityOf(job: PlannedJob): ControlSpec["commandPriority"] {
  const rule = job.resolved.commandPriority;
  if (rule === null) {
    return null;
  }
  return {
    read: sharesOf(rule.shares[0], rule.splits[0]),
    write: sharesOf(rule.shares[1], rule.splits[1]),
    seed: job.seed,
  };
}

function hostOf({ host }: ResolvedJob): ControlSpec["host"] {
  const { ioPriority, memory } = host;
  const huge = memory.kind === "shmhuge" || memory.kind === "mmaphuge";
  return {
    nice: host.nice,
    ioPriority: ioPriority === null ? null : [ioPriority.class, ioPriority.level],
    memoryPolicy: host.memoryPolicy,
    hugePageBytes: huge ? host.hugePageBytes : null,
    lockedBytes: host.lockedBytes,
  };
}

/** `phase`: the jobs that start with this one, itself included; `run`: all of the run. */
export function controlSpec(
  job: PlannedJob,
  phase: readonly PlannedJob[],
  run: readonly PlannedJob[],
): ControlSpec {
  const { resolved } = job;
  const { continueOn, ignore, dumpErrors, maxLatencyNs } = resolved.ends;
  const { openFiles } = resolved.fileRules;
  return {
    queue: queueOf(resolved),
    offload: resolved.queue.submitMode === "offload",
    rateFloor: rateFloorOf(resolved),
    latencyTarget: resolved.latencyTarget,
    maxLatencyNs,
    errors: {
      continueOn: [continueOn.read, continueOn.write, continueOn.verify],
      ignore: [ignore.read, ignore.write, ignore.verify],
      dump: dumpErrors,
    },
    fillDevice: resolved.fileRules.fillDevice,
    exit: exitOf(job, run),
    waitFor: waitForOf(job, phase),
    flow: resolved.flow,
    unlinkEachLoop: resolved.fileRules.unlinkEachLoop,
    openFiles: openFiles < job.files.length ? openFiles : 0,
    lockFile: resolved.fileRules.lock,
    createOnOpen: resolved.fileRules.createOnOpen,
    fsyncOnClose: resolved.syncs.onClose,
    commandPriority: commandPriorityOf(job),
    host: hostOf(resolved),
  };
}

/** Whether what has happened ends the phases that follow: `exit_what=all`. */
export function endsRun(
  phase: readonly PlannedJob[],
  outcomes: readonly { readonly error: unknown }[],
  run: readonly PlannedJob[],
): boolean {
  return phase.some((job, place) => {
    const { onEnd, onError, what } = exitOf(job, run);
    const failed = outcomes[place] !== undefined && outcomes[place].error !== null;
    return what === "all" && (onEnd || (onError && failed));
  });
}

/** A key that only the native path's files have, if the job gives one. */
function fileKeyOf({ syncs, fileRules }: ResolvedJob): string | null {
  const found: readonly (readonly [boolean, string])[] = [
    [syncs.fileRange !== null, "sync_file_range"],
    [syncs.onClose, "fsync_on_close"],
    [fileRules.lock !== "none", `lockfile=${fileRules.lock}`],
    [fileRules.createOnOpen, "create_on_open"],
  ];
  return found.find(([given]) => given)?.[1] ?? null;
}

/**
 * Why a job cannot run here, as one line; `null` when it can. The engine path has one thread for all
 * jobs, so what is a thread's own needs the native path. `pathGiven`: the user asked for it, the target did not.
 */
export function refusalOf(
  job: ResolvedJob,
  path: "native" | "engine",
  pathGiven = true,
): string | null {
  const { host, ends, queue, flow, fileRules } = job;
  if (host.memory.file !== null) {
    return `mem=${host.memory.kind}:${host.memory.file} is known to fio, not supported here: buffers in a file; leave the file out`;
  }
  const mostAlign = 2 << 20;
  if (host.memoryAlignBytes > mostAlign) {
    return `iomem_align=${host.memoryAlignBytes}: at most ${mostAlign}`;
  }
  const readsToo = !job.rw.includes("write");
  if (fileRules.fillDevice && job.size === null && readsToo) {
    return "fill_device without size= is known to fio, supported here for jobs that only write";
  }
  if (queue.submitMode === "offload" && job.given.has("openfiles")) {
    return "openfiles with io_submit_mode=offload is known to fio, not supported here: each thread of the pool has the files open; leave one of them out";
  }
  if (path === "native") {
    return null;
  }
  const advice = pathGiven
    ? "leave --path engine out"
    : "stores and layers have one thread for all jobs: leave it out";
  const ofFiles = fileKeyOf(job);
  if (ofFiles !== null) {
    return `${ofFiles} is about files that are opened and closed; ${advice}`;
  }
  const needs: readonly (readonly [boolean, string])[] = [
    [queue.submitMode === "offload", "io_submit_mode=offload"],
    [ends.waitFor !== null, "wait_for"],
    [ends.exitAll, "exitall"],
    [ends.exitAllOnError, "exitall_on_error"],
    [flow !== null, "flow"],
    [fileRules.unlinkEachLoop, "unlink_each_loop"],
    [host.nice !== 0, "nice"],
    [host.ioPriority !== null, "prio"],
    [host.memoryPolicy !== null, "numa_mem_policy"],
    [host.memory.kind.endsWith("huge"), `mem=${host.memory.kind}`],
    [host.lockedBytes > 0, "lockmem"],
    [job.commandPriority !== null, "cmdprio_percentage"],
  ];
  const found = needs.find(([given]) => given)?.[1];
  return found === undefined ? null : `${found} needs a thread for each job; ${advice}`;
}
