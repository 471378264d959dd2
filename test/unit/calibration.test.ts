/** The cases of `osdyno calibrate`, and what it makes of pairs. */
import { describe, expect, test } from "vitest";
import type { SideFigures } from "../../results/calibrate/side.ts";
import { judgeCase, standardCases } from "../../results/calibrate/suite.ts";
import { truthCases } from "../../results/calibrate/truth.ts";
import { jobInputs } from "../../workloads/job/arguments.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";

const cases = standardCases("/tmp/scratch.dat", false);

describe("the built-in cases", () => {
  test("have names of their own, in groups that hold what they say", () => {
    const names = [...cases, ...truthCases].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const groups = new Map<string, string[]>();
    for (const { group, name } of cases) {
      groups.set(group, [...(groups.get(group) ?? []), name]);
    }
    expect([...groups.keys()]).toEqual(["io_uring", "path", "null", "engines"]);
    const engines = groups.get("engines")?.join("\n") ?? "";
    for (const rw of ["randread", "randwrite"]) {
      for (const what of [
        "psync, buffered",
        "psync, direct",
        "libaio, depth 1",
        "libaio, depth 16",
        "libaio, depth 64",
        "io_uring, fixed buffers and files, depth 64",
        "io_uring, 4 jobs of depth 16",
      ]) {
        expect(engines).toContain(`${rw} 4k ${what}`);
      }
    }
  });

  test.each(cases)("$name is a job that both sides read", ({ args, name }) => {
    const inputs = jobInputs(args, () => {
      throw new Error("no file is named");
    });
    const { jobs } = parseJobs(inputs, hostEnvironment());
    expect(jobs.map((job) => job.numjobs)).toEqual([name.includes("4 jobs") ? 4 : 1]);
    for (const job of jobs) {
      expect(job.direct).toBe(!name.includes("buffered") && !name.includes("null"));
      expect(job.iodepth).toBe(Number(/depth (?:of )?(\d+)/.exec(name)?.[1] ?? 1));
    }
  });
});

test("a case is judged by the median of its pairs' ratios", () => {
  const side = (iops: number, cpuUs: number): SideFigures => {
    const latency = { clatP50: 10, clatP99: 20, latP50: 10, latP99: 20, latMean: 12 };
    return { iops, cpuUs, ...latency };
  };
  const [item] = cases;
  if (item === undefined) {
    throw new Error("there are no cases");
  }
  const pair = (ratio: number, cpu = 1) => ({
    base: side(100, 2),
    ours: side(100 * ratio, 2 * cpu),
  });
  const good = judgeCase(item, [pair(0.99), pair(0.5), pair(1.2)]);
  expect(good).toMatchObject({ reached: true, iopsRatio: { median: 0.99 } });
  expect(judgeCase(item, [pair(0.97), pair(0.5), pair(1.2)]).reached).toBe(false);
  expect(judgeCase(item, [pair(1, 1.06), pair(1, 1.1), pair(1, 0.5)]).reached).toBe(false);
});
