import { describe, expect, it } from "vitest";
import { type CrashReport, exploreCrashes, replayCommand } from "../../engine/sim/crashes.ts";
import { storeScenarios } from "../../engine/store/crash-scenarios.ts";
import { settle } from "../conformance/kv-subjects.ts";

/** A new seed every day finds what yesterday's did not; a failure prints it, OSDYNO_SEED repeats it. */
const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));
const campaign = process.env["OSDYNO_CAMPAIGN"] === "1";
const seeds = campaign ? 20 : 1;
const points = campaign ? 1_000 : 60;
const patienceMs = campaign ? 7_200_000 : 300_000;

describe.each(storeScenarios.filter(({ canary }) => !canary))("$name", (scenario) => {
  it(
    `survives ${seeds * points} crashes at any write, from seed ${seed}`,
    async () => {
      const coverage = new Map<string, number>();
      for (let each = seed; each < seed + seeds; each += 1) {
        const report = await exploreCrashes({ scenario, seed: each, points, settle });
        for (const [name, times] of Object.entries(report.coverage)) {
          coverage.set(name, (coverage.get(name) ?? 0) + times);
        }
        expect(
          report.failure,
          `${report.failure?.message}; again: ${replayCommand(report)}`,
        ).toBeNull();
      }
      const rows = [...coverage].sort().map(([name, times]) => `${name} ${times}`);
      process.stdout.write(`${scenario.name}: ${rows.join(", ")}\n`);
      expect([...coverage.keys()]).toContain("unflushed: data or log");
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
