import { describe, expect, it } from "vitest";
import { opKinds } from "../../engine/port/block-device.ts";
import { type CrashScenario, exploreCrashes } from "../../engine/sim/crashes.ts";
import { DiskRecorder } from "../../engine/sim/history.ts";
import { waltreeScenario } from "../../engine/sim/scenario-waltree.ts";
import { crashScenarios } from "../../engine/sim/scenarios.ts";
import { World } from "../../engine/sim/world.ts";
import { settle } from "../conformance/kv-subjects.ts";
import { patienceMs, points, seed, seeds, survives } from "./explore.ts";

const covered = [
  "kept: all",
  "kept: none",
  "kept: torn",
  "kept: torn-large",
  "kept: whole",
  "unflushed: checkpoint",
  "unflushed: checkpoint end",
  "unflushed: grow",
  "unflushed: log",
  "unflushed: superblock",
];

const sound = crashScenarios().filter(({ name, canary }) => name.startsWith("waltree") && !canary);

describe.each(sound)("$name", (scenario) => {
  it(
    `survives ${seeds * points} crashes at any write, from seed ${seed}`,
    async () => {
      const rare = scenario.name === "waltree" ? covered : covered.slice(0, 5);
      expect(await survives(scenario)).toEqual(expect.arrayContaining(rare));
    },
    patienceMs,
  );
});

/** The first scenario that misses a flush which is found; `null`: none of the seeds found it. */
async function firstFound(make: (seed: number) => Promise<CrashScenario>): Promise<string | null> {
  for (let each = seed; each < seed + 5; each += 1) {
    const scenario = await make(each);
    const report = await exploreCrashes({ scenario, seed: each, points: 800, settle });
    if (report.failure !== null) {
      const { point } = report.failure;
      const again = await exploreCrashes({
        scenario,
        seed: each,
        points: 800,
        settle,
        only: point,
      });
      expect(again.failure).toEqual(report.failure);
      return report.failure.message;
    }
  }
  return null;
}

it("finds the planted bug: flushes that are missing", async () => {
  const canary = crashScenarios().find((scenario) => scenario.canary);
  expect(canary).toBeDefined();
  expect(await firstFound(async () => canary as CrashScenario)).toMatch(/acknowledged|damaged/);
});

const plain = {
  name: "planted",
  describe: "",
  canary: true,
  commits: 160,
  sizeBytes: 4 << 20,
  separate: false,
  fua: true,
  slotBytes: 16_384,
  faults: [],
};

/** Number of the first flush, from 1, that follows the end of a checkpoint. */
async function flushOfCheckpoint(of: number): Promise<number> {
  const recorder = new DiskRecorder();
  const world = new World({ seed: of, settle, recorder });
  const scenario = waltreeScenario(plain);
  await world.run(scenario.run(world));
  let flushes = 0;
  let ended = false;
  for (const event of recorder.events) {
    if (event.kind === "write" && scenario.classify(event.write) === "checkpoint end") {
      ended = true;
    }
    flushes += event.kind === "flush" ? 1 : 0;
    if (event.kind === "flush" && ended) {
      return flushes;
    }
  }
  throw new Error(`seed ${of} writes no checkpoint`);
}

it("finds that the one flush between a checkpoint and the superblock is missing", async () => {
  const found = await firstFound(async (each) =>
    waltreeScenario({
      ...plain,
      faults: [{ effect: "lost", kinds: [opKinds.flush], nth: await flushOfCheckpoint(each) }],
    }),
  );
  expect(found).toMatch(/checkpoint/);
});
