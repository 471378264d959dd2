/** What a trace makes of a job before it runs: files, directions, sizes, refusals, and who may be written to. */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { OsdynoError } from "../../engine/base/error.ts";
import type { PlannedJob, RunPlan } from "../../workloads/plan-model.ts";
import { planRun } from "../../workloads/planner.ts";
import { layoutBytes } from "../../workloads/runner/layout.ts";
import { jobSpec } from "../../workloads/runner/native-plan.ts";
import { judgeWrites } from "../../workloads/safety.ts";
import { scanTraces, traceNotes } from "../../workloads/trace/plan.ts";
import { parseText } from "./job-support.ts";

const folder = mkdtempSync(join(tmpdir(), "osdyno-trace-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);
let count = 0;

/** Writes an iolog of version 3 and answers its name. */
function log(...lines: readonly string[]): string {
  count += 1;
  writeFileSync(at(`${count}.iolog`), `fio version 3 iolog\n${lines.join("\n")}\n`);
  return `${count}.iolog`;
}

function blkparse(...lines: readonly string[]): string {
  count += 1;
  const text = lines.map((line, index) => {
    const [device, ...rest] = line.split(" ");
    return `${device} 0 ${index + 1} 0.00000${index} 7 Q ${rest.join(" ")} [x]`;
  });
  writeFileSync(at(`${count}.txt`), `${text.join("\n")}\n`);
  return `${count}.txt`;
}

function plan(text: string, target: string | null = null): RunPlan {
  const { jobs } = parseText(text);
  return planRun(jobs, { target, path: "native", seed: null, directory: folder });
}

const jobsOf = (made: RunPlan): PlannedJob[] => made.phases.flatMap((phase) => [...phase.jobs]);

function only(text: string, target: string | null = null): PlannedJob {
  const [job] = jobsOf(plan(text, target));
  if (job === undefined) {
    throw new Error("nothing was planned");
  }
  return job;
}

function refusal(text: string, target: string | null = null): string {
  try {
    plan(text, target);
  } catch (error) {
    expect(error).toBeInstanceOf(OsdynoError);
    return (error as OsdynoError).line;
  }
  throw new Error("it was planned");
}

describe("files of a trace", () => {
  test("are the job's, as large as the trace reaches, read and written as it does", () => {
    const trace = log(
      "0 unused add",
      "5 in read 4096 8192",
      `7 ${at("out")} write 0 512`,
      `9 ${at("out")} trim 1048576 4096`,
      "9 in sync 0 0",
    );
    writeFileSync(at("in"), "x");
    const job = only(`[a]\nread_iolog=${trace}\n`);
    expect(job.files).toEqual([
      {
        path: at("in"),
        kind: "file",
        offsetBytes: 0,
        sizeBytes: 12_288,
        fileBytes: 12_288,
        created: false,
        access: { reads: true, writes: false },
      },
      {
        path: at("out"),
        kind: "file",
        offsetBytes: 0,
        sizeBytes: 1_052_672,
        fileBytes: 1_052_672,
        created: true,
        access: { reads: false, writes: true },
      },
    ]);
    expect(job).toMatchObject({ writes: true, ioBytes: 8704 });
    const spec = jobSpec(job);
    expect(spec.files).toEqual([
      { path: at("in"), readOnly: true },
      { path: at("out"), readOnly: false },
    ]);
    expect(spec.maxBlock).toBe(8192);
    expect(spec.stream.mix.map((share) => share > 0)).toEqual([true, true, true]);
    expect(spec.trace).toMatchObject({
      files: [
        { name: "in", file: 0 },
        { name: at("out"), file: 1 },
      ],
      paced: true,
      passes: 1,
      operations: 4,
    });
    rmSync(at("in"));
  });

  test("time and bytes are the trace's; only what is read is laid out with data", () => {
    const trace = log("0 new-a read 0 4096", "2000000 new-b write 0 8192");
    const made = plan(`[a]\nread_iolog=${trace}\nreplay_time_scale=50\n`);
    expect(made).toMatchObject({ expectedSeconds: 4, expectedWriteBytes: 8192 });
    expect(layoutBytes(made)).toBe(4096);
    const often = plan(`[a]\nread_iolog=${trace}\nloops=3\n`);
    expect(often).toMatchObject({ expectedSeconds: 6, expectedWriteBytes: 24_576 });
    const fast = plan(`[a]\nread_iolog=${trace}\nreplay_no_stall=1\n`);
    expect(fast.expectedSeconds).toBeNull();
    expect(jobsOf(fast)[0]?.trace?.spec.paced).toBe(false);
    const forever = only(`[a]\nread_iolog=${trace}\ntime_based\nruntime=3\n`);
    expect(forever.trace?.spec.passes).toBe(0);
  });

  test("go where replay_redirect, a target or directory= sends them", () => {
    const trace = log("1 f read 0 4096", "2 /dev/none write 8192 4096");
    const redirected = only(`[a]\nread_iolog=${trace}\nreplay_redirect=one\n`);
    expect(redirected.files.map(({ path, sizeBytes }) => [path, sizeBytes])).toEqual([
      [at("one"), 12_288],
    ]);
    expect(redirected.trace?.spec.files.map(({ file }) => file)).toEqual([0, 0]);
    const raw = only(`[a]\nread_iolog=${trace}\n`, "raw:two");
    expect(raw.files.map(({ path }) => path)).toEqual([at("two")]);
    const nothing = only(`[a]\nread_iolog=${trace}\n`, "null:");
    expect(nothing.files).toMatchObject([{ path: "null:", kind: "null", sizeBytes: 12_288 }]);
    const small = refusal(`[a]\nread_iolog=${trace}\n`, "null:?service=1us&size=8k");
    expect(small).toMatch(/reaches byte 12288, target null:.* has 8192; use replay_scale=/);
    const inside = log("1 f read 0 4096");
    const moved = only(`[a]\nread_iolog=${inside}\ndirectory=sub\n`);
    expect(moved.files[0]?.path).toBe(at("sub/f"));
  });

  test("of block traces have numbers only: filename= or replay_redirect= must say more", () => {
    const trace = blkparse("8,0 R 0 + 8", "8,16 W 8 + 8", "8,0 FN");
    const words = `[a]\nread_iolog=${trace}\n`;
    expect(refusal(words)).toMatch(/names devices by number only \(8,0 8,16\); say where/);
    const three = refusal(`${words}filename=x:y:z\n`);
    expect(three).toMatch(/has 2 devices \(8,0 8,16\), filename= names 3/);
    const one = only(`${words}filename=x\n`);
    expect(one.files.map(({ path }) => path)).toEqual([at("x")]);
    const two = only(`${words}filename=x:y\n`);
    expect(two.files.map(({ path, access }) => [path, access?.writes])).toEqual([
      [at("x"), false],
      [at("y"), true],
    ]);
    expect(only(`${words}replay_redirect=z\n`).files.map(({ path }) => path)).toEqual([at("z")]);
  });

  test("clones take traces in turn; merged ones they share", () => {
    const [a, b] = [log("1 f read 0 512"), log("1 g read 0 512", "2 f read 0 512")];
    const clones = jobsOf(plan(`[a]\nread_iolog=${a}:${b}\nnumjobs=3\n`));
    const inputs = clones.map(({ trace }) => trace?.spec.inputs.map(({ path }) => path));
    expect(inputs).toEqual([[at(a)], [at(b)], [at(a)]]);
    const merged = only(
      `[a]\nread_iolog=${a}:${b}\nmerge_blktrace_file=m\nmerge_blktrace_scalars=50:200\nmerge_blktrace_iters=2:1\n`,
    );
    expect(merged.trace?.spec.inputs).toEqual([
      { path: at(a), timePercent: 50, iterations: 2 },
      { path: at(b), timePercent: 200, iterations: 1 },
    ]);
    expect(merged.trace?.facts.operations).toEqual([4, 0, 0, 0]);
    expect(merged.mergedPath).toBe(at("m"));
  });
});

describe("operations of a trace", () => {
  test("are left out, scaled and limited as the keys say", () => {
    const trace = log("4 f read 10000 512", "6 f write 8192 512", "8 f sync 0 0");
    const job = only(
      `[a]\nread_iolog=${trace}\nreplay_skip=write,sync\nreplay_scale=2\nreplay_align=4k\nnumber_ios=7\nio_size=1m\n`,
    );
    expect(job.trace?.facts).toMatchObject({
      operations: [1, 0, 0, 0],
      skipped: 2,
      files: [{ name: "f", endBytes: 4096 + 512 }],
    });
    expect(job.writes).toBe(false);
    expect(job.trace?.spec).toMatchObject({ mostOperations: 7, mostBytes: 1 << 20 });
    const all = `[a]\nread_iolog=${trace}\nreplay_skip=read,write,sync\n`;
    expect(refusal(all)).toMatch(/holds no operation to replay; replay_skip leaves out all 3/);
  });

  test("larger than what memory allows for a buffer are split, and the results say so", () => {
    const trace = log("1 f write 0 8388608", "1 f read 0 4096", "0 f read 0 4096");
    const deep = only(`[a]\nread_iolog=${trace}\nioengine=io_uring\niodepth=64\n`);
    expect(jobSpec(deep).maxBlock).toBe((32 << 20) / 64);
    expect(jobSpec(only(`[a]\nread_iolog=${trace}\n`)).maxBlock).toBe(8 << 20);
    const { trace: planned } = deep;
    if (planned === undefined) {
      throw new Error("no trace was planned");
    }
    const notes = traceNotes(planned, jobSpec(deep).maxBlock).join("\n");
    expect(notes).toMatch(/replays 3 operations of .*, over 0.000 s/);
    expect(notes).toMatch(/above 524288 bytes were split, the largest of the trace has 8388608/);
    expect(notes).toMatch(/1 operations of the trace have a time before/);
  });

  test("without times go as fast as the queue takes them", () => {
    count += 1;
    writeFileSync(at(`${count}.iolog`), "fio version 2 iolog\nf read 0 512\nf read 512 512\n");
    expect(only(`[a]\nread_iolog=${count}.iolog\n`).trace?.spec.paced).toBe(false);
  });
});

describe("refusals", () => {
  test("name the trace and the line", () => {
    const bad = log("1 f read 0 512", "2 f leap 0 0");
    expect(refusal(`[a]\nread_iolog=${bad}\n`)).toBe(
      `trace ${at(bad)}: line 3: \`2 f leap 0 0\`: no such action in an iolog`,
    );
    expect(refusal("[a]\nread_iolog=missing\n")).toMatch(/^trace .*missing: No such file/);
    expect(refusal("[a]\nread_iolog=-\n")).toMatch(/read more than once; save it to a file/);
    const good = log("1 f write 0 4096");
    const verified = refusal(`[a]\nread_iolog=${good}\nverify=crc32c\nrw=write\n`);
    expect(verified).toMatch(/verify= with read_iolog=/);
    const folderOnly = refusal(`[a]\nread_iolog=${good}\nreplay_redirect=.\n`);
    expect(folderOnly).toMatch(/is a directory/);
  });

  test("a trace does not write to itself", () => {
    count += 1;
    const own = at(`${count}.iolog`);
    writeFileSync(own, `fio version 3 iolog\n1 ${own} write 0 4096\n`);
    expect(refusal(`[a]\nread_iolog=${own}\n`)).toMatch(/written to by its own replay/);
  });

  test("a signal ends looking at a trace", async () => {
    const { jobs } = parseText(`[a]\nread_iolog=${log("1 f read 0 512")}\n`);
    const ended = AbortSignal.abort("SIGINT");
    await expect(scanTraces(jobs, folder, ended)).rejects.toThrow("stopped by SIGINT");
    await scanTraces(jobs, folder, new AbortController().signal);
  });
});

describe("safety", () => {
  test("covers what the trace names: written files are judged, read ones are not", () => {
    const outside = mkdtempSync(join(tmpdir(), "osdyno-outside-"));
    const scratch = at("scratch");
    mkdirSync(scratch);
    try {
      for (const name of ["read", "written"]) {
        writeFileSync(join(outside, name), "");
        truncateSync(join(outside, name), 1 << 20);
      }
      const trace = log(
        `1 ${join(outside, "read")} read 0 4096`,
        `2 ${join(outside, "written")} write 0 4096`,
      );
      const words = `[a]\nread_iolog=${trace}\n`;
      const careful = { destroy: false, scratch: [scratch] };
      const verdict = judgeWrites(plan(words), careful);
      expect(verdict.allowed).toBe(false);
      expect(verdict.files.map(({ path }) => path)).toEqual([join(outside, "written")]);
      const reads = judgeWrites(plan(`${words}replay_skip=write\n`), careful);
      expect(reads).toEqual({ allowed: true, files: [] });
      // A file that is too short is made longer: that is a change too.
      truncateSync(join(outside, "read"), 100);
      expect(judgeWrites(plan(words), careful).files).toHaveLength(2);
      const elsewhere = judgeWrites(plan(`${words}replay_redirect=scratch/f\n`), careful);
      expect(elsewhere.allowed).toBe(true);
    } finally {
      rmSync(outside, { recursive: true, force: true });
    }
  });
});

describe("write_iolog", () => {
  test("names files as the job does; those who share a log have one of their own", () => {
    const made = jobsOf(
      plan(
        "[global]\nwrite_iolog=log\nsize=64k\n[a]\nnumjobs=2\n[b]\nfilename=/tmp/nowhere-x\n[c]\nstonewall\nioengine=null\nnrfiles=1\n",
      ),
    );
    expect(made.map(({ iolog }) => iolog)).toEqual([
      { path: at("log"), names: ["a.0.0"] },
      { path: at("log.1"), names: ["a.1.0"] },
      { path: at("log.2"), names: ["/tmp/nowhere-x"] },
      { path: at("log"), names: ["c.0.0"] },
    ]);
    expect(jobSpec(made[0] as PlannedJob).writeIolog).toEqual(made[0]?.iolog);
  });

  test("goes over nothing but traces", () => {
    writeFileSync(at("letter"), "Dear all");
    const words = "[a]\nsize=64k\nwrite_iolog=";
    expect(refusal(`${words}letter\n`)).toMatch(/there is a file that is no trace/);
    expect(refusal(`${words}/dev/null\n`)).toMatch(/there is something that is no file/);
    const trace = log("1 f read 0 512");
    expect(only(`${words}${trace}\n`).iolog?.path).toBe(at(trace));
    const merged = `[a]\nread_iolog=${trace}:${trace}\nmerge_blktrace_file=`;
    expect(refusal(`${merged}letter\n`)).toMatch(/there is a file that is no trace/);
    expect(refusal(`${merged}${trace}\n`)).toMatch(/is one of the traces that are merged/);
    expect(refusal("[a]\nsize=64k\nfilename=a b\nwrite_iolog=new\n")).toMatch(/cannot name "a b"/);
  });
});
