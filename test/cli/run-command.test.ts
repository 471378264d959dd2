/** `osdyno run` as a user types it: streams, formats, files, phases, replicates. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, statSync, truncateSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { idleJob, Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

/** Runs and expects success. */
function runs(...args: readonly string[]) {
  const done = place.run(["run", ...args]);
  expect(done.err).not.toContain("osdyno:");
  expect(done.code).toBe(0);
  return done;
}

interface FioJson {
  readonly "fio version": string;
  readonly jobs: readonly { readonly jobname: string; readonly read: { total_ios: number } }[];
}

describe("streams and formats", () => {
  test("the table goes to stdout, progress and the directory to stderr", () => {
    const { out, err } = runs(...idleJob("--out=r"));
    expect(out).toMatch(/^idle {2}null:\?service=100us, path native, seed 137/);
    expect(out).toMatch(/│ idle +│ read +│/);
    expect(err).toBe("idle\nresults: r\n");
    expect(place.files()).toEqual([
      "r",
      "r/hist",
      ...["response", "service", "wait"].map((kind) => `r/hist/idle.read.${kind}.hlog`),
      "r/report.html",
      "r/run.json",
      "r/series.csv",
      "r/verify.json",
    ]);
    expect(place.run(["results", "verify", "r"]).code).toBe(0);
  });

  test("without --out, under results/runs with the job's name", () => {
    place.write("my job.fio", "[a]\nsize=1m\ntarget=null:\n");
    const { err } = runs("my job.fio", "--no-report", "--no-progress");
    expect(err).toMatch(/^results: results\/runs\/\d{8}T\d{6}Z-my_job\n$/);
  });

  test.each([["--output-format=json"], ["--json"], ["--output-format=json+"]])(
    "%s: stdout is one JSON document",
    (flag) => {
      const { out } = runs(...idleJob("--out=r", "--no-report", flag));
      const document = JSON.parse(out) as FioJson;
      expect(document["fio version"]).toMatch(/^fio-3\.33-osdyno-/);
      expect(document.jobs).toMatchObject([{ jobname: "idle", read: { total_ios: 256 } }]);
      expect(out.includes('"bins"')).toBe(flag.endsWith("+"));
    },
  );

  test("--output FILE: the document goes there, stdout stays empty", () => {
    place.write("out.json", "an older one");
    const { out } = runs(...idleJob("--out=r", "--no-report", "--json", "--output", "out.json"));
    expect(out).toBe("");
    expect(JSON.parse(place.read("out.json"))).toMatchObject({ jobs: [{ jobname: "idle" }] });
    // A device is written to, not replaced by a file.
    runs(...idleJob("--out=r", "--no-report", "--output=/dev/null"));
    runs(...idleJob("--out=r", "--no-report", "--live=/dev/null"));
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
  });

  test("--live FILE: a JSON line per interval, as in series.csv", () => {
    const job = idleJob("--runtime=1", "--time_based", "--interval=100", "--out=r", "--no-report");
    runs(...job, "--live=live.jsonl");
    const lines = place.read("live.jsonl").trimEnd().split("\n");
    const rows = lines.map((line) => JSON.parse(line) as { ios: number; job: string });
    expect(rows.length).toBeGreaterThanOrEqual(9);
    expect(place.read("r", "series.csv").trimEnd().split("\n").length).toBe(rows.length + 1);
    const total = place.record("r").osdyno.totals.read?.ios;
    expect(rows.reduce((sum, row) => sum + row.ios, 0)).toBe(total);
  });

  test("--live -: stdout is the feed, the table goes to stderr", () => {
    const { out, err } = runs(...idleJob("--out=r", "--no-report", "--live=-"));
    for (const line of out.trimEnd().split("\n")) {
      expect(JSON.parse(line)).toMatchObject({ job: "idle", direction: "read" });
    }
    expect(err).toContain("│ idle");
    const both = runs(
      ...idleJob("--out=r", "--no-report", "--live=-", "--json", "--output=o.json"),
    );
    expect(both.out).toMatch(/^\{"time_ms"/);
    expect(JSON.parse(place.read("o.json"))).toHaveProperty("jobs");
  });

  test("--live FILE.prom: OpenMetrics text", () => {
    runs(...idleJob("--out=r", "--no-report", "--live=x.prom"));
    const text = place.read("x.prom");
    expect(text).toMatch(/^osdyno_ios_total\{job="idle",direction="read"\} 256$/m);
    expect(text.endsWith("# EOF\n")).toBe(true);
    expect(place.files().filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("--threshold: kept is 0, missed is 3, and both are said and recorded", () => {
    const kept = runs(
      ...idleJob("--out=r", "--no-report", "--threshold=read.service.p50 >= 100us"),
    );
    expect(kept.err).toContain("threshold kept: read.service.p50 >= 100us (");
    const limits = ["--threshold=iops > 1", "--threshold=response.p99 < 1us"];
    const missed = place.run(["run", ...idleJob("--out=r", "--no-report"), ...limits]);
    expect(missed.code).toBe(3);
    expect(missed.err).toMatch(
      /threshold kept: iops > 1 .*\nthreshold MISSED: response\.p99 < 1us/,
    );
    const results = place.record("r").osdyno.threshold_results?.map((result) => result.passed);
    expect(results).toEqual([true, false]);
  });

  test("--junit: each threshold of each run is a test, of runs and of sweeps", () => {
    const flags = [
      "--no-report",
      "--junit=t.xml",
      "--threshold=iops > 1",
      "--threshold=iops > 1e12",
    ];
    const twice = idleJob("--out=r", "--label=n", "--repeat=2", ...flags);
    expect(place.run(["run", ...twice])).toMatchObject({ code: 3 });
    const xml = place.read("t.xml");
    expect(xml).toContain('<testsuite name="osdyno thresholds" tests="4" failures="2" skipped="0"');
    expect(xml).toMatch(
      /<testcase name="iops &gt; 1" classname="n 1"><system-out>threshold kept: iops &gt; 1 \(.*\)</,
    );
    expect(xml).toMatch(
      /<testcase name="iops &gt; 1e12" classname="n 2"><failure message="threshold MISSED: /,
    );
    // 256 operations: the hundredth of one of them is beyond p99.99.
    const thin = ["--no-report", "--junit=thin.xml", "--threshold=response.p99.99 < 10s"];
    const unknown = place.run(["run", ...idleJob("--out=one", ...thin)]);
    expect(unknown).toMatchObject({ code: 3 });
    expect(unknown.err).toContain(
      "threshold MISSED: response.p99.99 < 10s (not measured: fewer than 10 samples lie beyond it)",
    );
    expect(place.read("thin.xml")).toMatch(/<failure message="threshold MISSED: response/);
    expect(place.run(["results", "verify", "one"]).code).toBe(0);
    const job = ["job: |", "  [j]", "  rw=randread", "  size=1m", "targets: ['null:']"];
    place.write("s.yaml", ["name: s", ...job, "matrix: {bs: [4k, 8k]}"].join("\n"));
    const swept = place.run(["sweep", "s.yaml", "--out=d", "--no-progress", ...flags]);
    expect(swept.code).toBe(3);
    expect(place.read("t.xml")).toMatch(/classname="points\/8k\/1"><failure/);
  });
});

describe("looking without running", () => {
  const nothing = () => expect(place.files().filter((name) => !name.endsWith(".fio"))).toEqual([]);
  const text = "[global]\nbs=8k\n[a]\nrw=randwrite\nfilename=new\nsize=1m\niodepth=4\n";

  test("--showcmd prints fio's command line", () => {
    place.write("j.fio", text);
    const { out } = runs("j.fio", "--showcmd");
    expect(out).toBe("fio --bs=8k --name=a --rw=randwrite --size=1m --iodepth=4 --filename=new\n");
    nothing();
  });

  test("--parse-only prints the resolved values, with --json as a document", () => {
    place.write("j.fio", text);
    const { out } = runs("j.fio", "--parse-only");
    expect(out).toMatch(/^\[a\]\n/);
    expect(out).toMatch(/^iodepth = 4$/m);
    const document = JSON.parse(runs("j.fio", "--parse-only", "--json").out) as object;
    expect(document).toMatchObject({
      jobs: [{ name: "a", rw: "randwrite", iodepth: 4, given: { filename: "new" } }],
      notes: [{ key: "iodepth" }],
    });
    nothing();
  });

  test("--dry-run prints the plan and the verdict", () => {
    place.write("j.fio", text);
    const { out } = runs("j.fio", "--dry-run");
    expect(out).toContain(`${place.path("new")} [0, 1048576) (created)`);
    expect(out).toMatch(/safety: .*new is created by the job: allowed/);
    const document = JSON.parse(runs("j.fio", "--dry-run", "--json").out) as object;
    expect(document).toMatchObject({
      plan: { phases: [{ jobs: [{ resolved: { given: { size: "1m" } }, iodepth: 4 }] }] },
      safety: { allowed: true },
    });
    nothing();
  });

  test("create_only=1 leaves a record of zeros for each job", () => {
    place.write("c.fio", "[global]\nsize=64k\ncreate_only=1\n[a]\nrw=write\n[b]\nrw=read\n");
    const { out, code } = place.run(["run", "c.fio", "--output-format", "json", "--out", "only"]);
    const { jobs } = JSON.parse(out) as { jobs: object[] };
    expect(code).toBe(0);
    expect(jobs).toMatchObject([
      { jobname: "a", error: 0, write: { total_ios: 0 } },
      { jobname: "b", error: 0, read: { total_ios: 0 } },
    ]);
  });

  test("--help lists every flag", () => {
    const { out, err, code } = place.run(["run", "--help"]);
    expect({ err, code }).toEqual({ err: "", code: 0 });
    for (const flag of ["target", "repeat", "seed", "threshold", "live", "dry-run", "destroy"]) {
      expect(out).toMatch(new RegExp(`^ {2}--${flag} `, "m"));
    }
  });
});

describe("jobs from several places", () => {
  test("stdin", () => {
    const done = place.run(["run", "-", "--out=r", "--no-report"], {
      input: "[piped]\ntarget=null:\nsize=1m\n",
    });
    expect(done.err).toContain("results: r\n");
    expect(done.code).toBe(0);
    expect(place.record("r")).toMatchObject({ label: "piped", jobs: [{ jobname: "piped" }] });
  });

  test("a file and overrides, --section, notes of the linter", () => {
    place.write("j.fio", "[global]\ntarget=null:\nsize=1m\nbs=4kib\n[a]\n[b]\niodepth=2\n");
    const { err } = runs("j.fio", "--section=b", "--iodepth=8", "--out=r", "--no-report");
    expect(err).toMatch(/^note: j\.fio:4: bs=4kib: fio reads 4000/);
    expect(place.record("r")).toMatchObject({
      jobs: [{ jobname: "b", "job options": { iodepth: "8" } }],
    });
    expect(place.record("r").job.notes.length).toBeGreaterThan(0);
  });

  test("several files, a later one waits for those before", () => {
    place.write(
      "one.fio",
      "[one]\ntarget=null:\nsize=1m\n[too]\nstonewall\ntarget=null:\nsize=1m\n",
    );
    place.write("two.fio", "[two]\ntarget=null:\nsize=1m\n");
    runs("one.fio", "two.fio", "--out=r", "--no-report");
    const jobs = place.record("r").jobs.map((job) => [job.jobname, job.groupid, job.osdyno.phase]);
    expect(jobs).toEqual([
      ["one", 0, 0],
      ["too", 1, 1],
      ["two", 2, 2],
    ]);
  });
});

test("--target replaces the jobs' own, in the run, its record and its report", () => {
  place.write("j.fio", "[a]\ntarget=null:?service=1s\nsize=1m\niodepth=4\n");
  runs("j.fio", "--target=null:", "--out=r");
  expect(place.record("r").target).toBe("null:");
  expect(place.record("r").job.resolved).toMatchObject([{ target: "null:", iodepth: 4 }]);
  const report = JSON.parse(place.run(["report", "r", "--format=json"]).out) as object;
  expect(report).toMatchObject({ entries: [{ series: "null device", depth: 4 }] });
});

describe("files that jobs make", () => {
  test("create_only lays out and stops, beside a job that runs", () => {
    runs("--name=c", "--filename=made", "--size=1m", "--create_only=1", "--out=c", "--no-report");
    expect(readFileSync(place.path("made")).length).toBe(1 << 20);
    expect(place.record("c")).toMatchObject({ state: "complete", jobs: [{ jobname: "c" }] });
    const both = ["--name=c", "--filename=m2", "--size=1m", "--create_only=1"];
    runs(...both, "--name=w", "--filename=w", "--size=1m", "--rw=write", "--out=d", "--no-report");
    expect(place.exists("m2")).toBe(true);
    expect(place.record("d").jobs.map((job) => job.jobname)).toEqual(["c", "w"]);
  });

  test("unlink removes them at the end", () => {
    const job = ["--name=u", "--size=1m", "--nrfiles=2", "--unlink=1", "--rw=rw"];
    runs(...job, "--out=r", "--no-report");
    expect(place.files().filter((name) => name.startsWith("u."))).toEqual([]);
    expect(place.record("r").osdyno.totals.all?.ios).toBe(256);
  });

  test("16 clones, reported as a group or one by one", () => {
    mkdirSync(place.path("data"));
    const job = ["--name=g", "--directory=data", "--size=64k", "--numjobs=16", "--rw=randrw"];
    runs(...job, "--group_reporting", "--out=r", "--no-report");
    expect(place.record("r").jobs.length).toBe(1);
    expect(place.record("r").jobs[0]?.osdyno.sources.length).toBe(16);
    runs(...job, "--out=s", "--no-report");
    expect(place.record("s").jobs.length).toBe(16);
    const totals = ["r", "s"].map((run) => place.record(run).osdyno.totals.all?.ios);
    expect(totals).toEqual([256, 256]);
  });
});

describe("replicates and seeds", () => {
  test("--repeat 3: three runs with seeds of their own, one report, one document", () => {
    const { out, err } = runs(...idleJob("--repeat=3", "--seed=5", "--out=r", "--json"));
    expect(JSON.parse(out)).toHaveLength(3);
    expect(err).toBe("idle 1/3\nidle 2/3\nidle 3/3\nresults: r\n");
    expect(["1", "2", "3"].map((run) => place.record("r", run).seed)).toEqual([5, 6, 7]);
    expect(place.exists("r", "report.html")).toBe(true);
    // Fewer, in the same place: none of the old ones stays among them.
    runs(...idleJob("--repeat=2", "--out=r", "--no-report"));
    expect(place.exists("r", "3")).toBe(false);
    expect(place.run(["results", "ls", "--root=.", "--json"]).out).toContain('"runs": 2');
  });

  test("the same seed gives the same operations, on both paths", () => {
    const written = (seed: number, path: string): string => {
      place.write("data", "");
      truncateSync(place.path("data"), 4 << 20);
      const job = ["--name=s", "--filename=data", "--size=4m", "--rw=randwrite"];
      const sizes = ["--bssplit=4k/50:8k/50", "--number_ios=200", "--norandommap"];
      runs(...job, ...sizes, `--seed=${seed}`, `--path=${path}`, "--out=r", "--no-report");
      expect(place.record("r")).toMatchObject({ seed, path });
      return createHash("sha256")
        .update(readFileSync(place.path("data")))
        .digest("hex");
    };
    const first = written(1, "native");
    expect(written(1, "engine")).toBe(first);
    expect(written(1, "native")).toBe(first);
    expect(written(2, "native")).not.toBe(first);
  });
});
