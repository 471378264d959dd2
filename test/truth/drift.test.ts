/** What a machine that gets slower does to verdicts: nothing to those of a sweep, everything to A's before B's. */
import { expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import {
  bounds,
  called,
  percent,
  runsOf,
  say,
  seed,
  sideOf,
  sweepOf,
  trialsOf,
  verdictOf,
} from "./machine.ts";

const variation = 0.015;
/** Slower by 10%, faster by 9%, and two that are as the baseline is. */
const slowdowns = [1, 1.1, 1, 0.91, 1] as const;

/** Verdicts of a sweep of them, on machines that differ in nothing but their drift. */
function verdictsOf(from: number, drift: number): Promise<readonly string[]> {
  const facts = { variation, drift };
  return sweepOf({ slowdowns, repeat: 10, facts, seed: from }, ({ record }) =>
    record.comparisons.map(({ verdict }) => verdict),
  );
}

const trials = trialsOf(30, 2);
test(`slowing down by 20% during ${trials} sweeps changes no verdict, OSDYNO_SEED=${seed}`, async () => {
  const random = new SeededRandom(seed).fork("drift");
  let [decided, overturned, undecided] = [0, 0, 0];
  for (let trial = 0; trial < trials; trial += 1) {
    const from = random.below(2 ** 31);
    const steady = await verdictsOf(from, 0);
    const drifting = await verdictsOf(from, 0.2);
    expect([steady[0], steady[2], drifting[0], drifting[2]]).toEqual([
      "worse",
      "better",
      "worse",
      "better",
    ]);
    for (const [place, verdict] of steady.entries()) {
      const other = drifting[place] ?? "";
      decided += Number(verdict !== "unclear");
      overturned += Number(called({ verdict }) !== called({ verdict: other }));
      undecided += Number((verdict === "unclear") !== (other === "unclear"));
    }
  }
  const all = trials * (slowdowns.length - 1);
  say(
    `a drift of 20%, runs vary by ${percent(variation)}, OSDYNO_SEED=${seed}: ${overturned} of ${all} verdicts overturned ` +
      `(${decided} were decided without it), ${undecided} more or less sure that nothing differs`,
  );
  expect(overturned).toBe(0);
}, 3_600_000);

const blind = trialsOf(100, 4);
test(`all runs of one side before those of the other: ${blind} A/A at 5% drift are called`, async () => {
  const random = new SeededRandom(seed).fork("blind");
  let wrong = 0;
  for (let trial = 0; trial < blind; trial += 1) {
    const facts = { variation, drift: 0.05 };
    await runsOf(20, facts, random.below(2 ** 31), (runs) => {
      const [a, b] = [sideOf("a", runs.slice(0, 10), null), sideOf("b", runs.slice(10), null)];
      wrong += Number(called(verdictOf(a, b, 0)));
    });
  }
  say(`A's before B's at a drift of 5%: ${wrong} of ${blind} wrong, OSDYNO_SEED=${seed}`);
  // This is what the order of sweeps is for.
  expect(wrong).toBeGreaterThan(bounds(blind, 0.05)[1]);
}, 3_600_000);
