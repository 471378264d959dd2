/**
 * Conformance suites of hot paths that need no event loop: named checks, free of any test framework, so
 * that vitest and `osdyno bench --conform` run the same.
 */
import { SeededRandom } from "../base/random.ts";

/** One promise of an interface. `Subject` makes what is checked, anew for every check. */
export interface Check<Subject> {
  readonly name: string;
  /** Throws what is wrong, or returns why the check does not apply; `null`: it holds. */
  run(subject: Subject, random: SeededRandom): string | null;
}

export interface CheckResult {
  readonly check: string;
  readonly outcome: "passed" | "skipped" | "failed";
  /** Why skipped or what failed. */
  readonly reason: string;
}

/** Fails the check that is running, unless `holds`. */
export function expect(holds: boolean, what: string): asserts holds {
  if (!holds) {
    throw new Error(what);
  }
}

/** Runs one check; whatever the subject throws is a failure of its own. The seed reproduces it. */
export function runCheck<Subject>(
  subject: Subject,
  check: Check<Subject>,
  seed: number,
): CheckResult {
  try {
    const skipped = check.run(subject, new SeededRandom(seed).fork(check.name));
    return {
      check: check.name,
      outcome: skipped === null ? "passed" : "skipped",
      reason: skipped ?? "",
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { check: check.name, outcome: "failed", reason: `${reason} (seed ${seed})` };
  }
}
