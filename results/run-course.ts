/**
 * How the rate went within a run: what is left of a warm-up, drift, outliers, places where it changed for
 * good. Keeps a bounded number of samples, however long the run is.
 */
import { median } from "simple-statistics";
import type { OsdynoCourse } from "./run-record.ts";
import { changePoints } from "./stats/change-points.ts";
import { rankSum } from "./stats/rank-sum.ts";
import {
  driftOf,
  effectiveSamples,
  leastSamples,
  outliersOf,
  warmUpSamples,
} from "./stats/within-run.ts";

/** Looking for changes takes 45 ms for so many samples. */
const mostSamples = 120;
/** Outliers that are named; more are a law of the device, not outliers. */
const mostOutliers = 10;
/** What is that likely by chance is not told: nobody asked, and runs are many. */
const level = 0.01;

/** Jobs are handed over one after the other, each with several intervals. */
const mostShared = 256;

interface Sample {
  ios: number;
  /** Of the interval itself, not of its jobs added up. */
  lengthNs: number;
}

export class RunCourse {
  readonly #intervalNs: number;
  /** Intervals that a sample is made of. */
  #width = 1;
  #samples: Sample[] = [];
  /** Time of the intervals that came in last: those of jobs side by side share it. */
  readonly #shared = new Map<number, number>();
  #firstSlot = -1;

  constructor(intervalNs: number) {
    this.#intervalNs = intervalNs;
  }

  /** Adds what one job did in one direction in one interval after its warm-up. */
  add(endNs: number, lengthNs: number, ios: number): void {
    const slot = Math.max(0, Math.round(endNs / this.#intervalNs) - 1);
    this.#firstSlot = this.#firstSlot < 0 ? slot : this.#firstSlot;
    const place = Math.max(0, Math.floor((slot - this.#firstSlot) / this.#width));
    if (place >= mostSamples) {
      this.#halve();
      this.add(endNs, lengthNs, ios);
      return;
    }
    for (let next = this.#samples.length; next <= place; next += 1) {
      this.#samples.push({ ios: 0, lengthNs: 0 });
    }
    const sample = this.#samples[place];
    if (sample !== undefined) {
      const known = this.#shared.get(slot) ?? 0;
      sample.lengthNs += Math.max(0, lengthNs - known);
      sample.ios += ios;
      this.#shared.set(slot, Math.max(known, lengthNs));
    }
    for (const old of this.#shared.keys()) {
      if (this.#shared.size <= mostShared) {
        break;
      }
      this.#shared.delete(old);
    }
  }

  #halve(): void {
    const halves: Sample[] = [];
    for (let place = 0; place < this.#samples.length; place += 2) {
      const [a, b] = [this.#samples[place], this.#samples[place + 1]];
      halves.push({
        ios: (a?.ios ?? 0) + (b?.ios ?? 0),
        lengthNs: (a?.lengthNs ?? 0) + (b?.lengthNs ?? 0),
      });
    }
    this.#samples = halves;
    this.#width *= 2;
  }

  /** Null: too few samples say nothing, or nothing was done. */
  judge(): OsdynoCourse | null {
    const sampleNs = this.#intervalNs * this.#width;
    // What the last one lacks is the run's end; in others nothing was done for a while.
    const last = this.#samples.at(-1);
    const whole =
      last !== undefined && last.lengthNs > sampleNs / 2
        ? this.#samples
        : this.#samples.slice(0, -1);
    const rates = whole.map(({ ios, lengthNs }) => (ios / Math.max(lengthNs, sampleNs / 2)) * 1e9);
    if (rates.length < leastSamples || rates.every((rate) => rate === 0)) {
      return null;
    }
    const startMs = Math.max(0, this.#firstSlot) * (this.#intervalNs / 1e6);
    const timeMs = (place: number) => Math.round(startMs + (place * sampleNs) / 1e6);
    const cut = warmUpSamples(rates);
    const differs = cut > 0 && rankSum(rates.slice(0, cut), rates.slice(cut)).p < level;
    const warm = differs ? cut : 0;
    const steady = rates.slice(warm);
    const outliers = outliersOf(steady).map((place) => place + warm);
    const { share, p } = driftOf(steady);
    return {
      sample_ms: sampleNs / 1e6,
      samples: rates.length,
      effective_samples: Math.round(10 * effectiveSamples(steady)) / 10,
      warm_up_ms: (warm * sampleNs) / 1e6,
      drift: { share, p },
      outlier_count: outliers.length,
      outliers_ms: outliers.slice(0, mostOutliers).map(timeMs),
      change_points_ms: changePoints(level >= p ? withoutTrend(steady, share) : steady, {
        level,
      }).map((place) => timeMs(place + warm)),
    };
  }
}

/** A drift is no change at one time: what is left without it may be. */
function withoutTrend(values: readonly number[], share: number): readonly number[] {
  const rise = (share * median([...values])) / (values.length - 1);
  return values.map((value, place) => value - rise * place);
}
