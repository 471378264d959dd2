/** The stage breakdown against laws that are known, in virtual time, and on a store. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RunRecord } from "../../results/run-record.ts";
import type { OsdynoStageDirection, OsdynoStages } from "../../results/stages.ts";
import type { SweepRecord } from "../../results/sweep-record.ts";
import { Workplace } from "./command.ts";

let place: Workplace;
let runs = 0;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const base = ["run", "--no-report", "--no-progress", "--name=s", "--bs=4k"];
const timed = ["--time_based", "--size=64m"];

function run(...args: readonly string[]): RunRecord {
  runs += 1;
  const out = `r${runs}`;
  const done = place.run([...base, ...timed, `--out=${out}`, ...args]);
  expect(done, done.err).toMatchObject({ code: 0 });
  const verified = place.run(["results", "verify", out]);
  expect(verified.out).not.toContain("stages of");
  return place.record(out);
}

/** Mean time, us, by stage, over all operations; and whether all of them add up to the service times. */
function means(record: RunRecord, direction: "read" | "write"): Record<string, number> {
  const job = record.jobs[0]?.osdyno;
  const stages = job?.stages?.[direction] as OsdynoStageDirection;
  const service = job?.[direction]?.service_ns;
  const sum = stages.stages.reduce((total, { mean, N }) => total + mean * N, 0);
  expect(sum / (stages.ops * stages.service_mean_ns)).toBeCloseTo(1, 6);
  const shares = stages.stages.reduce((total, { share }) => total + share, 0);
  expect(shares).toBeCloseTo(1, 9);
  if (job?.stages?.one_in === 1) {
    expect(stages.ops).toBe(service?.N);
    expect(stages.service_mean_ns).toBeCloseTo(service?.mean ?? 0, 3);
  }
  return Object.fromEntries(
    stages.stages.map(({ layer, stage, mean, N }) => [
      `${layer} ${stage}`,
      (mean * N) / stages.ops / 1000,
    ]),
  );
}

describe("metrics of stages", () => {
  // Eight at a time on one place, or on two: those that wait, wait for seven, or for three pairs.
  const lines = [
    ...["name: st", "job: |", "  [j]", "  rw=randrw", "  bs=4k", "  size=64m", "  iodepth=8"],
    ...["  time_based", "  runtime=2", "targets: ['null:?service=100us&size=64m']"],
    ...["set: {osd_op_queue: fifo, osd_op_num_shards: 1}", "repeat: 6"],
    "matrix: {osd_op_num_threads_per_shard: [1, 2]}",
    "baseline: {osd_op_num_threads_per_shard: 1}",
  ];
  const queue = "stage.scheduler.queue.mean";
  const names = [queue, "write.stage.device.service.share", "stage.scheduler.queue.p90"];
  const sweep = (...metrics: readonly string[]) => {
    place.write("st.yaml", [...lines, `metrics: [${metrics.join(", ")}]`].join("\n"));
    return place.run(["sweep", "st.yaml", "--out=st", "--clock=virtual", "--no-progress"]);
  };

  test("sweeps, compare, query and thresholds know them, and merge keeps the stages", () => {
    const done = sweep(...names);
    expect(done, done.err).toMatchObject({ code: 0 });
    const record = JSON.parse(place.read("st", "sweep.json")) as SweepRecord;
    const [compared] = record.comparisons.filter(({ metric }) => metric === queue);
    expect(compared).toMatchObject({ verdict: "better" });
    expect(Math.abs((compared?.ratio ?? 0) / (300 / 700) - 1)).toBeLessThan(0.01);
    // A share is what it is: nothing is better.
    expect(record.comparisons.map(({ metric }) => metric)).not.toContain(names[1]);
    expect(done.out).toContain("Write share of time in the device");
    const page = place.run(["report", "st", "--format=csv"]).out;
    expect(page).toContain(queue);
    const verified = place.run(["results", "verify", "st"]);
    expect(verified, verified.out).toMatchObject({ code: 0 });
    const sides = ["compare", "st#1", "--with", "st#2", "--metric", queue, "--json"];
    const both = JSON.parse(place.run(sides).out) as { comparisons: readonly { ratio: number }[] };
    expect(both.comparisons[0]?.ratio).toBeCloseTo(compared?.ratio ?? 0, 6);
    const sql = `SELECT AVG(value) AS us FROM metrics WHERE metric = 'read.${queue}'`;
    const asked = place.run(["results", "query", sql, "--json", "--root", place.root]);
    const [row] = JSON.parse(asked.out) as readonly { us: number }[];
    expect(Math.abs((row?.us ?? 0) / 500_000 - 1)).toBeLessThan(0.01);
    const two = ["st/points/1/1", "st/points/2/1"] as const;
    const merged = JSON.parse(place.run(["results", "merge", ...two]).out) as {
      osdyno: { stages: OsdynoStages };
    };
    const parts = two.map((path) => place.record(path).jobs[0]?.osdyno.stages?.write);
    const whole = merged.osdyno.stages.write;
    const ops = parts.reduce((sum, part) => sum + (part?.ops ?? 0), 0);
    expect(whole?.ops).toBe(ops);
    const waited = (all: OsdynoStageDirection | undefined) =>
      all?.stages.find(({ layer, stage }) => layer === "scheduler" && stage === "queue");
    const sum = parts.reduce((ns, all) => ns + (waited(all)?.mean ?? 0) * (waited(all)?.N ?? 0), 0);
    expect(((waited(whole)?.mean ?? 0) * (waited(whole)?.N ?? 0)) / sum).toBeCloseTo(1, 9);
    expect(waited(whole)?.max).toBe(Math.max(...parts.map((all) => waited(all)?.max ?? 0)));
  });

  test("they are listed, and a mistyped one is refused with the nearest", () => {
    const listed = place.run(["list", "metrics"]).out;
    for (const name of ["stage.LAYER.STAGE.FIGURE", "stage.store.kv_commit.mean", "response.p99"]) {
      expect(listed).toContain(name);
    }
    const refused = sweep("stage.schedular.queue.mean");
    expect(refused.code).toBe(2);
    expect(refused.err).toContain("did you mean stage.scheduler.queue.mean?");
    expect(place.exists("st")).toBe(false);
  });
});

describe("in virtual time", () => {
  const virtual = ["--clock=virtual", "--stages=1", "--runtime=2"];

  test("places of a scheduler: what waits, waits for its turn, and the device takes its time", () => {
    const record = run(
      ...virtual,
      "--target=null:?service=100us",
      "--rw=randread",
      "--iodepth=8",
      "--set=osd_op_queue=fifo",
      "--set=osd_op_num_shards=1",
      "--set=osd_op_num_threads_per_shard=2",
    );
    // Eight on two places: six wait for the three before each of them.
    const found = means(record, "read");
    expect(Math.abs((found["scheduler queue"] ?? 0) - 300)).toBeLessThan(0.1);
    expect(found).toMatchObject({ "device service": 100, "scheduler work": 0 });
  });

  test("tokens, a log and what is below, each with its own law", () => {
    const layers = [
      "--set=rbd_qos_iops_limit=1000",
      "--set=rbd_qos_schedule_tick_min=1",
      "--set=rbd_persistent_cache_path=null:?service=500us&size=64m",
      "--set=osd_op_queue=fifo",
      "--target=null:?service=200us",
      "--iodepth=4",
    ];
    const written = means(run(...virtual, ...layers, "--rw=randwrite"), "write");
    // Four at 1,000 a second take 4 ms each, of which the log's device has 500 us.
    expect(written["writelog log device"]).toBe(500);
    const waited = (written["qos queue"] ?? 0) + (written["writelog queue"] ?? 0);
    expect(Math.abs(waited - 3500)).toBeLessThan(20);
    expect(written["device service"] ?? 0).toBe(0);
    // A log that was never written to has nothing that is newer.
    const read = means(run(...virtual, ...layers, "--rw=randread"), "read");
    expect(read["device service"]).toBe(200);
    expect(Math.abs((read["qos queue"] ?? 0) - 3800)).toBeLessThan(20);
  });

  test("at high rates a part of the operations stands for all", () => {
    const target = "--target=null:?service=20us&jitter=exp";
    const record = run(
      ...virtual.toSpliced(1, 1),
      target,
      "--runtime=1",
      "--rw=randread",
      "--iodepth=16",
    );
    const { one_in: oneIn = 0, read } = record.jobs[0]?.osdyno.stages ?? {};
    const { N = 0, mean = 0, percentile } = record.jobs[0]?.osdyno.read?.service_ns ?? {};
    // 800,000 a second, of which at most 20,000 are traced; the first few thousand before that is known.
    expect(oneIn).toBe(64);
    expect(Math.abs((read?.ops ?? 0) / N - 1)).toBeLessThan(0.02);
    expect(read?.traced).toBeLessThan(N / 20);
    expect(Math.abs((read?.service_mean_ns ?? 0) / mean - 1)).toBeLessThan(0.03);
    const median = read?.stages[0]?.percentile["50.000000"] ?? 0;
    expect(Math.abs(median / (percentile?.["50.000000"] ?? 1) - 1)).toBeLessThan(0.05);
  });

  test("what a warm-up did is not in the stages; raw has one", () => {
    const target = "--target=null:?service=100us";
    const ramp = ["--ramp_time=1", "--iodepth=2", "--rw=randread"];
    const record = run(...virtual, target, ...ramp);
    expect(means(record, "read")).toEqual({ "device service": 100 });
  });
});

test("a store's transactions pass BlueStore's states; what is traced is a part; off is off", () => {
  const target = "--target=store:s.img?size=512m";
  const record = run(target, "--rw=randrw", "--iodepth=8", "--runtime=1", "--stages=2");
  const write = means(record, "write");
  expect(Object.keys(write)).toEqual(
    expect.arrayContaining(["store prepare", "store kv_queued", "store kv_commit", "device write"]),
  );
  expect(Object.keys(means(record, "read"))).toContain("device read");
  const { N = 0 } = record.jobs[0]?.osdyno.write?.service_ns ?? {};
  const { ops = 0, traced = 0 } = record.jobs[0]?.osdyno.stages?.write ?? {};
  expect(ops).toBe(2 * traced);
  // Random gaps of 1 to 3: within six deviations.
  expect(Math.abs(ops - N)).toBeLessThan(6 * Math.sqrt(2 * N) + 4);
  const off = run(target, "--rw=randread", "--runtime=1", "--stages=off");
  expect(off.jobs[0]?.osdyno.read?.service_ns.N).toBeGreaterThan(0);
  expect(off.jobs[0]?.osdyno.stages).toBeUndefined();
  const again = place.run([
    "run",
    "--stages=0",
    ...base.slice(1),
    "--out=x",
    target,
    "--rw=randread",
  ]);
  expect(again).toMatchObject({ code: 2 });
  expect(again.err).toContain("--stages 0");
});
