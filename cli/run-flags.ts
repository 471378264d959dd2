/** Flags of `run` and `sweep` (`cli.md`); what is not among them is a fio key. */
import type { OwnFlag } from "./split-arguments.ts";

export interface RunFlag extends OwnFlag {
  readonly help: string;
}

const flag = (name: string, value: boolean, help: string): RunFlag => ({ name, value, help });
const repeatable = (name: string, help: string): RunFlag => ({
  ...flag(name, true, `${help} (repeatable)`),
  repeatable: true,
});

export const runFlags: readonly RunFlag[] = [
  repeatable("section", "only this section of the job files"),
  flag(
    "target",
    true,
    "where every job runs: raw:PATH, null:, store:PATH?size=8g&... (osdyno list targets)",
  ),
  repeatable("set", "OPTION=VALUE of the stack the jobs run on; osdyno options lists them"),
  flag("preset", true, "a set of such options (osdyno list presets); --set holds over it"),
  repeatable(
    "plugin",
    "a module with an implementation of your own for a hot path; it must conform",
  ),
  flag(
    "device-class",
    true,
    "hdd, ssd, nvme or pmem, instead of what is found out; decides defaults",
  ),
  flag(
    "shape",
    true,
    "the device behaves like this one: hdd-7200, sata-ssd, nvme, pmem, or a profile of osdyno fingerprint",
  ),
  flag(
    "generator-cpus",
    true,
    "CPUs of the threads that make the load, and of the event loop: 0,2-3, or NUMA nodes, node:0",
  ),
  flag(
    "target-cpus",
    true,
    "CPUs of the threads that a store has of its own, those of its key-value store: as above",
  ),
  flag(
    "endurance",
    true,
    "rated=600TB (or a profile of profiles/devices), most=10TB: the share of rated writes; ends at most",
  ),
  flag("repeat", true, "independent runs, each in a directory of its own"),
  flag("seed", true, "seed of the operation stream; replaces randseed"),
  flag("label", true, "part of the run directory's name"),
  flag("out", true, "the run directory (default: results/runs/<time>-<label>)"),
  flag("path", true, "native (default) or engine: through the TypeScript block device"),
  flag(
    "clock",
    true,
    "real (default) or virtual: a synthetic device's time jumps from event to event, a day in minutes",
  ),
  flag(
    "stages",
    true,
    "of how many operations the times in each layer are taken (engine path): auto (default), off, N (one in N)",
  ),
  flag("destroy", false, "allow writing to what is not a scratch place"),
  repeatable(
    "threshold",
    "'METRIC OP VALUE', e.g. 'write.response.p99 < 2ms'; exit 3 if it does not hold",
  ),
  flag("junit", true, "write JUnit XML: a --threshold that a run misses fails"),
  flag("output-format", true, "normal (default), json, json+, terse; several with commas"),
  flag("terse-version", true, "2, 3 (default), 4 or 5"),
  flag(
    "status-interval",
    true,
    "the result so far, every so many seconds (fio's units), and at the end",
  ),
  flag("eta", true, "auto (default), always or never: progress on stderr"),
  flag("eta-interval", true, "time between two lines of progress that are no bar (fio's units)"),
  flag("eta-newline", true, "fio's word for the same: each line of progress is a new one here"),
  flag("minimal", false, "fio's older word for --output-format terse"),
  flag("append-terse", false, "terse beside the other formats"),
  flag("output", true, "write the result there instead of stdout"),
  flag(
    "live",
    true,
    "one JSON line per interval to a file or - (stdout; the table goes to stderr then); OpenMetrics text if it ends in .prom",
  ),
  flag(
    "interval",
    true,
    "length of an interval of the time series, ms (default: 50 to 1000 by the run's length)",
  ),
  flag(
    "load-curve",
    false,
    "response times of an open loop at rising rates, up to and beyond the closed loop's, and the knee",
  ),
  flag("parse-only", false, "check the job and print its resolved values"),
  flag(
    "json",
    false,
    "one JSON document on stdout: as --output-format json, also of --parse-only and --dry-run",
  ),
  flag("showcmd", false, "print the jobs as a command line, as fio does"),
  flag("cmdhelp", true, "what fio's --cmdhelp tells of a job key, or of all"),
  flag("enghelp", true, "the job keys of an engine; list: the engines"),
  flag("warnings-fatal", false, "a note on the job is an error"),
  flag("readonly", false, "refuse jobs that write or trim"),
  flag("max-jobs", true, "refuse more jobs than this, clones counted"),
  flag("dry-run", false, "print the plan, its time, bytes and safety verdict"),
  flag("no-progress", false, "no progress on stderr"),
  flag("no-report", false, "do not write report.html"),
  flag("help", false, "this text"),
];

/** The flags as `--help` lists them. */
export function flagLines(flags: readonly RunFlag[]): string {
  const lines = flags.map(
    ({ name, value, help }) => `  --${`${name}${value ? " X" : ""}`.padEnd(18)} ${help}`,
  );
  return `Flags:\n${lines.join("\n")}`;
}
