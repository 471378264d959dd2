/**
 * `--clock virtual`: the whole command on the synthetic device in virtual time. Ten minutes, a whole
 * day in the campaign, in memory that does not grow.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RunRecord } from "../../results/run-record.ts";
import { launcher, Workplace } from "./command.ts";

const campaign = process.env["OSDYNO_CAMPAIGN"] !== undefined;
const mib = 1 << 20;

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const base = ["run", "--name=v", "--clock=virtual", "--no-report", "--no-progress"] as const;

function succeeds(...args: readonly string[]) {
  const done = place.run([...base, ...args]);
  expect(done, done.err).toMatchObject({ code: 0 });
}

/** What of a record does not depend on the machine or the hour. */
function figures(record: RunRecord) {
  const { read, write, generator } = record.jobs[0]?.osdyno ?? {};
  return { read, write, late: generator?.late };
}

describe("virtual time", () => {
  test("gives the model's own figures, at once and every time the same", () => {
    const target = "--target=null:?service=100us";
    const job = ["--rw=randread", "--iodepth=4", "--runtime=60", "--time_based", "--size=1m"];
    succeeds(target, ...job, "--out=a");
    const record = place.record("a");
    const read = record.jobs[0]?.osdyno.read;
    // Four in flight, 100 us each: 40,000 a second, but for those in flight at the end.
    expect(Math.abs((read?.service_ns.N ?? 0) - 2_400_000)).toBeLessThanOrEqual(4);
    expect(read?.service_ns).toMatchObject({ min: 100_000, max: 100_000 });
    expect(JSON.stringify(record)).toContain("time is virtual");
    const noisy = `${target}&jitter=exp&stall_at=2s&stall_for=1s&stall_every=7s`;
    const mixed = [
      noisy,
      "--rw=randrw",
      "--rate_iops=500",
      "--rate_process=poisson",
      ...job.slice(1),
    ];
    succeeds(...mixed, "--out=b");
    succeeds(...mixed, "--out=c");
    expect(figures(place.record("b"))).toEqual(figures(place.record("c")));
    expect(place.record("b").jobs[0]?.osdyno.write?.response_ns.max).toBeGreaterThan(0.99e9);
    const verified = place.run(["results", "verify", "b"]);
    expect(verified, verified.err).toMatchObject({ code: 0 });
  });

  test.each([
    [
      ["--filename=f", "--size=1m"],
      /job v: --clock virtual works on synthetic devices only, not on/,
    ],
    [["--target=null:", "--size=1m"], /works on synthetic devices only/],
    [
      ["--target=null:?service=1us", "--path=native"],
      /^osdyno: --clock virtual needs --path engine/,
    ],
  ])("is refused where time is real: %j", (args, line) => {
    const { code, out, err } = place.run([...base, ...args]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(line);
    expect(place.files()).toEqual([]);
  });

  test("a clock that is none is refused", () => {
    const words = base.map((word) => (word === "--clock=virtual" ? "--clock=lunar" : word));
    const { code, err } = place.run([...words, "--target=null:"]);
    expect([code, err]).toEqual([2, expect.stringMatching(/--clock lunar: choose real, virtual/)]);
  });
});

/** Resident bytes of a process; null when it has ended. */
function residentBytes(pid: number): number | null {
  try {
    const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return match === null ? null : Number(match[1]) * 1024;
  } catch {
    return null;
  }
}

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** MiB; a real run of a day makes its garbage eight hundred times as slowly. */
const heapLimits = "--max-old-space-size=96 --max-semi-space-size=4";

/** Length of the run in virtual seconds, and by how much its memory may grow after its first third. */
const day = campaign
  ? { seconds: 86_400, growthBytes: 16 * mib }
  : { seconds: 600, growthBytes: 48 * mib };

test(`${day.seconds} s of virtual time on the synthetic device do not grow its memory`, {
  timeout: campaign ? 3_600_000 : 120_000,
}, async () => {
  const job = [
    "--target=null:?service=900us&jitter=lognormal&stall_at=60s&stall_for=2s&stall_every=300s",
    "--rw=randrw",
    "--rwmixread=70",
    "--rate_process=poisson",
    "--rate_iops=350,150",
    "--iodepth=16",
    "--size=1g",
    "--time_based",
    `--runtime=${day.seconds}`,
    "--write_iops_log=log",
    "--log_avg_msec=1000",
  ];
  // Without the patience of `Workplace.start`: a day may take its minutes.
  const child = spawn(process.execPath, [launcher, ...base, ...job, "--out=r"], {
    cwd: place.root,
    // A heap that must collect what it may: what is kept shows at once.
    env: place.environment({ NODE_OPTIONS: heapLimits }),
    stdio: ["ignore", "ignore", "inherit"],
  });
  const samples: number[] = [];
  const timer = setInterval(() => {
    const bytes = residentBytes(child.pid ?? 0);
    if (bytes !== null) {
      samples.push(bytes);
    }
  }, 50);
  const [code] = await once(child, "close");
  clearInterval(timer);
  expect(code).toBe(0);
  const record = place.record("r");
  const sent = [record.jobs[0]?.osdyno.read, record.jobs[0]?.osdyno.write]
    .map((side) => side?.response_ns.N ?? 0)
    .reduce((sum, count) => sum + count);
  expect(sent / (500 * day.seconds)).toBeGreaterThan(0.95);
  const third = Math.floor(samples.length / 3);
  const [early, late] = [samples.slice(third, 2 * third), samples.slice(2 * third)];
  process.stdout.write(
    `${sent} operations in ${day.seconds} s of virtual time; resident MiB: ` +
      `${[early, late].map((part) => (median(part) / mib).toFixed(1)).join(" then ")}, ` +
      `most ${(Math.max(...samples) / mib).toFixed(1)}\n`,
  );
  expect(median(late) - median(early)).toBeLessThan(day.growthBytes);
  expect(record.osdyno.rss_bytes).toBeLessThan(200 * mib);
});
