/** Values with a grammar of their own: splits, zones, distributions, lists of names, CPUs, percentiles. */
import type { DistributionRule } from "./model.ts";
import { type KbBase, readNumber } from "./number-value.ts";

/** A reason in words instead of a value. The caller knows key and place. */
export interface Refusal {
  readonly refused: string;
}

export function isRefusal(value: unknown): value is Refusal {
  return typeof value === "object" && value !== null && "refused" in value;
}

/** Entries that were read, and remarks of the linter. */
export interface Read<T> {
  readonly value: T;
  readonly remarks: readonly string[];
}

export interface SplitEntry {
  readonly bytes: number;
  readonly percent: number;
}

const mostSplitEntries = 64;
const mostZones = 256;

interface RawEntry {
  readonly first: bigint;
  /** As written, `null` when absent. */
  readonly second: string | null;
}

/** `a` or `a,b` or `a,b,c` for read, write, trim, spread as fio spreads splits. Empty: unchanged. */
export function splitDirections(text: string): [string, string, string] {
  const first = text.indexOf(",");
  if (first < 0) {
    return [text, text, text];
  }
  const second = text.indexOf(",", first + 1);
  const read = text.slice(0, first);
  if (second < 0) {
    const rest = text.slice(first + 1);
    return [read, rest, rest];
  }
  return [read, text.slice(first + 1, second), text.slice(second + 1)];
}

function rawEntries(text: string, kbBase: KbBase, limit: number): Read<RawEntry[]> | Refusal {
  const entries: RawEntry[] = [];
  const remarks: string[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (part === "") {
      if (index < parts.length - 1) {
        remarks.push(
          `fio stops at the empty entry, so ${parts.slice(index + 1).join(":")} is lost`,
        );
      }
      break;
    }
    const slash = part.indexOf("/");
    const number = readNumber(slash < 0 ? part : part.slice(0, slash), kbBase);
    if (number?.kind !== "plain") {
      return { refused: `${part} does not begin with a number` };
    }
    entries.push({ first: number.value, second: slash < 0 ? null : part.slice(slash + 1) });
    if (entries.length > limit) {
      return { refused: `more than ${limit} entries` };
    }
  }
  return { value: entries, remarks };
}

/** Percent as C's atoi reads it, clamped; 0 and nothing mean "a share of the rest". */
function percentOf(text: string | null): number | null {
  const value = Number.parseInt(text ?? "0", 10);
  return Number.isNaN(value) || value === 0 ? null : value < 0 ? 100 : Math.min(value, 100);
}

/**
 * One direction of `bssplit`. Percentages sum to 100 afterwards: entries without one share the rest
 * (whole numbers, as in fio), and what is still left goes to the commonest size, as fio's draw does.
 * `null`: empty, nothing changes.
 */
export function readSplit(text: string, kbBase: KbBase): Read<SplitEntry[] | null> | Refusal {
  const raw = rawEntries(text, kbBase, mostSplitEntries);
  if (isRefusal(raw)) {
    return raw;
  }
  if (raw.value.length === 0) {
    return { value: null, remarks: raw.remarks };
  }
  const remarks = [...raw.remarks];
  const percents = raw.value.map((entry) => percentOf(entry.second));
  if (raw.value.some((entry) => entry.second !== null && Number.parseInt(entry.second, 10) > 100)) {
    remarks.push("fio reads a percentage above 100 as 100");
  }
  if (raw.value.some((entry) => /^0+\D*$/.test(entry.second ?? ""))) {
    remarks.push("fio reads 0 percent as a share of the rest, not as never");
  }
  const given = percents.reduce<number>((sum, percent) => sum + (percent ?? 0), 0);
  const missing = percents.filter((percent) => percent === null).length;
  if (given > 100 && missing > 1) {
    return { refused: `the percentages add up to ${given}, more than 100` };
  }
  const share = missing === 0 ? 0 : Math.floor((100 - given) / missing);
  const entries: SplitEntry[] = [];
  for (const [index, entry] of raw.value.entries()) {
    if (entry.first < 1n || entry.first > BigInt(Number.MAX_SAFE_INTEGER)) {
      return { refused: `${entry.first} is no block size` };
    }
    entries.push({ bytes: Number(entry.first), percent: percents[index] ?? share });
  }
  return { value: given > 100 ? cutAt100(entries, remarks) : shareRest(entries, remarks), remarks };
}

/**
 * More than 100 percent: fio draws from 1 to 100 against the running sum of the ascending
 * percentages. What lies beyond 100 is never drawn; a share of a rest below 0 is always drawn first.
 */
function cutAt100(entries: readonly SplitEntry[], remarks: string[]): SplitEntry[] {
  const sum = entries.reduce((total, entry) => total + Math.max(0, entry.percent), 0);
  const left: SplitEntry[] = [];
  let used = 0;
  for (const entry of entries.toSorted((a, b) => a.percent - b.percent)) {
    const percent = entry.percent < 0 ? 100 : Math.min(entry.percent, 100 - used);
    used += percent;
    left.push({ bytes: entry.bytes, percent });
  }
  const drawn = left.filter((entry) => entry.percent > 0);
  const shares = drawn.map((entry) => `${entry.percent}% ${entry.bytes} bytes`).join(", ");
  remarks.push(`the percentages add up to ${sum}, not 100; fio draws ${shares}`);
  return drawn;
}

function shareRest(entries: readonly SplitEntry[], remarks: string[]): SplitEntry[] {
  const sorted = entries.toSorted((a, b) => a.percent - b.percent);
  const last = sorted.at(-1);
  const rest = 100 - sorted.reduce((sum, entry) => sum + entry.percent, 0);
  if (last === undefined) {
    return [];
  }
  if (rest > 0 && sorted.length > 1) {
    remarks.push(
      `the percentages leave ${rest} over; fio gives them to the commonest size, ${last.bytes} bytes`,
    );
  }
  const unused = sorted.find((entry) => entry.percent === 0);
  if (unused !== undefined) {
    remarks.push(`no share is left for ${unused.bytes} bytes: that size is never used`);
  }
  const whole = [...sorted.slice(0, -1), { bytes: last.bytes, percent: last.percent + rest }];
  return whole.filter((entry) => entry.percent > 0);
}

/** fio's values when a distribution is named without a number. */
const defaultTheta = 1.1;
const defaultParetoH = 0.2;
const distributionNames = ["random", "zipf", "pareto", "normal", "zoned", "zoned_abs"] as const;

/** `random_distribution`: one law for all directions, except zones. */
export function readDistribution(
  text: string,
  kbBase: KbBase,
): Read<[DistributionRule | null, DistributionRule | null, DistributionRule | null]> | Refusal {
  const colon = text.indexOf(":");
  const given = colon < 0 ? text : text.slice(0, colon);
  const name = distributionNames.find((candidate) => candidate === given);
  if (name === undefined) {
    return { refused: `no such distribution; one of ${distributionNames.join(", ")}` };
  }
  if (name === "zoned" || name === "zoned_abs") {
    return readZones(colon < 0 ? "" : text.slice(colon + 1), name, kbBase);
  }
  const rule: DistributionRule | Refusal =
    name === "random"
      ? { kind: "random" }
      : readLaw(name, colon < 0 ? null : text.slice(colon + 1));
  if (isRefusal(rule)) {
    return rule;
  }
  return { value: [rule, rule, rule], remarks: [] };
}

function readLaw(
  name: "zipf" | "pareto" | "normal",
  text: string | null,
): DistributionRule | Refusal {
  const [first, second] = (text ?? "").split(":");
  const fallback = name === "zipf" ? defaultTheta : name === "pareto" ? defaultParetoH : 0;
  const value = text === null ? fallback : readFloat(first ?? "");
  const center = second === undefined ? null : readFloat(second);
  if (value === null || (second !== undefined && center === null)) {
    return { refused: `${text} is not a number` };
  }
  if (center !== null && !(center === -1 || (center >= 0 && center <= 1))) {
    return { refused: `the centre ${center} is not between 0 and 1` };
  }
  const where = center === -1 ? null : center;
  if (name === "zipf") {
    return value === 1 || !(value > 0)
      ? { refused: `theta of zipf must be above 0 and not 1, is ${value}` }
      : { kind: "zipf", theta: value, center: where };
  }
  if (name === "pareto") {
    return value > 0 && value < 1
      ? { kind: "pareto", h: value, center: where }
      : { refused: `h of pareto must be between 0 and 1, is ${value}` };
  }
  return value >= 0 && value < 100
    ? { kind: "normal", deviation: value, center: where }
    : { refused: `the deviation of normal must be from 0 to below 100, is ${value}` };
}

function readZones(
  text: string,
  name: "zoned" | "zoned_abs",
  kbBase: KbBase,
): Read<[DistributionRule | null, DistributionRule | null, DistributionRule | null]> | Refusal {
  if (text === "") {
    return { refused: `${name} needs zones: ${name}:60/10:40/90` };
  }
  const remarks = text.includes(",")
    ? ["zones per direction work here; fio 3.33 refuses them"]
    : [];
  const rules: (DistributionRule | null)[] = [];
  // As fio's manual shows it, the name may be repeated for each direction.
  for (const part of splitDirections(text.replaceAll(`,${name}:`, ","))) {
    if (part === "") {
      rules.push(null);
      continue;
    }
    const zones = name === "zoned" ? relativeZones(part, kbBase) : absoluteZones(part, kbBase);
    if (isRefusal(zones)) {
      return zones;
    }
    rules.push({ kind: name === "zoned" ? "zoned" : "zonedAbs", zones: zones.value });
    remarks.push(...zones.remarks);
  }
  const [read = null, write = null, trim = null] = rules;
  return { value: [read, write, trim], remarks: [...new Set(remarks)] };
}

type Zones = Read<{ access: number; size: number }[]>;

function relativeZones(text: string, kbBase: KbBase): Zones | Refusal {
  const raw = rawEntries(text, kbBase, mostZones);
  if (isRefusal(raw)) {
    return raw;
  }
  const sizes = raw.value.map((entry) => percentOf(entry.second));
  const given = sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  if (given > 100) {
    return { refused: `the sizes of the zones add up to ${given}%, more than 100` };
  }
  const missing = sizes.filter((size) => size === null).length;
  const share = missing === 0 ? 0 : Math.floor((100 - given) / missing);
  const zones = raw.value.map((entry, index) => ({
    access: Number(entry.first),
    size: sizes[index] ?? share,
  }));
  const covered = zones.reduce((sum, zone) => sum + zone.size, 0);
  const remarks = [...raw.remarks];
  if (covered < 100) {
    remarks.push(`the zones cover ${covered}% of the region; the rest is never accessed`);
  }
  return accessAddsUp(zones) ?? { value: zones, remarks };
}

function absoluteZones(text: string, kbBase: KbBase): Zones | Refusal {
  const raw = rawEntries(text, kbBase, mostZones);
  if (isRefusal(raw)) {
    return raw;
  }
  const zones: { access: number; size: number }[] = [];
  for (const entry of raw.value) {
    const size = entry.second === null ? null : readNumber(entry.second, kbBase);
    if (size?.kind !== "plain" || size.value < 1n || size.value > BigInt(Number.MAX_SAFE_INTEGER)) {
      return { refused: `a zone needs a size in bytes: ${entry.first}/1g` };
    }
    zones.push({ access: Number(entry.first), size: Number(size.value) });
  }
  return accessAddsUp(zones) ?? { value: zones, remarks: raw.remarks };
}

function accessAddsUp(zones: readonly { access: number }[]): Refusal | null {
  if (zones.some((zone) => zone.access < 0 || zone.access > 100)) {
    return { refused: "a zone's share of accesses is not between 0 and 100" };
  }
  const sum = zones.reduce((total, zone) => total + zone.access, 0);
  return sum === 100
    ? null
    : { refused: `the zones' shares of accesses add up to ${sum}, must be exactly 100` };
}

/** The leading floating-point number, as C reads one; `null` without. */
export function readFloat(text: string): number | null {
  const match = /^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/.exec(text);
  return match === null ? null : Number(match[0]);
}

const mostPercentiles = 20;

/** `percentile_list`: up to 20 numbers from 0 to 100. */
export function readPercentiles(text: string): number[] | Refusal {
  const parts = text.split(":");
  if (parts.length > mostPercentiles) {
    return { refused: `${parts.length} percentiles, at most ${mostPercentiles}` };
  }
  const values: number[] = [];
  for (const part of parts) {
    const value = readFloat(part);
    if (value === null || value < 0 || value > 100) {
      return { refused: `${part === "" ? "an empty entry" : part} is no percentile from 0 to 100` };
    }
    values.push(value);
  }
  return values;
}

/** Names separated by `:`; `\:` is a colon within a name; empty names vanish. */
export function readNames(text: string): string[] {
  return text
    .trim()
    .split(/(?<!\\):/)
    .filter((name) => name !== "")
    .map((name) => name.replaceAll("\\:", ":"));
}

/** `cpus_allowed`: numbers and ranges, as `0,5,8-15`, below the number of CPUs. */
export function readCpus(text: string, cpuCount: number): number[] | Refusal {
  const cpus = new Set<number>();
  for (const part of text.trim().split(",")) {
    const match = /^\s*(\d+)(?:\s*-\s*(\d+))?\s*$/.exec(part);
    if (match === null) {
      return { refused: `${part === "" ? "an empty entry" : part} is no CPU number or range` };
    }
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (Math.max(first, last) >= cpuCount) {
      return {
        refused: `there is no CPU ${Math.max(first, last)}; the last one is ${cpuCount - 1}`,
      };
    }
    if (first > last) {
      return { refused: `the range ${part} is empty` };
    }
    for (let cpu = first; cpu <= last; cpu++) {
      cpus.add(cpu);
    }
  }
  return [...cpus].sort((a, b) => a - b);
}

/** Range `lo-hi`, swapped when reversed. */
export function readRange(
  text: string,
  kbBase: KbBase,
): { readonly min: number; readonly max: number; readonly swapped: boolean } | Refusal {
  const cut = text.includes("-") ? text.indexOf("-") : text.indexOf(":");
  const low = cut < 0 ? null : readNumber(text.slice(0, cut), kbBase);
  const high = cut < 0 ? null : readNumber(text.slice(cut + 1), kbBase);
  if (low?.kind !== "plain" || high?.kind !== "plain") {
    return { refused: `${text} is no range; write it as 4k-64k` };
  }
  const swapped = low.value > high.value;
  const [min, max] = swapped ? [high.value, low.value] : [low.value, high.value];
  if (min < 1n || max > BigInt(Number.MAX_SAFE_INTEGER)) {
    return { refused: `${text} is not a range of sizes above 0` };
  }
  return { min: Number(min), max: Number(max), swapped };
}

/** A choice of names as fio matches it: the text up to `,` or `:`; what follows is a postfix or ignored. */
export function matchChoice(
  text: string,
  choices: readonly string[],
): { readonly choice: string; readonly rest: string } | null {
  const end = text.includes(",") ? text.indexOf(",") : text.indexOf(":");
  const word = end < 0 ? text : text.slice(0, end);
  // "readwrite" is listed, so that "read" does not win over it: the longest match counts.
  const choice = choices
    .filter((candidate) => text.startsWith(candidate) && word.length <= candidate.length)
    .sort((a, b) => b.length - a.length)[0];
  return choice === undefined ? null : { choice, rest: text.slice(choice.length) };
}
