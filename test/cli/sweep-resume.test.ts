/** A sweep that was killed at any instant is finished by `--resume`, as if nothing had happened. */
import { copyFileSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import type { SweepRecord } from "../../results/sweep-record.ts";
import { until, Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const kills = process.env["OSDYNO_CAMPAIGN"] === undefined ? 5 : 50;

const sweepOf = (directory: string) =>
  JSON.parse(place.read(directory, "sweep.json")) as SweepRecord;

function write(): void {
  const job = ["job: |", "  [j]", "  filename=${SCRATCH}/data", "  rw=randwrite", "  size=1m"];
  const time = ["  time_based", "  runtime=200ms"];
  const rest = ["matrix: {iodepth: [1, 2], bs: [4k, 8k]}", "repeat: 2"];
  place.write("s.yaml", `${["name: s", ...job, ...time, ...rest].join("\n")}\n`);
}

test(`killed ${kills} times and resumed, every run is there (OSDYNO_SEED=${seed})`, async () => {
  write();
  const random = new SeededRandom(seed);
  let killed = 0;
  let started = false;
  for (let round = 0; round < kills; round += 1) {
    const how = started ? "--resume=a" : "--out=a";
    const going = place.start(["sweep", "s.yaml", how, "--seed=5", "--no-report"]);
    const wait = 300 + random.unit() * 1500;
    await Promise.race([going.done, new Promise((done) => setTimeout(done, wait))]);
    going.child.kill("SIGKILL");
    const { code } = await going.done;
    killed += code === null ? 1 : 0;
    started = place.exists("a", "sweep.json");
  }
  const { code, err } = place.run([
    "sweep",
    "s.yaml",
    started ? "--resume=a" : "--out=a",
    "--seed=5",
  ]);
  expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
  expect(killed).toBeGreaterThan(0);
  const record = sweepOf("a");
  expect(record).toMatchObject({ state: "complete", seed: 5 });
  expect(record.files).toBeUndefined();
  for (const { runs } of record.points) {
    expect(runs.map((run) => place.record("a", run).state)).toEqual(["complete", "complete"]);
    expect(runs.map((run) => place.record("a", run).seed)).toEqual([5, 6]);
  }
  const verified = place.run(["results", "verify", "a"]);
  expect(verified.code).toBe(0);
  expect(place.exists("a", "report.html")).toBe(true);
}, 240_000);

test("a resumed sweep writes to the file that it made outside of scratch places, to no other", async () => {
  write();
  const elsewhere = mkdtempSync(join(tmpdir(), "osdyno-elsewhere-"));
  const temporary = process.env["TMPDIR"];
  process.env["TMPDIR"] = place.root;
  const file = join(elsewhere, "data");
  const flags = [`--filename=${file}`, "--no-report", "--no-progress"];
  const finished = () =>
    place.files().filter((name) => /points\/[^/]+\/1\/verify\.json$/.test(name)).length;
  try {
    const going = place.start(["sweep", "s.yaml", "--out=a", ...flags]);
    await until("a run is complete", () => finished() > 0);
    going.child.kill("SIGKILL");
    await going.done;
    expect(sweepOf("a").files).toMatchObject([{ path: file }]);
    const known = sweepOf("a");
    // Made anew by somebody else, it is not the sweep's file any more.
    renameSync(file, `${file}.away`);
    copyFileSync(`${file}.away`, file);
    const refused = place.run(["sweep", "s.yaml", "--resume=a", ...flags]);
    expect(refused).toMatchObject({ code: 4, err: expect.stringContaining(file) });
    renameSync(`${file}.away`, file);
    expect(sweepOf("a")).toEqual(known);
    expect(place.run(["sweep", "s.yaml", "--resume=a", ...flags]).code).toBe(0);
    expect(sweepOf("a").state).toBe("complete");
  } finally {
    if (temporary === undefined) {
      delete process.env["TMPDIR"];
    } else {
      process.env["TMPDIR"] = temporary;
    }
    rmSync(elsewhere, { recursive: true });
  }
}, 120_000);

test("a stop rule goes on until the medians are known, and no further", () => {
  const head = ["name: s", "job: |", "  [j]", "  size=256k", "  iodepth=1"];
  const rest = ["targets: ['null:?service=50us']", "matrix: {bs: [4k, 8k]}", "repeat: 2"];
  place.write(
    "s.yaml",
    `${[...head, ...rest, "until: {within: 90%, max_repeat: 9}"].join("\n")}\n`,
  );
  const first = place.run(["sweep", "s.yaml", "--out=a", "--no-report", "--clock=virtual"]);
  expect(first.code).toBe(0);
  // Six values are the fewest that a median's interval exists of.
  expect(sweepOf("a").points.map(({ runs }) => runs.length)).toEqual([6, 6]);
  expect(first.err).toMatch(/IOPS/);
  place.write(
    "s.yaml",
    `${[...head, ...rest, "until: {within: 0.0001%, max_repeat: 3}"].join("\n")}\n`,
  );
  const fixed = ["sweep", "s.yaml", "--out=b", "--no-report", "--clock=virtual"];
  expect(place.run(fixed).code).toBe(0);
  expect(sweepOf("b").points.map(({ runs }) => runs.length)).toEqual([3, 3]);
});

test("--dry-run tells how long it will take; verdicts stand against the baseline", () => {
  const head = ["name: s", "job: |", "  [j]", "  size=64k", "  time_based", "  runtime=2"];
  const rest = ["targets: ['null:?service=${law}us']", "matrix: {law: [100, 200]}", "repeat: 6"];
  place.write("s.yaml", `${[...head, ...rest, "baseline: {law: 100}"].join("\n")}\n`);
  expect(place.run(["sweep", "s.yaml", "--dry-run"]).out).toMatch(
    /sweep: 2 points, 6 runs of each, 12 in all, about 32s\n$/,
  );
  const done = place.run(["sweep", "s.yaml", "--out=a", "--clock=virtual", "--json"]);
  expect(done.code).toBe(0);
  const record = JSON.parse(done.out) as SweepRecord;
  expect(record).toMatchObject({ preview: false, baseline: { law: "100" } });
  expect(record.comparisons[0]).toMatchObject({
    metric: "iops",
    base: "100",
    candidate: "200",
    verdict: "worse",
  });
  expect(record.comparisons[0]?.ratio).toBeCloseTo(0.5, 2);
});

const jobOf = (runtime: string) =>
  `job: |\n  [j]\n  rw=randread\n  size=1m\n  time_based\n  runtime=${runtime}\ntargets: ["null:?service=100us"]\n`;
const tuned = "space: {iodepth: [1, 2]}\nobjective: {maximise: iops}\n";
const cells = [
  "snia: {test: iops, size: 16m, purge: none, scale: {capacity: 16m, minute: 500ms}}",
  'targets: ["null:?service=1ms&size=16m"]',
];

test.each([
  { command: "sweep", file: `name: s\n${jobOf("1")}matrix: {iodepth: [1, 2]}\nrepeat: 2\n` },
  { command: "tune", file: `name: s\n${jobOf("1")}${tuned}` },
  { command: "sweep", file: `name: s\n${cells.join("\n")}\n` },
])(
  "a second $command into the same directory is refused and harms nothing: $file",
  async ({ command, file }) => {
    place.write("s.yaml", file);
    const going = place.start([command, "s.yaml", "--out=a", "--no-report", "--no-progress"]);
    const recordName = command === "tune" ? "tune.json" : "sweep.json";
    await until("there is a record", () => place.exists("a", recordName));
    const second = place.run([command, "s.yaml", "--resume=a", "--no-report", "--no-progress"]);
    expect(second).toMatchObject({
      code: 4,
      err: expect.stringMatching(/a: is in use by another/),
    });
    going.child.kill("SIGINT");
    await going.done;
    const third = place.start([command, "s.yaml", "--resume=a", "--no-report", "--no-progress"]);
    await new Promise((done) => setTimeout(done, 1500));
    third.child.kill("SIGINT");
    expect((await third.done).err).not.toMatch(/in use/);
  },
  60_000,
);
