/**
 * Run and sweep directories for tests of the report: plausible outcomes, written by the project's own
 * assembler and writer. Deterministic: the same arguments give the same figures.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import { assembleRun } from "../../results/assemble.ts";
import { emptyHistogram, type Histogram } from "../../results/histogram.ts";
import { IntervalStatistics } from "../../results/interval-statistics.ts";
import { RunWriter } from "../../results/run-directory.ts";
import type { ResolvedJob } from "../../workloads/job/model.ts";
import type { PlannedJob, RunPlan } from "../../workloads/plan-model.ts";
import type {
  DirectionOutcome,
  IntervalRow,
  JobOutcome,
  LatencyRecord,
  NativeOutcome,
  PlatRecord,
} from "../../workloads/run-outcome.ts";
import { resolvedJob } from "./results-fixture.ts";

export interface FixtureJob {
  readonly name: string;
  readonly rw: "randread" | "randwrite" | "randrw";
  readonly ioengine: string;
  readonly iodepth: number;
  readonly numjobs: number;
  readonly sync?: "none" | "dsync";
  /** Operations a second of an open loop. */
  readonly rate?: number;
  readonly stall?: boolean;
  readonly late?: boolean;
  /** Operations recorded; decides which percentiles are solid. */
  readonly samples?: number;
  readonly rampMs?: number;
}

export interface FixtureRun {
  readonly jobs: readonly FixtureJob[];
  readonly seed?: number;
  readonly state?: "complete" | "partial";
  readonly label?: string;
}

function randomOf(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 0.5) / 4_294_967_296;
  };
}

const intervalNs = 250e6;
const intervalCount = 40;

/** One clone's intervals in one direction, and what they add up to without the warm-up. */
interface Made {
  readonly rows: readonly IntervalRow[];
  readonly outcome: DirectionOutcome;
}

function recordOf(h: Histogram): LatencyRecord {
  const count = h.totalCount;
  const minNs = count === 0 ? 0 : h.minNonZeroValue > h.maxValue ? 0 : h.minNonZeroValue;
  const sumNs = h.mean * count;
  const sumSquares = (h.stdDeviation ** 2 + h.mean ** 2) * count;
  const hdr = encodeIntoCompressedBase64(h);
  return { count, minNs, maxNs: h.maxValue, sumNs: count === 0 ? 0 : sumNs, sumSquares, hdr };
}

const noPlat: PlatRecord = { count: 0, minNs: 0, maxNs: 0, sumNs: 0, sumSquares: 0, buckets: [] };

/** Service times with a tail; a stalled open loop makes arrivals wait up to a second. */
function makeClone(
  job: FixtureJob,
  direction: "read" | "write",
  index: number,
  random: () => number,
): Made {
  const outstanding = job.iodepth * job.numjobs;
  const base = (direction === "read" ? 80_000 : 25_000) * (job.sync === "dsync" ? 20 : 1);
  const engine = job.ioengine === "psync" ? 1.08 : 1;
  const meanNs = base * engine * (1 + (outstanding / 24) ** 1.15);
  const samples = Math.ceil((job.samples ?? 20_000) / job.numjobs);
  const perInterval = Math.ceil(samples / intervalCount);
  const closedRate = (job.iodepth * 1e9) / meanNs / (job.rw === "randrw" ? 2 : 1);
  const rate = job.rate === undefined ? closedRate : job.rate / job.numjobs;
  const sums = [emptyHistogram(), emptyHistogram(), emptyHistogram()] as const;
  const rows: IntervalRow[] = [];
  let ios = 0;
  for (let i = 1; i <= intervalCount; i += 1) {
    const stalled = job.stall === true && i > 16 && i <= 20;
    const warmup = i * 250 <= (job.rampMs ?? 0);
    const own = [emptyHistogram(), emptyHistogram(), emptyHistogram()] as const;
    for (let n = 0; n < (stalled ? 0 : perInterval); n += 1) {
      const tail = random() < 0.003 ? 4 + 12 * random() : 1;
      const service = Math.round(meanNs * (0.6 - 0.4 * Math.log(random())) * tail);
      const waited = job.stall === true && i > 20 && i <= 24 ? Math.round(1e9 * random()) : 0;
      own[0].recordValue(service);
      own[1].recordValue(waited);
      own[2].recordValue(service + waited + 700);
    }
    const done = stalled
      ? 0
      : Math.round((rate * 0.25 * (0.96 + 0.08 * random())) / (warmup ? 1.5 : 1));
    if (!warmup) {
      ios += done;
      sums.forEach((sum, at) => {
        sum.add(own[at] ?? emptyHistogram());
      });
    }
    rows.push(rowOf(i, index, direction, warmup, done, own));
  }
  const [service, wait, response] = sums.map(recordOf);
  if (service === undefined || wait === undefined || response === undefined) {
    throw new Error("three histograms were made");
  }
  const runtimeNs = intervalCount * intervalNs - (job.rampMs ?? 0) * 1e6;
  const rest = { shortIos: 0, errors: 0, runtimeNs, slat: noPlat, lat: noPlat };
  return { rows, outcome: { ios, bytes: ios * 4096, service, wait, response, ...rest } };
}

function rowOf(
  position: number,
  job: number,
  direction: "read" | "write",
  warmup: boolean,
  ios: number,
  [service, wait, response]: readonly [Histogram, Histogram, Histogram],
): IntervalRow {
  const at = (h: Histogram, p: number) => (h.totalCount === 0 ? 0 : h.getValueAtPercentile(p));
  const hdr = (h: Histogram) => (h.totalCount === 0 ? "" : encodeIntoCompressedBase64(h));
  return {
    endNs: position * intervalNs,
    lengthNs: intervalNs,
    job,
    direction,
    warmup,
    ios,
    bytes: ios * 4096,
    serviceP50Ns: at(service, 50),
    serviceP99Ns: at(service, 99),
    responseP50Ns: at(response, 50),
    responseP99Ns: at(response, 99),
    responseMaxNs: response.maxValue,
    inflight: 1,
    serviceHdr: hdr(service),
    waitHdr: hdr(wait),
    responseHdr: hdr(response),
  };
}

function resolvedOf(job: FixtureJob): ResolvedJob {
  const rate = job.rate === undefined ? null : job.rate / job.numjobs;
  const rule = rate === null ? null : ({ kind: "constant", rate, byBytes: false } as const);
  return resolvedJob(job.name, {
    rw: job.rw,
    numjobs: job.numjobs,
    ioengine: job.ioengine,
    iodepth: job.iodepth,
    direct: true,
    sync: job.sync ?? "none",
    runtimeNs: 10e9,
    rampNs: (job.rampMs ?? 0) * 1e6,
    arrival: [rule, rule, null],
    percentiles: [50, 99],
  });
}

function cloneOutcome(job: FixtureJob, read: Made | null, write: Made | null): JobOutcome {
  const ios = (read?.outcome.ios ?? 0) + (write?.outcome.ios ?? 0);
  const switches = {
    voluntarySwitches: 9,
    involuntarySwitches: 2,
    majorFaults: 0,
    minorFaults: 40,
  };
  const lateCount = job.late === true ? Math.round(ios * 0.045) : 0;
  return {
    name: job.name,
    startNs: 0,
    endNs: 10e9,
    measuredNs: 10e9 - (job.rampMs ?? 0) * 1e6,
    cpu: { userNs: 0.5e9, systemNs: 1.5e9, ...switches },
    read: read?.outcome ?? null,
    write: write?.outcome ?? null,
    trim: null,
    sync: noPlat,
    iodepthLevels: [1, 0, 0, 0, 0, 0, 0],
    submitLevels: [0, 1, 0, 0, 0, 0, 0],
    completeLevels: [0, 1, 0, 0, 0, 0, 0],
    generator: {
      lateCount,
      lateMaxNs: lateCount > 0 ? 2e6 : 0,
      lateThresholdNs: 50_000,
      droppedArrivals: 0,
      backlogMax: 3,
      backlogEnd: 0,
      busyShare: 0.41,
    },
    verify: null,
    error: null,
    stopped: false,
    notes: [],
  };
}

/** Writes the directory of one run: `run.json`, `series.csv`, `hist/`, `verify.json`. */
export function writeFixtureRun(dir: string, run: FixtureRun): void {
  const random = randomOf(run.seed ?? 1);
  const resolved = run.jobs.map(resolvedOf);
  const planned: PlannedJob[] = [];
  const outcomes: JobOutcome[] = [];
  const rows: IntervalRow[] = [];
  run.jobs.forEach((job, at) => {
    for (let jobnum = 0; jobnum < job.numjobs; jobnum += 1) {
      const index = planned.length;
      const read = job.rw === "randwrite" ? null : makeClone(job, "read", index, random);
      const write = job.rw === "randread" ? null : makeClone(job, "write", index, random);
      rows.push(...(read?.rows ?? []), ...(write?.rows ?? []));
      outcomes.push(cloneOutcome(job, read, write));
      const own = resolved[at];
      if (own !== undefined) {
        const { iodepth } = job;
        const facts = { files: [], writes: write !== null, iodepth, ioBytes: null, seed: 7 };
        planned.push({ resolved: own, jobnum, index, groupId: 0, ...facts });
      }
    }
  });
  const plan: RunPlan = {
    phases: [{ jobs: planned }],
    path: "native",
    chains: [],
    stores: [],
    notes: [],
    expectedSeconds: 10,
    expectedWriteBytes: 0,
  };
  const startedEpochMs = Date.UTC(2026, 10, 21, 0, 30);
  const label = run.label ?? "fixture";
  const writer = RunWriter.create({ out: dir, label, startedEpochMs, plan });
  const intervals = new IntervalStatistics(intervalNs);
  for (const row of rows.toSorted((a, b) => a.endNs - b.endNs)) {
    const job = planned[row.job];
    if (job !== undefined) {
      intervals.add(row.job, row);
      writer.interval(job, row, null);
    }
  }
  const lateness = recordOf(emptyHistogram());
  const outcome: NativeOutcome = {
    startedEpochMs,
    runtimeNs: 10e9,
    jobs: outcomes,
    hiccups: [{ cpu: 0, lateness }],
    processCpu: { userNs: 1e9, systemNs: 2e9 },
  };
  writer.finish(
    assembleRun({
      parsed: {
        jobs: resolved,
        globals: new Map(),
        sections: [],
        notes: [],
        text: run.jobs.map((j) => `[${j.name}]\nrw=${j.rw}\niodepth=${j.iodepth}\n`).join("\n"),
      },
      plan,
      phases: [{ jobs: planned, outcome, offsetNs: 0 }],
      intervals,
      environment: fixtureEnvironment,
      disks: [],
      command: ["osdyno", "run", "profiles/jobs/a b.fio", "--seed", "7"],
      label,
      seed: 7,
      state: run.state ?? "complete",
      ...(run.state === "partial" ? { reason: "stopped by SIGINT" } : {}),
      target: "raw:/tmp/scratch.img",
      chain: ["raw"],
      options: {},
      startedEpochMs,
      endedEpochMs: startedEpochMs + 10_000,
      rssBytes: 120_000_000,
    }),
  );
}

const fixtureEnvironment = {
  cpu: { model: "Imaginary <CPU> 3000", cores: 2 },
  memory_bytes: 8_589_934_592,
  kernel: "6.1.0-0-amd64",
  devices: [{ path: "/dev/vda", class: "ssd", scheduler: "none", size_bytes: 42_949_672_960 }],
  versions: { osdyno: "0.1.0", node: "24.21.0" },
};

export interface FixtureSweep {
  readonly preview: boolean;
  readonly repeat: number;
  readonly depths?: readonly number[];
  readonly samples?: number;
  /** Of the three, the first ones. */
  readonly workloads?: number;
  readonly comparisons?: readonly unknown[];
}

/** A sweep as the quick start makes it: three workloads, two engines, several depths. */
export function writeFixtureSweep(dir: string, sweep: FixtureSweep): void {
  const workloads = [
    { name: "read", rw: "randread", sync: "none" },
    { name: "write", rw: "randwrite", sync: "none" },
    { name: "durable", rw: "randwrite", sync: "dsync" },
  ] as const;
  const wanted = workloads.slice(0, sweep.workloads ?? workloads.length);
  const depths = sweep.depths ?? [1, 4, 16, 64];
  const points: unknown[] = [];
  let seed = 1;
  for (const workload of wanted) {
    for (const ioengine of ["psync", "io_uring"]) {
      for (const depth of depths) {
        const id = `${workload.name}-${ioengine}-${depth}`;
        const runs: string[] = [];
        for (let r = 1; r <= sweep.repeat; r += 1) {
          const iodepth = ioengine === "psync" ? 1 : depth;
          const numjobs = ioengine === "psync" ? depth : 1;
          const { rw, sync } = workload;
          const samples = sweep.samples ?? 3000;
          const job = { name: "job", rw, sync, ioengine, iodepth, numjobs, samples, rampMs: 500 };
          writeFixtureRun(join(dir, "points", id, String(r)), { jobs: [job], seed });
          runs.push(`points/${id}/${r}`);
          seed += 1;
        }
        const parameters = { workload: workload.name, ioengine, outstanding: String(depth) };
        points.push({ id, parameters, runs });
      }
    }
  }
  const record = {
    schema: "osdyno-sweep-1",
    state: "complete",
    name: "quickstart",
    question: "What do the block I/O engines make of this device at depths 1 to 64?",
    command: ["osdyno", "sweep", "profiles/sweeps/quickstart.yaml"],
    parameters: {
      workload: wanted.map((w) => w.name),
      ioengine: ["psync", "io_uring"],
      outstanding: depths.map(String),
    },
    repeat: sweep.repeat,
    preview: sweep.preview,
    metrics: ["iops", "response.p99"],
    points,
    comparisons: sweep.comparisons ?? [],
  };
  writeFileSync(join(dir, "sweep.json"), JSON.stringify(record, null, 1));
}
