/** How rate and waiting grow with the operations outstanding, where a sweep varied them. */
import type { LoadCurve } from "../load-curve/curve.ts";
import type { Entry } from "./model.ts";
import { formatCount, formatNs } from "./units.ts";

interface Growth {
  readonly facet: string;
  readonly series: string;
  readonly first: Entry;
  readonly peak: Entry;
  readonly last: Entry;
  /** Other lines of the panel. */
  readonly rivals: number;
}

/** More panels than this would make a sentence that nobody reads. */
const mostFacets = 4;

const iopsOf = (entry: Entry) => entry.metrics["iops"]?.value ?? 0;

/**
 * Two sentences: the rates, and the 99th percentiles at the same points. Empty unless every panel has
 * a line of depths in a closed loop, all from and to the same depths.
 */
export function growthOf(entries: readonly Entry[]): readonly string[] {
  const facets = [...new Set(entries.map((entry) => entry.facet))];
  const found = facets.flatMap((facet) => {
    const growth = fastest(entries.filter((entry) => entry.facet === facet));
    return growth === null ? [] : [growth];
  });
  const [any] = found;
  const alike = found.every(
    (one) => one.first.depth === any?.first.depth && one.last.depth === any.last.depth,
  );
  if (any === undefined || found.length < facets.length || facets.length > mostFacets || !alike) {
    return [];
  }
  return [ratesSentence(found, any), ...waitingSentence(found)];
}

/** The line of depths that reaches the most operations a second. */
function fastest(entries: readonly Entry[]): Growth | null {
  const lines = new Map<string, Entry[]>();
  for (const entry of entries) {
    if (!entry.openLoop && iopsOf(entry) > 0) {
      lines.set(entry.series, [...(lines.get(entry.series) ?? []), entry]);
    }
  }
  let best: Growth | null = null;
  for (const [series, own] of lines) {
    const line = [...own].sort((a, b) => a.depth - b.depth);
    const [first] = line;
    const last = line.at(-1);
    if (first === undefined || last === undefined || last.depth <= first.depth) {
      continue;
    }
    const peak = line.reduce((a, b) => (iopsOf(b) > iopsOf(a) ? b : a));
    if (best === null || iopsOf(peak) > iopsOf(best.peak)) {
      best = { facet: first.facet, series, first, peak, last, rivals: lines.size - 1 };
    }
  }
  return best;
}

function ratesSentence(found: readonly Growth[], any: Growth): string {
  const lines = new Set(found.map((one) => one.series));
  const parts = found.map((one) => {
    const short = one.peak.depth < one.last.depth ? ` at ${one.peak.depth}` : "";
    const who = lines.size > 1 ? ` (${one.series})` : "";
    const times = (iopsOf(one.peak) / iopsOf(one.first)).toPrecision(2);
    return `${Number(times)}x to ${formatCount(iopsOf(one.peak))}${short} for ${one.facet}${who}`;
  });
  const many = found.some((one) => one.rivals > 0);
  const who = lines.size === 1 && many ? ` (${any.series}, the faster one in each)` : "";
  return `from ${any.first.depth} to ${any.last.depth} operations outstanding, IOPS grow ${listed(parts)}${who}.`;
}

function waitingSentence(found: readonly Growth[]): readonly string[] {
  const p99 = (entry: Entry) => {
    const value = entry.metrics["response.p99"];
    return value?.solid === true ? formatNs(value.value) : null;
  };
  const parts = found.flatMap((one) => {
    const [from, to] = [p99(one.first), p99(one.peak)];
    return from === null || to === null ? [] : [`from ${from} to ${to} for ${one.facet}`];
  });
  return parts.length === 0
    ? []
    : [`Meanwhile the 99th percentile of response time goes ${listed(parts)}.`];
}

function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

/** A rate is kept when this share of what was offered completes. */
const keptShare = 0.98;
/** Arrivals drawn by chance may come to so many standard deviations less than their rate. */
const chances = 3;

/** What the arrivals of a run may come to less than their rate, operations a second. */
function chanceOf(entry: Entry): number {
  const ios = entry.samples / Math.max(1, entry.replicates);
  // The variance of a count of Poisson arrivals is the count; of its rate that by the time squared.
  return entry.load?.includes("Poisson") === true && ios > 0
    ? chances * Math.sqrt((entry.depth * iopsOf(entry)) / ios)
    : 0;
}

/**
 * The 99th percentiles of each direction at the highest rate that a response curve found to be kept up with;
 * whether it is, the curve says of all directions together.
 */
export function timesAtKept(
  { points, kept_iops: kept }: Pick<LoadCurve, "points" | "kept_iops">,
  entries: readonly Entry[],
): readonly string[] {
  const id = points.find(({ offered_iops: rate }) => rate === kept)?.id;
  const parts = entries.flatMap((entry) => {
    const value = entry.metrics["response.p99"];
    return entry.point === id && value?.solid === true
      ? [`${formatNs(value.value)} for ${entry.facet}`]
      : [];
  });
  return kept === null || parts.length === 0
    ? []
    : [`At ${formatCount(kept)} IOPS the 99th percentile of response time is ${listed(parts)}.`];
}

/**
 * A sentence per line of offered rates: up to which one the target kept up, and what waiting that took.
 * Empty unless every panel is one line of at least two rates in an open loop.
 */
export function offeredOf(entries: readonly Entry[]): readonly string[] {
  const facets = [...new Set(entries.map((entry) => entry.facet))];
  const lines = facets.map((facet) => entries.filter((entry) => entry.facet === facet));
  const plain = lines.every(
    (line) =>
      line.length > 1 &&
      new Set(line.map((entry) => entry.series)).size === 1 &&
      line.every((entry) => typeof entry.offered === "number"),
  );
  if (!plain || facets.length > mostFacets) {
    return [];
  }
  return lines.map((line) => keptSentence([...line].sort((a, b) => a.depth - b.depth)));
}

function keptSentence(line: readonly Entry[]): string {
  const failing = line.findIndex(
    (entry) => iopsOf(entry) < keptShare * entry.depth - chanceOf(entry),
  );
  const fail = line[failing];
  const kept = fail === undefined ? line.at(-1) : line[failing - 1];
  const p99 = (entry: Entry) => {
    const value = entry.metrics["response.p99"];
    return value?.solid === true ? ` with response p99 ${formatNs(value.value)}` : "";
  };
  const rate = (entry: Entry) => formatCount(entry.depth).replace(/\.0+(?=k|M|G|$)/, "");
  const facet = line[0]?.facet ?? "";
  const good =
    kept === undefined
      ? `${facet} did not even keep up with`
      : `${facet} kept up with ${rate(kept)} operations offered a second${p99(kept)}`;
  if (fail === undefined) {
    return `${good}, the highest rate offered.`;
  }
  const bad = `${rate(fail)} offered only ${formatCount(iopsOf(fail))} completed${p99(fail)}`;
  return kept === undefined
    ? `${good} ${rate(fail)} operations offered a second: ${formatCount(iopsOf(fail))} completed${p99(fail)}.`
    : `${good}; of ${bad}.`;
}
