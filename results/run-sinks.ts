/** Everything that takes what comes in while a run measures: series, logs, samples, live feed. */
import type { PlannedJob, RunPlan } from "../workloads/plan-model.ts";
import type { IntervalRow, RunPoll } from "../workloads/run-outcome.ts";
import type { DeviceMonitor } from "../workloads/runner/device-monitor.ts";
import type { RunObserver, Standing } from "../workloads/runner/execute.ts";
import {
  type LogPlan,
  logPlan,
  readLogBuffer,
  type WindowRow,
} from "../workloads/runner/log-plan.ts";
import type { FioLogs } from "./fio-logs.ts";
import { directions } from "./fio-record.ts";
import type { IntervalStatistics } from "./interval-statistics.ts";
import { plannedJobs, seriesNames } from "./job-names.ts";
import type { LiveFeed } from "./live.ts";
import type { RunWriter } from "./run-directory.ts";
import type { SteadyStates } from "./steady-state.ts";

/** Results are written this often, ms: what a crash may take. */
const flushEveryMs = 1000;
/**
 * What is shown ends with the last interval: a result that is due waits for one that is about to
 * come in, and takes one that comes a little early.
 */
const statusSlackMs = 100;
const statusPatienceMs = 500;
/** Below this share of its length a window at the job's end is no sample. */
const wholeShare = 0.99;

/** Looks on while a run measures, and may end it. */
export interface RunFollower {
  /** An interval of a job has ended; warm-ups are told of too. */
  interval(row: IntervalRow, job: PlannedJob): void;
  /** Asked several times a second: every job is to end now. */
  ended(): boolean;
}

export interface RunSinksParts {
  readonly plan: RunPlan;
  readonly writer: RunWriter;
  readonly live: LiveFeed | null;
  readonly monitor: DeviceMonitor;
  readonly intervals: IntervalStatistics;
  readonly logs: FioLogs;
  readonly steady: SteadyStates;
  readonly follow: RunFollower | null;
  readonly progress: (poll: RunPoll, jobs: readonly PlannedJob[]) => void;
  /** `--status-interval`; null: not asked for. */
  readonly status: { readonly everyMs: number; readonly show: (standing: Standing) => void } | null;
}

export class RunSinks implements RunObserver {
  private readonly parts: RunSinksParts;
  private readonly names: ReadonlyMap<number, string>;
  private readonly plans = new Map<number, LogPlan>();
  private flushedMs = 0;
  private statusDueMs: number | null = null;
  /** An interval came in since the last look. */
  private fresh = false;

  constructor(parts: RunSinksParts) {
    this.parts = parts;
    this.names = seriesNames(parts.plan);
    for (const job of plannedJobs(parts.plan)) {
      const plan = logPlan(job.resolved);
      if (plan !== null) {
        this.plans.set(job.index, plan);
        const uses = plan.windows.flatMap((window) => window.uses);
        parts.intervals.ownWindows(job.index, [
          ...(uses.includes("bwSample") ? (["bw"] as const) : []),
          ...(uses.includes("iopsSample") ? (["iops"] as const) : []),
        ]);
      }
    }
  }

  phase(jobs: readonly PlannedJob[]): void {
    const nowMs = Date.now();
    for (const job of jobs) {
      const { startDelayNs, rampNs } = job.resolved;
      this.parts.logs.begin(job, nowMs + (startDelayNs + rampNs) / 1e6);
    }
  }

  intervals(rows: readonly IntervalRow[], jobs: readonly PlannedJob[]): void {
    const { monitor, intervals, writer, live, follow } = this.parts;
    const machine = monitor.sample();
    for (const row of rows) {
      const job = jobs[row.job];
      if (job !== undefined) {
        intervals.add(job.index, row);
        writer.interval(job, row, machine);
        follow?.interval(row, job);
        live?.interval(this.names.get(job.index) ?? job.resolved.name, row, machine);
      }
    }
    live?.flush();
    this.fresh = true;
    this.flush();
  }

  private flush(): void {
    if (Date.now() - this.flushedMs > flushEveryMs) {
      this.flushedMs = Date.now();
      this.parts.writer.flush();
      this.parts.logs.flush();
    }
  }

  progress(poll: RunPoll, jobs: readonly PlannedJob[]): void {
    this.parts.progress(poll, jobs);
  }

  log(buffer: Float64Array, job: PlannedJob): void {
    const plan = this.plans.get(job.index);
    if (plan === undefined) {
      return;
    }
    const read = readLogBuffer(buffer, plan);
    this.parts.logs.add(job.index, read);
    if (read.kind === "windows") {
      for (const row of read.rows) {
        this.window(job.index, row);
      }
    }
  }

  private window(jobIndex: number, row: WindowRow): void {
    const { uses, lengthNs } = row.window;
    if (uses.includes("steady")) {
      this.parts.steady.add(jobIndex, row);
    }
    const direction = directions[row.direction];
    if (direction !== undefined && row.lengthNs >= wholeShare * lengthNs) {
      const perSecond = 1e9 / row.lengthNs;
      if (uses.includes("bwSample")) {
        this.parts.intervals.sample(jobIndex, direction, "bw", (row.bytes / 1024) * perSecond);
      }
      if (uses.includes("iopsSample")) {
        this.parts.intervals.sample(jobIndex, direction, "iops", row.ios * perSecond);
      }
    }
  }

  shouldStop(jobs: readonly PlannedJob[]): readonly number[] {
    const ended = this.parts.follow?.ended() ?? false;
    return jobs.flatMap((job, place) =>
      ended || this.parts.steady.attained(job.index) ? [place] : [],
    );
  }

  standing(standing: Standing): void {
    const { status } = this.parts;
    if (status === null) {
      return;
    }
    const nowMs = Date.now();
    const { fresh } = this;
    this.fresh = false;
    if (this.statusDueMs === null) {
      // Jobs tell of themselves from the first time on that they are asked.
      standing.snapshot();
      this.statusDueMs = nowMs + status.everyMs;
    } else if (nowMs >= this.statusDueMs + (fresh ? -statusSlackMs : statusPatienceMs)) {
      this.statusDueMs = Math.max(this.statusDueMs + status.everyMs, nowMs);
      status.show(standing);
    }
  }
}
