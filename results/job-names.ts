/** Names of the jobs of a run in `series.csv` and `hist/`: fit for a file name, each its own. */
import type { PlannedJob, RunPlan } from "../workloads/plan-model.ts";

export function plannedJobs(plan: RunPlan): readonly PlannedJob[] {
  return plan.phases.flatMap((phase) => phase.jobs);
}

/** A job's name without what a file name, a CSV field or a log's tag cannot hold. */
function fileName(name: string): string {
  const safe = name.replace(/[^A-Za-z0-9_.+@%=-]/g, "_").slice(0, 100);
  return safe === "" || safe.startsWith(".") ? `_${safe}` : safe;
}

/**
 * Name by `PlannedJob.index`. A job that is alone keeps its name, clones are `<job>.<jobnum>`;
 * sections that still share a name (fio allows it) get their position as well.
 */
export function seriesNames(plan: RunPlan): ReadonlyMap<number, string> {
  const jobs = plannedJobs(plan);
  const uses = countBy(jobs.map((job) => fileName(job.resolved.name)));
  const cloned = jobs.map((job) => {
    const name = fileName(job.resolved.name);
    return (uses.get(name) ?? 0) > 1 ? `${name}.${job.jobnum}` : name;
  });
  const clashes = countBy(cloned);
  return new Map(
    jobs.map((job, at) => {
      const name = cloned[at] ?? "";
      return [job.index, (clashes.get(name) ?? 0) > 1 ? `${name}.${job.index}` : name];
    }),
  );
}

function countBy(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}
