/** What a run asked, where nobody wrote it down: read from its jobs. */
import type { RunRecord } from "../run-record.ts";
import type { Entry } from "./model.ts";

/** More workloads than this are counted instead of named. */
const mostNamed = 3;

/** The job's own `description=`, or the question that its keys ask; null when nothing completed. */
export function askedOf(record: RunRecord, entries: readonly Entry[]): string | null {
  const words = describedOf(record);
  if (words !== null || entries.length === 0) {
    return words;
  }
  const loads = [...new Set(entries.map(loadOf))];
  const what = loads.length > mostNamed ? `${loads.length} workloads` : listed(loads);
  return `How many IOPS does the target reach, and how long do operations take, with ${what}?`;
}

function describedOf(record: RunRecord): string | null {
  const words = record.jobs.flatMap((job) => {
    const own = typeof job["desc"] === "string" ? job["desc"] : "";
    return own === "" ? [] : [own];
  });
  const [first] = words;
  return first !== undefined && new Set(words).size === 1 ? first : null;
}

/** `4 KiB randread, 8 outstanding`; both directions of a job are one load. */
function loadOf(entry: Entry): string {
  const facet = entry.facet.replace(/, (?:reads|writes|trims)$/, "");
  if (entry.facet.startsWith("trace replay")) {
    return `a ${facet}`;
  }
  return entry.openLoop
    ? `${facet} at ${entry.load ?? entry.depth}`
    : `${facet}, ${entry.depth} outstanding`;
}

function listed(parts: readonly string[]): string {
  return parts.length < 2
    ? parts.join("")
    : `${parts.slice(0, -1).join("; ")}; and ${parts.at(-1)}`;
}
