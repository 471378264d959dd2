/** `osdyno simulate`: a scenario in virtual time, crashed at every write; a seed repeats all of it. */
import Table from "cli-table3";
import { Command } from "commander";
import { OsdynoError } from "../../engine/base/error.ts";
import { nearestName } from "../../engine/base/nearest-name.ts";
import {
  type CrashReport,
  type CrashScenario,
  exploreCrashes,
  replayCommand,
} from "../../engine/sim/crashes.ts";
import {
  type FaultProfile,
  faultProfile,
  faultProfiles,
  joinProfiles,
} from "../../engine/sim/fault-profiles.ts";
import { crashScenario, crashScenarios, registerScenario } from "../../engine/sim/scenarios.ts";
import { storeScenarios } from "../../engine/store/crash-scenarios.ts";
import { watchInterrupts } from "../interrupt.ts";
import { makeProgress } from "../progress.ts";

for (const scenario of storeScenarios) {
  registerScenario(scenario);
}

interface SimulateFlags {
  readonly seed?: string;
  readonly seeds?: string;
  readonly points: string;
  readonly point?: string;
  readonly profile?: string;
  readonly list?: true;
  readonly json?: true;
}

const seedLimit = 2 ** 48;

function wholeNumber(flag: string, text: string, low: number, limit = seedLimit): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= low && value < limit)) {
    throw new OsdynoError(
      "bad-input",
      `--${flag} ${text}: give a whole number from ${low} to ${limit - 1}`,
    );
  }
  return value;
}

/** First and last seed. */
function seedRange(flags: SimulateFlags): readonly [number, number] {
  if (flags.seeds !== undefined) {
    if (flags.seed !== undefined) {
      throw new OsdynoError("bad-input", "give --seed or --seeds, not both");
    }
    const [low, high] = /^(\d+)\.\.(\d+)$/.exec(flags.seeds)?.slice(1) ?? [];
    if (low === undefined || high === undefined) {
      throw new OsdynoError("bad-input", `--seeds ${flags.seeds}: give A..B, e.g. 1..20`);
    }
    const first = wholeNumber("seeds", low, 0);
    return [first, wholeNumber("seeds", high, first)];
  }
  const seed = wholeNumber("seed", flags.seed ?? "1", 0);
  return [seed, seed];
}

/** Refuses a name, with the nearest one there is. */
function unknown(kind: string, name: string, names: readonly string[]): OsdynoError {
  const guess = nearestName(name, names);
  const hint = guess === null ? "" : `; did you mean ${guess}?`;
  return new OsdynoError(
    "bad-input",
    `no ${kind} is called ${name}${hint} (there are ${names.join(", ")})`,
  );
}

function scenarioOf(name: string): CrashScenario {
  const scenario = crashScenario(name);
  if (scenario === undefined) {
    throw unknown(
      "scenario",
      name,
      crashScenarios().map((known) => known.name),
    );
  }
  return scenario;
}

function profileOf(names: string | undefined): FaultProfile | null {
  if (names === undefined) {
    return null;
  }
  const profiles = names.split(",").map((name) => {
    const profile = faultProfile(name);
    if (profile === undefined) {
      throw unknown(
        "fault profile",
        name,
        faultProfiles.map((known) => known.name),
      );
    }
    return profile;
  });
  return joinProfiles(profiles);
}

/** A turn of the event loop. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function listAll(flags: SimulateFlags): void {
  const scenarios = crashScenarios().map(({ name, describe }) => ({ name, description: describe }));
  const profiles = faultProfiles.map(({ name, describe, lies }) => ({
    name,
    description: describe,
    lies,
  }));
  const lines = (rows: readonly { name: string; description: string }[]) =>
    rows.map(({ name, description }) => `${name}  ${description}\n`).join("");
  process.stdout.write(
    flags.json === true
      ? `${JSON.stringify({ scenarios, profiles }, null, 2)}\n`
      : `scenarios:\n${lines(scenarios)}\nfault profiles (--profile):\n${lines(profiles)}`,
  );
}

function reportText(report: CrashReport): string {
  const { scenario, seed, points, events, places, again, traceHash, failure } = report;
  const faults = report.profile === null ? "" : ` with faults ${report.profile}`;
  const lines = [
    `${scenario}${faults}, seed ${seed}: ${events} events, trace ${traceHash} in both runs; ${points} crashes at ${places} places, ${again} of them crashed again while recovering`,
  ];
  if (failure !== null) {
    lines.push(
      failure.point === null
        ? "WRONG while it ran, before any crash:"
        : `NOT survived: crash ${failure.point}${failure.again ? ", the second crash" : ""}, after event ${failure.position} of ${failure.events}, unflushed writes kept: ${failure.survival}`,
      `  ${failure.message}`,
      `  again: ${replayCommand(report)}`,
    );
  }
  return lines.join("\n");
}

/** Crashes of all seeds by what they covered. */
function coverageText(reports: readonly CrashReport[]): string {
  const sums = new Map<string, number>();
  for (const { coverage } of reports) {
    for (const [name, times] of Object.entries(coverage)) {
      sums.set(name, (sums.get(name) ?? 0) + times);
    }
  }
  const table = new Table({
    head: ["a crash with", "times"],
    style: { head: [], border: [], compact: true },
    colAligns: ["left", "right"],
  });
  table.push(...[...sums].sort(([a], [b]) => (a < b ? -1 : 1)));
  return table.toString();
}

/** Explores each seed until one is not survived. */
async function simulate(name: string, flags: SimulateFlags): Promise<number> {
  const scenario = scenarioOf(name);
  const [first, last] = seedRange(flags);
  const points = wholeNumber("points", flags.points, 1, 10_000_000);
  const only = flags.point === undefined ? null : wholeNumber("point", flags.point, 0, points);
  const profile = profileOf(flags.profile);
  const interrupts = watchInterrupts("ending the simulation");
  const progress = makeProgress(true);
  const reports: CrashReport[] = [];
  const json = flags.json === true;
  try {
    for (let seed = first; seed <= last; seed += 1) {
      progress.begin(`${name}, seed ${seed}`);
      const onPoint = (done: number) => {
        progress.update(done / points, `crash ${done} of ${points}`);
        if (interrupts.signal.aborted) {
          throw new OsdynoError("interrupted", "the simulation was stopped");
        }
      };
      const report = await exploreCrashes({
        scenario,
        seed,
        points,
        only,
        profile,
        settle,
        onPoint,
      });
      progress.end();
      reports.push(report);
      process.stdout.write(json ? "" : `${reportText(report)}\n`);
      if (report.failure !== null) {
        break;
      }
    }
  } finally {
    progress.end();
    interrupts.release();
  }
  process.stdout.write(
    json ? `${JSON.stringify(reports, null, 2)}\n` : `${coverageText(reports)}\n`,
  );
  return reports.some(({ failure }) => failure !== null) ? 1 : 0;
}

export function simulateCommand(finish: (code: number) => void): Command {
  return new Command("simulate")
    .description("a scenario in virtual time, crashed at every write; without one: which there are")
    .argument("[scenario]", "name of the scenario, e.g. waltree")
    .option("--seed <n>", "the seed of everything that is drawn (default: 1)")
    .option("--seeds <a..b>", "one seed after the other")
    .option("--points <n>", "crashes of each seed, spread over its history", "1000")
    .option("--point <k>", "this crash only, from 0: what a failure names")
    .option("--profile <faults>", "faults of the disks, by name, e.g. torn or lost,slow")
    .option("--list", "name the scenarios and the fault profiles")
    .option("--json", "print one JSON document")
    .action(async (name: string | undefined, flags: SimulateFlags) => {
      if (name === undefined || flags.list === true) {
        listAll(flags);
      } else {
        finish(await simulate(name, flags));
      }
    });
}
