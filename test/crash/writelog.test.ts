import { describe, expect, it } from "vitest";
import { exploreCrashes } from "../../engine/sim/crashes.ts";
import {
  writeLogLives,
  writeLogOptions,
  writeLogScenario,
} from "../../engine/sim/scenario-writelog.ts";
import { settle } from "../conformance/kv-subjects.ts";
import { campaign, patienceMs, seed, seeds, survives } from "./explore.ts";

const points = campaign ? 2_000 : 400;
const sound = writeLogOptions.filter(({ canary }) => !canary);
/** Of all modes together. */
const operations = campaign ? 1_000_000 : 50_000;

const covered = [
  "after: a flush",
  "after: a trim or zeroes",
  "kept: all",
  "kept: none",
  "kept: torn",
  "kept: torn-large",
  "kept: whole",
  "unflushed: record or image",
  "unflushed: root",
];

describe.each(sound)("$name", (options) => {
  it(
    `survives ${seeds * points} crashes at any write, from seed ${seed}`,
    async () => {
      const scenario = writeLogScenario(options);
      const names = options.mode === "pmem" ? [...covered, "unflushed: entries"] : covered;
      expect(await survives(scenario, points)).toEqual(expect.arrayContaining(names));
    },
    patienceMs,
  );

  it(
    `life after life, ended by crashes, seed ${seed}`,
    async () => {
      const count = Math.ceil(operations / sound.length);
      const lives = await writeLogLives(options, seed, count, settle);
      process.stdout.write(`${options.name}: ${count} operations in ${lives} lives\n`);
      expect(lives).toBeGreaterThan(10);
    },
    patienceMs,
  );
});

it("finds the planted bug: flushes of the log that are missing", async () => {
  const options = writeLogOptions.find(({ canary }) => canary);
  const found: string[] = [];
  for (let each = seed; options !== undefined && each < seed + 3; each += 1) {
    const scenario = writeLogScenario(options);
    const { failure } = await exploreCrashes({ scenario, seed: each, points: 200, settle });
    found.push(...(failure === null ? [] : [failure.message]));
  }
  expect(found.join("\n")).toMatch(/promised|damaged|acknowledged/);
});
