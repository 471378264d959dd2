/** Signals: a run ends with what was measured, says so, and never hangs. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SweepRecord } from "../../results/sweep-record.ts";
import { type Going, idleJob, until, Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

/** A Node of before 24, which the launcher leaves for the pinned one; null when there is none. */
const olderNode = ["/usr/bin/node", "/usr/local/bin/node"].find((path) => {
  const { stdout, status } = spawnSync(path, ["--version"], { encoding: "utf8" });
  return status === 0 && Number(/^v(\d+)/.exec(stdout)?.[1]) < 24;
});

const endless = idleJob("--runtime=600", "--time_based", "--out=r", "--live=live", "--interval=50");

/** Waits for the first interval: the run measures then. */
async function measuring(going: Going): Promise<void> {
  await until(`something is measured (${going.err()})`, () => {
    return place.exists("live") && /"ios":[1-9]/.test(place.read("live"));
  });
}

/** What is there of an interrupted run: its state, its data, and that they agree. */
function keptPartial(reason: string): void {
  const record = place.record("r");
  expect(record).toMatchObject({ state: "partial", reason });
  expect(record.osdyno.totals.read?.ios).toBeGreaterThan(0);
  const verified = place.run(["results", "verify", "r"]);
  expect(verified.out).toMatch(/r: agrees \(\d+ files, \d+ numbers, partial run\)/);
  expect(verified.code).toBe(0);
}

describe.each(["native", "engine"])("--path %s", (path) => {
  test.each(["SIGINT", "SIGTERM"] as const)("%s keeps what was measured", async (signal) => {
    const going = place.start(["run", ...endless, `--path=${path}`]);
    await measuring(going);
    going.child.kill(signal);
    const { code, out, err } = await going.done;
    expect(code).toBe(130);
    expect(err).toContain(`${signal}: ending the run and keeping what was measured\n`);
    expect(err).toMatch(new RegExp(`results: r\nosdyno: stopped by ${signal}\n$`));
    expect(out).toContain(`partial: stopped by ${signal}`);
    keptPartial(`stopped by ${signal}`);
  });

  test("before the job begins", async () => {
    const job = idleJob("--startdelay=600", "--runtime=1", "--out=r");
    const going = place.start(["run", ...job, `--path=${path}`]);
    await until("the run begins", () => place.exists("r", "run.json"));
    going.child.kill("SIGINT");
    expect((await going.done).code).toBe(130);
    expect(place.record("r")).toMatchObject({ state: "partial", reason: "stopped by SIGINT" });
  });

  test("while it verifies", async () => {
    const job = ["--name=v", "--filename=data", "--size=1m", "--verify=crc32c"];
    expect(place.run(["run", ...job, "--rw=write", "--out=w", "--no-report"]).code).toBe(0);
    const reading = ["--rw=randread", "--time_based", "--runtime=600", "--out=r"];
    const feed = ["--live=live", "--interval=50", `--path=${path}`];
    const going = place.start(["run", ...job, ...reading, ...feed]);
    await measuring(going);
    going.child.kill("SIGINT");
    expect((await going.done).code).toBe(130);
    keptPartial("stopped by SIGINT");
    const checked = place.record("r").jobs[0]?.osdyno.verify;
    expect(checked).toMatchObject({ mismatchCount: 0 });
    expect(checked?.checkedBlocks).toBeGreaterThan(0);
  });
});

test("a second Ctrl-C ends at once; what was written says that the run was killed", async () => {
  const slow = ["--name=slow", "--target=null:?service=600s", "--size=1m", "--runtime=600"];
  const feed = ["--live=live", "--interval=50"];
  const going = place.start(["run", ...slow, "--time_based", "--out=r", ...feed]);
  await until("an operation hangs", () => {
    return place.exists("live") && /"inflight":1/.test(place.read("live"));
  });
  going.child.kill("SIGINT");
  await until("the first is seen", () => going.err().includes("SIGINT: ending the run"));
  // Two within a moment count as one: a terminal and a launcher may both send it.
  await new Promise((done) => setTimeout(done, 500));
  going.child.kill("SIGINT");
  const { code, err } = await going.done;
  expect(code).toBe(130);
  expect(err).toContain("SIGINT again: ending at once");
  const reason = "the run was killed before it ended";
  expect(place.record("r")).toMatchObject({ state: "partial", reason });
});

test.skipIf(olderNode === undefined)("under an older Node the signal is passed on", async () => {
  const going = place.start(["run", ...endless], olderNode);
  await measuring(going);
  going.child.kill("SIGTERM");
  expect((await going.done).code).toBe(130);
  keptPartial("stopped by SIGTERM");
});

describe("during layout", () => {
  const huge = (file: string) => ["run", "--name=l", `--filename=${file}`, "--size=2g"];
  const laying = async (going: Going, file: string, bytes: number) => {
    await until(`${file} grows (${going.err()})`, () => {
      const found = spawnSync("stat", ["-c", "%s", place.path(file)], { encoding: "utf8" });
      return Number(found.stdout) > bytes;
    });
  };

  test("a half-made file is removed, and nothing else is left", async () => {
    const going = place.start(huge("data"));
    await laying(going, "data", 1 << 20);
    going.child.kill("SIGINT");
    const { code, out, err } = await going.done;
    expect({ code, out }).toEqual({ code: 130, out: "" });
    expect(err).toMatch(/osdyno: stopped while laying out .*data\n$/);
    expect(place.files()).toEqual([]);
  });

  test("a file that was there is as it was", async () => {
    const before = "what was there";
    place.write("old", before);
    const going = place.start(huge("old"));
    await laying(going, "old", 1 << 20);
    going.child.kill("SIGINT");
    expect((await going.done).code).toBe(130);
    expect(place.read("old")).toBe(before);
    expect(place.files()).toEqual(["old"]);
  });
});

test("before anything is begun a signal is answered by one line", async () => {
  // Plug-ins are loaded before the command listens; this one does not let it go on.
  place.write(
    "slow.mjs",
    'import { writeFileSync } from "node:fs";\nwriteFileSync("there", "");\nawait new Promise((done) => setTimeout(done, 600_000));\n',
  );
  place.write("s.yaml", "name: s\njob: '[j]'\ntargets: ['null:']\n");
  const going = place.start(["sweep", "s.yaml", "--no-progress", "--plugin=./slow.mjs"]);
  await until("the plug-in is loaded", () => place.exists("there"));
  going.child.kill("SIGINT");
  const { code, out, err } = await going.done;
  expect({ code, out }).toEqual({ code: 130, out: "" });
  expect(err).toBe(
    "osdyno: stopped by SIGINT before anything was begun; the same command begins again\n",
  );
  expect(place.files()).toEqual(["s.yaml", "slow.mjs", "there"]);
});

test("a sweep that is interrupted in its first run says what is kept and how to go on", async () => {
  place.write(
    "s.yaml",
    'name: s\njob: "[j]\\nsize=1m\\nruntime=600\\ntime_based\\n"\ntargets: ["null:?service=1ms"]\nrepeat: 1\n',
  );
  const going = place.start(["sweep", "s.yaml", "--out=s", "--no-report", "--no-progress"]);
  await until(`it runs (${going.err()})`, () =>
    place.files().some((name) => name.endsWith("/1/run.json")),
  );
  going.child.kill("SIGINT");
  const { code, err } = await going.done;
  expect(code).toBe(130);
  expect(err).toContain(
    "\ns keeps what was measured; the same command with --resume s goes on\nosdyno: stopped by SIGINT\n",
  );
});

test("a sweep that is interrupted says so, and --resume finishes it", async () => {
  place.write(
    "s.yaml",
    [
      "name: s",
      'job: "[j]\\nsize=1m\\nruntime=300ms\\ntime_based\\n"',
      "targets: ['null:?service=100us']",
      ...["matrix: {iodepth: [1, 2, 4], bs: [4k, 8k]}", "repeat: 1"],
    ].join("\n"),
  );
  const sweep = (): SweepRecord => JSON.parse(place.read("s", "sweep.json")) as SweepRecord;
  const made = () =>
    sweep()
      .points.flatMap((point) => point.runs)
      .filter((run) => existsSync(place.path("s", run, "verify.json")));
  const going = place.start(["sweep", "s.yaml", "--out=s", "--no-report"]);
  await until("two runs are there", () => place.exists("s", "sweep.json") && made().length >= 2);
  going.child.kill("SIGINT");
  expect((await going.done).code).toBe(130);
  expect(sweep()).toMatchObject({
    state: "partial",
    reason: expect.stringMatching(/^\d of 6 runs: stopped by SIGINT$/),
  });
  const complete = (run: string) => place.record("s", run).state === "complete";
  const before = made().filter(complete);
  const contents = before.map((run) => readFileSync(place.path("s", run, "run.json"), "utf8"));
  expect(place.run(["sweep", "s.yaml", "--out=s"])).toMatchObject({ code: 2, out: "" });
  const again = place.run(["sweep", "s.yaml", "--resume=s"]);
  expect(again.err).toContain("results: s\n");
  expect(again.code).toBe(0);
  expect(sweep().state).toBe("complete");
  expect(sweep().reason).toBeUndefined();
  expect(made().filter(complete).length).toBe(6);
  // What was there is kept as it was.
  expect(before.map((run) => place.read("s", run, "run.json"))).toEqual(contents);
  expect(place.exists("s", "report.html")).toBe(true);
});
