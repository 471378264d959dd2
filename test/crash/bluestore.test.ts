import { describe, expect, it } from "vitest";
import { type CrashReport, exploreCrashes } from "../../engine/sim/crashes.ts";
import { storeScenarios } from "../../engine/store/crash-scenarios.ts";
import { settle } from "../conformance/kv-subjects.ts";
import { patienceMs, points, seed, seeds, survives } from "./explore.ts";

describe.each(storeScenarios.filter(({ canary }) => !canary))("$name", (scenario) => {
  it(
    `survives ${seeds * points} crashes at any write, from seed ${seed}`,
    async () => {
      expect(await survives(scenario)).toContain("unflushed: data or log");
    },
    patienceMs,
  );
});

it(
  "a store on a disk that loses flushes is found out",
  async () => {
    const [scenario] = storeScenarios.filter(({ canary }) => canary);
    let found: CrashReport | null = null;
    for (let each = seed; scenario !== undefined && found === null && each < seed + 5; each += 1) {
      const report = await exploreCrashes({ scenario, seed: each, points: 100, settle });
      found = report.failure === null ? null : report;
    }
    expect(found?.failure).not.toBeNull();
    expect(found).not.toBeNull();
  },
  patienceMs,
);
