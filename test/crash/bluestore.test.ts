import { describe, expect, it } from "vitest";
import { exploreCrashes } from "../../engine/sim/crashes.ts";
import { storeScenarios } from "../../engine/store/crash-scenarios.ts";
import { settle } from "../conformance/kv-subjects.ts";
import { patienceMs, points, seed, seeds, survives } from "./explore.ts";

describe.each(storeScenarios.filter(({ canary }) => !canary))("$name", (scenario) => {
  it(
    `survives ${seeds * points} crashes at any write, from seed ${seed}`,
    async () => {
      const covered = await survives(scenario);
      expect(covered).toContain("unflushed: data");
      if (scenario.name === "bluestore-overwrite") {
        expect(covered).toContain("after: commits that stand on data that is not flushed");
      }
    },
    patienceMs,
  );
});

it(
  "a commit whose data a crash has lost is not there, from a seed that has some",
  async () => {
    const scenario = storeScenarios.find(({ name }) => name === "bluestore-overwrite");
    expect(scenario).toBeDefined();
    if (scenario !== undefined) {
      const { failure, coverage } = await exploreCrashes({
        scenario,
        seed: 5,
        points: 300,
        settle,
      });
      expect(failure).toBeNull();
      const gone = "then: the data of the last commit was missing, and it with that";
      expect(coverage[gone]).toBeGreaterThan(0);
    }
  },
  patienceMs,
);

describe.each(storeScenarios.filter(({ canary }) => canary))("$name", (scenario) => {
  it(
    "has a planted bug that is found, and plays again",
    async () => {
      for (let each = seed; each < seed + 5; each += 1) {
        const from = { scenario, seed: each, points: 200, settle };
        const { failure } = await exploreCrashes(from);
        if (failure !== null) {
          const again = await exploreCrashes({ ...from, only: failure.point });
          expect(again.failure).toEqual(failure);
          expect(failure.message).toMatch(
            /EIO|differs|acknowledged|freelist|damaged|gave -5|blob|space|result of|fsck finds|no object store/,
          );
          return;
        }
      }
      expect.fail(`five seeds from ${seed} do not find it`);
    },
    patienceMs,
  );
});
