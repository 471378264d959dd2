/**
 * The capacity that mClock shares out, measured as Ceph's own bench of an OSD does it at its first start: 100
 * objects of 4 MiB are written, then 12,288,000 bytes in writes of 4 KiB at random places of them, as many at
 * once as the store takes. Here on the object store, without what lies above it.
 */
import { existsSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { median } from "simple-statistics";
import { OsdynoError } from "../../engine/base/error.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import type { RunPlan } from "../../workloads/plan-model.ts";
import { planRun } from "../../workloads/planner.ts";
import { execute } from "../../workloads/runner/execute.ts";
import { layOut } from "../../workloads/runner/layout.ts";
import { virtualTime } from "../../workloads/runner/virtual-time.ts";
import { judgeWrites, refuseUnsafe } from "../../workloads/safety.ts";
import type { NamedShape } from "../../workloads/shape-profile.ts";
import { deviceClassOf, plainStack, type StackChoice } from "../../workloads/stack.ts";
import type { FingerprintPlace } from "./place.ts";
import type { ProfileCapacity } from "./profile.ts";

/** Of Ceph's bench. */
const benchBytes = 12_288_000;
const blockBytes = 4096;
const objectBytes = 4 << 20;
const objects = 100;
/** What is written over in the bench. */
export const benchRegionBytes = objects * objectBytes;
/** Ceph queues all 3000 writes at once and its throttles hold them back. */
export const benchDepth = 1000;
/** Of a store that is made for the bench. */
export const benchStoreBytes = 1 << 30;

/** What Ceph takes for a measurement, operations a second; what is beyond it ignores. */
const believed = { hdd: [50, 500], ssd: [1000, 80_000] } as const;

/** What is measured, and how. */
export interface CapacityBench {
  readonly target: string;
  readonly stack: StackChoice;
  /** Job keys beside the bench's own. */
  readonly keys: readonly string[];
  /** What is written over, in objects of 4 MiB. */
  readonly regionBytes: number;
  /** Writes at once. */
  readonly depth: number;
  readonly clock: "real" | "virtual";
  readonly rounds: number;
  readonly destroy: boolean;
  readonly scratch: readonly string[];
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onStep: (fraction: number, what: string) => void;
}

export interface CapacityRequest {
  readonly place: FingerprintPlace;
  readonly shape: NamedShape | null;
  readonly rounds: number;
  readonly destroy: boolean;
  readonly scratch: readonly string[];
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onStep: (fraction: number, what: string) => void;
}

/** Bytes that the measuring asks the store to write. */
export function capacityWrites(rounds: number): number {
  return benchRegionBytes + rounds * benchBytes;
}

interface CapacityStore {
  readonly path: string;
  readonly target: string;
  /** It is a file of its own and goes away again. */
  readonly made: boolean;
}

/** A block device itself; beside a file one of its own. */
function storeOf({ place }: CapacityRequest): CapacityStore {
  if (place.kind !== "path") {
    throw new OsdynoError(
      "bad-input",
      "--capacity is measured on a store: name a device, a file or a folder",
    );
  }
  const block = !place.made && statSync(place.path).isBlockDevice();
  const path = block ? place.path : join(dirname(place.path), `osdyno-capacity-${process.pid}.tmp`);
  const query = `size=${benchStoreBytes}&object_size=${objectBytes}${block ? "&fresh=1" : ""}`;
  // What stands there by that name is somebody else's: it is refused, and stays.
  return { path, target: `store:${path}?${query}`, made: !block && !existsSync(path) };
}

function jobsOf({ rounds, regionBytes, keys, depth }: CapacityBench): string {
  const common = [`size=${regionBytes}`, "direct=1", ...keys];
  const fill = ["[fill]", "rw=write", `bs=${objectBytes}`, "iodepth=4"];
  const bench = Array.from({ length: rounds }, (_, round) => [
    ...[`[bench${round + 1}]`, "stonewall", "rw=randwrite", `bs=${blockBytes}`, "norandommap"],
    // A slow device tells in this time what it does.
    ...[`iodepth=${depth}`, `io_size=${benchBytes}`, "runtime=10"],
  ]).flat();
  return `${["[global]", ...common, ...fill, ...bench].join("\n")}\n`;
}

function planOf(bench: CapacityBench): RunPlan {
  const { target, stack, seed } = bench;
  const parsed = parseJobs(
    [{ kind: "file", name: "capacity", text: jobsOf(bench) }],
    hostEnvironment(),
    { sections: [], target },
  );
  return planRun(parsed.jobs, {
    ...{ target, path: "engine", seed, directory: process.cwd(), stack },
  });
}

function benchOf(request: CapacityRequest, store: CapacityStore): CapacityBench {
  const { shape, rounds, destroy, scratch, seed, signal, onStep } = request;
  const stack = { ...plainStack, ...(shape === null ? {} : { shape }) };
  return {
    ...{ target: store.target, stack, keys: [], regionBytes: benchRegionBytes },
    ...{ depth: benchDepth, clock: "real" },
    ...{ rounds, destroy, scratch, seed, signal, onStep },
  };
}

/** Refuses what a run on such a store would be refused for. Throws `unsafe` or `bad-input`. */
export function checkCapacity(request: CapacityRequest): void {
  const { destroy, scratch } = request;
  const plan = planOf(benchOf(request, storeOf(request)));
  refuseUnsafe(judgeWrites(plan, { destroy, scratch }));
}

/** Operations a second of each round. Throws `unsafe`, `bad-input`, `io` or `interrupted`. */
export async function benchCapacity(bench: CapacityBench): Promise<readonly number[]> {
  const { signal, rounds, onStep, destroy, scratch } = bench;
  const plan = planOf(bench);
  refuseUnsafe(judgeWrites(plan, { destroy, scratch }));
  await layOut([plan], () => {}, signal);
  let begun = 0;
  const { phases, problem } = await execute(
    plan,
    {
      ...{ intervalNs: 1e9, hiccups: false, signal, watch: { check: () => null } },
      ...(bench.clock === "virtual" ? { time: virtualTime() } : {}),
    },
    {
      phase: () => {
        onStep(begun / (rounds + 1), begun === 0 ? "prefilling" : `bench ${begun}`);
        begun += 1;
      },
      intervals: () => {},
      progress: () => {},
      log: () => {},
      shouldStop: () => [],
      standing: () => {},
    },
  );
  if (signal.aborted) {
    throw new OsdynoError("interrupted", "the capacity was not measured to the end");
  }
  if (problem !== null) {
    throw problem;
  }
  return phases.slice(1).map(({ outcome }) => {
    const [job] = outcome.jobs;
    if (job === undefined || job.error !== null || job.write === null) {
      throw new OsdynoError("io", job?.error?.message ?? "the capacity's job reported nothing");
    }
    return (job.write.ios * 1e9) / job.write.runtimeNs;
  });
}

/** The capacity as a profile has it, with the line for Ceph's configuration. */
export function capacityOf(
  rates: readonly number[],
  deviceClass: string,
  modelled: boolean,
): ProfileCapacity {
  const kind = deviceClass === "hdd" ? "hdd" : "ssd";
  const [low, high] = believed[kind];
  const found = median([...rates]);
  const option = `osd_mclock_max_capacity_iops_${kind}`;
  const spread = Math.max(...rates) / Math.min(...rates) - 1;
  return {
    option,
    iops: { median: found, low: Math.min(...rates), high: Math.max(...rates) },
    rounds: rates.length,
    command: `ceph config set osd.N ${option} ${found.toFixed(2)}`,
    notes: [
      ...(found < low || found > high
        ? [
            `Ceph believes ${low} to ${high} of its own bench and keeps its default otherwise; a value that is set it takes`,
          ]
        : []),
      ...(spread > 0.2
        ? [
            `the rounds differ by ${(100 * spread).toFixed(0)}%: measure again when the machine is quiet`,
          ]
        : []),
      ...(modelled ? ["modelled: the device is a shape"] : []),
    ],
  };
}

/** Measures on a store made for it. Throws `unsafe`, `bad-input`, `io` or `interrupted`. */
export async function measureCapacity(request: CapacityRequest): Promise<ProfileCapacity> {
  const store = storeOf(request);
  const bench = benchOf(request, store);
  try {
    const rates = await benchCapacity(bench);
    const { deviceClass } = deviceClassOf(store.path, bench.stack);
    return capacityOf(rates, deviceClass, request.shape !== null);
  } finally {
    if (store.made) {
      rmSync(store.path, { force: true });
    }
  }
}
