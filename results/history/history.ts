/** Figures of the same measurement over weeks: their levels, where they changed for good, and what changed then. */
import { median } from "simple-statistics";
import { metricFacts } from "../metrics.ts";
import { changeText } from "../recorded-difference.ts";
import { changedFacts } from "../report/environment.ts";
import { formatShort, metricHeading } from "../report/units.ts";
import { changePoints, fewestForChange } from "../stats/change-points.ts";
import { type Difference, differenceOf } from "../stats/verdict.ts";
import { outliersOf } from "../stats/within-run.ts";
import type { HistoryFigure, HistoryItem } from "./items.ts";

export interface HistoryRules {
  /** Changes smaller than this share are drawn, but neither better nor worse. */
  readonly minEffect: number;
  /** A place counts as a change when fewer random orders of the figures than this share part as well. */
  readonly level: number;
}

export const usualRules: HistoryRules = { minEffect: 0.02, level: 0.01 };
/** Of the newest items; older ones say little of today. */
const mostItems = 300;
/** Items on either side of a change. */
const leastSide = 5;
/** Orders drawn for each time that the level lets one look like a change: by chance alone 10 do. */
const ordersPerLevel = 10;

export interface HistoryPoint extends HistoryFigure {
  readonly source: string;
  readonly started: string;
  readonly runs: number;
}

export interface HistoryChange {
  /** The first point after it. */
  readonly at: number;
  readonly started: string;
  readonly source: string;
  /** Level after by level before, with the 95% interval; null where there are too few points for one. */
  readonly ratio: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly verdict: "better" | "worse" | "same" | "unclear";
  /** Facts of the machine, target or job that are not the same on both sides. */
  readonly changed: readonly string[];
}

export interface HistoryLevel {
  readonly from: number;
  /** The point after the last one. */
  readonly to: number;
  readonly value: number;
}

export interface HistoryMetric {
  readonly metric: string;
  readonly points: readonly HistoryPoint[];
  readonly levels: readonly HistoryLevel[];
  readonly changes: readonly HistoryChange[];
  /** Places of points far from their level. */
  readonly outliers: readonly number[];
  /** With fewer results no change can be told from chance. */
  readonly fewest: number;
}

export interface HistoryLine {
  readonly name: string;
  readonly items: number;
  readonly metrics: readonly HistoryMetric[];
  /** A sentence a metric. */
  readonly answer: readonly string[];
}

export interface HistoryModel {
  readonly schema: "osdyno-history-1";
  readonly minEffect: number;
  readonly level: number;
  readonly lines: readonly HistoryLine[];
  /** Names of lines with a single item, which have no history yet. */
  readonly single: readonly string[];
}

/** Lines in the order of their names, each in the order of time. */
export function historyOf(
  items: readonly HistoryItem[],
  metrics: readonly string[],
  rules: HistoryRules = usualRules,
): HistoryModel {
  const names = [...new Set(items.map((item) => item.line))].sort((a, b) => (a < b ? -1 : 1));
  const lines = names.map((name) => {
    const own = items
      .filter((item) => item.line === name)
      .sort((a, b) => (a.started < b.started ? -1 : a.started > b.started ? 1 : 0))
      .slice(-mostItems);
    const found = metrics.flatMap((metric) => metricOf(own, metric, metrics.length, rules) ?? []);
    const answer = found.map((one) => sentenceOf(one));
    return { name, items: own.length, metrics: found, answer };
  });
  return {
    schema: "osdyno-history-1",
    minEffect: rules.minEffect,
    level: rules.level,
    lines: lines.filter((line) => line.items > 1 && line.metrics.length > 0),
    single: lines.filter((line) => line.items === 1).map((line) => line.name),
  };
}

function metricOf(
  items: readonly HistoryItem[],
  metric: string,
  metricCount: number,
  rules: HistoryRules,
): HistoryMetric | null {
  const own = items.filter((item) => item.figures[metric] !== undefined);
  const points = own.flatMap(({ source, started, runs, figures }) => {
    const figure = figures[metric];
    return figure === undefined ? [] : [{ source, started, runs, ...figure }];
  });
  if (points.length < 2) {
    return null;
  }
  const values = points.map((point) => point.value);
  // A share more counts the same at every level, as long as there is a logarithm.
  const scaled = values.every((value) => value > 0) ? values.map(Math.log) : values;
  const level = rules.level / metricCount;
  const permutations = Math.ceil(ordersPerLevel / level) - 1;
  const places = changePoints(scaled, { level, permutations, least: leastSide });
  const bounds = [0, ...places, values.length];
  const levels = bounds.slice(1).map((to, place) => {
    const from = bounds[place] ?? 0;
    return { from, to, value: median(values.slice(from, to)) };
  });
  const changes = places.map((at, place) => {
    const before = values.slice(bounds[place], at);
    const after = values.slice(at, bounds[place + 2]);
    return changeOf(own, at, differenceOf(before, after, false), metric, rules);
  });
  const outliers = levels.flatMap(({ from, to }) =>
    to - from < leastSide ? [] : outliersOf(values.slice(from, to)).map((place) => from + place),
  );
  const fewest = fewestForChange(level, leastSide);
  return { metric, points, levels, changes, outliers, fewest };
}

function changeOf(
  items: readonly HistoryItem[],
  at: number,
  difference: Difference | null,
  metric: string,
  { minEffect }: HistoryRules,
): HistoryChange {
  const [before, after] = [items[at - 1], items[at]];
  const ratio = difference?.ratio ?? 1;
  const better = metricFacts(metric)?.better ?? "none";
  const small = Math.abs(ratio - 1) < minEffect;
  const sided = ratio > 1 ? "higher" : "lower";
  const verdict = small
    ? "same"
    : better === "none"
      ? "unclear"
      : better === sided
        ? "better"
        : "worse";
  return {
    at,
    started: after?.started ?? "",
    source: after?.source ?? "",
    ratio,
    low: difference?.low ?? null,
    high: difference?.high ?? null,
    verdict,
    changed: before === undefined || after === undefined ? [] : changedBetween(before, after),
  };
}

function changedBetween(before: HistoryItem, after: HistoryItem): readonly string[] {
  return [
    ...(before.job === after.job ? [] : ["the job"]),
    ...(before.target === after.target ? [] : [`the target (${before.target} / ${after.target})`]),
    ...changedFacts([before.environment, after.environment]),
  ];
}

const day = (started: string) => started.slice(0, 10);

function sentenceOf({ metric, points, levels, changes, outliers, fewest }: HistoryMetric): string {
  const title = metricHeading(metric);
  const level = formatShort(metric, levels.at(-1)?.value ?? Number.NaN);
  const last = changes.at(-1);
  const newest = points.length - 1;
  const odd = outliers.includes(newest)
    ? `; the newest, ${formatShort(metric, points[newest]?.value ?? Number.NaN)}, lies far from that`
    : "";
  if (points.length < fewest) {
    return `${title}: ${level} in the middle of ${points.length} results; changes can be told from ${fewest} on${odd}.`;
  }
  if (last === undefined) {
    return `${title}: no change in ${points.length} results since ${day(points[0]?.started ?? "")}, ${level}${odd}.`;
  }
  const word = {
    better: "better",
    worse: "worse",
    same: "a little different",
    unclear: "different",
  };
  const interval =
    last.low === null || last.high === null
      ? ""
      : `, interval ${changeText(last.low)} to ${changeText(last.high)}`;
  const times = changes.length === 1 ? "" : `; ${changes.length} changes in all`;
  const facts =
    last.changed.length === 0 ? "" : `; then changed: ${last.changed.slice(0, 3).join(", ")}`;
  return (
    `${title}: ${word[last.verdict]} since ${day(last.started)} (${last.source}), ` +
    `${changeText(last.ratio)} to ${level}${interval}${facts}${times}${odd}.`
  );
}
