/** `osdyno tune` as a user types it, on the synthetic device in virtual time. */
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OsdynoError } from "../../engine/base/error.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import type { SweepRecord } from "../../results/sweep-record.ts";
import { percentOf } from "../../results/tune/answer.ts";
import { ratioTexts } from "../../results/tune/report/html.ts";
import { readTune } from "../../results/tune/spec.ts";
import type { TuneRecord } from "../../results/tune/tune-record.ts";
import { until, Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const drawn = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const kills = process.env["OSDYNO_CAMPAIGN"] === undefined ? 3 : 40;

const head = ["name: t", "question: Which depth?", "job: |", "  [j]", "  size=1m", "  rw=randread"];
const time = ["  time_based", "  runtime=2"];
const target = "targets: ['null:?service=20ms&jitter=exp&channels=4&size=1m']";
const space = ["space:", "  iodepth: {from: 1, to: 32, factor: 2}", "  bs: [4k, 8k]"];
const goal = ["objective: {maximise: iops}", "budget: 22", "confirm: {pairs: 6}"];
const whole = [...head, ...time, target, ...space, ...goal];

const write = (...lines: readonly string[]) => place.write("t.yaml", `${lines.join("\n")}\n`);
const recordOf = (directory: string) =>
  JSON.parse(place.read(directory, "tune.json")) as TuneRecord;
const virtual = ["--clock=virtual", "--no-report"];

test("finds the depth that fills the device, confirms it, and writes it down", () => {
  write(...whole, "subject_to: ['response.p90 < 200ms']");
  const { code, out, err } = place.run(["tune", "t.yaml", "--out=a", "--clock=virtual"]);
  expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
  const record = recordOf("a");
  expect(record).toMatchObject({ state: "complete", method: "model", seed: 1, choices: 12 });
  // Four channels: from four outstanding on nothing is gained, and 32 wait too long.
  const trial = record.trials.find(({ id }) => id === record.chosen[0]);
  expect(["4", "8", "16"]).toContain(trial?.parameters["iodepth"]);
  expect(record.confirmed).toMatchObject([{ configuration: "tuned", verdict: "better" }]);
  expect(record.comparisons.find(({ metric }) => metric === "iops")?.low).toBeGreaterThan(2);
  expect(record.steps).toHaveLength(10);
  expect(record.steps.filter(({ why }) => why === "reference").map(({ trial: id }) => id)).toEqual([
    "default",
    "default",
  ]);
  expect(record.importance[0]).toMatchObject({ metric: "iops", parameter: "iodepth" });
  expect(record.answer[0]).toMatch(/^iodepth=\d+, bs=\dk is better than the default: IOPS \+/);
  expect(out).toContain(record.answer.join("\n"));
  expect(err).toMatch(/^1\/22 default \(1\)/m);
  // What reads sweeps reads it.
  const sweep = JSON.parse(place.read("a", "sweep.json")) as SweepRecord;
  expect(sweep.points.map(({ id }) => id)).toContain("confirm-default");
  expect(place.run(["results", "verify", "a"]).code).toBe(0);
  const compare = ["compare", "a#confirm-default", "--with", "a#confirm-tuned", "--metric=iops"];
  expect(place.run(compare).out).toContain("better");
  // The profile is a sweep of both sides.
  const dry = place.run(["sweep", "a/answer/profile.yaml", "--dry-run", "--clock=virtual"]);
  expect(dry.out).toMatch(/^point default$[\s\S]*^point tuned$/m);
  // Every format says the same to the digit.
  const page = place.read("a", "report.html");
  const text = place.run(["report", "a", "--format=md"]).out;
  for (const each of record.comparisons) {
    const { ratio, interval } = ratioTexts(each);
    expect(ratio).toBe(each.ratio?.toFixed(3));
    expect(page).toContain(`<td>${ratio}</td>`);
    expect(text).toContain(`| ${ratio} | ${interval} |`);
  }
  for (const { parameter, share } of record.importance) {
    const shown = `${percentOf(share.value)} (${percentOf(share.low)} to ${percentOf(share.high)})`;
    expect(page).toContain(`>${parameter}</th>`);
    expect(page).toContain(shown);
    expect(text).toContain(shown);
  }
  expect(page).toContain(record.answer[0]);
  const data: unknown = JSON.parse(place.run(["report", "a", "--format=json"]).out);
  expect(data).toEqual(record);
  const charts = place.run(["report", "a", "--format=svg"]).out.trim().split("\n");
  expect(charts.map((path) => path.split("/").at(-1))).toEqual([
    ...["effects.svg", "trace.svg", "importance.svg", "goals.svg"],
  ]);
});

test("options of Ceph become ceph.conf and commands", () => {
  const set = ["set: {osd_op_queue: wpq}"];
  const options = ["space:", "  osd_op_num_shards: [1, 16]"];
  write(...head, "  iodepth=64", ...time, target, ...set, ...options, ...goal);
  const { code } = place.run(["tune", "t.yaml", "--out=a", ...virtual]);
  expect(code).toBe(0);
  const conf = place.read("a", "answer", "ceph.conf");
  const won = recordOf("a").confirmed[0]?.verdict === "better";
  expect(conf).toMatch(won ? /^osd_op_num_shards = \d+$/m : /^# osd_op_num_shards = \d+$/m);
  expect(conf).toContain("[osd]");
  const commands = place.read("a", "answer", "ceph-config-set.sh");
  expect(commands).toMatch(
    /^(# )?ceph config set osd osd_op_num_shards \d+ {2}# after a restart$/m,
  );
  expect(place.run(["results", "verify", "a"]).code).toBe(0);
  place.write("a/answer/ceph.conf", conf.replace(/(osd_op_num_shards = )\d+/, "$1999"));
  const tampered = place.run(["results", "verify", "a"]);
  expect(tampered.code).toBe(1);
  expect(tampered.out).toMatch(/answer\/ceph\.conf, line \d+: .*osd_op_num_shards = 999'/);
});

test("a plug-in joins the space where it lists values of its option, and is told of where it does not", () => {
  const fifo = fileURLToPath(new URL("../../engine/hot/scheduler/fifo.ts", import.meta.url));
  const create = "create: () => new FifoScheduler()";
  const mine = `{ hotPath: "scheduler", name: "mine", describe: "in order", ${create} }`;
  place.write("mine.ts", `import { FifoScheduler } from "${fifo}";\nexport default ${mine};\n`);
  const all = [...head, "  iodepth=8", ...time, target];
  write(...all, "space: {osd_op_queue: [fifo]}", "method: grid", ...goal);
  const done = place.run(["tune", "t.yaml", "--plugin=mine.ts", "--out=a", ...virtual]);
  expect(done, done.err).toMatchObject({ code: 0 });
  const record = recordOf("a");
  expect(record.space["osd_op_queue"]?.values).toEqual(["fifo", "mine"]);
  const note = "plug-in mine takes part: it joined the space at osd_op_queue as a value";
  expect(record.notes).toEqual([note]);
  const trial = record.trials.find(({ parameters }) => parameters["osd_op_queue"] === "mine");
  const step = record.steps.find((each) => each.trial === trial?.id);
  expect(place.record("a", step?.run ?? "").options["osd_op_queue"]?.value).toBe("mine");
  expect(place.run(["results", "verify", "a"]).code).toBe(0);
  expect(place.run(["report", "a", "--format=md"]).out).toContain("it joined the space at");
  // Whoever measures the answer again needs the module only if it is part of it.
  const won = record.tuned?.settings["osd_op_queue"] === "mine";
  expect(place.read("a", "answer", "profile.yaml").includes("/mine.ts")).toBe(won);
  write(...all, "space: {bs: [4k, 8k]}", ...goal);
  const unused = place.run(["tune", "t.yaml", "--plugin=mine.ts", "--dry-run", ...virtual]);
  expect(unused.out).toContain(
    "\nnote: no configuration uses plug-in mine (scheduler): the space has no parameter that lists",
  );
});

test("one seed, one search; interrupted and resumed it is the same one", async () => {
  write(...whole);
  expect(place.run(["tune", "t.yaml", "--out=a", "--seed=3", ...virtual]).code).toBe(0);
  const going = place.start(["tune", "t.yaml", "--out=b", "--seed=3", ...virtual]);
  await until("five runs are there", () => /^6\/22/m.test(going.err()));
  going.child.kill("SIGINT");
  const { code, err } = await going.done;
  expect(code).toBe(130);
  expect(err).toMatch(/osdyno: stopped by SIGINT\n$/);
  const cut = recordOf("b");
  expect(cut).toMatchObject({ state: "partial", chosen: [] });
  expect(cut.answer[0]).toMatch(/^Partial results: No verdict yet/);
  expect(place.run(["tune", "t.yaml", "--resume=b", "--seed=4", ...virtual]).err).toBe(
    "osdyno: --seed 4: the tuning to resume has seed 3; leave --seed out\n",
  );
  const elsewhere = ["tune", "t.yaml", "--resume=b", ...virtual, "--target=null:?service=50us"];
  const refused = place.run(elsewhere);
  expect(refused.code).toBe(2);
  expect(refused.err).toMatch(/begun with .* and now there is .*--target=null:\?service=50us/);
  expect(place.run(["tune", "t.yaml", "--resume=b", ...virtual]).code).toBe(0);
  const [once, twice] = [recordOf("a"), recordOf("b")];
  expect(twice.steps).toEqual(once.steps);
  expect(twice.comparisons).toEqual(once.comparisons);
  expect(twice.answer).toEqual(once.answer);
  write(...whole, "baseline: {bs: 4k}");
  const other = place.run(["tune", "t.yaml", "--resume=b"]);
  expect({ code: other.code, err: other.err }).toMatchObject({ code: 2 });
  expect(other.err).toMatch(/it holds another tuning/);
}, 120_000);

test(`killed ${kills} times and resumed, it is the search that it would have been (OSDYNO_SEED=${drawn})`, async () => {
  write(...whole);
  expect(place.run(["tune", "t.yaml", "--out=a", ...virtual]).code).toBe(0);
  const random = new SeededRandom(drawn);
  for (let round = 0; round < kills; round += 1) {
    const how = place.exists("b", "tune.json") ? "--resume=b" : "--out=b";
    const going = place.start(["tune", "t.yaml", how, ...virtual]);
    const wait = 500 + random.unit() * 2500;
    await Promise.race([going.done, new Promise((done) => setTimeout(done, wait))]);
    going.child.kill("SIGKILL");
    await going.done;
  }
  const how = place.exists("b", "tune.json") ? "--resume=b" : "--out=b";
  const { code, err } = place.run(["tune", "t.yaml", how, ...virtual]);
  expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
  const [once, twice] = [recordOf("a"), recordOf("b")];
  expect(twice.steps).toEqual(once.steps);
  expect(twice.comparisons).toEqual(once.comparisons);
}, 240_000);

test("two goals: the front, and its knee against the default", () => {
  const two = ["objective: {maximise: iops, minimise: response.p50}"];
  write(...head, ...time, target, ...space, ...two, "budget: 24", "confirm: {pairs: 6}");
  const { code, out } = place.run(["tune", "t.yaml", "--out=a", "--method=lhs", ...virtual]);
  expect(code).toBe(0);
  const record = recordOf("a");
  expect(record.front.length).toBeGreaterThan(1);
  expect(record.front).toContain(record.chosen[0]);
  expect(out).toMatch(/are not beaten in both goals/);
  // Those that are shown are marked: all of the front, and no other.
  const shown = record.trials.filter(({ id }) => new RegExp(`\\b${id}\\b.*=`).test(out));
  expect(shown.length).toBeGreaterThan(4);
  for (const { id } of shown) {
    const row = out.split("\n").find((line) => new RegExp(`\\b${id}\\b`).test(line));
    expect(/not beaten/.test(row ?? ""), row).toBe(record.front.includes(id));
  }
});

test("better in one goal and worse in the other is a trade, not unclear", () => {
  // All four channels are busy from four on: what is outstanding beyond them waits.
  const two = ["objective: {maximise: iops, minimise: response.p50}", "budget: 20"];
  write(...head, ...time, target, "space: {iodepth: [32, 64]}", ...two, "confirm: {pairs: 6}");
  const { code, out, err } = place.run(["tune", "t.yaml", "--out=a", ...virtual]);
  expect(code, err).toBe(0);
  const record = recordOf("a");
  const verdicts = record.comparisons.map(({ metric, verdict }) => `${metric} ${verdict}`);
  expect(verdicts).toEqual(["iops better", "response.p50 worse"]);
  expect(record.answer[0]).toMatch(
    /^iodepth=\d+ is a trade against the default: better in IOPS \+.*; worse in response time p50 \+.*; which goal counts more decides\.$/,
  );
  expect(out).toContain(record.answer[0]);
  expect(place.run(["results", "verify", "a"]).code).toBe(0);
});

test("runs of less than 2 s get no verdict, and it says why, before and after", () => {
  write(...head, "  time_based", "  runtime=1", target, ...space, ...goal);
  const plan = place.run(["tune", "t.yaml", "--dry-run", ...virtual]);
  expect(plan.out).toMatch(
    /^note: runs of less than 2 s are a preview: the confirmation gives no/m,
  );
  const { code, err } = place.run(["tune", "t.yaml", "--out=a", "--clock=virtual"]);
  expect(code, err).toBe(0);
  const { answer } = recordOf("a");
  expect(answer[0]).toMatch(
    /^No verdict: runs of less than 2 s are a preview, which gets none; the best so far is iodepth=/,
  );
  expect(answer[0]).toMatch(/Give the job runtime=2 or more for a verdict\.$/);
  expect(place.read("a", "report.html")).toContain("a preview, which gets none");
  expect(place.run(["results", "verify", "a"]).code).toBe(0);
});

test("--dry-run tells what would be done and creates nothing", () => {
  write(...whole);
  const { code, out } = place.run(["tune", "t.yaml", "--dry-run"]);
  expect(code).toBe(0);
  expect(out).toMatch(/^space: 12 configurations; 8 values of 2 parameters checked$/m);
  expect(out).toMatch(/^search: model; budget 22 runs, of which 12 runs are the confirmation$/m);
  expect(place.files()).toEqual(["t.yaml"]);
});

describe("refuses, with the line", () => {
  const before = [...head, ...time, target];
  test.each([
    ["nothing", [], /^t\.yaml:1: the tuning file is empty; it needs name:, job:, space:/],
    ["no space", [...before, ...goal], /^t\.yaml:1: space: give at least one/],
    ["an empty space", [...before, "space: {}", ...goal], /^t\.yaml:10: space: give at least one/],
    ["a sweep's key", [...whole, "matrix: {bs: [4k]}"], /^t\.yaml:16: matrix: no such key/],
    [
      "an unknown metric",
      [...before, ...space, "objective: {maximise: iosp}"],
      /^t\.yaml:13: objective: maximise: no metric iosp; did you mean iops\?/,
    ],
    [
      "the wrong direction",
      [...before, ...space, "objective: {maximise: response.p99}"],
      /^t\.yaml:13: objective: maximise: of response\.p99 lower is better; did you mean minimise\?/,
    ],
    [
      "three goals",
      [...before, ...space, "objective: {maximise: [iops, bw], minimise: rss_bytes}"],
      /^t\.yaml:13: objective: give one or two metrics/,
    ],
    [
      "a limit",
      [...whole, "subject_to: ['response.p99 < 2']"],
      /^t\.yaml:16: subject_to: threshold .* is no value of response\.p99/,
    ],
    [
      "an option",
      [...before, "space:", "  bluestore_alocator: [avl]", ...goal],
      /^t\.yaml:11: there is no option or job key bluestore_alocator; did you mean bluestore_allocator\?/,
    ],
    [
      "a baseline",
      [...whole, "baseline: {rw: write}"],
      /^t\.yaml:16: baseline: rw is not in the space; .* set:/,
    ],
    ["few pairs", [...whole.slice(0, -1), "confirm: {pairs: 5}"], /needs 6 pairs/],
  ])("%s", (_what, lines, line) => {
    write(...lines);
    let found = "nothing";
    try {
      readTune(place.path("t.yaml"));
    } catch (error) {
      found = (error as OsdynoError).line.slice(place.root.length + 1);
    }
    expect(found).toMatch(line);
  });

  test.each([
    [
      "a value",
      [...before, "space:", "  bs: [4k, 0]", ...goal],
      /^t\.yaml:11: bs=0: must be at least 1/,
    ],
    [
      "a small budget",
      [...before, ...space, "objective: {maximise: iops}", "budget: 20"],
      /^t\.yaml: budget: 20 runs: the confirmation takes 20 of them; give at least 26/,
    ],
  ])("%s", (_what, lines, line) => {
    write(...lines);
    const { code, out, err } = place.run(["tune", "t.yaml"]);
    expect(err).toMatch(/^osdyno: [^\n]+\n$/);
    expect(err.slice("osdyno: ".length, -1)).toMatch(line);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(place.files()).toEqual(["t.yaml"]);
  });

  test.each([
    [["--method=magic"], /^--method magic: give one of model, grid/],
    [["--resume=nowhere"], /there is no tune\.json$/],
    [["other.yaml"], /^other\.yaml: a tuning takes one file/],
  ])("%j", (args, line) => {
    write(...whole);
    const { code, err } = place.run(["tune", "t.yaml", ...args]);
    expect(code).toBe(2);
    expect(err.slice("osdyno: ".length, -1)).toMatch(line);
    expect(place.files()).toEqual(["t.yaml"]);
  });
});
