/** Layers above targets on the command line: which are there, what they do, what is refused. */

import { readdirSync } from "node:fs";
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
    expect(metric(record, "served.client")).toBe(1);
    expect(Math.abs((metric(record, "share.client") ?? 0) / 0.25 - 1)).toBeLessThan(0.05);
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
      const scheduler = { osd_op_queue: "mclock_scheduler", osd_mclock_skip_benchmark: "true" };
      const args = [...quiet, `--target=${target}`, ...set(scheduler), ...jobs];
      const done = place.run([...args, "--threshold=served.client > 0.4"]);
      expect(done, done.err).toMatchObject({ code: 0 });
      const record = place.record("r");
      expect(record.chain[0]).toBe("scheduler");
      expect(record.path).toBe("engine");
      expect(record.osdyno.served).toEqual({ client: 0.5, recovery: 0.5 });
      // A default says nothing of the target: there is nothing that shares would be parts of.
      expect(record.osdyno.share).toBeUndefined();
      expect(record.osdyno.capacity?.[0]).toMatchObject({ iops: 21_500, known: false });
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
    expect(place.record("r").osdyno.served?.["client"]).toBeGreaterThan(0.5);
  });
});

describe("capacity", () => {
  const few = ["--name=a", "--rw=randwrite", "--bs=4k", "--size=8m", "--number_ios=50"];
  const option = "osd_mclock_max_capacity_iops_ssd";
  const mclock = { osd_op_queue: "mclock_scheduler", osd_op_num_shards: 2 };

  test.each([["store:s.img?size=128m"], ["raw:f.dat"]])(
    "of %s: measured first on a file of its own, told and recorded",
    (target) => {
      const args = [...quiet, `--target=${target}`, "--device-class=ssd", ...set(mclock), ...few];
      const plan = place.run([...args, "--dry-run"]);
      expect(plan.out).toMatch(/capacity of .*: measured first, \d+ MiB written to .*\.tmp/);
      const done = place.run(args);
      expect(done, done.err).toMatchObject({ code: 0 });
      expect(done.err).toMatch(
        /capacity of .*: \d+ writes of 4 KiB a second .*, 4 at once, in 3 round/,
      );
      const record = place.record("r");
      const [capacity] = record.osdyno.capacity ?? [];
      expect(capacity).toMatchObject({ option, origin: "measured before the run", known: true });
      const rounds = [...(capacity?.rounds ?? [])].sort((a, b) => a - b);
      expect(rounds.length).toBe(3);
      expect(capacity?.iops).toBe(Math.round(rounds[1] ?? 0));
      expect(record.options[option]).toMatchObject({ value: String(capacity?.iops) });
      const iops = metric(record, "iops") ?? 0;
      // A capacity may exceed what the bandwidth gives in blocks of 4 KiB: they count by their bytes then.
      const { iops: most = 1, bandwidth_bytes: bandwidth = 1 } = capacity ?? {};
      const expected = (iops * Math.max(4096, bandwidth / most)) / bandwidth;
      expect((metric(record, "share.client") ?? 0) / expected).toBeCloseTo(1, 3);
      expect(readdirSync(place.path(".")).filter((name) => name.includes("capacity"))).toEqual([]);
    },
  );

  test("stated it is taken; measured all the same where that is forced; 0 is refused", () => {
    const run = (more: Readonly<Record<string, string | number>>) =>
      place.run([...quiet, "--target=raw:f.dat", ...set({ ...mclock, ...more }), ...few]);
    const origin = () => place.record("r").osdyno.capacity?.[0]?.origin;
    const stated = { [option]: 5000, osd_mclock_force_run_benchmark_on_init: "true" };
    expect(run({ ...stated, osd_mclock_skip_benchmark: "true" }).code).toBe(0);
    expect(origin()).toBe("--set");
    expect(run(stated).code).toBe(0);
    expect(origin()).toBe("measured before the run");
    const none = run({ [option]: 0 });
    expect(none).toMatchObject({ code: 2 });
    expect(none.err).toContain(`${option}=0: a device without capacity`);
  });

  test("large operations count as what mClock charges for them", () => {
    // 8,000 a second are 134 MB/s by small operations; 64 KiB cost as much as four of those.
    const options = { ...mclock, osd_mclock_max_sequential_bandwidth_ssd: 8000 * 16_384 };
    const large = ofClass("client", 64).map((key) => key.replace("--bs=4k", "--bs=64k"));
    const done = place.run([...quiet, "--clock=virtual", slow, ...set(options), ...large]);
    expect(done, done.err).toMatchObject({ code: 0 });
    const record = place.record("r");
    expect(record.osdyno.capacity?.[0]).toMatchObject({ origin: "the target's parameters" });
    const share = ((metric(record, "iops") ?? 0) * 65_536) / (8000 * 16_384);
    expect(metric(record, "share.client")).toBeCloseTo(share, 2);
  });
});

describe("in front of the queues", () => {
  const jobs = [...ofClass("client", 64), "--name=urgent", "--rw=randwrite", "--bs=4k"];
  const urgent = ["--size=64m", "--iodepth=1", "--time_based", "--runtime=4"];
  const count = (more: readonly string[], options: Readonly<Record<string, string>>) => {
    const all = [...jobs, ...urgent, ...more, ...set({ ...measured, ...options })];
    const done = place.run([...quiet, "--clock=virtual", slow, ...all]);
    expect(done, done.err).toMatchObject({ code: 0 });
    return place.record("r").osdyno.counters?.["scheduler.strict"] ?? 0;
  };

  test("op_class=immediate, and op_priority from the cut-off on", () => {
    const queue = { osd_op_queue: "mclock_scheduler" };
    expect(count(["--op_class=immediate"], queue)).toBeGreaterThan(1000);
    expect(metric(place.record("r"), "share.immediate")).toBeGreaterThan(0.1);
    expect(count(["--op_priority=100"], { osd_op_queue_cut_off: "low", ...queue })).toBeGreaterThan(
      1000,
    );
    expect(count(["--op_priority=100"], queue)).toBe(0);
    expect(count(["--op_priority=196"], { osd_op_queue: "wpq" })).toBeGreaterThan(1000);
  });
});

test("what acts on nothing is told", () => {
  const options = {
    osd_op_queue: "wpq",
    osd_mclock_profile: "balanced",
    osd_mclock_max_capacity_iops_hdd: 300,
    rbd_qos_iops_burst: 500,
    rbd_qos_schedule_tick_min: 100,
  };
  const done = place.run([
    ...quiet,
    slow,
    ...set(options),
    "--name=a",
    "--number_ios=10",
    "--bs=4k",
  ]);
  expect(done, done.err).toMatchObject({ code: 0 });
  for (const note of [
    "osd_mclock_profile has no effect: osd_op_queue is wpq",
    "osd_mclock_max_capacity_iops_hdd has no effect: the device counts as ssd",
    "rbd_qos_iops_burst has no effect: rbd_qos_iops_limit is not set",
    "rbd_qos_schedule_tick_min has no effect: no rbd_qos_*_limit is set",
  ]) {
    expect(done.out).toContain(note);
  }
  const other = { osd_op_queue: "mclock_scheduler", osd_mclock_override_recovery_settings: "true" };
  const mclock = { ...other, osd_op_pq_min_cost: 4096, osd_mclock_scheduler_client_wgt: 2 };
  const again = place.run([
    ...quiet,
    slow,
    ...set(mclock),
    "--name=a",
    "--number_ios=10",
    "--bs=4k",
  ]);
  expect(again.out).toContain(
    "osd_mclock_override_recovery_settings has no effect: no limit of rec",
  );
  expect(again.out).toContain("osd_op_pq_min_cost has no effect: osd_op_queue is mclock_scheduler");
  expect(again.out).toContain(
    "osd_mclock_scheduler_client_wgt has no effect: osd_mclock_profile is",
  );
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
