/** Numbers as a person reads them. Everything inside is ns, bytes and operations per second. */

const micro = "\u00b5";

/** Three significant digits, without an exponent: 1234.5 -> `1230`, 0.01234 -> `0.0123`. */
function significant(value: number): string {
  if (value === 0) {
    return "0";
  }
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 6));
}

function scaled(value: number, base: number, units: readonly string[]): string {
  let rest = value;
  let index = 0;
  while (Math.abs(rest) >= base * 0.9995 && index < units.length - 1) {
    rest /= base;
    index += 1;
  }
  const text = index === 0 && Number.isInteger(rest) ? String(rest) : significant(rest);
  return `${text}${units[index] ?? ""}`;
}

/** `13.2 us` with the proper sign for micro; ns, us, ms or s. */
export function formatNs(ns: number): string {
  return scaled(ns, 1000, [" ns", ` ${micro}s`, " ms", " s"]);
}

/** `34.5k` */
export function formatCount(value: number): string {
  return scaled(value, 1000, ["", "k", "M", "G"]);
}

/** `141 MB/s (135 MiB/s)`: decimal and binary, because the field uses both. */
export function formatBandwidth(bytesPerSecond: number): string {
  const decimal = scaled(bytesPerSecond, 1000, [" B/s", " kB/s", " MB/s", " GB/s"]);
  const binary = scaled(bytesPerSecond, 1024, [" B/s", " KiB/s", " MiB/s", " GiB/s"]);
  return bytesPerSecond < 1000 ? decimal : `${decimal} (${binary})`;
}

/** `4 KiB` */
export function formatBytes(bytes: number): string {
  return scaled(bytes, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]).replace(/\.0+(?= )/, "");
}

/** `48 s`, `3 min 20 s` */
export function formatSeconds(seconds: number): string {
  if (seconds < 120) {
    return `${significant(seconds)} s`;
  }
  const minutes = Math.floor(seconds / 60);
  return `${minutes} min ${Math.round(seconds - minutes * 60)} s`;
}

/** `12.3%` of a share between 0 and 1. */
export function formatShare(share: number): string {
  return `${significant(share * 100)}%`;
}

/** The name of a metric for a heading: `response.p99` -> `response p99`. */
export function metricTitle(metric: string): string {
  return metric === "iops" ? "IOPS" : metric.replaceAll(".p", " p").replaceAll(".m", " m");
}

/** Whether a larger figure is the better one. */
export function higherIsBetter(metric: string): boolean {
  return /(^|\.)(iops|bw|cache_hit_ratio)$/.test(metric);
}

/** Whether the metric is a time in nanoseconds. */
export function isTime(metric: string): boolean {
  return /(^|\.)(service|wait|response|clat|slat|lat)\./.test(metric);
}

/** A metric's figure with its unit. */
export function formatMetric(metric: string, value: number): string {
  if (isTime(metric)) {
    return formatNs(value);
  }
  if (/(^|\.)bw$/.test(metric)) {
    return formatBandwidth(value);
  }
  if (metric === "cpu_us_per_io") {
    return `${significant(value)} ${micro}s`;
  }
  if (metric === "rss_bytes") {
    return formatBytes(value);
  }
  return formatCount(value);
}
