/** The contract of block devices on a layer that answers writes itself: a log or a cache. */
import { describe, expect, it } from "vitest";
import {
  type ConformanceSubject,
  conformanceChecks,
  runCheck,
} from "../../engine/hot/ioengine/conformance.ts";

/**
 * Checks that such a layer has no subject for: it takes every operation, and no device can be made
 * that fails each one, since what it answers itself does not reach the device below. Tests of the
 * layer fail that device instead. Any other check that is skipped fails here.
 */
const withoutSubject: readonly string[] = [
  "unsupported operations complete with ENOTSUP",
  "EIO surfaces",
  "short transfers surface",
];

export function checkLayer(name: string, subject: ConformanceSubject, seed: number): void {
  describe(name, () => {
    for (const check of conformanceChecks) {
      const outcome = withoutSubject.includes(check.name) ? "skipped" : "passed";
      const title = outcome === "passed" ? check.name : `${check.name}: not for a layer`;
      it(title, async () => {
        const result = await runCheck(subject, check, seed);
        expect(result.outcome, result.reason).toBe(outcome);
      });
    }
  });
}
