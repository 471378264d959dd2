/** From resolved jobs to a plan: groups, phases, file names, regions, seeds, refusals. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { OsdynoError } from "../../engine/base/error.ts";
import type { RunPlan } from "../../workloads/plan-model.ts";
import { filesOf, planRun } from "../../workloads/planner.ts";
import { jobSpec } from "../../workloads/runner/native-plan.ts";
import { parseText } from "./job-support.ts";

const folder = mkdtempSync(join(tmpdir(), "osdyno-plan-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function plan(text: string, seed: number | null = null, target: string | null = null): RunPlan {
  const { jobs } = parseText(text);
  return planRun(jobs, { target, path: "native", seed, directory: folder });
}

function refusal(text: string): string {
  try {
    plan(text);
  } catch (error) {
    expect(error).toBeInstanceOf(OsdynoError);
    return (error as OsdynoError).line;
  }
  throw new Error("it was planned");
}

const jobsOf = (made: RunPlan) => made.phases.flatMap((phase) => phase.jobs);

describe("groups and phases", () => {
  test("a stonewall begins a phase and a group, new_group a group only", () => {
    const made = plan(
      "[global]\nioengine=null\nsize=1m\n[a]\nnumjobs=2\n[b]\nnew_group\n[c]\nstonewall\n",
    );
    expect(made.phases.map((phase) => phase.jobs.map((job) => job.resolved.name))).toEqual([
      ["a", "a", "b"],
      ["c"],
    ]);
    expect(jobsOf(made).map((job) => job.groupId)).toEqual([0, 0, 1, 2]);
    expect(jobsOf(made).map((job) => job.jobnum)).toEqual([0, 1, 0, 0]);
  });

  test("clones have seeds of their own, the same in every plan, others with another seed", () => {
    const text = "[a]\nioengine=null\nsize=1m\nnumjobs=4\n";
    const seeds = jobsOf(plan(text)).map((job) => job.seed);
    expect(new Set(seeds).size).toBe(4);
    expect(jobsOf(plan(text)).map((job) => job.seed)).toEqual(seeds);
    expect(jobsOf(plan(text, 7)).map((job) => job.seed)).not.toEqual(seeds);
  });
});

describe("files and regions", () => {
  test("names follow fio: job, clone and file number, in a directory by clone", () => {
    for (const name of ["d0", "d1"]) {
      mkdirSync(join(folder, name));
    }
    const made = plan("[j x]\ndirectory=d0:d1\nnrfiles=2\nnumjobs=2\nsize=64k\nrw=write\n");
    expect(jobsOf(made).map((job) => job.files.map((file) => file.path))).toEqual([
      [join(folder, "d0/j x.0.0"), join(folder, "d0/j x.0.1")],
      [join(folder, "d1/j x.1.0"), join(folder, "d1/j x.1.1")],
    ]);
    expect(jobsOf(made)[0]?.files.every((file) => file.created && file.sizeBytes === 32768)).toBe(
      true,
    );
  });

  test("offset and offset_increment move the region by clone; a file grows to hold it", () => {
    const made = plan(
      "[a]\nfilename=f\nnumjobs=3\nsize=1m\noffset=64k\noffset_increment=2m\nrw=write\n",
    );
    expect(jobsOf(made).map((job) => job.files[0]?.offsetBytes)).toEqual([
      65536,
      65536 + (2 << 20),
      65536 + (4 << 20),
    ]);
    expect(filesOf(made)[0]?.fileBytes).toBe(65536 + (5 << 20));
  });

  test("percentages are of the file; a region is cut to whole blocks", () => {
    writeFileSync(join(folder, "present"), Buffer.alloc(100_000));
    const half = plan("[a]\nfilename=present\nsize=50%\nbs=4k\n");
    expect(jobsOf(half)[0]?.files[0]).toMatchObject({ sizeBytes: 49152, created: false });
    const rest = plan("[a]\nfilename=present\noffset=50%\nbs=1k\n");
    expect(jobsOf(rest)[0]?.files[0]).toMatchObject({ offsetBytes: 50_176, sizeBytes: 49152 });
  });

  // Numbers of fio 3.33: issued blocks of 4 KiB and the length of the file.
  test.each([
    ["size=1m\noffset=256k", 192, 1 << 20],
    ["size=512k\noffset=256k", 128, 1 << 20],
    ["size=512k\noffset=768k", 64, 1 << 20],
    ["size=2m", 256, 1 << 20],
    ["offset=256k", 192, 1 << 20],
    ["size=1m\noffset=25%", 192, 1 << 20],
    ["size=33%", 84, 344_064],
    ["size=33%\noffset=100k", 84, 446_464],
    ["size=100%\noffset=100k", 231, 1 << 20],
  ])("filesize=1m ends the region of %j", (keys, blocks, fileBytes) => {
    for (const rw of ["read", "write"]) {
      const made = plan(`[a]\nfilename=cut\nfilesize=1m\nbs=4k\nrw=${rw}\n${keys}\n`);
      expect(jobsOf(made)[0]?.files[0]).toMatchObject({ sizeBytes: blocks * 4096, fileBytes });
    }
  });

  test("a slash in a job's name or a file's leads into a folder, as in fio; `directory` is there", () => {
    const [job] = jobsOf(plan("[sub/x]\nsize=64k\nrw=write\n"));
    expect(job?.files[0]?.path).toBe(join(folder, "sub/x.0.0"));
    const [named] = jobsOf(plan("[x]\nfilename=none/y\nsize=64k\nrw=write\n"));
    expect(named?.files[0]?.path).toBe(join(folder, "none/y"));
    expect(refusal("[x]\ndirectory=none\nsize=64k\nrw=write\n")).toContain(
      "directory=none is not a folder; create it first",
    );
  });

  test("direct=1 takes whole logical blocks: sizes, alignment, offset", () => {
    const start = "[a]\nfilename=d\nsize=1m\nrw=randwrite\ndirect=1\n";
    for (const keys of ["bs=1000", "bssplit=4k/50:5000/50", "ba=100", "offset=100"]) {
      expect(refusal(`${start}${keys}\n`)).toMatch(/^t\.fio:1: job a: direct=1 needs multiples of/);
    }
    expect(jobsOf(plan(`${start}bs=1000\ndirect=0\n`))).toHaveLength(1);
    expect(jobsOf(plan(`${start}bs=4k\noffset=64k\n`))).toHaveLength(1);
  });

  test("a target replaces the files of every job", () => {
    const made = plan("[a]\nfilename=f\nsize=1m\n[b]\nfilename=g\nsize=1m\n", null, "null:");
    expect(filesOf(made).map((file) => [file.path, file.kind])).toEqual([["null:", "null"]]);
  });

  test.each([
    ["[a]\nfilename=absent\nrw=read\n", "t.fio:1: job a: ", "add size="],
    ["[a]\nfilename=.\nsize=1m\n", "t.fio:1: ", "is a directory"],
    ["[a]\nfilename=present\noffset=1m\n", "t.fio:1: ", "leaves nothing"],
    ["[a]\ntarget=null:\nrw=read\n", "t.fio:1: ", "size"],
    ["[a]\ntarget=null:?size=1m\nsize=2m\n", "t.fio:1: ", "has 1048576 bytes"],
    ["[a]\nsize=3k\nbs=1k\nnrfiles=4\n", "t.fio:1: ", "smaller"],
  ])("%j is refused in one line with its place", (text, start, part) => {
    const line = refusal(text);
    expect(line).toContain(part);
    expect(line.startsWith(start)).toBe(true);
    expect(line).not.toContain("\n");
  });
});

describe("what the native side is told", () => {
  test("a mixed job with a verified split", () => {
    const made = plan(
      "[a]\nioengine=memory\nsize=1m\nrw=randrw\nrwmixread=70\nbssplit=4k/50:16k/50\nverify=crc32c\n",
    );
    const [job] = jobsOf(made);
    const spec = job === undefined ? null : jobSpec(job);
    expect(spec).toMatchObject({
      engine: { kind: "memory", size: 1 << 20 },
      iodepth: 1,
      maxBlock: 16384,
      stream: { mix: [70, 30, 0], pattern: "random", randomMap: true },
    });
    expect(spec?.stream.data.verify).toMatchObject({ kind: "crc32c", interval: 4096 });
  });

  test("a runtime counts from the end of the warm-up; synchronous engines have depth 1", () => {
    writeFileSync(join(folder, "here"), Buffer.alloc(65536));
    const made = plan(
      "[a]\nfilename=here\nioengine=psync\niodepth=16\nruntime=2\nramp_time=1\ntime_based\nsync=dsync\n",
    );
    const [job] = jobsOf(made);
    expect(job === undefined ? null : jobSpec(job)).toMatchObject({
      runtimeNs: 3e9,
      rampNs: 1e9,
      iodepth: 1,
      sync: "dsync",
      stream: { fua: false, timeBased: true },
    });
  });
});
