/** Checks that a running store's records agree with each other. Reads metadata only. */
import type { Finding } from "./fsck/findings.ts";
import { Survey, type SurveySubject } from "./fsck/survey.ts";

export type StructureProblem = Pick<Finding, "kind" | "message">;

/** Everything that is wrong. Nothing may be under way. */
export function checkStructure(subject: SurveySubject): readonly StructureProblem[] {
  return new Survey(subject).run().findings.list;
}
