import { expect, test } from "vitest";
import { joinClones, type Slot, thin } from "../../results/report/common-times.ts";
import type { SeriesPoint } from "../../results/series.ts";

const machine = {
  cpuUserPct: null,
  cpuSysPct: null,
  devUtilPct: null,
  devReadIos: null,
  devWriteIos: null,
};

/** The rows of a clone of which `ios[n]` operations completed until `ends[n]`, from 0. */
function clone(job: string, ends: readonly number[], ios: readonly number[]): SeriesPoint[] {
  return ends.map((timeMs, at) => {
    const iops = ((ios[at] ?? 0) * 1000) / (timeMs - (ends[at - 1] ?? 0));
    const p = 100 * (at + 1);
    const times = { serviceP50Ns: p, serviceP99Ns: p, responseP50Ns: p, responseP99Ns: p };
    const rest = { responseMaxNs: p, inflight: 1, machine };
    return { timeMs, job, direction: "read", iops, bwBytes: iops * 4096, ...times, ...rest };
  });
}

const total = (slots: readonly Slot[], of: "iops" | "bw") =>
  slots.reduce((sum, slot) => sum + (slot[of] * (slot.ms - slot.startMs)) / 1000, 0);

const a = clone("a", [250, 500, 810, 1000], [100, 200, 300, 50]);
const b = clone("b", [130, 420, 700, 1090, 1090.2], [70, 0, 500, 20, 8]);

test("shifted, unequal intervals integrate to the exact total, joined and thinned", () => {
  const joined = joinClones([...a, ...b], () => 0);
  for (const slots of [joined, thin(joined, 3), thin(joined, 2)]) {
    expect(total(slots, "iops")).toBeCloseTo(1248, 6);
    expect(total(slots, "bw")).toBeCloseTo(1248 * 4096, 3);
    expect(slots.at(-1)?.ms).toBe(1090.2);
    slots.slice(1).forEach((slot, at) => {
      expect(slot.startMs).toBe(slots[at]?.ms);
    });
  }
  expect(thin(joined, 3).length).toBeLessThanOrEqual(3);
});

test("no slot is a sliver, and a percentile is the worst that overlaps", () => {
  const slots = joinClones([...a, ...b], () => 0);
  expect(Math.min(...slots.map((slot) => slot.ms - slot.startMs))).toBeGreaterThan(120);
  for (const slot of slots) {
    const own = [a, b].flatMap((rows) =>
      rows.filter((row, at) => {
        const before = rows[at - 1]?.timeMs ?? 0;
        return before < slot.ms && row.timeMs > slot.startMs;
      }),
    );
    expect(slot.p99).toBe(Math.max(...own.map((row) => row.responseP99Ns ?? 0)));
  }
});

test("a job that starts late is not spread over the time before", () => {
  const late = clone("c", [5000, 5250, 5500], [0, 10, 10]).slice(1);
  const slots = joinClones(late, () => null);
  expect(slots.map(({ startMs, ms, iops }) => [startMs, ms, iops])).toEqual([
    [5000, 5250, 40],
    [5250, 5500, 40],
  ]);
});
