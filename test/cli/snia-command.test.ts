/** `osdyno sweep` on a file with `snia:`, and `osdyno run --load-curve`, as a user types them. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SniaModel } from "../../results/snia/load.ts";
import type { SweepRecord } from "../../results/sweep-record.ts";
import { Workplace } from "./command.ts";

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place.remove());

const quiet = ["--no-progress", "--no-report"] as const;
const small = [
  "name: s",
  'targets: ["raw:${SCRATCH}/f"]',
  "snia:",
  "  test: latency",
  "  size: 32m",
];
const scale = "  scale: { minute: 1s }";
/** In virtual time, where a device of constant speed is steady after five rounds. */
const virtual = ["--clock=virtual", "--target=null:?service=10ms&size=32m"] as const;

const sweep = (...args: readonly string[]) => place.run(["sweep", ...args, ...quiet]);
const recordOf = (dir: string) => JSON.parse(place.read(dir, "sweep.json")) as SweepRecord;

describe("a test of the SNIA PTS", () => {
  test("everything says that it is not conformant, and why", () => {
    place.write("s.yaml", [...small, scale].join("\n"));
    const plan = sweep("s.yaml", "--dry-run");
    expect(plan, plan.err).toMatchObject({ code: 0 });
    expect(plan.out).toContain("5 to 25 rounds of 9 cells, 9 s each");
    expect(plan.out).toContain("written: 64.0 MiB by size; as much as the target takes in");
    expect(place.files()).toEqual(["s.yaml"]);
    const done = sweep("s.yaml", "--out=d", "--iodepth_low=1", ...virtual);
    expect(done, done.err).toMatchObject({ code: 0 });
    const { snia, state } = recordOf("d");
    expect(state).toBe("complete");
    expect(snia?.deviations.join("\n")).toMatch(
      /time scaled: 1 s.*\nno purge\n.*a model.*\ntime is virtual\njob keys from the command line: --iodepth_low=1/,
    );
    expect(snia?.verdicts[0]).toMatchObject({ steady: true, rounds: 5 });
    for (const format of ["html", "md", "json"] as const) {
      const report = place.run(["report", "d", "--format", format, "--out", `r.${format}`]);
      expect(report, report.err).toMatchObject({ code: 0 });
    }
    const model = JSON.parse(place.read("r.json")) as SniaModel;
    expect(model.snia.deviations).toEqual(snia?.deviations);
    for (const name of ["r.html", "r.md"]) {
      expect(place.read(name)).toContain("NOT CONFORMANT");
    }
    expect(done.out).toContain("NOT CONFORMANT: time scaled");
    const verified = place.run(["results", "verify", "d"]);
    expect(verified, verified.err).toMatchObject({ code: 0 });
    expect(sweep("s.yaml", "--out=d").err).toMatch(/holds a sweep already/);
    // Nothing is missing: nothing is measured again.
    const again = sweep("s.yaml", "--resume=d", "--iodepth_low=1", ...virtual);
    expect(again, again.err).toMatchObject({ code: 0 });
    expect(recordOf("d").snia?.runs).toEqual(snia?.runs);
    expect(sweep("s.yaml", "--resume=d", "--scale", "minute=2s", ...virtual).err).toMatch(
      /holds another test, target or scale/,
    );
  });

  test("killed in a round, it goes on with what is there", async () => {
    place.write("s.yaml", small.join("\n"));
    const args = ["sweep", "s.yaml", "--no-report", ...virtual];
    const going = place.start([...args, "--out=d"]);
    while (!place.exists("d", "points", "round-03")) {
      await new Promise((done) => setTimeout(done, 20));
    }
    going.child.kill("SIGKILL");
    await going.done;
    const before = recordOf("d").snia?.runs.map(({ id }) => id) ?? [];
    expect(before).toContain("round-02");
    const done = place.run([...args, "--resume=d", "--no-progress"]);
    expect(done, done.err).toMatchObject({ code: 0 });
    const { snia, state } = recordOf("d");
    expect(state).toBe("complete");
    expect(snia?.deviations.join()).toContain("interrupted once");
    // Preconditioning is no round.
    const rounds = before.length - 1;
    expect(snia?.verdicts[0]?.window).toEqual({ first: rounds + 1, last: rounds + 5 });
  });

  test.each([
    [
      "no such test",
      "  test: iop",
      [],
      /^osdyno: s\.yaml:4: snia\.test: iop is no test; choose iops,/,
    ],
    [
      "a typing error",
      "  purg: none",
      [],
      /s\.yaml:3: snia: no such key: purg; did you mean purge\?/,
    ],
    [
      "a size that is none",
      "  scale: { capacity: 4x }",
      [],
      /s\.yaml:6: .*give a size such as 512m/,
    ],
    ["a scale that is none", scale, ["--scale", "minute=9"], /--scale minute=9: give none, or/],
    ["repeats", scale, ["--repeat", "2"], /--repeat: a test of the SNIA PTS has its own/],
    ["too small", "  scale: { capacity: 1m }", [], /an active range of 1.00 MiB is too small/],
  ] as const)("%s is refused by line, and nothing is made", (_, line, more, words) => {
    const lines = line.includes("test:") ? [...small.slice(0, 3), line] : [...small, line];
    place.write("s.yaml", lines.join("\n"));
    const { code, err } = sweep("s.yaml", "--out=d", ...more);
    expect({ code, err }).toMatchObject({ code: 2, err: expect.stringMatching(words) });
    expect(place.files()).toEqual(["s.yaml"]);
  });

  test("--scale belongs to it", () => {
    place.write("s.yaml", "name: s\njob: j.fio\n");
    expect(sweep("s.yaml", "--scale", "none").err).toMatch(/--scale is for tests of the SNIA PTS/);
  });
});

describe("--load-curve", () => {
  const run = (...args: readonly string[]) => place.run(["run", ...args, ...quiet]);
  const queue = [
    ...["--name=q", "--target=null:?service=10ms&jitter=exp&channels=1&size=16m", "--rw=randrw"],
    ...["--rwmixread=70", "--bs=4k", "--iodepth=64", "--size=16m", "--clock=virtual"],
  ];

  test("says of each direction what it says of both; packed it is verified as before", () => {
    const law = "--target=null:?service=2ms&jitter=exp&channels=2&size=64m";
    const job = ["--name=a", "--rw=randrw", "--size=64m", "--iodepth=8", "--bs=4k", law];
    const more = ["--clock=virtual", "--runtime=4", "--time_based", "--load-curve", "--out=c"];
    expect(run(...job, ...more)).toMatchObject({ code: 0 });
    const curve = recordOf("c").load_curve;
    const kept = curve?.points.find(({ offered_iops: rate }) => rate === curve.kept_iops);
    const { out } = place.run(["report", "c", "--format", "md"]);
    expect(out).toMatch(/\*\*The knee is at/);
    expect(out).not.toMatch(/did not even keep up|(reads|writes) kept up with/);
    const said =
      /At ([\d.]+)(k?) IOPS the 99th percentile of response time is .* reads and .* writes\./;
    const [, rate, thousands] = said.exec(out) ?? [];
    const shown = Number(rate) * (thousands === "k" ? 1000 : 1);
    expect(Math.abs(shown / (kept?.offered_iops ?? 0) - 1)).toBeLessThan(0.01);
    expect(place.run(["results", "pack", "c", "--out", "p"])).toMatchObject({ code: 0 });
    for (const directory of ["c", "p"]) {
      const verified = place.run(["results", "verify", directory]);
      expect(verified, verified.err).toMatchObject({ code: 0 });
    }
  }, 120_000);

  test("of a mixed job of two clones: both directions rise, and thresholds decide the exit code", () => {
    const args = [...queue, "--numjobs=2", "--runtime=60", "--load-curve", "--out=c"];
    const done = run(...args, "--threshold", "response.p99 < 1ms");
    expect(done, done.err).toMatchObject({ code: 3 });
    expect(done.out).toMatch(/The knee is at \d+ IOPS/);
    expect(done.out).toContain("At no rate tried does response.p99 < 1ms hold.");
    const record = recordOf("c");
    const curve = record.load_curve;
    // Each clone has a device of its own, one operation of 10 ms at a time.
    expect(Math.abs((curve?.closed.iops ?? 0) / 200 - 1)).toBeLessThan(0.05);
    const half = curve?.points.find(({ offered_iops: rate }) => Math.abs(rate - 100) <= 2);
    const { totals } = place.record("c", half?.run ?? "").osdyno;
    const share = (totals.read?.ios ?? 0) / (totals.all?.ios ?? 1);
    expect(Math.abs(share - 0.7)).toBeLessThan(0.05);
    const report = place.run(["report", "c", "--format", "md"]);
    expect(report.out).toMatch(/\*\*The knee is at/);
    const verified = place.run(["results", "verify", "c"]);
    expect(verified, verified.err).toMatchObject({ code: 0 });
  });

  test.each([
    ["a rate of its own", ["--rate_iops=5"], /--load-curve sets the rate of job q itself/],
    ["two jobs", ["--name=r", "--rw=read"], /--load-curve takes one job.*\(there are q, r\)/],
    ["repeats", ["--repeat", "2"], /--load-curve and --repeat exclude each other/],
  ])("%s is refused", (_, more, words) => {
    const { code, err } = run(...queue, ...more, "--load-curve", "--out=c");
    expect({ code, err }).toMatchObject({ code: 2, err: expect.stringMatching(words) });
    expect(place.files()).toEqual([]);
  });
});
