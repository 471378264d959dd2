/** A resolved job as plain JSON, for `--parse-only --json` and `run.json`. */
import type { ResolvedJob } from "./model.ts";

/** All values; options as given become an object of strings. */
export function resolvedToJson(job: ResolvedJob): Readonly<Record<string, unknown>> {
  return { ...job, given: Object.fromEntries(job.given) };
}
