/** Turns what a run tells into progress on stderr. */
import type { RunEvents } from "../results/perform.ts";
import { formatCount, formatRateDecimal } from "../results/units.ts";
import type { RunPoll } from "../workloads/run-outcome.ts";
import type { Progress } from "./progress.ts";

export interface NamedRunEvents extends RunEvents {
  /** The next events belong to this. */
  begin(label: string): void;
}

/** Rates are over what came in since the last update, at least this long ago. */
const rateEveryMs = 500;

export function runEvents(progress: Progress): NamedRunEvents {
  let label = "";
  let laying = "";
  let since = { ms: 0, ios: 0, bytes: 0 };
  let detail = "";
  const rate = (poll: RunPoll) => {
    const ios = poll.jobs.reduce((sum, job) => sum + job.ios, 0);
    const bytes = poll.jobs.reduce((sum, job) => sum + job.bytes, 0);
    const ms = poll.nowNs / 1e6;
    if (ms < since.ms || ios < since.ios) {
      since = { ms, ios, bytes };
    } else if (ms - since.ms >= rateEveryMs) {
      const seconds = (ms - since.ms) / 1000;
      detail = `${formatCount((ios - since.ios) / seconds)} IOPS ${formatRateDecimal((bytes - since.bytes) / seconds)}`;
      since = { ms, ios, bytes };
    }
    return detail;
  };
  return {
    begin(text) {
      label = text;
      laying = "";
      since = { ms: 0, ios: 0, bytes: 0 };
      detail = "";
      progress.begin(label);
    },
    layout(path, doneBytes, totalBytes) {
      if (laying !== path) {
        laying = path;
        progress.begin(`laying out ${path}`);
      }
      progress.update(doneBytes / totalBytes, "");
      if (doneBytes === totalBytes) {
        progress.begin(label);
      }
    },
    progress(poll) {
      const known = poll.jobs.map((job) => job.progress).filter((value) => value !== null);
      const fraction = known.length < poll.jobs.length ? null : Math.min(...known);
      progress.update(fraction, rate(poll));
    },
    note: (line) => progress.note(line),
  };
}
