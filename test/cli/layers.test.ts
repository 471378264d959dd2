/** Layers above targets on the command line: which are there, what they do, what is refused. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { metric } from "../../results/metrics.ts";
import { loadReport } from "../../results/report/load.ts";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const quiet = ["run", "--no-report", "--no-progress", "--out=r"];
/** A device of 8,000 operations a second; each class alone keeps it busy. */
const slow = "--target=null:?service=100us&iops=8000&size=64m";
const ofClass = (name: string, depth: number) => [
  `--name=${name}`,
  "--rw=randwrite",
  "--bs=4k",
  "--size=64m",
  `--iodepth=${depth}`,
  "--time_based",
  "--runtime=4",
  `--op_class=${name}`,
];
const three = [...ofClass("client", 64), ...ofClass("recovery", 64), ...ofClass("best_effort", 64)];
const set = (options: Readonly<Record<string, string | number>>) =>
  Object.entries(options).map(([name, value]) => `--set=${name}=${value}`);

/** Shares of client, recovery and best effort, in virtual time. */
function shares(options: Readonly<Record<string, string | number>>): (number | null)[] {
  const done = place.run([...quiet, "--clock=virtual", slow, ...set(options), ...three]);
  expect(done, done.err).toMatchObject({ code: 0 });
  const record = place.record("r");
  return ["client", "recovery", "best_effort"].map((name) => metric(record, `share.${name}`));
}

/** One shard that runs eight operations keeps the device busy. */
const one = { osd_op_num_shards: 1, osd_op_num_threads_per_shard: 8 };
const measured = { ...one, osd_mclock_max_capacity_iops_ssd: 8000 };

describe("scheduler", () => {
  test.each([
    ["high_client_ops", 0.6, 0.4],
    ["balanced", 0.5, 0.5],
    ["high_recovery_ops", 0.3, 0.7],
  ])("%s: clients have %d, recovery has %d", (profile, client, recovery) => {
    for (const capacity of [measured, one]) {
      const found = shares({ osd_mclock_profile: profile, ...capacity });
      expect(Math.abs((found[0] ?? 0) - client), found.join()).toBeLessThan(0.05);
      expect(Math.abs((found[1] ?? 0) - recovery), found.join()).toBeLessThan(0.05);
      expect(found[2]).toBeGreaterThan(0);
    }
    expect(place.record("r").chain).toEqual([
      "scheduler",
      "null:?service=100us&iops=8000&size=64m",
    ]);
  });

  test("wpq goes by priorities, fifo by who has most under way; both are recorded", () => {
    const wpq = shares({ osd_op_queue: "wpq", ...one });
    expect(wpq[0]).toBeGreaterThan(0.8);
    expect(Math.min(...wpq.map(Number))).toBeGreaterThan(0.02);
    expect(place.record("r").options["osd_op_queue"]).toEqual({ value: "wpq", origin: "--set" });
    const fifo = shares({ osd_op_queue: "fifo", ...one });
    for (const share of fifo) {
      expect(Math.abs((share ?? 0) - 1 / 3)).toBeLessThan(0.02);
    }
    const { counters } = place.record("r").osdyno;
    expect(counters?.["scheduler.client.ops"]).toBeGreaterThan(8000);
    expect(counters?.["scheduler.client.wait_ns"]).toBeGreaterThan(1e9);
  });

  test("the report shows shares over time against reservation and limit", () => {
    shares({ osd_mclock_profile: "high_client_ops", ...measured });
    const done = place.run(["report", "r", "--format=svg", "--out=svg"]);
    expect(done, done.err).toMatchObject({ code: 0 });
    expect(place.read("svg", "shares.svg")).toContain("best effort");
    const [lines] = loadReport(place.path("r")).shares;
    const of = (name: string) => lines?.classes.find((each) => each.name === name);
    expect(of("client")).toMatchObject({ reservation: 0.6, limit: null });
    expect(of("best_effort")).toMatchObject({ reservation: null, limit: 0.7 });
    const rows = of("client")?.rows ?? [];
    expect(rows.length).toBeGreaterThan(5);
    for (const { share } of rows.slice(1, -1)) {
      expect(Math.abs(share - 0.6)).toBeLessThan(0.05);
    }
  });

  test("custom: a limit holds although nobody else wants the device", () => {
    const limited = {
      osd_mclock_profile: "custom",
      osd_mclock_scheduler_client_res: 0.1,
      osd_mclock_scheduler_client_lim: 0.25,
      ...measured,
    };
    const done = place.run([
      ...quiet,
      "--clock=virtual",
      slow,
      ...set(limited),
      ...ofClass("client", 64),
      "--client_id=7",
    ]);
    expect(done, done.err).toMatchObject({ code: 0 });
    const record = place.record("r");
    expect(Math.abs((metric(record, "iops") ?? 0) / 2000 - 1)).toBeLessThan(0.05);
    expect(metric(record, "share.client")).toBe(1);
  });

  test("a store, and a file that several jobs share: all goes through one scheduler", () => {
    const job = (name: string) => [
      `--name=${name}`,
      "--rw=randwrite",
      "--bs=4k",
      "--size=8m",
      "--iodepth=8",
      "--number_ios=400",
      `--op_class=${name}`,
    ];
    const jobs = [...job("client"), ...job("recovery")];
    for (const target of ["store:s.img?size=128m", "raw:f.dat"]) {
      const args = [...quiet, `--target=${target}`, "--set=osd_op_queue=mclock_scheduler", ...jobs];
      const done = place.run([...args, "--threshold=share.client > 0.4"]);
      expect(done, done.err).toMatchObject({ code: 0 });
      const record = place.record("r");
      expect(record.chain[0]).toBe("scheduler");
      expect(record.path).toBe("engine");
      expect(record.osdyno.shares).toEqual({ client: 0.5, recovery: 0.5 });
      expect(record.osdyno.counters?.["scheduler.recovery.ops"]).toBe(400);
    }
  });

  test("one of the user's own takes part by name", () => {
    place.write(
      "mine.ts",
      `export default {
        hotPath: "scheduler",
        name: "mine",
        describe: "as wpq",
        create: (context, options) => context.open("wpq", options),
      };`,
    );
    const args = ["--clock=virtual", slow, "--plugin=mine.ts", "--set=osd_op_queue=mine"];
    const done = place.run([...quiet, ...args, ...three]);
    expect(done, done.err).toMatchObject({ code: 0 });
    expect(place.record("r").osdyno.shares?.["client"]).toBeGreaterThan(0.5);
  });
});

describe("qos", () => {
  test("holds the limit over all jobs of a target; layers stand in their order", () => {
    const limit = { rbd_qos_iops_limit: 1000, osd_op_queue: "fifo" };
    const args = ["--clock=virtual", slow, ...set(limit), ...ofClass("client", 16)];
    const done = place.run([...quiet, ...args, ...ofClass("recovery", 16)]);
    expect(done, done.err).toMatchObject({ code: 0 });
    const record = place.record("r");
    expect(record.chain.slice(0, 2)).toEqual(["qos", "scheduler"]);
    expect(Math.abs((metric(record, "iops") ?? 0) / 1000 - 1)).toBeLessThan(0.02);
    expect(record.osdyno.counters?.["qos.throttled"]).toBeGreaterThan(1000);
  });
});

describe("refused", () => {
  const raw = ["--rw=read", "--size=1m", "--filename=f.dat"];
  test.each([
    [
      "a job with several files",
      ["--name=a", "--rw=read", "--size=1m", "--nrfiles=2", "--set=osd_op_queue=wpq"],
      "layers above a target (scheduler) work on one file a job, not 2",
    ],
    [
      "jobs that open one file differently",
      ["--set=osd_op_queue=wpq", "--name=a", ...raw, "--name=b", ...raw, "--ioengine=libaio"],
      "jobs a and b share scheduler over",
    ],
    [
      "a burst below its limit",
      [slow, ...set({ rbd_qos_iops_limit: 10, rbd_qos_iops_burst: 5 }), "--name=a"],
      "rbd_qos_iops_burst=5: must not be less than rbd_qos_iops_limit=10",
    ],
    [
      "a scheduler that there is not",
      [slow, "--set=osd_op_queue=wqp", "--name=a"],
      "did you mean wpq?",
    ],
    [
      "an option of a layer that the target does not have",
      [slow, "--set=osd_op_queue=wpq", "--set=osd_max_backfills=2", "--name=a"],
      "osd_max_backfills=2: acts on OSDs, which this target does not have",
    ],
  ])("%s", (_name, args, message) => {
    const done = place.run([...quiet, ...args]);
    expect(done.code).toBe(2);
    expect(done.err).toContain(message);
    expect(place.exists("r")).toBe(false);
  });
});
