/**
 * What the shares of mClock are parts of: the small random writes a second that a target can do. Stated by an
 * option, known from a synthetic target's parameters, or measured before the run on a twin of the target, as
 * Ceph's OSD measures it at its first start. One thing differs: Ceph's shards hand a write on and take the next,
 * so its bench hands over all at once; here a place in a shard is taken until the write is done, so as many are
 * under way as there are places.
 */
import { existsSync, rmSync, statfsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { median } from "simple-statistics";
import { OsdynoError } from "../engine/base/error.ts";
import type { SyntheticSpec } from "../engine/device/synthetic-spec.ts";
import { capacityOf, capacityOption, placesOf } from "../engine/hot/scheduler/options.ts";
import type { OptionSetting } from "../engine/options/option-set.ts";
import { findOption } from "../engine/options/registry.ts";
import { otherPaths } from "../engine/store/store-devices.ts";
import { kvOfNewStore } from "../engine/store/store-kv.ts";
import type { PlannedChain } from "../workloads/chain-plan.ts";
import type { RunPlan } from "../workloads/plan-model.ts";
import { resolveExisting } from "../workloads/scratch.ts";
import { plainStack, type StackChoice } from "../workloads/stack.ts";
import type { PlannedStore } from "../workloads/store-plan.ts";
import { parseTarget } from "../workloads/target.ts";
import {
  benchCapacity,
  benchDepth,
  capacityOf as benchedCapacity,
  benchRegionBytes,
  benchStoreBytes,
  capacityWrites,
} from "./fingerprint/capacity.ts";
import type { RunCapacity } from "./run-record.ts";
import { formatBytes } from "./units.ts";

const rounds = 3;
const objectBytes = 4 << 20;

/** What stands for a target while its capacity is measured. */
interface Twin {
  readonly target: string;
  readonly stack: StackChoice;
  readonly keys: readonly string[];
  readonly regionBytes: number;
  /** A file that is made for it and goes away again; null: there is none. */
  readonly path: string | null;
}

/** Where the capacity of one chain comes from. */
export type CapacitySource =
  | { readonly kind: "set" }
  | { readonly kind: "target"; readonly iops: number }
  /** Nobody says; `why` is null where nothing asks either. */
  | { readonly kind: "default"; readonly why: string | null }
  | { readonly kind: "measured"; readonly twin: Twin; readonly again: boolean };

/** Small writes a second that a synthetic device does at most; null: as many as come. */
function iopsOf({ iops, channels, serviceNs, bandwidth }: SyntheticSpec): number | null {
  const limits = [
    iops,
    channels === null || serviceNs === 0 ? null : (channels * 1e9) / serviceNs,
    bandwidth === null ? null : bandwidth / 4096,
  ].filter((each) => each !== null);
  return limits.length === 0 ? null : Math.min(...limits);
}

const besides = (path: string) => join(dirname(path), `osdyno-capacity-${process.pid}.tmp`);

/** Why no file can be made beside a path; null: there is room. */
function noRoom(path: string): string | null {
  if (statSync(path, { throwIfNoEntry: false })?.isBlockDevice() === true) {
    return "there is no room beside a block device";
  }
  const folder = dirname(path);
  if (statSync(folder, { throwIfNoEntry: false }) === undefined) {
    return `${folder} is not there yet`;
  }
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize < 2 * benchRegionBytes
    ? `${folder} has less than ${formatBytes(2 * benchRegionBytes)} free`
    : null;
}

/** A store with the same options and the same kind of metadata, of the bench's size. */
function storeTwin(store: PlannedStore, stack: StackChoice): Twin | string {
  const { path, place, make, options, settings, device } = store;
  const label = place.kind === "store" && make === null ? place.label : null;
  const why = Object.values(otherPaths(options, label)).some((other) => other !== null)
    ? "a db or wal device is the store's alone"
    : noRoom(path);
  if (why !== null) {
    return why;
  }
  const kv = label?.kv ?? kvOfNewStore(options, make?.sizeBytes ?? 0, false).name;
  const own = settings.filter(
    ({ name }) => findOption(name)?.layer === "store" && name !== "bluestore_kvbackend",
  );
  const kept: OptionSetting = { name: "bluestore_kvbackend", value: kv, origin: "the target" };
  const size = store.objectBytes ?? make?.objectBytes ?? objectBytes;
  const beside = besides(path);
  return {
    target: `store:${beside}?size=${benchStoreBytes}&object_size=${size}`,
    stack: { ...stack, deviceClass: device.deviceClass, settings: [...own, kept] },
    keys: [],
    regionBytes: benchRegionBytes,
    path: beside,
  };
}

/** What can be measured in the place of a chain's target; a text says why nothing can. */
function twinOf(chain: PlannedChain, plan: RunPlan, given: StackChoice): Twin | string {
  const stack = { ...given, settings: [] };
  const store = plan.stores.find(({ text }) => text === chain.text);
  if (store !== undefined) {
    return storeTwin(store, stack);
  }
  const users = plan.phases.flatMap(({ jobs }) => jobs);
  const job = users.find(({ files }) => files[0]?.path === chain.text);
  if (job?.files[0]?.kind === "synthetic") {
    const { sizeBytes } = job.files[0];
    const regionBytes = Math.min(benchRegionBytes, sizeBytes - (sizeBytes % objectBytes));
    return regionBytes === 0
      ? "the target is smaller than 4 MiB"
      : { target: chain.text, stack, keys: [], regionBytes, path: null };
  }
  const why = noRoom(chain.text);
  if (why !== null || job === undefined) {
    return why ?? "no job says how it is opened";
  }
  const { ioengine, direct } = job.resolved;
  const path = besides(resolveExisting(chain.text));
  return {
    ...{ target: `raw:${path}`, stack, path, regionBytes: benchRegionBytes },
    keys: [`ioengine=${ioengine}`, `direct=${direct ? 1 : 0}`],
  };
}

/** Decides where the capacity of a chain comes from; null: nothing on it shares any out. */
export function capacitySource(
  chain: PlannedChain,
  plan: RunPlan,
  stack: StackChoice,
): CapacitySource | null {
  const { options, layers, text, shape } = chain;
  if (!layers.includes("scheduler")) {
    return null;
  }
  const mclock = options.text("osd_op_queue") === "mclock_scheduler";
  const skips = options.flag("osd_mclock_skip_benchmark");
  const again = options.flag("osd_mclock_force_run_benchmark_on_init");
  const forced = mclock && again && !skips;
  if (options.isSet(capacityOption(options)) && !forced) {
    return { kind: "set" };
  }
  const target = text.startsWith("null:") ? parseTarget(text) : null;
  if (target?.kind === "null" && shape === null) {
    const iops = target.model === null ? null : iopsOf(target.model);
    return iops === null
      ? { kind: "default", why: "the target does as much as is asked of it" }
      : { kind: "target", iops };
  }
  if (!mclock || skips) {
    return { kind: "default", why: mclock ? "osd_mclock_skip_benchmark is true" : null };
  }
  const twin = twinOf(chain, plan, stack);
  return typeof twin === "string"
    ? { kind: "default", why: twin }
    : { kind: "measured", twin, again };
}

/** What a run needs to measure with. */
export interface CapacityContext {
  readonly stack?: StackChoice;
  /** Default: real. */
  readonly clock?: "real" | "virtual";
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Told what was found, one line. */
  readonly note: (line: string) => void;
}

/** A capacity is measured once a command, as an OSD measures it once: runs of a sweep have the same. */
const known = new Map<string, readonly number[]>();

async function rates(twin: Twin, depth: number, again: boolean, context: CapacityContext) {
  const { target, stack, keys } = twin;
  const key = JSON.stringify([target, stack, keys, depth]);
  const before = again ? undefined : known.get(key);
  if (before !== undefined) {
    return { found: before, fresh: false };
  }
  const { clock = "real", seed, signal } = context;
  // What stands there by that name is somebody else's: it is refused, and stays.
  const made = twin.path !== null && !existsSync(twin.path);
  try {
    const found = await benchCapacity({
      ...{ ...twin, depth, clock, rounds, seed, signal },
      // It writes to what it makes itself.
      ...{ destroy: false, scratch: [], onStep: () => {} },
    });
    known.set(key, found);
    return { found, fresh: true };
  } finally {
    if (made && twin.path !== null) {
      rmSync(twin.path, { force: true });
    }
  }
}

async function settle(
  chain: PlannedChain,
  source: CapacitySource,
  context: CapacityContext,
): Promise<{ capacity: RunCapacity; notes: readonly string[] }> {
  const { options, text: target } = chain;
  const option = capacityOption(options);
  const record = (isKnown: boolean, measured: readonly number[] = []): RunCapacity => {
    const { iops, bandwidth } = capacityOf(options);
    const origin = options.record()[option]?.origin ?? "default";
    return {
      ...{ target, option, iops, bandwidth_bytes: bandwidth, origin, known: isKnown },
      ...(measured.length === 0 ? {} : { rounds: measured }),
    };
  };
  if (source.kind === "set") {
    return { capacity: record(true), notes: [] };
  }
  if (source.kind === "default") {
    const { why } = source;
    const says = `${option}=${options.number(option)} is a default, which says nothing of ${target}`;
    const notes = why === null ? [] : [`${says}: ${why}; set it to have shares of the capacity`];
    return { capacity: record(false), notes };
  }
  if (source.kind === "target") {
    options.change({ name: option, value: String(source.iops), origin: "the target's parameters" });
    return { capacity: record(true), notes: [] };
  }
  const depth = Math.min(benchDepth, placesOf(options));
  const { found, fresh } = await rates(source.twin, depth, source.again, context);
  const iops = median([...found]);
  if (!Number.isFinite(iops) || iops <= 0) {
    throw new OsdynoError("io", `the capacity of ${target} could not be measured; set ${option}`);
  }
  options.change({ name: option, value: iops.toFixed(0), origin: "measured before the run" });
  const { notes } = benchedCapacity(found, options.kind, chain.shape !== null);
  const low = Math.min(...found).toFixed(0);
  const line = `capacity of ${target}: ${iops.toFixed(0)} writes of 4 KiB a second (${low} to ${Math.max(...found).toFixed(0)}), measured before the run, ${depth} at once, in ${found.length} rounds`;
  if (fresh) {
    context.note(line);
  }
  return { capacity: record(true, found), notes: [line, ...notes] };
}

/**
 * The plan with the capacity of every chain settled: its options have it then, and its notes say so. Throws
 * `io`, `bad-input` or `interrupted` when one is to be measured and cannot be.
 */
export async function withCapacities(
  plan: RunPlan,
  context: CapacityContext,
): Promise<{ readonly plan: RunPlan; readonly capacities: readonly RunCapacity[] }> {
  const capacities: RunCapacity[] = [];
  const told: string[] = [];
  for (const chain of plan.chains) {
    const source = capacitySource(chain, plan, context.stack ?? plainStack);
    if (source !== null) {
      const { capacity, notes } = await settle(chain, source, context);
      capacities.push(capacity);
      told.push(...notes);
    }
  }
  return { plan: { ...plan, notes: [...plan.notes, ...told] }, capacities };
}

/** What a plan says of the capacity of its chains before anything is measured, one line each. */
export function capacityPlan(plan: RunPlan, stack: StackChoice = plainStack): readonly string[] {
  return plan.chains.flatMap((chain) => {
    const source = capacitySource(chain, plan, stack);
    return source?.kind === "measured"
      ? [
          `capacity of ${chain.text}: measured first, ${formatBytes(capacityWrites(rounds))} written to ${source.twin.path ?? chain.text}`,
        ]
      : [];
  });
}
