/** Keys of our own, unknown to fio. */
import { dirname, isAbsolute, join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { parseTarget } from "../target.ts";
import type { ArrivalChoice } from "./draft.ts";
import type { GivenValue } from "./given-value.ts";
import type { SupportedKey } from "./key.ts";
import { readNumber, readTime } from "./number-value.ts";
import { readObjectMix } from "./object-rules.ts";
import { badInput, commandLine, shown } from "./place.ts";

const mostProfilePoints = 100_000;

export const ownKeys: readonly SupportedKey[] = [
  {
    name: "target",
    type: "text",
    default: "the job's files",
    summary:
      "What the job runs on: raw:PATH, store:PATH?size=8g&..., null:, null:?service=50us&...",
    own: true,
    apply: (draft, value) => {
      const text = value.text();
      checkTarget(text, value);
      draft.target = text;
    },
  },
  {
    name: "op_class",
    type: "choice",
    default: "client",
    summary:
      "Class for the scheduler: client, recovery, best_effort, immediate (in front of all queues).",
    own: true,
    apply: (draft, value) => {
      draft.opClass = value.choice(["client", "recovery", "best_effort", "immediate"]);
    },
  },
  {
    name: "client_id",
    type: "number",
    default: "0",
    summary: "Client that the operations are counted for.",
    own: true,
    apply: (draft, value) => {
      draft.clientId = value.count({});
    },
  },
  {
    name: "op_priority",
    type: "number",
    default: "that of its class",
    summary:
      "Queue priority for the scheduler, 1 to 255: a weight in wpq, and from osd_op_queue_cut_off on (low 64, high 196) before all that waits below.",
    own: true,
    apply: (draft, value) => {
      draft.opPriority = value.count({ min: 1, max: 255 });
    },
  },
  {
    name: "io_unit",
    type: "choice",
    default: "block",
    summary: "What an operation is on: block, or object (target store:PATH).",
    own: true,
    apply: (draft, value) => {
      draft.ioUnit = value.choice(["block", "object"]);
    },
  },
  {
    name: "object_mix",
    type: "text",
    default: "rw's: reads are gets, writes puts, trims deletes",
    summary: "With io_unit=object, percent: get:60,put:20,overwrite:10,delete:5,omap:5.",
    own: true,
    apply: (draft, value) => {
      draft.objectMix = readObjectMix(value);
    },
  },
  {
    name: "arrival",
    type: "choice",
    default: "closed, or what rate and rate_process say",
    summary: "When operations arrive: closed, constant, poisson, burst:ON/OFF, profile:FILE.",
    own: true,
    apply: (draft, value) => {
      draft.arrival = readArrival(value);
    },
  },
  {
    name: "backlog_cap",
    type: "number",
    default: "1000000",
    summary: "Scheduled operations that may wait unsent before the run counts as overloaded.",
    own: true,
    apply: (draft, value) => {
      draft.backlogCap = value.count({ min: 1 });
    },
  },
];

/** What is wrong with a target is said where it stands, not when it is opened. */
function checkTarget(text: string, value: GivenValue): void {
  try {
    parseTarget(text);
  } catch (error) {
    throw error instanceof OsdynoError ? badInput(value.place, error.message) : error;
  }
}

function readArrival(value: GivenValue): ArrivalChoice {
  const text = value.text();
  const colon = text.indexOf(":");
  const kind = colon < 0 ? text : text.slice(0, colon);
  const rest = colon < 0 ? "" : text.slice(colon + 1);
  if ((kind === "closed" || kind === "constant" || kind === "poisson") && colon < 0) {
    return { kind };
  }
  if (kind === "burst" && rest !== "") {
    const [on = "", off = "", extra] = rest.split("/");
    const onUs = readTime(on, true);
    const offUs = readTime(off, true);
    if (extra !== undefined || onUs === null || offUs === null || onUs <= 0n || offUs < 0n) {
      throw value.refuse("a burst is two times, as burst:100ms/900ms, the first above 0");
    }
    const [onNs, offNs] = [Number(onUs) * 1000, Number(offUs) * 1000];
    if (!Number.isSafeInteger(onNs) || !Number.isSafeInteger(offNs)) {
      throw value.refuse("the times of a burst are beyond 104 days");
    }
    return { kind, onNs, offNs };
  }
  if (kind === "profile" && rest !== "") {
    return readProfile(value, rest);
  }
  throw value.refuse("must be closed, constant, poisson, burst:ON/OFF or profile:FILE");
}

/**
 * A rate profile: lines `TIME RATE` (time as in fio, bare numbers are seconds; operations a second),
 * ascending; a last line `repeat` starts over; `#` begins a comment.
 */
function readProfile(value: GivenValue, name: string): ArrivalChoice {
  const beside =
    isAbsolute(name) || value.place.file === commandLine
      ? null
      : join(dirname(value.place.file), name);
  const { readJobFile } = value.environment;
  const path = beside !== null && readJobFile(beside) !== null ? beside : name;
  const text = readJobFile(path);
  if (text === null) {
    throw value.refuse(`the rate profile ${shown(name)} does not exist`);
  }
  const points: [number, number][] = [];
  let repeat = false;
  for (const [index, raw] of text.split("\n").entries()) {
    const line = (raw.split("#")[0] ?? "").trim();
    if (line === "") {
      continue;
    }
    const fault = (message: string) => value.refuse(`${path}:${index + 1}: ${message}`);
    if (repeat) {
      throw fault("nothing may follow repeat");
    }
    if (line === "repeat") {
      repeat = true;
      continue;
    }
    const point = readPoint(line, value);
    if (point === null) {
      throw fault(`${shown(line)} is not "TIME RATE", as "10s 5000"`);
    }
    if (point[0] < (points.at(-1)?.[0] ?? 0)) {
      throw fault("times must ascend");
    }
    points.push(point);
    if (points.length > mostProfilePoints) {
      throw fault(`more than ${mostProfilePoints} points`);
    }
  }
  if (!points.some(([, rate]) => rate > 0)) {
    throw value.refuse(`the rate profile ${shown(name)} has no rate above 0`);
  }
  if (repeat && (points.at(-1)?.[0] ?? 0) === 0) {
    throw value.refuse(`the rate profile ${shown(name)} repeats but takes no time`);
  }
  return { kind: "profile", points, repeat };
}

function readPoint(line: string, value: GivenValue): [number, number] | null {
  const [at = "", rate = "", extra] = line.split(/[\s,]+/);
  const atUs = readTime(at, true);
  const perSecond = readNumber(rate, value.kbBase);
  if (extra !== undefined || atUs === null || atUs < 0n || perSecond?.kind !== "plain") {
    return null;
  }
  const atNs = Number(atUs) * 1000;
  const known = Number(perSecond.value);
  return Number.isSafeInteger(atNs) && known >= 0 && known <= 1e9 ? [atNs, known] : null;
}
