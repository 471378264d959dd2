/** Jobs with `create_only=1`: their files are made and nothing is run, but they have a record, as in fio. */
import type { MeasuredPhase, PlannedJob, RunPlan } from "../workloads/plan-model.ts";
import type { JobOutcome } from "../workloads/run-outcome.ts";

const noLatency = { count: 0, minNs: 0, maxNs: 0, sumNs: 0, sumSquares: 0 };

function idleOutcome(job: PlannedJob): JobOutcome {
  return {
    name: job.resolved.name,
    startNs: 0,
    endNs: 0,
    measuredNs: 0,
    cpu: {
      userNs: 0,
      systemNs: 0,
      voluntarySwitches: 0,
      involuntarySwitches: 0,
      majorFaults: 0,
      minorFaults: 0,
    },
    read: null,
    write: null,
    trim: null,
    sync: { ...noLatency, buckets: [] },
    iodepthLevels: [],
    submitLevels: [],
    completeLevels: [],
    generator: {
      lateCount: 0,
      lateMaxNs: 0,
      lateThresholdNs: 0,
      droppedArrivals: 0,
      backlogMax: 0,
      backlogEnd: 0,
      busyShare: 0,
    },
    verify: null,
    error: null,
    stopped: false,
    notes: ["create_only=1: its files were made, nothing was run"],
  };
}

/** The measured phases with the jobs that only create, each in its place; none after an early end. */
export function withCreateOnly(
  plan: RunPlan,
  measured: readonly MeasuredPhase[],
  startedEpochMs: number,
): MeasuredPhase[] {
  const all: MeasuredPhase[] = [];
  for (const { jobs } of plan.phases) {
    const ran = measured.find((phase) => phase.jobs.some((job) => jobs.includes(job)));
    if (ran === undefined && jobs.some((job) => !job.resolved.createOnly)) {
      break;
    }
    const outcomes = jobs.map((job) => {
      const place = ran?.jobs.indexOf(job) ?? -1;
      return ran?.outcome.jobs[place] ?? idleOutcome(job);
    });
    const last = all.at(-1);
    const none = {
      startedEpochMs,
      runtimeNs: 0,
      hiccups: [],
      processCpu: { userNs: 0, systemNs: 0 },
    };
    all.push({
      jobs,
      outcome: { ...(ran?.outcome ?? none), jobs: outcomes },
      offsetNs: ran?.offsetNs ?? (last === undefined ? 0 : last.offsetNs + last.outcome.runtimeNs),
    });
  }
  return all;
}
