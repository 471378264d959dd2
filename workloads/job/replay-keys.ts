/** Keys of traces that are replayed. */
import { readFloat, readNames } from "./compound-value.ts";
import type { GivenValue } from "./given-value.ts";
import type { SupportedKey } from "./key.ts";
import { bytesKey, countKey, switchKey, textKey } from "./make-key.ts";

const skips = ["read", "write", "trim", "sync"] as const;

/** Numbers above 0, separated by colons. */
function numbers(value: GivenValue): number[] {
  return value
    .text()
    .trim()
    .split(":")
    .map((part) => {
      const number = readFloat(part);
      if (number === null || !(number > 0)) {
        throw value.refuse("must be numbers above 0, separated by colons: 100:50");
      }
      return number;
    });
}

export const replayKeys: readonly SupportedKey[] = [
  {
    name: "read_iolog",
    type: "names",
    default: "",
    summary: "Replay this trace: fio's version 2 or 3, or blktrace; a:b for clones in turn.",
    apply: (draft, value) => {
      draft.replay.paths = readNames(value.text());
      if (draft.replay.paths.length === 0) {
        throw value.refuse("names no file");
      }
    },
  },
  switchKey(
    "read_iolog_chunked",
    {
      default: "0",
      summary: "Read the trace in pieces.",
      noEffect: "traces are always read in pieces",
    },
    (draft, on) => {
      draft.replay.chunked = on;
    },
  ),
  switchKey(
    "replay_no_stall",
    { default: "0", summary: "As fast as the queue takes operations, in their order." },
    (draft, on) => {
      draft.replay.noStall = on;
    },
  ),
  textKey(
    "replay_redirect",
    { default: "", summary: "Send everything to this device." },
    (draft, path) => {
      draft.replay.redirect = path;
    },
  ),
  countKey(
    "replay_scale",
    { default: "1", summary: "Divide offsets by this." },
    { min: 1 },
    (draft, divisor) => {
      draft.replay.scaleDivisor = divisor;
    },
  ),
  bytesKey(
    "replay_align",
    { default: "0", summary: "Round offsets down to a multiple of this." },
    { min: 512 },
    (draft, bytes) => {
      draft.replay.alignBytes = bytes;
    },
  ),
  countKey(
    "replay_time_scale",
    { unit: "%", default: "100", summary: "Speed of the trace: 200 is twice as fast." },
    { min: 1 },
    (draft, percent) => {
      draft.replay.timeScalePercent = percent;
    },
  ),
  {
    name: "replay_skip",
    type: "list",
    default: "",
    summary: "Operations to leave out: read,write,trim,sync.",
    apply: (draft, value) => {
      const skip = { read: false, write: false, trim: false, sync: false };
      for (const name of value.text().trim().split(",")) {
        const kind = skips.find((candidate) => candidate === name);
        if (kind === undefined) {
          throw value.refuse(`must be made of ${skips.join(", ")}`);
        }
        skip[kind] = true;
      }
      draft.replay.skip = skip;
    },
  },
  {
    name: "replay_event",
    type: "choice",
    default: "queue",
    summary:
      "Event of a block trace that is replayed: queue (as fio), issue (what the device got).",
    own: true,
    apply: (draft, value) => {
      draft.replay.event = value.choice(["queue", "issue"]);
    },
  },
  textKey(
    "merge_blktrace_file",
    { default: "", summary: "Merge the traces of read_iolog into this file and replay it." },
    (draft, path) => {
      draft.replay.mergePath = path;
    },
  ),
  {
    name: "merge_blktrace_scalars",
    type: "list",
    unit: "%",
    default: "100 each",
    summary: "Scale of each merged trace's time.",
    apply: (draft, value) => {
      draft.replay.mergeScalars = numbers(value);
    },
  },
  {
    name: "merge_blktrace_iters",
    type: "list",
    default: "1 each",
    summary: "How often each merged trace is played.",
    apply: (draft, value) => {
      draft.replay.mergeIterations = numbers(value).map(Math.floor);
    },
  },
];
