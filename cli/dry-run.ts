/** `--dry-run`: the plan, its time, bytes and the safety verdict. Creates nothing. */

import { type EnduranceChoice, enduranceLines } from "../results/endurance.ts";
import { capacityPlan } from "../results/mclock-capacity.ts";
import { checkThresholds, type ReachSettings } from "../results/metric-reach.ts";
import type { PlanSettings } from "../results/perform.ts";
import type { Preparation } from "../results/sweep/prepare.ts";
import { formatBytes, ofVirtualTime } from "../results/units.ts";
import type { ParsedJobs } from "../workloads/job/model.ts";
import { resolvedToJson } from "../workloads/job/resolved-json.ts";
import type { PlannedJob, RunPlan } from "../workloads/plan-model.ts";
import { checkMemory, planRun } from "../workloads/planner.ts";
import { checkSpace, layoutBytes } from "../workloads/runner/layout.ts";
import { judgeWrites, refuseUnsafe, type SafetyVerdict } from "../workloads/safety.ts";
import { scratchPlaces } from "../workloads/scratch.ts";
import type { PlannedStore } from "../workloads/store-plan.ts";
import type { PlannedTrace } from "../workloads/trace/model.ts";
import { type Outputs, writeResult } from "./outputs.ts";
import { formatSeconds } from "./progress.ts";

/** One run, or one point of a sweep. */
export interface DryRun {
  /** Of the point; empty for a run. */
  readonly name: string;
  readonly parsed: ParsedJobs;
  readonly settings: PlanSettings & ReachSettings;
}

interface Judged {
  readonly name: string;
  readonly endurance: EnduranceChoice | null;
  readonly virtual: boolean;
  readonly plan: RunPlan;
  readonly verdict: SafetyVerdict;
  /** What is measured before it, one line each. */
  readonly capacity: readonly string[];
}

function jobLine(job: PlannedJob): string {
  const files = job.files.map(({ path, offsetBytes, sizeBytes, created }) => {
    const end = offsetBytes + sizeBytes;
    return `${path} [${offsetBytes}, ${end})${created ? " (created)" : ""}`;
  });
  const bytes = job.ioBytes === null ? "until its runtime ends" : formatBytes(job.ioBytes);
  const { name, rw } = job.resolved;
  const what = job.trace === undefined ? rw : traceText(job.trace);
  return `  ${name}.${job.jobnum}: ${what}, iodepth ${job.iodepth}, ${bytes}: ${files.join(", ")}`;
}

function traceText({ spec, facts }: PlannedTrace): string {
  const [reads, writes, trims, syncs] = facts.operations;
  const paths = spec.inputs.map(({ path }) => path).join(" and ");
  const time = spec.paced ? `${formatSeconds(facts.lastNs / 1e9)}` : "as fast as it can";
  return `trace ${paths} (${[...new Set(facts.formats)].join(", ")}; ${reads} reads, ${writes} writes, ${trims} trims, ${syncs} flushes; ${time})`;
}

function storeLine({ path, make, device }: PlannedStore): string {
  const what = make === null ? "is opened" : `is made, ${formatBytes(make.sizeBytes)}`;
  return `store ${path}: ${what}; device class ${device.deviceClass} (${device.classReason})`;
}

function planText({ name, plan, verdict, capacity, endurance, virtual }: Judged): string {
  const { phases, expectedSeconds, expectedWriteBytes } = plan;
  const time = expectedSeconds === null ? "not known (no runtime)" : formatSeconds(expectedSeconds);
  const written =
    expectedWriteBytes === null ? "as much as the runtime allows" : formatBytes(expectedWriteBytes);
  const lines = [
    ...(name === "" ? [] : [`point ${name}`]),
    ...plan.stores.map(storeLine),
    ...plan.chains
      .filter(({ layers }) => layers.length > 0)
      .map(({ text, layers }) => `layers over ${text}: ${layers.join(", ")}`),
    ...capacity,
    ...phases.flatMap((phase, number) => [
      `phase ${number + 1} of ${phases.length}: ${phase.jobs.length} job thread(s)`,
      ...phase.jobs.map(jobLine),
    ]),
    `time: ${time}${virtual && expectedSeconds !== null ? ` ${ofVirtualTime}` : ""}`,
    `laid out first: ${formatBytes(layoutBytes(plan))}`,
    `written by the jobs: ${written}`,
    ...(endurance === null ? [] : enduranceLines(endurance, expectedWriteBytes)),
    ...verdict.files.map(
      (file) => `safety: ${file.path} ${file.reason}: ${file.allowed ? "allowed" : "REFUSED"}`,
    ),
    ...(verdict.files.length === 0 ? ["safety: nothing is written"] : []),
  ];
  return `${lines.join("\n")}\n`;
}

function planJson({ plan, verdict }: Judged): unknown {
  const phases = plan.phases.map((phase) => ({
    jobs: phase.jobs.map((job) => ({ ...job, resolved: resolvedToJson(job.resolved) })),
  }));
  const stores = plan.stores.map((store) => ({ ...store, options: store.options.record() }));
  const chains = plan.chains.map((chain) => ({ ...chain, options: chain.options.record() }));
  return {
    plan: { ...plan, phases, chains, stores },
    layoutBytes: layoutBytes(plan),
    safety: verdict,
  };
}

/** What starting and recording a run takes beside its measuring, seconds. */
const aroundSeconds = 0.7;

/** When a stop rule may end a sweep. */
export interface DryStop {
  readonly most: number;
  /** Runs of each point after which the figures may end it; none: they never do. */
  readonly looks: readonly number[];
  readonly timeSeconds: number | null;
}

/** What a sweep does beside one run of each point. */
interface SweepWork {
  readonly repeat: number;
  /** Goes on beyond `repeat`, when it is not ended. */
  readonly until?: DryStop | null;
  readonly preparations: readonly Preparation[];
  /** What it does beside what its file says. */
  readonly notes: readonly string[];
}

/** Of preparing and bringing back, for an estimate: what a small SSD takes. */
const preparedBytesPerSecond = 200e6;
const copiedBytesPerSecond = 500e6;

/** The fewest runs of each point, and the most. */
function runsOfEach({ repeat, until = null }: SweepWork): readonly [number, number] {
  if (until === null) {
    return [repeat, repeat];
  }
  // When the time is up, nothing more is asked for than what the file wants in any case.
  const [first = until.most] = until.looks;
  const least = until.timeSeconds === null ? Math.max(repeat, first) : repeat;
  return [least, Math.max(least, until.most)];
}

function endingText({ until = null }: SweepWork): string {
  if (until === null) {
    return "";
  }
  const { looks, timeSeconds } = until;
  const last = looks.at(-1);
  const several = looks.length > 1 ? `${looks.slice(0, -1).join(", ")} or ${last}` : `${last}`;
  const ends = [
    ...(looks.length === 0 ? [] : [`after ${several} runs of each`]),
    ...(timeSeconds === null ? [] : [`when ${formatSeconds(timeSeconds)} have passed`]),
  ];
  return `; it may end ${ends.join(", and ")}`;
}

/** How long all runs of a sweep will take. */
function sweepText(judged: readonly Judged[], work: SweepWork): string {
  const { preparations, notes } = work;
  const virtual = judged.some((each) => each.virtual);
  const times = judged.map(({ plan }) => plan.expectedSeconds);
  const known = times.filter((time) => time !== null);
  const block = known.reduce((sum, time) => sum + time + (virtual ? 0 : aroundSeconds), 0);
  const written = preparations.reduce((sum, each) => sum + each.bytes, 0);
  const store = preparations[0]?.storeBytes ?? 0;
  const seconds = (repeat: number) => {
    const copied = store * (judged.length * repeat + preparations.length);
    const preparing = written / preparedBytesPerSecond + copied / copiedBytesPerSecond;
    return formatSeconds(block * repeat + preparing);
  };
  const [least, most] = runsOfEach(work);
  const both = (text: (repeat: number) => string) =>
    text(least) === text(most) ? text(least) : `${text(least)} to ${text(most)}`;
  const rest = known.length < times.length ? " and those whose time is not known" : "";
  const stores =
    preparations.length === 0
      ? ""
      : `${preparations.length} ${preparations.length === 1 ? "store is" : "stores are"} prepared first (${formatBytes(written)} written); `;
  return (
    `sweep: ${stores}${judged.length} points, ${both(String)} ${most === 1 ? "run" : "runs"} of each, ` +
    `${both((repeat) => String(judged.length * repeat))} in all, ${virtual ? "" : "about "}${both(seconds)}${virtual ? ` ${ofVirtualTime}` : ""}${rest}` +
    `${endingText(work)}\n${notes.map((note) => `note: ${note}\n`).join("")}`
  );
}

/** Prints the plans; throws `unsafe` afterwards when one is refused, or what `checkSpace` throws. */
export function dryRun(
  runs: readonly DryRun[],
  runDirectory: string | undefined,
  outputs: Outputs,
  sweep: SweepWork = { repeat: 1, preparations: [], notes: [] },
): void {
  const scratch = scratchPlaces(runDirectory).map((place) => place.path);
  const judged = runs.map(({ name, parsed, settings }): Judged => {
    const { target, path, seed, destroy, workingDirectory: directory, stack } = settings;
    const choice = stack === undefined ? {} : { stack };
    const plan = planRun(parsed.jobs, { target, path, seed, directory, ...choice });
    const verdict = judgeWrites(plan, { destroy, scratch });
    const endurance = settings.endurance?.choice ?? null;
    const virtual = settings.clock === "virtual";
    return { name, plan, verdict, endurance, virtual, capacity: capacityPlan(plan, stack) };
  });
  const [first, ...more] = judged;
  for (const { settings } of runs.slice(0, 1)) {
    checkThresholds(
      settings,
      judged.map(({ plan }) => plan),
    );
  }
  if (outputs.format === "normal") {
    const told = judged.length > 1 || sweep.repeat > 1 || sweep.notes.length > 0;
    const all = told ? [sweepText(judged, sweep)] : [];
    writeResult(outputs, [...judged.map(planText), ...all].join("\n"));
  } else {
    const points = () =>
      judged.map((each) => ({ point: each.name, ...(planJson(each) as object) }));
    const single = first !== undefined && more.length === 0 && first.name === "";
    const document = single ? planJson(first) : points();
    writeResult(outputs, `${JSON.stringify(document, null, 2)}\n`);
  }
  for (const { verdict } of judged) {
    refuseUnsafe(verdict);
  }
  for (const { plan } of judged) {
    checkMemory(plan);
  }
  checkSpace(judged.map(({ plan }) => plan));
}
