/** `steadystate`: the rule and the object of fio 3.33, held against figures that fio printed. */
import { expect, test } from "vitest";
import {
  judgeSteadyState,
  SteadyStates,
  steadyRuleOf,
  steadyStateRecord,
} from "../../results/steady-state.ts";
import type { PlannedJob } from "../../workloads/plan-model.ts";
import { logPlan, type WindowRow } from "../../workloads/runner/log-plan.ts";
import { jobOf } from "./job-support.ts";

function ruleOf(...options: string[]) {
  const rule = jobOf("rw=read", "size=1m", ...options).steadyState;
  if (rule === null) {
    throw new Error("no steady state");
  }
  return rule;
}

const samples = (iops: readonly number[], bw: readonly number[] = iops) =>
  iops.map((value, at) => ({ iops: value, bwBytes: bw[at] ?? 0, latNs: 1e9 / value }));

test("deviation and slope are fio's, to its six decimals", () => {
  // Samples, means and verdicts as fio 3.33 printed them.
  const deviation = steadyStateRecord(
    ruleOf("ss=iops:5%", "ss_dur=3"),
    samples([8998550, 6396869, 8401647], [36858060800, 26201575424, 34413146112]),
  );
  expect(deviation).toEqual({
    ss: "iops:5.000000%",
    duration: 3,
    attained: 0,
    criterion: "19.357256%",
    max_deviation: expect.closeTo(1535486.333333, 5),
    slope: 0,
    data: {
      bw_mean: 32490927445,
      iops_mean: 7932355,
      iops: [8998550, 6396869, 8401647],
      bw: [36858060800, 26201575424, 34413146112],
    },
  });
  const slope = steadyStateRecord(
    ruleOf("ss=iops_slope:0.5%", "ss_dur=3"),
    samples([4410488, 5078572, 5865497]),
  );
  expect(slope).toMatchObject({ criterion: "14.214111%", slope: 727504.5, max_deviation: 0 });
  const absolute = steadyStateRecord(
    ruleOf("ss=bw:1000000", "ss_dur=3"),
    samples([1, 2, 3], [21137795459, 22511142285, 24902331067]),
  );
  expect(absolute.criterion).toBe("2051908096.000000");
  expect(absolute.max_deviation).toBeCloseTo(2051908130, 0);
});

test("nothing is attained before the window is full; a falling slope counts as a rising one", () => {
  const rule = ruleOf("ss=iops_slope:1%", "ss_dur=4");
  expect(judgeSteadyState(rule, samples([100, 100, 100])).attained).toBe(false);
  expect(judgeSteadyState(rule, samples([500, 100, 100, 100, 100])).attained).toBe(true);
  expect(judgeSteadyState(rule, samples([130, 120, 110, 100])).attained).toBe(false);
  // The limit itself is not below the limit.
  expect(judgeSteadyState(ruleOf("ss=iops:10", "ss_dur=2"), samples([90, 110])).attained).toBe(
    false,
  );
  const empty = steadyStateRecord(rule, []);
  expect([empty.attained, empty.data.iops]).toEqual([0, [0, 0, 0, 0]]);
});

test("the rule can be read back from the record", () => {
  const rule = ruleOf("ss=lat_slope:0.25%", "ss_dur=5");
  const read = steadyRuleOf(steadyStateRecord(rule, samples([1, 2, 3, 4, 5])));
  expect(read).toMatchObject({ metric: "lat", slope: true, limit: 0.25, percent: true });
});

function planned(index: number, groupReporting: boolean, ...options: string[]): PlannedJob {
  const resolved = { ...jobOf("rw=randrw", "size=1m", ...options), groupReporting };
  return {
    resolved,
    jobnum: index,
    index,
    groupId: 0,
    files: [],
    writes: true,
    iodepth: 1,
    ioBytes: null,
    seed: 1,
  };
}

function rowAt(job: PlannedJob, second: number, ios: number, lengthNs = 1e9): WindowRow {
  const window = logPlan(job.resolved)?.windows[0];
  if (window === undefined) {
    throw new Error("no window");
  }
  const times = [0, 0, ios * 1000] as const;
  const bytes = ios * 4096;
  return {
    window,
    endNs: second * 1e9,
    lengthNs,
    direction: 0,
    ios,
    bytes,
    sumNs: times,
    maxNs: times,
  };
}

test("clones that report as a group are judged together, over whole samples after the ramp", () => {
  const jobs = [0, 1].map((at) => planned(at, true, "ss=iops:5%", "ss_dur=2", "ss_ramp=1"));
  const [first, second] = jobs;
  if (first === undefined || second === undefined) {
    throw new Error("two jobs");
  }
  const states = new SteadyStates(jobs);
  // Each alone goes up and down; together they stand still, but for the ramp.
  for (const [at, a, b] of [
    [1, 500, 500],
    [2, 40, 60],
    [3, 60, 40],
  ] as const) {
    states.add(0, rowAt(first, at, a));
    expect(states.attained(0)).toBe(false);
    states.add(1, rowAt(second, at, b));
  }
  expect([states.attained(0), states.attained(1)]).toEqual([true, true]);
  expect(states.record(1)?.data.iops).toEqual([100, 100]);
  // Measuring began half a second after the run; the ramp and two samples follow.
  expect(states.span(1, 5e8)).toEqual({
    attained: true,
    start_ms: 1500,
    end_ms: 3500,
    iops: 100,
    bw_bytes: 409_600,
    lat_mean_ns: 1000,
  });
  // What comes after the verdict changes nothing.
  states.add(0, rowAt(first, 4, 1));
  expect(states.record(0)?.attained).toBe(1);
});

test("a silent second is a sample of zero; the rest of a window at the end is none", () => {
  const job = planned(0, false, "ss=iops:5%", "ss_dur=2");
  const states = new SteadyStates([job, planned(1, false)]);
  states.add(0, rowAt(job, 1, 100));
  expect([states.span(0, 0), states.span(1, 0)]).toEqual([null, null]);
  states.add(0, rowAt(job, 3, 100));
  states.add(0, rowAt(job, 3.5, 50, 5e8));
  expect(states.record(0)?.data.iops).toEqual([0, 100]);
  expect([states.attained(0), states.attained(1), states.record(1)]).toEqual([false, false, null]);
  expect(states.span(0, 0)).toMatchObject({ attained: false, start_ms: 1000, iops: 50 });
});
