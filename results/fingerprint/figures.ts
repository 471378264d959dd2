/** From what was seen in each round to the figures of a profile: medians, and from which to which. */
import { median } from "simple-statistics";
import { quantileRanks } from "./load.ts";
import type { MeasuredPoint, WriteWindow } from "./measure.ts";
import type { ProfileFigure, ProfileSpread, ProfileSustained } from "./profile.ts";

function spreadOf(values: readonly number[]): ProfileSpread {
  return { median: median([...values]), low: Math.min(...values), high: Math.max(...values) };
}

const names = ["min", "p10", "p50", "p90", "p95", "p99", "p99_9"] as const;

function latencyOf(rounds: MeasuredPoint["rounds"]): ProfileFigure["latency_ns"] {
  const entries = quantileRanks.flatMap((_, index) => {
    const values = rounds.flatMap(({ quantilesNs }) => quantilesNs[index] ?? []);
    return values.length === 0 ? [] : [[names[index] ?? "", median(values)]];
  });
  const mean = spreadOf(rounds.map(({ meanNs }) => meanNs));
  return { mean, ...Object.fromEntries(entries) };
}

export function figureOf({ point, rounds }: MeasuredPoint): ProfileFigure {
  const { id, group, load } = point;
  const seconds = rounds.map(({ elapsedNs }) => elapsedNs / 1e9);
  const order = typeof load.order === "string" ? load.order : "jump";
  return {
    id,
    group,
    write_share: load.writeShare,
    size_bytes: load.bytes,
    depth: load.depth,
    order,
    ...(typeof load.order === "string" ? {} : { jump_bytes: load.order.jumpBytes }),
    iops: spreadOf(rounds.map(({ ops }, index) => ops / (seconds[index] as number))),
    bytes_per_second: spreadOf(
      rounds.map(({ bytes }, index) => bytes / (seconds[index] as number)),
    ),
    latency_ns: latencyOf(rounds),
    samples: rounds.reduce((sum, { ops }) => sum + ops, 0),
  };
}

const rateOf = ({ bytes, elapsedNs }: WriteWindow): number => (bytes * 1e9) / elapsedNs;

/** Share of the rate at the beginning below which a write has fallen off the cliff. */
const cliffShare = 0.7;

/** Where a write that goes on becomes slower, if it does. */
export function sustainedOf(windows: readonly WriteWindow[]): ProfileSustained | null {
  if (windows.length < 8) {
    return null;
  }
  const rates = windows.map(rateOf);
  const first = median(rates.slice(0, Math.max(2, Math.floor(rates.length / 8))));
  const last = median(rates.slice(-Math.max(2, Math.floor(rates.length / 4))));
  // Of five windows in a row the median: one slow window is no cliff.
  const smooth = rates.map((_, at) => median(rates.slice(Math.max(0, at - 2), at + 3)));
  const fallen = last < cliffShare * first;
  const at = fallen ? smooth.findIndex((rate) => rate < (first + last) / 2) : -1;
  return {
    first_bytes_per_second: first,
    last_bytes_per_second: last,
    cliff_after_bytes: at < 0 ? null : (windows[at]?.afterBytes ?? null),
    written_bytes: windows.reduce((sum, { bytes }) => sum + bytes, 0),
    windows: windows.map((window) => ({
      after_bytes: window.afterBytes,
      bytes_per_second: Math.round(rateOf(window)),
    })),
  };
}
