/** Values of options as text: reading with Ceph's suffixes, and printing. */
import { OsdynoError } from "../base/error.ts";
import { nearestName } from "../base/nearest-name.ts";
import type { OptionDefinition, OptionType, OptionValue } from "./option.ts";

const sizeSuffixes: ReadonlyMap<string, number> = new Map(
  ["", "k", "m", "g", "t", "p"].flatMap((letter, power) => {
    const factor = 1024 ** power;
    const spellings =
      letter === "" ? ["", "b"] : [letter, `${letter}b`, `${letter}i`, `${letter}ib`];
    return spellings.map((spelling): [string, number] => [spelling, factor]);
  }),
);

const secondSuffixes: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["ns", 1e-9],
  ["us", 1e-6],
  ["ms", 1e-3],
  ["s", 1],
  ["sec", 1],
  ["m", 60],
  ["min", 60],
  ["h", 3600],
  ["d", 86400],
]);

const flags: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["yes", true],
  ["on", true],
  ["1", true],
  ["false", false],
  ["no", false],
  ["off", false],
  ["0", false],
]);

const wanted: Readonly<Record<OptionType, string>> = {
  size: "a size such as 4096, 64K or 1GiB",
  int: "a whole number",
  float: "a number",
  bool: "true or false",
  seconds: "a time such as 5, 0.5 or 20ms",
  choice: "one of its choices",
  text: "a text",
};

function scaled(text: string, suffixes: ReadonlyMap<string, number>): number {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*_?([a-z]*)$/i.exec(text.trim());
  const factor = suffixes.get((match?.[2] ?? "?").toLowerCase());
  return match === null || factor === undefined ? Number.NaN : Number(match[1]) * factor;
}

function numberOf(type: OptionType, text: string): number {
  switch (type) {
    case "size":
      return scaled(text, sizeSuffixes);
    case "seconds":
      return scaled(text, secondSuffixes);
    case "int": {
      // Ceph's counts take the suffixes of sizes as well.
      const value = scaled(text, sizeSuffixes);
      return Number.isInteger(value) ? value : Number.NaN;
    }
    default:
      return text.trim() === "" ? Number.NaN : Number(text);
  }
}

function rangeText({ min, max }: OptionDefinition): string {
  if (min !== undefined && max !== undefined) {
    return `from ${min} to ${max}`;
  }
  return min === undefined ? `at most ${max}` : `at least ${min}`;
}

function parseNumber(option: OptionDefinition, text: string): number {
  const value = numberOf(option.type, text);
  if (!Number.isFinite(value) || (option.type === "size" && !Number.isInteger(value))) {
    throw new OsdynoError("bad-input", `${option.name}=${text}: needs ${wanted[option.type]}`);
  }
  const low = option.min !== undefined && value < option.min;
  if (low || (option.max !== undefined && value > option.max)) {
    throw new OsdynoError("bad-input", `${option.name}=${text}: must be ${rangeText(option)}`);
  }
  if (!isStep(value, option.step)) {
    const what =
      typeof option.step === "number" ? `a multiple of ${option.step}` : "a power of two";
    throw new OsdynoError("bad-input", `${option.name}=${text}: must be ${what}`);
  }
  return value;
}

function isStep(value: number, step: OptionDefinition["step"]): boolean {
  return step === "power of two"
    ? Number.isInteger(Math.log2(value))
    : step === undefined || value % step === 0;
}

/** Choices that plug-ins bring, by option. */
const added = new Map<string, string[]>();

/** Another value of an option that is a choice. */
export function addChoice(option: string, choice: string): void {
  added.set(option, [...(added.get(option) ?? []), choice]);
}

function parseChoice(option: OptionDefinition, text: string): string {
  const choices = [...(option.choices ?? []), ...(added.get(option.name) ?? [])];
  const name = option.choiceAliases?.[text] ?? text;
  if (!choices.includes(name)) {
    const guess = nearestName(text, choices);
    const list = choices.map((choice) => (choice === "" ? '""' : choice)).join(", ");
    const hint = guess === null || guess === "" ? "" : ` (did you mean ${guess}?)`;
    throw new OsdynoError("bad-input", `${option.name}=${text}: one of ${list}${hint}`);
  }
  return name;
}

/** Reads a value; throws `bad-input` with the name, the value and what would be right. */
export function parseOptionValue(option: OptionDefinition, text: string): OptionValue {
  switch (option.type) {
    case "bool": {
      const flag = flags.get(text.trim().toLowerCase());
      if (flag === undefined) {
        throw new OsdynoError("bad-input", `${option.name}=${text}: needs ${wanted.bool}`);
      }
      return flag;
    }
    case "choice":
      return parseChoice(option, text.trim());
    case "text":
      return text;
    default:
      return parseNumber(option, text);
  }
}

/** A value for people: sizes in binary units where that is exact, seconds with their unit. */
export function optionValueText(type: OptionType, value: OptionValue): string {
  if (typeof value !== "number") {
    return value === "" ? '""' : String(value);
  }
  if (type === "seconds") {
    return `${value} s`;
  }
  if (type !== "size" || value === 0) {
    return String(value);
  }
  for (const [power, unit] of [
    [4, "TiB"],
    [3, "GiB"],
    [2, "MiB"],
    [1, "KiB"],
  ] as const) {
    if (value % 1024 ** power === 0) {
      return `${value / 1024 ** power} ${unit}`;
    }
  }
  return `${value} B`;
}
