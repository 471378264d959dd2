import { describe, expect, it } from "vitest";
import { exploreCrashes } from "../../engine/sim/crashes.ts";
import { storeScenarios } from "../../engine/store/crash-scenarios.ts";
import { settle } from "../conformance/kv-subjects.ts";
import { patienceMs, points, seed, seeds, survives } from "./explore.ts";

describe.each(storeScenarios.filter(({ canary }) => !canary))("$name", (scenario) => {
  it(
    `survives ${seeds * points} crashes at any write, from seed ${seed}`,
    async () => {
      expect(await survives(scenario)).toContain("unflushed: data");
    },
    patienceMs,
  );
});

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
