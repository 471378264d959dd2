/** Keys of pauses, least rates, latency targets, steady state, and of how a job's end concerns others. */
import { constants } from "node:os";
import { readFloat } from "./compound-value.ts";
import type { GivenValue } from "./given-value.ts";
import type { SupportedKey } from "./key.ts";
import {
  choiceKey,
  countKey,
  plainTimeKey,
  switchKey,
  textKey,
  timeKey,
  wordKey,
} from "./make-key.ts";
import { assignPart, listParts, readNumber, readTime } from "./number-value.ts";

export const thinkKeys: readonly SupportedKey[] = [
  timeKey(
    "thinktime_spin",
    { unit: "us", default: "0", summary: "This much of a pause burns CPU, the rest sleeps." },
    (draft, ns) => {
      draft.pace.spinNs = ns;
    },
  ),
  choiceKey(
    "thinktime_blocks_type",
    {
      default: "complete",
      summary: "thinktime_blocks counts operations completed, or sent (issue).",
      choices: ["complete", "issue"],
    },
    (draft, counts) => {
      draft.pace.counts = counts;
    },
  ),
  timeKey(
    "thinktime_iotime",
    { unit: "s", default: "0", summary: "Pause after so much time of I/O." },
    (draft, ns) => {
      draft.pace.ioNs = ns;
    },
  ),
  switchKey(
    "rate_ignore_thinktime",
    { default: "0", summary: "A schedule does not catch up what pauses cost it." },
    (draft, on) => {
      draft.pace.ignoreThinktime = on;
    },
  ),
  {
    name: "rate_min",
    aliases: ["ratemin"],
    type: "size",
    unit: "bytes/s",
    default: "0",
    summary: "A job that falls below ends with an error, for read, write, trim.",
    apply: (draft, value) => {
      value.triple(draft.pace.floorBytes, {});
    },
  },
  {
    name: "rate_iops_min",
    type: "number",
    unit: "1/s",
    default: "0",
    summary: "The same in operations a second.",
    apply: (draft, value) => {
      value.triple(draft.pace.floorIops, { max: 2 ** 32 - 1 });
    },
  },
  plainTimeKey(
    ["rate_cycle", "ratecycle"],
    {
      unit: "ms",
      default: "1000",
      summary: "Window that rate_min and rate_iops_min are judged over.",
    },
    (draft, ns) => {
      draft.pace.cycleNs = ns;
    },
  ),
];

export const latencyTargetKeys: readonly SupportedKey[] = [
  timeKey(
    "latency_target",
    { unit: "us", default: "0", summary: "Find the queue depth that keeps this latency." },
    (draft, ns) => {
      draft.latencyTarget.targetNs = ns;
    },
  ),
  timeKey(
    "latency_window",
    { unit: "us", default: "0", summary: "How long a queue depth is tried." },
    (draft, ns) => {
      draft.latencyTarget.windowNs = ns;
    },
  ),
  {
    name: "latency_percentile",
    type: "number",
    unit: "%",
    default: "100",
    summary: "Share of operations that must keep latency_target.",
    apply: (draft, value) => {
      const percent = readFloat(value.text());
      if (percent === null || percent < 0 || percent > 100) {
        throw value.refuse("must be a number from 0 to 100");
      }
      draft.latencyTarget.percentile = percent;
    },
  },
  switchKey(
    "latency_run",
    { default: "0", summary: "Go on adjusting the depth instead of ending." },
    (draft, on) => {
      draft.latencyTarget.keepRunning = on;
    },
  ),
  {
    name: "max_latency",
    type: "time",
    unit: "us",
    default: "no limit",
    summary: "An operation above it ends the job, for read, write, trim.",
    apply: (draft, value) => {
      for (const part of listParts(value.text(), [])) {
        if (part.text === "") {
          continue;
        }
        const us = readTime(part.text, false);
        if (us === null || us < 0n || us > BigInt(Number.MAX_SAFE_INTEGER) / 1000n) {
          throw value.refuse("is no time; write it as 500us, 10ms, 1s");
        }
        assignPart(part, Number(us) * 1000, draft.ends.maxLatencyNs);
      }
    },
  },
];

const steadyMetrics = ["iops", "iops_slope", "bw", "bw_slope", "lat", "lat_slope"] as const;

function steadyLimit(value: GivenValue, metric: string, text: string): number {
  if (text.endsWith("%") || metric === "iops") {
    return readFloat(text) ?? Number.NaN;
  }
  if (metric === "bw") {
    const number = readNumber(text, value.kbBase);
    return number?.kind === "plain" ? Number(number.value) : Number.NaN;
  }
  const us = readTime(text, false);
  return us === null ? Number.NaN : Number(us) * 1000;
}

export const steadyStateKeys: readonly SupportedKey[] = [
  {
    name: "steadystate",
    aliases: ["ss"],
    type: "choice",
    default: "iops_slope:0.01%",
    summary: "End when iops, bw or lat (or its _slope) has settled: METRIC:LIMIT[%]; needs ss_dur.",
    apply: (draft, value) => {
      const [choice, postfix] = value.choiceWithPostfix(steadyMetrics);
      const metric = choice.replace("_slope", "") as "iops" | "bw" | "lat";
      const text = postfix?.trim() ?? "";
      const limit = steadyLimit(value, metric, text);
      if (!(limit >= 0)) {
        throw value.refuse(`needs a limit behind the colon, as ${choice}:0.5%`);
      }
      const { steadyState } = draft;
      steadyState.metric = metric;
      steadyState.slope = choice !== metric;
      steadyState.limit = limit;
      steadyState.percent = text.endsWith("%");
    },
  },
  timeKey(
    ["steadystate_duration", "ss_dur"],
    { unit: "s", default: "0", summary: "Window that must have settled; 0 = no steady state." },
    (draft, ns) => {
      draft.steadyState.durationNs = ns;
    },
  ),
  timeKey(
    ["steadystate_ramp_time", "ss_ramp"],
    { unit: "s", default: "0", summary: "Nothing is judged before." },
    (draft, ns) => {
      draft.steadyState.rampNs = ns;
    },
  ),
  {
    name: "steadystate_check_interval",
    aliases: ["ss_interval"],
    type: "time",
    unit: "s",
    default: "1",
    summary: "Distance of the samples, at least 1 s.",
    apply: (draft, value) => {
      const ns = value.time(true);
      if (ns < 1e9) {
        throw value.refuse("must be at least 1 s");
      }
      draft.steadyState.intervalNs = ns;
    },
  },
];

/** `ignore_error=EIO:ENOSPC,EAGAIN`: lists for read, write, verify. */
function ignoredErrors(value: GivenValue): { read: number[]; write: number[]; verify: number[] } {
  const lists = value.text().trim().split(",");
  if (lists.length > 3) {
    throw value.refuse("has three lists at most: read, write, verify");
  }
  const numbers = lists.map((list) =>
    list
      .split(":")
      .filter((name) => name !== "")
      .map((name) => {
        const known = (constants.errno as Readonly<Record<string, number>>)[name];
        const number = name.startsWith("E") ? known : Math.abs(Number.parseInt(name, 10));
        if (number === undefined || !(number > 0)) {
          throw value.refuse(`${name} is no error; name it as EIO or by its number`);
        }
        return number;
      }),
  );
  return { read: numbers[0] ?? [], write: numbers[1] ?? [], verify: numbers[2] ?? [] };
}

export const endKeys: readonly SupportedKey[] = [
  textKey(
    "wait_for",
    { default: "", summary: "Begin when every clone of this earlier job has ended." },
    (draft, name) => {
      draft.ends.waitFor = name;
    },
  ),
  wordKey(
    "exitall",
    { default: "0", summary: "When this job ends, the others end." },
    (draft, on) => {
      draft.ends.exitAll = on;
    },
  ),
  choiceKey(
    "exit_what",
    {
      default: "group",
      summary: "Who ends then: the group, those running now (stonewall), or all.",
      choices: ["group", "stonewall", "all"],
    },
    (draft, what) => {
      draft.ends.exitWhat = what;
    },
  ),
  wordKey(
    "exitall_on_error",
    { default: "0", summary: "When this job fails, the others end." },
    (draft, on) => {
      draft.ends.exitAllOnError = on;
    },
  ),
  choiceKey(
    "continue_on_error",
    {
      default: "none",
      summary: "Errors that are counted instead of ending the job: read, write, io, verify, all.",
      choices: ["none", "read", "write", "io", "verify", "all", "0", "1"],
    },
    (draft, kind) => {
      const all = kind === "all" || kind === "1";
      draft.ends.continueOn = {
        read: all || kind === "read" || kind === "io",
        write: all || kind === "write" || kind === "io",
        verify: all || kind === "verify",
      };
    },
  ),
  {
    name: "ignore_error",
    type: "list",
    default: "",
    summary: "Errors that are none: EIO:ENOSPC[,...], lists for read, write, verify.",
    apply: (draft, value) => {
      const ignore = ignoredErrors(value);
      const { continueOn } = draft.ends;
      draft.ends.ignore = ignore;
      draft.ends.continueOn = {
        read: continueOn.read || ignore.read.length > 0,
        write: continueOn.write || ignore.write.length > 0,
        verify: continueOn.verify || ignore.verify.length > 0,
      };
    },
  },
  switchKey(
    "error_dump",
    { default: "0", summary: "Name each error that is ignored." },
    (draft, on) => {
      draft.ends.dumpErrors = on;
    },
  ),
  countKey(
    "flow",
    { default: "0", summary: "Weight: jobs of one flow_id keep their operations in this ratio." },
    { max: 1000 },
    (draft, weight) => {
      draft.flow.weight = weight;
    },
  ),
  countKey(
    "flow_id",
    { default: "0", summary: "Which jobs are weighed against each other." },
    {},
    (draft, id) => {
      draft.flow.id = id;
    },
  ),
  plainTimeKey(
    "flow_sleep",
    { unit: "us", default: "0", summary: "How long a job that is ahead sleeps." },
    (draft, ns) => {
      draft.flow.sleepNs = ns;
    },
  ),
];
