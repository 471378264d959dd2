/** Keys of submission: batches, engines' own options, priorities of operations, durability. */
import type { GivenValue } from "./given-value.ts";
import { deepestQueue, type SupportedKey } from "./key.ts";
import { choiceKey, countKey, switchKey, wordKey } from "./make-key.ts";
import { readPrioritySplit } from "./priority-split.ts";

export const queueKeys: readonly SupportedKey[] = [
  countKey(
    ["iodepth_batch", "iodepth_batch_submit"],
    { default: "1", summary: "Operations gathered before they are sent; 0 = iodepth." },
    { max: deepestQueue },
    (draft, count) => {
      draft.queue.submitBatch = count;
    },
  ),
  countKey(
    ["iodepth_batch_complete_min", "iodepth_batch_complete"],
    { default: "1", summary: "Completions waited for at a time; 0 = never wait, only look." },
    { max: deepestQueue },
    (draft, count) => {
      draft.queue.completeMin = count;
    },
  ),
  countKey(
    "iodepth_batch_complete_max",
    { default: "iodepth_batch_complete_min", summary: "Completions taken at most at a time." },
    { max: deepestQueue },
    (draft, count) => {
      draft.queue.completeMax = count;
    },
  ),
  countKey(
    "iodepth_low",
    { default: "iodepth", summary: "A full queue drains to this before it is filled again." },
    { max: deepestQueue },
    (draft, count) => {
      draft.queue.low = count;
    },
  ),
  switchKey(
    "serialize_overlap",
    { default: "0", summary: "An operation waits for those in flight that overlap it." },
    (draft, on) => {
      draft.queue.serializeOverlap = on;
    },
  ),
  choiceKey(
    "io_submit_mode",
    {
      default: "inline",
      summary: "Send from the job's thread (inline) or from a pool of threads (offload).",
      choices: ["inline", "offload"],
    },
    (draft, mode) => {
      draft.queue.submitMode = mode;
    },
  ),
];

export const engineOptionKeys: readonly SupportedKey[] = [
  wordKey(
    "fixedbufs",
    { default: "0", summary: "io_uring: buffers registered with the kernel." },
    (draft, on) => {
      draft.engineOptions.fixedBuffers = on;
    },
  ),
  wordKey(
    "registerfiles",
    { default: "0", summary: "io_uring: files registered with the ring." },
    (draft, on) => {
      draft.engineOptions.registerFiles = on;
    },
  ),
  wordKey(
    "sqthread_poll",
    { default: "0", summary: "io_uring: a kernel thread takes submissions (SQPOLL)." },
    (draft, on) => {
      draft.engineOptions.sqThreadPoll = on;
    },
  ),
  {
    name: "sqthread_poll_cpu",
    type: "number",
    default: "any",
    summary: "io_uring: CPU of that thread; switches sqthread_poll on.",
    apply: (draft, value) => {
      draft.engineOptions.sqThreadCpu = value.count({ max: value.environment.cpuCount - 1 });
      draft.engineOptions.sqThreadPoll = true;
    },
  },
  wordKey(
    "hipri",
    { default: "0", summary: "io_uring, pvsync2: poll for completions (IOPOLL, RWF_HIPRI)." },
    (draft, on) => {
      draft.engineOptions.hipri = on;
    },
  ),
  countKey(
    "hipri_percentage",
    { unit: "%", default: "100", summary: "pvsync2: share of operations that are polled for." },
    { max: 100 },
    (draft, percent) => {
      draft.engineOptions.hipriPercent = percent;
    },
  ),
  countKey(
    "nonvectored",
    { default: "1", summary: "io_uring: READ and WRITE (1) or READV and WRITEV (0)." },
    {},
    (draft, count) => {
      draft.engineOptions.nonvectored = count > 0;
    },
  ),
  countKey(
    "force_async",
    { default: "0", summary: "io_uring: every so many operations go straight to a worker." },
    {},
    (draft, count) => {
      draft.engineOptions.forceAsyncEvery = count;
    },
  ),
  switchKey(
    "nowait",
    { default: "0", summary: "io_uring, libaio, pvsync2: RWF_NOWAIT." },
    (draft, on) => {
      draft.engineOptions.nowait = on;
    },
  ),
  countKey(
    "uncached",
    { default: "0", summary: "io_uring, pvsync2: RWF_DONTCACHE for buffered operations." },
    {},
    (draft, count) => {
      draft.engineOptions.uncached = count > 0;
    },
  ),
  wordKey(
    "userspace_reap",
    { default: "0", summary: "libaio: read completions from the ring without a system call." },
    (draft, on) => {
      draft.engineOptions.userspaceReap = on;
    },
  ),
  countKey(
    "thp",
    { default: "0", summary: "mmap: transparent huge pages." },
    {},
    (draft, count) => {
      draft.engineOptions.hugePages = count > 0;
    },
  ),
];

/** Engines that have an option; on others it has no effect, and fio refuses it. */
export const enginesOf: ReadonlyMap<string, readonly string[]> = new Map([
  ["fixedbufs", ["io_uring"]],
  ["registerfiles", ["io_uring"]],
  ["sqthread_poll", ["io_uring"]],
  ["sqthread_poll_cpu", ["io_uring"]],
  ["nonvectored", ["io_uring"]],
  ["force_async", ["io_uring"]],
  ["hipri", ["io_uring", "pvsync2"]],
  ["hipri_percentage", ["pvsync2"]],
  ["uncached", ["io_uring", "pvsync2"]],
  ["nowait", ["io_uring", "libaio", "pvsync2"]],
  ["userspace_reap", ["libaio"]],
  ["thp", ["mmap"]],
  ["cmdprio_percentage", ["io_uring", "libaio"]],
  ["cmdprio_class", ["io_uring", "libaio"]],
  ["cmdprio", ["io_uring", "libaio"]],
  ["cmdprio_bssplit", ["io_uring", "libaio"]],
]);

/** Values for reads and writes; trims have none. */
function pair(value: GivenValue, slots: [number, number], limits: { min?: number; max: number }) {
  const three: [number, number, number] = [slots[0], slots[1], slots[1]];
  value.triple(three, limits);
  slots[0] = three[0];
  slots[1] = three[1];
}

export const commandPriorityKeys: readonly SupportedKey[] = [
  {
    name: "cmdprio_percentage",
    type: "number",
    unit: "%",
    default: "0",
    summary: "Share of operations sent with a priority of their own, for read, write.",
    apply: (draft, value) => {
      pair(value, draft.commandPriority.percent, { max: 100 });
    },
  },
  {
    name: "cmdprio_class",
    type: "number",
    default: "1",
    summary: "Class of that priority (1 real time, 2 best effort, 3 idle), for read, write.",
    apply: (draft, value) => {
      pair(value, draft.commandPriority.class, { min: 1, max: 3 });
    },
  },
  {
    name: "cmdprio",
    type: "number",
    default: "0",
    summary: "Level of that priority, 0 (highest) to 7, for read, write.",
    apply: (draft, value) => {
      pair(value, draft.commandPriority.level, { max: 7 });
    },
  },
  {
    name: "cmdprio_bssplit",
    type: "split",
    unit: "bytes/%",
    default: "",
    summary: "Priority by block size: bs/%[/class/level][:...], for read, write.",
    apply: (draft, value) => {
      draft.commandPriority.splits = value.accept(readPrioritySplit(value.text(), value.kbBase));
      if (
        value
          .text()
          .split(/[:,]/)
          .some((entry) => entry.split("/").length > 4)
      ) {
        value.note(
          "hints of cmdprio_bssplit have no effect: they are newer than fio 3.33, which passes over them too",
        );
      }
    },
  },
];

const rangeModes = ["wait_before", "write", "wait_after"];

export const syncKeys: readonly SupportedKey[] = [
  {
    name: "sync_file_range",
    type: "text",
    default: "",
    summary: "sync_file_range after every N writes: wait_before,write,wait_after[:N].",
    apply: (draft, value) => {
      const parts = value.text().trim().split(",");
      const names = parts.map((part) => part.split(":")[0] ?? "");
      // fio takes the first number for all of them.
      const count = parts.find((part) => part.includes(":"))?.split(":")[1];
      const unknown = names.find((name) => !rangeModes.includes(name));
      if (unknown !== undefined) {
        throw value.refuse(`must be made of ${rangeModes.join(", ")}, as write:8`);
      }
      const every = count === undefined ? 1 : Number.parseInt(count, 10);
      if (!(every >= 1)) {
        throw value.refuse("needs a number of writes behind the colon, at least 1");
      }
      draft.syncs.fileRange = {
        every,
        waitBefore: names.includes("wait_before"),
        write: names.includes("write"),
        waitAfter: names.includes("wait_after"),
      };
    },
  },
  countKey(
    "write_barrier",
    {
      default: "0",
      summary: "Every so many writes is a barrier.",
      noEffect:
        "no engine of fio 3.33 sends barriers, and Linux has none since 2.6.37; use fsync or sync",
    },
    {},
    () => {},
  ),
  switchKey(
    "fsync_on_close",
    { default: "0", summary: "fsync each file when it is closed." },
    (draft, on) => {
      draft.syncs.onClose = on;
    },
  ),
];
