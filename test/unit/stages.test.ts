/** Stages of operations: their times add up, their histograms are those of HdrHistogram, records merge. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { noStages, StageClock } from "../../engine/device/stages.ts";
import { decodeHistogram, emptyHistogram, lastBucketNs } from "../../results/histogram.ts";
import type { JobRecord } from "../../results/run-record.ts";
import { mergeStages, stagesRecord } from "../../results/stages.ts";
import { checkStages } from "../../results/verify-stages.ts";
import type { DirectionStages } from "../../workloads/run-outcome.ts";
import { StageTimes } from "../../workloads/runner/stage-times.ts";

test("an operation is in one stage at a time, so that its stages add up to its service time", () => {
  const steps = fc.array(fc.tuple(fc.nat(5), fc.nat(1000)), { maxLength: 20 });
  fc.assert(
    fc.property(steps, fc.nat(1000), fc.nat(50), (way, lastNs, earlierNs) => {
      const clock = new StageClock(2);
      const stages = [0, 1, 2, 3, 4, 5].map((number) => clock.stage("l", String(number), "worked"));
      const rest = clock.stage("device", "service", "worked");
      const trace = clock.begin();
      const spent = new Map<number, number>();
      let nowNs = 1e9;
      const submittedNs = nowNs - earlierNs;
      for (const [at, [stage, ns]] of way.entries()) {
        clock.enter(trace, stages[stage] as number, nowNs);
        const early = at === 0 ? earlierNs : 0;
        const until = at === way.length - 1 ? lastNs : ns;
        spent.set(stage, (spent.get(stage) ?? 0) + until + early);
        nowNs += until;
      }
      const passed = clock.finish(trace, submittedNs, nowNs, rest);
      if (way.length === 0) {
        expect(passed).toBe(1 << rest);
        expect(clock.times[rest]).toBe(earlierNs);
        return;
      }
      // The last stage takes the beginning that nobody told; all of it together is exact.
      const sum = [...spent.keys()].reduce((total, stage) => total + (clock.times[stage] ?? 0), 0);
      expect(sum).toBe(nowNs - submittedNs);
      expect(passed).toBe([...spent.keys()].reduce((bits, stage) => bits | (1 << stage), 0));
    }),
  );
});

test("whoever keeps a trace beyond the operation's end changes no other operation", () => {
  const clock = new StageClock(1);
  const stage = clock.stage("a", "work", "worked");
  const other = clock.stage("b", "work", "worked");
  const first = clock.begin();
  clock.enter(first, stage, 0);
  expect(clock.begin()).toBe(0);
  clock.finish(first, 0, 10, stage);
  const second = clock.begin();
  expect(second).not.toBe(first);
  clock.enter(second, stage, 100);
  clock.enter(first, other, 150);
  expect(clock.finish(second, 100, 200, stage)).toBe(1 << stage);
  expect(clock.times[stage]).toBe(100);
  clock.enter(second, other, 300);
  clock.drop(second);
  expect(clock.begin()).not.toBe(0);
  noStages.enter(0, 0, 0);
  expect(noStages.begin()).toBe(0);
});

test("buckets of stages are those of HdrHistogram", () => {
  const values = fc.array(fc.oneof(fc.nat(5000), fc.double({ min: 0, max: 6e12, noNaN: true })), {
    minLength: 1,
    maxLength: 50,
  });
  fc.assert(
    fc.property(values, (list) => {
      const times = new StageTimes();
      const expected = emptyHistogram();
      for (const value of list) {
        times.add(value);
        expected.recordValue(Math.min(Math.round(value), lastBucketNs));
      }
      const found = emptyHistogram();
      for (const [bucket, count] of times.buckets()) {
        found.recordValueWithCount(found.valueFromIndex(bucket), count);
      }
      for (const percentile of [0, 25, 50, 75, 99, 100]) {
        expect(found.getValueAtPercentile(percentile)).toBe(
          expected.getValueAtPercentile(percentile),
        );
      }
      expect(times.count).toBe(list.length);
    }),
  );
});

function direction(queuedNs: readonly number[], workedNs: readonly number[]): DirectionStages {
  const stageOf = (layer: string, list: readonly number[]) => {
    const times = new StageTimes();
    for (const ns of list) {
      times.add(ns);
    }
    const { count, minNs, maxNs, sumNs, sumSquares } = times;
    const totals = { count, minNs, maxNs, sumNs, sumSquares };
    return { layer, stage: "work", kind: "worked", ...totals, buckets: times.buckets() } as const;
  };
  const all = [...queuedNs, ...workedNs];
  return {
    traced: workedNs.length,
    ops: workedNs.length,
    serviceNs: all.reduce((sum, ns) => sum + ns, 0),
    stages: [stageOf("device", workedNs), stageOf("scheduler", queuedNs)],
  };
}

test("records of clones and of repeats merge without loss, in the order of the chain", () => {
  const [a, b] = [direction([1000, 3000], [500, 1500]), direction([9000], [1000, 2000])] as const;
  const whole = direction([1000, 3000, 9000], [500, 1500, 1000, 2000]);
  const together = stagesRecord([{ oneIn: 4, read: whole }], [99.9]);
  const clones = stagesRecord(
    [
      { oneIn: 4, read: a },
      { oneIn: 4, read: b },
    ],
    [99.9],
  );
  expect(clones).toEqual(together);
  const parts = [a, b].map((read) => stagesRecord([{ oneIn: 4, read }], []));
  const repeats = mergeStages(parts.flatMap((each) => each ?? []));
  expect(repeats?.read?.stages.map(({ layer }) => layer)).toEqual(["scheduler", "device"]);
  expect(repeats?.read).toMatchObject({ traced: 4, ops: 4, service_mean_ns: 18_000 / 4 });
  for (const [place, stage] of (repeats?.read?.stages ?? []).entries()) {
    const expected = together?.read?.stages[place];
    expect(stage.hdr).toBe(expected?.hdr);
    expect(stage.percentile).toEqual(expected?.percentile);
    expect(stage.stddev).toBeCloseTo(expected?.stddev ?? 0, 6);
    expect(stage.share).toBeCloseTo(expected?.share ?? 0, 12);
    expect(decodeHistogram(stage.hdr).totalCount).toBe(stage.N);
  }
  expect(mergeStages([])).toBeNull();
  expect(stagesRecord([], [])).toBeNull();
});

test("verification finds figures that their histograms do not give, and stages that do not add up", () => {
  const stages = stagesRecord([{ oneIn: 4, read: direction([1000, 3000], [500, 1500]) }], [99.9]);
  const found = (change: (job: Record<string, unknown>) => void): string[] => {
    const copy = JSON.parse(JSON.stringify(stages)) as Record<string, unknown>;
    change(copy);
    const wrong: string[] = [];
    checkStages({ jobname: "j", osdyno: { stages: copy } } as unknown as JobRecord, {
      same: (what, published, computed, tolerance = 0) => {
        if (published === undefined || !(Math.abs(published - computed) <= tolerance)) {
          wrong.push(what);
        }
      },
    });
    return wrong;
  };
  const read = (copy: Record<string, unknown>) =>
    copy["read"] as { service_mean_ns: number; stages: Record<string, unknown>[] };
  const first = (copy: Record<string, unknown>) => read(copy).stages[0] as Record<string, unknown>;
  expect(found(() => {})).toEqual([]);
  const one = found((copy) => {
    first(copy)["percentile"] = { "50.000000": 2000 };
  });
  expect(one).toEqual(["j stages of reads, scheduler work percentile 50.000000"]);
  const count = found((copy) => {
    first(copy)["N"] = 3;
  });
  expect(count).toContain("j stages of reads, scheduler work N");
  const sum = found((copy) => {
    read(copy).service_mean_ns += 100;
  });
  expect(sum).toContain("j stages of reads, together");
});
