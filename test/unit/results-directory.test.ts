import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HistogramLogReader } from "hdr-histogram-js";
import { afterEach, beforeEach, expect, test } from "vitest";
import { exitCodeOf } from "../../engine/base/error.ts";
import { assembleRun } from "../../results/assemble.ts";
import { readHistogramLog } from "../../results/histogram-log.ts";
import { RunWriter, runDirectoryName } from "../../results/run-directory.ts";
import { readRun } from "../../results/run-schema.ts";
import { sealRun } from "../../results/seal.ts";
import { parseSeries, seriesColumns } from "../../results/series.ts";
import { findResults, listRuns, removeRun, runPaths } from "../../results/store.ts";
import { verifyRun } from "../../results/verify.ts";
import {
  type Fixture,
  type FixtureJob,
  fixtureRun,
  resolvedJob,
  startedEpochMs,
} from "./results-fixture.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "osdyno-results-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const ramp = (count: number) => Array.from({ length: count }, (_, at) => 1000 * (at + 1));
const clone = (jobnum: number): FixtureJob => ({
  resolved: resolvedJob("mix 4k/fast", { groupReporting: true }),
  jobnum,
  groupId: 0,
  intervals: {
    read: [
      { warmup: true, lengthNs: 1e9, service: [5e9] },
      { lengthNs: 1e9, service: ramp(700) },
      { lengthNs: 0.3e9, service: [] },
      { lengthNs: 0.7e9, service: ramp(333), wait: ramp(333) },
    ],
    write: [{ lengthNs: 1e9, service: ramp(50) }],
  },
});
const fixture = () => fixtureRun([[clone(0), clone(1)]]);

function write(made: Fixture, options: Partial<Parameters<typeof RunWriter.create>[0]> = {}) {
  const writer = RunWriter.create({
    label: "fixture",
    startedEpochMs,
    plan: made.plan,
    root: join(root, "runs"),
    ...options,
  });
  const machine = {
    cpuUserPct: 12.345,
    cpuSysPct: 3,
    devUtilPct: null,
    devReadIos: 5,
    devWriteIos: null,
  };
  for (const { job, row } of made.rows) {
    writer.interval(job, row, machine);
    writer.flush();
  }
  return { writer, record: writer.finish(assembleRun(made.input)) };
}

const files = (directory: string) => readdirSync(directory, { recursive: true }).map(String).sort();

test("a run directory holds exactly the files of the contract, all under their names", () => {
  const { writer, record } = write(fixture());
  expect(writer.problem).toBeNull();
  expect(record.state).toBe("complete");
  expect(writer.directory).toBe(join(root, "runs", "20261121T002630Z-fixture"));
  const logs = ["mix_4k_fast.0", "mix_4k_fast.1"].flatMap((job) =>
    ["read", "write"].flatMap((direction) =>
      ["response", "service", "wait"].map((kind) => `hist/${job}.${direction}.${kind}.hlog`),
    ),
  );
  expect(files(writer.directory)).toEqual([
    "hist",
    ...logs,
    "run.json",
    "series.csv",
    "verify.json",
  ]);
  expect(readRun(writer.directory)).toEqual(JSON.parse(JSON.stringify(record)));
});

test("series.csv has the contract's columns, empty where nothing is known", () => {
  const { writer } = write(fixture());
  const [head, ...lines] = readFileSync(join(writer.directory, "series.csv"), "utf8")
    .trimEnd()
    .split("\n");
  expect(head).toBe(
    "time_ms,job,direction,iops,bw_bytes,service_p50_ns,service_p99_ns,response_p50_ns,response_p99_ns,response_max_ns,inflight,cpu_user_pct,cpu_sys_pct,dev_util_pct,dev_read_ios,dev_write_ios",
  );
  expect(lines).toHaveLength(10);
  expect(lines).toContain(
    "2000,mix_4k_fast.0,read,700,2867200,350000,693000,350000,693000,700000,1,12.35,3,,5,",
  );
  expect(lines).toContain("2300,mix_4k_fast.0,read,0,0,,,,,,1,12.35,3,,5,");
  const points = parseSeries([seriesColumns.join(","), ...lines, "1,cut"].join("\n"));
  expect(points).toHaveLength(10);
  expect(points[0]).toMatchObject({ timeMs: 1000, machine: { devUtilPct: null, devReadIos: 5 } });
});

test("hdr-histogram-js reads the logs: stamps, tags, empty intervals, every count", () => {
  const { writer } = write(fixture());
  const text = readFileSync(
    join(writer.directory, "hist", "mix_4k_fast.1.read.response.hlog"),
    "utf8",
  );
  expect(text.startsWith("#[Histogram log format version 1.3]\n#[StartTime: 1795220790.000 ")).toBe(
    true,
  );
  const reader = new HistogramLogReader(text);
  const seen: unknown[] = [];
  for (let h = reader.nextIntervalHistogram(); h !== null; h = reader.nextIntervalHistogram()) {
    seen.push([h.tag, h.startTimeStampMsec - startedEpochMs, h.totalCount]);
  }
  expect(seen).toEqual([
    ["warmup", 0, 1],
    ["NO TAG", 1000, 700],
    ["NO TAG", 2000, 0],
    ["NO TAG", 2300, 333],
  ]);
  expect([...readHistogramLog(text)].map((interval) => interval.warmup)).toEqual([
    true,
    false,
    false,
    false,
  ]);
  // The third column is the interval's largest value in ms: 5 s in the warm-up.
  expect(text.split("\n")[4]).toMatch(/^Tag=warmup,0\.000,1\.000,5\d{3}\.\d{3},HISTF/);
});

test("verification recomputes a run's numbers and finds nothing", () => {
  const { writer } = write(fixture());
  const found = verifyRun(writer.directory);
  expect(found.disagreements).toEqual([]);
  expect(found.filesChecked).toBe(14);
  expect(found.numbersChecked).toBeGreaterThan(300);
});

test("verification finds every kind of tampering", () => {
  const { writer } = write(fixture());
  const edit = (name: string, change: (text: string) => string) => {
    const path = join(writer.directory, name);
    const before = readFileSync(path, "utf8");
    const after = change(before);
    expect(after).not.toBe(before);
    writeFileSync(path, after);
    const hashed = verifyRun(writer.directory).disagreements;
    expect(hashed).toContain(`${name}: the file was changed after the run (SHA-256 differs)`);
    // With the hash renewed only the numbers can tell.
    sealRun(writer.directory);
    const found = verifyRun(writer.directory).disagreements;
    writeFileSync(path, before);
    sealRun(writer.directory);
    return found.join("\n");
  };
  expect(edit("run.json", (text) => text.replace('"99.000000": ', '"99.000000": 1'))).toMatch(
    /percentile 99/,
  );
  expect(edit("run.json", (text) => text.replace('"total_ios": 2', '"total_ios": 3'))).toMatch(
    /total_ios: published 3\d+, raw data give 2066/,
  );
  expect(edit("run.json", (text) => text.replace('"io_bytes": 8', '"io_bytes": 9'))).toMatch(
    /io_bytes/,
  );
  const line = /\n2\.300[^\n]*\n/;
  expect(edit("hist/mix_4k_fast.0.read.service.hlog", (text) => text.replace(line, "\n"))).toMatch(
    /3 intervals, but series.csv has 4/,
  );
  rmSync(join(writer.directory, "hist/mix_4k_fast.0.read.wait.hlog"));
  expect(verifyRun(writer.directory).disagreements.join()).toMatch(
    /wait.hlog: the file is missing/,
  );
});

test("a file that was added later is a note, not a disagreement", () => {
  const { writer } = write(fixture());
  writeFileSync(join(writer.directory, "report.html"), "<p>");
  const found = verifyRun(writer.directory);
  expect(found.disagreements).toEqual([]);
  expect(found.notes).toEqual(["report.html: added after the run, no hash is known"]);
});

/** A disk with so many bytes left, which takes what fits of the last write, as real ones do. */
function almostFull(bytes: number) {
  let room = bytes;
  return (path: string, text: string) => {
    const taken = text.slice(0, room);
    room -= taken.length;
    appendFileSync(path, taken);
    if (taken.length < text.length) {
      throw Object.assign(new Error("no space"), { code: "ENOSPC" });
    }
  };
}

test("a full disk leaves what was written, whole lines only, and a partial run that says why", () => {
  const made = fixture();
  for (let bytes = 400; bytes < 6000; bytes += 397) {
    const { writer, record } = write(made, { append: almostFull(bytes) });
    expect(writer.problem).toMatch(
      /^results are incomplete: cannot write \S+: no space left on the device \(ENOSPC\)$/,
    );
    expect(record).toMatchObject({ state: "partial", reason: writer.problem });
    expect(readRun(writer.directory).state).toBe("partial");
    const texts = files(writer.directory)
      .filter((name) => /\.(csv|hlog)$/.test(name))
      .map((name) => readFileSync(join(writer.directory, name), "utf8"));
    expect(texts.length).toBeGreaterThan(0);
    expect(texts.filter((text) => text !== "" && !text.endsWith("\n"))).toEqual([]);
    expect(files(writer.directory).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  }
});

test("a disk that is full from the start is one clear line, and no directory is left", () => {
  const made = fixture();
  expect(() => write(made, { append: almostFull(10) })).toThrow(
    /^cannot write results to \S+: no space left on the device \(ENOSPC\)$/,
  );
  expect(existsSync(join(root, "runs"))).toBe(false);
});

test("a process that is killed leaves a directory that is ours, partial, with its intervals", () => {
  const made = fixture();
  const writer = RunWriter.create({ label: "x", startedEpochMs, plan: made.plan, root });
  writer.begin(assembleRun({ ...made.input, phases: [] }));
  for (const { job, row } of made.rows) {
    writer.interval(job, row, null);
  }
  writer.flush();
  const record = readRun(writer.directory);
  expect(record).toMatchObject({ state: "partial", reason: "the run was killed before it ended" });
  const series = readFileSync(join(writer.directory, "series.csv.tmp"), "utf8");
  expect(parseSeries(series)).toHaveLength(10);
  expect(listRuns(root)[0]).toMatchObject({ state: "partial", kind: "run" });
});

test("--out: a new or own directory is used, a foreign one is refused and left alone", () => {
  const made = fixture();
  const out = join(root, "mine", "deep");
  write(made, { out });
  write(made, { out });
  expect(verifyRun(out).disagreements).toEqual([]);
  const foreign = join(root, "foreign");
  mkdirSync(foreign);
  writeFileSync(join(foreign, "letter.txt"), "dear");
  const refused = () => write(made, { out: foreign });
  expect(refused).toThrow(/--out .*foreign: the directory is not empty and holds no osdyno run/);
  expect(files(foreign)).toEqual(["letter.txt"]);
  expect(() => write(made, { out: join(foreign, "letter.txt") })).toThrow(/it is a file/);
});

test("a discarded run takes back its own files, and its directory if nothing else is in it", () => {
  const made = fixture();
  const create = (out: string) =>
    RunWriter.create({ label: "x", startedEpochMs, plan: made.plan, out });
  const alone = create(join(root, "alone"));
  alone.begin(assembleRun({ ...made.input, phases: [] }));
  alone.discard();
  expect(existsSync(alone.directory)).toBe(false);
  const shared = create(join(root, "shared"));
  writeFileSync(join(shared.directory, "data.0.0"), "a job's file");
  shared.discard();
  expect(files(shared.directory)).toEqual(["data.0.0"]);
});

test("data files of a job in the run's directory are neither hashed nor cleared", () => {
  const out = join(root, "own");
  const { writer } = write(fixture(), { out });
  writeFileSync(join(out, "job.0.0"), "data");
  expect(Object.keys(sealRun(writer.directory).files)).not.toContain("job.0.0");
  write(fixture(), { out });
  expect(readFileSync(join(out, "job.0.0"), "utf8")).toBe("data");
});

test("names of directories: time, label, and no two runs in one", () => {
  expect(runDirectoryName(startedEpochMs, "a b/c")).toBe("20261121T002630Z-a_b_c");
  expect(runDirectoryName(startedEpochMs, "")).toBe("20261121T002630Z-run");
  const first = write(fixture()).writer.directory;
  const second = write(fixture()).writer.directory;
  expect(second).toBe(`${first}-2`);
});

test("results are found by path, name, beginning, label and `latest`", () => {
  const runs = join(root, "runs");
  const made = fixture();
  const early = write(made).writer.directory;
  const late = write(
    fixtureRun([[clone(0)]], { label: "other", startedEpochMs: startedEpochMs + 9e4 }),
    {
      label: "other",
      startedEpochMs: startedEpochMs + 9e4,
    },
  ).writer.directory;
  expect(listRuns(runs).map((entry) => entry.path)).toEqual([early, late]);
  expect(findResults(early, runs)).toBe(early);
  expect(findResults("20261121T0026", runs)).toBe(early);
  expect(findResults("other", runs)).toBe(late);
  expect(findResults("latest", runs)).toBe(late);
  expect(() => findResults("2026", runs)).toThrow(/fits several/);
  expect(() => findResults("nothing", runs)).toThrow(/no results 'nothing'/);
  expect(() => findResults(root, runs)).toThrow(/no osdyno results there/);
});

test("repeats are one entry with their runs in order", () => {
  const made = fixture();
  for (const repeat of ["1", "2", "10"]) {
    write(made, { out: join(root, "runs", "repeated", repeat) });
  }
  expect(listRuns(join(root, "runs"))).toMatchObject([{ kind: "repeat", runs: 3, iops: null }]);
  expect(runPaths(join(root, "runs", "repeated")).map((path) => path.slice(-2))).toEqual([
    "/1",
    "/2",
    "10",
  ]);
});

test("rm removes what is ours and refuses everything else", () => {
  const { writer } = write(fixture());
  const foreign = join(root, "foreign");
  mkdirSync(foreign);
  writeFileSync(join(foreign, "run.json"), '{"schema":"somebody-1"}');
  symlinkSync(writer.directory, join(root, "link"));
  for (const path of [foreign, root, join(root, "link"), "/", process.cwd(), join(root, "none")]) {
    let code = 0;
    try {
      removeRun(path);
    } catch (error) {
      code = exitCodeOf(error);
    }
    expect([path, code]).toEqual([path, 4]);
  }
  expect(existsSync(join(foreign, "run.json"))).toBe(true);
  removeRun(writer.directory);
  expect(existsSync(writer.directory)).toBe(false);
});
