/** What plays crashes: it notices runs that differ, tells what went wrong, and how to see it again. */
import { expect, test } from "vitest";
import { type CrashScenario, exploreCrashes, replayCommand } from "../../engine/sim/crashes.ts";
import { faultProfile, joinProfiles } from "../../engine/sim/fault-profiles.ts";
import type { World } from "../../engine/sim/world.ts";
import { settle } from "../conformance/kv-subjects.ts";

async function pass(world: World, ns: number): Promise<void> {
  await new Promise<void>((resolve) => {
    world.clock.at(world.clock.nowNs() + ns, resolve);
  });
}

function scenario(own: Partial<CrashScenario>): CrashScenario {
  return {
    name: "mine",
    describe: "",
    canary: false,
    run: async (world) => {
      world.trace(world.random.below(1000));
      world.mark("begun");
      await pass(world, 1000);
    },
    recover: async () => ["then: fine"],
    classify: () => "data",
    cover: (marks) => marks.map((mark) => `after: ${mark}`),
    ...own,
  };
}

const how = { seed: 3, points: 120, settle };

test("the same seed gives the same trace, another one another", async () => {
  const report = await exploreCrashes({ ...how, scenario: scenario({}) });
  expect(report).toMatchObject({ failure: null, points: 120, profile: null });
  expect(report.coverage).toMatchObject({ "kept: torn": 24, "then: fine": 120 + 30 });
  expect(await exploreCrashes({ ...how, scenario: scenario({}) })).toEqual(report);
  const other = await exploreCrashes({ ...how, seed: 4, scenario: scenario({}) });
  expect(other.traceHash).not.toBe(report.traceHash);
});

test("a run that depends on more than its seed is refused", async () => {
  let runs = 0;
  const run = async (world: World) => {
    runs += 1;
    world.trace(runs);
    await pass(world, 1000);
  };
  await expect(exploreCrashes({ ...how, scenario: scenario({ run }) })).rejects.toThrow(
    /mine is not deterministic: seed 3 gave [0-9a-f]{16}, then [0-9a-f]{16}/,
  );
});

test("a recovery that depends on more than its seed is a failure", async () => {
  let runs = 0;
  const recover = async (world: World) => {
    runs += 1;
    world.trace(runs);
    await pass(world, 1000);
    return [];
  };
  const { failure } = await exploreCrashes({ ...how, scenario: scenario({ recover }) });
  expect(failure).toMatchObject({ point: 1 });
  expect(failure?.message).toContain("not deterministic");
});

test("what goes wrong is told with the one command that plays it again", async () => {
  const slow = faultProfile("slow");
  const full = faultProfile("full");
  const profile = joinProfiles([slow, full].flatMap((each) => each ?? []));
  expect(profile).toMatchObject({ name: "slow,full", lies: false, scarce: true });
  const run = async (world: World) => {
    await pass(world, 1000);
    throw new Error("wrong");
  };
  const early = await exploreCrashes({ ...how, profile, scenario: scenario({ run }) });
  expect(early.failure).toMatchObject({ point: null, message: "wrong" });
  expect(replayCommand(early)).toBe(
    "osdyno simulate mine --seed 3 --points 120 --profile slow,full",
  );
  const recover = async (_: World, marks: readonly unknown[]) => {
    if (marks.length > 0) {
      throw new Error("lost");
    }
    return [];
  };
  const from = { ...how, scenario: scenario({ recover }) };
  const late = await exploreCrashes(from);
  expect(late.failure?.message).toBe("lost");
  expect(replayCommand(late)).toBe(
    `osdyno simulate mine --seed 3 --points 120 --point ${late.failure?.point}`,
  );
  const again = await exploreCrashes({ ...from, only: late.failure?.point ?? null });
  expect(again.failure).toEqual(late.failure);
});
