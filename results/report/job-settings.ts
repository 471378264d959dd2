/** How the target was driven: the keys of the jobs, and which of them a sweep varied. */
import type { RunRecord } from "../run-record.ts";
import type { Fact, FactGroup } from "./model.ts";

type Loose = Readonly<Record<string, unknown>>;

function isLoose(value: unknown): value is Loose {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Keys that decide a result even where nobody gave them, with their names in `job.resolved`. */
const important: readonly (readonly [key: string, resolved: string])[] = [
  ["ioengine", "ioengine"],
  ["iodepth", "iodepth"],
  ["numjobs", "numjobs"],
  ["direct", "direct"],
];

function inOrder(values: readonly string[]): readonly string[] {
  const numbers = values.every((value) => /^\d+$/.test(value));
  return numbers ? [...values].sort((a, b) => Number(a) - Number(b)) : values;
}

interface Job {
  readonly name: string;
  readonly values: ReadonlyMap<string, string>;
}

function jobsOf(record: RunRecord): readonly Job[] {
  return (record.job?.resolved ?? []).filter(isLoose).map((job) => {
    const values = new Map<string, string>();
    // The keys of [global] are the job's too.
    const own = isLoose(job["given"]) ? job["given"] : {};
    const given: Loose = { ...record["global options"], ...own };
    for (const [key, resolved] of important) {
      const value = job[resolved];
      if (given[key] === undefined && value !== undefined && value !== null) {
        values.set(key, String(typeof value === "boolean" ? Number(value) : value));
      }
    }
    for (const [key, value] of Object.entries(given)) {
      values.set(key, value === "" ? "1" : String(value));
    }
    const target = job["target"];
    if (typeof target === "string" && !target.startsWith("raw:")) {
      // Only files and devices are driven by the job's engine.
      values.delete("ioengine");
    }
    return { name: String(job["name"] ?? "job"), values };
  });
}

/** A group per job of the first run; a key that differs in another run shows all its values. */
export function jobSettings(records: readonly RunRecord[]): readonly FactGroup[] {
  const runs = records.map(jobsOf);
  const [first = []] = runs;
  return first.map((job, index) => {
    const same = runs.flatMap((run) => run[index] ?? []);
    const keys = [...new Set(same.flatMap((one) => [...one.values.keys()]))];
    const facts: Fact[] = keys.map((key) => {
      const values = [...new Set(same.map((one) => one.values.get(key) ?? "not set"))];
      return { name: key, value: inOrder(values).join(", ") };
    });
    return { title: job.name, facts };
  });
}
