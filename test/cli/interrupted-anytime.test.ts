/**
 * A run ended at any instant, by Ctrl-C, `kill` or `kill -9`, leaves a result that can be read and
 * says that it is partial. 6 instants, 100 in the campaign; OSDYNO_SEED repeats a series.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { readHistogramLogFile } from "../../results/histogram-log.ts";
import { normalOutput } from "../../results/normal-output.ts";
import { readRun } from "../../results/run-schema.ts";
import { parseSeries } from "../../results/series.ts";
import { verifyRun } from "../../results/verify.ts";
import { type Done, until, Workplace } from "./command.ts";

const instants = process.env["OSDYNO_CAMPAIGN"] === undefined ? 6 : 100;
const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const random = new SeededRandom(seed);
const signals = ["SIGINT", "SIGTERM", "SIGKILL"] as const;

let place: Workplace;
beforeAll(() => {
  place = new Workplace();
});
afterAll(() => place.remove());

/** Two phases, a file of its own, every kind of file that a run writes. */
const job = [
  "[global]",
  "size=4m",
  "ioengine=psync",
  "runtime=0.4",
  "time_based",
  "[fill]",
  "filename=data",
  "rw=randwrite",
  "write_lat_log=log",
  "[look]",
  "stonewall",
  "target=null:?service=100us",
  "rw=randread",
  "write_hist_log=log",
  "log_hist_msec=50",
].join("\n");

function start(number: number) {
  const name = `at-${number}`;
  mkdirSync(place.path(name));
  place.write(`${name}/job.fio`, job.replace("runtime=0.4", "runtime=400ms"));
  const args = ["run", `${name}/job.fio`, `--out=${name}/r`, "--interval=50", "--no-progress"];
  return { name, going: place.start([...args, `--filename=${place.path(name, "data")}`]) };
}

/** Results of a run that was ended by `signal`: readable, and true about how it ended. */
function judge(name: string, signal: NodeJS.Signals, done: Done): string {
  const directory = place.path(name, "r");
  if (!existsSync(directory)) {
    // Nothing had begun.
    expect(done.code).not.toBe(0);
    return "nothing";
  }
  const files = readdirSync(directory, { recursive: true }).map(String);
  if (!files.includes("run.json")) {
    // Only kill -9 just as the directory is made; nothing was measured then.
    expect(signal).toBe("SIGKILL");
    expect(files.filter((file) => /^hist\/./.test(file))).toEqual([]);
    return "empty";
  }
  const record = readRun(directory);
  expect(normalOutput(record, { color: false })).toContain(record.label);
  if (done.code === 0) {
    expect(record.state).toBe("complete");
  } else if (record.state === "complete") {
    // The results were sealed; what was left to do was the report.
    expect(files).toContain("verify.json");
  } else {
    expect(record.reason).toMatch(
      signal === "SIGKILL" ? /the run was killed before it ended/ : `stopped by ${signal}`,
    );
  }
  // As its user would look at it.
  const shown = place.run(["results", "show", `${name}/r`]);
  expect(shown, shown.err).toMatchObject({ code: 0 });
  expect(shown.out.includes("partial:")).toBe(record.state === "partial");
  const verified = place.run(["results", "verify", `${name}/r`]);
  expect(verified, verified.err).toMatchObject({ code: 0 });
  // Killed before the first interval was written, a run has no number to make again.
  const early = signal === "SIGKILL" && record.state === "partial";
  expect(verified.out).toMatch(early ? /: (agrees|nothing to check) \(/ : /: agrees \(/);
  const series = files.find((file) => file.startsWith("series.csv"));
  const points = parseSeries(readFileSync(place.path(name, "r", series ?? ""), "utf8"));
  for (const file of files.filter((one) => /\.hlog(\.tmp)?$/.test(one))) {
    const intervals = [...readHistogramLogFile(place.path(name, "r", file))];
    expect(intervals.every((interval) => interval.histogram.totalCount >= 0)).toBe(true);
  }
  if (files.includes("verify.json")) {
    expect(verifyRun(directory).disagreements).toEqual([]);
  }
  return `${record.state} with ${points.length} intervals`;
}

test(`interrupted at ${instants} random instants (seed ${seed})`, async () => {
  const began = Date.now();
  const whole = start(0);
  expect((await whole.going.done).code).toBe(0);
  const lengthMs = Date.now() - began;
  expect(readRun(place.path(whole.name, "r")).state).toBe("complete");
  const seen: string[] = [];
  for (let number = 1; number <= instants; number += 1) {
    const signal = signals[random.below(3)] ?? "SIGKILL";
    // Every second one is aimed at the measuring: starting up takes most of the time on a busy machine.
    const aimed = number % 2 === 0;
    const atMs = random.unit() * (aimed ? 700 : lengthMs * 1.05);
    const { name, going } = start(number);
    if (aimed) {
      await until(`${name} runs`, () => existsSync(place.path(name, "r", "run.json")));
    }
    const kill = setTimeout(() => going.child.kill(signal), atMs);
    const done = await going.done;
    clearTimeout(kill);
    try {
      seen.push(judge(name, signal, done));
    } catch (error) {
      throw new Error(
        `seed ${seed}, instant ${number}: ${signal} after ${Math.round(atMs)} ms${aimed ? " of run" : ""}: ${error}\n${done.err}`,
        { cause: error },
      );
    }
  }
  const tally = new Map<string, number>();
  for (const what of seen.map((line) => line.replace(/ .*/, ""))) {
    tally.set(what, (tally.get(what) ?? 0) + 1);
  }
  process.stdout.write(`${instants} interruptions: ${JSON.stringify(Object.fromEntries(tally))}\n`);
  // A series that never hit a run shows nothing.
  expect(tally.get("partial") ?? 0).toBeGreaterThan(0);
}, 3_600_000);
