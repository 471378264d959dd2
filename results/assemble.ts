/**
 * Makes `run.json` of what was planned and what was measured. Pure: it reads no clock and no file.
 */

import type { CpuSet } from "../workloads/cpu-set.ts";
import type { ParsedJobs, ResolvedJob } from "../workloads/job/model.ts";
import type { MeasuredPhase, RunPlan } from "../workloads/plan-model.ts";
import type {
  Direction,
  DirectionOutcome,
  JobOutcome,
  VerifyOutcome,
} from "../workloads/run-outcome.ts";
import type { DiskUse, OthersUse } from "../workloads/runner/device-stats.ts";
import type { CpusOutcome } from "../workloads/runner/thread-cpus.ts";
import { classShares } from "./class-shares.ts";
import { diskUtilRecord } from "./disk-util.ts";
import {
  directions,
  fioJobRecord,
  givenOptions,
  type MeasuredJob,
  outcomesOf,
} from "./fio-record.ts";
import { generatorHealth, healthNotes } from "./generator-health.ts";
import { type Distribution, percentileIntervals, summarise, withMerged } from "./histogram.ts";
import type { IntervalStatistics } from "./interval-statistics.ts";
import { seriesNames } from "./job-names.ts";
import type { jobCounters } from "./metric-reach.ts";
import { othersNotes, othersRecord } from "./others.ts";
import { partsOf } from "./parts.ts";
import {
  type EnduranceRecord,
  type JobRecord,
  type OsdynoCpu,
  type OsdynoCpuSet,
  type OsdynoCpus,
  type OsdynoDirection,
  type OsdynoSteady,
  type OsdynoTotal,
  type OsdynoTotals,
  type RunCapacity,
  type RunRecord,
  runSchemaName,
} from "./run-record.ts";
import { stagesRecord } from "./stages.ts";
import type { SteadyStates } from "./steady-state.ts";
import { formatCount, formatNs } from "./units.ts";

/**
 * Parsers of fio's JSON read a release number and take what follows a dash for a development build.
 */
export const fioVersionText = "fio-3.33-osdyno-0.1.0";

export interface RunInput {
  readonly parsed: ParsedJobs;
  readonly plan: RunPlan;
  /** The phases that ran, in order; fewer than planned when the run was ended early. */
  readonly phases: readonly MeasuredPhase[];
  readonly intervals: IntervalStatistics;
  /** What became of `steadystate`; absent where no job has one. */
  readonly steady?: SteadyStates;
  readonly environment: Readonly<Record<string, unknown>>;
  readonly disks: readonly DiskUse[];
  /** What others had of the machine; absent: not known. */
  readonly others?: OthersUse;
  /** The command line, one argument each. */
  readonly command: readonly string[];
  readonly label: string;
  readonly seed: number;
  readonly state: "complete" | "partial";
  /** Why it is partial; one line. */
  readonly reason?: string;
  readonly target: string;
  readonly chain: readonly string[];
  readonly options: RunRecord["options"];
  /** Wall clock at the start and at the end of the run, ms since the epoch. */
  readonly startedEpochMs: number;
  readonly endedEpochMs: number;
  /** Largest resident set of the process, bytes. */
  readonly rssBytes: number;
  /** What the jobs' stores counted, warm-ups included. */
  readonly counters?: Readonly<Record<string, number>>;
  /** What was written of what may be; absent when nobody asked. */
  readonly endurance?: EnduranceRecord;
  /** Where threads were kept; absent when nobody chose. */
  readonly cpus?: CpusOutcome;
  /** What schedulers share out. */
  readonly capacities?: readonly RunCapacity[];
}

export function assembleRun(input: RunInput): RunRecord {
  const measured = measuredJobs(input.phases);
  const names = seriesNames(input.plan);
  const elapsedMs = input.endedEpochMs - input.startedEpochMs;
  const records = recordGroups(measured).map((members) =>
    jobRecord(members, measured, names, input, Math.ceil(elapsedMs / 1000)),
  );
  const cpu = (pick: (phase: MeasuredPhase) => number) =>
    input.phases.reduce((sum, phase) => sum + pick(phase), 0);
  return {
    schema: runSchemaName,
    state: input.state,
    ...(input.reason === undefined ? {} : { reason: input.reason }),
    command: input.command,
    label: input.label,
    seed: input.seed,
    path: input.plan.path,
    job: {
      text: input.parsed.text,
      resolved: input.parsed.jobs.map(plainJob),
      notes: input.parsed.notes,
    },
    target: input.target,
    chain: input.chain,
    options: input.options,
    environment: input.environment,
    started: new Date(input.startedEpochMs).toISOString(),
    runtime_ms: elapsedMs,
    "fio version": fioVersionText,
    timestamp: Math.floor(input.endedEpochMs / 1000),
    timestamp_ms: input.endedEpochMs,
    time: localTimeText(input.endedEpochMs),
    "global options": givenOptions(input.parsed.globals),
    jobs: records,
    disk_util: input.disks.map(diskUtilRecord),
    osdyno: {
      process_cpu_user_ns: cpu((phase) => phase.outcome.processCpu.userNs),
      process_cpu_system_ns: cpu((phase) => phase.outcome.processCpu.systemNs),
      rss_bytes: input.rssBytes,
      issued_ios: input.intervals.issuedIos,
      ...(input.others === undefined ? {} : { others: othersRecord(input.others) }),
      totals: totalsOf(measured),
      ...partsOf(
        measured,
        ({ planned, outcome }) => names.get(planned.index) ?? outcome.name,
        totalsOf,
      ),
      ...courseOf(input),
      ...(input.counters === undefined ? {} : { counters: input.counters }),
      ...(input.endurance === undefined ? {} : { endurance: input.endurance }),
      ...(input.cpus === undefined ? {} : { cpus: cpusRecord(input.cpus) }),
      ...classShares(measured, input.plan, input.capacities ?? [], input.counters),
    },
  };
}

function cpusRecord({ generator, target, threads, memory }: CpusOutcome): OsdynoCpus {
  return {
    ...(generator === null ? {} : { generator: cpuSetRecord(generator) }),
    ...(target === null ? {} : { target: cpuSetRecord(target) }),
    threads: threads.map((each) => ({ ...each })),
    ...(memory === undefined ? {} : { memory_bytes: memory }),
  };
}

function cpuSetRecord({ text, cpus, nodes }: CpuSet): OsdynoCpuSet {
  return { asked: text, cpus, ...(nodes === undefined ? {} : { memory_nodes: nodes }) };
}

/** Where there are phases, the rate is to change from one to the next. */
function courseOf({ intervals, plan, state }: RunInput): Pick<RunRecord["osdyno"], "course"> {
  const course = state === "complete" && plan.phases.length === 1 ? intervals.judgeCourse() : null;
  return course === null ? {} : { course };
}

function measuredJobs(phases: readonly MeasuredPhase[]): readonly MeasuredJob[] {
  return phases.flatMap((phase, at) =>
    phase.jobs.flatMap((planned, index) => {
      const outcome = phase.outcome.jobs[index];
      // `stats=0` keeps a job out of the results.
      return outcome === undefined || !planned.resolved.measures.stats
        ? []
        : [{ planned, outcome, phase: at }];
    }),
  );
}

/**
 * Which clones share a record, by fio's rule: a job with group reporting joins the record before it
 * when that is of the same group and reports by group too.
 */
export function recordGroups(jobs: readonly MeasuredJob[]): readonly (readonly MeasuredJob[])[] {
  const groups: MeasuredJob[][] = [];
  let openGroup: number | null = null;
  for (const job of jobs) {
    const { groupReporting } = job.planned.resolved;
    const last = groups.at(-1);
    if (groupReporting && openGroup === job.planned.groupId && last !== undefined) {
      last.push(job);
    } else {
      groups.push([job]);
    }
    openGroup = groupReporting ? job.planned.groupId : null;
  }
  return groups;
}

/** What `latency_target` was asked, where its search stands, and the rate that belongs to it. */
function depthNotes(members: readonly MeasuredJob[]): string[] {
  const found = members.flatMap(({ outcome }) => outcome.latencyTarget ?? []);
  const [first] = found;
  if (first === undefined) {
    return [];
  }
  const depths = [...new Set(found.map(({ depth }) => depth))].sort((a, b) => a - b);
  const iops = members.reduce((sum, member) => {
    const ios = outcomesOf([member], directions).reduce((total, each) => total + each.ios, 0);
    const { measuredNs } = member.outcome;
    return sum + (measuredNs > 0 ? (ios * 1e9) / measuredNs : 0);
  }, 0);
  const each = members.length === 1 ? "" : " (of each of its jobs)";
  return [
    `latency_target=${formatNs(first.targetNs)} for ${first.percentile}% of the operations: the search stands at ` +
      `depth ${depths.join(", ")}${each}; ${formatCount(iops)} IOPS over the whole time measured, the depths tried before among it`,
  ];
}

function jobRecord(
  members: readonly MeasuredJob[],
  all: readonly MeasuredJob[],
  names: ReadonlyMap<number, string>,
  input: RunInput,
  elapsedSeconds: number,
): JobRecord {
  const groupId = members[0]?.planned.groupId;
  const group = all.filter((job) => job.planned.groupId === groupId);
  const phase = members[0]?.phase ?? 0;
  const generator = generatorHealth(members, input.phases[phase]?.outcome.hiccups ?? []);
  const percentiles = members[0]?.planned.resolved.percentiles ?? [];
  const steady = input.steady?.record(members[0]?.planned.index ?? -1) ?? null;
  const steadySpan = steadySpanOf(members[0], input);
  const perDirection = Object.fromEntries(
    directions.flatMap((direction) => {
      const record = latencies(outcomesOf(members, [direction]), percentiles);
      return record === null ? [] : [[direction, record]];
    }),
  );
  const together = latencies(outcomesOf(members, directions), percentiles);
  const verify = mergeVerify(members);
  const stages = stagesRecord(
    members.flatMap(({ outcome }) => outcome.stages ?? []),
    percentiles,
  );
  // What is counted for a whole store is one job's only if no other ran on it.
  const alone = members.length === all.length;
  const failed = members.find((member) => member.outcome.error !== null)?.outcome.error;
  const notes = [
    ...healthNotes(generator),
    ...depthNotes(members),
    ...(failed ? [`ended early: ${failed.message}`] : []),
    ...members.flatMap((member) => member.outcome.notes),
    ...shapeNotes(input.counters),
    ...(input.others === undefined ? [] : othersNotes(othersRecord(input.others))),
  ];
  return {
    ...fioJobRecord(members, group, input.intervals, elapsedSeconds),
    ...(steady === null ? {} : { steadystate: steady }),
    osdyno: {
      sources: members.map((member) => names.get(member.planned.index) ?? member.outcome.name),
      phase,
      ...perDirection,
      ...(together === null ? {} : { all: together }),
      ...(steadySpan === null ? {} : { steady: steadySpan }),
      ...(stages === null ? {} : { stages }),
      generator,
      cpu: cpuOf(members),
      counters: { ...countersOf(members), ...(alone ? input.counters : {}) },
      ...(verify === null ? {} : { verify }),
      ...(failed ? { error: failed } : {}),
      notes: [...new Set(notes)],
    },
  };
}

/** Samples count from when the job's measuring began; the record counts from the run's start. */
function steadySpanOf(job: MeasuredJob | undefined, input: RunInput): OsdynoSteady | null {
  if (job === undefined) {
    return null;
  }
  const { endNs, measuredNs } = job.outcome;
  const measuringNs = (input.phases[job.phase]?.offsetNs ?? 0) + endNs - measuredNs;
  return input.steady?.span(job.planned.index, measuringNs) ?? null;
}

/** The three latencies of some outcomes together; null when nothing completed. `sink` sees the responses. */
function latencies(
  outcomes: readonly DirectionOutcome[],
  percentiles: readonly number[],
  sink: (response: Distribution) => void = () => {},
): OsdynoDirection | null {
  const filled = outcomes.filter((outcome) => outcome.ios > 0);
  if (filled.length === 0) {
    return null;
  }
  const merged = (kind: "service" | "wait" | "response") =>
    withMerged(
      filled.map((outcome) => outcome[kind]),
      (all) => {
        if (kind === "response") {
          sink(all);
        }
        return summarise(all, percentiles);
      },
    );
  return {
    service_ns: merged("service"),
    wait_ns: merged("wait"),
    response_ns: merged("response"),
  };
}

function cpuOf(members: readonly MeasuredJob[]): OsdynoCpu {
  const sum = (pick: (outcome: JobOutcome) => number) =>
    members.reduce((total, member) => total + pick(member.outcome), 0);
  const userNs = sum((outcome) => outcome.cpu.userNs);
  const systemNs = sum((outcome) => outcome.cpu.systemNs);
  const ios = outcomesOf(members, directions).reduce((total, one) => total + one.ios, 0);
  return {
    user_ns: userNs,
    system_ns: systemNs,
    us_per_io: ios === 0 ? 0 : (userNs + systemNs) / 1000 / ios,
  };
}

/** Of operations that a shape held back, so many may be late before it is told. */
const lateShapeShare = 0.01;

/** A host that was slower than the shape it was to be. */
function shapeNotes(counters: RunInput["counters"] = {}): string[] {
  const late = counters["shape.host_slower"] ?? 0;
  const all = counters["shape.operations"] ?? 0;
  return late <= lateShapeShare * all
    ? []
    : [
        `host slower than shape: ${((100 * late) / all).toFixed(1)}% of the operations came more than a tenth later than the shape says`,
      ];
}

function countersOf(members: readonly MeasuredJob[]): Record<string, number> {
  const outcomes = outcomesOf(members, directions);
  const total = (pick: (outcome: DirectionOutcome) => number) =>
    outcomes.reduce((sum, outcome) => sum + pick(outcome), 0);
  const clones = (pick: (outcome: JobOutcome) => number) =>
    members.reduce((sum, member) => sum + pick(member.outcome), 0);
  const counters: Record<(typeof jobCounters)[number], number> = {
    ios: total((outcome) => outcome.ios),
    bytes: total((outcome) => outcome.bytes),
    short_ios: total((outcome) => outcome.shortIos),
    errors: total((outcome) => outcome.errors),
    flushes: clones((outcome) => outcome.sync.count),
    late: clones((outcome) => outcome.generator.lateCount),
    dropped_arrivals: clones((outcome) => outcome.generator.droppedArrivals),
    verified_blocks: clones((outcome) => outcome.verify?.checkedBlocks ?? 0),
    verify_mismatches: clones((outcome) => outcome.verify?.mismatchCount ?? 0),
  };
  return counters;
}

const mismatchesKept = 100;

function mergeVerify(members: readonly MeasuredJob[]): VerifyOutcome | null {
  const parts = members.map((member) => member.outcome.verify).filter((part) => part !== null);
  if (parts.length === 0) {
    return null;
  }
  return {
    checkedBytes: parts.reduce((sum, part) => sum + part.checkedBytes, 0),
    checkedBlocks: parts.reduce((sum, part) => sum + part.checkedBlocks, 0),
    mismatchCount: parts.reduce((sum, part) => sum + part.mismatchCount, 0),
    mismatches: parts.flatMap((part) => part.mismatches).slice(0, mismatchesKept),
  };
}

/**
 * The run as a whole. Jobs of a phase ran side by side, phases one after the other, so the rate is
 * all operations over the sum of each phase's longest runtime.
 */
function totalsOf(jobs: readonly MeasuredJob[]): OsdynoTotals {
  const percentiles = [...new Set(jobs.flatMap((job) => job.planned.resolved.percentiles))];
  const entries = ([...directions, "all"] as const).flatMap((name) => {
    const which = name === "all" ? directions : [name];
    const outcomes = outcomesOf(jobs, which);
    let intervals: OsdynoTotal["response_interval_ns"] = {};
    const record = latencies(outcomes, percentiles, (response) => {
      intervals = percentileIntervals(response);
    });
    if (record === null) {
      return [];
    }
    const phases = [...new Set(jobs.map((job) => job.phase))];
    const runtimeNs = phases.reduce((sum, phase) => {
      const inPhase = jobs.filter((job) => job.phase === phase);
      return sum + Math.max(0, ...inPhase.map((job) => spanNs(job, which)));
    }, 0);
    const ios = outcomes.reduce((sum, outcome) => sum + outcome.ios, 0);
    const bytes = outcomes.reduce((sum, outcome) => sum + outcome.bytes, 0);
    const total: OsdynoTotal = {
      ios,
      bytes,
      iops: runtimeNs === 0 ? 0 : (ios * 1e9) / runtimeNs,
      bw_bytes: runtimeNs === 0 ? 0 : (bytes * 1e9) / runtimeNs,
      ...record,
      response_interval_ns: intervals,
    };
    return [[name, total] as const];
  });
  return Object.fromEntries(entries);
}

/**
 * How long a job was measured at most: an operation that was sent in the warm-up and waited, behind a
 * scheduler for instance, lengthens its direction's own time, not that of all jobs.
 */
function spanNs(job: MeasuredJob, which: readonly Direction[]): number {
  const own = Math.max(0, ...outcomesOf([job], which).map((outcome) => outcome.runtimeNs));
  const { measuredNs } = job.outcome;
  return measuredNs > 0 ? Math.min(own, measuredNs) : own;
}

/** A resolved job as JSON holds it: its map of given options as an object. */
function plainJob(job: ResolvedJob): unknown {
  return { ...job, given: Object.fromEntries(job.given) };
}

const weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** Local time as C's `ctime` writes it, which is what fio's `time` holds. */
function localTimeText(epochMs: number): string {
  const time = new Date(epochMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":");
  const day = String(time.getDate()).padStart(2, " ");
  return `${weekdays[time.getDay()]} ${months[time.getMonth()]} ${day} ${clock} ${time.getFullYear()}`;
}
