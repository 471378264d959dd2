/** Keys of fio's log files, and of what is measured over which windows. */
import type { SupportedKey } from "./key.ts";
import { choiceKey, countKey, plainTimeKey, switchKey, textKey } from "./make-key.ts";

type LogName = "bw" | "lat" | "iops" | "hist";

function logKey(name: string, log: LogName, summary: string): SupportedKey {
  return {
    name,
    type: "word",
    default: "",
    summary,
    apply: (draft, value) => {
      // A bare word, or nothing behind the equals sign: the job's own name.
      draft.logs[log] = value.raw ?? "";
    },
  };
}

export const logKeys: readonly SupportedKey[] = [
  logKey("write_bw_log", "bw", "Write NAME_bw.JOB.log; without a value the job's name."),
  logKey("write_lat_log", "lat", "Write NAME_lat, NAME_slat and NAME_clat logs."),
  logKey("write_iops_log", "iops", "Write NAME_iops.JOB.log."),
  logKey("write_hist_log", "hist", "Write NAME_clat_hist.JOB.log."),
  switchKey(
    "per_job_logs",
    { default: "1", summary: "A log for each job; 0 = one for all." },
    (draft, on) => {
      draft.logs.perJob = on;
    },
  ),
  countKey(
    "log_entries",
    {
      default: "1024",
      summary: "Lines that fio sets memory aside for.",
      noEffect: "logs are written as they come and set no memory aside",
    },
    { min: 1024, max: 2 ** 20 },
    () => {},
  ),
  plainTimeKey(
    "log_avg_msec",
    { unit: "ms", default: "0", summary: "One line for each window; 0 = for each operation." },
    (draft, ns) => {
      draft.logs.averageNs = ns;
    },
  ),
  choiceKey(
    ["log_window_value", "log_max_value"],
    {
      default: "avg",
      summary: "What the line of a window holds: avg, max, both.",
      choices: ["avg", "max", "both", "0", "1"],
    },
    (draft, choice) => {
      draft.logs.windowValue = choice === "0" ? "avg" : choice === "1" ? "max" : choice;
    },
  ),
  switchKey("log_offset", { default: "0", summary: "A column with the offset." }, (draft, on) => {
    draft.logs.offset = on;
  }),
  switchKey(
    "log_prio",
    { default: "0", summary: "The priority of each operation in its column." },
    (draft, on) => {
      draft.logs.prio = on;
    },
  ),
  switchKey(
    "log_issue_time",
    { default: "0", summary: "A last column with the time of sending, ns." },
    (draft, on) => {
      draft.logs.issueTime = on;
    },
  ),
  plainTimeKey(
    "log_hist_msec",
    { unit: "ms", default: "0", summary: "Distance of the lines of write_hist_log." },
    (draft, ns) => {
      draft.logs.histNs = ns;
    },
  ),
  countKey(
    "log_hist_coarseness",
    { default: "0", summary: "2^c buckets become one, c from 0 to 6." },
    { max: 6 },
    (draft, coarseness) => {
      draft.logs.histCoarseness = coarseness;
    },
  ),
  countKey(
    "log_compression",
    {
      unit: "bytes",
      default: "0",
      summary: "fio compresses its logs in memory.",
      noEffect: "logs are written as they come and keep nothing in memory",
    },
    { min: 1024, max: Number.MAX_SAFE_INTEGER },
    () => {},
  ),
  textKey(
    "log_compression_cpus",
    {
      default: "",
      summary: "CPUs for that.",
      noEffect: "logs are written as they come; no thread compresses them",
    },
    () => {},
  ),
  switchKey(
    ["log_alternate_epoch", "log_unix_epoch"],
    { default: "0", summary: "Times in logs count from 1970." },
    (draft, on) => {
      draft.logs.unixEpoch = on;
    },
  ),
  textKey(
    "write_iolog",
    { default: "", summary: "Write the operations as sent, as a trace." },
    (draft, path) => {
      draft.logs.iologPath = path;
    },
  ),
];

/** Clocks are ours: nanoseconds of CLOCK_MONOTONIC, read once where fio reads several times. */
const ownClock = "the clock is osdyno's own (CLOCK_MONOTONIC, ns)";

export const measureKeys: readonly SupportedKey[] = [
  plainTimeKey(
    "bwavgtime",
    { unit: "ms", default: "500", summary: "Window of a sample of bandwidth." },
    (draft, ns) => {
      draft.measures.bwWindowNs = ns;
    },
  ),
  plainTimeKey(
    "iopsavgtime",
    { unit: "ms", default: "500", summary: "Window of a sample of IOPS." },
    (draft, ns) => {
      draft.measures.iopsWindowNs = ns;
    },
  ),
  switchKey(
    "gtod_reduce",
    { default: "0", summary: "disable_lat, _clat, _slat and _bw_measurement at once." },
    (draft, on) => {
      if (on) {
        Object.assign(draft.measures, { lat: false, clat: false, slat: false, bw: false });
        draft.clatPercentiles = false;
        draft.slatPercentiles = false;
        draft.latPercentiles = false;
      }
    },
  ),
  switchKey(
    "disable_lat",
    { default: "0", summary: "Leave total latency out of fio's outputs." },
    (draft, on) => {
      draft.measures.lat = !on;
    },
  ),
  switchKey(
    "disable_clat",
    { default: "0", summary: "Leave completion latency out." },
    (draft, on) => {
      draft.measures.clat = !on;
    },
  ),
  switchKey(
    "disable_slat",
    { default: "0", summary: "Leave submission latency out." },
    (draft, on) => {
      draft.measures.slat = !on;
    },
  ),
  switchKey(
    ["disable_bw_measurement", "disable_bw"],
    {
      default: "0",
      summary: "Leave samples of bandwidth out.",
      noEffect: "samples of bandwidth cost nothing here, and fio 3.33 prints them all the same",
    },
    (draft, on) => {
      draft.measures.bw = !on;
    },
  ),
  choiceKey(
    "unit_base",
    {
      default: "0",
      summary: "Bandwidth in bytes (8) or bits (1); 0 = bytes.",
      choices: ["0", "8", "1"],
      priority: 1,
    },
    (draft, choice) => {
      draft.measures.unitBase = choice === "1" ? 1 : 8;
    },
  ),
  countKey(
    "significant_figures",
    {
      default: "4",
      summary: "Figures of numbers in the normal output.",
      noEffect: "the table is osdyno's own and always shows three; JSON has every digit",
    },
    { min: 1, max: 10 },
    (draft, count) => {
      draft.measures.significantFigures = count;
    },
  ),
  switchKey("stats", { default: "1", summary: "0 leaves the job out of results." }, (draft, on) => {
    draft.measures.stats = on;
  }),
  switchKey(
    "disk_util",
    {
      default: "1",
      summary: "Counters of the disks.",
      noEffect: "counters of the disks are always kept; they cost nothing while the job runs",
    },
    () => {},
  ),
  choiceKey(
    "clocksource",
    {
      default: "",
      summary: "Which clock fio reads.",
      noEffect: ownClock,
      choices: ["gettimeofday", "clock_gettime", "cpu"],
    },
    () => {},
  ),
  countKey(
    "gtod_cpu",
    { default: "", summary: "CPU of fio's thread that keeps the time.", noEffect: ownClock },
    {},
    () => {},
  ),
  countKey(
    "job_start_clock_id",
    { default: "0", summary: "Clock of job_start in fio's JSON.", noEffect: ownClock },
    {},
    () => {},
  ),
  countKey(
    "log_alternate_epoch_clock_id",
    { default: "0", summary: "Clock of times in fio's logs.", noEffect: ownClock },
    {},
    () => {},
  ),
];
