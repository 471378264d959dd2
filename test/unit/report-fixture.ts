/**
 * Run and sweep directories as the contract describes them, with plausible figures, for tests of the
 * report. Deterministic: the same arguments write the same bytes (but for zlib's).
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, encodeIntoCompressedBase64 } from "hdr-histogram-js";

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

type Histogram = ReturnType<typeof build>;

function randomOf(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 0.5) / 4_294_967_296;
  };
}

function histogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 3_600_000_000_000,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 64,
  });
}

const listed = [1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.5, 99.9, 99.95, 99.99];

function latency(h: Histogram): object {
  const percentile: Record<string, number> = {};
  for (const p of listed) {
    percentile[p.toFixed(6)] = h.getValueAtPercentile(p);
  }
  return {
    N: h.totalCount,
    min: h.minNonZeroValue < 2 ** 53 ? h.minNonZeroValue : 0,
    max: h.maxValue,
    mean: h.mean,
    stddev: h.stdDeviation,
    percentile,
  };
}

interface Made {
  readonly service: Histogram;
  readonly wait: Histogram;
  readonly response: Histogram;
  readonly samples: number;
  readonly iops: number;
}

function makeDirection(job: FixtureJob, random: () => number): Made {
  const outstanding = job.iodepth * job.numjobs;
  const base = (job.rw === "randread" ? 80_000 : 25_000) * (job.sync === "dsync" ? 20 : 1);
  const engine = job.ioengine === "psync" ? 1.08 : 1;
  const service = histogram();
  const wait = histogram();
  const response = histogram();
  const samples = job.samples ?? 20_000;
  const meanNs = base * engine * (1 + (outstanding / 24) ** 1.15);
  let sum = 0;
  for (let i = 0; i < samples; i += 1) {
    const tail = random() < 0.003 ? 4 + 12 * random() : 1;
    const serviceNs = Math.round(meanNs * (0.6 - 0.4 * Math.log(random())) * tail);
    const stalled = job.stall === true && i > samples * 0.4 && i < samples * 0.5;
    const waitNs = stalled ? Math.round(1e9 * random()) : 0;
    service.recordValue(serviceNs);
    wait.recordValue(waitNs);
    response.recordValue(serviceNs + waitNs + 700);
    sum += serviceNs;
  }
  const closed = (outstanding * 1e9 * samples) / sum;
  return { service, wait, response, samples, iops: job.rate ?? closed };
}

/** Writes `run.json`, `series.csv` and `hist/` into `dir`. */
export function writeFixtureRun(dir: string, run: FixtureRun): void {
  mkdirSync(join(dir, "hist"), { recursive: true });
  const random = randomOf(run.seed ?? 1);
  const records: unknown[] = [];
  const series = [
    "time_ms,job,direction,iops,bw_bytes,service_p50_ns,service_p99_ns,response_p50_ns,response_p99_ns," +
      "response_max_ns,inflight,cpu_user_pct,cpu_sys_pct,dev_util_pct,dev_read_ios,dev_write_ios",
  ];
  for (const job of run.jobs) {
    const directions = job.rw === "randrw" ? ["read", "write"] : [job.rw.slice(4)];
    const made = new Map(directions.map((d) => [d, makeDirection(job, random)]));
    records.push(recordOf(job, made));
    for (const [direction, m] of made) {
      writeHistograms(dir, job, direction, m);
      series.push(...seriesOf(job, direction, m, random));
    }
  }
  writeFileSync(join(dir, "series.csv"), `${series.join("\n")}\n`);
  writeFileSync(join(dir, "run.json"), JSON.stringify(runRecord(run, records), null, 1));
}

function writeHistograms(dir: string, job: FixtureJob, direction: string, made: Made): void {
  for (const kind of ["service", "wait", "response"] as const) {
    const h = made[kind];
    const line = `0.000,10.000,${(h.maxValue / 1e6).toFixed(3)},${encodeIntoCompressedBase64(h)}`;
    const text = `#[Histogram log format version 1.3]\n"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n${line}\n`;
    writeFileSync(join(dir, "hist", `${job.name}.${direction}.${kind}.hlog`), text);
  }
}

function seriesOf(
  job: FixtureJob,
  direction: string,
  made: Made,
  random: () => number,
): readonly string[] {
  const rows: string[] = [];
  for (let ms = 250; ms <= 10_000; ms += 250) {
    const warm = ms <= (job.rampMs ?? 0) ? 0.7 + 0.3 * (ms / (job.rampMs ?? 1)) : 1;
    const stalled = job.stall === true && ms > 4_000 && ms <= 5_000;
    const iops = stalled ? 0 : made.iops * warm * (0.96 + 0.08 * random());
    const p50 = made.response.getValueAtPercentile(50);
    const p99 = made.response.getValueAtPercentile(99) * (0.8 + 0.4 * random());
    const latencies = stalled
      ? ["", "", "", "", ""]
      : [p50, p99, p50, p99, p99 * 1.7].map((x) => String(Math.round(x)));
    const name = job.name;
    rows.push(
      `${ms},${name},${direction},${iops.toFixed(1)},${Math.round(iops * 4096)},${latencies.join(",")},` +
        `${job.iodepth},12.5,30.1,98.0,${Math.round(iops / 4)},0`,
    );
  }
  return rows;
}

function recordOf(job: FixtureJob, made: ReadonlyMap<string, Made>): unknown {
  const fio: Record<string, unknown> = {};
  const ours: Record<string, unknown> = {};
  for (const [direction, m] of made) {
    fio[direction] = {
      io_bytes: m.samples * 4096,
      bw_bytes: m.iops * 4096,
      iops: m.iops,
      runtime: 10_000,
      total_ios: m.samples,
    };
    ours[direction] = {
      service_ns: latency(m.service),
      wait_ns: latency(m.wait),
      response_ns: latency(m.response),
    };
  }
  return {
    jobname: job.name,
    groupid: 0,
    error: 0,
    ...fio,
    job_runtime: 10_000,
    osdyno: {
      ...ours,
      generator: {
        late: job.late === true,
        saturated: false,
        overloaded: false,
        loop: job.rate === undefined ? "closed" : "constant",
        late_count: job.late === true ? 900 : 0,
        late_share: job.late === true ? 0.045 : 0,
        late_max_ns: 2_000_000,
        late_threshold_ns: 50_000,
        dropped_arrivals: 0,
        backlog_max: 3,
        busy_share: 0.41,
        hiccups: { p99_ns: 61_000, p99_9_ns: 120_000, max_ns: 900_000 },
      },
      counters: {},
      notes: [],
    },
  };
}

function resolvedOf(job: FixtureJob): unknown {
  const bs = { kind: "fixed", bytes: 4096 };
  const arrival = job.rate === undefined ? null : { kind: "constant", rate: job.rate };
  return {
    name: job.name,
    rw: job.rw,
    ioengine: job.ioengine,
    iodepth: job.iodepth,
    numjobs: job.numjobs,
    blockSizes: [bs, bs, bs],
    sync: job.sync ?? "none",
    fsync: 0,
    fdatasync: 0,
    direct: true,
    rampNs: (job.rampMs ?? 0) * 1e6,
    startDelayNs: 0,
    arrival: [arrival, arrival, arrival],
  };
}

function runRecord(run: FixtureRun, jobs: readonly unknown[]): unknown {
  return {
    schema: "osdyno-run-1",
    state: run.state ?? "complete",
    ...(run.state === "partial" ? { reason: "stopped by SIGINT" } : {}),
    command: ["osdyno", "run", "profiles/jobs/a b.fio", "--seed", "7"],
    label: run.label ?? "fixture",
    seed: 7,
    path: "native",
    job: {
      text: run.jobs.map((j) => `[${j.name}]\nrw=${j.rw}\niodepth=${j.iodepth}\n`).join("\n"),
      resolved: run.jobs.map(resolvedOf),
      notes: [],
    },
    target: "raw:/tmp/scratch.img",
    chain: ["raw"],
    options: {},
    environment: {
      cpu: { model: "Imaginary <CPU> 3000", cores: 2 },
      memory_bytes: 8_589_934_592,
      kernel: "6.1.0-0-amd64",
      devices: [{ path: "/dev/vda", class: "ssd", scheduler: "none", size_bytes: 42_949_672_960 }],
      versions: { osdyno: "0.1.0", node: "24.21.0" },
    },
    started: "2026-11-21T00:30:00.000Z",
    runtime_ms: 10_000,
    "fio version": "osdyno-0.1.0",
    timestamp: 1_795_221_000,
    timestamp_ms: 1_795_221_000_000,
    time: "Sat Nov 21 00:30:00 2026",
    "global options": {},
    jobs,
    disk_util: [],
    osdyno: { process_cpu_user_ns: 1e9, process_cpu_system_ns: 2e9, rss_bytes: 1.2e8 },
  };
}

export interface FixtureSweep {
  readonly preview: boolean;
  readonly repeat: number;
  readonly depths?: readonly number[];
  readonly samples?: number;
  readonly comparisons?: readonly unknown[];
}

/** A sweep as the quick start makes it: three workloads, two engines, several depths. */
export function writeFixtureSweep(dir: string, sweep: FixtureSweep): void {
  const workloads = [
    { name: "read", rw: "randread", sync: "none" },
    { name: "write", rw: "randwrite", sync: "none" },
    { name: "durable", rw: "randwrite", sync: "dsync" },
  ] as const;
  const depths = sweep.depths ?? [1, 4, 16, 64];
  const points: unknown[] = [];
  let seed = 1;
  for (const workload of workloads) {
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
      workload: workloads.map((w) => w.name),
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
