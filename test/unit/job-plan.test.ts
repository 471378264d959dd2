/** What keys of files, delays and CPUs make of a plan and of files on a real file system. */
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { native } from "../../engine/base/native.ts";
import { cpusOf, kernelNodeCpus, startDelayNs } from "../../workloads/placement.ts";
import type { PlannedJob, RunPlan } from "../../workloads/plan-model.ts";
import { planRun } from "../../workloads/planner.ts";
import { layOut } from "../../workloads/runner/layout.ts";
import { parseText, refusal } from "./job-support.ts";

let directory = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "osdyno-plan-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function planOf(...lines: readonly string[]): RunPlan {
  const { jobs } = parseText(["[a]", ...lines].join("\n"), {}, {});
  return planRun(jobs, { target: null, path: "native", seed: null, directory });
}

function jobsOf(...lines: readonly string[]): readonly PlannedJob[] {
  return planOf(...lines).phases.flatMap((phase) => phase.jobs);
}

function filesOf(...lines: readonly string[]) {
  return jobsOf(...lines).flatMap((job) => job.files);
}

async function laidOut(...lines: readonly string[]): Promise<number> {
  await layOut([planOf("filename=f", ...lines)], () => {}, new AbortController().signal);
  const { size, blocks } = statSync(join(directory, "f"));
  expect(size).toBe(1 << 20);
  return blocks * 512;
}

describe("folders of a plan", () => {
  it("that a file's name has in it are made, and are gone again when it cannot be laid out", async () => {
    const go = (signal: AbortSignal) =>
      layOut([planOf("filename=a/b/f", "size=1m", "rw=read")], () => {}, signal);
    await expect(go(AbortSignal.abort())).rejects.toThrow(/stopped while laying out/);
    expect(readdirSync(directory)).toEqual([]);
    await go(new AbortController().signal);
    expect(statSync(join(directory, "a/b/f")).size).toBe(1 << 20);
  });
});

describe("files that somebody else changes between the plan and its run", () => {
  const asked = ["filename=f", "size=1m", "rw=write"] as const;
  const go = (plan: RunPlan) => layOut([plan], () => {}, new AbortController().signal);
  const told = (what: string) => ({
    code: "unsafe",
    message: `${join(directory, "f")}: somebody else has ${what} it since this run looked; start it again`,
  });

  it("one that was made meanwhile is told in one line, and stays theirs", async () => {
    const plan = planOf(...asked);
    writeFileSync(join(directory, "f"), "theirs");
    await expect(go(plan)).rejects.toMatchObject(told("made"));
    expect(readFileSync(join(directory, "f"), "utf8")).toBe("theirs");
  });

  it("so is one that was removed meanwhile", async () => {
    writeFileSync(join(directory, "f"), "ours");
    const plan = planOf(...asked);
    rmSync(join(directory, "f"));
    await expect(go(plan)).rejects.toMatchObject(told("removed"));
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe("files of a plan", () => {
  it("append begins where the file ends, and does not make it longer first", () => {
    writeFileSync(join(directory, "f"), Buffer.alloc(10_000));
    expect(filesOf("rw=write", "filename=f", "size=64k", "file_append=1")).toMatchObject([
      { offsetBytes: 10_000, sizeBytes: 65_536, fileBytes: 10_000 },
    ]);
    expect(filesOf("rw=write", "filename=new", "size=64k", "file_append=1")).toMatchObject([
      { offsetBytes: 0, sizeBytes: 65_536, fileBytes: 65_536 },
    ]);
  });

  it("opendir names every file below, in order", () => {
    mkdirSync(join(directory, "d/e"), { recursive: true });
    for (const name of ["d/z", "d/b", "d/e/c"]) {
      writeFileSync(join(directory, name), Buffer.alloc(8192));
    }
    const paths = filesOf("rw=read", "opendir=d").map((file) => file.path);
    expect(paths).toEqual(["d/b", "d/e/c", "d/z"].map((name) => join(directory, name)));
    expect(refusal(() => filesOf("rw=read", "opendir=none"))).toContain("opendir=");
    rmSync(join(directory, "d"), { recursive: true });
    mkdirSync(join(directory, "d"));
    expect(refusal(() => filesOf("rw=read", "opendir=d"))).toContain("holds 0 files");
  });

  it("filetype and allow_file_create refuse what does not fit", () => {
    writeFileSync(join(directory, "f"), Buffer.alloc(8192));
    const lines = ["rw=read", "filename=f"];
    expect(filesOf(...lines, "filetype=file", "allow_file_create=0")).toHaveLength(1);
    expect(refusal(() => filesOf(...lines, "filetype=block"))).toContain("filetype=block");
    const absent = () => filesOf("rw=write", "filename=g", "size=64k", "allow_file_create=0");
    expect(refusal(absent)).toContain("allow_file_create=0 forbids");
  });

  it("offsets in percent begin at a block, or where offset_align says", () => {
    writeFileSync(join(directory, "f"), Buffer.alloc(100_000));
    const offsetOf = (...lines: readonly string[]) =>
      filesOf("rw=read", "filename=f", ...lines)[0]?.offsetBytes;
    expect(offsetOf("offset=25%")).toBe(28_672);
    expect(offsetOf("offset=25%", "offset_align=16k")).toBe(32_768);
    expect(offsetOf("offset=25000")).toBe(25_000);
  });
});

describe("clones", () => {
  it("draw their delays from the range, the same ones for the same seed", () => {
    const lines = ["rw=read", "ioengine=null", "size=1m", "numjobs=40", "startdelay=2-5"];
    const delays = jobsOf(...lines).map(startDelayNs);
    expect(delays.every((delay) => delay >= 2e9 && delay <= 5e9)).toBe(true);
    expect(new Set(delays).size).toBe(40);
    expect(jobsOf(...lines).map(startDelayNs)).toEqual(delays);
    const [fixed] = jobsOf("rw=read", "ioengine=null", "size=1m", "startdelay=3");
    expect(fixed === undefined ? null : startDelayNs(fixed)).toBe(3e9);
  });

  it("take one CPU each when the policy is to split", () => {
    const lines = ["rw=read", "ioengine=null", "size=1m", "numjobs=3", "cpus_allowed=1,3"];
    expect(jobsOf(...lines).map((job) => cpusOf(job))).toEqual([
      [1, 3],
      [1, 3],
      [1, 3],
    ]);
    const split = jobsOf(...lines, "cpus_allowed_policy=split");
    expect(split.map((job) => cpusOf(job))).toEqual([[1], [3], [1]]);
  });

  it("run on the CPUs of their nodes", () => {
    const nodes = (node: number) => [node * 2, node * 2 + 1];
    const [job] = jobsOf("rw=read", "ioengine=null", "size=1m", "numa_cpu_nodes=1-2");
    expect(job === undefined ? [] : cpusOf(job, nodes)).toEqual([2, 3, 4, 5]);
    expect(refusal(() => kernelNodeCpus(1023))).toContain("no NUMA node 1023");
  });
});

describe("layout", () => {
  const write = ["rw=write", "size=1m"];

  it("sets space aside unless told not to", async () => {
    const descriptor = openSync(join(directory, "probe"), "w");
    const can = native().allocateFile(descriptor, 4096, "native") === 0;
    closeSync(descriptor);
    expect(await laidOut(...write, "fallocate=none")).toBeLessThan(1 << 19);
    rmSync(join(directory, "f"));
    const natively = await laidOut(...write);
    expect(natively >= 1 << 20).toBe(can);
    rmSync(join(directory, "f"));
    expect(await laidOut(...write, "fallocate=posix")).toBeGreaterThanOrEqual(1 << 20);
  });

  it("overwrite fills what is only written", async () => {
    await laidOut(...write, "overwrite=1", "fallocate=none", "create_fsync=0");
    const text = readFileSync(join(directory, "f"));
    expect(new Set(text).size).toBe(256);
  });

  it("pre_read reads the region and changes nothing", async () => {
    writeFileSync(join(directory, "f"), Buffer.alloc(1 << 20, 7));
    await laidOut("rw=read", "size=1m", "pre_read=1");
    expect(new Set(readFileSync(join(directory, "f")))).toEqual(new Set([7]));
  });

  it("refuses what is no allocation", () => {
    expect(() => native().allocateFile(-1, 1, "native")).toThrow("descriptor");
    expect(() => native().allocateFile(1, -1, "native")).toThrow("count of bytes");
  });
});
