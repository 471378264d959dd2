/** The counters of a run's stores, by name. */
import { flatPerf, type PerfCounters, perfTogether } from "../../engine/base/perf-counters.ts";

export interface CountedStore {
  /** The target. */
  readonly text: string;
  readonly counters: PerfCounters;
}

/**
 * Of one store as they are. Of several: what they counted together, where it can be added up, and all of each
 * with its target behind the name, as in `bdev.flushes@store:a.img`.
 */
export function flatOfStores(stores: readonly CountedStore[]): Readonly<Record<string, number>> {
  const [first] = stores;
  if (stores.length < 2) {
    return flatPerf(first?.counters ?? {});
  }
  const all = flatPerf(perfTogether(stores.map(({ counters }) => counters)));
  for (const { text, counters } of stores) {
    for (const [name, value] of Object.entries(flatPerf(counters))) {
      all[`${name}@${text}`] = value;
    }
  }
  return all;
}
