/** Keys that say how operations are sent, by whom, how long and how fast. */
import { readCpus } from "./compound-value.ts";
import { deepestQueue, mostClones, type SupportedKey } from "./key.ts";

export const engineKeys: readonly SupportedKey[] = [
  {
    name: "ioengine",
    type: "text",
    default: "psync",
    summary: "How I/O is sent: io_uring, psync, null, memory (ours).",
    apply: (draft, value) => {
      draft.ioengine = value.text();
    },
  },
  {
    name: "iodepth",
    type: "number",
    default: "1",
    summary: "Operations in flight at most.",
    apply: (draft, value) => {
      draft.iodepth = value.count({ min: 1, max: deepestQueue });
    },
  },
  {
    name: "direct",
    type: "switch",
    default: "0",
    summary: "Bypass the page cache (O_DIRECT).",
    apply: (draft, value) => {
      draft.direct = value.switch(false);
    },
  },
  {
    name: "buffered",
    type: "switch",
    default: "1",
    summary: "The opposite of direct.",
    apply: (draft, value) => {
      draft.direct = !value.switch(false);
    },
  },
  {
    name: "sync",
    type: "choice",
    default: "none",
    summary: "Open with O_SYNC or O_DSYNC: none, sync, dsync.",
    apply: (draft, value) => {
      const choice = value.choice(["none", "0", "sync", "1", "dsync"]);
      draft.sync = choice === "0" ? "none" : choice === "1" ? "sync" : choice;
    },
  },
  {
    name: "fsync",
    type: "number",
    default: "0",
    summary: "fsync after every so many writes; 0 = never.",
    apply: (draft, value) => {
      draft.fsync = value.count({});
    },
  },
  {
    name: "fdatasync",
    type: "number",
    default: "0",
    summary: "fdatasync after every so many writes; 0 = never.",
    apply: (draft, value) => {
      draft.fdatasync = value.count({});
    },
  },
  {
    name: "end_fsync",
    type: "switch",
    default: "0",
    summary: "fsync each file when the writes are done.",
    apply: (draft, value) => {
      draft.endFsync = value.switch(false);
    },
  },
];

export const runKeys: readonly SupportedKey[] = [
  {
    name: "numjobs",
    type: "number",
    default: "1",
    summary: "Clones of the job, each in a thread of its own.",
    apply: (draft, value) => {
      draft.numjobs = value.count({ min: 1, max: mostClones });
    },
  },
  {
    name: "thread",
    type: "word",
    default: "0",
    summary: "Threads instead of processes.",
    noEffect: "jobs always run in threads of one process here",
    apply: (draft, value) => {
      draft.thread = value.switch(true);
    },
  },
  {
    name: "runtime",
    aliases: ["timeout"],
    type: "time",
    unit: "s",
    default: "until the size is done",
    summary: "Longest time to run.",
    apply: (draft, value) => {
      draft.runtimeNs = value.time(true);
    },
  },
  {
    name: "time_based",
    type: "word",
    default: "0",
    summary: "Start over until the runtime ends.",
    apply: (draft, value) => {
      draft.timeBased = value.switch(true);
    },
  },
  {
    name: "ramp_time",
    type: "time",
    unit: "s",
    default: "0",
    summary: "Warm-up before measuring; labelled, never a restart.",
    apply: (draft, value) => {
      draft.rampNs = value.time(true);
    },
  },
  {
    name: "startdelay",
    type: "time",
    unit: "s",
    default: "0",
    summary: "Wait before the job begins, or a range to draw it from: 5-10.",
    apply: (draft, value) => {
      const [least, most] = value.timeRange(true);
      draft.startDelayNs = least;
      draft.pace.startDelayMaxNs = most;
    },
  },
  {
    name: "stonewall",
    aliases: ["wait_for_previous"],
    type: "word",
    default: "0",
    summary: "Begin when every job before is done; starts a new reporting group.",
    apply: (draft, value) => {
      draft.stonewall = value.switch(true);
    },
  },
  {
    name: "new_group",
    type: "word",
    default: "0",
    summary: "Start a new reporting group.",
    apply: (draft, value) => {
      draft.newGroup = value.switch(true);
    },
  },
  {
    name: "group_reporting",
    type: "word",
    default: "0",
    summary: "One result for the whole group.",
    apply: (draft, value) => {
      draft.groupReporting = value.switch(true);
    },
  },
  {
    name: "loops",
    type: "number",
    default: "1",
    summary: "How often the whole is done.",
    apply: (draft, value) => {
      draft.loops = Math.max(1, value.count({}));
    },
  },
  {
    name: "number_ios",
    type: "number",
    default: "no limit",
    summary: "Operations at most.",
    apply: (draft, value) => {
      draft.numberIos = value.count({ max: Number.MAX_SAFE_INTEGER });
    },
  },
  {
    name: "cpus_allowed",
    type: "list",
    default: "all",
    summary: "CPUs the job may use: 0,5,8-15.",
    apply: (draft, value) => {
      draft.cpusAllowed = value.accept(readCpus(value.text(), value.environment.cpuCount));
    },
  },
];

export const paceKeys: readonly SupportedKey[] = [
  {
    name: "rate",
    type: "size",
    unit: "bytes/s",
    default: "no limit",
    summary: "Bytes a second on an absolute schedule, for read, write, trim.",
    apply: (draft, value) => {
      value.triple(draft.rate, {});
    },
  },
  {
    name: "rate_iops",
    type: "number",
    unit: "1/s",
    default: "no limit",
    summary: "Operations a second on an absolute schedule, for read, write, trim.",
    apply: (draft, value) => {
      value.triple(draft.rateIops, { max: 2 ** 32 - 1 });
      if (/(?:^|,)\s*0\s*(?:,|$)/.test(value.text())) {
        value.note("0 is no limit, as in fio, not standstill");
      }
      if (value.kbBase === 1024 && /\d[kmg]/i.test(value.text())) {
        value.note(
          `k, m, g are powers of 1024 here too: fio reads ${Math.max(...draft.rateIops)} a second`,
        );
      }
    },
  },
  {
    name: "rate_process",
    type: "choice",
    default: "linear",
    summary: "Even gaps (linear) or exponential ones (poisson).",
    apply: (draft, value) => {
      draft.rateProcess = value.choice(["linear", "poisson"]);
    },
  },
  {
    name: "thinktime",
    type: "time",
    unit: "us",
    default: "0",
    summary: "Pause after completed operations.",
    apply: (draft, value) => {
      draft.thinktimeNs = value.time(false);
    },
  },
  {
    name: "thinktime_blocks",
    type: "number",
    default: "1",
    summary: "Operations between two pauses.",
    apply: (draft, value) => {
      draft.thinktimeBlocks = Math.max(1, value.count({}));
    },
  },
];
