/** When a job was in steady state, read from its record with tolerance for how it is told. */
import type { RunRecord } from "../run-record.ts";
import type { SteadySpan } from "./model.ts";

type Loose = Readonly<Record<string, unknown>>;

function isLoose(value: unknown): value is Loose {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/**
 * The steady part of the jobs of these names. `osdyno.steady` gives it exactly (`start_ms`, `end_ms`);
 * fio's `steadystate` object says how long the window was (`duration`, seconds) that ended the job.
 * @param endMs when the jobs ended
 */
export function steadySpan(
  record: RunRecord,
  sources: ReadonlySet<string>,
  endMs: number,
): SteadySpan | null {
  for (const job of record.jobs) {
    if (!job.osdyno.sources.some((source) => sources.has(source))) {
      continue;
    }
    const own: unknown = job.osdyno.steady;
    const found = isLoose(own) ? exactSpan(own) : null;
    const window = found ?? lastWindow(job["steadystate"], endMs);
    if (window !== null) {
      return window;
    }
  }
  return null;
}

/** Whether a job was to attain a steady state and did not. */
export function neverSteady(record: RunRecord): boolean {
  return record.jobs.some((job) => {
    const fio: unknown = job["steadystate"];
    return isLoose(fio) && (fio["attained"] === 0 || fio["attained"] === false);
  });
}

function exactSpan(steady: Loose): SteadySpan | null {
  const startMs = numberOf(steady["start_ms"]);
  const endMs = numberOf(steady["end_ms"]);
  const attained = steady["attained"] !== false && steady["attained"] !== 0;
  const iops = numberOf(steady["iops"]);
  return attained && startMs !== null && endMs !== null && endMs > startMs
    ? { startMs, endMs, ...(iops === null ? {} : { iops }) }
    : null;
}

function lastWindow(steadystate: unknown, endMs: number): SteadySpan | null {
  if (!isLoose(steadystate)) {
    return null;
  }
  const attained = steadystate["attained"] === 1 || steadystate["attained"] === true;
  const seconds = numberOf(steadystate["duration"]) ?? 0;
  return attained && seconds > 0 ? { startMs: Math.max(0, endMs - seconds * 1000), endMs } : null;
}
