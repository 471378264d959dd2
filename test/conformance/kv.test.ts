import { describe, expect, it } from "vitest";
import { kvChecks, runKvCheck } from "../../engine/hot/kv/conformance.ts";
import { kvSubjects } from "./kv-subjects.ts";

/** A new seed every day finds what yesterday's did not; a failure prints it, OSDYNO_SEED repeats it. */
const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));

for (const subject of kvSubjects) {
  describe(subject.name, () => {
    for (const check of kvChecks) {
      it(check.name, async (context) => {
        const result = await runKvCheck(subject, check, seed);
        if (result.outcome === "skipped") {
          context.skip(result.reason);
        }
        expect(result.outcome, result.reason).toBe("passed");
      });
    }
  });
}
