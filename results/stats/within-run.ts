/** What the samples of one run say of it: warm-up, drift, outliers, and how many of them are independent. */
import { median } from "simple-statistics";
import { normalBelow } from "./rank-sum.ts";

/** Fewer samples say nothing of a run. */
export const leastSamples = 10;

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Samples at the beginning that belong to the warm-up: where the standard error of what is left is least
 * (White's MSER, over batches of five). More than half of the run is never given up: then 0, as there is no
 * steady part.
 */
export function warmUpSamples(values: readonly number[], batch = 5): number {
  const batches = Math.floor(values.length / batch);
  if (batches < 4) {
    return 0;
  }
  const means = Array.from({ length: batches }, (_, place) =>
    mean(values.slice(place * batch, (place + 1) * batch)),
  );
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let cut = 0; cut < batches - 2; cut += 1) {
    const rest = means.slice(cut);
    const middle = mean(rest);
    const error = rest.reduce((sum, each) => sum + (each - middle) ** 2, 0) / rest.length ** 2;
    if (error < least) {
      least = error;
      best = cut;
    }
  }
  return best > batches / 2 ? 0 : best * batch;
}

/** Correlation of samples with those `lag` later. */
export function autocorrelation(values: readonly number[], lag: number): number {
  const middle = mean(values);
  let together = 0;
  let alone = 0;
  for (const [place, value] of values.entries()) {
    alone += (value - middle) ** 2;
    const later = values[place + lag];
    together += later === undefined ? 0 : (value - middle) * (later - middle);
  }
  return alone === 0 ? 0 : together / alone;
}

/**
 * Of how many independent samples the mean would be as uncertain: n by the integrated autocorrelation time,
 * summed as long as neighbouring lags together are positive (Geyer).
 */
export function effectiveSamples(values: readonly number[]): number {
  let time = 1;
  for (let lag = 1; lag + 1 < values.length; lag += 2) {
    const pair = autocorrelation(values, lag) + autocorrelation(values, lag + 1);
    if (pair <= 0) {
      break;
    }
    time += 2 * pair;
  }
  return Math.min(values.length, values.length / time);
}

export interface Drift {
  /** Change from the first to the last sample, as a share of the median. */
  readonly share: number;
  /** Of no drift; two-sided, and for the number of samples that are independent. */
  readonly p: number;
}

/** Theil and Sen's slope, and Mann and Kendall's test of it. */
export function driftOf(values: readonly number[]): Drift {
  const slopes: number[] = [];
  let balance = 0;
  for (const [place, value] of values.entries()) {
    for (let later = place + 1; later < values.length; later += 1) {
      const rise = (values[later] as number) - value;
      slopes.push(rise / (later - place));
      balance += Math.sign(rise);
    }
  }
  const n = values.length;
  const middle = median([...values]);
  const share = middle === 0 || slopes.length === 0 ? 0 : (median(slopes) * (n - 1)) / middle;
  const spread = Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  // Samples that resemble their neighbours count less (Yue and Wang's variance correction).
  const inflated = spread * Math.sqrt(n / Math.max(2, effectiveSamples(detrended(values))));
  const z = inflated === 0 ? 0 : (balance - Math.sign(balance)) / inflated;
  return { share, p: Math.min(1, 2 * normalBelow(-Math.abs(z))) };
}

/** What is left when a straight line through the ends of the trend is taken away. */
function detrended(values: readonly number[]): number[] {
  const slopes = values.slice(1).map((value, place) => value - (values[place] as number));
  const slope = slopes.length === 0 ? 0 : mean(slopes);
  return values.map((value, place) => value - slope * place);
}

/** Places of samples further from the median than so many robust standard deviations (1.4826 MAD). */
export function outliersOf(values: readonly number[], deviations = 5): readonly number[] {
  const middle = median([...values]);
  const spread = 1.4826 * median(values.map((value) => Math.abs(value - middle)));
  return values.flatMap((value, place) =>
    spread > 0 && Math.abs(value - middle) > deviations * spread ? [place] : [],
  );
}
