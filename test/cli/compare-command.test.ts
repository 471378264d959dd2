import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CompareDocument } from "../../results/compare/compare.ts";
import { Workplace } from "./command.ts";

const place = new Workplace();
afterAll(() => place.remove());

const job = ["--name=a", "--rw=randread", "--bs=4k", "--iodepth=4", "--clock", "virtual"];
const ends = ["--runtime=1", "--time_based", "--no-progress", "--no-report", "--repeat", "6"];

/** Six runs on a synthetic device of this service time, in virtual time. */
function measure(serviceUs: number, out: string): void {
  const target = `null:?service=${serviceUs}us&jitter=exp`;
  const { code, err } = place.run(["run", "--target", target, ...job, ...ends, "--out", out]);
  expect(code, err).toBe(0);
}

describe("compare", () => {
  beforeAll(() => {
    measure(100, "base");
    measure(100, "again");
    measure(130, "slow");
  });

  const compare = (...args: string[]) => {
    const { code, out, err } = place.run(["compare", ...args, "--json"]);
    return { code, err, document: code === 2 ? null : (JSON.parse(out) as CompareDocument) };
  };

  test("a slower device is worse, exit 3, also for CI", () => {
    const { code, document } = compare("base", "--with", "slow", "--junit", "report.xml");
    expect(code).toBe(3);
    const verdicts = Object.fromEntries(
      document?.comparisons.map(({ metric, verdict }) => [metric, verdict]) ?? [],
    );
    expect(verdicts).toMatchObject({ iops: "worse", "response.p50": "worse" });
    const iops = document?.comparisons.find(({ metric }) => metric === "iops");
    expect(iops?.ratio).toBeCloseTo(100 / 130, 1);
    expect(iops?.low).toBeLessThan(iops?.ratio ?? 0);
    expect(iops?.high).toBeGreaterThan(iops?.ratio ?? 0);
    const xml = readFileSync(place.path("report.xml"), "utf8");
    expect(xml).toMatch(/<testcase name="iops"[^>]*><failure message="worse: ratio 0\.7/);
  });

  test("response times are compared as distributions, and the order of the runs is warned of", () => {
    const { document } = compare("base", "--with", "slow");
    const [read, ...others] = document?.distributions ?? [];
    expect(others).toEqual([]);
    expect(read).toMatchObject({
      direction: "read",
      time: "response",
      base_runs: 6,
      paired: false,
    });
    // About 40,000 operations a run: six runs have more than ten beyond p99.99.
    expect(read?.quantiles.map(({ percentile }) => percentile)).toEqual([
      5, 25, 50, 75, 90, 95, 99, 99.9, 99.99,
    ]);
    const median = read?.quantiles[2];
    expect(median?.ratio).toBeCloseTo(1.3, 1);
    expect(median?.low).toBeGreaterThan(1.2);
    expect(median?.high).toBeLessThan(1.4);
    expect(read?.p).toBeLessThanOrEqual(0.05);
    expect(document?.warnings.join("\n")).toMatch(/all runs of one side were made before those/);
    const text = place.run(["compare", "base", "--with", "slow"]).out;
    expect(text).toMatch(/read response time .* base .* candidate/);
    expect(text).toMatch(/p99\.99 /);
  });

  test("what is below the noise floor of this machine is warned of", () => {
    const { environment } = place.record("base", "1");
    const part = (name: string) => environment[name] as Record<string, string>;
    const machine = { host: part("os")["host"], cpu: part("cpu")["model"], kernel: null };
    const figures = { runs: 10, median: 1, variation: 1, variation_of_neighbours: 1 };
    const iops = { ...figures, drift: { share: 0, p: 1 }, detectable: {}, figures: [] };
    const cases = [{ name: "loud", args: [], job: "", metrics: { iops } }];
    const noise = { schema: "osdyno-noise-1", measured: "", machine, repeat: 10, cases };
    mkdirSync(place.path("results"), { recursive: true });
    place.write("results/noise.json", JSON.stringify(noise));
    const { code, document } = compare("base", "--with", "slow", "--metric", "iops");
    expect(code).toBe(3);
    expect(document?.comparisons).toMatchObject([{ verdict: "worse", below_noise: true }]);
    expect(document?.warnings.join("\n")).toMatch(/is below the noise floor of this machine/);
    rmSync(place.path("results/noise.json"));
  });

  test("runs on both sides, and a place for XML that is not there, are refused before the work", () => {
    const both = place.run(["compare", "base", "--with", "base"]);
    expect([both.code, both.err]).toEqual([2, expect.stringContaining("on both sides")]);
    const nowhere = place.run(["compare", "base", "--with", "slow", "--junit", "no/where/x.xml"]);
    expect([nowhere.code, nowhere.err]).toEqual([2, expect.stringContaining("no folder")]);
    expect(nowhere.out).toBe("");
  });

  test("where nothing could be compared nothing is in order: exit 2, and the XML fails", () => {
    const metrics = ["--metric", "response.p99.99"];
    const sides = ["short", "--with", "short2"];
    for (const out of ["short", "short2"]) {
      const few = ["--size=1m", "--no-progress", "--no-report", "--out", out];
      expect(place.run(["run", "--target", "null:?service=1ms", ...job, ...few]).code).toBe(0);
    }
    const gate = place.run(["compare", ...sides, ...metrics, "--junit", "few.xml"]);
    expect(gate.code).toBe(2);
    expect(gate.out).toContain("response.p99.99: not compared: fewer than 10 samples");
    expect(gate.err).toMatch(
      /^osdyno: nothing could be compared: response\.p99\.99: fewer than 10 samples lie beyond it in \S*short\n$/,
    );
    const xml = readFileSync(place.path("few.xml"), "utf8");
    expect(xml).toMatch(/<testcase name="response\.p99\.99"[^>]*><failure message="not compared: /);
    // One that could be compared is a comparison.
    const some = place.run(["compare", ...sides, "--metric", "iops", ...metrics]);
    expect(some.code, some.err).toBe(0);
  });

  test("a run that is named twice counts once", () => {
    const { document } = compare("base", "base/1", "--with", "slow", "--metric", "iops");
    expect(document?.comparisons).toMatchObject([{ base_runs: 6, candidate_runs: 6 }]);
    const once = compare("base", "--with", "slow", "--metric", "iops").document;
    expect(document?.comparisons[0]?.p_alone).toBe(once?.comparisons[0]?.p_alone);
    expect(document?.warnings).toContain("base base/1: a run is named twice; it counts once");
  });

  test("the other way round it is better, exit 0", () => {
    const { code, document } = compare("slow", "--with", "base", "--metric", "iops");
    expect(code).toBe(0);
    expect(document?.comparisons).toMatchObject([{ metric: "iops", verdict: "better" }]);
  });

  test("equal devices are not told apart", () => {
    const { code, document } = compare(
      "base",
      "--with",
      "again",
      "--metric",
      "iops",
      "--min-effect",
      "5%",
    );
    expect(code).toBe(0);
    expect(["same", "unclear"]).toContain(document?.comparisons[0]?.verdict);
  });

  test("too few runs decide nothing, and it says how many would", () => {
    const { document } = compare(
      "base/1",
      "base/2",
      "--with",
      "slow/1",
      "slow/2",
      "--metric",
      "iops",
    );
    expect(document?.comparisons).toMatchObject([
      { verdict: "unclear", low: null, runs_needed: 6, base_runs: 2, candidate_runs: 2 },
    ]);
  });

  test.each([
    [["base", "--with", "nothing"], /no results 'nothing'/],
    [["base", "--with", "slow", "--metric", "iop"], /no metric 'iop', did you mean 'iops'\?/],
    [["base", "--with", "slow", "--min-effect", "two"], /--min-effect two: give a share/],
    [["base#x", "--with", "slow"], /is no sweep/],
    [["base"], /required option '--with/],
  ])("%j is refused in one line", (args, message) => {
    const { code, err } = compare(...args);
    expect(code).toBe(2);
    expect(err.trim().split("\n").at(-1)).toMatch(message);
    expect(existsSync(place.path("nothing"))).toBe(false);
  });
});
