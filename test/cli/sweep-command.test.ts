/** `osdyno sweep` as a user types it. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SweepRecord } from "../../results/sweep-record.ts";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const job = ["job: |", "  [j]", "  size=256k"];
const targets = "targets: ['null:?service=20us']";
const matrix = "matrix: {iodepth: [1, 2, 4], bs: [4k, 8k]}";

const write = (...lines: readonly string[]) => place.write("s.yaml", `${lines.join("\n")}\n`);
const small = (more = "repeat: 1") => write("name: s", ...job, targets, matrix, more);
const sweepOf = (directory: string) =>
  JSON.parse(place.read(directory, "sweep.json")) as SweepRecord;

/** Points in the order in which they ran, from the progress, by block. */
function orderOf(err: string): string[][] {
  const blocks: string[][] = [];
  for (const match of err.matchAll(/^\d+\/\d+ (.*) \(repeat (\d+)\)$/gm)) {
    const block = Number(match[2]) - 1;
    blocks[block] = [...(blocks[block] ?? []), match[1] ?? ""];
  }
  return blocks;
}

test("runs every point in each block, in an order that the seed decides", () => {
  small("repeat: 2");
  const sweep = (directory: string, seed: number) => {
    const args = ["sweep", "s.yaml", `--out=${directory}`, `--seed=${seed}`, "--no-report"];
    const { code, out, err } = place.run(args);
    expect(code).toBe(0);
    expect(out).toContain("IOPS");
    return orderOf(err);
  };
  const blocks = sweep("a", 7);
  expect(blocks.map((block) => block.length)).toEqual([6, 6]);
  for (const block of blocks) {
    expect([...block].sort()).toEqual([...(blocks[0] ?? [])].sort());
  }
  // Randomised: there are 6! orders, and this seed's two differ.
  expect(blocks[1]).not.toEqual(blocks[0]);
  expect(sweep("b", 7)).toEqual(blocks);
  expect(sweep("c", 8)).not.toEqual(blocks);
  const record = sweepOf("a");
  expect(record).toMatchObject({ state: "complete", seed: 7, repeat: 2 });
  const seeds = record.points.map(({ runs }) => runs.map((run) => place.record("a", run).seed));
  expect(new Set(seeds.map((each) => each.join()))).toEqual(new Set(["7,8"]));
  const verified = place.run(["results", "verify", "a"]);
  expect(verified.code).toBe(0);
  expect(verified.out.trimEnd().split("\n").length).toBe(13);
});

test("overrides, --json, --output, --threshold, the report", () => {
  small();
  const flags = ["--bs=16k", "--json", "--output=o.json", "--threshold=iops > 1e12"];
  const { code, out, err } = place.run(["sweep", "s.yaml", "--out=a", ...flags]);
  expect({ code, out }).toEqual({ code: 3, out: "" });
  expect(err.match(/^threshold MISSED: iops > 1e12/gm)?.length).toBe(6);
  expect(JSON.parse(place.read("o.json"))).toEqual(sweepOf("a"));
  const [run = ""] = sweepOf("a").points[0]?.runs ?? [];
  expect(place.record("a", run).jobs[0]).toMatchObject({ "job options": { bs: "16k" } });
  expect(place.read("a", "report.html")).toContain("</html>");
});

test("--budget starts no run after its time, and --resume goes on", () => {
  small();
  const cut = place.run(["sweep", "s.yaml", "--out=a", "--budget=0s", "--seed=3"]);
  expect(cut.code).toBe(130);
  expect(cut.err).toMatch(/osdyno: the budget of 0 s is used up\n$/);
  expect(sweepOf("a")).toMatchObject({
    state: "partial",
    reason: expect.stringMatching(/^0 of 6 runs: the budget/),
  });
  const other = place.run(["sweep", "s.yaml", "--resume=a", "--seed=4"]);
  expect(other.err).toBe("osdyno: --seed 4: the sweep to resume has seed 3; leave --seed out\n");
  expect(place.run(["sweep", "s.yaml", "--resume=a", "--no-report"]).code).toBe(0);
  expect(sweepOf("a")).toMatchObject({ state: "complete", seed: 3 });
  small("repeat: 3");
  const changed = place.run(["sweep", "s.yaml", "--resume=a"]);
  expect(changed.code).toBe(2);
  expect(changed.err).toMatch(/^osdyno: --resume .*a: s\.yaml has changed since/);
});

test("--resume goes on with what the sweep was begun with, and with nothing else", () => {
  place.write("j.fio", "[j]\nsize=1m\nruntime=100ms\ntime_based\n");
  const file = ["name: s", "job: j.fio", "targets: ['null:?service=100us']"];
  const rest = ["matrix: {iodepth: [1, 2]}", "repeat: 2"];
  write(...file, ...rest);
  const given = ["--bs=64k", "--set", "rbd_qos_iops_limit=1000", "--no-report"];
  expect(place.run(["sweep", "s.yaml", "--out=a", "--budget=0s", ...given]).code).toBe(130);
  const before = place.read("a", "sweep.json");
  const resumed = (...flags: readonly string[]) =>
    place.run(["sweep", "s.yaml", "--resume=a", "--no-report", ...flags]);
  const refused = (line: RegExp, ...flags: readonly string[]) => {
    const { code, err } = resumed(...flags);
    expect({ code, flags }).toEqual({ code: 2, flags });
    expect(err).toMatch(line);
    expect(place.read("a", "sweep.json")).toBe(before);
  };
  const begun = "it was begun with --bs=64k --set=rbd_qos_iops_limit=1000, and now there is";
  refused(new RegExp(`${begun} no flags that its runs depend on; give the same`));
  refused(new RegExp(`${begun} --bs=64k; `), "--bs=64k");
  for (const flag of ["--clock=virtual", "--target=null:", "--path=engine", "--stages=off"]) {
    refused(new RegExp(`${begun} .*${flag}`), ...given, flag);
  }
  refused(/it has 2 runs of each point, and 3 are asked for/, ...given, "--repeat=3");
  place.write("j.fio", "[j]\nsize=2m\nruntime=100ms\ntime_based\n");
  refused(/its job file has changed since/, ...given);
  place.write("j.fio", "[j]\nsize=1m\nruntime=100ms\ntime_based\n");
  write(...file, ...rest, "min_effect: 9%");
  refused(/s\.yaml has changed since; put back the text/, ...given);
  write(...file, ...rest);
  const { code, err } = resumed("--set", "rbd_qos_iops_limit=1000", "--bs=64k", "--no-progress");
  expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
  expect(sweepOf("a").command).toContain("--out=a");
  expect(place.run(["results", "verify", "a"]).code).toBe(0);
});

test("--dry-run shows every point and creates nothing", () => {
  write("name: s", ...job, "  rw=write", "  filename=${SCRATCH}/new", "matrix: {bs: [4k, 8k]}");
  const { code, out } = place.run(["sweep", "s.yaml", "--dry-run"]);
  expect(code).toBe(0);
  expect(out.match(/^point /gm)?.length).toBe(2);
  expect(out).toMatch(/safety: .*new is created by the job: allowed/);
  const points = JSON.parse(place.run(["sweep", "s.yaml", "--dry-run", "--json"]).out) as object[];
  expect(points).toMatchObject([{ point: "4k", safety: { allowed: true } }, { point: "8k" }]);
  expect(place.files()).toEqual(["s.yaml"]);
});

test("what is not compared is said: points without a partner, too few blocks, nothing to decide", () => {
  const axes = "matrix: {bs: [4k, 8k], rw: [randwrite, randrw], rwmixread: [10, 90]}";
  const when = "when: {rwmixread: {rw: randrw}}";
  const timed = ["  time_based", "  runtime=2"];
  const clocked = (out: string, ...lines: readonly string[]) => {
    write("name: s", ...job, ...timed, "targets: ['null:?service=5ms']", axes, when, ...lines);
    return place.run(["sweep", "s.yaml", "--clock=virtual", `--out=${out}`, "--no-report"]);
  };
  const all = clocked("a", "baseline: {rw: randwrite}", "metrics: [iops]");
  expect(all.code).toBe(0);
  const { comparisons, repeat } = sweepOf("a");
  expect({ repeat, pairs: comparisons.map(({ base, candidate }) => [base, candidate]) }).toEqual({
    repeat: 6,
    pairs: ["4k", "8k"].flatMap((bs) =>
      ["10", "90"].map((share) => [`${bs}-randwrite`, `${bs}-randrw-${share}`]),
    ),
  });
  expect(all.out).not.toMatch(/compared with nothing|no verdicts/);
  const none = clocked("b", "baseline: {rw: randrw}", "repeat: 2");
  expect(none.out).toMatch(/^Note: There are no verdicts: each point has 2 runs, and .* needs 6 /m);
  expect(none.out).toMatch(
    /^Note: 2 of 6 points are compared with nothing.*bs=4k, rw=randwrite; /m,
  );
  const decided = clocked("c", "baseline: {rw: randrw}", "until: {decided: true}");
  expect(decided.code).toBe(2);
  expect(decided.err).toMatch(
    /^osdyno: s\.yaml:11: until\.decided: nothing is compared, .*rw=randwrite/,
  );
});

test("prepare: without a store is refused, with the line, by sweeps and tunings", () => {
  const why =
    /^osdyno: .\.yaml:\d: prepare: stores are filled and aged, and no target is one; leave/;
  const goal = ["space: {bs: [4k, 8k]}", "objective: {maximise: iops}", "budget: 30"];
  write("name: s", ...job, targets, "prepare: {fill: 60%}", "matrix: {bs: [4k, 8k]}");
  place.write("t.yaml", ["name: t", ...job, targets, "prepare: {fill: 60%}", ...goal].join("\n"));
  for (const args of [
    ["sweep", "s.yaml"],
    ["sweep", "s.yaml", "--dry-run"],
    ["tune", "t.yaml", "--dry-run"],
    ["tune", "t.yaml", "--out=a"],
  ]) {
    const { code, err } = place.run(args);
    expect(code).toBe(2);
    expect(err).toMatch(why);
  }
  expect(place.files()).toEqual(["s.yaml", "t.yaml"]);
});

test("--dry-run of what runs in virtual time tells that time, and no real one", () => {
  const timed = [...job, "  time_based", "  runtime=10", targets];
  write("name: s", ...timed, "matrix: {bs: [4k, 8k]}", "repeat: 6");
  const dry = (...args: string[]) => place.run([...args, "--dry-run", "--clock=virtual"]).out;
  const law = "of virtual time; how long that takes is not known";
  const swept = dry("sweep", "s.yaml");
  expect(swept).toContain(`\ntime: 10s ${law}\n`);
  expect(swept).toContain(`sweep: 2 points, 6 runs of each, 12 in all, 2m 00s ${law}\n`);
  const goal = ["space: {bs: [4k, 8k]}", "objective: {maximise: iops}", "budget: 30"];
  place.write("t.yaml", ["name: t", ...timed, ...goal].join("\n"));
  expect(dry("tune", "t.yaml")).toContain(`\ntime: 5m 00s ${law}\n`);
  const snia = ["snia: {test: latency, scale: {capacity: 64m, minute: 50ms}}"];
  place.write("n.yaml", ["name: n", "targets: ['null:?service=1ms&size=64m']", ...snia].join("\n"));
  expect(dry("sweep", "n.yaml")).toMatch(new RegExp(`^time: .* ${law}`, "m"));
});

test("--dry-run tells the least and the most that a stop rule can take, and when it is looked at", () => {
  const said = (...lines: readonly string[]) => {
    write(
      "name: s",
      ...job,
      "  time_based",
      "  runtime=10",
      targets,
      "matrix: {bs: [4k, 8k]}",
      ...lines,
    );
    return /^sweep: .*$/m.exec(place.run(["sweep", "s.yaml", "--dry-run"]).out)?.[0];
  };
  // A run takes 10.7 s with what is around it.
  expect(said()).toBe("sweep: 2 points, 6 runs of each, 12 in all, about 2m 08s");
  expect(said("repeat: 1")).toBe("sweep: 2 points, 1 run of each, 2 in all, about 21s");
  const decided = "until: {decided: true, max_repeat: 30}";
  expect(said("baseline: {bs: 4k}", decided)).toBe(
    "sweep: 2 points, 6 to 30 runs of each, 12 to 60 in all, about 2m 08s to 10m 42s; " +
      "it may end after 6, 9, 14, 21 or 30 runs of each",
  );
  expect(said("repeat: 2", "until: {within: 1%, max_repeat: 8, time: 1h}")).toBe(
    "sweep: 2 points, 2 to 8 runs of each, 4 to 16 in all, about 43s to 2m 51s; " +
      "it may end after 6 or 8 runs of each, and when 1h 00m have passed",
  );
});

test("files that the points share are laid out once, and what a failed start made is taken back", () => {
  write("name: s", ...job, "  filename=${SCRATCH}/data", "matrix: {bs: [4k, 8k]}", "repeat: 1");
  const { err, code } = place.run(["sweep", "s.yaml", "--out=a", "--no-report"]);
  expect(code).toBe(0);
  expect(err.match(/laying out/g)?.length).toBe(1);
  // A file has no folder in it.
  write("name: s", ...job, "  filename=${SCRATCH}/s.yaml/data", "matrix: {bs: [4k, 8k]}");
  const failed = place.run(["sweep", "s.yaml", "--out=b"]);
  expect(failed.err).toMatch(/osdyno: .*s\.yaml\/data.*ENOTDIR/);
  expect(failed.code).toBe(2);
  expect(place.exists("b")).toBe(false);
});

describe("refuses, with the line", () => {
  const refused = (line: RegExp, ...args: readonly string[]) => {
    const before = place.files();
    const { code, out, err } = place.run(["sweep", "s.yaml", ...args]);
    expect(err).toMatch(/^osdyno: [^\n]+\n$/);
    expect(err.slice("osdyno: ".length, -1)).toMatch(line);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(place.files()).toEqual(before);
  };

  test.each([
    ["nothing", [], /^s\.yaml:1: the sweep file is empty; it needs name:/],
    ["no mapping", ["- a"], /^s\.yaml:1: this is no sweep/],
    ["bad YAML", ["name: s", "job: [", "repeat: 1"], /^s\.yaml:\d: /],
    ["no job", ["name: s"], /^s\.yaml:1: job: is missing/],
    ["no such job", ["name: s", "job: none.fio"], /^s\.yaml:2: job: none\.fio is neither beside/],
    ["a bad name", ["", "name: a b", ...job], /^s\.yaml:2: name: use letters/],
    [
      "an unknown key",
      ["name: s", ...job, "matrx: {}"],
      /^s\.yaml:5: matrx: .*did you mean matrix\?/,
    ],
    [
      "a knob that there is not",
      ["name: s", ...job, targets, "host: {schedular: [none]}"],
      /^s\.yaml:6: host: there is no knob schedular; did you mean scheduler\?/,
    ],
    [
      "a knob of no disk",
      ["name: s", ...job, targets, "host: {scheduler: [none]}"],
      /^s\.yaml:6: host: (settings of the host are root's|scheduler: no disk is under the target)/,
    ],
    ["no repeat", ["name: s", ...job, "repeat: 0"], /^s\.yaml:5: repeat: /],
    ["a bad metric", ["name: s", ...job, "metrics: [iosp]"], /^s\.yaml:5: metrics: .*mean iops\?/],
    [
      "a bad target",
      ["name: s", ...job, "targets: ['nulll:']"],
      /^s\.yaml:5: .*did you mean null:\?/,
    ],
    [
      "a key of the job",
      ["name: s", ...job, "  bsx=3", targets],
      /^s\.yaml:5: .*did you mean bs\?/,
    ],
    [
      "a key of the matrix",
      ["name: s", ...job, targets, "matrix:", "  blocsize: [4k]"],
      /^s\.yaml:7: unknown key blocsize; did you mean blocksize\?/,
    ],
    [
      "a value of the matrix",
      ["name: s", ...job, targets, "matrix:", "  bs: [4k, 0]"],
      /^s\.yaml:7: bs=0: must be at least 1/,
    ],
    [
      "an unknown axis",
      ["name: s", ...job, matrix, "exclude: [{bsx: 4k}]"],
      /^s\.yaml:6: exclude: bsx is not an axis/,
    ],
    [
      "a metric that no point has",
      ["name: s", ...job, matrix, "metrics: [iops, fragmentation]"],
      /^s\.yaml: metric 'fragmentation': these runs have no fragmentation: there is no object store/,
    ],
    [
      "a requirement on a job that is not there",
      ["name: s", ...job, matrix, "require: [{threshold: 'trim.iops > 1', at: {bs: 4k}}]"],
      /^s\.yaml: require: trim\.iops > 1: these runs have no trim\.iops: no job trims$/,
    ],
    [
      "nothing left",
      ["name: s", ...job, "matrix: {bs: [4k]}", "exclude: [{bs: 4k}]"],
      /^s\.yaml: exclude: leaves no point/,
    ],
  ])("%s", (_what, lines, line) => {
    write(...lines);
    refused(line);
  });

  test.each([
    [["--budget=soon"], /^--budget soon: give a time such as 90s/],
    [["--repeat=x"], /^--repeat x: give a whole number/],
    [["--threshold=iosp > 1"], /no metric 'iosp'/],
    [["--resume=nowhere"], /there is no sweep\.json$/],
    [["--out=/etc"], /^--out \/etc: the directory is not empty and holds no osdyno sweep/],
    [["other.yaml"], /^other\.yaml: a sweep takes one file/],
    [["--blocsize=4k"], /^unknown option --blocsize; did you mean --blocksize\?/],
  ])("%j", (args, line) => {
    small();
    refused(line, ...args);
  });
});
