/** What the crash tests have in common: how much they play, and what they print. */
import { expect } from "vitest";
import { type CrashScenario, exploreCrashes, replayCommand } from "../../engine/sim/crashes.ts";
import { crashScenarios } from "../../engine/sim/scenarios.ts";
import { storeScenarios } from "../../engine/store/crash-scenarios.ts";
import { settle } from "../conformance/kv-subjects.ts";

/** A new seed every day finds what yesterday's did not; a failure prints it, OSDYNO_SEED repeats it. */
export const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));
export const campaign = process.env["OSDYNO_CAMPAIGN"] === "1";
export const patienceMs = campaign ? 7_200_000 : 300_000;

/** Crashes of all scenarios without a planted bug, together. */
const totalPoints = campaign ? 100_000 : 5_000;
export const seeds = campaign ? 20 : 1;
/** The write log has a number of its own. */
const sound = [...crashScenarios(), ...storeScenarios].filter(
  ({ name, canary }) => !canary && !name.startsWith("writelog"),
);
/** Crashes of one scenario and seed. */
export const points = Math.ceil(totalPoints / sound.length / seeds);

/** Plays all crashes of a scenario, prints what they covered, and returns the names of that. */
export async function survives(
  scenario: CrashScenario,
  crashes = points,
): Promise<readonly string[]> {
  const coverage = new Map<string, number>();
  let places = 0;
  for (let each = seed; each < seed + seeds; each += 1) {
    const report = await exploreCrashes({ scenario, seed: each, points: crashes, settle });
    places += report.places;
    for (const [name, times] of Object.entries(report.coverage)) {
      coverage.set(name, (coverage.get(name) ?? 0) + times);
    }
    expect(
      report.failure,
      `${report.failure?.message}; again: ${replayCommand(report)}`,
    ).toBeNull();
  }
  const rows = [...coverage].sort().map(([name, times]) => `${name} ${times}`);
  process.stdout.write(
    `${scenario.name}: ${seeds * crashes} crashes at ${places} places: ${rows.join(", ")}\n`,
  );
  return [...coverage.keys()];
}
