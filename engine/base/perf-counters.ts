/**
 * Performance counters as plain data: what counts up, what is measured now, and times with their
 * histogram. Two pictures of the same counters can be subtracted, so that a run shows only its own part.
 */

/** Counts up from 0. */
export interface PerfCounter {
  readonly kind: "counter";
  readonly unit: string;
  readonly description: string;
  readonly value: number;
}

/** What holds now. */
export interface PerfGauge {
  readonly kind: "gauge";
  readonly unit: string;
  readonly description: string;
  readonly value: number;
}

/** How often something took time, and how long, ns. */
export interface PerfTime {
  readonly kind: "time";
  readonly unit: "ns";
  readonly description: string;
  readonly count: number;
  readonly sum: number;
  /** Buckets that are not empty, ascending: number (of `LatencyHistogram`) and count. */
  readonly histogram: readonly (readonly [number, number])[];
}

export type PerfValue = PerfCounter | PerfGauge | PerfTime;
export type PerfSection = Readonly<Record<string, PerfValue>>;
/** By section, as in Ceph's `perf dump`: `bluestore`, `bluefs`, ... */
export type PerfCounters = Readonly<Record<string, PerfSection>>;

/** Buckets of a doubling: a time is known to 1/64 of itself. */
const perDoubling = 32;
const limitNs = 2 ** 42;

function bucketOf(ns: number): number {
  if (!(ns >= perDoubling)) {
    return ns > 0 ? Math.floor(ns) : 0;
  }
  let scaled = ns;
  let octave = 0;
  if (ns >= 2 ** 31) {
    scaled = Math.min(ns, limitNs - 1) / 2 ** 16;
    octave = 16;
  }
  const shift = 26 - Math.clz32(scaled);
  return (octave + shift) * perDoubling + (scaled >>> shift);
}

/** The middle of a bucket, ns. */
function middleOf(bucket: number): number {
  if (bucket < 2 * perDoubling) {
    return bucket;
  }
  const width = 2 ** (Math.floor(bucket / perDoubling) - 1);
  return ((bucket % perDoubling) + perDoubling + 0.5) * width;
}

const bucketCount = bucketOf(limitNs - 1) + 1;

/** How long something took, each time; times of 73 minutes and more count as so long. */
export class LatencyHistogram {
  count = 0;
  sumNs = 0;
  readonly #buckets = new Float64Array(bucketCount);

  /** `times`: it stands for so many that were not timed. */
  add(ns: number, times = 1): void {
    this.count += times;
    this.sumNs += ns * times;
    const bucket = bucketOf(ns);
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + times;
  }

  picture(description: string): PerfTime {
    const histogram: [number, number][] = [];
    for (const [bucket, count] of this.#buckets.entries()) {
      if (count > 0) {
        histogram.push([bucket, count]);
      }
    }
    return { kind: "time", unit: "ns", description, count: this.count, sum: this.sumNs, histogram };
  }
}

/** The time, ns, that `percent` of all stayed within, to 1/64 of itself; 0 when there was none. */
export function percentileNs(time: PerfTime, percent: number): number {
  const total = time.histogram.reduce((sum, [, count]) => sum + count, 0);
  const rank = Math.max(1, Math.ceil((percent / 100) * total));
  let seen = 0;
  for (const [bucket, count] of time.histogram) {
    seen += count;
    if (seen >= rank) {
      return middleOf(bucket);
    }
  }
  return 0;
}

function timeSince(before: PerfTime, after: PerfTime): PerfTime {
  const old = new Map(before.histogram);
  const histogram = after.histogram
    .map(([bucket, count]) => [bucket, count - (old.get(bucket) ?? 0)] as const)
    .filter(([, count]) => count > 0);
  return {
    ...after,
    count: after.count - before.count,
    sum: after.sum - before.sum,
    histogram,
  };
}

/** What came in between two pictures of the same counters; gauges are the later ones. */
export function perfSince(before: PerfCounters, after: PerfCounters): PerfCounters {
  const sections: Record<string, PerfSection> = {};
  for (const [section, values] of Object.entries(after)) {
    const since: Record<string, PerfValue> = {};
    for (const [name, value] of Object.entries(values)) {
      const old = before[section]?.[name];
      if (value.kind === "counter" && old?.kind === "counter") {
        since[name] = { ...value, value: value.value - old.value };
      } else if (value.kind === "time" && old?.kind === "time") {
        since[name] = timeSince(old, value);
      } else {
        since[name] = value;
      }
    }
    sections[section] = since;
  }
  return sections;
}

function timesTogether(one: PerfTime, other: PerfTime): PerfTime {
  const buckets = new Map(one.histogram);
  for (const [bucket, count] of other.histogram) {
    buckets.set(bucket, (buckets.get(bucket) ?? 0) + count);
  }
  const histogram = [...buckets].sort(([a], [b]) => a - b);
  return { ...one, count: one.count + other.count, sum: one.sum + other.sum, histogram };
}

/**
 * Counters and times of several parts together. Gauges are left out: what is full, fragmented or allowed is of
 * one part each, and a sum or mean of it is nobody's.
 */
export function perfTogether(parts: readonly PerfCounters[]): PerfCounters {
  const sections: Record<string, Record<string, PerfValue>> = {};
  for (const [section, values] of parts.flatMap((part) => Object.entries(part))) {
    sections[section] ??= {};
    const all = sections[section];
    for (const [name, value] of Object.entries(values)) {
      const known = all[name];
      if (value.kind === "counter") {
        const before = known?.kind === "counter" ? known.value : 0;
        all[name] = { ...value, value: before + value.value };
      } else if (value.kind === "time") {
        all[name] = known?.kind === "time" ? timesTogether(known, value) : value;
      }
    }
  }
  return sections;
}

/** Percentiles that `flatPerf` gives of each time. */
const flatPercents = Object.freeze({ p50: 50, p90: 90, p99: 99, "p99.9": 99.9 });

/**
 * One number each: `section.name` for counters and gauges; for times `section.name.count`, `.sum_ns`
 * and, where there was one, `.mean_ns`, `.p50_ns`, `.p90_ns`, `.p99_ns`, `.p99.9_ns`.
 */
export function flatPerf(counters: PerfCounters): Record<string, number> {
  const flat: Record<string, number> = {};
  for (const [section, values] of Object.entries(counters)) {
    for (const [name, value] of Object.entries(values)) {
      const key = `${section}.${name}`;
      if (value.kind !== "time") {
        flat[key] = value.value;
        continue;
      }
      flat[`${key}.count`] = value.count;
      flat[`${key}.sum_ns`] = value.sum;
      if (value.count > 0) {
        flat[`${key}.mean_ns`] = value.sum / value.count;
        for (const [percentile, percent] of Object.entries(flatPercents)) {
          flat[`${key}.${percentile}_ns`] = percentileNs(value, percent);
        }
      }
    }
  }
  return flat;
}

/** As `ceph daemon ... perf dump` prints them: times as `avgcount`, `sum` and `avgtime`, in seconds. */
export function perfDump(counters: PerfCounters): Record<string, Record<string, unknown>> {
  const sections: Record<string, Record<string, unknown>> = {};
  for (const [section, values] of Object.entries(counters)) {
    const dump: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(values)) {
      const { kind } = value;
      dump[name] =
        kind === "time"
          ? {
              avgcount: value.count,
              sum: value.sum / 1e9,
              avgtime: value.count > 0 ? value.sum / value.count / 1e9 : 0,
            }
          : value.value;
    }
    sections[section] = dump;
  }
  return sections;
}
