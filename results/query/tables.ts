/** The tables of `osdyno results query`: what the database is made of and what its help prints. */
import { seriesColumns } from "../series.ts";

export interface Column {
  readonly name: string;
  readonly type: "INTEGER" | "REAL" | "TEXT";
}

export interface QueryTable {
  readonly name: string;
  readonly about: string;
  readonly columns: readonly Column[];
}

const text = (...names: readonly string[]) =>
  names.map((name) => ({ name, type: "TEXT" as const }));
const real = (...names: readonly string[]) =>
  names.map((name) => ({ name, type: "REAL" as const }));
const whole = (...names: readonly string[]) =>
  names.map((name) => ({ name, type: "INTEGER" as const }));

/** Statistics of a time, as columns of `jobs` name them; in ns. */
export const jobStatistics = ["mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"] as const;
export const jobTimes = ["service", "wait", "response"] as const;

/** `response.p99.9` as the name of a column. */
export function columnOf(time: string, statistic: string): string {
  return `${time}_${statistic.replace(".", "_")}_ns`;
}

/** Metrics that `runs` has as columns of their own; all of them stand in `metrics`. */
export const runMetricColumns: readonly (readonly [column: string, metric: string])[] = [
  ["iops", "iops"],
  ["bw_bytes", "bw"],
  ["response_p50_ns", "response.p50"],
  ["response_p99_ns", "response.p99"],
  ["response_p99_9_ns", "response.p99.9"],
  ["response_max_ns", "response.max"],
  ["service_p99_ns", "service.p99"],
  ["cpu_us_per_io", "cpu_us_per_io"],
  ["rss_bytes", "rss_bytes"],
];

const seriesTypes: readonly Column[] = seriesColumns.map((name) => ({
  name,
  type: name === "job" || name === "direction" ? "TEXT" : "REAL",
}));

export const queryTables: readonly QueryTable[] = [
  {
    name: "runs",
    about: "one row a run; sweep, point, repeat where it is one of several; times in ns",
    columns: [
      ...whole("run"),
      ...text("path", "name", "kind", "sweep", "point"),
      ...whole("repeat"),
      ...text("label", "state", "reason", "started"),
      ...real("seconds"),
      ...whole("seed"),
      ...text("target", "chain", "io_path"),
      ...real(...runMetricColumns.map(([column]) => column)),
      ...whole("ios", "bytes", "written_bytes"),
      ...whole("late", "saturated", "overloaded", "errors"),
      ...text("command"),
    ],
  },
  {
    name: "jobs",
    about: "figures of a job by direction (read, write, trim, all)",
    columns: [
      ...whole("run"),
      ...text("job", "direction"),
      ...real("iops", "bw_bytes"),
      ...whole("ios"),
      ...real(...jobTimes.flatMap((time) => jobStatistics.map((each) => columnOf(time, each)))),
    ],
  },
  {
    name: "metrics",
    about:
      "every metric of every run by its name, and its counters as counter.NAME; solid 0: a percentile " +
      "with fewer than 10 samples beyond it",
    columns: [...whole("run"), ...text("metric"), ...real("value"), ...whole("solid")],
  },
  {
    name: "options",
    about: "options of the stack with their origins",
    columns: [...whole("run"), ...text("name", "value", "origin")],
  },
  {
    name: "facts",
    about: "what was recorded of the machine, as cpu.model, kernel.release, ...",
    columns: [...whole("run"), ...text("name", "value")],
  },
  {
    name: "series",
    about: "series.csv of every run",
    columns: [...whole("run"), ...seriesTypes],
  },
  {
    name: "sweeps",
    about: "one row a sweep; repeat: runs of each point that were asked for",
    columns: [
      ...text("sweep", "name", "question", "state", "reason"),
      ...whole("repeat", "preview", "seed"),
    ],
  },
  {
    name: "points",
    about: "points of sweeps; parameters as JSON (parameters ->> 'bs')",
    columns: [...text("sweep", "point", "parameters"), ...whole("runs")],
  },
  {
    name: "comparisons",
    about: "verdicts of sweeps",
    columns: [
      ...text("sweep", "metric", "base", "candidate"),
      ...real("base_median", "candidate_median", "ratio", "low", "high"),
      ...real("gap", "gap_low", "gap_high", "p_alone", "p"),
      ...whole("runs"),
      ...text("verdict", "reason"),
      ...whole("runs_needed"),
    ],
  },
];

/** A line a table, for `--help`. */
export function tablesText(): string {
  return queryTables
    .map(({ name, about, columns }) => {
      const names = columns.map((column) => column.name).join(", ");
      return `  ${name}: ${about}\n${wrapped(names, 84).join("\n")}`;
    })
    .join("\n");
}

function wrapped(words: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of words.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else {
      lines.push(`      ${word}`);
    }
  }
  return lines;
}
