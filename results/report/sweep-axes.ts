/** Which parameter of a sweep is a line's axis, and which tell lines and panels apart. */
import { numberOf } from "../sweep/values.ts";
import type { Entry, ReportModel } from "./model.ts";

/** A parameter with numbers for values. */
export interface NumericAxis {
  readonly name: string;
  /** Texts in the order of the numbers. */
  readonly texts: readonly string[];
  readonly numbers: readonly number[];
}

/** Fewer values make bars, not a line. */
const leastValues = 3;
/** Parameters whose line is the chart of IOPS against response time. */
const ofLoad = new Set(["iodepth", "numjobs", "rate_iops"]);

/** The numeric parameter that lines are drawn over; null when there is none. */
export function numericAxis(model: ReportModel): NumericAxis | null {
  const found = Object.keys(model.parameters).flatMap((name) => axisOf(model, name) ?? []);
  const sizes = (axis: NumericAxis) => axis.name === "bs" || axis.name === "blocksize";
  return found.find((axis) => !sizes(axis)) ?? found[0] ?? null;
}

function axisOf(model: ReportModel, name: string): NumericAxis | null {
  const own = model.entries.flatMap((entry) => {
    const text = entry.parameters[name] ?? "-";
    return text === "-" ? [] : [{ entry, text }];
  });
  const texts = [...new Set(own.map(({ text }) => text))];
  const load = ofLoad.has(name) || own.every(({ entry, text }) => Number(text) === entry.depth);
  if (load || texts.length < leastValues || texts.some((text) => numberOf(text) === null)) {
    return null;
  }
  const sorted = texts
    .map((text) => ({ text, number: numberOf(text) ?? 0 }))
    .sort((a, b) => a.number - b.number);
  return {
    name,
    texts: sorted.map(({ text }) => text),
    numbers: sorted.map(({ number }) => number),
  };
}

/** The panel of an entry in a chart over the axis: its facet, without the size if that is the axis. */
export function panelOf(entry: Entry, axis: NumericAxis): string {
  return axis.name === "bs" || axis.name === "blocksize"
    ? entry.facet.replace(/^[\d.]+ [KMG]?i?B /, "")
    : entry.facet;
}

/** What tells the lines of one panel apart: parameters that vary beside the axis. */
export function lineOf(model: ReportModel, entry: Entry, axis: NumericAxis): string {
  const others = Object.entries(model.parameters).filter(([name, values]) => {
    return name !== axis.name && values.length > 1 && tellsApart(model, entry, axis, name);
  });
  const several = others.length > 1;
  return others
    .map(([name]) => {
      const value = entry.parameters[name] ?? "-";
      return several ? `${name}=${value}` : value;
    })
    .join(", ");
}

/** Whether the parameter differs between entries of the entry's panel. */
function tellsApart(model: ReportModel, entry: Entry, axis: NumericAxis, name: string): boolean {
  const panel = panelOf(entry, axis);
  const values = model.entries
    .filter((other) => panelOf(other, axis) === panel)
    .map((other) => other.parameters[name]);
  return new Set(values).size > 1;
}
