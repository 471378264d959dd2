/** How the rate went within a run: what is found in courses whose truth is known. */
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { aboutCourse } from "../../results/report/course.ts";
import type { RunSummary } from "../../results/report/model.ts";
import { RunCourse } from "../../results/run-course.ts";

const random = new SeededRandom(20_784);
const noise = () => 1 + 0.035 * (random.unit() + random.unit() - 1);

/** Seconds of two jobs that are handed over five at a time, job by job, each a microsecond late. */
function courseOf(seconds: number, rate: (second: number) => number) {
  const course = new RunCourse(1e9);
  for (let from = 0; from < seconds; from += 5) {
    for (const job of [0, 1]) {
      for (let at = from; at < Math.min(seconds, from + 5); at += 1) {
        course.add((at + 1) * 1e9 + 1000 * job, 1e9, Math.round(rate(at) / 2));
      }
    }
  }
  return course.judge();
}

describe("a course of a minute", () => {
  test("that is steady has nothing to tell", () => {
    expect(courseOf(60, () => 1000 * noise())).toMatchObject({
      sample_ms: 1000,
      samples: 60,
      warm_up_ms: 0,
      outlier_count: 0,
      change_points_ms: [],
    });
  });

  test("that changes, drifts, warms up or stalls says when and by how much", () => {
    const changed = courseOf(60, (at) => (at >= 31 ? 900 : 1000) * noise());
    expect(changed?.change_points_ms).toHaveLength(1);
    expect(Math.abs((changed?.change_points_ms[0] ?? 0) - 31_000)).toBeLessThanOrEqual(1000);
    const drifting = courseOf(60, (at) => (1000 - 2 * at) * noise());
    expect(drifting?.drift.share).toBeCloseTo(-0.125, 1);
    expect(drifting?.drift.p).toBeLessThan(1e-6);
    expect(drifting?.change_points_ms).toEqual([]);
    const warming = courseOf(100, (at) => 1000 * (1 - Math.exp(-at / 5)) * noise());
    expect(warming?.warm_up_ms).toBeGreaterThanOrEqual(10_000);
    expect(warming?.warm_up_ms).toBeLessThanOrEqual(40_000);
    const stalled = courseOf(60, (at) => (at === 17 ? 0 : 1000 * noise()));
    expect(stalled).toMatchObject({ outlier_count: 1, outliers_ms: [17_000] });
  });

  test("false alarms are few", () => {
    let alarms = 0;
    for (let trial = 0; trial < 100; trial += 1) {
      const course = courseOf(30, () => 1000 * noise());
      const { warm_up_ms: warm = 1, change_points_ms: changes = [1], drift } = course ?? {};
      alarms += warm > 0 || changes.length > 0 || (drift?.p ?? 0) < 0.01 ? 1 : 0;
    }
    expect(alarms).toBeLessThan(12);
  });
});

test("a day keeps no more samples than an hour; ten seconds are too short", () => {
  const day = courseOf(86_400, () => 1000);
  expect(day?.samples).toBeGreaterThan(60);
  expect(day?.samples).toBeLessThanOrEqual(120);
  expect(day?.sample_ms).toBe(1_024_000);
  expect(courseOf(9, () => 1000)).toBeNull();
  expect(courseOf(60, () => 0)).toBeNull();
});

test("the report tells it in a sentence", () => {
  const course = courseOf(60, (at) => (at >= 30 ? 800 : 1000) * noise());
  const run = (path: string, own: typeof course) => ({ path, course: own }) as RunSummary;
  expect(aboutCourse([run(".", null)])).toEqual([]);
  expect(aboutCourse([run(".", course)])[0]?.text).toMatch(
    /^The rate was not the same all the time: it changed for good at (29|30|31) s\.$/,
  );
  expect(aboutCourse([run("1", null), run("2", course)])[0]?.text).toMatch(
    /in 1 of 2 runs: repeat 2: it changed/,
  );
});
