/** Sections, comments, includes, expansion, precedence. */
import { describe, expect, it } from "vitest";
import { jobInputs } from "../../workloads/job/arguments.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { environmentWith, onlyJob, parseArgs, parseText, refusal } from "./job-support.ts";

const names = (parsed: { jobs: readonly { name: string }[] }) => parsed.jobs.map((job) => job.name);

describe("sections", () => {
  it("names a section by all but the last character of the line", () => {
    expect(names(parseText("[j] trailing\n[abc\n[job 1]\n"))).toEqual([
      "j] trailin",
      "ab",
      "job 1",
    ]);
    expect(parseText("[j] trailing\n").notes[0]?.message).toContain("[j] alone");
  });

  it("takes every name that begins with global for a global section", () => {
    const parsed = parseText("[globalx]\niodepth=7\n[a]\nrw=read\n");
    expect(onlyJob(parsed).iodepth).toBe(7);
    expect(parsed.notes[0]?.message).toContain('begins with "global"');
  });

  it("lets a global section change only the jobs after it", () => {
    const { jobs, globals } = parseText("[a]\n[global]\nbs=8k\n[b]\nbs=16k\n[c]\n");
    expect(jobs.map((job) => job.blockSizes[0])).toEqual(
      [4096, 16_384, 8192].map((bytes) => ({ kind: "fixed", bytes })),
    );
    expect(Object.fromEntries(globals)).toEqual({ bs: "8k" });
    expect(Object.fromEntries(jobs[1]?.given ?? [])).toEqual({ bs: "16k" });
  });

  it("keeps only the sections asked for", () => {
    const text = "[global]\niodepth=3\n[a]\nfoo=1\n[b]\nrw=write\n";
    const parsed = parseText(text, {}, {}, { sections: ["b"] });
    expect(onlyJob(parsed)).toMatchObject({ name: "b", iodepth: 3 });
    expect(refusal(() => parseText(text, {}, {}, { sections: ["c"] }))).toContain("--section=c");
  });

  it.each([
    ["", "t.fio:1: the job file is empty"],
    ["; nothing\n", "t.fio:1: the job file has no section"],
    ["[global]\nbs=4k\n", "t.fio:1: only [global] sections"],
    ["bs=4k\n[a]\n", "t.fio:1: option bs=4k stands before the first section"],
    ["include x\n[a]\n", "t.fio:1: option "],
    ["[]\n", "t.fio:1: a section needs a name"],
    ["[\n", "t.fio:1: a section needs a name"],
    ["[a]\nbs=\u0000\n", "t.fio:2: not a text file"],
    [`[a]\n${"x".repeat(9000)}\n`, "t.fio:2: the line is longer"],
    ["x".repeat(2 ** 20 + 1), "t.fio:1: larger than 1 MiB"],
  ])("refuses %j", (text, line) => {
    expect(refusal(() => parseText(text))).toContain(line);
  });
});

describe("comments", () => {
  it("cuts a line at the first ; or #, even inside a value", () => {
    const parsed = parseText("  ; c\n#c\n[a]\nfilename=/dev/x#1\ndescription=a; b\nbs=8k ; why\n");
    const job = onlyJob(parsed);
    expect(job.filenames).toEqual(["/dev/x"]);
    expect(job.description).toBe("a");
    expect(job.blockSizes[0]).toEqual({ kind: "fixed", bytes: 8192 });
    const lines = parsed.notes.map((note) => note.place.line);
    expect(lines).toEqual([4, 5]);
    expect(parsed.notes[0]?.message).toContain("#1 is lost");
  });
});

describe("includes", () => {
  it("finds files as given, then beside the including file, and nests", () => {
    const files = { "dir/b.inc": "iodepth=5\ninclude c.inc\n", "dir/c.inc": "bs=1k\n" };
    const input = {
      kind: "file",
      name: "dir/a.fio",
      text: "[a]\ninclude b.inc\nrw=write\n",
    } as const;
    const job = onlyJob(parseJobs([input], environmentWith(files)));
    expect(job).toMatchObject({ iodepth: 5, rw: "write" });
    expect(job.blockSizes[0]).toEqual({ kind: "fixed", bytes: 1024 });
  });

  it.each([
    [{ x: "include y\n", y: "include x\n" }, "y:1: include x goes in a circle"],
    [{ x: "include t.fio\n", "t.fio": "[a]\n" }, "x:1: include t.fio goes in a circle"],
    [{ x: "[b]\n" }, "x:1: an included file may hold options only"],
    [{}, "t.fio:2: included file x does not exist"],
    [{ x: "bs=0\n" }, "x:1: bs=0: must be at least 1"],
  ])("refuses %j", (files: Record<string, string>, line) => {
    expect(refusal(() => parseText("[a]\ninclude x\n", files))).toContain(line);
  });

  it("bounds what includes can add up to", () => {
    const files: Record<string, string> = { "0": "; x\n".repeat(200_000) };
    for (let depth = 1; depth < 10; depth++) {
      files[`${depth}`] = `include ${depth - 1}\n`.repeat(10);
    }
    expect(refusal(() => parseText("[a]\ninclude 9\n", files))).toContain("add up to more");
  });
});

describe("hostile job files", () => {
  it.each([
    [`[a]\n${"bs=4k\n".repeat(100_000)}`, "more than 10000 options in one section"],
    ["[a]\n".repeat(200_000), "more than 10000 sections in one job file"],
    ["[a]\ninclude big\n", "big:10001: more than 10000 options"],
    [`[a]\nbs=${" ".repeat(8000)}x\n`.repeat(100), "is no number"],
    [`[a]\nsize=${"(".repeat(8000)}\n`, "is no number"],
    [`[a]\nsize=${"-".repeat(8000)}\n`, "is no number"],
    [`[a]\nbssplit=${"4k:".repeat(2000)}\n`, "more than 64 entries"],
  ])("are refused soon (%#)", (text, line) => {
    expect(refusal(() => parseText(text, { big: "bs=4k\n".repeat(150_000) }))).toContain(line);
  });
});

describe("expansion", () => {
  it("replaces variables, then keywords, and computes only after a keyword", () => {
    const variables = { DIR: "/scratch" };
    const names = "filename=${DIR}/f${NO}";
    const job = onlyJob(
      parseText(`[a]\n${names}\nsize=8*$mb_memory\nnumjobs=$ncpus\n`, {}, variables),
    );
    expect(job.filenames).toEqual(["/scratch/f"]);
    // No unit is implied: these are bytes.
    expect(job.size).toEqual({ kind: "bytes", bytes: 192_840 });
    expect(job.numjobs).toBe(4);
    expect(job.given.get("size")).toBe("192840");
    expect(refusal(() => parseText("[a]\nsize=8*1m\nbs=4k\n"))).toContain("t.fio:2");
  });

  it("divides in whole numbers", () => {
    const job = onlyJob(parseText("[a]\niodepth=(1+$ncpus)/2\n"));
    expect(job.iodepth).toBe(2);
  });
});

describe("keys", () => {
  it.each([
    ["iodept=4", "t.fio:2: unknown key iodept; did you mean iodepth?"],
    ["zonemode=zbd", "t.fio:2: zonemode=zbd: known to fio, not supported here"],
    ["exec_prerun=x", "t.fio:2: exec_prerun is known to fio, not supported here"],
    ["rwmixcycle=1", "t.fio:2: rwmixcycle is deprecated"],
    ["io_unit=objects", "t.fio:2: io_unit=objects"],
    [
      "ioengine=rdma",
      "t.fio:2: ioengine=rdma is known to fio, not supported here: it measures networks, not storage",
    ],
    ["ioengine=io_urin", "t.fio:2: unknown ioengine=io_urin; did you mean io_uring?"],
    ["mem=cudamalloc", "t.fio:2: mem=cudamalloc: known to fio, not supported here"],
    ["qqqqqqqqqqqq", "t.fio:2: unknown key qqqqqqqqqqqq"],
  ])("refuses %s", (text, line) => {
    expect(refusal(() => parseText(`[a]\n${text}\n`))).toContain(line);
  });

  it("ignores what fio ignores, with a note", () => {
    expect(parseText("[a]\nverifysort=1\n").notes[0]?.message).toContain("deprecated");
  });

  it("does not use the engine on a target that has its own", () => {
    const parsed = parseText("[a]\nioengine=libaio\ntarget=null:\n");
    expect(parsed.notes[0]?.message).toContain("is not used");
  });
});

describe("command line", () => {
  it("makes options before the first name defaults, and each name a job", () => {
    const parsed = parseArgs(
      "--bs=8k",
      "--name=a",
      "--rw",
      "write",
      "--name=b",
      "--time_based",
      "--runtime=1",
    );
    expect(parsed.jobs.map((job) => [job.name, job.rw, job.timeBased])).toEqual([
      ["a", "write", false],
      ["b", "read", true],
    ]);
    expect(parsed.jobs.map((job) => job.blockSizes[1])).toEqual([
      { kind: "fixed", bytes: 8192 },
      { kind: "fixed", bytes: 8192 },
    ]);
  });

  it("makes one job of options without a name", () => {
    expect(onlyJob(parseArgs("--rw=randread", "--target=null:"))).toMatchObject({
      name: "osdyno",
      rw: "randread",
      target: "null:",
    });
  });

  const files: Record<string, string> = {
    "a.fio": "[global]\nbs=4k\nfilename=/x\n[a]\nbsrange=1k-2k\n[a2]\n",
    "b.fio": "[b]\n[b2]\n",
  };
  const run = (...args: readonly string[]) =>
    parseJobs(
      jobInputs(args, (path) => files[path] ?? ""),
      environmentWith(),
    );

  it("lets a file win over options before it", () => {
    const parsed = run("--bs=8k", "--iodepth=3", "a.fio");
    expect(parsed.jobs.map((job) => job.iodepth)).toEqual([3, 3]);
    expect(parsed.jobs[1]?.blockSizes[0]).toEqual({ kind: "fixed", bytes: 4096 });
    expect(parsed.notes.map((note) => note.message).join()).toContain("a.fio:2 wins");
  });

  it("overrides every job with options after the files", () => {
    const parsed = run("a.fio", "--bs=8k", "--filename", "/y", "b.fio", "--stonewall=0");
    expect(parsed.jobs.map((job) => job.blockSizes[0])).toEqual(
      Array.from({ length: 4 }, () => ({ kind: "fixed", bytes: 8192 })),
    );
    expect(parsed.jobs.map((job) => job.filenames)).toEqual(
      Array.from({ length: 4 }, () => ["/y"]),
    );
    expect(parsed.text).toContain("; overridden: bs=8k");
  });

  it("separates files: stonewall, and defaults anew", () => {
    const parsed = run("--iodepth=3", "a.fio", "b.fio");
    expect(parsed.jobs.map((job) => [job.name, job.stonewall, job.iodepth])).toEqual([
      ["a", false, 3],
      ["a2", false, 3],
      ["b", true, 1],
      ["b2", false, 1],
    ]);
    expect(parsed.notes.some((note) => note.message.includes("not b.fio"))).toBe(true);
  });

  it("puts command-line jobs before those of files", () => {
    const parsed = run("b.fio", "--rw=write", "--name=z", "--bs=1k");
    expect(parsed.jobs.map((job) => [job.name, job.rw])).toEqual([
      ["z", "write"],
      ["b", "write"],
      ["b2", "write"],
    ]);
  });

  it.each([
    [["--nmae=a"], "unknown key nmae; did you mean name?"],
    [["--bs"], "--bs needs a value"],
    [["--name=a", "--bs=0"], "bs=0: must be at least 1"],
    [[], "no jobs"],
  ])("refuses %j", (args, line) => {
    expect(refusal(() => run(...args))).toContain(line);
  });
});
