/**
 * What each job, and each class of operations, had of a run: where several run side by side, a figure of all
 * together is nobody's. `response.p99@client` is the metric of one.
 */
import { OsdynoError } from "../engine/base/error.ts";
import { nearestName } from "../engine/base/nearest-name.ts";
import type { MeasuredJob } from "./fio-record.ts";
import type { OsdynoPart, OsdynoTotals, RunRecord } from "./run-record.ts";

/** More jobs than these are read in their own records. */
const mostJobs = 32;

/** Made where there are at least two jobs by name, or two classes. */
export function partsOf(
  jobs: readonly MeasuredJob[],
  sourceOf: (job: MeasuredJob) => string,
  totalsOf: (jobs: readonly MeasuredJob[]) => OsdynoTotals,
): Pick<RunRecord["osdyno"], "parts"> {
  const named = groupsBy(jobs, (job) => job.planned.resolved.name);
  const classed = groupsBy(jobs, (job) => job.planned.resolved.opClass);
  const part = (kind: OsdynoPart["kind"], groups: ReadonlyMap<string, readonly MeasuredJob[]>) =>
    groups.size < 2
      ? []
      : [...groups].map(([name, own]): OsdynoPart => {
          return { kind, name, sources: own.map(sourceOf), totals: totalsOf(own) };
        });
  const parts = [
    ...part("job", named.size > mostJobs ? new Map() : named),
    ...part("class", classed),
  ];
  return parts.length === 0 ? {} : { parts };
}

function groupsBy(
  jobs: readonly MeasuredJob[],
  key: (job: MeasuredJob) => string,
): ReadonlyMap<string, readonly MeasuredJob[]> {
  const groups = new Map<string, MeasuredJob[]>();
  for (const job of jobs) {
    groups.set(key(job), [...(groups.get(key(job)) ?? []), job]);
  }
  return groups;
}

/** The part of a run by its name: a job's, or else a class's; null without one. */
export function partNamed(record: RunRecord, name: string): OsdynoPart | null {
  const parts = record.osdyno.parts ?? [];
  const of = (kind: OsdynoPart["kind"]) =>
    parts.find((part) => part.kind === kind && part.name === name);
  return of("job") ?? of("class") ?? null;
}

interface Named {
  readonly name?: unknown;
  readonly opClass?: unknown;
}

/** Totals of a job or class; of all that ran where it ran alone; null where nothing has this name. */
export function totalsNamed(record: RunRecord, name: string): OsdynoTotals | null {
  const part = partNamed(record, name);
  if (part !== null) {
    return part.totals;
  }
  const all = (record.job?.resolved ?? []) as readonly Named[];
  const alone = (key: keyof Named) => all.length > 0 && all.every((job) => job[key] === name);
  return alone("name") || alone("opClass") ? record.osdyno.totals : null;
}

/** Throws `bad-input` when a metric names a job or class that none of these jobs is. */
export function checkPartNames(
  metrics: readonly string[],
  jobs: readonly { readonly name: string; readonly opClass: string }[],
  file: string,
): void {
  const known = [...new Set(jobs.flatMap(({ name, opClass }) => [name, opClass]))];
  for (const metric of metrics) {
    const part = metric.slice(metric.indexOf("@") + 1);
    const named = metric.includes("@") && !metric.startsWith("counter.");
    if (named && !known.includes(part)) {
      const near = nearestName(part, known);
      throw new OsdynoError(
        "bad-input",
        `metric '${metric}': no job and no class is called '${part}'${near === null ? "" : `, did you mean '${near}'?`}; there are ${known.join(", ")}`,
        { file },
      );
    }
  }
}
