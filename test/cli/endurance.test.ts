/** What a device may bear: shown before, kept while jobs write, recorded after. */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const base = ["run", "--name=j", "--rw=write", "--bs=64k", "--no-progress", "--no-report"];
const virtual = ["--clock=virtual", "--target=null:?service=1ms&size=64m"];
const worn = () => {
  const nvme = new URL("../../profiles/devices/nvme.yaml", import.meta.url);
  const rated = "endurance:\n  rated_bytes: 1073741824\nfigures:";
  place.write("worn.yaml", readFileSync(nvme, "utf8").replace(/^figures:/m, rated));
};

test("the share of rated writes, from a profile, before and after", () => {
  worn();
  const all = [...base, ...virtual, "--size=16m", "--endurance=rated=worn.yaml,most=1g"];
  const line =
    "endurance: up to 16.0 MiB to be written, 1.56% of the 1.00 GiB that the device is rated for (profile worn)";
  const plan = place.run([...all, "--dry-run"]);
  expect(plan.out).toContain(line);
  expect(plan.out).toContain("endurance: ends when 1.00 GiB are written");
  const done = place.run([...all, "--out=d"]);
  expect(done, done.err).toMatchObject({ code: 0 });
  expect(done.err).toContain(line);
  expect(done.out).toContain("endurance: 16.0 MiB written, 1.56% of the 1.00 GiB rated");
  expect(place.record("d").osdyno.endurance).toEqual({
    ...{ written_bytes: 16777216, command_written_bytes: 16777216, most_bytes: 1073741824 },
    ...{ rated_bytes: 1073741824, rated_from: "profile worn" },
  });
});

test("pages and Markdown say the share, over all repeats", () => {
  worn();
  const flags = ["--size=16m", "--repeat=2", "--endurance=rated=worn.yaml,most=1g", "--out=d"];
  const drawn = base.filter((each) => each !== "--no-report");
  const done = place.run([...drawn, ...virtual, ...flags]);
  expect(done, done.err).toMatchObject({ code: 0 });
  const said = "32.0 MiB written, 3.13% of the 1.00 GiB rated";
  const page = place.read("d", "report.html");
  expect(page).toContain(said);
  expect(page).toMatch(/Share of rated writes<.*?3\.13%/s);
  expect(page).toContain("1.00 GiB (profile worn)");
  const text = place.run(["report", "d", "--format=md"]).out;
  expect(text).toContain(`in 2 runs; ${said}.`);
  expect(text).toMatch(/Share of rated writes.*3\.13%/);
  expect(place.run(["results", "verify", "d"]).code).toBe(0);
  // Without a budget nothing is said of one.
  place.run([...drawn, ...virtual, "--size=16m", "--out=e"]);
  expect(place.read("e", "report.html")).not.toMatch(/of the .* rated|Rated writes/);
});

test("a test of the SNIA PTS takes its rating from a profile, too", () => {
  worn();
  const file = (rated: string) => [
    ...["name: s", "targets: ['null:?service=1ms&size=64m']", "snia:", "  test: latency"],
    `  endurance: {rated: ${rated}}`,
    "  scale: {capacity: 64m, minute: 50ms}",
  ];
  place.write("s.yaml", file("worn.yaml").join("\n"));
  const plan = place.run(["sweep", "s.yaml", "--clock=virtual", "--dry-run"]);
  expect(plan, plan.err).toMatchObject({ code: 0 });
  expect(plan.out).toMatch(/of the 1\.00 GiB that the device is rated for \(profile worn\)/);
  place.write("s.yaml", file("nowhere").join("\n"));
  const refused = place.run(["sweep", "s.yaml", "--clock=virtual", "--dry-run"]);
  expect(refused.code).toBe(2);
  expect(refused.err).toMatch(/s\.yaml:5: snia\.endurance\.rated: nowhere: give bytes such as/);
});

test("a run ends when it has written what it may, and no other begins", () => {
  const timed = ["--size=64m", "--time_based", "--runtime=60", "--endurance=most=20m"];
  const done = place.run([...base, ...virtual, ...timed, "--interval=100", "--out=d"]);
  expect(done.code).toBe(130);
  const { state, reason, osdyno } = place.record("d");
  expect({ state, reason }).toEqual({
    state: "partial",
    reason: "endurance: the 20.0 MiB that may be written are used up",
  });
  expect(osdyno.endurance?.written_bytes).toBe(20 << 20);
  expect(place.run(["results", "verify", "d"]).code).toBe(0);
  // Repeats share one budget: 16 MiB each.
  const twice = ["--size=16m", "--repeat=3", "--endurance=most=20m", "--out=e"];
  const repeated = place.run([...base, ...virtual, ...twice]);
  expect(repeated.code).toBe(130);
  expect(place.exists("e", "3")).toBe(false);
});

interface Writes {
  readonly write: { readonly io_bytes: number; readonly total_ios: number };
}
/** What each job of a run measured. */
const writesOf = (run: string) =>
  (JSON.parse(place.read(run, "run.json")) as { readonly jobs: readonly Writes[] }).jobs.map(
    ({ write }) => write,
  );

// Blocks of 64 KiB, two clones of 8 in flight each; no multiple of a block may be written.
const most = 10_000_000;
const slotsBytes = 2 * 8 * 65536;
const clones = ["--numjobs=2", "--iodepth=8", `--endurance=most=${most}`];

test.each([
  ["native, a file", ["--filename=f", "--ioengine=io_uring", "--path=native"]],
  ["native, one at a time", ["--filename=f", "--ioengine=psync", "--path=native"]],
  ["native, a model", ["--target=null:?service=100us&channels=8", "--path=native"]],
  ["engine, a file", ["--filename=f", "--ioengine=io_uring", "--path=engine"]],
  ["engine, a model", ["--target=null:?service=100us&channels=8", "--path=engine"]],
  ["virtual time", virtual],
])("nothing is written beyond what may be, by no clone: %s", (_, where) => {
  const timed = ["--size=4m", "--time_based", "--runtime=60", ...clones, ...where];
  const done = place.run([...base, ...timed, "--rw=randrw", "--ramp_time=1ms", "--out=d"]);
  expect(done, done.err).toMatchObject({ code: 130 });
  expect(done.err).toContain("endurance: the 9.54 MiB that may be written are used up");
  const { state, osdyno } = place.record("d");
  expect(state).toBe("partial");
  const bytes = osdyno.endurance?.written_bytes ?? 0;
  expect(bytes).toBeLessThanOrEqual(most);
  expect(bytes).toBeGreaterThanOrEqual(most - slotsBytes);
  const measured = writesOf("d").reduce((sum, write) => sum + write.io_bytes, 0);
  expect(measured).toBeLessThanOrEqual(bytes);
  expect(place.run(["results", "verify", "d"]).code).toBe(0);
});

test.each(["native", "engine"])("phases and repeats draw on one budget, path %s", (path) => {
  const jobs = ["[global]", "rw=write", "bs=64k", "size=1m", "iodepth=8", "numjobs=2"];
  place.write("j.fio", [...jobs, "[a]", "[b]", "stonewall"].join("\n"));
  const target = ["--target=null:?service=100us&channels=8", `--path=${path}`];
  // 4 MiB each: two are whole, the third ends in its first phase or at the beginning of its second.
  const all = ["run", "j.fio", "--no-progress", "--no-report", "--repeat=4", ...target];
  const done = place.run([...all, `--endurance=most=${most}`, "--out=d"]);
  expect(done, done.err).toMatchObject({ code: 130 });
  const records = [1, 2, 3].map((each) => place.record(`d/${each}`));
  expect(records.map(({ state }) => state)).toEqual(["complete", "complete", "partial"]);
  const bytes = records.map(({ osdyno }) => osdyno.endurance?.written_bytes ?? 0);
  expect(bytes.slice(0, 2)).toEqual([4 << 20, 4 << 20]);
  const sum = bytes.reduce((all, each) => all + each, 0);
  expect(sum).toBeLessThanOrEqual(most);
  expect(sum).toBeGreaterThanOrEqual(most - slotsBytes);
  expect(records[2]?.osdyno.endurance?.command_written_bytes).toBe(sum);
  expect(place.exists("d", "4")).toBe(false);
});

test.each(["native", "engine"])("what just suffices cuts nothing short, path %s", (path) => {
  const run = (out: string, ...flags: string[]) => {
    const target = ["--target=null:?service=100us&channels=8", `--path=${path}`];
    const done = place.run([...base, ...target, "--size=4m", ...flags, "--seed=5", `--out=${out}`]);
    expect(done, done.err).toMatchObject({ code: 0 });
    const [write] = writesOf(out);
    return { state: place.record(out).state, bytes: write?.io_bytes, ios: write?.total_ios };
  };
  const whole = { state: "complete", bytes: 4 << 20, ios: 64 };
  expect(run("a", "--endurance=most=4m")).toEqual(whole);
  expect(run("b")).toEqual(whole);
});

test("sweeps and tunings say before what all their runs will write, and keep one budget", () => {
  worn();
  const job = ["name: s", "job: |", "  [j]", "  rw=write", "  bs=64k", "  size=8m"];
  const target = "targets: ['null:?service=1ms&size=64m']";
  place.write("s.yaml", [...job, target, "matrix: {iodepth: [1, 4]}", "repeat: 2"].join("\n"));
  const quiet = ["--clock=virtual", "--no-progress", "--no-report"];
  const most = "--endurance=rated=worn.yaml,most=20m";
  const swept = place.run(["sweep", "s.yaml", "--out=a", ...quiet, most]);
  expect(swept.code).toBe(130);
  expect(swept.err).toMatch(/^endurance: up to 20\.0 MiB to be written, 1\.95% of the 1\.00 GiB/m);
  expect(swept.err).toContain("endurance: the 20.0 MiB that may be written are used up");
  const goal = ["space: {iodepth: [1, 4]}", "objective: {maximise: iops}", "budget: 20"];
  place.write("t.yaml", [...job, target, ...goal, "confirm: {pairs: 6}"].join("\n"));
  const all = "--endurance=rated=worn.yaml";
  const planned = place.run(["tune", "t.yaml", "--dry-run", ...quiet, all]);
  expect(planned.out).toContain("endurance: up to 160 MiB to be written, 15.6% of the 1.00 GiB");
  const tuned = place.run(["tune", "t.yaml", "--out=b", ...quiet, most]);
  expect(tuned.code).toBe(130);
  expect(tuned.err).toMatch(/^endurance: up to 20\.0 MiB to be written/m);
  const record = JSON.parse(place.read("b", "tune.json"));
  expect(record).toMatchObject({
    state: "partial",
    reason: expect.stringContaining("are used up"),
  });
});

test("a sweep that is resumed goes on with the budget of its first command, and counts on", () => {
  const job = ["name: s", "job: |", "  [j]", "  rw=write", "  bs=64k", "  size=8m"];
  const target = "targets: ['null:?service=1ms&size=64m']";
  place.write("s.yaml", [...job, target, "matrix: {iodepth: [1, 4]}", "repeat: 3"].join("\n"));
  const quiet = ["--clock=virtual", "--no-progress", "--no-report"];
  const sweep = (...flags: string[]) => place.run(["sweep", "s.yaml", ...quiet, ...flags]);
  const written = () => JSON.parse(place.read("a", "endurance.json")).written_bytes / 2 ** 20;
  const first = sweep("--out=a", "--endurance=rated=1g,most=20m");
  expect(first, first.err).toMatchObject({ code: 130 });
  expect(written()).toBe(20);
  // Without the flag, and with it: nothing is left.
  for (const flags of [[], ["--endurance=most=20m"]]) {
    const again = sweep("--resume=a", ...flags);
    expect(again, again.err).toMatchObject({ code: 130 });
    expect(again.err).toContain("endurance: 20.0 MiB were written before this command resumed");
    expect(again.err).toContain("endurance: the 20.0 MiB that may be written are used up");
    expect(written()).toBe(20);
  }
  // More is written only where somebody says so; the two whole runs and the one that was cut count.
  const more = sweep("--resume=a", "--endurance=most=1g");
  expect(more, more.err).toMatchObject({ code: 0 });
  expect(written()).toBe(20 + 4 * 8);
  expect(place.run(["results", "verify", "a"]).code).toBe(0);
  // A sweep that began without a budget has written all the same.
  expect(sweep("--out=b").code).toBe(0);
  const late = sweep("--resume=b", "--endurance=most=40m");
  expect(late.err).toContain("endurance: 48.0 MiB were written before this command resumed");
});

test("a test of the SNIA PTS that is resumed keeps to what its first command allowed", () => {
  const scale = "  scale: {capacity: 64m, minute: 50ms}";
  const file = ["name: s", "targets: ['null:?service=1ms&size=64m']", "snia:", "  test: latency"];
  place.write("s.yaml", [...file, scale].join("\n"));
  const quiet = ["--clock=virtual", "--no-progress", "--no-report"];
  const sweep = (...flags: string[]) => place.run(["sweep", "s.yaml", ...quiet, ...flags]);
  const first = sweep("--out=a", "--endurance=rated=1g,most=30m");
  expect(first, first.err).toMatchObject({ code: 130 });
  expect(first.err).toContain("with --resume a and a higher --endurance most= goes on");
  const again = sweep("--resume=a");
  expect(again, again.err).toMatchObject({ code: 130 });
  const endurance = () => JSON.parse(place.read("a", "sweep.json")).snia.endurance;
  expect(endurance()).toMatchObject({ most_bytes: 30 << 20, rated_bytes: 2 ** 30 });
  expect(endurance().written_bytes).toBe(30 << 20);
  expect(place.run(["results", "verify", "a"]).code).toBe(0);
  const more = sweep("--resume=a", "--endurance=most=1g");
  expect(more, more.err).toMatchObject({ code: 0 });
  expect(place.run(["results", "verify", "a"]).code).toBe(0);
});

test("a tuning that is resumed counts on, too", () => {
  const job = ["name: t", "job: |", "  [j]", "  rw=write", "  bs=64k", "  size=8m"];
  const target = "targets: ['null:?service=1ms&size=64m']";
  const goal = ["space: {iodepth: [1, 4]}", "objective: {maximise: iops}", "budget: 20"];
  place.write("t.yaml", [...job, target, ...goal, "confirm: {pairs: 6}"].join("\n"));
  const tune = (...flags: string[]) =>
    place.run(["tune", "t.yaml", "--clock=virtual", "--no-progress", "--no-report", ...flags]);
  const first = tune("--out=b", "--endurance=most=20m");
  expect(first, first.err).toMatchObject({ code: 130 });
  const again = tune("--resume=b");
  expect(again, again.err).toMatchObject({ code: 130 });
  expect(again.err).toContain("endurance: the 20.0 MiB that may be written are used up");
  expect(JSON.parse(place.read("b", "endurance.json")).written_bytes).toBe(20 << 20);
});

test("a response curve that the budget cuts off names no knee", () => {
  const curve = ["--load-curve", "--bs=64k", "--size=64m", "--runtime=2", "--endurance=most=40m"];
  const device = ["--clock=virtual", "--target=null:?service=5ms&channels=1&size=64m"];
  const done = place.run([...base, ...device, ...curve, "--rw=randwrite", "--out=c"]);
  expect(done, done.err).toMatchObject({ code: 130 });
  expect(done.out).toMatch(/^The curve ended before a knee was seen: it is at \d+ IOPS/m);
  expect(done.out).not.toMatch(/knee is at/);
  expect(JSON.parse(place.read("c", "sweep.json")).load_curve).toMatchObject({ knee: null });
  expect(place.run(["results", "verify", "c"]).code).toBe(0);
});

test.each([
  ["rated=nowhere", "rated=nowhere: give bytes such as 600TB, or a profile of profiles/devices"],
  ["rated=nvme", "nvme.yaml has no endurance: {rated_bytes: N}; add what its maker states"],
  ["most=much", "most: give bytes such as 10TB"],
  ["least=1g", "no least there; rated=600TB,most=10TB"],
])("--endurance %s is refused in a line", (text, why) => {
  const refused = place.run([...base, ...virtual, "--size=1m", `--endurance=${text}`]);
  expect(refused.code).toBe(2);
  expect(refused.err).toContain(why);
  expect(place.files()).toEqual([]);
});
