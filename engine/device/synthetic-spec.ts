/** The synthetic device's specification, and its text as a target: `null:?service=50us&...`. */
import { OsdynoError } from "../base/error.ts";
import { nearestName } from "../base/nearest-name.ts";

export const jitterLaws = Object.freeze(["none", "exp", "uniform", "lognormal"] as const);
export type JitterLaw = (typeof jitterLaws)[number];

/** Mirrors `SyntheticSpec` of `native/crates/core/src/spec.rs`. Times in ns since the device's start. */
export interface SyntheticSpec {
  /** Mean service time. */
  readonly serviceNs: number;
  readonly jitter: JitterLaw;
  /** First stall; `null` = none. */
  readonly stallAtNs: number | null;
  readonly stallForNs: number;
  /** From one stall's start to the next; `null` = only one. */
  readonly stallEveryNs: number | null;
  /** Probability that an operation fails with EIO. */
  readonly errorRate: number;
  /** Operations a second at most; `null` = no limit. */
  readonly iops: number | null;
  /** Bytes a second at most; `null` = no limit. */
  readonly bandwidth: number | null;
  /** Operations in service at once; `null` = no limit. */
  readonly channels: number | null;
  /** Capacity in bytes. */
  readonly size: number;
  readonly seed: number;
}

/** What parameters that are not given mean. */
export const syntheticDefaults: SyntheticSpec = Object.freeze({
  serviceNs: 0,
  jitter: "none",
  stallAtNs: null,
  stallForNs: 0,
  stallEveryNs: null,
  errorRate: 0,
  iops: null,
  bandwidth: null,
  channels: null,
  size: 2 ** 30,
  seed: 1,
});

type Draft = { -readonly [key in keyof SyntheticSpec]: SyntheticSpec[key] };

interface Parameter {
  readonly name: string;
  /** How a value looks, for messages and help. */
  readonly form: string;
  readonly meaning: string;
  /** `false`: not such a value. */
  set(draft: Draft, value: string): boolean;
}

const timeUnits: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9 };
const sizeUnits: Readonly<Record<string, number>> = {
  "": 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
};
const countUnits: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6 };

/** A number with a unit, in the unit's base; `null` when it is not one or not a safe integer. */
function quantity(text: string, units: Readonly<Record<string, number>>): number | null {
  const match = /^(\d+(?:\.\d+)?)([a-z]*)$/.exec(text.toLowerCase());
  const unit = units[match?.[2] ?? "?"];
  if (match === null || unit === undefined || (unit === 1 && text.includes("."))) {
    return null;
  }
  const value = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(value) ? value : null;
}

function timeParameter(
  name: string,
  key: "serviceNs" | "stallAtNs" | "stallForNs" | "stallEveryNs",
  meaning: string,
): Parameter {
  const set = (draft: Draft, text: string): boolean => {
    const value = quantity(text, timeUnits);
    if (value === null) {
      return false;
    }
    draft[key] = value;
    return true;
  };
  return { name, form: "a time with its unit, e.g. 50us, 3ms, 1.5s", meaning, set };
}

function limitParameter(
  name: string,
  key: "iops" | "bandwidth" | "channels" | "size",
  form: string,
  meaning: string,
  units: Readonly<Record<string, number>>,
  largest = Number.MAX_SAFE_INTEGER,
): Parameter {
  const set = (draft: Draft, text: string): boolean => {
    const value = quantity(text, units);
    if (value === null || value < 1 || value > largest) {
      return false;
    }
    draft[key] = value;
    return true;
  };
  return { name, form, meaning, set };
}

/** The parameters of `null:?`, for the parser and for `osdyno list`. */
export const syntheticParameters: readonly Parameter[] = Object.freeze([
  timeParameter("service", "serviceNs", "mean service time"),
  {
    name: "jitter",
    form: jitterLaws.join(", "),
    meaning: "law of the service time around its mean",
    set(draft, value) {
      const law = jitterLaws.find((known) => known === value);
      draft.jitter = law ?? draft.jitter;
      return law !== undefined;
    },
  },
  timeParameter("stall_at", "stallAtNs", "start of the first stall, since the device's start"),
  timeParameter("stall_for", "stallForNs", "length of a stall"),
  timeParameter("stall_every", "stallEveryNs", "from one stall's start to the next"),
  {
    name: "error_rate",
    form: "a share from 0 to 1, or a percentage: 0.001, 0.1%",
    meaning: "share of operations that fail with EIO",
    set(draft, value) {
      const share = /^\d+(\.\d+)?%?$/.test(value)
        ? Number.parseFloat(value) / (value.endsWith("%") ? 100 : 1)
        : Number.NaN;
      draft.errorRate = share;
      return share >= 0 && share <= 1;
    },
  },
  limitParameter(
    "iops",
    "iops",
    "operations a second from 1: 20000, 20k (k is 1000)",
    "operations a second at most",
    countUnits,
  ),
  limitParameter(
    "bw",
    "bandwidth",
    "bytes a second from 1: 500m (k, m, g are powers of 1024)",
    "bytes a second at most",
    sizeUnits,
  ),
  limitParameter(
    "channels",
    "channels",
    "a whole number from 1 to 1048576",
    "operations in service at once",
    { "": 1 },
    2 ** 20,
  ),
  limitParameter(
    "size",
    "size",
    "bytes: 1g (k, m, g, t are powers of 1024)",
    "capacity",
    sizeUnits,
  ),
  {
    name: "seed",
    form: "a whole number from 0",
    meaning: "seed of jitter and errors",
    set(draft, value) {
      draft.seed = /^\d+$/.test(value) ? Number(value) : Number.NaN;
      return Number.isSafeInteger(draft.seed);
    },
  },
]);

function refuse(text: string, reason: string): never {
  throw new OsdynoError("bad-input", `target ${text}: ${reason}`);
}

function findParameter(text: string, name: string): Parameter {
  const found = syntheticParameters.find((parameter) => parameter.name === name);
  if (found !== undefined) {
    return found;
  }
  const names = syntheticParameters.map((parameter) => parameter.name);
  const guess = nearestName(name, names);
  const hint = guess === null ? "" : `did you mean ${guess}? `;
  return refuse(text, `unknown parameter "${name}"; ${hint}(known: ${names.join(", ")})`);
}

function checkStalls(text: string, spec: SyntheticSpec): void {
  if (spec.stallAtNs === null && (spec.stallForNs > 0 || spec.stallEveryNs !== null)) {
    refuse(text, "stall_for and stall_every need stall_at, the start of the first stall");
  }
  if (spec.stallAtNs !== null && spec.stallForNs === 0) {
    refuse(text, "stall_at needs stall_for, the length of the stall, above 0");
  }
  if (spec.stallEveryNs !== null && spec.stallEveryNs <= spec.stallForNs) {
    refuse(text, "stall_every must be longer than stall_for, or the device never works again");
  }
}

/**
 * Reads `null:` (the null engine: `null`) or `null:?name=value&...` (a synthetic device). Throws
 * `bad-input` that names the bad parameter, its value, and the nearest known name or the right form.
 */
export function parseNullTarget(text: string): SyntheticSpec | null {
  const match = /^null:(\?(.*))?$/s.exec(text);
  if (match === null) {
    refuse(text, "a null target is null: or null:?name=value&name=value");
  }
  if (match[1] === undefined) {
    return null;
  }
  const draft: Draft = { ...syntheticDefaults };
  const seen = new Set<string>();
  for (const part of (match[2] ?? "").split("&")) {
    const equals = part.indexOf("=");
    const name = equals < 0 ? part : part.slice(0, equals);
    if (name === "") {
      refuse(text, "expected name=value after ? and after each &");
    }
    const parameter = findParameter(text, name);
    if (equals < 0) {
      refuse(text, `parameter ${name} needs a value: ${parameter.form}`);
    }
    if (seen.has(name)) {
      refuse(text, `parameter ${name} is given twice`);
    }
    seen.add(name);
    const value = part.slice(equals + 1);
    if (!parameter.set(draft, value)) {
      refuse(text, `${name}=${value} is not ${parameter.form}`);
    }
  }
  checkStalls(text, draft);
  return draft;
}
