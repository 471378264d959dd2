/**
 * The schema of `run.json`, and the JSON Schema published from it (`run.schema.json`; written by
 * `node results/run-schema.ts`, checked by a test).
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { OsdynoError } from "../engine/base/error.ts";
import { readText } from "./files.ts";
import { type RunRecord, runSchemaName } from "./run-record.ts";

const whole = z.number().int();
const count = whole.nonnegative();
const amount = z.number().nonnegative();
const percentiles = z.record(z.string().regex(/^\d+\.\d{6}$/), amount);

const fioLatency = z.strictObject({
  min: amount,
  max: amount,
  mean: amount,
  stddev: amount,
  N: count,
  percentile: percentiles.optional(),
  bins: z.record(z.string().regex(/^\d+$/), count).optional(),
});

const fioDirection = z.strictObject({
  io_bytes: count,
  io_kbytes: count,
  bw_bytes: count,
  bw: count,
  iops: amount,
  runtime: count,
  total_ios: count,
  short_ios: count,
  drop_ios: count,
  slat_ns: fioLatency,
  clat_ns: fioLatency,
  lat_ns: fioLatency,
  prios: z
    .array(
      z.strictObject({
        prioclass: count,
        prio: count,
        clat_ns: fioLatency.optional(),
        lat_ns: fioLatency.optional(),
      }),
    )
    .optional(),
  bw_min: count,
  bw_max: count,
  bw_agg: amount,
  bw_mean: amount,
  bw_dev: amount,
  bw_samples: count,
  iops_min: count,
  iops_max: count,
  iops_mean: amount,
  iops_stddev: amount,
  iops_samples: count,
});

const latency = z.strictObject({
  N: count,
  min: amount,
  max: amount,
  mean: amount,
  stddev: amount,
  percentile: percentiles,
});

const latencies = {
  service_ns: latency.describe("completed - submitted"),
  wait_ns: latency.describe("sent - intended"),
  response_ns: latency.describe("completed - intended"),
};
const direction = z.strictObject(latencies);

const generator = z.strictObject({
  late: z.boolean(),
  saturated: z.boolean(),
  overloaded: z.boolean(),
  loop: z.string(),
  late_count: count,
  late_share: amount,
  late_max_ns: amount,
  late_threshold_ns: amount,
  dropped_arrivals: count,
  backlog_max: count,
  backlog_end: count.optional(),
  busy_share: amount,
  hiccups: z.strictObject({
    cpus: count,
    p99_ns: amount,
    p99_9_ns: amount,
    max_ns: amount,
  }),
});

const verify = z.strictObject({
  checkedBytes: count,
  checkedBlocks: count,
  mismatchCount: count,
  mismatches: z.array(
    z.strictObject({
      file: z.string(),
      offsetBytes: count,
      lengthBytes: count,
      what: z.string(),
      expected: z.string(),
      found: z.string(),
    }),
  ),
});

const steady = z
  .strictObject({
    attained: z.boolean(),
    start_ms: amount,
    end_ms: amount,
    iops: amount,
    bw_bytes: amount,
    lat_mean_ns: amount,
  })
  .describe("the window that steadystate judged last; ms since the run's start");

const stageDirection = z.strictObject({
  traced: count,
  ops: count.describe("what the traced ones stand for"),
  service_mean_ns: amount,
  stages: z.array(
    latency.extend({
      layer: z.string(),
      stage: z.string(),
      kind: z.enum(["queued", "worked"]),
      share: amount.describe("of the service time of all traced operations"),
      hdr: z.string().describe("HdrHistogram, base64 of the compressed V2 form"),
    }),
  ),
});
const stages = z
  .strictObject({
    one_in: count.describe("one operation in so many was traced, at random, or more"),
    read: stageDirection.optional(),
    write: stageDirection.optional(),
    trim: stageDirection.optional(),
  })
  .describe("where the time of operations went; the shares of a direction add up to 1");

const osdynoJob = z.strictObject({
  sources: z.array(z.string()),
  phase: count,
  read: direction.optional(),
  write: direction.optional(),
  trim: direction.optional(),
  all: direction.optional(),
  steady: steady.optional(),
  stages: stages.optional(),
  generator,
  cpu: z.strictObject({ user_ns: amount, system_ns: amount, us_per_io: amount }),
  counters: z.record(z.string(), z.number()),
  verify: verify.optional(),
  error: z.strictObject({ errno: whole, message: z.string(), atNs: amount }).optional(),
  notes: z.array(z.string()),
});

const capacity = z
  .strictObject({
    target: z.string(),
    option: z.string(),
    iops: amount,
    bandwidth_bytes: amount,
    origin: z.string(),
    known: z.boolean(),
    rounds: z.array(amount).optional(),
  })
  .describe("what a scheduler over a target shares out, and who said so");

const batchLevels = z.strictObject(
  Object.fromEntries(["0", "4", "8", "16", "32", "64", ">=64"].map((key) => [key, amount])),
);
const depthLevels = z.strictObject(
  Object.fromEntries(["1", "2", "4", "8", "16", "32", ">=64"].map((key) => [key, amount])),
);
const edges = ["2", "4", "10", "20", "50", "100", "250", "500", "750", "1000"];
const course = z
  .strictObject({
    sample_ms: amount,
    samples: count,
    effective_samples: amount,
    warm_up_ms: amount,
    drift: z.strictObject({ share: z.number(), p: amount }),
    outlier_count: count,
    outliers_ms: z.array(amount),
    change_points_ms: z.array(amount),
  })
  .describe(
    "how the rate went within the run: what is left of a warm-up, drift, outliers, changes",
  );

const shares = (keys: readonly string[]) =>
  z.strictObject(Object.fromEntries(keys.map((key) => [key, amount])));

const figures = z.array(count);
const steadyState = z.strictObject({
  ss: z.string(),
  duration: count,
  attained: z.union([z.literal(0), z.literal(1)]),
  criterion: z.string(),
  max_deviation: amount,
  slope: z.number(),
  data: z.strictObject({
    bw_mean: count,
    iops_mean: count,
    lat_mean: count.optional(),
    iops: figures,
    bw: figures,
    lat_ns: figures.optional(),
  }),
});

const jobRecord = z.strictObject({
  jobname: z.string(),
  groupid: count,
  error: whole,
  eta: count,
  elapsed: count,
  "job options": z.record(z.string(), z.string()),
  read: fioDirection.optional(),
  write: fioDirection.optional(),
  trim: fioDirection.optional(),
  sync: z.strictObject({ total_ios: count, lat_ns: fioLatency }).optional(),
  mixed: fioDirection.optional(),
  job_runtime: count,
  usr_cpu: amount,
  sys_cpu: amount,
  ctx: count,
  majf: count,
  minf: count,
  iodepth_level: depthLevels,
  iodepth_submit: batchLevels,
  iodepth_complete: batchLevels,
  latency_ns: shares(edges),
  latency_us: shares(edges),
  latency_ms: shares([...edges, "2000", ">=2000"]),
  total_err: count.optional(),
  first_error: count.optional(),
  latency_depth: count,
  latency_target: count,
  latency_percentile: amount,
  latency_window: count,
  desc: z.string().optional(),
  steadystate: steadyState.optional(),
  osdyno: osdynoJob,
});

const total = z.strictObject({
  ios: count,
  bytes: count,
  iops: amount,
  bw_bytes: amount,
  ...latencies,
  response_interval_ns: z
    .record(z.string().regex(/^\d+\.\d{6}$/), z.tuple([amount, amount]))
    .optional(),
});

const totals = z.strictObject({
  read: total.optional(),
  write: total.optional(),
  trim: total.optional(),
  all: total.optional(),
});

const diskUtil = z
  .object({
    name: z.string(),
    read_ios: count,
    write_ios: count,
    read_sectors: count,
    write_sectors: count,
    read_merges: count,
    write_merges: count,
    read_ticks: count,
    write_ticks: count,
    in_queue: count,
    util: amount,
  })
  .catchall(z.number());

const place = z.object({ file: z.string(), line: whole });

const cpuSet = z.object({
  asked: z.string(),
  cpus: z.array(z.number()),
  memory_nodes: z.array(z.number()).optional(),
});

export const runSchema = z.strictObject({
  schema: z.literal(runSchemaName),
  state: z.enum(["complete", "partial"]),
  reason: z.string().optional().describe("why it is partial"),
  command: z.array(z.string()),
  label: z.string(),
  seed: z.number(),
  path: z.enum(["native", "engine"]),
  job: z.strictObject({
    text: z.string(),
    resolved: z.array(z.record(z.string(), z.unknown())),
    notes: z.array(z.object({ place, key: z.string(), message: z.string() })),
  }),
  target: z.string(),
  chain: z.array(z.string()),
  options: z.record(z.string(), z.strictObject({ value: z.string(), origin: z.string() })),
  environment: z.record(z.string(), z.unknown()),
  started: z.iso.datetime(),
  runtime_ms: amount,
  "fio version": z.string(),
  timestamp: whole,
  timestamp_ms: whole,
  time: z.string(),
  "global options": z.record(z.string(), z.string()),
  jobs: z.array(jobRecord),
  disk_util: z.array(diskUtil),
  osdyno: z.strictObject({
    process_cpu_user_ns: amount,
    process_cpu_system_ns: amount,
    rss_bytes: count,
    issued_ios: count,
    others: z
      .strictObject({
        cpu_share: z.number().min(0).max(1).optional(),
        disk: z
          .strictObject({
            names: z.array(z.string()),
            read_bytes: count,
            written_bytes: count,
            moved_bytes: count,
            elapsed_ms: amount,
          })
          .optional(),
      })
      .optional(),
    totals,
    parts: z
      .array(
        z.strictObject({
          kind: z.enum(["job", "class"]),
          name: z.string(),
          sources: z.array(z.string()),
          totals,
        }),
      )
      .optional(),
    course: course.optional(),
    counters: z.record(z.string(), z.number()).optional(),
    endurance: z
      .object({
        written_bytes: z.number(),
        command_written_bytes: z.number(),
        rated_bytes: z.number().nullable(),
        rated_from: z.string().optional(),
        most_bytes: z.number().nullable(),
      })
      .optional(),
    cpus: z
      .object({
        generator: cpuSet.optional(),
        target: cpuSet.optional(),
        threads: z.array(
          z.object({
            name: z.string(),
            count: z.number(),
            cpus: z.string(),
            of: z.enum(["generator", "target"]),
          }),
        ),
        memory_bytes: z.record(z.string(), z.number()).optional(),
      })
      .optional(),
    capacity: z.array(capacity).optional(),
    share: z.record(z.string(), z.number()).optional(),
    served: z.record(z.string(), z.number()).optional(),
    shares: z.record(z.string(), z.number()).optional(),
    threshold_results: z
      .array(
        z.strictObject({
          threshold: z.string(),
          metric: z.string(),
          value: z.number().nullable(),
          passed: z.boolean(),
          reason: z.string().optional(),
        }),
      )
      .optional(),
  }),
});

/** The published JSON Schema, as text. */
export function runJsonSchemaText(): string {
  const schema = z.toJSONSchema(runSchema, { target: "draft-7", reused: "ref" });
  const titled = { title: "run.json of osdyno", ...schema };
  return `${JSON.stringify(titled, null, 2)}\n`;
}

export const runJsonSchemaPath = fileURLToPath(new URL("run.schema.json", import.meta.url));

/**
 * Reads and checks `run.json` of a run directory; throws `bad-input` with the first thing wrong.
 */
export function readRun(directory: string): RunRecord {
  const path = join(directory, "run.json");
  let parsed: unknown;
  try {
    parsed = JSON.parse(readText(path));
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === "ENOENT";
    const what = absent ? "no such run" : "it cannot be read as JSON";
    throw new OsdynoError("bad-input", `${path}: ${what}`, {}, error);
  }
  const result = runSchema.safeParse(parsed);
  if (!result.success) {
    const issue = result.error.issues[0];
    const at = issue === undefined ? "" : ` at ${issue.path.join(".") || "its top"}`;
    throw new OsdynoError(
      "bad-input",
      `${path}: not a run of this version${at}: ${issue?.message ?? "unknown"}`,
    );
  }
  return parsed as RunRecord;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(runJsonSchemaPath, runJsonSchemaText());
}
