/** Job specifications for tests of the engine path, and runs to their end on either path. */
import { native } from "../../engine/base/native.ts";
import type { BlockDevice } from "../../engine/port/block-device.ts";
import type { IntervalRow, NativeOutcome, RunPoll } from "../../workloads/run-outcome.ts";
import { startEnginePath } from "../../workloads/runner/engine-path.ts";
import { startEngineRun } from "../../workloads/runner/engine-run.ts";

const fixed = { kind: "fixed", bytes: 4096 };
const closed = { kind: "closed" };
export const regionBytes = 1 << 20;

const stream = {
  seed: 42,
  pattern: "random" as "random" | "sequential",
  mix: [100, 0, 0],
  trimThenWrite: false,
  sequentialStep: 0,
  opsPerDraw: 1,
  regions: [{ offset: 0, size: regionBytes }],
  blockSizes: [fixed, fixed, fixed],
  blockAlign: [4096, 4096, 4096],
  distribution: [{ kind: "random" }, { kind: "random" }, { kind: "random" }],
  percentageRandom: [100, 100, 100],
  randomMap: false,
  ioBytes: regionBytes,
  numberIos: null,
  loops: 1,
  timeBased: false,
  arrival: [closed, closed, closed],
  thinktimeNs: 0,
  thinktimeBlocks: 1,
  fsyncEvery: 0,
  fdatasyncEvery: 0,
  rangeFlush: null,
  endFsync: false,
  fua: false,
  data: {
    zero: false,
    refill: false,
    compressPercent: 0,
    verify: null as object | null,
  },
};

const plainJob = {
  name: "job",
  engine: { kind: "memory", size: regionBytes } as { kind: string; [key: string]: unknown },
  files: [] as { path: string }[],
  write: true,
  direct: false,
  sync: "none" as const,
  iodepth: 1,
  maxBlock: 16_384,
  startDelayNs: 0,
  runtimeNs: null as number | null,
  rampNs: 0,
  cpus: [] as number[],
  backlogCap: null,
  percentiles: [],
};

export const verifying = {
  kind: "crc32c",
  pattern: [],
  patternOffsets: [],
  fatal: false,
  readBack: true,
  interval: 4096,
};

/** A job with some values changed. */
export function job(
  change: Partial<typeof plainJob> = {},
  streamChange: Partial<Record<keyof typeof stream, unknown>> = {},
) {
  return { ...plainJob, ...change, stream: { ...stream, ...(streamChange as typeof stream) } };
}
export type TestJob = ReturnType<typeof job>;

export function specOf(jobs: readonly TestJob[]) {
  return { jobs, intervalNs: 50e6, hiccups: false };
}

export interface Finished {
  readonly outcome: NativeOutcome;
  readonly rows: readonly IntervalRow[];
  readonly last: RunPoll;
}

/** Over devices that the caller made. */
export async function runOver(
  jobs: readonly TestJob[],
  devices: readonly (readonly BlockDevice[])[],
): Promise<Finished> {
  const run = startEnginePath(specOf(jobs), devices);
  await run.done;
  const last = run.poll();
  return { outcome: run.result(), rows: last.intervals, last };
}

/** Over devices opened as the jobs say. */
export async function runEngine(jobs: readonly TestJob[]): Promise<Finished> {
  const run = startEngineRun(specOf(jobs));
  await run.done;
  const last = run.poll();
  return { outcome: run.result(), rows: last.intervals, last };
}

/** By the native runner's threads. */
export async function runNative(jobs: readonly TestJob[]): Promise<Finished> {
  const run = native().startRun(JSON.stringify(specOf(jobs)));
  const rows: IntervalRow[] = [];
  for (;;) {
    const last = JSON.parse(run.poll()) as RunPoll;
    rows.push(...last.intervals);
    if (last.finished) {
      return { outcome: JSON.parse(run.result()) as NativeOutcome, rows, last };
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
