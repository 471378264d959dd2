/** Metrics that a run can never have, told from its plan: each is refused with its reason, the others pass. */
import { expect, test } from "vitest";
import { OsdynoError } from "../../engine/base/error.ts";
import { checkReach } from "../../results/metric-reach.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import type { RunPlan } from "../../workloads/plan-model.ts";
import { planRun } from "../../workloads/planner.ts";
import { plainStack, readSetting } from "../../workloads/stack.ts";

const two = [
  "[reader]",
  "rw=randread",
  "op_class=client",
  "[writer]",
  "rw=randwrite",
  "op_class=recovery",
];

function planOf(
  lines: readonly string[],
  more: { target?: string; set?: readonly string[]; path?: RunPlan["path"] } = {},
): RunPlan {
  const text = ["[global]", "size=16m", ...lines].join("\n");
  const input = { kind: "file", name: "j.fio", text } as const;
  const { jobs } = parseJobs([input], hostEnvironment(), { sections: [], target: null });
  return planRun(jobs, {
    target: more.target ?? "null:",
    path: more.path ?? "native",
    seed: 1,
    directory: "/tmp",
    stack: {
      ...plainStack,
      settings: (more.set ?? []).map((each) => readSetting(each, "--set")),
    },
  });
}

const why = (name: string, plan: RunPlan, stages = true): string | null => {
  try {
    checkReach(name, "here", [plan], stages);
    return null;
  } catch (error) {
    expect(error).toBeInstanceOf(OsdynoError);
    expect((error as OsdynoError).code).toBe("bad-input");
    return (error as OsdynoError).message;
  }
};

const plain = planOf(two);
const scheduled = planOf(two, { set: ["osd_op_queue=fifo"] });
const onStore = planOf(two, { target: "store:/tmp/not-there-osdyno-reach.img?size=600m" });

test.each([
  ["iops@typo", "no job and no class is called 'typo'; there are reader, client, writer, recovery"],
  ["response.p99@writr", "no job and no class is called 'writr', did you mean 'writer'?"],
  ["write.iops@reader", "no job of reader writes"],
  ["read.response.p99@recovery", "no job of recovery reads"],
  ["trim.iops", "no job trims"],
  ["trim.clat.p99", "no job trims"],
  ["response.p97", "percentile 97 is not kept; add percentile_list=97 to the job"],
  ["fragmentation", "there is no object store among the targets"],
  ["cache_hit_ratio", "there is no object store among the targets"],
  ["share.client", "there is no scheduler above the targets; add --set osd_op_queue="],
  ["share.best_effort", "no job has op_class=best_effort; there are client, recovery"],
  ["counter.bluestore.onodes", "without a store or a layer there are the counters ios, bytes,"],
  ["stage.store.kv_commit.p99", "the native path takes no stages; add --path engine"],
])("a plain run has no %s", (name, reason) => {
  expect(why(name, plain)).toContain(`here: this run has no ${name}: ${reason}`);
});

test.each([
  ...["iops@reader", "write.response.p99@writer", "read.iops@client", "iops@recovery", "iops"],
  ...["response.p99.99", "response.p95", "clat.p97.3", "response.max", "cpu_us_per_io"],
  ...["rss_bytes", "flushes_per_io", "counter.ios", "served.recovery"],
])("a plain run may have %s", (name) => {
  expect(why(name, plain)).toBeNull();
});

test("layers and stores bring theirs", () => {
  expect(why("share.recovery", scheduled)).toBeNull();
  expect(why("stage.scheduler.queue.p99", scheduled)).toBeNull();
  expect(why("counter.scheduler.client.ops", scheduled)).toBeNull();
  expect(why("stage.qos.queue.p99", scheduled)).toContain("there is no layer qos above");
  expect(why("stage.store.kv_commit.mean", scheduled)).toContain("there is no object store");
  expect(why("stage.scheduler.queue.p99", scheduled, false)).toContain("leave out --stages off");
  for (const name of ["fragmentation", "alloc_ns.p99", "stage.store.kv_commit.mean"]) {
    expect(why(name, onStore)).toBeNull();
  }
});

test.each([
  ["bluestore.nonsense", "nothing here counts that; did you mean counter."],
  ["bluestore.onode", "nothing here counts that; did you mean counter.bluestore.onodes?"],
  [
    "bluestore.txc_commit_lat.p98_ns",
    "nothing here counts that; did you mean counter.bluestore.txc_commit_lat.p9",
  ],
  ["writelog_throttled", "there is no layer writelog above the targets"],
])("a store counts no %s", (name, reason) => {
  expect(why(`counter.${name}`, onStore)).toContain(`this run has no counter.${name}: ${reason}`);
});

test("counters of a store, of a layer that is there, and of jobs", () => {
  for (const name of [
    "bluestore.onodes",
    "rocksdb.level3_bytes",
    "ios",
    "objects.put_lat.p99_ns",
  ]) {
    expect(why(`counter.${name}`, onStore)).toBeNull();
  }
  expect(why("counter.bluestore.onodes", scheduled)).toContain("there is no object store");
  expect(why("counter.scheduler.recovery.wait_ns", scheduled)).toBeNull();
  expect(why("counter.scheduler.recovry.wait_ns", scheduled)).toContain(
    "did you mean counter.scheduler.recovery.wait_ns?",
  );
  expect(why("counter.shape.host_slower", plain)).toBeNull();
});

test("what a job does besides rw counts: read back, several directions in one, percentile_list", () => {
  const verified = planOf(["[w]", "rw=write", "verify=crc32c", "percentile_list=97"]);
  expect(why("read.iops", verified)).toBeNull();
  expect(why("response.p97", verified)).toBeNull();
  expect(why("read.iops", planOf(["[w]", "rw=write"]))).toContain("no job reads");
  const mixed = planOf(["[w]", "rw=write", "unified_rw_reporting=mixed"]);
  expect(why("read.iops", mixed)).toBeNull();
});

test("of several runs one is enough", () => {
  expect(() => checkReach("fragmentation", "here", [plain, onStore], true)).not.toThrow();
  expect(() => checkReach("fragmentation", "here", [plain, scheduled], true)).toThrow(
    /^here: these runs have no fragmentation: /,
  );
});
