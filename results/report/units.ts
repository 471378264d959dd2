/** Numbers as a reader of the report sees them: those of `results/units.ts` with the proper micro sign. */
import { formatMetric as formatPlain, metricFacts } from "../metrics.ts";
import {
  formatBytes as formatPlainBytes,
  formatNs as formatPlainNs,
  formatRateDecimal,
} from "../units.ts";

export { formatBandwidth, formatCount } from "../units.ts";

function withMicro(text: string): string {
  return text.replace(/ us$/, " \u00b5s");
}

/** `13.2 \u00b5s`; ns, \u00b5s, ms or s. */
export function formatNs(ns: number): string {
  return withMicro(formatPlainNs(ns));
}

/** `4 KiB`, `1.50 GiB`: block sizes are round, and zeros behind the point would look measured. */
export function formatBytes(bytes: number): string {
  return formatPlainBytes(bytes).replace(/\.0+ /, " ");
}

/** `48 s`, `3 min 20 s` */
export function formatSeconds(seconds: number): string {
  if (seconds < 120) {
    return `${Number(seconds.toPrecision(3))} s`;
  }
  const minutes = Math.floor(seconds / 60);
  return `${minutes} min ${Math.floor(seconds - minutes * 60)} s`;
}

/** `12.3%` of a share between 0 and 1. */
export function formatShare(share: number): string {
  return `${Number((share * 100).toPrecision(3))}%`;
}

/** The name of a metric in a sentence: `IOPS`, `response p99`. */
export function metricTitle(metric: string): string {
  const label = metricFacts(metric)?.label ?? metric;
  return label.replace(/^((?:\w+ )?\w+) time (?=p|m)/, "$1 ");
}

/** The same for a heading. */
export function metricHeading(metric: string): string {
  return metricTitle(metric).replace(/^[a-z]/, (letter) => letter.toUpperCase());
}

/** Whether a larger figure is the better one. */
export function higherIsBetter(metric: string): boolean {
  return metricFacts(metric)?.better === "higher";
}

/** Whether one figure of the metric is better than another at all: a share or a count is what it is. */
export function hasBetter(metric: string): boolean {
  return metricFacts(metric)?.better !== "none";
}

/** Whether the metric is a time in nanoseconds. */
export function isTime(metric: string): boolean {
  return metricFacts(metric)?.unit === "ns";
}

/** Whether the metric is a rate in bytes per second. */
export function isBandwidth(metric: string): boolean {
  return metricFacts(metric)?.unit === "bytes/s";
}

/** A metric's figure with its unit. */
export function formatMetric(metric: string, value: number): string {
  return withMicro(formatPlain(metric, value));
}

/** The same in little room: a bandwidth in decimal units only. */
export function formatShort(metric: string, value: number): string {
  return isBandwidth(metric) ? formatRateDecimal(value) : formatMetric(metric, value);
}
