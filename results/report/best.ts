/** Which entry of a group was shown to be better than every other, and not merely measured best. */
import { contrastOf, decide, sidesOf } from "../stats/verdict.ts";
import type { SweepComparison } from "../sweep-record.ts";
import { bestBy } from "./answer.ts";
import type { Entry, MetricValue, ReportModel } from "./model.ts";
import { higherIsBetter } from "./units.ts";

type Known = Pick<ReportModel, "comparisons" | "entries" | "minEffect" | "preview">;

/**
 * Null when the runs do not show it. A pair that was compared has its verdict; where both are candidates of
 * one baseline, or there is none, the same test is made of their own figures. It needs no adjustment: the mark is
 * given only if every one of these tests says so (an intersection of tests is as sure as one of them).
 */
export function provenBest(model: Known, group: readonly Entry[], metric: string): Entry | null {
  const leader = bestBy(group, metric);
  const others = group.filter((entry) => entry !== leader && solid(entry, metric) !== null);
  if (leader === null || others.length === 0 || model.preview) {
    return null;
  }
  return others.every((other) => isBetter(model, leader, other, metric)) ? leader : null;
}

function solid(entry: Entry, metric: string): MetricValue | null {
  const value = entry.metrics[metric];
  return value?.solid === true ? value : null;
}

function isBetter(model: Known, one: Entry, other: Entry, metric: string): boolean {
  const said = verdictOf(model, one, other, metric);
  return said ?? differs(model, one, other, metric);
}

/** What the sweep decided of the two; null when it did not compare them. */
function verdictOf(model: Known, one: Entry, other: Entry, metric: string): boolean | null {
  // Of a point with several directions verdicts are about all operations together, entries about one.
  const alone = (entry: Entry) =>
    model.entries.filter(({ point }) => point === entry.point).length === 1;
  if (!alone(one) || !alone(other)) {
    return null;
  }
  const between = (base: Entry, candidate: Entry): SweepComparison | undefined =>
    model.comparisons.find(
      (each) =>
        each.metric === metric && each.base === base.point && each.candidate === candidate.point,
    );
  const forward = between(other, one);
  const back = between(one, other);
  return forward !== undefined
    ? forward.verdict === "better"
    : back !== undefined
      ? back.verdict === "worse"
      : null;
}

/** Runs of one number were made in one block: they are pairs when both sides have all of them. */
function differs(model: Known, one: Entry, other: Entry, metric: string): boolean {
  const [own, base] = [solid(one, metric)?.values ?? [], solid(other, metric)?.values ?? []];
  const paired = own.length === one.replicates && base.length === own.length;
  const found = contrastOf(sidesOf(base, own, paired), paired);
  const better = higherIsBetter(metric) ? "higher" : "lower";
  return (
    found !== null &&
    decide(found, found.p, { confidence: 0.95, margin: model.minEffect, better }).verdict ===
      "better"
  );
}
