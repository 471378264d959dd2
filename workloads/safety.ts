/**
 * Whether a run may write where it means to (`cli.md`, "What is safe"). Judged before anything is
 * opened for writing, by what a path leads to and not by what it is called.
 */
import { type BigIntStats, statSync } from "node:fs";
import { OsdynoError } from "../engine/base/error.ts";
import { deviceNumberText } from "../engine/device/facts-files.ts";
import { loopsOver } from "../engine/device/holders.ts";
import { mountOfPath } from "../engine/device/mounts.ts";
import { type ProbeContext, probeContext, probeDevice } from "../engine/device/probe.ts";
import { probeSignatures } from "../engine/device/signatures.ts";
import { type HoldKind, isHeld } from "../engine/os/hold.ts";
import { otherPaths } from "../engine/store/store-devices.ts";
import {
  destroyAdvice,
  type Judgement,
  judgeDevice,
  listWords,
  noOverride,
  type Permission,
  signatureText,
} from "./device-verdict.ts";
import type { ResolvedJob } from "./job/model.ts";
import { isUnfinished, type PlannedLog, rootIn } from "./log-place.ts";
import { hasPath, type PlannedFile, type PlannedJob, type RunPlan } from "./plan-model.ts";
import { resolveExisting } from "./scratch.ts";
import { destroyedBy, otherDevicesMade, type PlannedStore } from "./store-plan.ts";
import { storePlace } from "./store-target.ts";

export interface SafetyOptions {
  /** `--destroy` was given. */
  readonly destroy: boolean;
  /** Scratch places: directories, or devices named as such (`scratchPlaces`). */
  readonly scratch: readonly string[];
  /** Files that earlier runs of this same command created, e.g. of a repeat. */
  readonly ownFiles?: readonly string[];
}

export interface FileVerdict {
  readonly path: string;
  /** What the path leads to; this is what should be opened. */
  readonly resolvedPath: string;
  /** Names of the jobs that write to it. */
  readonly jobs: readonly string[];
  readonly permission: Permission;
  readonly allowed: boolean;
  /** What stands there, as the end of a sentence that begins with the path. */
  readonly reason: string;
  /** What to do about it; empty when it is allowed. */
  readonly advice: string;
}

export interface SafetyVerdict {
  readonly allowed: boolean;
  /** Every file and device that the run writes to; those it only reads are not here. */
  readonly files: readonly FileVerdict[];
}

const storeAdvice = "give --destroy to make a store there, or name another path";

/** File systems of the kernel's own: a file made there is a mistyped device name. */
const kernelFileSystems = new Set(["devtmpfs", "proc", "sysfs", "cgroup", "cgroup2", "devpts"]);

/** /dev/null, /dev/zero and /dev/full: writing to them changes nothing. */
const harmlessDevices = new Set(["1:3", "1:5", "1:7"]);

function statOf(path: string): BigIntStats | null {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return null;
  }
}

function isWithin(path: string, directory: string): boolean {
  return (
    path === directory || path.startsWith(directory.endsWith("/") ? directory : `${directory}/`)
  );
}

/** What stands in a file, for the message; nothing when it cannot be read. */
function contentText(path: string): string {
  try {
    const found = probeSignatures(path);
    return found.length === 0 ? "" : ` that holds ${listWords(found.map(signatureText))}`;
  } catch {
    return "";
  }
}

/** Whether a file has the label of a device of an object store. */
function isStoreDevice(path: string): boolean {
  try {
    return storePlace(path).kind === "store";
  } catch {
    return false;
  }
}

class Judge {
  private readonly context: ProbeContext;
  private readonly scratch: readonly string[];
  private readonly ownFiles: ReadonlySet<string>;

  constructor(options: SafetyOptions, context: ProbeContext) {
    this.context = context;
    // The innermost place first: it is the one whose mounts count.
    this.scratch = options.scratch
      .map((place) => resolveExisting(place))
      .sort((a, b) => b.length - a.length);
    this.ownFiles = new Set((options.ownFiles ?? []).map((file) => resolveExisting(file)));
  }

  /** What jobs write to as it is: others may do so at the same time. */
  path(path: string, resolved: string): Judgement {
    return this.free(path, "shared", this.place(path, resolved));
  }

  /** The same unless somebody else has it so that it cannot be had in this way. */
  private free(path: string, kind: HoldKind, judgement: Judgement): Judgement {
    const stat = statOf(path);
    const lockable = stat?.isFile() === true || stat?.isBlockDevice() === true;
    if (judgement.permission === "never" || !lockable || !isHeld(path, kind)) {
      return judgement;
    }
    const reason = "is in use by another osdyno, or by whoever else has locked it";
    return { permission: "never", reason, advice: `end that first, ${noOverride}` };
  }

  private place(path: string, resolved: string): Judgement {
    const stat = statOf(path);
    if (stat === null) {
      return this.absent(resolved);
    }
    if (stat.isBlockDevice()) {
      const isScratch = this.scratch.includes(resolved);
      return judgeDevice(probeDevice(path, this.context), isScratch);
    }
    if (stat.isFile()) {
      return this.regularFile(resolved, stat);
    }
    if (stat.isCharacterDevice() && harmlessDevices.has(deviceNumberText(stat.rdev))) {
      return { permission: "free", reason: "takes everything and keeps nothing" };
    }
    const reason = stat.isDirectory() ? "is a directory" : "is neither a file nor a block device";
    return { permission: "never", reason, advice: "name a file or a block device" };
  }

  /** Inside a store that is there everything is the store's; to make one must destroy nothing else. */
  store(store: PlannedStore): Judgement {
    return this.free(store.path, "alone", this.storeThere(store));
  }

  private storeThere(store: PlannedStore): Judgement {
    const judgement = this.place(store.path, store.path);
    if (judgement.permission === "never" || store.place.kind === "absent") {
      return judgement;
    }
    if (judgement.permission === "free" && this.ownFiles.has(store.path)) {
      return judgement;
    }
    const destroyed = destroyedBy(store);
    return destroyed === null
      ? { permission: "free", reason: "holds an object store of ours" }
      : { permission: "needs-destroy", reason: destroyed, advice: storeAdvice };
  }

  /** The place of a write log: a log, or what it is made on. */
  log(path: string, log: PlannedLog): Judgement {
    return this.free(path, "alone", this.logThere(path, log));
  }

  private logThere(path: string, log: PlannedLog): Judgement {
    if (rootIn(log) !== null) {
      return { permission: "free", reason: "is a write log" };
    }
    const judgement = this.place(path, path);
    const why = { damaged: "whose roots are both damaged", version: "of another version" };
    if (judgement.permission === "never" || (log.found !== "damaged" && log.found !== "version")) {
      return judgement;
    }
    const reason = `holds records of a write log ${why[log.found]}, and perhaps writes that its image lacks`;
    const advice = "give --destroy to make a log anew there and give them up, or name another path";
    return { permission: "needs-destroy", reason, advice };
  }

  /** The place of a db or wal device of a store that is made: blank, or that store's own before. */
  storeDevice(store: PlannedStore, path: string): Judgement {
    return this.free(path, "alone", this.deviceThere(store, path));
  }

  private deviceThere(store: PlannedStore, path: string): Judgement {
    const judgement = this.place(path, path);
    if (judgement.permission === "never" || statOf(path) === null) {
      return judgement;
    }
    if (judgement.permission === "free" && this.ownFiles.has(path)) {
      return judgement;
    }
    const own = store.place.kind === "store" ? store.place.label.storeId : null;
    const there = storePlace(path);
    if (there.kind === "store" && there.label.storeId === own) {
      return { permission: "free", reason: "is a device of the store that is made anew" };
    }
    const reason =
      there.kind === "store"
        ? "belongs to another object store"
        : "is there and is no device of it";
    return { permission: "needs-destroy", reason, advice: storeAdvice };
  }

  private absent(resolved: string): Judgement {
    const fsType = mountOfPath(resolved, this.context.mounts)?.fsType ?? "";
    if (kernelFileSystems.has(fsType)) {
      const advice = "osdyno devices lists those there are";
      return { permission: "never", reason: "does not exist, and no device is made there", advice };
    }
    return { permission: "free", reason: "is created by the job" };
  }

  /** The scratch directory that holds a resolved path on its own file system. */
  private scratchOf(resolved: string): { place: string; mountedInside: string | null } | null {
    const place = this.scratch.find((directory) => isWithin(resolved, directory));
    if (place === undefined) {
      return null;
    }
    const mountPoint = mountOfPath(resolved, this.context.mounts)?.mountPoint ?? "/";
    const isInside = mountPoint !== place && isWithin(mountPoint, place);
    return { place, mountedInside: isInside ? mountPoint : null };
  }

  private regularFile(resolved: string, stat: BigIntStats): Judgement {
    const loops = loopsOver(resolved, this.context.loops());
    if (loops.length > 0) {
      const advice = `detach it first, ${noOverride}`;
      return { permission: "never", reason: `is in use as ${listWords(loops)}`, advice };
    }
    const isSwap = this.context.swaps.some((swap) => {
      const other = swap.isFile ? statOf(swap.path) : null;
      return other !== null && other.dev === stat.dev && other.ino === stat.ino;
    });
    if (isSwap) {
      const advice = `swapoff it first, ${noOverride}`;
      return { permission: "never", reason: "serves as swap", advice };
    }
    const scratch = this.scratchOf(resolved);
    const isOwn = this.ownFiles.has(resolved);
    if (stat.nlink > 1n && (scratch !== null || isOwn)) {
      const reason = `has ${stat.nlink} names (hard links), and one may stand outside scratch places`;
      return { permission: "needs-destroy", reason, advice: destroyAdvice };
    }
    if (isOwn) {
      return { permission: "free", reason: "was created by this command" };
    }
    if (scratch === null) {
      const reason = `is an existing file${contentText(resolved)} outside the scratch places`;
      return { permission: "needs-destroy", reason, advice: destroyAdvice };
    }
    if (scratch.mountedInside !== null) {
      const { mountedInside, place } = scratch;
      const reason = `lies on ${mountedInside}, which is mounted inside the scratch place ${place}`;
      return { permission: "needs-destroy", reason, advice: destroyAdvice };
    }
    return { permission: "free", reason: `lies in the scratch place ${scratch.place}` };
  }
}

/** Modes that never write or trim. A mixed mode of nothing but reads is one of them. */
function onlyReads({ rw, rwmixread, objects }: ResolvedJob): boolean {
  if (objects !== null) {
    // Objects that are not there are put before the run.
    return false;
  }
  return rw === "read" || rw === "randread" || (rwmixread === 100 && /^(rand)?rw$/.test(rw));
}

/**
 * Whether a job changes a file: it writes or trims, lays out a file that is too short, or removes it
 * at the end. The planner's own word is not enough to call a job harmless.
 */
export function changes(job: PlannedJob, file: PlannedFile): boolean {
  const { resolved, trace } = job;
  // A trace says what it does to each file; `rw` means nothing there.
  const traced = trace !== undefined && file.access !== undefined;
  const writes = traced ? file.access.writes : job.writes || !onlyReads(resolved);
  if (writes || resolved.unlink) {
    return true;
  }
  if (file.kind !== "file") {
    return false;
  }
  const stat = statOf(file.path);
  return stat === null || (stat.isFile() && Number(stat.size) < file.fileBytes);
}

function withPermission(
  path: string,
  resolvedPath: string,
  jobs: readonly string[],
  judgement: Judgement,
  destroy: boolean,
): FileVerdict {
  const { permission, reason } = judgement;
  const allowed = permission === "free" || (permission === "needs-destroy" && destroy);
  const advice = allowed ? "" : (judgement.advice ?? "");
  return { path, resolvedPath, jobs, permission, allowed, reason, advice };
}

/** Every file and device of a plan's stores, with the target that it belongs to. */
function devicesOf(stores: readonly PlannedStore[]): ReadonlyMap<string, string> {
  return new Map(
    stores.flatMap(({ path, place, options, text }) => {
      const label = place.kind === "store" ? place.label : null;
      const others = Object.values(otherPaths(options, label)).filter((other) => other !== null);
      return [path, ...others.map((other) => resolveExisting(other))].map((each) => [each, text]);
    }),
  );
}

/** What jobs on files are about to overwrite that was an object store, one line each. */
export function lostStores({ files }: SafetyVerdict, plan: RunPlan): string[] {
  const known = new Set(plan.stores.flatMap((store) => [store.path, ...otherDevicesMade(store)]));
  return files
    .filter(({ allowed, resolvedPath }) => allowed && !known.has(resolvedPath))
    .filter(({ resolvedPath }) => isStoreDevice(resolvedPath))
    .map(
      ({ path, reason }) =>
        `${path} held a device of an object store; it was overwritten, as it ${reason}`,
    );
}

/** Would a write to this path be refused? As `judgeWrites` judges it, for one path. */
export function judgePath(
  path: string,
  options: SafetyOptions,
  context: ProbeContext = probeContext(),
): FileVerdict {
  const resolved = resolveExisting(path);
  const judgement = new Judge(options, context).path(path, resolved);
  return withPermission(path, resolved, [], judgement, options.destroy);
}

/**
 * Judges every file and device that the plan writes to. Opens nothing for writing and throws nothing
 * for what it finds: `refuseUnsafe` does.
 */
export function judgeWrites(
  plan: RunPlan,
  options: SafetyOptions,
  context: ProbeContext = probeContext(),
): SafetyVerdict {
  const jobsByPath = new Map<string, Set<string>>();
  for (const job of plan.phases.flatMap((phase) => phase.jobs)) {
    for (const file of job.files) {
      if (hasPath(file.kind) && changes(job, file)) {
        const jobs = jobsByPath.get(file.path) ?? new Set();
        jobsByPath.set(file.path, jobs.add(job.resolved.name));
      }
    }
  }
  // What a log was left with goes to its image when it is opened, whatever the jobs do.
  for (const { text, log } of plan.chains) {
    const onPath = plan.phases.some((phase) =>
      phase.jobs.some(({ files }) => files.some((f) => f.path === text && hasPath(f.kind))),
    );
    if (log !== null && isUnfinished(log) && onPath) {
      const jobs = jobsByPath.get(text) ?? new Set();
      jobsByPath.set(text, jobs.add("the write-back of its write log"));
    }
  }
  const judge = new Judge(options, context);
  const ofStores = devicesOf(plan.stores);
  const files = [...jobsByPath].map(([path, jobs]) => {
    const resolved = resolveExisting(path);
    const store = ofStores.get(resolved);
    const judgement: Judgement =
      store === undefined
        ? judge.path(path, resolved)
        : {
            permission: "never",
            reason: `is a device of ${store}, which this run uses, too`,
            advice: `name another file, ${noOverride}`,
          };
    return withPermission(path, resolved, [...jobs], judgement, options.destroy);
  });
  const stores = plan.stores.map((store) => {
    const uses = ({ files: own }: PlannedJob) => own.some(({ path }) => path === store.text);
    const jobs = plan.phases.flatMap((phase) => phase.jobs.filter(uses));
    const names = [...new Set(jobs.map(({ resolved }) => resolved.name))];
    const { path } = store;
    const own = withPermission(path, path, names, judge.store(store), options.destroy);
    const others = otherDevicesMade(store).map((other) =>
      withPermission(other, other, names, judge.storeDevice(store, other), options.destroy),
    );
    return [own, ...others];
  });
  const logs = plan.chains.flatMap(({ log, text }) => {
    if (log === null || log.path === null) {
      return [];
    }
    const { path } = log;
    const judgement = judge.log(path, log);
    return [withPermission(path, path, [`the write log of ${text}`], judgement, options.destroy)];
  });
  const all = [...files, ...stores.flat(), ...logs];
  return { allowed: all.every((file) => file.allowed), files: all };
}

/** A refusal in one line: what stands there and what to do. */
export function refusalLine(file: FileVerdict): string {
  const target = file.resolvedPath === file.path ? "" : ` (${file.resolvedPath})`;
  const advice = file.advice === "" ? "" : `; ${file.advice}`;
  return `will not write to ${file.path}${target}: it ${file.reason}${advice}`;
}

/** Throws `unsafe` (exit code 4) with one line about the worst refusal; does nothing if all is allowed. */
export function refuseUnsafe(verdict: SafetyVerdict): void {
  const refused = verdict.files.filter((file) => !file.allowed);
  const worst = refused.find((file) => file.permission === "never") ?? refused[0];
  if (worst !== undefined) {
    const more = refused.length > 1 ? ` (and ${refused.length - 1} more)` : "";
    throw new OsdynoError("unsafe", refusalLine(worst) + more);
  }
}
