/** A report on required figures says when they were measured, and how far single runs lay apart. */
import { expect, test } from "vitest";
import { requirementSentences } from "../../results/report/answer-requirements.ts";
import type { Entry, RunSummary } from "../../results/report/model.ts";

const requirement = {
  threshold: "iops >= 10000",
  metric: "iops",
  point: "durable",
  median: 39_000,
  low: null,
  high: null,
  verdict: "met" as const,
  because: "",
};

const entry = (low: number, high: number) =>
  ({
    point: "durable",
    parameters: { test: "durable writes" },
    metrics: { iops: { value: 39_000, low, high, values: [low, high], solid: true } },
  }) as unknown as Entry;

const run = (started: string, seconds: number, othersCpuShare?: number, others: string[] = []) =>
  ({ started, seconds, others, othersCpuShare }) as unknown as RunSummary;

test("when, over how long, and what others had meanwhile", () => {
  const runs = [
    run("2026-11-21T10:48:30.000Z", 15, 0.41, ["others had 41% of the CPUs"]),
    run("2026-11-21T10:47:00.000Z", 6, 0.02),
  ];
  const sentences = requirementSentences([requirement], [entry(34_000, 49_000)], runs);
  expect(sentences[0]).toBe("Yes: the required figure is reached.");
  expect(sentences[1]).toMatch(/single runs 34.0k to 49.0k \(1.44 times\)/);
  expect(sentences[2]).toBe(
    "Measured from 2026-11-21 10:47 to 2026-11-21 10:48 UTC, 2 runs within 105 s; " +
      "others had 2% to 41% of the CPUs meanwhile, enough to be told of 1 of 2 runs.",
  );
  const old = requirementSentences(
    [requirement],
    [entry(1, 1)],
    [run("2026-11-21T10:47:00.000Z", 6)],
  );
  expect(old.at(-1)).toMatch(/what others had of the machine meanwhile was not recorded/);
});

test("runs more than twice apart take from the answer what it cannot promise", () => {
  const first = (low: number, high: number) =>
    requirementSentences([requirement], [entry(low, high)])[0];
  expect(first(10_000, 20_000)).not.toContain("levels");
  expect(first(486, 3404)).toMatch(
    /^Yes: .*The device has several levels, and the answer holds for what was measured: single runs lie apart in IOPS of durable writes 7 times\.$/,
  );
});
