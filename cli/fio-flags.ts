/**
 * Flags of fio's command line that are no job keys and that have no counterpart here: refused by name,
 * with what to do instead, or passed over with a note where nothing depends on them. Source: `fio --help`.
 */
import { OsdynoError } from "../engine/base/error.ts";
import { note } from "./progress.ts";

interface FioFlag {
  readonly name: string;
  readonly value: boolean;
  /** What to do instead, or why nothing depends on it. */
  readonly why: string;
}

const lined = (why: string, names: string): FioFlag[] =>
  names.split(" ").map((name) => ({ name, value: true, why }));

const refused: readonly FioFlag[] = [
  ...lined(
    "there is no client and server here; run osdyno on each machine and put the results together with `osdyno results merge`",
    "server client remote-config daemonize",
  ),
  ...lined(
    "a run does not start programs; watch --live from outside and send SIGINT to end the run",
    "trigger-file trigger-timeout trigger trigger-remote",
  ),
  ...lined(
    "each interval of a run is in its series.csv; logs by job: write_bw_log=PREFIX",
    "bandwidth-log",
  ),
  ...lined("logs by job: write_lat_log=PREFIX", "latency-log"),
  ...lined(
    "what was read of a job file: --parse-only --json; what is going to be done: --dry-run",
    "debug",
  ),
  ...lined(
    "traces are merged when a run replays them (merge_blktrace_file=); there is no run without I/O for it",
    "merge-blktrace-only",
  ),
  ...lined("files of state and dumps lie in the current directory; change there first", "aux-path"),
  ...lined("what can be measured by itself: osdyno bench --help", "crctest"),
  ...lined("clocks are measured before each run; the result has their cost", "cpuclock-test"),
  ...lined(
    "the result has the CPU time of each job and of the machine (generator health)",
    "idle-prof",
  ),
  ...lined("logs here are text; fio's compressed ones need fio", "inflate-log"),
];

const idle: readonly FioFlag[] = [...lined("memory is taken as it is needed", "alloc-size")];

/** Those that are passed over: they take their value like a flag of ours. */
export const fioFlags: readonly FioFlag[] = idle;

/** Throws `bad-input` for one that is refused, with or without a value; says of the others why they do nothing. */
export function checkFioFlags(args: readonly string[]): void {
  const named = (flag: FioFlag) =>
    args.some((text) => text === `--${flag.name}` || text.startsWith(`--${flag.name}=`));
  const wrong = refused.find(named);
  if (wrong !== undefined) {
    throw new OsdynoError(
      "bad-input",
      `--${wrong.name} is known to fio, not supported here: ${wrong.why}`,
    );
  }
  for (const { name, why } of idle.filter(named)) {
    note(`note: --${name} has no effect: ${why}`);
  }
}
