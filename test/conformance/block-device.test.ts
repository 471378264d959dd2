import { afterAll, describe, expect, it } from "vitest";
import { conformanceChecks, runCheck } from "../../engine/hot/ioengine/conformance.ts";
import { nativeSubjects } from "./native-subjects.ts";
import { subjects } from "./subjects.ts";

/** A new seed every day finds what yesterday's did not; a failure prints it, OSDYNO_SEED repeats it. */
const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));

const native = nativeSubjects();
afterAll(() => native.release());

for (const { name, reason } of native.missing) {
  it(name, (context) => context.skip(reason));
}

for (const subject of [...subjects, ...native.subjects]) {
  describe(subject.name, () => {
    for (const check of conformanceChecks) {
      it(check.name, async (context) => {
        const result = await runCheck(subject, check, seed);
        if (result.outcome === "skipped") {
          context.skip(result.reason);
        }
        expect(result.outcome, result.reason).toBe("passed");
      });
    }
  });
}
