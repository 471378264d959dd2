/** Knobs of the host in sweeps and tunings, on a tree of files that stands for the machine. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { SweepRecord } from "../../results/sweep-record.ts";
import type { TuneRecord } from "../../results/tune/tune-record.ts";
import { until, Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
  tree();
});
afterEach(() => place.remove());

const queue = "sys/block/sdx/queue";
const file = (name: string) => place.path("host", queue, name);
const now = (name: string) => readFileSync(file(name), "utf8");

function tree(): void {
  const files = { scheduler: "none [mq-deadline] kyber", nr_requests: "256", read_ahead_kb: "128" };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(file(name)), { recursive: true });
    writeFileSync(file(name), `${text}\n`);
  }
}

const env = () => ({ OSDYNO_HOST_ROOT: place.path("host") });
const job = ["job: |", "  [j]", "  size=1m", "  rw=randread", "  time_based"];
const target = "targets: ['null:?service=1ms']";

test("an axis like any other; recorded before, put back after", () => {
  const host = "host: {device: sdx, scheduler: [none, mq-deadline], nr_requests: 64}";
  const rest = [target, host, "baseline: {scheduler: mq-deadline}", "repeat: 2"];
  place.write("s.yaml", `${["name: s", ...job, "  runtime=200ms", ...rest].join("\n")}\n`);
  const { code, err } = place.run(["sweep", "s.yaml", "--out=a", "--no-report"], { env: env() });
  expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
  const record = JSON.parse(place.read("a", "sweep.json")) as SweepRecord;
  expect(record.points.map(({ parameters }) => parameters)).toEqual([
    { scheduler: "none", nr_requests: "64" },
    { scheduler: "mq-deadline", nr_requests: "64" },
  ]);
  expect(record.host_before).toEqual({
    [`/${queue}/scheduler`]: "mq-deadline",
    [`/${queue}/nr_requests`]: "256",
  });
  expect([now("scheduler").trim(), now("nr_requests")]).toEqual(["mq-deadline", "256"]);
  expect(place.files().filter((name) => name.endsWith(".json") && name.includes("var"))).toEqual(
    [],
  );
});

test("what a killed sweep left is put back by the next command, whatever it is", async () => {
  const host = "host: {device: sdx, read_ahead_kb: [4096], scheduler: [kyber]}";
  place.write("s.yaml", `${["name: s", ...job, "  runtime=60", target, host].join("\n")}\n`);
  process.env["OSDYNO_HOST_ROOT"] = place.path("host");
  const going = place.start(["sweep", "s.yaml", "--out=a"]);
  delete process.env["OSDYNO_HOST_ROOT"];
  await until("the knobs are turned", () => now("read_ahead_kb") === "4096");
  going.child.kill("SIGKILL");
  await going.done;
  expect([now("scheduler"), now("read_ahead_kb")]).toEqual(["kyber", "4096"]);
  const next = place.run(["list", "targets"], { env: env() });
  expect(next.code).toBe(0);
  expect(next.err).toMatch(
    /^osdyno: put back what process \d+ had left changed: .*read_ahead_kb = 128.*\n$/,
  );
  expect([now("scheduler"), now("read_ahead_kb")]).toEqual(["mq-deadline", "128"]);
  expect(place.run(["list", "targets"], { env: env() }).err).toBe("");
});

test("a second sweep on the same disk is refused while the first one turns its knobs", async () => {
  const sweep = (name: string, ahead: number, rest: string) => {
    const host = `host: {device: sdx, read_ahead_kb: [${ahead}]}`;
    place.write(name, `${["name: s", ...job, rest, target, host].join("\n")}\n`);
  };
  sweep("a.yaml", 64, "  runtime=60");
  sweep("b.yaml", 256, "  runtime=200ms");
  process.env["OSDYNO_HOST_ROOT"] = place.path("host");
  const first = place.start(["sweep", "a.yaml", "--out=a"]);
  delete process.env["OSDYNO_HOST_ROOT"];
  await until("the first one has turned its knob", () => now("read_ahead_kb") === "64");
  const second = place.run(["sweep", "b.yaml", "--out=b"], { env: env() });
  expect({ code: second.code, now: now("read_ahead_kb") }).toEqual({ code: 4, now: "64" });
  expect(second.err).toMatch(
    /^osdyno: host: settings of sdx are being turned by another osdyno, process \d+; wait until/m,
  );
  expect(place.exists("b")).toBe(false);
  first.child.kill("SIGINT");
  expect((await first.done).code).toBe(130);
  expect(now("read_ahead_kb")).toBe("128");
  const again = place.run(["sweep", "b.yaml", "--out=b", "--no-report"], { env: env() });
  expect(again.code).toBe(0);
  const record = JSON.parse(place.read("b", "sweep.json")) as SweepRecord;
  expect(record.host_before).toEqual({ [`/${queue}/read_ahead_kb`]: "128" });
  expect(now("read_ahead_kb")).toBe("128");
});

test("a knob or a disk that is not there is refused with its line, and nothing is changed", () => {
  const refused = (host: string, line: RegExp) => {
    place.write("s.yaml", `${["name: s", ...job, "  runtime=1", target, host].join("\n")}\n`);
    const { code, err } = place.run(["sweep", "s.yaml", "--out=a"], { env: env() });
    expect(code).toBe(2);
    expect(err).toMatch(line);
    expect(place.exists("a")).toBe(false);
    expect(now("scheduler")).toBe("none [mq-deadline] kyber\n");
  };
  refused("host: {device: sdx, wbt_lat_usec: [0]}", /s\.yaml:9: host: wbt_lat_usec: sdx does not/);
  refused("host: {device: sdz, scheduler: [none]}", /s\.yaml:9: host: scheduler: sdz does not/);
  refused("host: {device: sdx, scheduler: [bfq]}", /s\.yaml:9: .* has no bfq; it has none, mq-/);
});

test("a tuning searches them beside job keys", () => {
  const rest = [
    ...["targets: ['null:?service=20ms&channels=4&size=1m']", "space: {iodepth: [1, 4]}"],
    ...["host: {device: sdx, scheduler: [none, kyber]}", "objective: {maximise: iops}"],
    ...["budget: 18", "confirm: {pairs: 6}"],
  ];
  place.write("t.yaml", `${["name: t", ...job, "  runtime=2", ...rest].join("\n")}\n`);
  const flags = ["--out=a", "--clock=virtual", "--no-report"];
  const { code, err } = place.run(["tune", "t.yaml", ...flags], { env: env() });
  expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
  const record = JSON.parse(place.read("a", "tune.json")) as TuneRecord;
  expect(record.space).toMatchObject({ scheduler: { values: ["none", "kyber"], ordered: false } });
  expect(record.host_before).toMatchObject({ [`/${queue}/scheduler`]: "mq-deadline" });
  expect(now("scheduler").trim()).toBe("mq-deadline");
  expect(place.read("a", "answer", "profile.yaml")).toMatch(/host\.scheduler: (none|kyber)/);
});
