/**
 * Judges whether the load generator kept up, and says in words what a reader of the figures must
 * know.
 */
import type { ArrivalRule } from "../workloads/job/model.ts";
import type { HiccupOutcome, JobOutcome } from "../workloads/run-outcome.ts";
import type { PlannedTrace } from "../workloads/trace/model.ts";
import { directions, type MeasuredJob, outcomesOf } from "./fio-record.ts";
import { percentileKey, summarise, withMerged } from "./histogram.ts";
import type { OsdynoGenerator } from "./run-record.ts";

/**
 * Above this share of operations sent late by the generator itself, its lateness is in the figures.
 */
export const lateShareLimit = 0.01;
/** Above this busy share the generator's thread, not the target, may be what limits the rate. */
export const busyShareLimit = 0.8;

/** `closed`, or each direction's law with its rate in operations (or bytes) per second. */
export function loopOf(members: readonly MeasuredJob[]): string {
  const laws = new Set<string>();
  for (const { planned, outcome } of members) {
    const { trace } = planned;
    if (trace !== undefined) {
      laws.add(trace.spec.paced ? traceLaw(trace) : "closed");
      continue;
    }
    for (const [at, direction] of directions.entries()) {
      const rule = planned.resolved.arrival[at] ?? null;
      if (outcome[direction] !== null) {
        laws.add(rule === null ? "closed" : lawOf(rule));
      }
    }
    if (laws.size === 0) {
      // Nothing was sent: what was planned is all that is known.
      const rule = planned.resolved.arrival.find((candidate) => candidate !== null);
      laws.add(rule === undefined || rule === null ? "closed" : lawOf(rule));
    }
  }
  return [...laws].join(", ");
}

function traceLaw({ spec }: PlannedTrace): string {
  const percent = spec.shape.timeScalePercent;
  return percent === 100 ? "trace" : `trace at ${percent}%`;
}

function lawOf(rule: ArrivalRule): string {
  if (rule.kind === "profile") {
    return rule.poisson ? "poisson profile" : "profile";
  }
  const unit = rule.kind !== "burst" && rule.byBytes ? "B/s" : "/s";
  return `${rule.kind} ${rule.rate}${unit}`;
}

function hiccupsOf(meters: readonly HiccupOutcome[]): OsdynoGenerator["hiccups"] {
  const lateness = withMerged(
    meters.map((meter) => meter.lateness),
    (all) => summarise(all, []),
  );
  return {
    cpus: meters.length,
    p99_ns: lateness.percentile[percentileKey(99)] ?? 0,
    p99_9_ns: lateness.percentile[percentileKey(99.9)] ?? 0,
    max_ns: lateness.max,
  };
}

/** @param meters the hiccup meters of the phase that the clones ran in */
export function generatorHealth(
  members: readonly MeasuredJob[],
  meters: readonly HiccupOutcome[],
): OsdynoGenerator {
  const sum = (pick: (outcome: JobOutcome) => number) =>
    members.reduce((total, member) => total + pick(member.outcome), 0);
  const most = (pick: (outcome: JobOutcome) => number) =>
    Math.max(0, ...members.map((member) => pick(member.outcome)));
  const ios = outcomesOf(members, directions).reduce((total, one) => total + one.ios, 0);
  const lateCount = sum((outcome) => outcome.generator.lateCount);
  const dropped = sum((outcome) => outcome.generator.droppedArrivals);
  const lateShare = ios === 0 ? 0 : lateCount / ios;
  // The busiest clone decides: an idle one beside it does not make it faster.
  const busyShare = most((outcome) => outcome.generator.busyShare);
  const capped = members.some(
    ({ planned, outcome }) =>
      planned.resolved.backlogCap !== null &&
      outcome.generator.backlogMax >= planned.resolved.backlogCap,
  );
  return {
    late: lateShare > lateShareLimit,
    saturated: busyShare > busyShareLimit,
    overloaded: dropped > 0 || capped,
    loop: loopOf(members),
    late_count: lateCount,
    late_share: lateShare,
    late_max_ns: most((outcome) => outcome.generator.lateMaxNs),
    late_threshold_ns: most((outcome) => outcome.generator.lateThresholdNs),
    dropped_arrivals: dropped,
    backlog_max: most((outcome) => outcome.generator.backlogMax),
    backlog_end: sum((outcome) => outcome.generator.backlogEnd),
    busy_share: busyShare,
    hiccups: hiccupsOf(meters),
  };
}

const percent = (share: number) => `${(100 * share).toFixed(share < 0.1 ? 2 : 0)}%`;

/** The labels that a figure must not be shown without. */
export function healthNotes(generator: OsdynoGenerator): readonly string[] {
  const notes: string[] = [];
  if (generator.loop.split(", ").includes("closed")) {
    notes.push("closed loop: response time is undefined under stalls");
  }
  if (generator.overloaded) {
    notes.push(
      `overloaded: up to ${generator.backlog_max} arrivals waited and ${generator.dropped_arrivals} were dropped; response times lack the dropped ones`,
    );
  }
  if (generator.late) {
    notes.push(
      `generator late: ${percent(generator.late_share)} of the operations were sent late by the generator, not by the target`,
    );
  }
  if (generator.saturated) {
    notes.push(
      `generator saturated: its thread was busy for ${percent(generator.busy_share)} of the time; the target may be able to do more`,
    );
  }
  return notes;
}
