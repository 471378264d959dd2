/** Figures of a selection, written as `results/units.ts` writes those of the whole run. */

function threeDigits(value) {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

function scaled(value, step, units) {
  let unit = 0;
  let rest = value;
  while (unit + 1 < units.length && Number(threeDigits(rest)) >= step) {
    rest /= step;
    unit += 1;
  }
  return `${unit === 0 && Number.isInteger(rest) ? rest : threeDigits(rest)}${units[unit]}`;
}

export const formatNs = (ns) => scaled(ns, 1000, [" ns", " \u00b5s", " ms", " s"]);
export const formatCount = (count) => scaled(count, 1000, ["", "k", "M", "G", "T"]);
export const formatDecimalRate = (bytes) =>
  scaled(bytes, 1000, [" B/s", " kB/s", " MB/s", " GB/s", " TB/s"]);
export const formatBinaryRate = (bytes) =>
  scaled(bytes, 1024, [" B/s", " KiB/s", " MiB/s", " GiB/s", " TiB/s"]);
export const formatSeconds = (seconds) => `${Number(seconds.toFixed(2))} s`;
