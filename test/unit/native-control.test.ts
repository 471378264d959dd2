/** From job keys to what governs the native loop. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunPlan } from "../../workloads/plan-model.ts";
import { type PlanOptions, planRun } from "../../workloads/planner.ts";
import { controlSpec, endsRun } from "../../workloads/runner/native-control.ts";
import { parseText } from "./job-support.ts";

const options: PlanOptions = { target: null, path: "native", seed: null, directory: "/nowhere" };

function planOf(text: string, changes: Partial<PlanOptions> = {}): RunPlan {
  const global = "[global]\nioengine=null\nsize=1m\n";
  return planRun(parseText(global + text).jobs, { ...options, ...changes });
}

function controlsOf(text: string) {
  const plan = planOf(text);
  const run = plan.phases.flatMap((phase) => phase.jobs);
  return plan.phases.flatMap((phase) => phase.jobs.map((job) => controlSpec(job, phase.jobs, run)));
}

describe("what governs a job", () => {
  it("is nothing unless a key asks for it", () => {
    const [control] = controlsOf("[a]\niodepth=8\n");
    expect(control).toMatchObject({
      queue: null,
      offload: false,
      rateFloor: null,
      latencyTarget: null,
      maxLatencyNs: [0, 0, 0],
      exit: { onEnd: false, onError: false },
      waitFor: [],
      flow: null,
      commandPriority: null,
    });
    expect(control?.errors.continueOn).toEqual([false, false, false]);
    expect(control?.host).toEqual({
      nice: 0,
      ioPriority: null,
      memoryPolicy: null,
      hugePageBytes: null,
      lockedBytes: 0,
    });
  });

  it("is the batches as soon as one of their keys is given", () => {
    const queueOf = (key: string) => controlsOf(`[a]\niodepth=16\n${key}\n`)[0]?.queue;
    const plain = { submit: 1, completeMin: 1, completeMax: 1, low: 16 };
    expect(queueOf("iodepth_batch=1")).toEqual(plain);
    expect(queueOf("iodepth_batch_submit=8")).toEqual({ ...plain, submit: 8 });
    expect(queueOf("iodepth_batch_complete_min=4")).toEqual({
      ...plain,
      completeMin: 4,
      completeMax: 4,
    });
    expect(queueOf("iodepth_low=2")).toEqual({ ...plain, low: 2 });
  });

  it("takes exitall for every job of the run, each with its own exit_what and group", () => {
    const exits = controlsOf(
      "[a]\nexitall\n[b]\nexit_what=all\n[c]\nnew_group\nexitall_on_error\nexit_what=stonewall\n",
    ).map((control) => control.exit);
    expect(exits).toEqual([
      { onEnd: true, onError: false, what: "group", group: 0 },
      { onEnd: true, onError: false, what: "all", group: 0 },
      { onEnd: true, onError: true, what: "running", group: 1 },
    ]);
  });

  it("waits for every clone within its phase, and for nobody who has ended before", () => {
    const waits = controlsOf("[a]\nnumjobs=2\n[b]\n[c]\nwait_for=a\n[d]\nstonewall\nwait_for=a\n");
    expect(waits.map((control) => control.waitFor)).toEqual([[], [], [], [0, 1], []]);
  });

  it("maps errors, limits, flows and the host", () => {
    const [control] = controlsOf(
      [
        "[a]",
        "continue_on_error=io",
        "ignore_error=EIO:ENOSPC,,EILSEQ",
        "error_dump=1",
        "max_latency=5ms,10ms",
        "rate_iops_min=100",
        "flow=8",
        "flow_id=2",
        "flow_sleep=1000",
        "nice=5",
        "prio=6",
        "prioclass=2",
        "mem=mmaphuge",
        "lockmem=1m",
        "numa_mem_policy=interleave:0",
      ].join("\n"),
    );
    expect(control).toMatchObject({
      errors: { continueOn: [true, true, true], ignore: [[5, 28], [], [84]], dump: true },
      maxLatencyNs: [5e6, 10e6, 10e6],
      rateFloor: { iops: [100, 100, 100], cycleNs: 1e9 },
      flow: { id: 2, weight: 8, sleepNs: 1e6 },
      host: {
        nice: 5,
        ioPriority: [2, 6],
        hugePageBytes: 2 << 20,
        lockedBytes: 1 << 20,
        memoryPolicy: { mode: "interleave", nodes: [0] },
      },
    });
  });
});

describe("the end of a run", () => {
  it("comes with a job whose exit_what is all", () => {
    const ends = (keys: string, error: unknown) => {
      const plan = planOf(`[a]\n${keys}\n[b]\nstonewall\n`);
      const run = plan.phases.flatMap((phase) => phase.jobs);
      return endsRun(plan.phases[0]?.jobs ?? [], [{ error }], run);
    };
    expect(ends("exitall\nexit_what=all", null)).toBe(true);
    expect(ends("exitall", null)).toBe(false);
    expect(ends("exitall_on_error\nexit_what=all", null)).toBe(false);
    expect(ends("exitall_on_error\nexit_what=all", { errno: 5 })).toBe(true);
  });
});

describe("refusals", () => {
  it("name what needs a thread of its own on the engine path", () => {
    for (const key of ["wait_for=a", "exitall", "flow=3", "nice=1", "lockmem=1m", "prio=3"]) {
      const text = `[a]\n[b]\n${key}\n`;
      const name = key.split("=")[0] as string;
      expect(() => planOf(text, { path: "engine" })).toThrow(`${name} needs a thread`);
      expect(() => planOf(text)).not.toThrow();
    }
  });

  it("name buffers that are a file", () => {
    expect(() => planOf("[a]\nmem=mmaphuge:/dev/hugepages/f\n")).toThrow("mem=mmaphuge:");
  });
});

describe("fill_device", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "osdyno-fill-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const plan = (keys: string) =>
    planRun(parseText(`[a]\nioengine=psync\nfill_device=1\n${keys}`).jobs, {
      ...options,
      directory: folder,
    }).phases[0]?.jobs[0]?.files[0];

  it("has room beyond what the file system has, and lays nothing out", () => {
    const file = plan("rw=write\n");
    expect(file?.fileBytes).toBe(0);
    expect(file?.sizeBytes).toBeGreaterThan(2 ** 30 - 4096);
    expect(plan("rw=write\nsize=1m\n")?.sizeBytes).toBe(1 << 20);
  });

  it("is for jobs that write", () => {
    expect(() => plan("rw=read\n")).toThrow("only write");
    expect(() => plan("rw=randrw\n")).toThrow("only write");
  });
});
