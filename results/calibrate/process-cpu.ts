/** CPU time of a whole process tree, seen from outside: the same way for fio and for osdyno. */
import { readdirSync, readFileSync } from "node:fs";

function numbersIn(path: string): number[] {
  try {
    return readFileSync(path, "utf8").trim().split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return []; // the task ended between listing and reading
  }
}

function tasksOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}

/**
 * Nanoseconds of CPU used so far by every live thread of the process and its descendants (user and
 * system). fio forks its jobs, osdyno starts threads: both are covered, helper threads included.
 * Source: /proc/PID/task/TID/schedstat, first field.
 */
export function treeCpuNs(pid: number): number {
  let sum = 0;
  for (const task of tasksOf(pid)) {
    sum += numbersIn(`/proc/${pid}/task/${task}/schedstat`)[0] ?? 0;
    for (const child of numbersIn(`/proc/${pid}/task/${task}/children`)) {
      sum += treeCpuNs(child);
    }
  }
  return sum;
}
