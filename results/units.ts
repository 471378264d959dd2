/** Figures as a person reads them, and as a person writes them in a threshold. */

/**
 * Three significant digits without an exponent and without zeros that carry nothing beyond a point.
 */
function threeDigits(value: number): string {
  if (value >= 100) {
    return value.toFixed(0);
  }
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/**
 * Divides by 1000 (or 1024) until the rounded figure is below that, so that 999.9 k becomes 1.00 M.
 */
function scaled(value: number, step: number, units: readonly string[]): string {
  let unit = 0;
  let rest = Math.abs(value);
  while (unit + 1 < units.length && Number(threeDigits(rest)) >= step) {
    rest /= step;
    unit += 1;
  }
  const digits = unit === 0 && Number.isInteger(rest) ? String(rest) : threeDigits(rest);
  return `${value < 0 ? "-" : ""}${digits}${units[unit] ?? ""}`;
}

/** A time in ns, e.g. `850 ns`, `12.3 us`, `1.20 ms`, `3.00 s`. */
export function formatNs(ns: number): string {
  return scaled(ns, 1000, [" ns", " us", " ms", " s"]);
}

/** A count or rate: `850`, `12.3k`, `1.20M`. */
export function formatCount(value: number): string {
  return scaled(value, 1000, ["", "k", "M", "G", "T"]);
}

/**
 * A figure without a unit that may be far below 1: a score, a number per operation. As a count, and below 1
 * with three significant digits: `0.085`, `0.00013`; a millionth is the finest.
 */
export function formatFigure(value: number): string {
  const size = Math.abs(value);
  if (size === 0 || size >= 0.9995) {
    return formatCount(value);
  }
  if (size < 5e-7) {
    return "<0.000001";
  }
  const digits = Math.min(6, 2 - Math.floor(Math.log10(size)));
  return String(Number(value.toFixed(digits)));
}

/** Bytes per second, decimal: `50.4 MB/s`. */
export function formatRateDecimal(bytesPerSecond: number): string {
  return scaled(bytesPerSecond, 1000, [" B/s", " kB/s", " MB/s", " GB/s", " TB/s"]);
}

/** Bytes per second, binary: `48.1 MiB/s`. */
export function formatRateBinary(bytesPerSecond: number): string {
  return scaled(bytesPerSecond, 1024, [" B/s", " KiB/s", " MiB/s", " GiB/s", " TiB/s"]);
}

/** The same in bits, decimal and binary, for `unit_base=1`. */
export function formatBitRates(bytesPerSecond: number): readonly [string, string] {
  const bits = 8 * bytesPerSecond;
  return [
    scaled(bits, 1000, [" bit/s", " kbit/s", " Mbit/s", " Gbit/s", " Tbit/s"]),
    scaled(bits, 1024, [" bit/s", " Kibit/s", " Mibit/s", " Gibit/s", " Tibit/s"]),
  ];
}

/** Both at once, since people expect either: `50.4 MB/s (48.1 MiB/s)`. */
export function formatBandwidth(bytesPerSecond: number): string {
  return `${formatRateDecimal(bytesPerSecond)} (${formatRateBinary(bytesPerSecond)})`;
}

export function formatBytes(bytes: number): string {
  return scaled(bytes, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);
}

export function formatPercent(percent: number): string {
  return percent > 0 && percent < 0.01 ? "<0.01%" : `${threeDigits(percent)}%`;
}

const timeUnits: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };
const countUnits: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9 };
const byteUnits: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

export type UnitFamily = "time" | "count" | "bytes" | "byteRate";

/** What a threshold on a metric of a family may be written in, for messages. */
export const unitExamples: Readonly<Record<UnitFamily, string>> = {
  time: "500ns, 20us, 2ms, 1s",
  count: "5000, 50k, 1.5M",
  bytes: "4096, 200MiB, 1GB",
  byteRate: "100MB/s, 1GiB/s, 5000000",
};

/**
 * Value of a figure with its unit in the family's base unit (ns, 1, bytes, bytes/s); null when the
 * unit is not of the family. A time needs its unit: a bare number could be meant in any.
 */
export function parseFigure(text: string, family: UnitFamily): number | null {
  const match = /^([0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)\s*([a-z/]*)$/i.exec(text.trim());
  if (match === null) {
    return null;
  }
  const unit = (match[2] ?? "").toLowerCase();
  const table = family === "time" ? timeUnits : family === "count" ? countUnits : byteUnits;
  const name = family === "byteRate" ? unit.replace(/\/s$/, "") : unit;
  const factor = Object.hasOwn(table, name) ? table[name] : undefined;
  return factor === undefined ? null : Number(match[1]) * factor;
}

/** What a plan says of times that a virtual clock tells; real ones depend on how much there is to do. */
export const ofVirtualTime = "of virtual time; how long that takes is not known";
