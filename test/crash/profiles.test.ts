/** Every fault profile on stores that are crashed: what the disks did is survived, or told of. */
import { describe, expect, it } from "vitest";
import { type CrashScenario, exploreCrashes, replayCommand } from "../../engine/sim/crashes.ts";
import { type FaultProfile, faultProfile, faultProfiles } from "../../engine/sim/fault-profiles.ts";
import { crashScenario } from "../../engine/sim/scenarios.ts";
import { storeScenarios, usualScenario } from "../../engine/store/crash-scenarios.ts";
import { blueStoreScenario } from "../../engine/store/scenario-bluestore.ts";
import { settle } from "../conformance/kv-subjects.ts";
import { campaign, patienceMs, seed } from "./explore.ts";

const names = [
  "bluestore",
  "bluestore-overwrite",
  "bluestore-deferred",
  "bluestore-compressed",
  "bluestore-separate",
];
const scenarios = [
  ...["waltree", "waltree-flush"].flatMap((name) => crashScenario(name) ?? []),
  ...names.flatMap((name) => storeScenarios.find((each) => each.name === name) ?? []),
];
const points = campaign ? 400 : 12;
const seeds = campaign ? 10 : 1;

async function explore(scenario: CrashScenario, profile: FaultProfile) {
  const found = new Set<string>();
  for (let each = seed; each < seed + seeds; each += 1) {
    const report = await exploreCrashes({ scenario, seed: each, points, profile, settle });
    expect(
      report.failure,
      `${report.failure?.message}; again: ${replayCommand(report)}`,
    ).toBeNull();
    for (const name of Object.keys(report.coverage)) {
      found.add(name);
    }
  }
  return found;
}

describe.each(faultProfiles)("$name", (profile) => {
  it(
    `is survived or told of, ${scenarios.length} scenarios, from seed ${seed}`,
    async () => {
      const found = new Set<string>();
      for (const scenario of scenarios) {
        for (const name of await explore(scenario, profile)) {
          found.add(name);
        }
      }
      expect([...found]).toContain("then: all there");
      if (!profile.lies) {
        expect([...found].join()).not.toMatch(/damage|gone/);
      }
      if (profile.flippedBits > 0 || profile.badBlocks > 0) {
        expect([...found]).toContain("then: damage is reported");
        expect([...found]).toContain("then: damaged data is refused");
      }
      if (profile.scarce) {
        expect([...found]).toContain("after: a commit refused for want of space");
      }
    },
    patienceMs,
  );
});

it(
  "a store that does not compare checksums is found out by bits that turn over",
  async () => {
    const rot = faultProfile("rot");
    const blind = { ...usualScenario, name: "blind", describe: "", bug: "blind-checksum" as const };
    const report = await exploreCrashes({
      scenario: blueStoreScenario(blind),
      seed,
      points: 200,
      profile: rot ?? null,
      settle,
    });
    expect(report.failure?.message).toMatch(/byte \d+ of .* differs/);
  },
  patienceMs,
);
