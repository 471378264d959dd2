/**
 * What each class had over time: as a part of the capacity, beside what mClock reserved and allowed it, or,
 * where no capacity is known, as a part of all operations.
 */
import {
  type ClientQos,
  type MclockProfile,
  mclockProfiles,
  type QosClass,
} from "../../engine/hot/scheduler/qos.ts";
import { costOf } from "../class-shares.ts";
import type { RunRecord } from "../run-record.ts";
import type { SeriesPoint } from "../series.ts";
import type { ClassShare, ShareOverTime } from "./model.ts";
import type { RunFiles } from "./run-files.ts";

interface PointRuns {
  readonly id: string;
  readonly runs: readonly { readonly files: RunFiles }[];
}

/** Rows of one line at most. */
const mostRows = 120;

/** By class: its name among the profiles, and in the options of the profile `custom`. */
const classes: Readonly<Record<string, readonly [QosClass, string]>> = {
  client: ["client", "client"],
  recovery: ["recovery", "background_recovery"],
  best_effort: ["bestEffort", "background_best_effort"],
};

/** Parts of the capacity; null where no mClock ruled, or there is none. */
function qosOf({ chain, options }: RunRecord, name: string): ClientQos | null {
  const known = classes[name];
  const text = (option: string) => options?.[option]?.value;
  if (
    known === undefined ||
    chain?.includes("scheduler") !== true ||
    text("osd_op_queue") !== "mclock_scheduler"
  ) {
    return null;
  }
  const profile = text("osd_mclock_profile");
  if (profile !== "custom") {
    return mclockProfiles[profile as MclockProfile]?.[known[0]] ?? null;
  }
  const part = (end: string) => Number(text(`osd_mclock_scheduler_${known[1]}_${end}`) ?? 0);
  return { reservation: part("res"), weight: part("wgt"), limit: part("lim") };
}

/** The class of each name in `series.csv`. */
function classesOf({ job, jobs }: RunRecord): ReadonlyMap<string, string> {
  const resolved = (job?.resolved ?? []) as readonly Readonly<Record<string, unknown>>[];
  const named = new Map(resolved.map((each) => [each["name"], each["opClass"]]));
  return new Map(
    jobs.flatMap((record) =>
      (record.osdyno?.sources ?? []).map((source): [string, string] => [
        source,
        String(named.get(record.jobname) ?? "client"),
      ]),
    ),
  );
}

/** Operations a second by class and interval; jobs report at about the same times. */
function sums(series: readonly SeriesPoint[], classOf: ReadonlyMap<string, string>) {
  const times = [...new Set(series.map(({ timeMs }) => timeMs))].sort((a, b) => a - b);
  const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0));
  const usual = gaps.sort((a, b) => a - b).at(-1) ?? 0;
  const step = Math.max(usual, ((times.at(-1) ?? 0) - (times[0] ?? 0)) / mostRows, 1);
  const slots = new Map<number, Map<string, { ops: number; ms: number }>>();
  const before = new Map<string, number>();
  for (const { timeMs, job, direction, iops } of series.toSorted((a, b) => a.timeMs - b.timeMs)) {
    const slot = Math.round(timeMs / step);
    const key = `${job} ${direction}`;
    // Several rows of a job in one slot, as of its last moments, count by their length.
    const ms = timeMs - (before.get(key) ?? timeMs - usual);
    before.set(key, timeMs);
    const own = slots.get(slot) ?? new Map<string, { ops: number; ms: number }>();
    const sum = own.get(key) ?? { ops: 0, ms: 0 };
    own.set(key, { ops: sum.ops + iops * ms, ms: sum.ms + ms });
    slots.set(slot, own);
  }
  const rows = [...slots]
    .sort(([a], [b]) => a - b)
    .map(([slot, sums]) => {
      const counts = new Map<string, number>();
      for (const [key, { ops, ms }] of sums) {
        const name = classOf.get(key.slice(0, key.lastIndexOf(" "))) ?? "client";
        counts.set(name, (counts.get(name) ?? 0) + (ms > 0 ? ops / ms : 0));
      }
      const all = [...counts.values()].reduce((sum, each) => sum + each, 0);
      return { ms: slot * step, counts, all };
    });
  // At the end jobs wait for what is still queued: shares of that say nothing.
  const usualIops = rows.map(({ all }) => all).sort((a, b) => a - b)[rows.length >> 1] ?? 0;
  const last = rows.findLastIndex(({ all }) => all >= usualIops / 2);
  return rows.slice(0, last + 1);
}

/** What one operation a second of a class is of the capacity; null: shares are of what was served. */
function unitOf({ osdyno }: RunRecord, name: string): number | null {
  const { capacity = [], share, counters } = osdyno;
  const [first] = capacity;
  if (share === undefined || first === undefined) {
    return null;
  }
  const whole = capacity.reduce((sum, each) => sum + each.bandwidth_bytes, 0);
  return costOf(name, counters, first) / whole;
}

/** The first run of each point that has several classes. */
export function shareLinesOf(points: readonly PointRuns[]): readonly ShareOverTime[] {
  return points.flatMap(({ id, runs }) => {
    const files = runs[0]?.files;
    const osdyno = files?.record.osdyno;
    const ofCapacity = osdyno?.share !== undefined;
    const shares = osdyno?.share ?? osdyno?.served ?? osdyno?.shares ?? {};
    const names = Object.keys(classes).filter((name) => shares[name] !== undefined);
    if (files === undefined || names.length < 2) {
      return [];
    }
    const rows = sums(files.series, classesOf(files.record));
    const lines = names.map((name): ClassShare => {
      const qos = ofCapacity ? qosOf(files.record, name) : null;
      const unit = unitOf(files.record, name);
      return {
        name,
        share: shares[name] ?? 0,
        reservation: qos === null || qos.reservation === 0 ? null : qos.reservation,
        limit: qos === null || qos.limit === 0 ? null : qos.limit,
        rows: rows.flatMap(({ ms, counts, all }) =>
          all === 0 ? [] : [{ ms, share: (counts.get(name) ?? 0) * (unit ?? 1 / all) }],
        ),
      };
    });
    return [{ point: id, ofCapacity, classes: lines }];
  });
}
