/** Threads of the generator and of the target on CPUs of their own, as a user asks for it. */
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { keyValueEngines } from "../../engine/hot/kv/registry.ts";
import type { SweepRecord } from "../../results/sweep-record.ts";
import { cpuText, usableCpus } from "../../workloads/cpu-set.ts";
import { kernelMemory, memoryRefusal } from "../../workloads/memory-nodes.ts";
import { ThreadCpus } from "../../workloads/runner/thread-cpus.ts";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const usable = usableCpus();
const [first = 0] = usable;
const last = usable.at(-1) ?? 0;
/** Nothing is apart on one CPU. */
const apart = test.runIf(usable.length > 1);
const rocksdb = keyValueEngines().some(
  ({ name, unavailable }) => name === "rocksdb" && unavailable === null,
);
const base = ["run", "--name=j", "--bs=4k", "--no-progress", "--out=d"];

test.runIf(usable.length > 1 && rocksdb)(
  "a store's own threads on one CPU, what drives it on another",
  () => {
    const done = place.run([
      ...[...base, "--rw=randwrite", "--size=16m", "--iodepth=4", "--runtime=1", "--time_based"],
      `--target=store:${place.path("s.img")}?size=600m`,
      `--generator-cpus=${first}`,
      `--target-cpus=${last}`,
    ]);
    expect(done, done.err).toMatchObject({ code: 0 });
    const { cpus } = place.record("d").osdyno;
    expect(cpus?.generator).toEqual({ asked: `${first}`, cpus: [first] });
    expect(cpus?.target).toEqual({ asked: `${last}`, cpus: [last] });
    const of = (side: "generator" | "target") => cpus?.threads.filter((each) => each.of === side);
    expect(of("target")?.map(({ name }) => name)).toContain("kv_sync");
    expect(new Set(of("target")?.map((each) => each.cpus))).toEqual(new Set([`${last}`]));
    expect(new Set(of("generator")?.map((each) => each.cpus))).toEqual(new Set([`${first}`]));
    const page = place.read("d", "report.html");
    expect(page).toContain(`The load came from the event loop`);
    expect(page).toMatch(new RegExp(`threads of the target.*kv_sync.* on CPU ${last}\\.`));
    expect(place.run(["results", "verify", "d"]).code).toBe(0);
  },
);

test.runIf(memoryRefusal([0], kernelMemory) === null)(
  "by NUMA node, memory comes from there too, and the run says so",
  () => {
    const done = place.run([
      ...[...base, "--rw=randread", "--size=16m", "--iodepth=4", "--runtime=300ms"],
      ...["--time_based", `--target=store:${place.path("s.img")}?size=600m`],
      ...["--generator-cpus=node:0", "--target-cpus=node:0"],
    ]);
    expect(done, done.err).toMatchObject({ code: 0 });
    const { cpus } = place.record("d").osdyno;
    expect(cpus?.generator).toMatchObject({ asked: "node:0", memory_nodes: [0] });
    expect(cpus?.target).toMatchObject({ asked: "node:0", memory_nodes: [0] });
    expect(cpus?.memory_bytes?.["0"]).toBeGreaterThan(1e6);
    expect(place.read("d", "report.html")).toContain(
      "Memory came for the jobs&#39; buffers from NUMA node 0, for the target from NUMA node 0",
    );
    expect(place.run(["results", "verify", "d"]).code).toBe(0);
  },
);

apart("job threads of the native path stay where the generator is; a job's own CPUs hold", () => {
  const two = ["--rw=randread", "--size=1m", "--target=null:", "--runtime=300ms", "--time_based"];
  const done = place.run([...base, ...two, `--generator-cpus=${last}`, `--target-cpus=${first}`]);
  expect(done, done.err).toMatchObject({ code: 0 });
  const { osdyno, jobs } = place.record("d");
  const job = osdyno.cpus?.threads.find(({ name }) => name.startsWith("job-"));
  expect(job).toMatchObject({ cpus: `${last}`, of: "generator" });
  expect(jobs[0]?.osdyno.notes.join("\n")).toContain(
    `target_cpus=${first} does not act: only stores have threads and memory of their own`,
  );
  const elsewhere = base.map((word) => word.replace("--out=d", "--out=e"));
  const own = [`--cpus_allowed=${first}`, `--generator-cpus=${last}`];
  expect(place.run([...elsewhere, ...two, ...own])).toMatchObject({ code: 0 });
  const bound = place.record("e").osdyno.cpus?.threads.find(({ name }) => name.startsWith("job-"));
  expect(bound?.cpus).toBe(`${first}`);
});

test("sweeps have them as keys and as axes, and the report says which", () => {
  const lines = [
    ...["name: s", "job: |", "  [j]", "  rw=randread", "  size=1m", "  time_based"],
    ...["  runtime=200ms", "targets: ['null:']", `generator_cpus: ${first}`],
    ...[`matrix: {target_cpus: ["${cpuText(usable)}", all]}`, "repeat: 1"],
  ];
  place.write("s.yaml", lines.join("\n"));
  const done = place.run(["sweep", "s.yaml", "--out=d", "--no-progress"]);
  expect(done, done.err).toMatchObject({ code: 0 });
  const { points } = JSON.parse(place.read("d", "sweep.json")) as SweepRecord;
  const [with_, without] = points.map(({ runs }) => place.record("d", runs[0] ?? "").osdyno.cpus);
  expect(with_?.target?.cpus).toEqual(usable);
  expect(without?.target).toBeUndefined();
  expect(without?.generator?.cpus).toEqual([first]);
  expect(place.read("d", "report.html")).toContain("In 1 of 2 runs: the load came from the jobs");
});

test("what the host does not have is refused, by line, and nothing is made", () => {
  for (const [flag, why] of [
    ["--target-cpus=1000", "CPU 1000 is not there for us; this process may use"],
    ["--generator-cpus=node:1000", "this machine has no NUMA node 1000"],
  ] as const) {
    const refused = place.run([...base, "--rw=randread", "--size=1m", "--target=null:", flag]);
    expect(refused.code).toBe(2);
    expect(refused.err).toContain(why);
    expect(refused.err.trim().split("\n")).toHaveLength(1);
  }
  const lines = ["name: s", "job: |", "  [j]", "  rw=randread", "  size=1m", "targets: ['null:']"];
  place.write("s.yaml", [...lines, "matrix: {target_cpus: ['1000', all]}"].join("\n"));
  const refused = place.run(["sweep", "s.yaml", "--out=d"]);
  expect(refused.code).toBe(2);
  expect(refused.err).toMatch(/s\.yaml:7: target_cpus 1000: CPU 1000 is not there/);
  expect(place.files()).toEqual(["s.yaml"]);
});

apart("afterwards every thread is where it was", () => {
  const masks = () =>
    readdirSync("/proc/self/task").map((id) => {
      const status = readFileSync(`/proc/self/task/${id}/status`, "utf8");
      return `${id} ${/^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1]}`;
    });
  const before = masks();
  const one = (cpu: number) => ({ text: `${cpu}`, cpus: [cpu] });
  const kept = new ThreadCpus({ generator: one(first), target: one(last) });
  kept.beforeTarget();
  expect(masks()).toContain(`${process.pid} ${last}`);
  kept.afterTarget();
  expect(masks().every((mask) => mask.endsWith(` ${first}`))).toBe(true);
  kept.restore();
  expect(masks()).toEqual(before);
});
