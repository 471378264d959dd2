/** How much equal runs differed, and whether the machine drifted: what every difference is held against. */
import { median } from "simple-statistics";
import { driftOf } from "../stats/within-run.ts";
import type { Entry, Noise } from "./model.ts";

/** Fewer runs say nothing of how runs differ. */
const leastRuns = 3;

/**
 * Per metric: the run-to-run standard deviation as a share of the figure, in the middle of all
 * configurations and of the worst one; and the change from the first block to the last of all
 * configurations together. Metrics without three runs of some configuration are left out.
 */
export function noiseOf(entries: readonly Entry[], metrics: readonly string[]): readonly Noise[] {
  return metrics.flatMap((metric) => {
    const measured = entries.flatMap((entry) => {
      const figure = entry.metrics[metric];
      const values = figure?.solid === true ? figure.values.filter((value) => value > 0) : [];
      return values.length >= leastRuns ? [{ entry, values }] : [];
    });
    if (measured.length === 0) {
      return [];
    }
    const spreads = measured.map(({ entry, values }) => ({ entry, share: spreadOf(values) }));
    const worst = spreads.reduce((a, b) => (b.share > a.share ? b : a));
    return [
      {
        metric,
        configurations: measured.length,
        runs: median(measured.map(({ values }) => values.length)),
        spread: median(spreads.map(({ share }) => share)),
        worstSpread: worst.share,
        worst: worst.entry.id,
        drift: blockDrift(measured.map(({ values }) => values)),
      },
    ];
  });
}

/** Standard deviation of logarithms: a share, whatever the size of the figure. */
function spreadOf(values: readonly number[]): number {
  const logs = values.map(Math.log);
  const mean = logs.reduce((sum, each) => sum + each, 0) / logs.length;
  const squares = logs.reduce((sum, each) => sum + (each - mean) ** 2, 0);
  return Math.sqrt(squares / (logs.length - 1));
}

/** Each configuration's runs by its own median, block by block; the trend of the blocks' medians. */
function blockDrift(lists: readonly (readonly number[])[]): Noise["drift"] {
  const blocks = Math.min(...lists.map((values) => values.length));
  const middles = lists.map((values) => median([...values]));
  const levels = Array.from({ length: blocks }, (_, block) =>
    median(lists.map((values, place) => (values[block] ?? 0) / (middles[place] ?? 1))),
  );
  const { share, p } = driftOf(levels);
  return { share, p };
}
