import fc from "fast-check";
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import { describe, expect, it } from "vitest";
import { native } from "../../engine/base/native.ts";
import type { DirectionOutcome, IntervalRow, PlatRecord } from "../../workloads/run-outcome.ts";

interface NativeRecorder {
  record(rows: Float64Array, count: number): void;
  endInterval(place: string): string;
  outcome(): string;
}

interface Outcome {
  readonly read: DirectionOutcome | null;
  readonly write: DirectionOutcome | null;
  readonly trim: DirectionOutcome | null;
  readonly sync: PlatRecord;
}

function recorder(): NativeRecorder {
  const Recorder = native()["NativeRecorder"] as new (
    read: boolean,
    write: boolean,
    trim: boolean,
  ) => NativeRecorder;
  return new Recorder(true, false, false);
}

function place(warmup: boolean): string {
  return JSON.stringify({ endNs: 9e9, lengthNs: 1e9, job: 2, warmup, inflight: 7 });
}

/** kind, intended, sent, submitted, completed, asked, result */
function rowsOf(latencies: readonly number[]): Float64Array {
  return Float64Array.from(
    latencies.flatMap((latency, index) => {
      const sent = 1e9 + index * 1000;
      return [0, sent, sent, sent + 300, sent + 300 + latency, 4096, 4096];
    }),
  );
}

/** Percentile of exact values by rank. */
function exact(values: readonly number[], percentile: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percentile / 100) * sorted.length) - 1)] as number;
}

describe("histograms of the native side", () => {
  it("are read by hdr-histogram-js with the same percentiles", () => {
    const latencies = fc.array(fc.integer({ min: 1, max: 3_600_000_000_000 }), {
      minLength: 1,
      maxLength: 300,
    });
    fc.assert(
      fc.property(latencies, (values) => {
        const made = recorder();
        made.record(rowsOf(values), values.length);
        const [row] = JSON.parse(made.endInterval(place(false))) as IntervalRow[];
        const outcome = JSON.parse(made.outcome()) as Outcome;
        expect(outcome.read?.service.hdr).toBe(row?.serviceHdr);
        const histogram = decodeFromCompressedBase64(row?.serviceHdr ?? "");
        expect(histogram.totalCount).toBe(values.length);
        for (const percentile of [50, 90, 99, 100]) {
          const truth = exact(values, percentile);
          const told = histogram.getValueAtPercentile(percentile);
          expect(Math.abs(told - truth)).toBeLessThanOrEqual(truth / 1000);
        }
        expect(outcome.read?.service.maxNs).toBe(Math.max(...values));
        expect(outcome.read?.service.minNs).toBe(Math.min(...values));
      }),
    );
  });
});

describe("NativeRecorder", () => {
  it("keeps warm-up out of the totals, but in its row", () => {
    const made = recorder();
    made.record(rowsOf([5000, 6000]), 2);
    const warm = JSON.parse(made.endInterval(place(true))) as IntervalRow[];
    expect(warm[0]).toMatchObject({ ios: 2, warmup: true, job: 2, inflight: 7, direction: "read" });
    made.record(rowsOf([7000]), 1);
    made.endInterval(place(false));
    const empty = JSON.parse(made.endInterval(place(false))) as IntervalRow[];
    expect(empty[0]).toMatchObject({ ios: 0, serviceHdr: "", responseMaxNs: 0 });
    const outcome = JSON.parse(made.outcome()) as Outcome;
    expect(outcome.read).toMatchObject({ ios: 1, bytes: 4096, runtimeNs: 7300 });
    expect(outcome.read?.lat).toMatchObject({ count: 1, minNs: 7300, sumNs: 7300 });
    expect(outcome.write).toBeNull();
  });
});
